"""VaultConnection: how to reach one Vault or OpenBao server."""

from typing import Annotated

import msgspec

from vso.apis import meta
from vso.apis.field import DURATION, Block, Field, written
from vso.apis.v1beta1.status import Conditions, Valid


class VaultConnectionSpec(Block, frozen=True, kw_only=True):
    """What reaches the server."""

    address: Annotated[str, Field("Base URL of the server, such as https://vault.example:8200.", required=True)] = ""
    headers: Annotated[dict[str, str], Field("Headers to send with every request; X-Vault-Namespace is refused.")] = (
        msgspec.field(default_factory=dict)
    )
    tls_server_name: Annotated[str, Field("Host name to ask for and to verify in the TLS handshake.")] = ""
    ca_cert_secret_ref: Annotated[
        str,
        Field("Secret in this object's namespace with PEM certificates in key ca.crt; not with caCertPath."),
    ] = ""
    ca_cert_path: Annotated[
        str,
        Field("File with PEM certificates in the operator's container; not with caCertSecretRef."),
    ] = ""
    skip_tls_verify: Annotated[bool, Field("Do not verify the server's certificate.", required=True, default=False)] = (
        msgspec.field(default=False, name="skipTLSVerify")
    )
    timeout: Annotated[str, Field("Time limit of each request; unset, it is one minute.", pattern=DURATION)] = ""


class VaultConnectionStatus(Block, frozen=True, kw_only=True):
    """Whether the server answers; a sealed server that answers counts as valid."""

    valid: Valid = written(False)  # noqa: FBT003 - the value of the field
    conditions: Conditions = ()


class VaultConnection(meta.Object, frozen=True, kw_only=True):
    """How to reach one Vault or OpenBao server."""

    spec: VaultConnectionSpec = VaultConnectionSpec()
    status: VaultConnectionStatus = VaultConnectionStatus()
