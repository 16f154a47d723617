"""The queue against a model that is too simple to be wrong, with real tasks that wait and are cancelled."""

import asyncio
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from tests.support.clock import FakeClock, settle
from vso.apis.meta import Key
from vso.runtime import Lane, WorkQueue

KEYS = [Key("app", name) for name in "abcdefgh"]
_IN_A_ROW = 16

keys = st.sampled_from(KEYS)
lanes = st.sampled_from(Lane)
delays = st.sampled_from([0.0, 0.5, 1.0, 1.0, 2.5, 7.0])


class QueueModel(RuleBasedStateMachine):
    """A wish is `[due, order, lane]`; at most one per key, apart for keys in work."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.clock = FakeClock()
        self.queue = WorkQueue(clock=self.clock)
        self.getters: list[asyncio.Task[Key]] = []
        self.taken: list[Key] = []
        self.wishes: dict[Key, list[Any]] = {}
        self.again: dict[Key, list[Any]] = {}
        self.working: set[Key] = set()
        self.waiting = 0
        self.expected: list[Key] = []
        self.order = 0
        self.fresh_run = 0

    def teardown(self) -> None:
        for getter in self.getters:
            getter.cancel()
        self.loop.run_until_complete(settle())
        self.loop.close()

    # The model

    def wish(self, key: Key, delay: float, lane: Lane) -> None:
        self.order += 1
        book = self.again if key in self.working else self.wishes
        new = [self.clock.monotonic() + delay, self.order, lane]
        old = book.get(key)
        if old is None:
            book[key] = new
        else:
            book[key] = [*min(old[:2], new[:2]), min(old[2], new[2])]

    def hand_out(self, now: float) -> None:
        """Give due keys to waiting getters."""
        while self.waiting:
            ready = {key: wish for key, wish in self.wishes.items() if wish[0] <= now}
            if not ready:
                return
            present = {wish[2] for wish in ready.values()}
            lane = Lane.FRESH if Lane.FRESH in present else Lane.STEADY
            if Lane.STEADY in present and self.fresh_run >= _IN_A_ROW:
                lane = Lane.STEADY
            self.fresh_run = self.fresh_run + 1 if lane is Lane.FRESH else 0
            key = min((wish[:2], key) for key, wish in ready.items() if wish[2] is lane)[1]
            del self.wishes[key]
            self.working.add(key)
            self.expected.append(key)
            self.waiting -= 1

    def settle(self) -> None:
        """Let both sides come to rest, and collect what was handed out."""
        self.loop.run_until_complete(settle())
        self.hand_out(self.clock.monotonic())
        self.collect()

    def collect(self) -> None:
        done = [getter for getter in self.getters if getter.done()]
        self.getters = [getter for getter in self.getters if not getter.done()]
        self.taken += [getter.result() for getter in done]

    # What happens to both

    @rule(key=keys, lane=lanes)
    def add(self, key: Key, lane: Lane) -> None:
        self.queue.add(key, lane)
        self.wish(key, 0.0, lane)
        self.settle()

    @rule(batch=st.lists(st.tuples(keys, lanes), max_size=20))
    def add_many_in_one_turn(self, batch: list[tuple[Key, Lane]]) -> None:
        if self.waiting:
            # With getters waiting the order among one turn's keys is decided when they run.
            batch = batch[:1]
        for key, lane in batch:
            self.queue.add(key, lane)
            self.wish(key, 0.0, lane)
        self.settle()

    @rule(key=keys, delay=delays, lane=lanes)
    def add_after(self, key: Key, delay: float, lane: Lane) -> None:
        self.queue.add_after(key, delay, lane)
        self.wish(key, delay, lane)
        self.settle()

    @rule()
    def get(self) -> None:
        self.getters.append(self.loop.create_task(self.queue.get()))
        self.waiting += 1
        self.settle()

    @precondition(lambda self: self.getters)
    @rule(data=st.data(), key=keys)
    def cancel_a_getter_as_a_key_arrives(self, data: st.DataObject, key: Key) -> None:
        getter = self.getters.pop(data.draw(st.integers(0, len(self.getters) - 1)))
        self.queue.add(key)
        self.wish(key, 0.0, Lane.FRESH)
        getter.cancel()
        self.waiting -= 1
        self.settle()
        assert getter.cancelled()

    @precondition(lambda self: self.working)
    @rule(data=st.data(), after=st.none() | delays, lane=lanes)
    def done(self, data: st.DataObject, after: float | None, lane: Lane) -> None:
        key = data.draw(st.sampled_from(sorted(self.working)))
        self.queue.done(key, after, lane=lane)
        self.working.remove(key)
        if key in self.again:
            self.wishes[key] = self.again.pop(key)
            self.order += 1
            self.wishes[key][1] = self.order
        if after is not None:
            self.wish(key, after, lane)
        self.settle()

    @rule(seconds=st.sampled_from([0.5, 1.0, 3.0, 10.0]))
    def time_passes(self, seconds: float) -> None:
        now = self.clock.monotonic()
        end = now + seconds
        dues = sorted({wish[0] for wish in self.wishes.values() if now < wish[0] <= end})
        self.loop.run_until_complete(self.clock.advance(seconds))
        for due in dues:
            self.hand_out(due)
        self.settle()

    # What must hold

    @invariant()
    def hands_out_the_same_keys_in_the_same_order(self) -> None:
        assert sorted(self.taken) == sorted(self.expected)
        if len(self.taken) == len(self.expected) == 1:
            assert self.taken == self.expected
        self.taken.clear()
        self.expected.clear()

    @invariant()
    def remembers_the_same_wishes(self) -> None:
        for key in KEYS:
            wish = self.again.get(key) or self.wishes.get(key)
            assert self.queue.deadline_of(key) == (wish[0] if wish else None)
        now = self.clock.monotonic()
        for lane in Lane:
            ready = [wish for wish in self.wishes.values() if wish[0] <= now and wish[2] is lane]
            assert self.queue.depth(lane) == len(ready)

    @invariant()
    def keeps_one_timer(self) -> None:
        assert sum(timer.callback is not None for _, _, timer in self.clock._timers) <= 1


TestQueueModel = QueueModel.TestCase
TestQueueModel.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
