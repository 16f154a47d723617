"""Takes the operator's marks off the cluster before it goes, so that nothing waits for it any more (R30).

Removes the finalizers of all resources that the installation handles, whatever Vault and other clients do meanwhile,
and within the time that it is given (operations.md section 1.9). What may be revoked before: `revocation`. Secrets and
resources stay, for whoever takes over.

An operator that still runs would put its finalizers back. So the Lease is taken from it first, and looked through once
more after the time in which a leader notices.
"""

import asyncio
import os
import socket
import threading
from collections.abc import Iterable
from dataclasses import dataclass, field
from random import Random, SystemRandom
from typing import Final

import msgspec
import structlog

from vso.apis import core, names
from vso.apis.kinds import KINDS, Definition
from vso.apis.meta import Key, Kind, Object, PartialObject
from vso.app.listing import PAUSE, fill, kind_and_place, pages, places_of
from vso.app.revocation import revoke_everything
from vso.app.settings import Settings
from vso.base import Clock, SystemClock
from vso.controllers import new_world
from vso.kube import Client, Conflict, Invalid, KubeError, NotFound, Patch, PatchType, load_config
from vso.runtime import make_identity, micro_time, time_limit

_AT_ONCE: Final = 16
"""Requests under way at the same time."""
_NOTICED: Final = 4.0
"""Seconds after which a leader whose Lease was taken has noticed, and stopped its work."""
_HELD_ON: Final = 30
"""Seconds that the Lease outlives this process, until the operator itself is removed."""
_SAME_REFUSALS: Final = 3
_OVERTIME: Final = 3.0
_SHARE_OF_REVOCATION: Final = 0.5
log = structlog.get_logger("cleanup")


async def uninstall(settings: Settings, *, clock: Clock | None = None) -> bool:
    """Do all of it; whether nothing is left. Ends in time in any case."""
    clock, limit = clock or SystemClock(), float(settings.pre_delete_hook_timeout_seconds)
    # Whatever hangs, a thread or the loop itself: a hook that never ends blocks what it belongs to.
    fuse = threading.Timer(limit + _OVERTIME, os._exit, (1,))
    fuse.daemon = True
    fuse.start()
    tally = Tally()
    log.info(
        "uninstalling", limit_seconds=limit, namespaces=settings.watch_namespaces, revoke=settings.revoke_on_uninstall
    )
    try:
        async with time_limit(clock, limit):
            await _uninstall(settings, tally, clock=clock, limit=limit)
    except TimeoutError:
        tally.unfinished = True
        log.error("not done in time", limit_seconds=limit)  # noqa: TRY400 - no bug, and the traceback tells nothing
    finally:
        fuse.cancel()
    for what, why in tally.problems():
        log.error("left behind", what=what, reason=why)
    log.info("uninstalled" if tally.clean else "not all was removed", finalizers_removed=tally.removed)
    return tally.clean


@dataclass
class Tally:
    """What was done, and what is left: objects by name, and lists that could not be read."""

    removed: int = 0
    unfinished: bool = False
    left: dict[str, str] = field(default_factory=dict)
    unread: dict[str, str] = field(default_factory=dict)

    @property
    def clean(self) -> bool:
        """Whether no finalizer can be left."""
        return not (self.unfinished or self.left or self.unread)

    def problems(self) -> Iterable[tuple[str, str]]:
        """What is left, and why."""
        return sorted({**self.unread, **self.left}.items())


def removal(obj: Object, finalizer: str) -> Patch | None:
    """The patch that takes `finalizer` off `obj`, None if it has none.

    It names no version: only a change of the finalizers themselves is in its way, not somebody who writes the object
    all the time.
    """
    if finalizer not in obj.metadata.finalizers:
        return None
    path = f"/metadata/finalizers/{obj.metadata.finalizers.index(finalizer)}"
    return Patch(
        body=[
            {"op": "test", "path": "/metadata/uid", "value": obj.metadata.uid},
            {"op": "test", "path": path, "value": finalizer},
            {"op": "remove", "path": path},
        ],
        type=PatchType.JSON,
    )


async def _uninstall(settings: Settings, tally: Tally, *, clock: Clock, limit: float) -> None:
    rng = SystemRandom()
    config = await load_config(kubeconfig=settings.kubeconfig or None, environ=os.environ)
    async with Client(config, user_agent=settings.user_agent, clock=clock) as kube:
        lead = _Lead(kube, settings.operator_namespace, clock=clock, rng=rng)
        settled = clock.monotonic() + await lead.take(limit + _HELD_ON)
        if settings.revoke_on_uninstall:
            await clock.sleep(settled - clock.monotonic())  # what the operator has in Vault must not grow any more
            try:
                await revoke_everything(kube, settings, clock=clock, rng=rng, seconds=limit * _SHARE_OF_REVOCATION)
            except Exception:
                # Nothing is worth keeping finalizers for, not even a bug.
                log.exception("revocation failed")
        await Sweeper(kube, settings, tally, clock=clock).run(settled)
        await lead.take(_HELD_ON)


