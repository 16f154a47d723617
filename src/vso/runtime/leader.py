"""Which replica works: a Lease in `coordination.k8s.io/v1`, taken and renewed as client-go does it.

Safe under two assumptions, which are client-go's as well: clocks of replicas run at about the same speed, and
the API server refuses a write with an old resourceVersion. Timestamps of others are never compared.
Names and times: behaviour.md 12.2, operations.md 1.8.
"""

import asyncio
import math
import os
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from datetime import datetime
from random import Random
from typing import Final, Protocol
from uuid import UUID

import msgspec
import structlog

from vso.apis.core import LEASE, Lease, LeaseSpec
from vso.apis.meta import Key, Kind, ObjectMeta
from vso.base import Clock, Timer, jitter
from vso.kube import Conflict, KubeError, NotFound
from vso.runtime.limit import time_limit
from vso.runtime.metrics import LeaderObserver, Silent

log = structlog.get_logger("runtime.leader")

_SPREAD: Final = 0.2
_MARGIN: Final = 0.05
"""Seconds after the end of a Lease at which it is taken, so that one attempt is enough."""
_SPARE: Final = 1.0
"""Seconds before another may begin at which the process ends if its work has not. On a machine that hardly runs it,
work takes seconds to stop."""
_RELEASE_LIMIT: Final = 3.0


class LeaseClient(Protocol):
    """What an elector needs of `vso.kube.Client`."""

    async def get(self, kind: Kind[Lease], key: Key, /) -> Lease:
        """Read the Lease; raises NotFound."""

    async def create(self, kind: Kind[Lease], obj: Lease, /) -> Lease:
        """Create the Lease; raises AlreadyExists."""

    async def replace(self, kind: Kind[Lease], obj: Lease, /) -> Lease:
        """Replace the Lease; raises Conflict unless the resourceVersion is current."""


