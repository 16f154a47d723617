"""When which key is worked on: one due time per key, two lanes, and never one key twice at a time.

Not for deciding *whether* a key is due; that is up to `watches` (on a change) and to the reconciler's answer
(`next`). The order of keys is kept by `agenda`.
"""

import asyncio
from collections import deque
from collections.abc import Iterable
from itertools import count
from typing import Final

from vso.apis.meta import Key
from vso.base import Clock, Timer
from vso.runtime.agenda import Agenda, Wish
from vso.runtime.metrics import QueueObserver, Silent
from vso.runtime.next import Lane

_FRESH_IN_A_ROW: Final = 16
_FIRST_RETRY: Final = 0.005
_LONGEST_RETRY: Final = 1000.0
_DOUBLINGS: Final = 18  # 5 ms * 2^18 is beyond the longest retry


class QueueShutDown(Exception):
    """The queue hands out no more keys."""


class WorkQueue:
    """Hands out keys when they are due.

    The contract:

    - A key has at most one *wish*: an instant at which it is due, and a lane. `add` wishes for now,
      `add_after` for later. Two wishes become one: the earlier due time, the better lane.
    - `get` takes the wish away and puts the key *in work*. Whatever was wished before is served by this run.
    - A wish for a key in work is kept, but the key is not handed out again before `done`.
    - `done(key, after)` ends the work. `after` is the run's own decision about the key's next due time, and
      there is no older one that it could collide with; None is no wish. It is merged with what was wished
      *during* the work: the earlier wins. So a change during the work makes the key run again at once, and
      a delay asked for during the work is neither lost nor shortened.
    - Of the keys that are due, lane FRESH goes first, but after 16 of it in a row one STEADY goes. Within a
      lane the key goes that has been due longest, and of those that are due at the same time the first added.

    All methods but `get` are synchronous and belong to the event loop's thread. A cancelled `get` loses no
    key. There is one timer for all keys.
    """

    def __init__(self, *, clock: Clock, name: str = "", observer: QueueObserver | None = None) -> None:
        self.name: Final = name
        self._clock = clock
        self._observer: QueueObserver = observer or Silent()
        self._later = Agenda()
        self._ready: Final = {lane: Agenda() for lane in Lane}
        self._again: dict[Key, Wish] = {}
        self._working: dict[Key, float] = {}
        self._failures: dict[Key, int] = {}
        self._getters: deque[asyncio.Future[None]] = deque()
        self._order = count()
        self._fresh_run = 0
        self._timer: tuple[float, Timer] | None = None
        self._closed = False
        self._paused = False

    def __len__(self) -> int:
        """How many keys are due and wait for a worker."""
        self._promote()
        return sum(len(agenda) for agenda in self._ready.values())

    def depth(self, lane: Lane) -> int:
        """How many keys of `lane` are due and wait for a worker."""
        self._promote()
        return len(self._ready[lane])

    def running(self, now: float) -> Iterable[float]:
        """For each key in work, the seconds until the monotonic instant `now`."""
        return [now - since for since in self._working.values()]

    @property
    def scheduled(self) -> int:
        """How many keys will be due later."""
        return len(self._later)

    def deadline_of(self, key: Key) -> float | None:
        """The monotonic instant at which `key` is due next; None without a wish."""
        for agenda in (self._later, *self._ready.values()):
            if wish := agenda.get(key):
                return wish.due
        again = self._again.get(key)
        return again.due if again else None

    def ages(self) -> tuple[float, ...]:
        """For each key in work, since how many seconds."""
        now = self._clock.monotonic()
        return tuple(now - since for since in self._working.values())

    def add(self, key: Key, lane: Lane = Lane.FRESH) -> None:
        """Wish that `key` be worked on now."""
        self._wish(key, self._clock.monotonic(), lane)

    def add_after(self, key: Key, delay: float, lane: Lane = Lane.STEADY) -> None:
        """Wish that `key` be worked on in `delay` seconds; an earlier wish stays."""
        if not delay > 0:
            return self.add(key, lane)
        self._observer.retried()
        return self._wish(key, self._clock.monotonic() + delay, lane)

    async def get(self) -> Key:
        """Wait for a key that is due, and put it in work; `done` must follow.

        Raises QueueShutDown once the queue is shut down.
        """
        while True:
            if self._closed:
                raise QueueShutDown
            key = self._take()
            if key is not None:
                return key
            await self._woken()

    def done(self, key: Key, after: float | None = None, *, lane: Lane = Lane.STEADY) -> None:
        """End the work on `key`, due again in `after` seconds, or earlier if that was wished meanwhile.

        Raises KeyError if `key` is not in work.
        """
        now = self._clock.monotonic()
        worked = now - self._working.pop(key)
        self._observer.finished(worked)
        again = self._again.pop(key, None)
        if again is not None:
            self._wish(key, again.due, again.lane)
        if after is not None:
            self.add_after(key, after, lane)

    def retry(self, key: Key) -> float:
        """Count a failure of `key`; the answer is the delay in seconds to give to `done`.

        5 ms * 2^n with n failures before this one, at most 1000 s (behaviour.md 0.3).
        """
        before = self._failures.get(key, 0)
        self._failures[key] = before + 1
        return float(min(_FIRST_RETRY * 2 ** min(before, _DOUBLINGS), _LONGEST_RETRY))

    def failures(self, key: Key) -> int:
        """How often `key` failed in a row."""
        return self._failures.get(key, 0)

    def forget(self, key: Key) -> None:
        """Note that `key` succeeded: the next failure is the first."""
        self._failures.pop(key, None)

    def pause(self) -> None:
        """Take no more wishes until `unpause`; those that were made stay."""
        self._paused = True

    def unpause(self) -> None:
        """Take wishes again."""
        self._paused = False

    def shut_down(self) -> None:
        """Hand out no more keys, for ever: `get` raises. Keys in work may still be `done`."""
        self._closed = True
        self._disarm()
        for getter in self._getters:
            _wake(getter)

    def _wish(self, key: Key, due: float, lane: Lane) -> None:
        """Merge a wish with what is known of the key, and put it where it belongs."""
        if self._paused:
            return
        if key in self._working:
            old = self._again.get(key)
            self._again[key] = self._merged(old, Wish(due, next(self._order), key, lane))
            return
        for agenda in (self._later, *self._ready.values()):
            if old := agenda.get(key):
                break
        wish = self._merged(old, Wish(due, next(self._order), key, lane))
        if wish is old:
            return
        if old is not None:
            agenda.pop(key)
            self._tell_depth(agenda)
        self._place(wish)

    @staticmethod
    def _merged(old: Wish | None, new: Wish) -> Wish:
        if old is None:
            return new
        if old.due <= new.due and old.lane <= new.lane:
            return old
        first = min(old, new)
        return first._replace(lane=min(old.lane, new.lane))

    def _place(self, wish: Wish) -> None:
        if wish.due > self._clock.monotonic():
            self._later.put(wish)
            self._arm()
            return
        agenda = self._ready[wish.lane]
        agenda.put(wish)
        self._observer.added()
        self._tell_depth(agenda)
        self._wake_one()

    def _promote(self) -> None:
        """Move what has fallen due from later to ready."""
        now = self._clock.monotonic()
        while (wish := self._later.first()) and wish.due <= now:
            self._later.pop(wish.key)
            self._place(wish)

    def _take(self) -> Key | None:
        self._promote()
        fresh, steady = self._ready[Lane.FRESH], self._ready[Lane.STEADY]
        turn = steady if steady and (not fresh or self._fresh_run >= _FRESH_IN_A_ROW) else fresh
        wish = turn.first()
        if wish is None:
            return None
        turn.pop(wish.key)
        self._fresh_run = self._fresh_run + 1 if turn is fresh else 0
        now = self._clock.monotonic()
        self._working[wish.key] = now
        self._tell_depth(turn)
        self._observer.taken(now - wish.due)
        return wish.key

    async def _woken(self) -> None:
        """Wait until a key may be ready."""
        getter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._getters.append(getter)
        try:
            await getter
        except asyncio.CancelledError:
            # A cancelled getter that was already woken passes the word on, else a ready key would lie there.
            if getter in self._getters:
                self._getters.remove(getter)
            elif not getter.cancelled():
                self._wake_one()
            raise

    def _wake_one(self) -> None:
        while self._getters:
            if _wake(self._getters.popleft()):
                return

    def _arm(self) -> None:
        """Keep the one timer at the earliest due time."""
        first = self._later.first()
        if first is None or self._closed:
            return
        if self._timer is not None:
            if self._timer[0] <= first.due:
                return
            self._timer[1].cancel()
        self._timer = (first.due, self._clock.call_at(first.due, self._ring))

    def _ring(self) -> None:
        self._timer = None
        self._promote()
        self._arm()

    def _disarm(self) -> None:
        if self._timer is not None:
            self._timer[1].cancel()
            self._timer = None

    def _tell_depth(self, agenda: Agenda) -> None:
        for lane, ready in self._ready.items():
            if ready is agenda:
                self._observer.depth(lane, len(ready))


def _wake(getter: asyncio.Future[None]) -> bool:
    if getter.done():
        return False
    getter.set_result(None)
    return True
