"""VaultAuth: how to log in to Vault, and which namespaces may do so."""

from enum import StrEnum
from typing import Annotated

import msgspec

from vso.apis import meta
from vso.apis.field import Block, Field
from vso.apis.v1beta1.added_method import AddedLogin
from vso.apis.v1beta1.auth_method import (
    AppRoleAuth,
    AuthMethod,
    AwsAuth,
    GcpAuth,
    JwtAuth,
    KubernetesAuth,
)
from vso.apis.v1beta1.status import Conditions


class MergeMode(StrEnum):
    """How a map of a VaultAuthGlobal combines with that of a VaultAuth (api.md section 6.4)."""

    UNION = "union"
    REPLACE = "replace"
    NONE = "none"


class MergeStrategy(Block, frozen=True, kw_only=True):
    """How the maps of both objects combine; unset means none."""

    headers: Annotated[
        str,
        Field(
            "How headers combine: union lays them over each other, replace takes the first map that has any, "
            "none leaves those of the VaultAuthGlobal aside.",
            enum=tuple(MergeMode),
        ),
    ] = ""
    params: Annotated[str, Field("How params combine; values as for headers.", enum=tuple(MergeMode))] = ""


class VaultAuthGlobalRef(Block, frozen=True, kw_only=True):
    """Which VaultAuthGlobal to inherit from."""

    name: Annotated[str, Field("Name of the VaultAuthGlobal.", pattern=r"^([a-z0-9.-]{1,253})$")] = ""
    namespace: Annotated[
        str,
        Field("Namespace of the VaultAuthGlobal; unset, this object's.", pattern=r"^([a-z0-9-]{1,63})$"),
    ] = ""
    merge_strategy: Annotated[MergeStrategy, Field("How headers and params combine.")] = MergeStrategy()
    allow_default: Annotated[
        bool,
        Field("Without a name, use the VaultAuthGlobal called default of this or the operator's namespace."),
    ] = False


class StorageEncryption(Block, frozen=True, kw_only=True):
    """The Transit key that encrypts stored logins."""

    mount: Annotated[str, Field("Mount of the Transit engine.", required=True)] = ""
    key_name: Annotated[str, Field("Name of the key.", required=True)] = ""


class CredentialsNamespace(StrEnum):
    """Where ServiceAccounts and Secrets of a login are looked up (D35)."""

    CONSUMER = "Consumer"
    OWN = "Own"


class AppRoleSettings(Block, frozen=True, kw_only=True):
    """What can be asked for of the method appRole beyond the original's fields."""

    wrapped: Annotated[
        bool,
        Field("secretRef or secretIDPath gives a response-wrapping token, which Vault unwraps to the secret id."),
    ] = False


class AuthSettings(Block, frozen=True, kw_only=True):
    """What can be asked for beyond the original's fields."""

    login: Annotated[AddedLogin | None, Field("A method that the original does not have.")] = None
    credentials_namespace: Annotated[
        str,
        Field(
            "Where ServiceAccounts and Secrets of the login are looked up: Consumer, the namespace of the secret "
            "that needs it, as the original does; Own, this object's. Own needs the operator's permission and an "
            "allowedNamespaces that admits the consumer.",
            enum=tuple(CredentialsNamespace),
        ),
    ] = ""
    app_role: Annotated[AppRoleSettings | None, Field("Settings of the method appRole.")] = None


class VaultAuthSpec(Block, frozen=True, kw_only=True):
    """The login, and who may use it."""

    vault_connection_ref: Annotated[
        str,
        Field(
            "VaultConnection to use, as name or namespace/name; unset, the one called default in the "
            "operator's namespace."
        ),
    ] = ""
    vault_auth_global_ref: Annotated[VaultAuthGlobalRef | None, Field("VaultAuthGlobal to inherit from.")] = None
    namespace: Annotated[
        str, Field("Vault namespace to log in to, and to read from unless a secret names another.")
    ] = ""
    allowed_namespaces: Annotated[
        tuple[str, ...],
        Field("Namespaces, beside this object's own, whose objects may use it: exact names, or a single * for all."),
    ] = ()
    method: Annotated[str, Field("How to log in; set here or by the VaultAuthGlobal.", enum=tuple(AuthMethod))] = ""
    mount: Annotated[str, Field("Mount of the auth method; set here or by the VaultAuthGlobal.")] = ""
    params: Annotated[
        dict[str, str], Field("Login parameters; merged with those of the VaultAuthGlobal, but never sent.")
    ] = msgspec.field(default_factory=dict)
    headers: Annotated[dict[str, str], Field("Headers on the login request.")] = msgspec.field(default_factory=dict)
    kubernetes: Annotated[KubernetesAuth | None, Field("Used with method kubernetes.")] = None
    app_role: Annotated[AppRoleAuth | None, Field("Used with method appRole.")] = None
    jwt: Annotated[JwtAuth | None, Field("Used with method jwt.")] = None
    aws: Annotated[AwsAuth | None, Field("Used with method aws.")] = None
    gcp: Annotated[GcpAuth | None, Field("Used with method gcp.")] = None
    storage_encryption: Annotated[
        StorageEncryption | None,
        Field("Transit key that encrypts logins kept over restarts of the operator."),
    ] = None
    extensions: Annotated[AuthSettings, Field("What can be asked for beyond the original's fields.")] = AuthSettings()


class VaultAuthStatus(Block, frozen=True, kw_only=True):
    """Whether the object can be used."""

    valid: Annotated[bool | None, Field("Whether the last look at this object found no error.")] = None
    error: Annotated[str, Field("What is wrong; empty if nothing is.")] = ""
    conditions: Conditions = ()
    spec_hash: Annotated[
        str, Field("Hash of the spec merged with the VaultAuthGlobal; logins are renewed when it changes.")
    ] = ""


class VaultAuth(meta.Object, frozen=True, kw_only=True):
    """How to log in to Vault, and which namespaces may do so."""

    spec: VaultAuthSpec = VaultAuthSpec()
    status: VaultAuthStatus = VaultAuthStatus()
