"""What each way to log in to Vault needs; the blocks of VaultAuth and VaultAuthGlobal.

Secrets and ServiceAccounts named here are looked up in the namespace of the object that consumes the login,
not in that of the VaultAuth (api.md section 5.5), unless `extensions.credentialsNamespace` says otherwise. What a
block must hold stands with it (api.md section 7.1): lexical rules only, nothing is looked up. Methods that the
original does not have are in `added_method`.
"""

import posixpath
from enum import StrEnum
from typing import Annotated

import msgspec

from vso.apis.field import Block, Field


class AuthMethod(StrEnum):
    """Names of the methods; each is also the name of its block on the wire."""

    KUBERNETES = "kubernetes"
    JWT = "jwt"
    APP_ROLE = "appRole"
    AWS = "aws"
    GCP = "gcp"


Audiences = Annotated[tuple[str, ...], Field("Audiences of the token that is requested.")]
Expiration = Annotated[
    int,
    Field("Seconds that the token that is requested is valid for.", format="int64", default=600, minimum=600),
]
Role = Annotated[str, Field("Role in Vault to log in with; the login fails without it.")]


class LoginBlock(Block, frozen=True, kw_only=True):
    """Base of the blocks."""

    def problems(self) -> list[str]:
        """What is missing or contradictory, for people, each with the field to set."""
        return []

    def login_problems(self) -> list[str]:
        """What only a login needs beyond that."""
        return []


def unset(block: str, **fields: str) -> list[str]:
    """A problem for each field that is empty; `block` is its path below spec."""
    return [f"spec.{block}.{name} is empty; set it" for name, value in fields.items() if not value]


class KubernetesAuth(LoginBlock, frozen=True, kw_only=True):
    """Log in with a token of a ServiceAccount, which Vault has the cluster review."""

    role: Role = ""
    service_account: Annotated[
        str, Field("ServiceAccount in the consumer's namespace to request a token of; needed.")
    ] = ""
    audiences: Audiences = ()
    token_expiration_seconds: Expiration = 0

    def problems(self) -> list[str]:
        """See `LoginBlock.problems`."""
        return unset("kubernetes", role=self.role, serviceAccount=self.service_account)


class JwtAuth(LoginBlock, frozen=True, kw_only=True):
    """Log in with a JWT: of a ServiceAccount, or one that a Secret holds."""

    role: Role = ""
    secret_ref: Annotated[
        str,
        Field("Secret in the consumer's namespace with the token in key jwt; used without serviceAccount."),
    ] = ""
    service_account: Annotated[
        str, Field("ServiceAccount in the consumer's namespace to request a token of; wins over secretRef.")
    ] = ""
    audiences: Audiences = ()
    token_expiration_seconds: Expiration = 0

    def problems(self) -> list[str]:
        """See `LoginBlock.problems`."""
        return unset("jwt", role=self.role)

    def login_problems(self) -> list[str]:
        """See `LoginBlock.login_problems`."""
        known = self.service_account or self.secret_ref
        return [] if known else ["spec.jwt names no token; set serviceAccount or secretRef"]


class AppRoleAuth(LoginBlock, frozen=True, kw_only=True):
    """Log in with a role id and a secret id."""

    role_id: Annotated[str, Field("Role id; the login fails without it.")] = ""
    secret_id_path: Annotated[
        str,
        Field("Absolute path of a file with the secret id, in the operator's container; not with secretRef."),
    ] = msgspec.field(default="", name="secretIDPath")
    secret_ref: Annotated[
        str, Field("Secret in the consumer's namespace with the secret id in key id; not with secretIDPath.")
    ] = ""

    def problems(self) -> list[str]:
        """See `LoginBlock.problems`."""
        return unset("appRole", roleId=self.role_id) + self._secret_id_problems()

    def _secret_id_problems(self) -> list[str]:
        path = self.secret_id_path
        if path and self.secret_ref:
            return ["spec.appRole has both secretIDPath and secretRef; keep one"]
        if not path:
            return [] if self.secret_ref else ["spec.appRole names no secret id; set secretRef or secretIDPath"]
        if ".." in path:
            return [f"spec.appRole.secretIDPath {path!r} contains '..'; write the path without it"]
        if not posixpath.isabs(path):
            return [f"spec.appRole.secretIDPath {path!r} is not absolute; start it with a slash"]
        return []


