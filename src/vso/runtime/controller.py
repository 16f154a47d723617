"""Workers that take keys from a queue and reconcile them, one key at a time each.

Decides nothing about the domain: what an expected failure means is settled in the reconciler, whose answer
is a `Next`. Only what escapes from it is judged here.
"""

import asyncio
import zlib
from collections.abc import Awaitable, Callable
from typing import Final
from uuid import uuid4

import structlog
from structlog.contextvars import bind_contextvars, clear_contextvars

from vso.apis.meta import Key
from vso.base import Clock
from vso.kube import KubeError
from vso.runtime.metrics import ControllerObserver, Result, Silent
from vso.runtime.next import Lane, Next
from vso.runtime.queue import QueueShutDown, WorkQueue

log = structlog.get_logger("runtime.controller")

_LONGEST_OUTAGE_RETRY: Final = 60.0
_OUTAGE_SPREAD: Final = 0.5


class Controller:
    """`workers` tasks around one reconcile function.

    - Returns `Next`: the key succeeded, its failures are forgotten, and it is due again when that says.
    - Raises KubeError: the API server refused or was out of reach; logged, retried after 5 ms * 2^n, at most
      1000 s (behaviour.md 0.3), a minute where it was out of reach; not before the time that it asked for.
    - Raises anything else: our bug; the same, with a traceback at the first failure in a row.

    `run` may be cancelled and called again (leadership lost and won): keys whose reconcile was cancelled are
    due at once then, and `resume`, if given, adds at each begin what else there is. With it the queue takes nothing
    in between: on a replica that waits for leadership nobody would ever take it out.
    """

    def __init__(
        self,
        name: str,
        reconcile: Callable[[Key], Awaitable[Next]],
        *,
        queue: WorkQueue,
        workers: int,
        clock: Clock,
        observer: ControllerObserver | None = None,
        resume: Callable[[], None] | None = None,
    ) -> None:
        self.name: Final = name
        self.queue: Final = queue
        self.workers: Final = workers
        self._reconcile = reconcile
        self._clock = clock
        self._observer: ControllerObserver = observer or Silent()
        self._resume = resume
        self._pause()

    async def run(self) -> None:
        """Work until the queue is shut down and running reconciles have ended, or until cancelled."""
        if self._resume is not None:
            self.queue.unpause()
            self._resume()
        try:
            async with asyncio.TaskGroup() as group:
                for number in range(self.workers):
                    group.create_task(self._work(), name=f"{self.name} worker {number}")
        finally:
            self._pause()

    def _pause(self) -> None:
        if self._resume is not None:
            self.queue.pause()

    async def _work(self) -> None:
        while True:
            try:
                key = await self.queue.get()
            except QueueShutDown:
                return
            await self._attend(key)

    async def _attend(self, key: Key) -> None:
        """Reconcile `key` once, and see to it that it leaves the state of being in work in any case."""
        started = self._clock.monotonic()
        self._observer.started()
        # Every line of this reconcile is found by these keys (operations.md section 1.7).
        bind_contextvars(controller=self.name, namespace=key.namespace, name=key.name, reconcileID=str(uuid4()))
        try:
            answer = await self._reconcile(key)
        except asyncio.CancelledError as exc:
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                self.queue.done(key, 0.0)
                self._observer.aborted()
                raise
            # Nobody cancelled this worker: something that the reconciler waited for was cancelled.
            result = self._failed(key, exc)
        except Exception as exc:  # noqa: BLE001 - a worker outlives all bugs of a reconciler
            result = self._failed(key, exc)
        else:
            result = self._succeeded(key, answer)
        clear_contextvars()
        self._observer.reconciled(result, self._clock.monotonic() - started)

    def _succeeded(self, key: Key, answer: Next) -> Result:
        self.queue.forget(key)
        self.queue.done(key, answer.delay, lane=answer.lane)
        if answer.delay is None:
            return Result.SUCCESS
        return Result.REQUEUE if answer.lane is Lane.FRESH else Result.REQUEUE_AFTER

    def _failed(self, key: Key, exc: BaseException) -> Result:
        delay = self.queue.retry(key)
        if isinstance(exc, KubeError) and exc.transient:
            # Nobody tells when the API server is back, so it is asked at least once a minute; not by all keys at once.
            delay = min(delay, _LONGEST_OUTAGE_RETRY * (1 - _OUTAGE_SPREAD * _share(key)))
            delay = max(delay, exc.retry_after or 0.0)
        self.queue.done(key, delay)
        bound = log.bind(controller=self.name, key=str(key), retry_seconds=delay)
        if isinstance(exc, KubeError):
            bound.warning("reconcile failed", error=str(exc))
        else:
            self._observer.crashed()
            first = self.queue.failures(key) == 1
            bound.error("reconcile crashed", error=type(exc).__name__, exc_info=exc if first else None)
        return Result.ERROR


def _share(key: Key) -> float:
    """A number from 0 to 1 that differs from key to key."""
    return zlib.crc32(str(key).encode()) / 2**32
