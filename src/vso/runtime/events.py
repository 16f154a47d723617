"""Events about objects, for people who run ``kubectl describe``: posted in the background, at best effort."""

import asyncio
from typing import Final, Literal, NoReturn, Protocol

import structlog

from vso.apis.core import EVENT, Event, EventSource, ObjectReference
from vso.apis.meta import Key, Kind, Object, ObjectMeta
from vso.base import Clock
from vso.kube import ApiError, KubeError
from vso.runtime.metrics import EventObserver, Silent

log = structlog.get_logger("runtime.events")

_CAPACITY: Final = 20_000  # a first sync of as many resources drops none; an event has about 1 kB
_POSTERS: Final = 4
_REPEAT_AFTER: Final = 600.0
_REMEMBERED: Final = 20_000
_TROUBLED: Final = 1000
_LONGEST_MESSAGE: Final = 1024
_LONGEST_NAME: Final = 253 - 17
_FALLBACK_NAMESPACE: Final = "default"


class EventSink(Protocol):
    """What a recorder needs of `vso.kube.Client`."""

    async def create(self, kind: Kind[Event], obj: Event, /) -> Event:
        """Create the Event."""


class EventRecorder:
    """Takes events at once and posts them in `run`, in no strict order.

    A Warning with the same object (by uid), reason and message as one of the last 10 minutes is not repeated.
    What cannot be posted is dropped, with one log line per namespace and change of what is wrong; if that may pass,
    the same Warning is posted when it comes next. No method raises on account of the API server.
    """

    def __init__(self, sink: EventSink, *, clock: Clock, instance: str, observer: EventObserver | None = None) -> None:
        self._sink = sink
        self._clock = clock
        self._instance = instance
        self._observer: EventObserver = observer or Silent()
        self._queue: asyncio.Queue[Event] = asyncio.Queue(_CAPACITY)
        self._recent: dict[tuple[str, str, str], float] = {}
        self._trouble: dict[str, str] = {}
        self._full = False
        self._stamp = 0

    def emit(
        self,
        regarding: Object,
        *,
        kind: str,
        type: Literal["Normal", "Warning"],  # noqa: A002 - the API's own word
        reason: str,
        message: str,
        component: str,
    ) -> None:
        """Plan an event about `regarding`, an object of `kind`; `component` is who reports.

        Messages are cut at 1024 characters. Events about cluster-wide objects go to namespace ``default``.
        """
        message = message if len(message) <= _LONGEST_MESSAGE else message[: _LONGEST_MESSAGE - 1] + "…"
        # A Normal event tells of something that was done, so every one counts; a Warning tells of a state.
        if type == "Warning" and self._is_repeated(_subject(_reference(regarding, kind), reason, message)):
            return
        now = self._clock.now()
        event = Event(
            metadata=ObjectMeta(
                name=self._name(regarding),
                namespace=regarding.metadata.namespace or _FALLBACK_NAMESPACE,
            ),
            involved_object=_reference(regarding, kind),
            reason=reason,
            message=message,
            type=type,
            count=1,
            first_timestamp=now.replace(microsecond=0),
            last_timestamp=now.replace(microsecond=0),
            source=EventSource(component=component),
            reporting_component=component,
            reporting_instance=self._instance,
        )
        self._enqueue(event)

    async def run(self) -> None:
        """Post events until cancelled, a few at a time."""
        async with asyncio.TaskGroup() as group:
            for number in range(_POSTERS):
                group.create_task(self._post_all(), name=f"event poster {number}")

    async def _post_all(self) -> NoReturn:
        while True:
            event = await self._queue.get()
            try:
                await self._post(event)
            finally:
                self._queue.task_done()

    async def flush(self) -> None:
        """Wait until `run` has dealt with all events; the caller limits the time."""
        await self._queue.join()

    def _is_repeated(self, what: tuple[str, str, str]) -> bool:
        """Whether `what` was told lately; if not, it counts as told now."""
        now = self._clock.monotonic()
        while self._recent:
            oldest, told = next(iter(self._recent.items()))
            if told + _REPEAT_AFTER > now and len(self._recent) < _REMEMBERED:
                break
            del self._recent[oldest]
        if what in self._recent:
            return True
        self._recent[what] = now
        return False

    def _forget(self, event: Event) -> None:
        """Have the same Warning count as not told, since nobody got to see it."""
        self._recent.pop(_subject(event.involved_object, event.reason, event.message), None)

    def _enqueue(self, event: Event) -> None:
        try:
            self._queue.put_nowait(event)
        except asyncio.QueueFull:
            self._observer.dropped()
            self._forget(event)
            if not self._full:
                log.warning("events are dropped", why="too many wait to be posted")
            self._full = True
        else:
            self._full = False

    async def _post(self, event: Event) -> None:
        namespace = event.metadata.namespace
        try:
            await self._sink.create(EVENT, event)
        except KubeError as exc:
            self._observer.dropped()
            if exc.transient:
                self._forget(event)
            trouble = f"{type(exc).__name__} {exc.reason}" if isinstance(exc, ApiError) else type(exc).__name__
            if self._trouble.get(namespace) != trouble:
                log.warning("event not posted", namespace=namespace, error=str(exc))
            self._trouble[namespace] = trouble
            if len(self._trouble) > _TROUBLED:
                # Most are gone: events about what is in a namespace that is being deleted are refused.
                del self._trouble[next(iter(self._trouble))]
        except Exception as exc:
            self._observer.dropped()
            log.exception("event not posted", namespace=namespace, error=type(exc).__name__)
        else:
            self._observer.posted()
            if self._trouble.pop(namespace, ""):
                log.info("events are posted again", namespace=namespace)

    def _name(self, regarding: Object) -> str:
        """Unique among the events of this process, and, but for clocks set back, of all."""
        nanoseconds = round(self._clock.now().timestamp() * 1_000_000) * 1000
        self._stamp = max(self._stamp + 1, nanoseconds)
        return f"{regarding.metadata.name[:_LONGEST_NAME].rstrip('-.')}.{self._stamp:x}"


def _subject(about: ObjectReference, reason: str, message: str) -> tuple[str, str, str]:
    """What makes two Warnings the same."""
    return about.uid or str(Key(about.namespace, about.name)), reason, message


def _reference(regarding: Object, kind: str) -> ObjectReference:
    metadata = regarding.metadata
    key = Key(metadata.namespace, metadata.name)
    return ObjectReference(
        api_version=regarding.api_version,
        kind=kind,
        namespace=key.namespace,
        name=key.name,
        uid=metadata.uid,
        resource_version=metadata.resource_version,
    )
