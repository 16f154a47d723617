"""Keeps a `Store` equal to the objects on the server: list once, then watch, for ever.

    LISTING (pages) -> WATCHING (version) -> WATCHING ...     the server ends each watch after 64 to 80 s
       ^----- 410: the version is no longer kept -----'       errors: the same again, after a back-off

What is made of the changes is up to the handlers, see `watches`.
"""

import asyncio
from collections.abc import Callable
from contextlib import aclosing
from random import Random
from typing import Final, Generic, NoReturn, TypeVar, assert_never

import structlog

from vso.apis.meta import Key, Object
from vso.base import BackOff, Clock
from vso.kube import (
    Added,
    Bookmark,
    Deleted,
    Forbidden,
    Gone,
    KubeError,
    Modified,
    NotFound,
    ServerFault,
    WatchEvent,
)
from vso.runtime.limit import time_limit
from vso.runtime.metrics import ReflectorObserver, Silent
from vso.runtime.source import Source
from vso.runtime.store import Change, Part, Store

T = TypeVar("T", bound=Object)
U = TypeVar("U", bound=Object)

log = structlog.get_logger("runtime.reflector")

_BACK_OFF: Final = BackOff(initial=0.5, multiplier=2.0, maximum=30.0, randomization=0.5)
_SHORTEST_WATCH: Final = 64  # the first bookmark comes after about 60 s; a shorter watch of a quiet kind gets none
_LONGEST_WATCH: Final = 80  # with `_PATIENCE` and the first back-off, a silent stream is replaced within 90 s
_PATIENCE: Final = 5.0
"""Seconds after which a watch is cut that the server should have ended."""
_HEALTHY_LIFE: Final = 5.0
"""Seconds after which the end of a watch without events is no failure."""
_PERSISTENT: Final = 3
"""Failures in a row from which on they are worth a complaint."""
_STRETCH: Final = 4
"""Factor by which pages grow that expire before the last of them is read."""
_BURST: Final = 200
"""Events after which other tasks get their turn."""


