"""Servers in memory that runtime tests script: a watched collection and a Lease with optimistic concurrency."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from itertools import count
from typing import Any

import msgspec

from vso.apis.core import Lease
from vso.apis.meta import Key, Kind, Object, ObjectMeta, PartialObject
from vso.base import Clock
from vso.kube import (
    Added,
    AlreadyExists,
    Bookmark,
    Conflict,
    Deleted,
    Gone,
    Modified,
    NotFound,
    Page,
    WatchEvent,
)


def thing(name: str, version: int = 1, **metadata: Any) -> PartialObject:
    """An object in namespace ``app``, unless told otherwise."""
    meta = {"namespace": "app", "uid": f"uid-{name}", "generation": 1, **metadata}
    return PartialObject(metadata=ObjectMeta(name=name, resource_version=str(version), **meta))


def key_of(name: str) -> Key:
    """The key of `thing(name)`."""
    return Key("app", name)


def refusal(kind: type[Exception], message: str = "no") -> Any:
    """An ApiError of `kind`."""
    make: Callable[..., Any] = kind
    return make(message, status=0)


class Collection:
    """A `Source` over objects in memory that keeps a history of events, as the API server does."""

    name = "things"

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.version = 10
        self.compacted = 0
        self.objects: dict[Key, PartialObject] = {}
        self.history: list[tuple[int, WatchEvent[PartialObject]]] = []
        self.errors: list[Exception] = []
        """Raised by the next requests, one each."""
        self.lists = 0
        self.limits: list[int] = []
        self.watches = 0
        self.replay = 0
        """How many events from before the version asked for each watch repeats."""
        self.silent = False
        """Whether watches stay open without telling anything."""
        self._changed = asyncio.Event()
        self._cut = count()
        self._era = next(self._cut)

    def put(self, name: str, **metadata: Any) -> PartialObject:
        self.version += 1
        old = self.objects.get(key_of(name))
        if old is not None:
            metadata = {"uid": old.metadata.uid, **metadata}
        else:
            metadata = {"uid": f"uid-{self.version}", **metadata}
        obj = thing(name, self.version, **metadata)
        self.objects[obj.key] = obj
        self._tell(Added(obj) if old is None else Modified(obj))
        return obj

    def drop(self, name: str) -> None:
        old = self.objects.pop(key_of(name), None)
        if old is None:
            return
        self.version += 1
        metadata = msgspec.structs.replace(old.metadata, resource_version=str(self.version))
        self._tell(Deleted(msgspec.structs.replace(old, metadata=metadata)))

    def bookmark(self) -> None:
        self._tell(Bookmark(str(self.version)))

    def compact(self) -> None:
        """Forget the history: watches from before now are answered 410."""
        self.compacted = self.version
        self.history.clear()

    def cut(self) -> None:
        """End all open watches."""
        self._era = next(self._cut)
        self._wake()

    def _tell(self, event: WatchEvent[PartialObject]) -> None:
        self.history.append((self.version, event))
        self._wake()

    def _wake(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    async def list_page(self, *, limit: int, continue_: str) -> Page[PartialObject]:
        self.lists += 1
        self.limits.append(limit)
        if self.errors:
            raise self.errors.pop(0)
        items = list(self.objects.values())
        start = int(continue_ or 0)
        end = start + (limit or len(items) + 1)
        more = str(end) if end < len(items) else ""
        return Page(tuple(items[start:end]), str(self.version), more)

    async def watch(
        self, *, resource_version: str, timeout_seconds: int
    ) -> AsyncGenerator[WatchEvent[PartialObject], None]:
        assert 64 <= timeout_seconds <= 80
        self.watches += 1
        if self.errors:
            raise self.errors.pop(0)
        since, era = int(resource_version), self._era
        if since < self.compacted:
            raise refusal(Gone)
        position = sum(version <= since for version, _ in self.history)
        position = max(position - self.replay, 0)
        end = self._clock.monotonic() + timeout_seconds
        timer = self._clock.call_at(end, self._wake)
        try:
            while era == self._era and (self.silent or self._clock.monotonic() < end):
                while not self.silent and position < len(self.history):
                    yield self.history[position][1]
                    position += 1
                await self._changed.wait()
        finally:
            timer.cancel()


class Leases:
    """One Lease with optimistic concurrency; `reachable(who)` decides who gets an answer."""

    def __init__(self) -> None:
        self.stored: Lease | None = None
        self.version = 0
        self.writes = 0
        self.requests = 0
        self.silent = False
        """Whether requests are swallowed."""
        self.failure: Callable[[str], Exception | None] = lambda _: None

    def client(self, who: str) -> "LeaseClient":
        return LeaseClient(self, who)


class LeaseClient:
    """A `vso.runtime.LeaseClient` of one replica."""

    def __init__(self, leases: Leases, who: str) -> None:
        self._leases = leases
        self._who = who

    async def _travel(self) -> None:
        self._leases.requests += 1
        await asyncio.sleep(0)
        if self._leases.silent:
            await asyncio.Event().wait()
        failure = self._leases.failure(self._who)
        if failure is not None:
            raise failure

    async def get(self, kind: Kind[Lease], key: Key, /) -> Lease:
        await self._travel()
        if self._leases.stored is None:
            raise refusal(NotFound)
        assert self._leases.stored.key == key
        assert kind.resource.kind == "Lease"
        return self._leases.stored

    async def create(self, kind: Kind[Lease], obj: Lease, /) -> Lease:
        await self._travel()
        assert kind.resource.kind == "Lease"
        if self._leases.stored is not None:
            raise refusal(AlreadyExists)
        return self._store(obj)

    async def replace(self, kind: Kind[Lease], obj: Lease, /) -> Lease:
        await self._travel()
        assert kind.resource.kind == "Lease"
        stored = self._leases.stored
        if stored is None or stored.metadata.resource_version != obj.metadata.resource_version:
            raise refusal(Conflict)
        return self._store(obj)

    def _store(self, obj: Lease) -> Lease:
        self._leases.version += 1
        self._leases.writes += 1
        metadata = msgspec.structs.replace(obj.metadata, resource_version=str(self._leases.version))
        self._leases.stored = msgspec.structs.replace(obj, metadata=metadata)
        return self._leases.stored


def same(obj: Object) -> Any:
    """The projection that keeps the object as it is."""
    return obj
