"""Who is brought back when a server may be in order again."""

from random import Random

from tests.support.clock import FakeClock
from vso.apis.meta import Key
from vso.controllers.waiting import Waiting
from vso.runtime import WorkQueue
from vso.sync import Turn

KEYS = [Key("app", name) for name in ("a", "b", "c")]


async def chosen(waiting: Waiting, queue: WorkQueue, times: int) -> set[Key]:
    """Those that were brought back for a trial."""
    found = set()
    for _ in range(times):
        waiting.wake("vault", Turn.TRIAL)
        key = await queue.get()
        queue.done(key)
        found.add(key)
    return found


async def test_the_trial_goes_to_one_that_did_not_bring_the_outage() -> None:
    """A path that hangs would let every trial fail, and keep everybody else waiting for good."""
    queue = WorkQueue(clock=FakeClock())
    waiting = Waiting(queue, Random(1))
    waiting.add(KEYS[0], "vault", suspect=True)
    for key in KEYS[1:]:
        waiting.add(key, "vault")
    assert await chosen(waiting, queue, 50) == set(KEYS[1:])


async def test_where_all_are_suspect_chance_decides() -> None:
    """The first by name could be the culprit each time."""
    queue = WorkQueue(clock=FakeClock())
    waiting = Waiting(queue, Random(1))
    for key in KEYS:
        waiting.add(key, "vault", suspect=True)
    assert await chosen(waiting, queue, 50) == set(KEYS)


async def test_who_waits_for_something_else_is_no_suspect_any_more() -> None:
    """What counts is the last attempt."""
    queue = WorkQueue(clock=FakeClock())
    waiting = Waiting(queue, Random(1))
    waiting.add(KEYS[0], "vault", suspect=True)
    waiting.add(KEYS[1], "vault", suspect=True)
    waiting.add(KEYS[0], "vault")
    assert await chosen(waiting, queue, 20) == {KEYS[0]}
