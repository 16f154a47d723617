"""What a reconcile holds to speak to Vault: one identity in one Vault namespace.

The logins themselves, shared by all clients of an identity, are kept in `clients`.
"""

from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass
from typing import Protocol, TypeVar

from vso.sync.identity import client_id, namespaced
from vso.sync.session import Access, Identity, Session
from vso.vault import KvRequest, KvSecret, Transport, read_kv

R = TypeVar("R")


class Logins(Protocol):
    """What a client needs of `vso.sync.clients.Clients`, which has the contracts."""

    def hold(self, owner: Hashable, identity: Identity, session: Session) -> None:
        """Keep a token alive for a lease."""

    async def session_of(self, identity: Identity) -> Session:
        """The present login, made if there is none."""

    async def call(
        self, identity: Identity, session: Session, send: Callable[[Session], Awaitable[R]]
    ) -> tuple[R, Session]:
        """Run `send`; once more with another login after a 403. The login that it went out with."""

    async def send(
        self, identity: Identity, session: Session, request: Callable[[Transport, Access], Awaitable[R]], namespace: str
    ) -> R:
        """Send one request."""

    async def share(self, key: Hashable, work: Callable[[], Awaitable[R]]) -> R:
        """Share a read that is under way."""


@dataclass(frozen=True, slots=True)
class ClientMeta:
    """How status names the client that was used."""

    cache_key: str
    id: str


class Client:
    """One identity in one Vault namespace; with a `session`, that very login and no other."""

    def __init__(self, logins: Logins, identity: Identity, namespace: str, session: Session | None = None) -> None:
        self._logins = logins
        self._identity = identity
        self._namespace = namespace
        self._pinned = session is not None
        self._session = session or identity.current

    @property
    def meta(self) -> ClientMeta:
        """How status names this client."""
        session = self._session
        if session is None:
            return ClientMeta("", "")
        key = session.cache_key
        if key and self._namespace != self._identity.spec.merged.namespace:
            key = namespaced(key, self._namespace)
        return ClientMeta(key, client_id(session.accessor))

    @property
    def session(self) -> Session | None:
        """The login that the last request went out with."""
        return self._session

    def hold(self, owner: Hashable) -> None:
        """Keep the token of the last request alive as long as it can be, for a lease of `owner`."""
        if self._session is not None:
            self._logins.hold(owner, self._identity, self._session)

    async def read_kv(self, request: KvRequest) -> KvSecret:
        """Read a secret, sharing a read that is under way. Raises as `call` does."""

        async def read(session: Session) -> KvSecret:
            key = (self._identity.spec.login, session.serial, self._namespace, request)
            return await self._logins.share(key, lambda: self._send(session, send))

        async def send(transport: Transport, access: Access) -> KvSecret:
            return await read_kv(transport, request, token=access.token, namespace=access.namespace)

        return await self._call(read)

    async def call(self, request: Callable[[Transport, Access], Awaitable[R]]) -> R:
        """Run `request`, one function of `vso.vault`.

        After a 403 the identity logs in again once, if its back-off allows, and the request is repeated; a second
        refusal is raised. A client with a session of its own repeats nothing. Raises what `Clients.get` raises,
        and the errors of the request.
        """
        return await self._call(lambda session: self._send(session, request))

    async def _call(self, send: Callable[[Session], Awaitable[R]]) -> R:
        if self._pinned and self._session is not None:
            return await send(self._session)
        session = await self._logins.session_of(self._identity)
        result, self._session = await self._logins.call(self._identity, session, send)
        return result

    async def _send(self, session: Session, request: Callable[[Transport, Access], Awaitable[R]]) -> R:
        return await self._logins.send(self._identity, session, request, self._namespace)
