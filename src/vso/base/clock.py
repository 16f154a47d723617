"""The one place that reads time: every other module takes a `Clock` as an argument.

Not for durations in API fields (see `duration`) nor for deciding delays (see `backoff`).
"""

import asyncio
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Protocol


class Timer(Protocol):
    """A call that was planned with `Clock.call_at`."""

    def cancel(self) -> None:
        """Prevent the call if it has not happened yet; idempotent."""


class Clock(Protocol):
    """Time as the operator sees it."""

    def now(self) -> datetime:
        """Wall-clock time, aware, in UTC; for timestamps that leave the process."""

    def monotonic(self) -> float:
        """Seconds on a clock that never goes back; for everything due."""

    async def sleep(self, seconds: float) -> None:
        """Return after `seconds`, or at once for zero and less."""

    def call_at(self, when: float, callback: Callable[[], None]) -> Timer:
        """Call `callback` from the event loop once `monotonic()` has reached `when`."""


class SystemClock:
    """The machine's clock; `call_at` and `sleep` use the running event loop."""

    def now(self) -> datetime:
        """See `Clock.now`."""
        return datetime.now(UTC)  # noqa: TID251 - the source of time

    def monotonic(self) -> float:
        """See `Clock.monotonic`."""
        return time.monotonic()  # noqa: TID251 - the source of time

    async def sleep(self, seconds: float) -> None:
        """See `Clock.sleep`."""
        await asyncio.sleep(max(seconds, 0.0))

    def call_at(self, when: float, callback: Callable[[], None]) -> Timer:
        """See `Clock.call_at`."""
        delay = max(when - self.monotonic(), 0.0)
        return asyncio.get_running_loop().call_later(delay, callback)
