"""The contract of `WorkQueue`, point by point."""

import asyncio
from collections.abc import Coroutine
from random import Random
from typing import Any

import pytest

from tests.support.clock import FakeClock, settle
from vso.apis.meta import Key
from vso.runtime import Lane, QueueShutDown, Silent, WorkQueue

A, B, C = (Key("app", name) for name in "abc")


@pytest.fixture
def clock() -> FakeClock:
    """Stands still until moved."""
    return FakeClock()


@pytest.fixture
def queue(clock: FakeClock) -> WorkQueue:
    """Empty."""
    return WorkQueue(clock=clock)


async def _drained(queue: WorkQueue) -> list[Key]:
    """The keys that are due, in order; each is done at once."""
    keys = []
    while len(queue):
        keys.append(await queue.get())
        queue.done(keys[-1])
    return keys


async def test_keys_come_in_the_order_in_which_they_were_added(queue: WorkQueue) -> None:
    """Equal due times keep their order."""
    for key in (B, A, C, A):
        queue.add(key)
    assert await _drained(queue) == [B, A, C]


async def test_fresh_overtakes_steady(queue: WorkQueue) -> None:
    """D29: what people changed goes first."""
    queue.add(A, Lane.STEADY)
    queue.add(B, Lane.FRESH)
    assert (queue.depth(Lane.FRESH), queue.depth(Lane.STEADY)) == (1, 1)
    assert await _drained(queue) == [B, A]


async def test_steady_is_not_starved(queue: WorkQueue) -> None:
    """After 16 fresh keys in a row one steady key goes."""
    queue.add(A, Lane.STEADY)
    for number in range(40):
        queue.add(Key("app", str(number)), Lane.FRESH)
    assert (await _drained(queue)).index(A) == 16


async def test_a_steady_key_becomes_fresh_when_edited(queue: WorkQueue) -> None:
    """Two wishes take the better lane."""
    queue.add(A, Lane.STEADY)
    queue.add(B, Lane.STEADY)
    queue.add(B, Lane.FRESH)
    queue.add(B, Lane.STEADY)
    assert await _drained(queue) == [B, A]


async def test_a_delayed_key_is_due_on_time(queue: WorkQueue, clock: FakeClock) -> None:
    """Not before its instant, and then by the timer alone."""
    queue.add_after(A, 10)
    assert (len(queue), queue.scheduled, queue.deadline_of(A)) == (0, 1, 10)
    async with asyncio.TaskGroup() as group:
        getter = group.create_task(queue.get())
        await clock.advance(9.99)
        assert not getter.done()
        await clock.advance(0.01)
        assert getter.result() == A


async def test_the_earlier_of_two_delays_counts(queue: WorkQueue, clock: FakeClock) -> None:
    """A later wish does not push an earlier one back, an earlier one pulls it forward."""
    queue.add_after(A, 10)
    queue.add_after(A, 20)
    assert queue.deadline_of(A) == 10
    queue.add_after(A, 5)
    assert queue.deadline_of(A) == 5
    await clock.advance(5)
    assert await _drained(queue) == [A]
    await clock.advance(100)
    assert len(queue) == 0


async def test_the_key_that_is_due_longest_goes_first(queue: WorkQueue, clock: FakeClock) -> None:
    """Due time decides, not the time of the call."""
    queue.add_after(B, 2)
    queue.add_after(A, 1)
    await clock.advance(3)
    queue.add(C, Lane.STEADY)
    assert await _drained(queue) == [A, B, C]


async def test_a_key_in_work_is_not_handed_out_again(queue: WorkQueue) -> None:
    """Changes during the work cause exactly one later run."""
    queue.add(A)
    assert await queue.get() == A
    queue.add(A)
    queue.add(A)
    assert len(queue) == 0
    queue.done(A)
    assert await _drained(queue) == [A]


async def test_the_lane_of_a_change_during_work_is_kept(queue: WorkQueue) -> None:
    """A dirty key reruns in the best lane that was wished."""
    queue.add(A, Lane.STEADY)
    await queue.get()
    queue.add(B, Lane.STEADY)
    queue.add(A, Lane.FRESH)
    queue.done(A, 60)
    assert await _drained(queue) == [A, B]


async def test_a_delay_asked_for_during_work_is_neither_lost_nor_early(queue: WorkQueue, clock: FakeClock) -> None:
    """It is merged with the run's own decision: the earlier wins."""
    for own, due in ((None, 30.0), (60.0, 30.0), (10.0, 10.0)):
        began = clock.monotonic()
        queue.add(A)
        await queue.get()
        queue.add_after(A, 30)
        assert queue.deadline_of(A) == began + 30
        queue.done(A, own)
        assert queue.deadline_of(A) == began + due
        await clock.advance(due)
        assert await _drained(queue) == [A]


async def test_a_delay_that_passes_during_work_makes_the_key_due_at_once(queue: WorkQueue, clock: FakeClock) -> None:
    """The due time is an instant, work or not."""
    queue.add(A)
    await queue.get()
    queue.add_after(A, 5)
    await clock.advance(6)
    assert len(queue) == 0
    queue.done(A)
    assert await _drained(queue) == [A]


