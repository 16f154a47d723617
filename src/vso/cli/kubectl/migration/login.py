"""VaultConnections and VaultAuths for sources that say of Vault no more than an address and a role."""

from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from vso.apis.v1beta1 import KubernetesAuth, VaultAuth, VaultAuthSpec, VaultConnection, VaultConnectionSpec
from vso.cli.kubectl.migration.draft import Draft, name_of

PLACEHOLDER: Final = "https://vault.example.com:8200"
KUBERNETES: Final = "kubernetes"
DEFAULT_ACCOUNT: Final = "default"


@dataclass(frozen=True, slots=True, kw_only=True)
class KubernetesLogin:
    """A login with the token of a ServiceAccount, as such sources describe it; empty is unset."""

    address: str = ""
    role: str = ""
    service_account: str = DEFAULT_ACCOUNT
    mount: str = KUBERNETES
    namespace: str = ""
    audience: str = ""
    skip_tls_verify: bool = False
    tls_server_name: str = ""
    ca_cert_secret_ref: str = ""


def add_login(draft: Draft, login: KubernetesLogin, *, namespace: str, member: str) -> str:
    """Add the objects for `login`; the name of the VaultAuth. What is not known is noted at `member`."""
    host = urlsplit(login.address).hostname or ""
    connection = name_of(host) if host else "vault"
    if not login.address:
        draft.check(member, f"the address of Vault is not told: set it in VaultConnection {connection}")
    if not login.role:
        draft.check(member, "the role is not told: set spec.kubernetes.role of the VaultAuth")
    spec = VaultConnectionSpec(
        address=login.address or PLACEHOLDER,
        skip_tls_verify=login.skip_tls_verify,
        tls_server_name=login.tls_server_name,
        ca_cert_secret_ref=login.ca_cert_secret_ref,
    )
    draft.add(VaultConnection(spec=spec), name=connection, namespace=namespace)
    account = "" if login.service_account == DEFAULT_ACCOUNT else login.service_account
    mount = "" if login.mount == KUBERNETES else login.mount
    name = name_of("vault", login.role, "" if account == login.role else account, mount)
    block = KubernetesAuth(
        role=login.role or "set-me",
        service_account=login.service_account,
        audiences=(login.audience,) if login.audience else (),
    )
    auth = VaultAuthSpec(
        vault_connection_ref=connection,
        namespace=login.namespace,
        method=KUBERNETES,
        mount=login.mount,
        kubernetes=block,
    )
    draft.add(VaultAuth(spec=auth), name=name, namespace=namespace)
    return name
