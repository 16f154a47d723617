"""The order in which things begin and end."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from random import Random
from typing import Any

import pytest
from structlog.testing import capture_logs

from tests.support.clock import FakeClock, settle
from tests.unit.runtime.doubles import Collection, Leases, refusal, same
from vso.apis.meta import Key
from vso.kube import ConnectionFailed, NotFound
from vso.runtime import (
    Controller,
    LeaderElector,
    LeaseConfig,
    Manager,
    Next,
    Reflector,
    Store,
    Unelected,
    WorkQueue,
    enqueue_self,
)


class Operator:
    """A small operator: one kind, one controller, one loop of each sort."""

    def __init__(self, clock: FakeClock, leases: Leases | None = None) -> None:
        self.clock = clock
        self.server = Collection(clock)
        self.notes: list[str] = []
        self.seconds = 0.0
        self.elector = (
            Unelected()
            if leases is None
            else LeaderElector(
                leases.client("one"),
                LeaseConfig(key=Key("ops", "lock"), identity="one"),
                clock=clock,
                rng=Random(1),
            )
        )
        self.manager = Manager(clock=clock, elector=self.elector)
        self.queue = WorkQueue(clock=clock)
        self.reflector = Reflector(self.server, Store(), project=same, clock=clock, rng=Random(1))
        self.reflector.subscribe(enqueue_self(self.queue))
        self.manager.reflect(self.reflector)
        self.manager.control(Controller("thing", self.reconcile, queue=self.queue, workers=2, clock=clock))
        self.manager.background("health", self.loop("health"))
        self.manager.lead("extra", self.loop("extra"))
        self.manager.finish("flush", self.flush)
        self.stop = asyncio.Event()

    async def reconcile(self, key: Key) -> Next:
        self.notes.append(f"begin {key.name}")
        try:
            await self.clock.sleep(self.seconds)
        except asyncio.CancelledError:
            self.notes.append(f"cancel {key.name}")
            raise
        self.notes.append(f"end {key.name}")
        return Next.on_change()

    def loop(self, name: str) -> Callable[[], Coroutine[Any, Any, None]]:
        async def run() -> None:
            self.notes.append(f"+{name}")
            try:
                await asyncio.Event().wait()
            finally:
                self.notes.append(f"-{name}")

        return run

    async def flush(self) -> None:
        self.notes.append("flush")


@asynccontextmanager
async def _running(operator: Operator) -> AsyncIterator[asyncio.Task[None]]:
    async with asyncio.TaskGroup() as group:
        task = group.create_task(operator.manager.run(operator.stop))
        await settle()
        yield task
        operator.stop.set()
        await operator.clock.advance(60)


@pytest.fixture
def clock() -> FakeClock:
    """Stands still until moved."""
    return FakeClock()


async def test_a_life_from_start_to_end(clock: FakeClock) -> None:
    """Fill the stores, work, stop, finish, and the background last."""
    operator = Operator(clock)
    operator.server.put("a")
    async with _running(operator):
        assert operator.manager.ready
        assert operator.manager.problems() == {}
    assert operator.notes == ["+health", "+extra", "begin a", "end a", "-extra", "flush", "-health"]


async def test_no_work_before_the_stores_are_filled(clock: FakeClock) -> None:
    """The problem is told meanwhile; the process waits for the CRD and does not end."""
    operator = Operator(clock)
    operator.server.errors += [refusal(NotFound) for _ in range(4)]
    operator.server.put("a")
    with capture_logs():
        async with _running(operator):
            assert not operator.manager.ready
            assert "CRD" in operator.manager.problems()["things"]
            assert operator.notes == ["+health"]
            await clock.advance(30)
            assert "end a" in operator.notes


async def test_what_is_not_required_does_not_delay(clock: FakeClock) -> None:
    """A kind that may be absent."""
    operator = Operator(clock)
    absent = Collection(clock)
    absent.name = "absent"
    absent.errors += [refusal(NotFound) for _ in range(100)]
    reflector = Reflector(absent, Store(), project=same, clock=clock, rng=Random(1))
    operator.manager.reflect(reflector, required=False)
    with capture_logs():
        async with _running(operator):
            assert "+extra" in operator.notes
            assert list(operator.manager.problems()) == ["absent"]
            assert operator.manager.ready


async def test_running_reconciles_may_end(clock: FakeClock) -> None:
    """Within 30 s; those that wait do not begin."""
    operator = Operator(clock)
    operator.seconds = 20.0
    async with _running(operator) as task:
        for name in "abc":
            operator.server.put(name)
        await settle()
        operator.stop.set()
        await clock.advance(19)
        assert not task.done()
        await clock.advance(2)
        assert task.done()
    assert [note for note in operator.notes if note.startswith(("begin", "end", "cancel"))] == [
        "begin a",
        "begin b",
        "end a",
        "end b",
    ]


async def test_reconciles_that_take_too_long_are_cancelled(clock: FakeClock) -> None:
    """After 30 s."""
    operator = Operator(clock)
    operator.seconds = 1000.0
    operator.server.put("a")
    with capture_logs() as logs:
        async with _running(operator) as task:
            operator.stop.set()
            await clock.advance(29)
            assert not task.done()
            await clock.advance(2)
            assert task.done()
    assert "work is cancelled" in [line["event"] for line in logs]
    assert "cancel a" in operator.notes


async def test_the_lease_is_released_after_the_work(clock: FakeClock) -> None:
    """Renewed as long as reconciles run, then given free."""
    leases = Leases()
    operator = Operator(clock, leases)
    operator.seconds = 20.0
    operator.server.put("a")
    async with _running(operator):
        operator.stop.set()
        await clock.advance(19)
        assert leases.stored is not None
        assert leases.stored.spec.holder_identity == "one"
        await clock.advance(2)
        assert leases.stored.spec.holder_identity == ""
    assert operator.notes[-3:] == ["end a", "flush", "-health"]


async def test_leadership_that_is_lost_during_the_stop_ends_it(clock: FakeClock) -> None:
    """The work is over; there is nothing to compete for again until the grace period ends."""
    leases = Leases()
    operator = Operator(clock, leases)
    operator.seconds = 60.0
    operator.server.put("a")
    with capture_logs():
        async with _running(operator) as task:
            operator.stop.set()
            leases.failure = lambda _: ConnectionFailed("refused")
            await clock.advance(11)
            assert task.done()
    assert operator.notes[-3:] == ["cancel a", "flush", "-health"]


async def test_a_standby_stops_at_once(clock: FakeClock) -> None:
    """It has nothing to wait for, and keeps its hands off the Lease."""
    leases = Leases()
    leases.failure = lambda _: ConnectionFailed("refused")
    operator = Operator(clock, leases)
    with capture_logs():
        async with _running(operator) as task:
            operator.stop.set()
            await settle()
            await settle()
            assert task.done()
    assert "+extra" not in operator.notes


async def test_lost_leadership_pauses_and_rejoins(clock: FakeClock) -> None:
    """The process lives on, the store stays filled, and the interrupted key is taken up again.

    What was learned in the former term is forgotten before anything works.
    """
    leases = Leases()
    operator = Operator(clock, leases)
    operator.manager.begin(lambda: operator.notes.append("forget"))
    operator.seconds = 20.0
    operator.server.put("a")
    with capture_logs():
        async with _running(operator):
            leases.failure = lambda _: ConnectionFailed("refused")
            await clock.advance(11)
            assert operator.notes[-2:] in (["-extra", "cancel a"], ["cancel a", "-extra"])
            leases.failure = lambda _: None
            await clock.advance(30)
            assert operator.notes[-4:] == ["forget", "+extra", "begin a", "end a"]
            assert operator.notes.count("forget") == 2
            assert operator.server.lists == 1


async def test_a_crashed_loop_ends_the_process(clock: FakeClock) -> None:
    """Logged with its name, and raised."""
    for sort in ("background", "lead"):
        operator = Operator(clock)

        async def crash() -> None:
            await clock.sleep(5)
            raise ZeroDivisionError

        getattr(operator.manager, sort)("broken", crash)
        with capture_logs() as logs, pytest.raises(ExceptionGroup) as caught:
            await asyncio.gather(operator.manager.run(operator.stop), clock.advance(6))
        assert caught.group_contains(ZeroDivisionError)
        assert [line["name"] for line in logs if line["event"] == "crashed"] == ["broken"]


async def test_a_finish_that_hangs_is_given_five_seconds(clock: FakeClock) -> None:
    """As a flush of events to a server that does not answer."""
    operator = Operator(clock)
    operator.manager.finish("hang", operator.loop("hang"))
    with capture_logs() as logs:
        async with _running(operator) as task:
            operator.stop.set()
            await clock.advance(4.9)
            assert not task.done()
            await clock.advance(0.2)
            assert task.done()
    assert "not finished in time" in [line["event"] for line in logs]
