"""Logged-in clients, shared by all resources of one identity.

One login per identity: a single flight, kept until its token ends, renewed at two thirds of its life while it is
in use, made anew once after a 403, and backed off once per identity when it fails. Reads that are under way are
shared. What a server can bear is `server`'s part, which objects make an identity is `resolve`'s.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from random import Random
from types import TracebackType
from typing import Final, Protocol, Self

from vso.apis.meta import Key
from vso.apis.v1beta1 import VaultConnection
from vso.base import BackOff, Clock, Sensitive, jitter
from vso.sync.breaker import LoginGate
from vso.sync.errors import LoginSuspended, SyncError, Unavailable
from vso.sync.flight import SingleFlight
from vso.sync.identity import client_id, namespaced
from vso.sync.resolve import ClientSpec, LoginId, ServerId, server_id
from vso.sync.server import Observer, Server, Turn
from vso.vault import (
    METHODS,
    Auth,
    Connection,
    Credentials,
    Denied,
    KvRequest,
    KvSecret,
    SealStatus,
    TokenLife,
    Transport,
    VaultError,
    login,
    read_kv,
    renew_self,
)

_RENEWAL_CHECK: Final = 1.0
"""Seconds between two looks for tokens that are due; a token lives for a minute at least in practice."""
_EARLY: Final = 2.0
"""Seconds before its end from which on a token is not used for another request."""


@dataclass(frozen=True, slots=True)
class Gathered:
    """Credentials for one login, and the cache key that they give it."""

    credentials: Credentials
    cache_key: str


class Cluster(Protocol):
    """What logins need of Kubernetes."""

    async def gather(self, spec: ClientSpec) -> Gathered:
        """Fetch the credentials of a login. Raises CredentialMissing, or the cluster's own errors."""

    async def connection(self, connection: VaultConnection) -> Connection:
        """Turn the resource into settings, reading its CA. Raises ConnectionInvalid or the cluster's errors."""


@dataclass(frozen=True, slots=True)
class ClientMeta:
    """How status names the client that was used."""

    cache_key: str
    id: str


@dataclass(slots=True)
class _Login:
    """A token and its life; `serial` tells a login from the one that replaced it."""

    token: Sensitive[str]
    accessor: str
    life: TokenLife
    cache_key: str
    serial: int
    used: bool = True


@dataclass(slots=True)
class _Identity:
    """All that is known of one identity, whether it is logged in or not."""

    spec: ClientSpec
    gate: LoginGate
    denied: LoginGate
    current: _Login | None = None
    serials: int = field(default=0)


