"""Logged-in clients, shared by all resources of one identity.

One login per identity: a single flight, kept until its token ends, renewed while it is in use or leases hang on
it, made anew once after a 403, and backed off once per identity when it fails. Reads that are under way are
shared. The life of one login is `session`'s part, what a server can bear is `server`'s, which objects make an
identity is `resolve`'s.
"""

import asyncio
from collections.abc import Awaitable, Callable, Hashable, Iterable
from contextlib import suppress
from functools import partial
from random import Random
from types import TracebackType
from typing import Final, Self, TypeVar

from vso.apis.meta import Key
from vso.apis.v1beta1 import VaultConnection
from vso.base import BackOff, Clock, jitter
from vso.sync.authenticator import Authenticator, LoggedIn, key_of
from vso.sync.breaker import LoginGate
from vso.sync.client import Client
from vso.sync.errors import LoginSuspended, SyncError, Unavailable
from vso.sync.flight import SingleFlight
from vso.sync.identities import CacheCounts, Identities
from vso.sync.resolve import ClientSpec, ServerId, server_id
from vso.sync.server import Observer, Server, Turn, Witness
from vso.sync.servers import Servers
from vso.sync.session import Access, Identity, Session, first_to_end
from vso.vault import (
    Connection,
    Denied,
    Lifetime,
    SealStatus,
    TokenLife,
    Transport,
    VaultError,
    lookup_self,
    revoke_self,
)

R = TypeVar("R")

_RENEWAL_CHECK: Final = 1.0
"""Seconds between two looks for tokens that are due; a token lives for a minute at least in practice."""
_GRACE: Final = 60.0
"""Seconds in which the owner of a new lease says that it holds the token: first its data are rendered."""


