"""Sharing of work that is under way, and a bound on how much of it there is.

`SingleFlight` lets many callers wait for one result; `Slots` limits the requests in flight to one server.
Both keep their state in synchronous methods, so a caller may be cancelled at any await without harm.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Hashable
from contextvars import Context
from types import TracebackType
from typing import Any, Self, TypeVar

import structlog

R = TypeVar("R")

log = structlog.get_logger("sync.flight")


class SingleFlight:
    """Runs one coroutine per key at a time; later callers of the same key share its result or its error.

    A caller that is cancelled leaves the work to the others. Leaving the context cancels what is under way.
    """

    def __init__(self) -> None:
        self._flights: dict[Hashable, asyncio.Task[_Outcome]] = {}
        self._tasks = asyncio.TaskGroup()

    async def __aenter__(self) -> Self:
        await self._tasks.__aenter__()
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for flight in tuple(self._flights.values()):
            flight.cancel()
        await self._tasks.__aexit__(exc_type, exc, traceback)

    def __contains__(self, key: Hashable) -> bool:
        """Whether work of this key is under way."""
        return key in self._flights

    def start(self, key: Hashable, work: Callable[[], Awaitable[Any]]) -> None:
        """Let `work` run by itself, unless `key` is under way; what it raises is logged, with its traceback."""
        if key not in self._flights:
            self._begin(key, lambda: _logged(work))

    async def run(self, key: Hashable, work: Callable[[], Awaitable[R]]) -> R:
        """Return what `work` returns, or raise what it raises; started only if `key` is not under way."""
        flight = self._flights.get(key) or self._begin(key, work)
        value, error, origin = await asyncio.shield(flight)
        if error is not None:
            # From where it began: each caller would add its own way to the one traceback.
            raise error.with_traceback(origin)
        result: R = value
        return result

    def _begin(self, key: Hashable, work: Callable[[], Awaitable[Any]]) -> "asyncio.Task[_Outcome]":
        flight = self._flights[key] = self._tasks.create_task(
            # In a context of its own: what is logged is nobody's who happened to come first.
            _settle(work),
            name="shared request",
            context=Context(),
        )
        flight.add_done_callback(lambda _: self._flights.pop(key, None))
        return flight


_Outcome = tuple[Any, Exception | None, TracebackType | None]


async def _logged(work: Callable[[], Awaitable[Any]]) -> None:
    try:
        await work()
    except Exception as exc:
        log.exception("background request failed", error=type(exc).__name__)


async def _settle(work: Callable[[], Awaitable[Any]]) -> _Outcome:
    # An error that left a task of a TaskGroup would cancel every other flight, so it travels as a value.
    try:
        return await work(), None, None
    except Exception as exc:  # noqa: BLE001 - handed to every caller
        return None, exc, exc.__traceback__


class Slots:
    """A semaphore whose limit may change and whose waiting time is bounded."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._busy = 0
        self._waiting: deque[asyncio.Future[None]] = deque()

    @property
    def busy(self) -> int:
        """Slots taken now."""
        return self._busy

    async def acquire(self, patience: float) -> bool:
        """Take a slot; False if none became free within `patience` seconds."""
        if self._busy < self.limit:
            self._busy += 1
            return True
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        try:
            async with asyncio.timeout(patience):
                await turn
        except BaseException as exc:
            self._leave(turn)
            if isinstance(exc, TimeoutError):
                return False
            raise
        return True

    def release(self) -> None:
        """Give a slot back, to the longest waiting caller if there is one."""
        self._busy -= 1
        self.admit()

    def admit(self) -> None:
        """Let waiting callers in as far as the limit allows; to be called after raising it."""
        while self._waiting and self._busy < self.limit:
            turn = self._waiting.popleft()
            if not turn.done():
                self._busy += 1
                turn.set_result(None)

    def _leave(self, turn: "asyncio.Future[None]") -> None:
        if turn.done() and not turn.cancelled():
            self.release()  # the slot came in the very moment of giving up
        elif turn in self._waiting:
            self._waiting.remove(turn)
