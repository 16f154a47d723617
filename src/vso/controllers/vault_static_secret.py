"""VaultStaticSecret: one secret of a KV engine, copied to one Kubernetes Secret (behaviour.md section 5).

Read `reconcile` first. Decisions are in `static_plan`, what all kinds that write a Secret do alike in `delivery`.
"""

from collections.abc import Hashable
from dataclasses import dataclass, replace
from typing import Final

from msgspec import structs

from vso.apis.conditions import EventReason
from vso.apis.kinds import VAULT_STATIC_SECRET
from vso.apis.meta import Key
from vso.apis.v1beta1 import RefreshExtensions, VaultClientMeta, VaultStaticSecret, VaultStaticSecretStatus
from vso.controllers.delivery import Delivery, Rollout, Source, destination_key, triggers
from vso.controllers.member import overruled
from vso.controllers.outcome import EXPECTED, Expected
from vso.controllers.restarter import Payload
from vso.controllers.secret_status import Success, after_failure, after_success
from vso.controllers.secret_writer import Written
from vso.controllers.static_plan import (
    Progress,
    Sources,
    SyncReason,
    adopt,
    compares,
    interval,
    reason_to_read,
    sources,
)
from vso.controllers.tools import Tools
from vso.runtime import Next, WorkQueue
from vso.sync import (
    ClientMeta,
    ClientSpec,
    Destination,
    InvalidSpec,
    Rendered,
    RenderOptions,
    Turn,
    back_horizon,
    first_look,
    payload_of,
)
from vso.vault import KvRequest, KvType

_UNKNOWN: Final = "unknown"
_CONFLICT_RETRY: Final = 1.0