class AwsAuth(LoginBlock, frozen=True, kw_only=True):
    """Log in with a signed AWS request: keys of a Secret, else IRSA, else the identity of the node."""

    role: Role = ""
    region: Annotated[str, Field("AWS region that the request is signed for.")] = ""
    header_value: Annotated[str, Field("Value of Vault's server id header in the signed request.")] = ""
    session_name: Annotated[str, Field("Name of the session when a web identity is exchanged.")] = ""
    sts_endpoint: Annotated[str, Field("Address of the Security Token Service, if not the usual one.")] = ""
    iam_endpoint: Annotated[str, Field("Address of Identity and Access Management, if not the usual one.")] = ""
    secret_ref: Annotated[
        str,
        Field(
            "Secret in the consumer's namespace with the keys access_key_id, secret_access_key and "
            "session_token, each optional."
        ),
    ] = ""
    irsa_service_account: Annotated[
        str, Field("ServiceAccount in the consumer's namespace that is annotated with an AWS role.")
    ] = ""

    def problems(self) -> list[str]:
        """See `LoginBlock.problems`."""
        return unset("aws", role=self.role)


class GcpAuth(LoginBlock, frozen=True, kw_only=True):
    """Log in as a Google service account through workload identity."""

    role: Role = ""
    workload_identity_service_account: Annotated[
        str,
        Field("ServiceAccount in the consumer's namespace annotated with a Google service account; needed."),
    ] = ""
    region: Annotated[str, Field("Location of the cluster; unset, the metadata server is asked.")] = ""
    cluster_name: Annotated[str, Field("Name of the cluster; unset, the metadata server is asked.")] = ""
    project_id: Annotated[str, Field("Google Cloud project; unset, the metadata server is asked.")] = msgspec.field(
        default="", name="projectID"
    )

    def problems(self) -> list[str]:
        """See `LoginBlock.problems`."""
        account = self.workload_identity_service_account
        return unset("gcp", role=self.role, workloadIdentityServiceAccount=account)


SharedNamespace = Annotated[str, Field("Vault namespace to log in to with this method.")]
SharedMount = Annotated[str, Field("Mount of this method.")]
SharedParams = Annotated[dict[str, str], Field("Login parameters for this method.")]
SharedHeaders = Annotated[dict[str, str], Field("Headers on the login request for this method.")]

# Layouts of structs do not combine, so the four additional fields of a VaultAuthGlobal stand in each block.


class SharedKubernetesAuth(KubernetesAuth, frozen=True, kw_only=True):
    """Defaults for logins with the method kubernetes."""

    namespace: SharedNamespace = ""
    mount: SharedMount = ""
    params: SharedParams = msgspec.field(default_factory=dict)
    headers: SharedHeaders = msgspec.field(default_factory=dict)


class SharedJwtAuth(JwtAuth, frozen=True, kw_only=True):
    """Defaults for logins with the method jwt."""

    namespace: SharedNamespace = ""
    mount: SharedMount = ""
    params: SharedParams = msgspec.field(default_factory=dict)
    headers: SharedHeaders = msgspec.field(default_factory=dict)


class SharedAppRoleAuth(AppRoleAuth, frozen=True, kw_only=True):
    """Defaults for logins with the method appRole."""

    namespace: SharedNamespace = ""
    mount: SharedMount = ""
    params: SharedParams = msgspec.field(default_factory=dict)
    headers: SharedHeaders = msgspec.field(default_factory=dict)


class SharedAwsAuth(AwsAuth, frozen=True, kw_only=True):
    """Defaults for logins with the method aws."""

    namespace: SharedNamespace = ""
    mount: SharedMount = ""
    params: SharedParams = msgspec.field(default_factory=dict)
    headers: SharedHeaders = msgspec.field(default_factory=dict)


class SharedGcpAuth(GcpAuth, frozen=True, kw_only=True):
    """Defaults for logins with the method gcp."""

    namespace: SharedNamespace = ""
    mount: SharedMount = ""
    params: SharedParams = msgspec.field(default_factory=dict)
    headers: SharedHeaders = msgspec.field(default_factory=dict)


SharedBlock = SharedKubernetesAuth | SharedJwtAuth | SharedAppRoleAuth | SharedAwsAuth | SharedGcpAuth