async def test_a_newer_decision_replaces_the_schedule(queue: WorkQueue, clock: FakeClock) -> None:
    """A run that was woken early sets the next due time anew, even if that is later than before."""
    queue.add_after(A, 10)
    await clock.advance(5)
    queue.add(A)
    await queue.get()
    queue.done(A, 100)
    assert queue.deadline_of(A) == 105
    await clock.advance(50)
    assert len(queue) == 0


async def test_retries_double_from_5_ms_to_1000_s(queue: WorkQueue) -> None:
    """behaviour.md 0.3."""
    delays = [queue.retry(A) for _ in range(20)]
    assert delays[:4] == [0.005, 0.01, 0.02, 0.04]
    assert delays[17] == pytest.approx(655.36)
    assert delays[18:] == [1000.0, 1000.0]
    assert queue.failures(A) == 20
    queue.forget(A)
    assert (queue.failures(A), queue.retry(A)) == (0, 0.005)


@pytest.mark.parametrize("delay", [0, -1, float("nan")])
async def test_a_delay_that_is_none_means_now(queue: WorkQueue, delay: float) -> None:
    """Not even NaN disturbs the order."""
    queue.add_after(A, delay)
    assert await _drained(queue) == [A]


async def test_shut_down_ends_waiting_and_later_gets(queue: WorkQueue) -> None:
    """Workers leave; what is in work may still be done."""
    queue.add(A)
    assert await queue.get() == A
    async with asyncio.TaskGroup() as group:
        getters = [group.create_task(_outcome(queue)) for _ in range(3)]
        await settle()
        queue.shut_down()
    assert [getter.result() for getter in getters] == ["shut down"] * 3
    queue.add(B)
    queue.done(A, 5)
    assert await _outcome(queue) == "shut down"


async def _outcome(queue: WorkQueue) -> Key | str:
    try:
        return await queue.get()
    except QueueShutDown:
        return "shut down"


async def test_done_without_get_is_an_error(queue: WorkQueue) -> None:
    """A bug of the caller shows."""
    queue.add(A)
    with pytest.raises(KeyError):
        queue.done(A)


def _suspended_in(coroutine: Coroutine[Any, Any, Key]) -> bool:
    """Drive `coroutine` to its next suspension; False if it returned."""
    try:
        coroutine.send(None)
    except StopIteration:
        return False
    return True


@pytest.mark.parametrize("suspension", [1, 2, 3])
@pytest.mark.parametrize("woken", [True, False])
async def test_a_get_cancelled_at_any_suspension_loses_no_key(
    queue: WorkQueue, suspension: int, *, woken: bool
) -> None:
    """Whoever waits next gets the key, also when the cancelled one had been woken for it."""
    victim = queue.get()
    for _ in range(suspension):
        assert _suspended_in(victim)
        # Wake it without a key, so that it suspends once more.
        queue.add(B)
        assert await queue.get() == B
        queue.done(B)
    if suspension:
        assert _suspended_in(victim)
    async with asyncio.TaskGroup() as group:
        other = group.create_task(queue.get())
        await settle()
        if woken:
            queue.add(A)
        with pytest.raises(asyncio.CancelledError):
            victim.throw(asyncio.CancelledError())
        if not woken:
            queue.add(A)
        assert await other == A


async def test_cancelled_tasks_pass_the_word_on(queue: WorkQueue) -> None:
    """Ten waiting, all but one cancelled in the very turn in which keys come: no key lies there."""
    async with asyncio.TaskGroup() as group:
        getters = [group.create_task(queue.get()) for _ in range(10)]
        await settle()
        queue.add(A)
        for getter in getters[:9]:
            getter.cancel()
        assert await getters[9] == A


async def test_one_timer_serves_100_000_keys(clock: FakeClock) -> None:
    """No task or timer per key, and schedules that move do not pile up."""
    queue = WorkQueue(clock=clock)
    rng = Random(1)
    keys = [Key("app", f"secret-{number}") for number in range(100_000)]
    for key in keys:
        queue.add_after(key, 1000 + rng.random())
    for key in keys[:30_000]:
        queue.add_after(key, 500 + rng.random())
    assert queue.scheduled == 100_000
    assert sum(timer.callback is not None for _, _, timer in clock._timers) == 1
    await clock.advance(502)
    assert len(queue) == 30_000
    assert sum(timer.callback is not None for _, _, timer in clock._timers) == 1


class _Notes(Silent):
    def __init__(self) -> None:
        self.notes: list[Any] = []

    def depth(self, lane: Lane, keys: int) -> None:
        self.notes.append((lane.name, keys))

    def added(self) -> None:
        self.notes.append("added")

    def retried(self) -> None:
        self.notes.append("retried")

    def taken(self, waited: float) -> None:
        self.notes.append(("taken", waited))

    def finished(self, worked: float) -> None:
        self.notes.append(("finished", worked))


async def test_an_observer_sees_depth_waiting_and_work(clock: FakeClock) -> None:
    """What the metrics of operations.md 2.2 need."""
    observer = _Notes()
    queue = WorkQueue(clock=clock, observer=observer)
    queue.add_after(A, 5)
    await clock.advance(7)
    await queue.get()
    await clock.advance(3)
    assert queue.ages() == (3,)
    queue.done(A)
    expected = ["retried", "added", ("STEADY", 1), ("STEADY", 0), ("taken", 2), ("finished", 3)]
    assert observer.notes == expected