class VaultStaticSecretReconciler:
    """Keeps destinations equal to what Vault holds."""

    def __init__(self, tools: Tools, queue: WorkQueue) -> None:
        self._tools = tools
        self._world = tools.world
        self._clock = tools.clock
        self._rng = tools.rng
        self._bounds = tools.settings.refresh
        self._progress: dict[Key, Progress] = {}
        self._delivery = Delivery(tools, queue, kind=VAULT_STATIC_SECRET, store=tools.world.static, forget=self._forget)

    async def reconcile(self, key: Key) -> Next:
        """Make the destination of `key` equal to what Vault holds now, if there is a reason to look."""
        wanted = self._delivery.wanted(key)
        if wanted is None or wanted.deleting:
            return await self._release(key, wanted)
        delivery = self._delivery
        try:
            delivery.check(wanted)
            _check(wanted)
            interval(wanted, self._bounds)
            spec, options = delivery.login_of(wanted), delivery.options_of(wanted)
            current = sources(
                wanted,
                spec.login,
                rendering=delivery.rendering(wanted, options),
                triggers=triggers(wanted),
            )
            live = self._world.destinations.get(destination_key(wanted))
            progress = self._recall(wanted, current, live)
            if live is None and progress is not None and wanted.spec.destination.create:
                live = await delivery.live(wanted)
            reason = reason_to_read(wanted, progress, live, current=current, now=self._clock.monotonic())
            if progress is not None and reason in {None, SyncReason.DRIFT, SyncReason.MISSING}:
                if wanted.spec.destination.create and (wait := delivery.hold_back(wanted, live, progress.mac)):
                    return await delivery.stand_back(wanted, wait)
                if reason is None and (done := await self._maintain(wanted, progress, live)):
                    return done
            return await self._sync(wanted, spec, options, _Read(current, reason or SyncReason.DRIFT))
        except EXPECTED as error:
            return await self._failed(wanted, error)

    def begin_term(self) -> None:
        """Forget what an earlier term of leadership learned; status and Secrets tell what is true."""
        self._progress.clear()
        self._delivery.begin_term()

    def wake(self, identity: Hashable, turn: Turn) -> None:
        """Bring back what waits for a login or a server; see `vso.sync.Observer`."""
        self._delivery.waiting.wake(identity, turn)

    async def _sync(self, wanted: VaultStaticSecret, spec: ClientSpec, options: RenderOptions, read: "_Read") -> Next:
        """Read, render, write, restart."""
        delivery = self._delivery
        delivery.measure.begin(wanted.key, read.reason)
        client = await self._tools.clients.get(spec, namespace=wanted.spec.namespace)
        secret = await client.read_kv(_request(wanted))
        source = Source(fields=secret.data, raw=secret.raw, metadata=secret.metadata or b"{}")
        rendered = await delivery.render(wanted, source, options)
        mac = self._tools.signer.mac(rendered.data.reveal())
        previous = await self._previous_payload(wanted, mac)
        secret_wanted = delivery.secret_of(wanted, mac)
        written = await delivery.writer.ensure(secret_wanted, rendered.data)
        await delivery.writer.prune(secret_wanted)
        if written.step.changes_data:
            event = EventReason.SECRET_SYNCED, f"Secret {written.destination.key.name} synced"
            delivery.synced(wanted, written, reason=read.reason, event=event)
        rollout = await self._roll_out(wanted, rendered, previous, written)
        base = interval(wanted, self._bounds)
        horizon = back_horizon(base, self._rng) if base else None
        due = None if horizon is None else self._clock.monotonic() + horizon
        progress = Progress(sources=read.sources, mac=mac, due=due, restart=rollout.open)
        wrote = written.step.changes_data
        return await self._succeeded(wanted, progress, _Result(rollout, wrote=wrote, client=client.meta))

    async def _roll_out(
        self, wanted: VaultStaticSecret, rendered: Rendered, previous: str | None, written: Written
    ) -> Rollout:
        payload = self._record(rendered.payload.reveal())
        if not compares(wanted):
            return Rollout((), "")
        record = wanted.status.extensions.restarted_payload
        return await self._delivery.roll_out(wanted, Payload(now=payload, record=record, before=previous), written)

    async def _maintain(self, wanted: VaultStaticSecret, progress: Progress, live: Destination | None) -> Next | None:
        """Nothing to ask Vault: repair what needs no data, retry restarts, keep the status true.

        None if the data turns out to be changed, which the watch has not told yet.
        """
        marks = self._delivery.secret_of(wanted, progress.mac)
        if wanted.spec.destination.create and not await self._delivery.writer.repair_marks(live, marks):
            return None
        record = wanted.status.extensions.restarted_payload if compares(wanted) else ""
        rollout = await self._delivery.roll_out_again(wanted, progress.restart, record)
        return await self._succeeded(wanted, replace(progress, restart=rollout.open), _Result(rollout))

    async def _succeeded(self, wanted: VaultStaticSecret, progress: Progress, result: "_Result") -> Next:
        self._progress[wanted.key] = progress
        self._delivery.settled(wanted, complete=not progress.restart, wrote=result.wrote)
        status = self._status(wanted, progress, result)
        latest = await self._delivery.write_status(wanted, status, conditions=status.conditions)
        # Left by the original; nothing of ours is to be done at a deletion.
        if not await self._delivery.remove_finalizer(latest):
            return Next.after(_CONFLICT_RETRY, "finalizer")
        return self._next(wanted, progress)

    def _status(self, wanted: VaultStaticSecret, progress: Progress, result: "_Result") -> VaultStaticSecretStatus:
        due = progress.due
        success = Success(
            horizon=None if due is None else due - self._clock.monotonic(),
            wrote=result.wrote,
            restarts=result.rollout.restarts,
            conflict=self._delivery.conflict(wanted),
        )
        refresh, rotate, _ = triggers(wanted)
        new = structs.replace(
            wanted.status,
            last_generation=wanted.metadata.generation,
            secret_mac=progress.mac if compares(wanted) else "",
            conditions=after_success(wanted, success, now=self._clock.now()),
            extensions=RefreshExtensions(
                restarted_payload=result.rollout.record,
                refreshed=refresh,
                rotated=rotate,
                refresh_interval=overruled(wanted.spec.refresh_after, self._bounds),
            ),
        )
        if new == wanted.status or result.client is None:
            return new
        client = VaultClientMeta(cache_key=result.client.cache_key, id=result.client.id)
        return structs.replace(new, vault_client_meta=client)

    def _next(self, wanted: VaultStaticSecret, progress: Progress) -> Next:
        retry = self._delivery.attempts.delay(wanted.key) if progress.restart else None
        due = None if progress.due is None else progress.due - self._clock.monotonic()
        delays = [one for one in (retry, due, self._delivery.calm_in(wanted)) if one is not None]
        return Next.after(min(delays), "refresh") if delays else Next.on_change()

    async def _failed(self, wanted: VaultStaticSecret, error: Expected) -> Next:
        delivery = self._delivery
        if later := delivery.attempts.put_off(wanted.key, error):
            return later
        self._progress.pop(wanted.key, None)
        failure = delivery.failed(wanted, error)
        conditions, news = after_failure(wanted, failure, conflict=delivery.conflict(wanted), now=self._clock.now())
        if news:
            delivery.tell_failure(wanted, failure, failure.reason)
        # Generation and MAC stay those of the last success.
        status = structs.replace(wanted.status, conditions=conditions)
        await delivery.write_status(wanted, status, conditions=conditions)
        return failure.next

    async def _release(self, key: Key, wanted: VaultStaticSecret | None) -> Next:
        """Forget a resource that goes; its Secret goes by its owner reference."""
        self._delivery.forget(key)
        if wanted is not None and not await self._delivery.remove_finalizer(wanted):
            return Next.after(_CONFLICT_RETRY, "finalizer")
        return Next.on_change()

    def _forget(self, key: Key) -> None:
        self._progress.pop(key, None)

    def _recall(self, wanted: VaultStaticSecret, current: Sources, live: Destination | None) -> Progress | None:
        """What is known of an object in sync, be it from this process or from the status that another one left."""
        known = self._progress.get(wanted.key)
        if known is not None:
            return known
        mac = adopt(wanted, live, triggers(wanted))
        if mac is None:
            return None
        delay = first_look(interval(wanted, self._bounds), self._rng)
        due = self._clock.monotonic() + delay if delay else None
        known = self._progress[wanted.key] = Progress(sources=current, mac=mac, due=due)
        return known

    async def _previous_payload(self, wanted: VaultStaticSecret, mac: str) -> str | None:
        """Without a usable record of the last restart: the payload that workloads run with, None if unknown.

        The live Secret tells it, at the cost of one request; after the first sync this is not needed again.
        """
        status, signer = wanted.status, self._tools.signer
        if not compares(wanted) or signer.is_comparable(status.extensions.restarted_payload):
            return None
        live = self._world.destinations.get(destination_key(wanted))
        ours = live is not None and live.owner_uid == wanted.metadata.uid
        if not status.secret_mac and not ours:
            return None
        secret = await self._delivery.writer.read(destination_key(wanted))
        if secret is not None and (ours or not wanted.spec.destination.create or status.secret_mac):
            return self._record(payload_of(secret.data or {}, versioned=wanted.spec.type == KvType.V2))
        return None if status.secret_mac == mac else signer.record(_UNKNOWN)

    def _record(self, payload: dict[str, bytes]) -> str:
        return self._tools.signer.record(self._tools.signer.mac(payload))


@dataclass(frozen=True, slots=True)
class _Read:
    """What a read is made from, and why."""

    sources: Sources
    reason: SyncReason


@dataclass(frozen=True, slots=True)
class _Result:
    """What an attempt did, as far as the status tells of it."""

    rollout: Rollout
    wrote: bool = False
    client: ClientMeta | None = None


def _check(wanted: VaultStaticSecret) -> None:
    if wanted.spec.type not in tuple(KvType):
        raise InvalidSpec(f'unsupported secret type "{wanted.spec.type}": use kv-v1 or kv-v2')


def _request(wanted: VaultStaticSecret) -> KvRequest:
    spec = wanted.spec
    return KvRequest(mount=spec.mount, path=spec.path, type=KvType(spec.type), version=spec.version)
