"""An event loop that is stuck."""

import asyncio
import threading
from collections.abc import MutableMapping, Sequence
from functools import partial
from typing import Any

from structlog.testing import capture_logs

from testenv import wait_for
from testenv.waiting import attempts
from vso.app.heartbeat import watched_loop


async def test_a_stuck_loop_is_told_of_with_the_place_where_it_hangs() -> None:
    """By a thread of its own; and once more when the loop goes on."""
    with capture_logs() as logs:
        async with watched_loop(interval=0.01, missed=3):
            hang(logs)
            told = partial(wait_for, lambda: any("goes on" in line["event"] for line in logs), what="its end")
            await asyncio.to_thread(told)
    stuck = next(line for line in logs if line["event"] == "the event loop is stuck")
    assert stuck["log_level"] == "error"
    assert "in hang" in stuck["where"]


def hang(logs: Sequence[MutableMapping[str, Any]]) -> None:
    """Block the loop until the watch has told of it."""
    for _ in attempts(10):
        if logs:
            return


async def test_a_loop_that_turns_is_not_told_of() -> None:
    """Nor does the watch outlive its context."""
    before = threading.active_count()
    with capture_logs() as logs:
        async with watched_loop(interval=0.001, missed=2000):
            for _ in range(100):
                await asyncio.sleep(0)
    assert logs == []
    assert threading.active_count() == before
