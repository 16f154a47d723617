"""What a controller does with a reconciler's answers, failures and cancellations."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from structlog.testing import capture_logs

from tests.support.clock import FakeClock, settle
from tests.unit.runtime.doubles import key_of, refusal
from vso.apis.meta import Key
from vso.kube import ConnectionFailed, Forbidden, TooManyRequests
from vso.runtime import Controller, Lane, Next, Result, Silent, WorkQueue

A, B = key_of("a"), key_of("b")


class _Notes(Silent):
    def __init__(self) -> None:
        self.results: list[Any] = []
        self.busy = 0

    def started(self) -> None:
        self.busy += 1

    def reconciled(self, result: Result, seconds: float) -> None:
        self.busy -= 1
        self.results.append((result.value, seconds))

    def aborted(self) -> None:
        self.busy -= 1
        self.results.append("aborted")

    def crashed(self) -> None:
        self.results.append("crashed")


@pytest.fixture
def clock() -> FakeClock:
    """Stands still until moved."""
    return FakeClock()


@pytest.fixture
def queue(clock: FakeClock) -> WorkQueue:
    """Empty."""
    return WorkQueue(clock=clock)


def _controller(
    queue: WorkQueue, clock: FakeClock, reconcile: Callable[[Key], Awaitable[Next]], **more: Any
) -> Controller:
    return Controller("thing", reconcile, queue=queue, workers=more.pop("workers", 2), clock=clock, **more)


async def test_answers_become_due_times(queue: WorkQueue, clock: FakeClock) -> None:
    """Each kind of answer, with the result that the metric counts."""
    answers = [Next.after(60, "refresh"), Next.soon("again"), Next.on_change()]
    notes = _Notes()

    async def reconcile(key: Key) -> Next:
        assert key == A
        return answers.pop(0)

    async with asyncio.TaskGroup() as group:
        group.create_task(_controller(queue, clock, reconcile, observer=notes).run())
        queue.add(A)
        await settle()
        assert queue.deadline_of(A) == 60
        await clock.advance(60)
        assert (answers, queue.deadline_of(A)) == ([], None)
        queue.shut_down()
    assert [result for result, _ in notes.results] == ["requeue_after", "requeue", "success"]


async def test_a_refusal_is_retried_with_growing_delays(queue: WorkQueue, clock: FakeClock) -> None:
    """One line each, no traceback; a success forgets the failures."""
    runs: list[float] = []
    notes = _Notes()

    async def reconcile(_: Key) -> Next:
        runs.append(clock.monotonic())
        if len(runs) < 5:
            raise ConnectionFailed("no answer")
        return Next.on_change()

    with capture_logs() as logs:
        async with asyncio.TaskGroup() as group:
            group.create_task(_controller(queue, clock, reconcile, observer=notes).run())
            queue.add(A)
            await clock.advance(1)
            queue.shut_down()
    assert runs == pytest.approx([0, 0.005, 0.015, 0.035, 0.075])
    assert queue.failures(A) == 0
    assert [line["event"] for line in logs] == ["reconcile failed"] * 4
    assert logs[0]["key"] == "app/a"
    assert [result for result, _ in notes.results] == ["error"] * 4 + ["success"]


async def test_a_bug_is_shown_once_with_its_traceback(queue: WorkQueue, clock: FakeClock) -> None:
    """The worker lives on, and other keys are served."""
    notes = _Notes()

    async def reconcile(key: Key) -> Next:
        if key == A:
            raise ZeroDivisionError
        return Next.on_change()

    with capture_logs() as logs:
        async with asyncio.TaskGroup() as group:
            group.create_task(_controller(queue, clock, reconcile, workers=1, observer=notes).run())
            queue.add(A)
            await clock.advance(0.04)
            queue.add(B)
            await settle()
            queue.shut_down()
    assert [bool(line["exc_info"]) for line in logs] == [True, False, False, False]
    assert notes.results.count("crashed") == 4
    assert notes.results[-1] == ("success", 0)


async def test_one_key_is_never_reconciled_twice_at_a_time(queue: WorkQueue, clock: FakeClock) -> None:
    """Changes during a reconcile cause one more run, after it."""
    running: list[Key] = []
    runs: list[Key] = []

    async def reconcile(key: Key) -> Next:
        assert key not in running
        running.append(key)
        runs.append(key)
        await clock.sleep(10)
        running.remove(key)
        return Next.on_change()

    async with asyncio.TaskGroup() as group:
        group.create_task(_controller(queue, clock, reconcile, workers=5).run())
        queue.add(A)
        await settle()
        for _ in range(3):
            queue.add(A)
            queue.add(B)
            await clock.advance(1)
        await clock.advance(30)
        queue.shut_down()
    assert sorted(runs) == [A, A, B, B]


async def test_shut_down_lets_running_reconciles_end(queue: WorkQueue, clock: FakeClock) -> None:
    """The waiting ones do not begin."""
    ended: list[Key] = []

    async def reconcile(key: Key) -> Next:
        await clock.sleep(5)
        ended.append(key)
        return Next.on_change()

    async with asyncio.TaskGroup() as group:
        task = group.create_task(_controller(queue, clock, reconcile, workers=1).run())
        queue.add(A)
        queue.add(B)
        await settle()
        queue.shut_down()
        await clock.advance(4)
        assert not task.done()
        await clock.advance(1)
        assert task.done()
    assert ended == [A]


async def test_a_cancelled_reconcile_is_due_again_at_the_next_run(queue: WorkQueue, clock: FakeClock) -> None:
    """Leadership lost and won: nothing is forgotten, and `resume` adds what it wants."""
    runs: list[Key] = []
    notes = _Notes()

    async def reconcile(key: Key) -> Next:
        runs.append(key)
        await clock.sleep(5)
        return Next.on_change()

    controller = _controller(queue, clock, reconcile, observer=notes, resume=lambda: queue.add(B, Lane.STEADY))
    async with asyncio.TaskGroup() as group:
        first = group.create_task(controller.run())
        await settle()
        queue.add(A)
        await settle()
        first.cancel()
        await settle()
        assert (first.cancelled(), notes.busy, notes.results) == (True, 0, ["aborted", "aborted"])
        group.create_task(controller.run())
        await clock.advance(5)
        queue.shut_down()
    assert sorted(runs) == [A, A, B, B]


async def test_a_queue_that_nobody_serves_takes_nothing_in(queue: WorkQueue, clock: FakeClock) -> None:
    """A replica may wait for leadership for months, while keys come and go; `resume` brings what there is."""
    runs: list[Key] = []

    async def reconcile(key: Key) -> Next:
        runs.append(key)
        return Next.on_change()

    controller = _controller(queue, clock, reconcile, resume=lambda: queue.add(B, Lane.STEADY))
    queue.add(A)
    queue.add_after(A, 10)
    assert (len(queue), queue.scheduled) == (0, 0)
    async with asyncio.TaskGroup() as group:
        task = group.create_task(controller.run())
        await settle()
        task.cancel()
        await settle()
        queue.add(A)
        assert (runs, len(queue)) == ([B], 0)


async def test_keys_are_tried_within_a_minute_of_an_outage_and_not_all_at_once(
    queue: WorkQueue, clock: FakeClock
) -> None:
    """However long it lasted; a refusal that nobody mends waits longer."""
    names = [key_of(f"n{number}") for number in range(20)]
    error: list[Exception] = [ConnectionFailed("no answer")]

    async def reconcile(_: Key) -> Next:
        raise error[0]

    with capture_logs():
        async with asyncio.TaskGroup() as group:
            group.create_task(_controller(queue, clock, reconcile).run())
            for key in names:
                queue.add(key)
            await clock.advance(1800)
            waits = [(queue.deadline_of(key) or 0.0) - clock.monotonic() for key in names]
            assert max(waits) <= 60
            assert max(waits) - min(waits) > 10
            error[0] = refusal(Forbidden)
            await clock.advance(60)
            assert max((queue.deadline_of(key) or 0.0) - clock.monotonic() for key in names) > 900
            queue.shut_down()


async def test_a_server_that_sheds_load_is_left_alone_for_as_long_as_it_asks(
    queue: WorkQueue, clock: FakeClock
) -> None:
    """Retries after milliseconds would be more of what it is trying to shed."""
    runs: list[float] = []

    async def reconcile(key: Key) -> Next:
        runs.append(clock.monotonic())
        if len(runs) == 1:
            raise TooManyRequests("slow down", status=429, retry_after=7.0)
        return Next.on_change()

    async with asyncio.TaskGroup() as group:
        group.create_task(_controller(queue, clock, reconcile).run())
        queue.add(A)
        await clock.advance(10)
        queue.shut_down()
    assert runs == [0, 7]


async def test_a_cancelled_future_inside_does_not_kill_the_worker(queue: WorkQueue, clock: FakeClock) -> None:
    """Somebody else's cancellation, as of a shared login, is a failure of this key."""
    runs: list[Key] = []

    async def reconcile(key: Key) -> Next:
        runs.append(key)
        if len(runs) == 1:
            shared: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            shared.cancel()
            await shared
        return Next.on_change()

    with capture_logs():
        async with asyncio.TaskGroup() as group:
            group.create_task(_controller(queue, clock, reconcile, workers=1).run())
            queue.add(A)
            await clock.advance(1)
            queue.shut_down()
    assert runs == [A, A]


def test_a_delay_that_is_no_number_is_refused() -> None:
    """And a negative one means at once."""
    assert Next.after(-3, "late").delay == 0
    with pytest.raises(ValueError, match="refresh"):
        Next.after(float("nan"), "refresh")
