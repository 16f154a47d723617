"""One login: from the objects that describe it to a token. When to log in is decided in `clients`.

What it needs of Kubernetes stands in the Protocols here; what a method needs, in `vso.vault.auth`.
"""

from collections import OrderedDict
from dataclasses import dataclass, replace
from typing import Final, Protocol

from vso.apis.meta import Key
from vso.apis.v1beta1 import VaultConnection
from vso.base import Clock, Sensitive
from vso.sync.identity import cache_key
from vso.sync.resolve import ClientSpec
from vso.sync.server import Server
from vso.vault import (
    METHODS,
    Auth,
    ClientCertificate,
    Connection,
    Credentials,
    LoginRequest,
    MissingCredential,
    login,
    unwrap,
)

_KNOWN: Final = 1000
"""Unwrapped secrets that are remembered."""


class Voucher(Credentials, Protocol):
    """The credentials of one login, and who vouches for it."""

    async def provider_uid(self) -> str:
        """UID of the object that supplies the credentials (behaviour.md section 2.1). May raise CredentialMissing."""


class Cluster(Protocol):
    """What logins need of Kubernetes."""

    def credentials(self, spec: ClientSpec) -> Voucher:
        """The credentials of a login; nothing is fetched yet. Raises CredentialMissing for an unknown method."""

    async def connection(self, connection: VaultConnection) -> Connection:
        """Turn the resource into settings, reading its CA. Raises ConnectionInvalid or the cluster's errors."""

    def is_current(self, connection: VaultConnection) -> bool:
        """Whether the resource is still what the cluster holds, as far as it says how to reach a server."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoggedIn:
    """What a login gave, at the monotonic instant `issued` or a little later.

    `provider_uid` names who vouched. `certificate` is needed again at renewals. A token that is `lent` was not made by
    this login, and is never revoked.
    """

    auth: Auth
    issued: float
    provider_uid: str
    certificate: ClientCertificate | None = None
    lent: bool = False


class Authenticator:
    """Logs in at a server."""

    def __init__(self, cluster: Cluster, clock: Clock) -> None:
        self._cluster = cluster
        self._clock = clock
        self._known: OrderedDict[tuple[Key, str, str, Sensitive[str]], Sensitive[str]] = OrderedDict()

    async def log_in(self, spec: ClientSpec, server: Server) -> LoggedIn:
        """Fetch the credentials of a login and log in with them.

        Raises CredentialMissing, MissingCredential, LoginRefused and other VaultErrors, Unavailable, and the cluster's
        errors.
        """
        voucher = self._cluster.credentials(spec)
        issued = self._clock.monotonic()
        request = await METHODS[spec.merged.method].request(voucher)
        request = await self._with_unwrapped(spec, server, request)
        auth = await server.call(
            lambda transport: login(
                transport,
                spec.merged.mount,
                request,
                namespace=spec.merged.namespace,
                headers=spec.merged.headers,
            )
        )
        return LoggedIn(
            auth=auth,
            issued=issued,
            provider_uid=await voucher.provider_uid(),
            certificate=request.certificate,
            lent=request.token is not None,
        )

    async def _with_unwrapped(self, spec: ClientSpec, server: Server, request: LoginRequest) -> LoginRequest:
        """`request` with what its wrapping tokens hold."""
        if not request.wrapped:
            return request
        body = dict(request.body)
        for name, token in request.wrapped.items():
            body[name] = await self._unwrapped(spec, server, name, token)
        return replace(request, body=body, wrapped={})

    async def _unwrapped(self, spec: ClientSpec, server: Server, name: str, token: Sensitive[str]) -> Sensitive[str]:
        """The field `name` of what `token` wraps; remembered, since Vault gives it only once."""
        identity = (spec.auth.key, spec.holder, name, token)
        known = self._known.get(identity)
        if known is None:
            merged = spec.merged
            origin = f"auth/{merged.mount}/role"
            fields = await server.call(
                lambda transport: unwrap(transport, token, made_below=origin, namespace=merged.namespace)
            )
            known = fields.get(name)
            if known is None:
                raise MissingCredential(f"the wrapping token of VaultAuth {merged.key} holds no {name}: wrap a new one")
            self._known[identity] = known
            while len(self._known) > _KNOWN:
                self._known.popitem(last=False)
        return known


def key_of(spec: ClientSpec, provider_uid: str) -> str:
    """The cache key of a login as status and persisted entries name it; empty if the UIDs are no three UIDs."""
    auth, connection = spec.auth.metadata, spec.connection.metadata
    try:
        return cache_key(
            spec.merged.method,
            auth=(auth.uid, auth.generation),
            connection=(connection.uid, connection.generation),
            provider_uid=provider_uid,
        )
    except ValueError:
        return ""
