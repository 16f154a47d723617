"""One login: from the objects that describe it to a token. When to log in is decided in `clients`.

What it needs of Kubernetes stands in the Protocols here; what a method needs, in `vso.vault.auth`.
"""

from collections import OrderedDict
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Final, Protocol

from vso.apis.meta import Key
from vso.apis.v1beta1 import VaultConnection
from vso.base import Clock, Sensitive
from vso.sync.errors import SyncError, Unavailable
from vso.sync.identity import cache_key
from vso.sync.login_observer import LoginObserver, Unheard
from vso.sync.persistence import Persistence
from vso.sync.resolve import ClientSpec
from vso.sync.server import Server
from vso.sync.stored_login import Login
from vso.vault import (
    METHODS,
    Auth,
    Call,
    ClientCertificate,
    Connection,
    Credentials,
    Lifetime,
    LoginRequest,
    MissingCredential,
    VaultError,
    login,
    look_up_secret_id,
    renew_self,
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

    `credential` is the life of what it was made with, None if that has no end or is not known. `provider_uid` names who
    vouched. `certificate` is needed again at renewals. A token that is `lent` was not made by
    this login, and is never revoked.
    """

    auth: Auth
    issued: float
    provider_uid: str
    certificate: ClientCertificate | None = None
    lent: bool = False
    credential: Lifetime | None = None


class Authenticator:
    """Logs in at a server and renews; with `persistence` a login of an earlier process goes on."""

    def __init__(
        self,
        cluster: Cluster,
        clock: Clock,
        persistence: Persistence | None = None,
        observer: LoginObserver | None = None,
    ) -> None:
        self.cluster = cluster
        self.observer: LoginObserver = observer or Unheard()
        self._clock = clock
        self._persistence = persistence
        self._known: OrderedDict[tuple[Key, str, str, Sensitive[str]], Sensitive[str]] = OrderedDict()

    @property
    def restores(self) -> bool:
        """Whether the login of an earlier process may be in use again."""
        return self._persistence is not None

    async def log_in(self, spec: ClientSpec, server: Server) -> LoggedIn:
        """Fetch the credentials of a login and log in with them.

        Raises CredentialMissing, MissingCredential, LoginRefused and other VaultErrors, Unavailable, and the cluster's
        errors.
        """
        try:
            return await self._log_in(spec, server)
        except Unavailable:
            raise
        except Exception as exc:
            self.observer.refused(spec, exc)
            raise

    async def renew(self, spec: ClientSpec, server: Server, found: LoggedIn) -> Auth:
        """Prolong the life of a token. Raises VaultErrors (Denied: the token is dead) and Unavailable."""
        try:
            auth = await server.call(
                lambda transport: renew_self(
                    transport,
                    found.auth.client_token,
                    namespace=spec.merged.namespace,
                    certificate=found.certificate,
                ),
                urgent=True,
            )
        except (VaultError, SyncError):
            self.observer.renewed(spec, ok=False)
            raise
        self.observer.renewed(spec, ok=True)
        return auth

    async def _log_in(self, spec: ClientSpec, server: Server) -> LoggedIn:
        voucher = self.cluster.credentials(spec)
        issued = self._clock.monotonic()
        request = await METHODS[spec.merged.method].request(voucher)
        uid = await voucher.provider_uid()  # before there is a token that its failure would waste
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
            provider_uid=uid,
            certificate=request.certificate,
            lent=request.token is not None,
            credential=await self._credential(spec, server, request, auth),
        )

    async def restore(self, spec: ClientSpec, server: Server) -> LoggedIn | None:
        """The login that an earlier process left, renewed; None if there is none to be used.

        Raises CredentialMissing, the cluster's errors, and what says that the server is out of order.
        """
        if self._persistence is None:
            return None
        uid = await self.cluster.credentials(spec).provider_uid()
        issued = self._clock.monotonic()
        auth = await self._persistence.restore(key_of(spec, uid), spec, server)
        return None if auth is None else LoggedIn(auth=auth, issued=issued, provider_uid=uid)

    def keep(self, spec: ClientSpec, found: LoggedIn) -> str:
        """Have a login stored, if it can be of use to a later process; its cache key."""
        key = key_of(spec, found.provider_uid)
        # A lent token is not ours to keep, and one that came by a certificate cannot be renewed without its key.
        if self._persistence is not None and not found.lent and found.certificate is None:
            self._persistence.keep(Login(key=key, spec=spec, provider_uid=found.provider_uid, auth=found.auth))
        return key

    async def forget(self, key: str) -> None:
        """Remove what is stored under `key`: its token is dead."""
        if self._persistence is not None:
            await self._persistence.forget(key)

    async def _credential(self, spec: ClientSpec, server: Server, request: LoginRequest, auth: Auth) -> Lifetime | None:
        """The life of the secret id that was sent, if the login's policy lets it be looked up (D40)."""
        secret_id = request.body.get("secret_id")
        if not auth.role or not isinstance(secret_id, Sensitive):
            return None
        call = Call(token=auth.client_token, namespace=spec.merged.namespace)
        with suppress(VaultError, SyncError):
            return await server.call(
                lambda transport: look_up_secret_id(
                    transport, call, mount=spec.merged.mount, role=auth.role, secret_id=secret_id
                )
            )
        return None

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
