"""What is posted as an Event, what is not, and what failures do."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Literal

import pytest
from structlog.testing import capture_logs

from tests.support.clock import FakeClock, settle
from tests.unit.runtime.doubles import refusal, thing
from vso.apis.core import Event
from vso.apis.meta import Kind, Object, ObjectMeta
from vso.kube import ConnectionFailed, Forbidden
from vso.runtime import EventRecorder


class Sink:
    """Keeps events, or raises."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.failures: dict[str, Exception] = {}

    async def create(self, kind: Kind[Event], obj: Event, /) -> Event:
        assert kind.resource.kind == "Event"
        await asyncio.sleep(0)
        failure = self.failures.get(obj.metadata.namespace)
        if failure is not None:
            raise failure
        self.events.append(obj)
        return obj


@pytest.fixture
def clock() -> FakeClock:
    """Stands still until moved."""
    return FakeClock()


@pytest.fixture
def sink() -> Sink:
    """Accepts everything."""
    return Sink()


@pytest.fixture
def recorder(clock: FakeClock, sink: Sink) -> EventRecorder:
    """Not running yet."""
    return EventRecorder(sink, clock=clock, instance="pod-1")


def _emit(
    recorder: EventRecorder,
    obj: Object | None = None,
    message: str = "no answer",
    type_: Literal["Normal", "Warning"] = "Warning",
) -> None:
    recorder.emit(
        obj or thing("a"),
        kind="Thing",
        type=type_,
        reason="SecretSynced",
        message=message,
        component="Things",
    )


@asynccontextmanager
async def _running(recorder: EventRecorder) -> AsyncIterator[None]:
    async with asyncio.TaskGroup() as group:
        task = group.create_task(recorder.run())
        await settle()
        yield
        await recorder.flush()
        task.cancel()


async def test_an_event_names_its_object_and_reporter(recorder: EventRecorder, sink: Sink, clock: FakeClock) -> None:
    """The shape that kubectl describe shows."""
    async with _running(recorder):
        _emit(recorder)
    [event] = sink.events
    regarding = event.involved_object
    assert (regarding.kind, regarding.namespace, regarding.name, regarding.uid) == (
        "Thing",
        "app",
        "a",
        "uid-a",
    )
    assert event.metadata.namespace == "app"
    assert event.metadata.name.startswith("a.")
    assert (event.count, event.first_timestamp, event.last_timestamp) == (1, clock.now(), clock.now())
    assert (event.source.component, event.reporting_component, event.reporting_instance) == (
        "Things",
        "Things",
        "pod-1",
    )


async def test_each_normal_event_counts(recorder: EventRecorder, sink: Sink) -> None:
    """It tells of something that was done, and was done again."""
    async with _running(recorder):
        for _ in range(3):
            _emit(recorder, message="synced", type_="Normal")
    assert len(sink.events) == 3
    assert len({event.metadata.name for event in sink.events}) == 3


async def test_warnings_repeated_within_ten_minutes_are_left_out(
    recorder: EventRecorder, sink: Sink, clock: FakeClock
) -> None:
    """Per object, reason and message."""
    async with _running(recorder):
        for _ in range(3):
            _emit(recorder)
        _emit(recorder, thing("b"))
        _emit(recorder, message="other")
        await clock.advance(599)
        _emit(recorder)
        await recorder.flush()
        assert len(sink.events) == 3
        await clock.advance(2)
        _emit(recorder)
    assert len(sink.events) == 4
    assert len({event.metadata.name for event in sink.events}) == 4


async def test_failures_are_told_once_per_namespace_and_change(recorder: EventRecorder, sink: Sink) -> None:
    """A namespace that is being deleted floods no log; others are served."""
    sink.failures["app"] = refusal(Forbidden, "NamespaceTerminating")
    other = Object(metadata=ObjectMeta(namespace="other", name="x", uid="x"))
    with capture_logs() as logs:
        async with _running(recorder):
            for number in range(5):
                _emit(recorder, message=f"{number}")
                _emit(recorder, other, message=f"{number}")
            await recorder.flush()
            sink.failures["app"] = ConnectionFailed("refused")
            _emit(recorder, message="6")
            await recorder.flush()
            sink.failures.clear()
            _emit(recorder, message="7")
    assert [line["event"] for line in logs] == [
        "event not posted",
        "event not posted",
        "events are posted again",
    ]
    assert len(sink.events) == 6


async def test_a_warning_that_nobody_got_to_see_is_posted_when_it_comes_next(
    recorder: EventRecorder, sink: Sink
) -> None:
    """A failing resource repeats it; what an outage swallowed does not count as told for ten minutes."""
    sink.failures["app"] = ConnectionFailed("refused")
    async with _running(recorder):
        _emit(recorder)
        await recorder.flush()
        sink.failures.clear()
        for _ in range(2):
            _emit(recorder)
            await recorder.flush()
    assert [event.message for event in sink.events] == ["no answer"]


async def test_a_warning_that_found_no_room_is_posted_when_it_comes_next(recorder: EventRecorder, sink: Sink) -> None:
    """A full queue swallows as an outage does."""
    for number in range(20_001):
        _emit(recorder, message=f"{number}")
    async with _running(recorder):
        await recorder.flush()
        _emit(recorder, message="20000")
        _emit(recorder, message="19999")
    assert sink.events[-1].message == "20000"


async def test_a_refused_warning_is_not_tried_again(recorder: EventRecorder, sink: Sink) -> None:
    """Without the right to post events each attempt of each resource would cost a request."""
    sink.failures["app"] = refusal(Forbidden)
    async with _running(recorder):
        _emit(recorder)
        await recorder.flush()
        sink.failures.clear()
        _emit(recorder)
    assert sink.events == []


async def test_namespaces_that_are_gone_are_forgotten(recorder: EventRecorder, sink: Sink) -> None:
    """Each refuses events while it is being deleted; what is remembered of them does not grow for ever."""
    names = [f"preview-{number}" for number in range(1001)]
    sink.failures = dict.fromkeys(names, refusal(Forbidden, "NamespaceTerminating"))
    with capture_logs() as logs:
        async with _running(recorder):
            for name in (*names, names[0], names[-1]):
                _emit(recorder, Object(metadata=ObjectMeta(namespace=name, name="x", uid=name)), type_="Normal")
                await recorder.flush()
    assert [line["namespace"] for line in logs] == [*names, names[0]]


async def test_too_many_events_are_dropped_with_one_line(recorder: EventRecorder, sink: Sink) -> None:
    """A bounded queue: memory does not follow a dead API server."""
    with capture_logs() as logs:
        for number in range(20_500):
            _emit(recorder, message=f"{number}")
        async with _running(recorder):
            pass
    assert len(sink.events) == 20_000
    assert [line["event"] for line in logs] == ["events are dropped"]


async def test_long_names_and_messages_fit(recorder: EventRecorder, sink: Sink) -> None:
    """253 characters for the name, 1024 for the message; cluster-wide objects report in ``default``."""
    long = Object(metadata=ObjectMeta(name="n" * 235 + ".x" * 9, uid="u"))
    async with _running(recorder):
        _emit(recorder, long, message="m" * 5000)
    [event] = sink.events
    assert len(event.metadata.name) <= 253
    assert "-." not in event.metadata.name
    assert ".." not in event.metadata.name
    assert len(event.message) == 1024
    assert event.metadata.namespace == "default"
