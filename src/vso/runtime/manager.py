"""The life of everything that runs: what runs always, what runs only on the leader, and in which order it ends.

Not for constructing (that is up to the app) nor for signals and HTTP.
"""

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol

import structlog

from vso.base import Clock
from vso.runtime.controller import Controller
from vso.runtime.leader import Elector
from vso.runtime.limit import time_limit

log = structlog.get_logger("runtime.manager")

_FINISH_LIMIT: Final = 5.0


@dataclass(frozen=True, slots=True)
class Runnable:
    """A loop with a name."""

    name: str
    run: Callable[[], Coroutine[Any, Any, None]]


class Mirror(Protocol):
    """What a manager needs of a `Reflector`."""

    @property
    def name(self) -> str:
        """What is mirrored."""

    @property
    def synced(self) -> bool:
        """Whether the store has been complete once."""

    @property
    def problem(self) -> str:
        """What is wrong, or empty."""

    async def run(self) -> None:
        """Mirror until cancelled."""

    async def wait_synced(self) -> None:
        """Return once `synced`."""


class Manager:
    """Runs reflectors and background loops always; controllers and leader's loops while leading.

    A loop that raises has a bug: it is logged, everything is cancelled, and `run` raises. Lost leadership
    cancels the work and competes again; all that is in memory stays.
    """

    def __init__(self, *, clock: Clock, elector: Elector, grace: float = 30.0) -> None:
        self._clock = clock
        self._elector = elector
        self._grace = grace
        self._mirrors: dict[str, Mirror] = {}
        self._required: list[Mirror] = []
        self._background: list[Runnable] = []
        self._beginnings: list[Callable[[], None]] = []
        self._controllers: list[Controller] = []
        self._leader_loops: list[Runnable] = []
        self._last: list[Runnable] = []
        self._stopping = asyncio.Event()
        self._competition: asyncio.Task[None] | None = None
        self._working = False

    def reflect(self, mirror: Mirror, *, required: bool = True) -> None:
        """Run `mirror` always; unless it is not `required`, no work begins before it has synced."""
        self._mirrors[mirror.name] = mirror
        if required:
            self._required.append(mirror)

    def background(self, name: str, run: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Run a loop always, on every replica, until after the work has stopped."""
        self._background.append(Runnable(name, run))

    def begin(self, forget: Callable[[], None]) -> None:
        """Call `forget` at the begin of each term of leadership, before anything works."""
        self._beginnings.append(forget)

    def control(self, controller: Controller) -> None:
        """Run `controller` while leading."""
        self._controllers.append(controller)

    def lead(self, name: str, run: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Run a loop while leading; it is cancelled as soon as a stop is asked for."""
        self._leader_loops.append(Runnable(name, run))

    def finish(self, name: str, run: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Run something once at a graceful end, after the work and before the background, within 5 s."""
        self._last.append(Runnable(name, run))

    @property
    def ready(self) -> bool:
        """Whether there are required stores, and all are filled."""
        return bool(self._required) and all(mirror.synced for mirror in self._required)

    def problems(self) -> Mapping[str, str]:
        """What is wrong with which mirror, in words for health output; empty if nothing is."""
        return {
            name: mirror.problem or "not read yet"
            for name, mirror in self._mirrors.items()
            if mirror.problem or not mirror.synced
        } or ({} if self._required else {"operator": "it has not begun to read yet"})

    async def run(self, stop: asyncio.Event) -> None:
        """Run until `stop` is set; then let running reconciles end within the grace period.

        Raises an ExceptionGroup with what a loop raised.
        """
        async with asyncio.TaskGroup() as group:
            always = [*self._background, *(Runnable(m.name, m.run) for m in self._mirrors.values())]
            tasks = [group.create_task(_supervised(one), name=one.name) for one in always]
            work = self._competition = group.create_task(self._compete(), name="leader election")
            tasks.append(group.create_task(_waited(stop), name="stop"))
            await asyncio.wait({work, tasks[-1]}, return_when=asyncio.FIRST_COMPLETED)
            await self._drain(work)
            await self._finish()
            for task in tasks:
                task.cancel()

    async def _compete(self) -> None:
        for mirror in self._required:
            await mirror.wait_synced()
        log.info("stores are filled")
        await self._elector.run(self._work)

    async def _work(self) -> None:
        """What the leader does; ends when the controllers have ended after a stop."""
        self._working = True
        for forget in self._beginnings:
            forget()
        try:
            async with asyncio.TaskGroup() as group:
                loops = [group.create_task(_supervised(one), name=one.name) for one in self._leader_loops]
                for one in self._controllers:
                    group.create_task(_supervised(Runnable(one.name, one.run)), name=one.name)
                await self._stopping.wait()
                for loop in loops:
                    loop.cancel()
        except asyncio.CancelledError:
            if self._stopping.is_set() and self._competition is not None:
                # Leadership was lost during the stop: there is nothing to win it back for.
                self._competition.cancel()
            raise
        finally:
            self._working = False

    async def _drain(self, work: asyncio.Task[None]) -> None:
        """Stop the queues, and let the work end by itself or, after the grace period, by force."""
        log.info("stopping", working=self._working)
        self._stopping.set()
        for controller in self._controllers:
            controller.queue.shut_down()
        if not self._working:
            work.cancel()
        try:
            async with time_limit(self._clock, self._grace):
                await asyncio.wait({work})
        except TimeoutError:
            log.warning("work is cancelled", after_seconds=self._grace)
            work.cancel()
            await asyncio.wait({work})

    async def _finish(self) -> None:
        for one in self._last:
            try:
                async with time_limit(self._clock, _FINISH_LIMIT):
                    await one.run()
            except TimeoutError:
                log.warning("not finished in time", name=one.name)


async def _supervised(one: Runnable) -> None:
    try:
        await one.run()
    except Exception:
        log.critical("crashed", name=one.name, exc_info=True)
        raise


async def _waited(event: asyncio.Event) -> None:
    await event.wait()
