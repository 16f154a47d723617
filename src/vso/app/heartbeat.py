"""Tells of an event loop that is stuck, from a thread of its own, since the loop itself cannot.

A stuck loop answers no request either, ``/healthz`` among them: the kubelet's probe times out, which is a failure, and
restarts the container. What is logged here is where it hung, for those who look for the reason.
"""

import asyncio
import sys
import threading
import traceback
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import structlog

_INTERVAL: Final = 1.0
_MISSED: Final = 10
"""Beats in a row without a sign of life; counted, so that a process that was stopped as a whole is not blamed."""
log = structlog.get_logger("heartbeat")


class Heartbeat:
    """Watches the running loop; used by `watched_loop`."""

    def __init__(self, loop: asyncio.AbstractEventLoop, *, interval: float, missed: int) -> None:
        self._loop = loop
        self._interval = interval
        self._limit = missed
        self._thread_id = threading.get_ident()
        self._alive = threading.Event()
        self._stop = threading.Event()

    def watch(self) -> None:
        """Ask the loop for a sign of life again and again, until `stop`."""
        missed = 0
        while not self._stop.is_set():
            self._alive.clear()
            self._loop.call_soon_threadsafe(self._alive.set)
            while not self._alive.wait(self._interval):
                if self._stop.is_set():
                    return
                missed += 1
                if missed == self._limit:
                    log.error("the event loop is stuck", seconds=missed * self._interval, where=self._where())
            if missed >= self._limit:
                log.warning("the event loop goes on", after_seconds=missed * self._interval)
            missed = 0
            self._stop.wait(self._interval)

    def stop(self) -> None:
        """End `watch` within an interval."""
        self._stop.set()
        self._alive.set()

    def _where(self) -> str:
        frame = sys._current_frames().get(self._thread_id)  # noqa: SLF001 - documented, and the only way to look
        return "".join(traceback.format_stack(frame)) if frame is not None else ""


@asynccontextmanager
async def watched_loop(*, interval: float = _INTERVAL, missed: int = _MISSED) -> AsyncIterator[None]:
    """Inside the context, log where the running loop hangs once it has been stuck for `missed` * `interval` seconds."""
    heart = Heartbeat(asyncio.get_running_loop(), interval=interval, missed=missed)
    thread = threading.Thread(target=heart.watch, name="heartbeat", daemon=True)
    thread.start()
    try:
        yield
    finally:
        heart.stop()
        thread.join()