class Clients:
    """The cache. An async context manager: inside it, logins and reads run; `run` renews tokens.

    `connect` makes the transport for a VaultConnection, `observer` is told of each `Turn`.
    """

    def __init__(
        self,
        authenticator: Authenticator,
        *,
        connect: Callable[[Key, Connection], Transport],
        clock: Clock,
        rng: Random,
        backoff: BackOff,
        size: int,
        observer: Observer,
    ) -> None:
        self._clock = clock
        self._rng = rng
        self._observer = observer
        self._identities = Identities(
            size,
            make=lambda spec: Identity(spec, LoginGate(backoff, rng), LoginGate(backoff, rng)),
            # Of a connection that was edited or deleted meanwhile nobody would `forget` the login.
            lasts=lambda spec: authenticator.cluster.is_current(spec.connection),
        )
        self._held: dict[Hashable, tuple[Identity, Session]] = {}
        self._flights = SingleFlight()
        self._servers = Servers(
            authenticator.cluster,
            connect,
            clock=clock,
            observer=observer,
            flights=self._flights,
            witness=self._witness,
        )
        self._authenticator = authenticator
        self.restores = authenticator.restores
        """Whether the login of an earlier process may be in use again."""

    async def __aenter__(self) -> Self:
        await self._flights.__aenter__()
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._flights.__aexit__(exc_type, exc, traceback)
        await self._servers.close()

    def __len__(self) -> int:
        """Identities that are logged in."""
        return len(self._identities)

    @property
    def counts(self) -> CacheCounts:
        """What became of look-ups of logins so far."""
        return self._identities.counts

    async def get(self, spec: ClientSpec, *, namespace: str = "", lasting: bool = False) -> Client:
        """A client that is logged in, for the Vault namespace `namespace` (default: that of the login).

        With `lasting` its token has at least half of its life before it, or can be renewed: leases may hang on
        it. Raises Unavailable while the login or the server is suspended, LoginRefused and other VaultErrors,
        CredentialMissing, ConnectionInvalid, and the cluster's own errors.
        """
        identity, begun, ok = self._identity(spec), self._clock.monotonic(), False
        self._identities.count(identity, begun)
        try:
            session = await self._logged_in(identity)
            if lasting and session.is_fading(self._clock.monotonic()):
                await self._log_in_once(identity, session)
            ok = True
        finally:
            self._authenticator.observer.asked(self._clock.monotonic() - begun, ok=ok)
        if namespace and namespace != spec.merged.namespace:
            self.counts.elsewhere += 1
        return Client(self, identity, namespace or spec.merged.namespace)

    def held(self, owner: Hashable, *, namespace: str = "") -> Client | None:
        """A client with the very token that `owner` holds, None if it holds none or the token is dead."""
        identity, session = self._held.get(owner, (None, None))
        if identity is None or session is None or session.life.expired(self._clock.monotonic()):
            return None
        return Client(self, identity, namespace or identity.spec.merged.namespace, session)

    def release(self, owner: Hashable) -> None:
        """Note that no lease of `owner` hangs on a token any more."""
        _, session = self._held.pop(owner, (None, None))
        if session is not None:
            session.holders.discard(owner)

    def release_all(self) -> None:
        """Note that no lease is known to hang on a token any more."""
        for owner in tuple(self._held):
            self.release(owner)

    async def probe(self, connection: VaultConnection) -> SealStatus:
        """Ask the server of `connection` for its seal status, even if no client uses it; see `Server.probe`."""
        return await self._servers.probe(connection)

    def server(self, connection: VaultConnection) -> Server | None:
        """What is known of the server of `connection`; None if nothing spoke to it."""
        return self._servers.get(server_id(connection))

    def in_use(self, connection: VaultConnection) -> bool:
        """Whether somebody logs in, or tries to, through `connection`."""
        server = server_id(connection)
        return any(one.server == server for one in self._identities)

    def credential(self, auth: Key) -> Lifetime | None:
        """The life of what the VaultAuth `auth` logged in with, None if no end of it is known."""
        # After an edit a namespace has another identity: the one that was asked for last, which comes last.
        latest = {one.spec.holder: one for one in self._identities if one.spec.auth.key == auth}
        return first_to_end(latest.values())

    async def forget(self, connection: Key, *, keep: VaultConnection | None = None) -> None:
        """Drop clients of the VaultConnection `connection`, except those that reach it as `keep` says."""
        stale = self._servers.stale(connection, keep)
        self._identities.drop(stale)
        for one in stale:
            await self._servers.forget(one)

    async def revoke_all(self) -> None:
        """Revoke the tokens in use that no lease hangs on; those are left to who takes over."""
        async with asyncio.TaskGroup() as group:
            for identity, session in self._sessions():
                if not session.holders and not session.life.expired(self._clock.monotonic()):
                    group.create_task(self._revoke(identity, session, identity.spec.merged.namespace))

    async def run(self) -> None:
        """Renew tokens in use when it is time; never returns.

        The observer is told the owners of leases (`Turn.FADING`) as soon as their token cannot be kept.
        """
        while True:
            await self._clock.sleep(_RENEWAL_CHECK + jitter(_RENEWAL_CHECK / 4, self._rng))
            now = self._clock.monotonic()
            for identity, session in self._sessions():
                if session.wants_care(now):
                    # Each by itself: a server that does not answer must not delay the tokens of the others.
                    self._flights.start(("renewal", id(session)), partial(self._keep, identity, session))

    # What follows is for `Client`.

    def hold(self, owner: Hashable, identity: Identity, session: Session) -> None:
        """See `Client.hold`."""
        self.release(owner)
        session.holders.add(owner)
        self._held[owner] = (identity, session)

    async def session_of(self, identity: Identity) -> Session:
        """The session that a request is to be sent with now."""
        return await self._logged_in(identity)

    async def call(
        self, identity: Identity, session: Session, send: Callable[[Session], Awaitable[R]]
    ) -> tuple[R, Session]:
        """Run `send`; after a 403, once more with a new login, if it is time for one."""
        try:
            return await send(session), session
        except Denied as refused:
            self._authenticator.observer.rejected(identity.spec)
            fresh = await self._login_again(identity, session, refused)
            if fresh is None:
                refused.login_in = identity.login_in(self._clock.monotonic())
                raise
        try:
            result = await send(fresh)
        except Denied as refused:
            refused.login_in = identity.login_in(self._clock.monotonic())
            self._retire(identity, session)
            raise
        identity.denied.succeeded()
        return result, fresh

    async def send(
        self, identity: Identity, session: Session, request: Callable[[Transport, Access], Awaitable[R]], namespace: str
    ) -> R:
        """Send one request, past what the server can bear just now."""
        access = Access(token=session.token, namespace=namespace)
        session.requests += 1
        try:
            async with self._servers.using(identity.spec.connection) as server:
                return await server.call(lambda transport: request(transport, access))
        finally:
            session.requests -= 1
            session.answered = self._clock.monotonic()

    async def share(self, key: Hashable, work: Callable[[], Awaitable[R]]) -> R:
        """Join in the request named `key` if one is under way, else start it."""
        return await self._flights.run(key, work)

    def _sessions(self) -> Iterable[tuple[Identity, Session]]:
        """Every session that somebody uses or holds, once."""
        found = {id(one.current): (one, one.current) for one in self._identities if one.current is not None}
        found |= {id(session): (identity, session) for identity, session in self._held.values()}
        return found.values()

    async def _logged_in(self, identity: Identity) -> Session:
        now = self._clock.monotonic()
        current = identity.current
        if current is not None and current.usable(now):
            current.used = True
            return current
        if refusal := identity.gate.refusal(now):
            raise self._suspended(identity, *refusal)
        return await self._flights.run(identity.spec.login, lambda: self._log_in(identity))

    async def _login_again(self, identity: Identity, stale: Session, refused: Denied) -> Session | None:
        """After a 403: the login that replaced `stale` or is about to, or a new one if it is time for it; else None.

        The old token stays in use by others until the new one is there, and is not revoked.
        """
        current = identity.current
        if current is not None and current.serial != stale.serial:
            return current
        if identity.spec.login not in self._flights:
            now = self._clock.monotonic()
            if identity.denied.refusal(now) or identity.gate.refusal(now):
                return None
            identity.denied.failed(refused, now)
        with suppress(Unavailable):
            return await self._flights.run(identity.spec.login, lambda: self._log_in(identity))
        return None

    def _retire(self, identity: Identity, session: Session) -> None:
        """Revoke the login that a new one replaced, although the new one is refused as well.

        Tokens must not pile up for one path that no policy allows; and going back to the old one would take a policy
        that was attached meanwhile away from all other paths. One that leases hang on stays, and so does a dead one.
        """
        if session is identity.current or session.holders or session.retired:
            return
        session.retired = True
        self._flights.start(("revocation", id(session)), lambda: self._revoke_unheld(identity, session))

    async def _revoke_unheld(self, identity: Identity, session: Session) -> None:
        """Revoke a token in a while, unless by then a lease hangs on it that is being made just now."""
        while session.requests or self._clock.monotonic() - session.answered < _GRACE:
            await self._clock.sleep(_GRACE)
        if not session.holders and session.usable(self._clock.monotonic()):
            await self._revoke(identity, session, identity.spec.merged.namespace)

    async def _revoke(self, identity: Identity, session: Session, namespace: str) -> None:
        # At best effort: a token that stays ends by itself.
        if session.found.lent:
            return
        with suppress(VaultError, SyncError):
            await self.send(
                identity,
                session,
                lambda transport, access: revoke_self(transport, access.token, namespace=access.namespace),
                namespace,
            )

    async def _log_in_once(self, identity: Identity, stale: Session) -> None:
        """Replace `stale`, unless that is done already. Raises LoginSuspended if the login must wait.

        What would hang on the token that fades would have to move at once, again and again until a login succeeds.
        """
        if identity.current is not stale:
            return
        if refusal := identity.gate.refusal(self._clock.monotonic()):
            raise self._suspended(identity, *refusal)
        await self._flights.run(identity.spec.login, lambda: self._log_in(identity))

    async def _log_in(self, identity: Identity) -> Session:
        spec = identity.spec
        try:
            async with self._servers.using(spec.connection) as server:
                server.check()  # before a token is requested in vain
                first = identity.serials == 0
                found = await self._authenticator.restore(spec, server) if first else None
                if found is None:
                    found = await self._authenticator.log_in(spec, server)
                    self._authenticator.keep(spec, found)
        except Unavailable:
            raise
        except Exception as exc:
            # An outage is the server's own failure, which its breaker handles.
            if not (isinstance(exc, VaultError) and exc.outage):
                identity.gate.failed(exc, self._clock.monotonic())
            raise
        session = self._logged(identity, spec, found)
        self._moved(identity, identity.spec)  # as it is now: the objects may have been edited meanwhile
        return session

    def _logged(self, identity: Identity, spec: ClientSpec, found: LoggedIn) -> Session:
        identity.serials += 1
        identity.current = Session(
            found=found,
            life=TokenLife.of(found.auth, found.issued),
            cache_key=key_of(spec, found.provider_uid),
            serial=identity.serials,
        )
        if identity.gate.succeeded():
            self._observer(identity.spec.login, Turn.UP)
        if found.credential is not None:
            self._observer(identity.spec.login, Turn.DATED)
        return identity.current

    async def _keep(self, identity: Identity, session: Session) -> None:
        """Renew one token; one that fails ends by itself, after which the next user logs in."""
        issued = self._clock.monotonic()
        server = self._servers.get(identity.server)
        if server is not None and not session.life.expired(issued):
            session.used = False
            try:
                auth = await self._authenticator.renew(identity.spec, server, session.found)
            except (VaultError, SyncError) as exc:
                session.not_renewed(issued, for_ever=isinstance(exc, Denied))
                # What is stored in its name may be the login that replaced it.
                if isinstance(exc, Denied) and session is identity.current:
                    await self._authenticator.forget(session.cache_key)
            else:
                session.renewed(TokenLife.of(auth, issued))
        if session.ends_soon(self._clock.monotonic()):
            for owner in session.bereave():
                self._observer(owner, Turn.FADING)

    def _identity(self, spec: ClientSpec) -> Identity:
        identity = self._identities.get(spec)
        if identity.spec is not spec:
            self._moved(identity, spec)
        return identity

    def _moved(self, identity: Identity, spec: ClientSpec) -> None:
        """Generations that do not enter the login may have moved: then it is stored under another key."""
        identity.spec = spec
        session = identity.current
        if session is not None and session.cache_key != key_of(spec, session.found.provider_uid):
            session.cache_key = self._authenticator.keep(spec, session.found)

    def _witness(self, server: ServerId) -> Witness | None:
        """How to ask `server` for what depends on no mount, as somebody who is logged in; None if nobody is."""
        now = self._clock.monotonic()
        found = [one for one in self._sessions() if one[0].server == server and one[1].usable(now)]
        if not found:
            return None
        # A batch token, which has no accessor, can be looked up without a storage.
        identity, session = max(found, key=lambda one: bool(one[1].accessor))
        token, namespace = session.token, identity.spec.merged.namespace
        return lambda transport: lookup_self(transport, token, namespace=namespace)

    def _suspended(self, identity: Identity, error: Exception, seconds: float) -> LoginSuspended:
        return LoginSuspended(str(error), retry_in=seconds, waits_for=identity.spec.login, cause=error)