class Clients:
    """The cache. An async context manager: inside it, logins and reads run; `run` renews tokens.

    `observer` is told when a server or an identity becomes unusable and usable again.
    """

    def __init__(
        self,
        cluster: Cluster,
        *,
        connect: Callable[[Connection], Transport],
        clock: Clock,
        rng: Random,
        backoff: BackOff,
        size: int,
        observer: Observer,
    ) -> None:
        self._cluster = cluster
        self._connect = connect
        self._clock = clock
        self._rng = rng
        self._backoff = backoff
        self._size = size
        self._observer = observer
        self._servers: dict[ServerId, Server] = {}
        self._identities: OrderedDict[LoginId, _Identity] = OrderedDict()
        self._flights = SingleFlight()

    async def __aenter__(self) -> Self:
        await self._flights.__aenter__()
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._flights.__aexit__(exc_type, exc, traceback)
        for server in self._servers.values():
            await server.close()

    def __len__(self) -> int:
        """Identities that are logged in."""
        return sum(identity.current is not None for identity in self._identities.values())

    async def get(self, spec: ClientSpec, *, namespace: str = "") -> "Client":
        """A client that is logged in, for the Vault namespace `namespace` (default: that of the login).

        Raises Unavailable while the login or the server is suspended, LoginRefused and other VaultErrors,
        CredentialMissing, ConnectionInvalid, and the cluster's own errors.
        """
        identity = self._identity(spec)
        await self._logged_in(identity)
        return Client(self, identity, namespace or spec.merged.namespace)

    async def probe(self, connection: VaultConnection) -> SealStatus:
        """Ask the server of `connection` for its seal status, even if no client uses it."""
        return await (await self._server(connection)).probe()

    def server(self, connection: VaultConnection) -> Server | None:
        """What is known of the server of `connection`; None if nothing spoke to it."""
        return self._servers.get(server_id(connection))

    def in_use(self, connection: VaultConnection) -> bool:
        """Whether somebody logs in, or tries to, through `connection`."""
        server = server_id(connection)
        return any(one.server == server for one in self._identities)

    async def forget(self, connection: Key, *, keep: VaultConnection | None = None) -> None:
        """Drop clients of the VaultConnection `connection`, except those that reach it as `keep` says."""
        current = server_id(keep) if keep is not None else None
        stale = [one for one in self._servers if one.key == connection and one != current]
        for login_id in [one for one in self._identities if one.server in stale]:
            del self._identities[login_id]
        for one in stale:
            await self._servers.pop(one).close()

    async def run(self) -> None:
        """Renew tokens in use when two thirds of their life are over; never returns."""
        while True:
            await self._clock.sleep(_RENEWAL_CHECK + jitter(_RENEWAL_CHECK / 4, self._rng))
            now = self._clock.monotonic()
            due = [one for one in self._identities.values() if _renewal_due(one.current, now)]
            await asyncio.gather(*(self._renew(one) for one in due))

    # What follows is for `Client`.

    async def read_kv(self, identity: _Identity, request: KvRequest, namespace: str) -> KvSecret:
        """See `Client.read_kv`."""
        current = await self._logged_in(identity)
        try:
            return await self._read(identity, current, request, namespace)
        except Denied as refused:
            fresh = await self._login_again(identity, current, refused)
            if fresh is None:
                raise
        secret = await self._read(identity, fresh, request, namespace)
        identity.denied.succeeded()
        return secret

    async def _read(self, identity: _Identity, current: _Login, request: KvRequest, namespace: str) -> KvSecret:
        server = await self._server(identity.spec.connection)

        async def read() -> KvSecret:
            return await server.call(
                lambda transport: read_kv(transport, request, token=current.token, namespace=namespace)
            )

        return await self._flights.run((identity.spec.login, current.serial, namespace, request), read)

    async def _logged_in(self, identity: _Identity) -> _Login:
        now = self._clock.monotonic()
        current = identity.current
        if current is not None and current.life.remaining(now) > _EARLY:
            current.used = True
            return current
        if refusal := identity.gate.refusal(now):
            raise self._suspended(identity, *refusal)
        return await self._flights.run(identity.spec.login, lambda: self._log_in(identity))

    async def _login_again(self, identity: _Identity, stale: _Login, refused: Denied) -> _Login | None:
        """After a 403: the login that replaced `stale`, or a new one if it is time for it; else None.

        The old token stays in use by others until the new one is there, and is not revoked.
        """
        current = identity.current
        if current is not None and current.serial != stale.serial:
            return current
        now = self._clock.monotonic()
        if identity.denied.refusal(now) or identity.gate.refusal(now):
            return None
        identity.denied.failed(refused, now)
        with suppress(Unavailable):
            return await self._flights.run(identity.spec.login, lambda: self._log_in(identity))
        return None

    async def _log_in(self, identity: _Identity) -> _Login:
        spec = identity.spec
        try:
            server = await self._server(spec.connection)
            server.check()  # before a token is requested in vain
            gathered = await self._cluster.gather(spec)
            issued = self._clock.monotonic()
            payload = await METHODS[spec.merged.method].payload(gathered.credentials)
            auth = await server.call(
                lambda transport: login(
                    transport,
                    spec.merged.mount,
                    payload,
                    namespace=spec.merged.namespace,
                    headers=spec.merged.headers,
                )
            )
        except Unavailable:
            raise
        except Exception as exc:
            # An outage is the server's own failure, which its breaker handles.
            if not (isinstance(exc, VaultError) and exc.outage):
                identity.gate.failed(exc, self._clock.monotonic())
            raise
        return self._logged(identity, auth, issued, gathered.cache_key)

    def _logged(self, identity: _Identity, auth: Auth, issued: float, cache_key: str) -> _Login:
        identity.serials += 1
        identity.current = _Login(
            token=auth.client_token,
            accessor=auth.accessor,
            life=TokenLife.of(auth, issued),
            cache_key=cache_key,
            serial=identity.serials,
        )
        if identity.gate.succeeded():
            self._observer(identity.spec.login, Turn.UP)
        return identity.current

    async def _renew(self, identity: _Identity) -> None:
        """Renew one token; a failure leaves it to end by itself, after which the next user logs in."""
        current = identity.current
        if current is None:
            return
        current.used = False
        issued = self._clock.monotonic()
        try:
            server = await self._server(identity.spec.connection)
            auth = await server.call(
                lambda transport: renew_self(transport, current.token, namespace=identity.spec.merged.namespace)
            )
        except (VaultError, SyncError) as exc:
            if isinstance(exc, Denied):
                current.life = TokenLife(issued=issued, ttl=_EARLY, renewable=False)
            return
        current.life = TokenLife.of(auth, issued)

    def _identity(self, spec: ClientSpec) -> _Identity:
        identity = self._identities.get(spec.login)
        if identity is None:
            identity = self._identities[spec.login] = _Identity(
                spec, LoginGate(self._backoff, self._rng), LoginGate(self._backoff, self._rng)
            )
        identity.spec = spec  # generations and UIDs that do not enter the login may have moved
        self._identities.move_to_end(spec.login)
        while len(self._identities) > self._size:
            self._identities.popitem(last=False)
        return identity

    async def _server(self, connection: VaultConnection) -> Server:
        identity = server_id(connection)
        known = self._servers.get(identity)
        if known is not None:
            return known
        return await self._flights.run(identity, lambda: self._reach(identity, connection))

    async def _reach(self, identity: ServerId, connection: VaultConnection) -> Server:
        settings = await self._cluster.connection(connection)
        server = self._servers[identity] = Server(
            identity,
            self._connect(settings),
            timeout=settings.timeout,
            clock=self._clock,
            observer=self._observer,
        )
        return server

    def _suspended(self, identity: _Identity, error: Exception, seconds: float) -> LoginSuspended:
        return LoginSuspended(str(error), retry_in=seconds, waits_for=identity.spec.login, cause=error)


class Client:
    """One identity in one Vault namespace."""

    def __init__(self, clients: Clients, identity: _Identity, namespace: str) -> None:
        self._clients = clients
        self._identity = identity
        self._namespace = namespace

    @property
    def meta(self) -> ClientMeta:
        """How status names this client."""
        current = self._identity.current
        if current is None:
            return ClientMeta("", "")
        key = current.cache_key
        if key and self._namespace != self._identity.spec.merged.namespace:
            key = namespaced(key, self._namespace)
        return ClientMeta(key, client_id(current.accessor))

    async def read_kv(self, request: KvRequest) -> KvSecret:
        """Read a secret, sharing a read that is under way.

        After a 403 the identity logs in again once, if its back-off allows, and the read is repeated; a second
        refusal is raised. Raises what `Clients.get` raises, and the errors of `vso.vault.read_kv`.
        """
        return await self._clients.read_kv(self._identity, request, self._namespace)


def _renewal_due(current: _Login | None, now: float) -> bool:
    if current is None or not current.used:
        return False
    renew_at = current.life.renew_at
    return renew_at is not None and now >= renew_at and not current.life.expired(now)
