"""The servers that somebody speaks to, each reached once however many resources use it.

What a server can bear is `server`'s part, who is logged in there is `clients`'.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial

from vso.apis.meta import Key
from vso.apis.v1beta1 import VaultConnection
from vso.base import Clock
from vso.sync.authenticator import Cluster
from vso.sync.flight import SingleFlight
from vso.sync.resolve import ServerId, limits_of, server_id
from vso.sync.server import Limits, Observer, Server, Witness
from vso.vault import Connection, SealStatus, TLSFailed, Transport


class Servers:
    """By what leads there. `connect` makes the transport for a VaultConnection, `flights` runs shared work.

    `witness` finds a request that depends on no mount, None if nobody is logged in (see `vso.sync.verdict`).
    """

    def __init__(
        self,
        cluster: Cluster,
        connect: Callable[[Key, Connection], Transport],
        *,
        clock: Clock,
        observer: Observer,
        flights: SingleFlight,
        witness: Callable[[ServerId], Witness | None],
    ) -> None:
        self._cluster = cluster
        self._connect = connect
        self._clock = clock
        self._observer = observer
        self._flights = flights
        self._witness = witness
        self._known: dict[ServerId, Server] = {}

    def get(self, identity: ServerId) -> Server | None:
        """What is known of a server; None if nothing spoke to it."""
        return self._known.get(identity)

    @asynccontextmanager
    async def using(self, connection: VaultConnection) -> AsyncIterator[Server]:
        """The server that `connection` leads to, which stays open for the length of the context.

        A login is more than one request: an edit of the connection must not close it in between (regressions R14).
        """
        server = await self._of(connection)
        while server.closed:  # just between its being reached and our being told
            server = await self._of(connection)
        async with server.in_use():
            yield server

    async def probe(self, connection: VaultConnection) -> SealStatus:
        """Ask the server of `connection` for its seal status, even if no client uses it.

        After a failed handshake its CA is read again, since it may have been rotated or corrected.
        """
        server = await self._of(connection)
        if isinstance(server.outage, TLSFailed):
            server = await self._reach_anew(server, connection)
        return await server.probe()

    def stale(self, connection: Key, keep: VaultConnection | None) -> list[ServerId]:
        """What the VaultConnection `connection` led to, but for where it leads to as `keep` has it."""
        current = server_id(keep) if keep is not None else None
        return [one for one in self._known if one.key == connection and one != current]

    async def forget(self, identity: ServerId) -> None:
        """Close one."""
        await self._known.pop(identity).close()

    async def close(self) -> None:
        """Close them all."""
        for server in self._known.values():
            await server.close()

    async def _of(self, connection: VaultConnection) -> Server:
        identity = server_id(connection)
        known = self._known.get(identity)
        if known is not None:
            return known
        return await self._flights.run(identity, lambda: self._reach(identity, connection))

    async def _reach_anew(self, server: Server, connection: VaultConnection) -> Server:
        settings = await self._cluster.connection(connection)
        identity = server_id(connection)
        if settings == server.transport.connection or self._known.get(identity) is not server:
            return server
        fresh = self._known[identity] = self._made(identity, settings, limits_of(connection))
        fresh.inherit(server)
        await server.close()
        return fresh

    async def _reach(self, identity: ServerId, connection: VaultConnection) -> Server:
        settings = await self._cluster.connection(connection)
        server = self._made(identity, settings, limits_of(connection))
        if self._cluster.is_current(connection):
            self._known[identity] = server
        else:
            # Edited or deleted meanwhile: this request still goes through, but nobody would `forget` the server.
            server.retire()
        return server

    def _made(self, identity: ServerId, settings: Connection, limits: Limits) -> Server:
        return Server(
            identity,
            self._connect(identity.key, settings),
            timeout=settings.timeout,
            clock=self._clock,
            observer=self._observer,
            limits=limits,
            witness=partial(self._witness, identity),
        )