class _Lead:
    """The Lease, taken from whoever has it, so that running operators stop. At best effort."""

    def __init__(self, kube: Client, namespace: str, *, clock: Clock, rng: Random) -> None:
        self._kube = kube
        self._clock = clock
        self._key = Key(namespace, names.LEADER_LEASE)
        self._identity = make_identity(f"{socket.gethostname()}-uninstall", rng)

    async def take(self, seconds: float) -> float:
        """Hold the Lease for `seconds` from now on; the seconds until whoever had it will have stopped."""
        while True:
            try:
                lease = await self._kube.get(core.LEASE, self._key)
                await self._kube.replace(core.LEASE, self._ours(lease, seconds))
            except Conflict:
                continue
            except NotFound:
                return 0.0
            except KubeError as exc:
                if exc.transient:
                    await self._clock.sleep(exc.retry_after or PAUSE)
                    continue
                log.warning("a running operator goes on", reason=f"its Lease cannot be taken: {exc}")
                return 0.0
            holder = lease.spec.holder_identity
            if not holder or holder == self._identity:
                return 0.0
            log.info("running operators stop", lease=str(self._key), held_by=holder)
            return _NOTICED

    def _ours(self, lease: core.Lease, seconds: float) -> core.Lease:
        now, spec = micro_time(self._clock.now()), lease.spec
        ours = core.LeaseSpec(
            holder_identity=self._identity,
            lease_duration_seconds=round(seconds),
            acquire_time=now,
            renew_time=now,
            lease_transitions=(spec.lease_transitions or 0) + (spec.holder_identity != self._identity),
        )
        return msgspec.structs.replace(lease, spec=ours)


class Sweeper:
    """Looks through all kinds until nothing is found any more."""

    def __init__(self, kube: Client, settings: Settings, tally: Tally, *, clock: Clock) -> None:
        self._kube = kube
        self._clock = clock
        self._tally = tally
        self._world = new_world(settings.operator_namespace, settings.jurisdiction)
        self._turns = asyncio.Semaphore(_AT_ONCE)

    async def run(self, settled: float) -> None:
        """Sweep; again, if something was found, or if that was before the instant `settled`."""
        if self._world.jurisdiction.selector is not None:
            await self._read_namespaces()
        while True:
            begun, before = self._clock.monotonic(), self._tally.removed
            self._tally.left.clear()
            self._tally.unread.clear()
            for definition in KINDS:
                if definition.finalizer:
                    await self._sweep(definition)
            if begun >= settled and self._tally.removed == before:
                return
            log.info("looking once more", finalizers_removed=self._tally.removed)
            await self._clock.sleep(max(settled - self._clock.monotonic(), 0.0))

    async def _read_namespaces(self) -> None:
        jurisdiction = self._world.jurisdiction
        stores = {core.NAMESPACE: self._world.namespaces}
        await fill(self._kube, stores, watched=frozenset(), own=jurisdiction.operator_namespace, clock=self._clock)

    async def _sweep(self, definition: Definition) -> None:
        jurisdiction = self._world.jurisdiction
        plural = definition.kind.resource.plural
        kind = definition.kind.partial()
        for place in places_of(plural, watched=jurisdiction.namespaces, own=jurisdiction.operator_namespace):
            try:
                async for page in pages(self._kube, kind, place, clock=self._clock):
                    await self._sweep_page(kind, definition, page)
            except NotFound:
                log.info("kind is not served", kind=definition.name)
            except KubeError as exc:
                self._tally.unread[kind_and_place(definition, place)] = str(exc)

    async def _sweep_page(
        self, kind: Kind[PartialObject], definition: Definition, page: Iterable[PartialObject]
    ) -> None:
        due = [one for one in page if removal(one, definition.finalizer) is not None and self._world.covers(one)]
        async with asyncio.TaskGroup() as group:
            for one in due:
                group.create_task(self._remove(kind, one, definition.finalizer), name=f"remove {one.key}")
        if due:
            log.info("finalizers", kind=definition.name, found=len(due), finalizers_removed=self._tally.removed)

    async def _remove(self, kind: Kind[PartialObject], obj: PartialObject, finalizer: str) -> None:
        """Take the finalizer off one object, whatever others do with it."""
        ref, refusals = f"{kind.resource.kind} {obj.key}", 0
        self._tally.left[ref] = "not done in time"
        async with self._turns:
            while (patch := removal(obj, finalizer)) is not None:
                try:
                    await self._kube.patch(kind, obj.key, patch)
                    self._tally.removed += 1
                    break
                except NotFound:
                    break
                except (Conflict, Invalid) as exc:
                    # The finalizers changed; or the object cannot be written at all, which shows by the same refusal.
                    refusals += isinstance(exc, Invalid)
                    if refusals >= _SAME_REFUSALS:
                        self._tally.left[ref] = str(exc)
                        return
                    obj = await self._read(kind, obj)
                except KubeError as exc:
                    self._tally.left[ref] = str(exc)
                    if not exc.transient:
                        return
                    await self._clock.sleep(exc.retry_after or PAUSE)
        del self._tally.left[ref]

    async def _read(self, kind: Kind[PartialObject], obj: PartialObject) -> PartialObject:
        try:
            return await self._kube.get(kind, obj.key)
        except NotFound:
            return PartialObject(metadata=msgspec.structs.replace(obj.metadata, finalizers=()))
        except KubeError:
            await self._clock.sleep(PAUSE)
            return obj
