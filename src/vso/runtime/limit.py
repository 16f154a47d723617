"""A limit on the time that a block may take, on the operator's clock."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from vso.base import Clock


@asynccontextmanager
async def time_limit(clock: Clock, seconds: float) -> AsyncIterator[None]:
    """Cancel the block after `seconds` and raise TimeoutError; as `asyncio.timeout`, but on `clock`."""
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(None) as scope:
        timer = clock.call_at(clock.monotonic() + seconds, lambda: scope.reschedule(loop.time()))
        try:
            yield
        finally:
            timer.cancel()