class Elector(Protocol):
    """Decides when this replica works."""

    @property
    def leading(self) -> bool:
        """Whether it may work right now."""

    async def run(self, work: Callable[[], Coroutine[None, None, None]]) -> None:
        """Run `work` while leading, cancel it when not; return once it returned by itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaseConfig:
    """Which Lease, as whom, and how fast; seconds."""

    key: Key
    identity: str
    duration: float = 15.0
    """How long others wait after the last renewal that they saw."""
    renew_deadline: float = 10.0
    """How long after the last renewal this replica works on."""
    retry: float = 2.0
    """Between two attempts to take or to renew."""


def make_identity(hostname: str, rng: Random) -> str:
    """``<hostname>_<uuid>``."""
    return f"{hostname}_{UUID(int=rng.getrandbits(128), version=4)}"


class Unelected:
    """The only replica, by decree (``--leader-elect=false``)."""

    leading: Final = True

    async def run(self, work: Callable[[], Coroutine[None, None, None]]) -> None:
        """See `Elector.run`."""
        await work()


class _TakenOver(Exception):
    """Another replica holds the Lease."""


class LeaderElector:
    """An `Elector` by Lease.

    Work is cancelled `renew_deadline` after the start of the last renewal that succeeded, or as soon as
    another holder shows up. Work that is not over a second before `duration` calls `abort`, for another replica may
    begin then. The Lease is released when `run` ends, after the work.
    """

    def __init__(
        self,
        client: LeaseClient,
        config: LeaseConfig,
        *,
        clock: Clock,
        rng: Random,
        observer: LeaderObserver | None = None,
        abort: Callable[[], None] = lambda: os._exit(1),
    ) -> None:
        self._client = client
        self._config = config
        self._clock = clock
        self._rng = rng
        self._observer: LeaderObserver = observer or Silent()
        self._abort = abort
        self._leading = False
        self._held: Lease | None = None
        self._deadline = 0.0
        self._fuse: Timer | None = None
        self._seen: tuple[LeaseSpec, float] | None = None
        self._trouble = ""

    @property
    def leading(self) -> bool:
        """Whether this replica may write right now, by its own clock."""
        return self._leading and self._clock.monotonic() < self._deadline

    async def run(self, work: Callable[[], Coroutine[None, None, None]]) -> None:
        """See `Elector.run`. What `work` raises ends the run, as an ExceptionGroup."""
        self._observer.leading(now=False)
        try:
            while True:
                await self._campaign()
                if await self._lead(work):
                    return
                self._held = None
        finally:
            await self._release()

    async def _campaign(self) -> None:
        log.info("waiting for leadership", lease=str(self._config.key), identity=self._config.identity)
        while not await self._attempt():
            await self._clock.sleep(self._pause())

    def _pause(self) -> float:
        """Until the next attempt to take the Lease; an attempt falls on the end of what another holds."""
        pause = self._config.retry * (1 + jitter(_SPREAD, self._rng))
        left = self._end() - self._clock.monotonic()
        return min(pause, left + _MARGIN) if left > 0 else pause

    async def _lead(self, work: Callable[[], Coroutine[None, None, None]]) -> bool:
        """Work until leadership is lost or the work is over; whether it is over."""
        log.info("leading", identity=self._config.identity)
        self._leading = True
        self._observer.leading(now=True)
        try:
            async with asyncio.TaskGroup() as group:
                job = group.create_task(work(), name="leader's work")
                renewal = group.create_task(self._renew(), name="lease renewal")
                await asyncio.wait({job, renewal}, return_when=asyncio.FIRST_COMPLETED)
                over = job.done()
                renewal.cancel()
                job.cancel()
        finally:
            self._leading = False
            self._disarm()
            self._observer.leading(now=False)
        return over

    async def _renew(self) -> None:
        """Renew the Lease; return when it is lost."""
        try:
            while True:
                async with time_limit(self._clock, self._deadline - self._clock.monotonic()):
                    await self._clock.sleep(self._config.retry)
                    while not await self._attempt():
                        await self._clock.sleep(self._config.retry)
        except TimeoutError:
            log.warning("leadership lost", why="not renewed in time")
        except _TakenOver as exc:
            log.warning("leadership lost", why="taken over", holder=str(exc))

    async def _attempt(self) -> bool:
        """Try once to take or renew the Lease. Raises _TakenOver if this replica leads and another holds it."""
        started = self._clock.monotonic()
        try:
            async with time_limit(self._clock, self._config.renew_deadline / 2):
                lease = await self._claim()
        except (KubeError, TimeoutError) as exc:
            self._complain(exc)
            return False
        self._complain(None)
        if lease is None:
            return False
        self._held = lease
        self._deadline = started + self._config.renew_deadline
        self._disarm()
        self._fuse = self._clock.call_at(started + self._config.duration - _SPARE, self._burn)
        return True

    async def _claim(self) -> Lease | None:
        if self._held is not None:
            try:
                return await self._client.replace(LEASE, self._mine(self._held))
            except (Conflict, NotFound):
                self._held = None
        if self._leading:
            self._observer.slow_path()
        try:
            lease = await self._client.get(LEASE, self._config.key)
        except NotFound:
            metadata = ObjectMeta(namespace=self._config.key.namespace, name=self._config.key.name)
            return await self._client.create(LEASE, self._mine(Lease(metadata=metadata)))
        if self._may_take(lease.spec):
            return await self._client.replace(LEASE, self._mine(lease))
        if self._leading:
            raise _TakenOver(lease.spec.holder_identity)
        return None

    def _may_take(self, spec: LeaseSpec) -> bool:
        """Whether nobody else holds the Lease, judged by how long *we* have seen it unchanged."""
        now = self._clock.monotonic()
        if self._seen is None or self._seen[0] != spec:
            self._seen = (spec, now)
        if not spec.holder_identity or spec.holder_identity == self._config.identity:
            return True
        return now >= self._end()

    def _end(self) -> float:
        """When the Lease that was seen last is over if it stays as it is; of none, long ago."""
        if self._seen is None:
            return -math.inf
        spec, since = self._seen
        return since + max(self._config.duration, spec.lease_duration_seconds or 0)

    def _mine(self, lease: Lease) -> Lease:
        """`lease`, taken or renewed by this replica now."""
        now, spec = micro_time(self._clock.now()), lease.spec
        changes = spec.holder_identity != self._config.identity
        mine = LeaseSpec(
            holder_identity=self._config.identity,
            lease_duration_seconds=round(self._config.duration),
            acquire_time=now if changes or spec.acquire_time is None else micro_time(spec.acquire_time),
            renew_time=now,
            lease_transitions=(spec.lease_transitions or 0) + (changes and spec.lease_transitions is not None),
        )
        return msgspec.structs.replace(lease, spec=mine)

    async def _release(self) -> None:
        """Let the next one take over at once, as client-go does; at best effort."""
        lease, self._held = self._held, None
        if lease is None:
            return
        try:
            async with time_limit(self._clock, _RELEASE_LIMIT):
                try:
                    await self._client.replace(LEASE, self._nobodys(lease))
                except Conflict:
                    # Perhaps a renewal whose answer was lost; a look tells whether the Lease is ours.
                    lease = await self._client.get(LEASE, self._config.key)
                    if lease.spec.holder_identity == self._config.identity:
                        await self._client.replace(LEASE, self._nobodys(lease))
        except (KubeError, TimeoutError) as exc:
            log.warning("lease not released", error=str(exc) or type(exc).__name__)
        else:
            log.info("lease released")

    def _nobodys(self, lease: Lease) -> Lease:
        now = micro_time(self._clock.now())
        spec = msgspec.structs.replace(
            lease.spec, holder_identity="", lease_duration_seconds=1, acquire_time=now, renew_time=now
        )
        return msgspec.structs.replace(lease, spec=spec)

    def _burn(self) -> None:
        if self._leading:
            log.critical("work did not end in time after leadership was lost")
            self._abort()

    def _disarm(self) -> None:
        if self._fuse is not None:
            self._fuse.cancel()
            self._fuse = None

    def _complain(self, exc: BaseException | None) -> None:
        """One line for each change of what is wrong; losing a race for the Lease is not."""
        trouble = "" if exc is None or isinstance(exc, Conflict) else type(exc).__name__
        if trouble and trouble != self._trouble:
            log.warning("cannot use lease", lease=str(self._config.key), error=str(exc) or trouble)
        self._trouble = trouble


def micro_time(instant: datetime) -> datetime:
    """`instant` such that it is written with six digits after the second.

    The API server refuses a MicroTime without a fraction, and that is how an exact second is written.
    """
    return instant.replace(microsecond=instant.microsecond or 1)
