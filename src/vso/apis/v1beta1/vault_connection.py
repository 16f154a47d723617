"""VaultConnection: how to reach one Vault or OpenBao server."""

from typing import Annotated

import msgspec

from vso.apis import meta
from vso.apis.field import DURATION, Block, Field, written
from vso.apis.v1beta1.status import Conditions, Valid


class ConfigMapKey(Block, frozen=True, kw_only=True):
    """One entry of a ConfigMap in this object's namespace."""

    name: Annotated[str, Field("Name of the ConfigMap.", required=True)] = ""
    key: Annotated[str, Field("Key of the entry; unset, ca.crt.")] = ""


class AuthoritySource(Block, frozen=True, kw_only=True):
    """Where the certificate authorities come from; one of the two, and not with caCertSecretRef or caCertPath."""

    config_map_ref: Annotated[ConfigMapKey | None, Field("A ConfigMap with PEM certificates.")] = None
    cluster_trust_bundle: Annotated[str, Field("Name of a ClusterTrustBundle.")] = ""


class ConnectionLimits(Block, frozen=True, kw_only=True):
    """What all requests over this connection together may take (D28)."""

    requests_per_second: Annotated[
        int | None, Field("Requests per second on average; unset, there is no limit.", minimum=1)
    ] = None
    burst: Annotated[int | None, Field("Requests at once above that rate; unset, one second's.", minimum=1)] = None
    max_in_flight: Annotated[
        int | None, Field("Requests that wait for an answer at the same time; unset, 32.", minimum=1)
    ] = None


class ConnectionSettings(Block, frozen=True, kw_only=True):
    """What can be asked for beyond the original's fields."""

    allowed_namespaces: Annotated[
        tuple[str, ...] | None,
        Field(
            "Namespaces, beside this object's own, whose VaultAuth objects may use it: exact names, or a single * "
            "for all; unset, all may."
        ),
    ] = None
    proxy_url: Annotated[
        str,
        Field(
            "HTTP proxy for this server; none goes without. Unset, the operator's HTTP_PROXY, HTTPS_PROXY and "
            "NO_PROXY count."
        ),
    ] = msgspec.field(default="", name="proxyURL")
    ca: Annotated[AuthoritySource | None, Field("Further sources of certificate authorities.")] = None
    limits: Annotated[ConnectionLimits | None, Field("Limits on requests to this server.")] = None


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
    extensions: Annotated[ConnectionSettings, Field("What can be asked for beyond the original's fields.")] = (
        ConnectionSettings()
    )


class VaultConnectionStatus(Block, frozen=True, kw_only=True):
    """Whether the server answers; a sealed server that answers counts as valid."""

    valid: Valid = written(False)  # noqa: FBT003 - the value of the field
    conditions: Conditions = ()


class VaultConnection(meta.Object, frozen=True, kw_only=True):
    """How to reach one Vault or OpenBao server."""

    spec: VaultConnectionSpec = VaultConnectionSpec()
    status: VaultConnectionStatus = VaultConnectionStatus()