class Reflector(Generic[T, U]):
    """Mirrors a `source` into `store`, each object through `project`, and announces each change once.

    The changes announced to a handler, applied one after another, always give the state that the server
    had at some moment, and no state of an object is announced after a later one. While the server is out of
    reach or refuses, the store stays as it is, `problem` says why, and the reflector keeps trying.
    """

    def __init__(
        self,
        source: Source[T],
        store: Store[U] | Part[U],
        *,
        project: Callable[[T], U],
        clock: Clock,
        rng: Random,
        page_size: int = 500,
        observer: ReflectorObserver | None = None,
    ) -> None:
        self._source = source
        self._store = store
        self._project = project
        self._clock = clock
        self._rng = rng
        self._page_size = page_size
        self._observer: ReflectorObserver = observer or Silent()
        self._handlers: list[Callable[[Change[U]], None]] = []
        self._synced = asyncio.Event()
        self._version = ""
        self._failures = 0
        self._stretch = 1
        self._events = 0
        self.problem = ""
        """Why the store may be out of date, and what to do about it; empty if all is well."""

    @property
    def name(self) -> str:
        """The name of the source."""
        return self._source.name

    @property
    def synced(self) -> bool:
        """Whether the store has held the complete list once."""
        return self._synced.is_set()

    async def wait_synced(self) -> None:
        """Return once `synced`."""
        await self._synced.wait()

    def subscribe(self, handler: Callable[[Change[U]], None]) -> None:
        """Have `handler` called with each change from now on, after the store has it.

        It must be quick. What it raises is logged as our bug and does not stop the others.
        """
        self._handlers.append(handler)

    async def run(self) -> NoReturn:
        """Mirror until cancelled. What the store and the handlers know survives a second run."""
        while True:
            started = self._clock.monotonic()
            try:
                if not self._version:
                    await self._list()
                    started = self._clock.monotonic()
                await self._watch()
            except Exception as exc:  # noqa: BLE001 - whatever it is: this loop must not end
                await self._clock.sleep(self._failed(exc, lived=self._clock.monotonic() - started))

    async def _list(self) -> None:
        started = self._clock.monotonic()
        objects: dict[Key, U] = {}
        continue_ = ""
        while True:
            try:
                page = await self._source.list_page(limit=self._page_size * self._stretch, continue_=continue_)
            except Gone:
                # The list takes longer than the server keeps its version. Read in one piece it could fill the memory.
                self._stretch *= _STRETCH
                raise
            for item in page.items:
                if (obj := self._projected(item)) is not None:
                    objects[obj.key] = obj
            if not page.continue_:
                break
            continue_ = page.continue_
        self._stretch = 1
        changes = self._store.replace(objects, page.resource_version)
        self._version = page.resource_version
        self._healthy()
        self._announce(changes)
        self._synced.set()
        self._observer.listed(len(objects), self._clock.monotonic() - started)

    async def _watch(self) -> None:
        """Follow one watch to its end.

        Raises what the source raises, and TimeoutError if the server did not end it in time: then something
        between has swallowed the stream, and whatever it still holds will be asked for again.
        """
        started, events = self._clock.monotonic(), self._events
        seconds = self._rng.randint(_SHORTEST_WATCH, _LONGEST_WATCH)
        watch = self._source.watch(resource_version=self._version, timeout_seconds=seconds)
        async with time_limit(self._clock, seconds + _PATIENCE), aclosing(watch) as stream:
            async for event in stream:
                self._take(event)
                self._events += 1
                if self._events % _BURST == 0:
                    await asyncio.sleep(0)
        if self._events == events and self._clock.monotonic() - started < _HEALTHY_LIFE:
            raise ConnectionError("the watch ended at once")
        self._failures = 0
        self._healthy()

    def _take(self, event: WatchEvent[T]) -> None:
        match event:
            case Bookmark():
                version = event.resource_version
            case Added() | Modified():
                version = event.object.metadata.resource_version
                if (obj := self._projected(event.object)) is not None:
                    self._announce(self._store.apply(obj))
                self._observer.received()
            case Deleted():
                version = event.object.metadata.resource_version
                self._announce(self._store.remove(event.object))
                self._observer.received()
            case _:
                assert_never(event)
        self._version = version
        self._store.advance(version)
        self._failures = 0
        self._healthy()

    def _projected(self, obj: T) -> U | None:
        """What is kept of `obj`; None, and a line in the log, if it brings a bug of the projection to light."""
        try:
            return self._project(obj)
        except Exception:
            # Whoever made one strange object must not blind the operator to all others.
            log.exception("object ignored", source=self.name, key=str(obj.key))
            return None

    def _announce(self, changes: tuple[Change[U], ...]) -> None:
        for change in changes:
            for handler in self._handlers:
                try:
                    handler(change)
                except Exception:
                    # One strange object must not blind the operator to all others.
                    log.exception("handler failed", source=self.name, key=str(change.key))

    def _healthy(self) -> None:
        if self.problem:
            self.problem = ""
            log.info("reading again", source=self.name)

    def _failed(self, exc: Exception, *, lived: float) -> float:
        """Note the failure of what `lived` so many seconds; the answer is the delay before the next attempt."""
        self._observer.failed(type(exc).__name__)
        if isinstance(exc, Gone | NotFound):
            self._version = ""
        self._failures += 1
        if isinstance(exc, ServerFault) and self._failures % _PERSISTENT == 0:
            # After a restore of its storage the server may know only versions that are older than ours.
            self._version = ""
        routine = self._failures < _PERSISTENT and (self.synced or isinstance(exc, Gone))
        if not routine:
            self._complain(exc)
        asked = exc.retry_after or 0.0 if isinstance(exc, KubeError) else 0.0
        # A stream that stalls each time is no storm, but must be replaced soon.
        step = 1 if lived >= _HEALTHY_LIFE else self._failures
        return max(_BACK_OFF.delay(step, self._rng), asked)

    def _complain(self, exc: Exception) -> None:
        problem = _explained(exc, self.name)
        if problem == self.problem:
            return
        self.problem = problem
        ours = not isinstance(exc, KubeError | OSError)
        log.warning("cannot read", source=self.name, problem=problem, exc_info=exc if ours else None)


def _explained(exc: Exception, name: str) -> str:
    match exc:
        case Forbidden():
            return f"no permission to list and watch {name}: grant it with RBAC ({exc})"
        case NotFound():
            return f"the API server does not know {name}: install the CRD, or wait until it is served"
        case TimeoutError():
            return f"the watch of {name} stalls: something between swallows the stream"
        case KubeError() | OSError():
            return f"cannot list or watch {name}: {exc}"
        case _:
            return f"cannot list or watch {name}: {type(exc).__name__}"
