"""VaultStaticSecret: one secret of a KV engine, copied to one Kubernetes Secret (behaviour.md section 5).

Read `reconcile` first. Decisions are in `static_plan`, the words of the status in `static_status`, errors become
condition, event and delay in `outcome`.
"""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace
from typing import Final

import structlog

from vso.apis.conditions import EventReason
from vso.apis.kinds import VAULT_STATIC_SECRET, definition_of
from vso.apis.meta import Key, Ref
from vso.apis.required import missing_members
from vso.apis.v1beta1 import VaultStaticSecret
from vso.controllers.outcome import EXPECTED, Attempts, Expected
from vso.controllers.reporting import CLIENT_FACTORY, Reporter
from vso.controllers.restarter import Caution, Restarted, Restarter
from vso.controllers.secret_writer import SecretWriter, Written
from vso.controllers.static_plan import (
    Progress,
    Sources,
    SyncReason,
    adopt,
    compares,
    interval,
    needs_restart,
    reason_to_read,
    sources,
)
from vso.controllers.static_status import Success, failed, new_conflict, succeeded
from vso.controllers.status import StatusWriter
from vso.controllers.tools import Tools
from vso.controllers.transformation import render_options, versions
from vso.controllers.waiting import Waiting
from vso.controllers.world import ref_to
from vso.kube import NotFound
from vso.runtime import Next, WorkQueue, remove_finalizer
from vso.sync import (
    DEFAULT_TYPE,
    ClientMeta,
    ClientSpec,
    CredentialMissing,
    Destination,
    DestinationClaimed,
    InvalidSpec,
    Rendered,
    Step,
    Turn,
    Wanted,
    back_horizon,
    digest,
    first_look,
    owner_labels,
    owner_reference,
    payload_of,
    render,
    resolve,
)
from vso.vault import KvRequest, KvType, LoginRefused, VaultError

KIND: Final = "VaultStaticSecret"
_FINALIZER: Final = definition_of(VAULT_STATIC_SECRET).finalizer
_UNKNOWN: Final = "unknown"
_log = structlog.get_logger("vaultstaticsecret")


class VaultStaticSecretReconciler:
    """Keeps destinations equal to what Vault holds."""

    def __init__(self, tools: Tools, queue: WorkQueue) -> None:
        self._tools = tools
        self._world = tools.world
        self._clock = tools.clock
        self._rng = tools.rng
        settings = tools.settings
        self._attempts = Attempts(settings.backoff, max_elapsed=settings.max_elapsed, clock=tools.clock, rng=tools.rng)
        self._writer = SecretWriter(tools.kube, tools.world, tools.signer)
        self._restarter = Restarter(tools.kube, tools.clock)
        self._report = Reporter(tools.recorder, KIND)
        self._statuses = StatusWriter(tools.kube, VAULT_STATIC_SECRET, tools.world.static)
        self._waiting = Waiting(queue, tools.rng)
        self._progress: dict[Key, Progress] = {}

    async def reconcile(self, key: Key) -> Next:
        """Make the destination of `key` equal to what Vault holds now, if there is a reason to look."""
        wanted = self._world.static.get(key)
        if wanted is None or wanted.deleting:
            return await self._release(key, wanted)
        try:
            self._check(wanted)
            spec = self._login_of(wanted)
            current = self._sources(wanted, spec)
            live = self._world.destinations.get(_destination(wanted))
            progress = self._recall(wanted, current, live)
            if live is None and progress is not None and wanted.spec.destination.create:
                # It need not be gone: without our labels it is out of the watch's sight.
                live = await self._writer.look(_destination(wanted))
            reason = reason_to_read(wanted, progress, live, current=current, now=self._clock.monotonic())
            if progress is not None and reason is None:
                return await self._maintain(wanted, progress, live)
            return await self._sync(wanted, spec, current, reason)
        except EXPECTED as error:
            return await self._failed(wanted, error)

    def wake(self, identity: Hashable, turn: Turn) -> None:
        """Bring back what waits for a login or a server; see `vso.sync.Observer`."""
        self._waiting.wake(identity, turn)

    async def _sync(
        self, wanted: VaultStaticSecret, spec: ClientSpec, current: Sources, reason: SyncReason | None
    ) -> Next:
        """Read, render, write, restart."""
        options = render_options(
            wanted.spec.destination.transformation,
            namespace=wanted.metadata.namespace,
            find=self._world.transformations.get,
            exclude_raw=self._tools.settings.exclude_raw,
        )
        client = await self._tools.clients.get(spec, namespace=wanted.spec.namespace)
        secret = await client.read_kv(_request(wanted))
        rendered = render(secret.data, secret.raw, options)
        mac = self._tools.signer.mac(rendered.data.reveal())
        previous = await self._previous_payload(wanted, mac)
        written = await self._writer.ensure(self._wanted(wanted, mac), rendered.data)
        await self._writer.prune(self._wanted(wanted, mac))
        if written.step.changes_data:
            self._report.normal(wanted, EventReason.SECRET_SYNCED, f"Secret {written.destination.key.name} synced")
            _log.info(
                "secret synced",
                secret=written.destination.key.name,
                step=written.step.value,
                reason=reason,
                **_who(wanted),
            )
        progress = Progress(sources=current, mac=mac, due=None)
        return await self._settle(wanted, progress, _Synced(rendered, written, previous, client.meta))

    async def _settle(self, wanted: VaultStaticSecret, progress: Progress, synced: "_Synced") -> Next:
        """Restart what has to be, and tell the outcome."""
        written, previous = synced.written, synced.previous
        payload = self._record(synced.rendered.payload.reveal())
        record = wanted.status.extensions.restarted_payload
        due = needs_restart(wanted, record=record, previous=previous, payload=payload, signer=self._tools.signer)
        comparable = self._tools.signer.is_comparable(record)
        restarts = await self._restart(wanted, payload, _caution(due=due, written=written, comparable=comparable))
        failures = any(one.error for one in restarts)
        horizon = self._horizon(wanted)
        success = Success(
            mac=progress.mac,
            record=(previous or record) if failures else payload,
            horizon=horizon,
            wrote=written.step.changes_data,
            restarts=restarts,
            client=synced.client,
            rivals=self._rivals(wanted),
        )
        due_at = None if horizon is None else self._clock.monotonic() + horizon
        progress = replace(progress, due=due_at, restart=payload if failures else "")
        return await self._succeeded(wanted, success, progress)

    async def _maintain(self, wanted: VaultStaticSecret, progress: Progress, live: Destination | None) -> Next:
        """Nothing to ask Vault: repair what needs no data, retry restarts, keep the status true."""
        marks = self._wanted(wanted, progress.mac)
        if wanted.spec.destination.create and not await self._writer.repair_marks(live, marks):
            self._progress.pop(wanted.key, None)
            return Next.after(0.0, "drift")
        restarts: Sequence[Restarted] = ()
        if progress.restart:
            restarts = await self._restart(wanted, progress.restart, Caution.UNLESS_DONE)
        record = wanted.status.extensions.restarted_payload
        failures = any(one.error for one in restarts)
        done = progress.restart and not failures
        success = Success(
            mac=progress.mac,
            record=progress.restart if done else record,
            horizon=None if progress.due is None else progress.due - self._clock.monotonic(),
            wrote=False,
            restarts=restarts,
            rivals=self._rivals(wanted),
        )
        return await self._succeeded(wanted, success, replace(progress, restart="" if done else progress.restart))

    async def _succeeded(self, wanted: VaultStaticSecret, success: Success, progress: Progress) -> Next:
        self._progress[wanted.key] = progress
        self._waiting.forget(wanted.key)
        if not progress.restart:
            self._attempts.succeeded(wanted.key)
        status = succeeded(wanted, success, now=self._clock.now())
        if conflict := new_conflict(wanted.status, status):
            self._report.warning(wanted, EventReason.DESTINATION_CONFLICT, conflict)
        await self._write_status(wanted, status)
        if _FINALIZER in wanted.metadata.finalizers:
            # Left by the original; nothing of ours is to be done at a deletion.
            await remove_finalizer(self._tools.kube, VAULT_STATIC_SECRET, self._latest(wanted), _FINALIZER)
        return self._next(wanted.key, progress)

    def _next(self, key: Key, progress: Progress) -> Next:
        retry = self._attempts.delay(key) if progress.restart else None
        due = None if progress.due is None else progress.due - self._clock.monotonic()
        delays = [one for one in (retry, due) if one is not None]
        return Next.after(min(delays), "refresh") if delays else Next.on_change()

    async def _failed(self, wanted: VaultStaticSecret, error: Expected) -> Next:
        failure = self._attempts.failed(wanted.key, error)
        self._progress.pop(wanted.key, None)
        waits_for = failure.waits_for
        self._waiting.add(wanted.key, self._waits_for(wanted, error) if waits_for is None else waits_for)
        status, news = failed(wanted, failure, rivals=self._rivals(wanted), now=self._clock.now())
        if news:
            if failure.unrecoverable:
                self._report.warning(wanted, EventReason.UNRECOVERABLE, f"err={failure.text}", component=CLIENT_FACTORY)
            self._report.warning(wanted, failure.reason, failure.text)
            _log.warning("secret not synced", reason=failure.reason.value, error=failure.text, **_who(wanted))
        await self._write_status(wanted, status)
        return failure.next

    async def _release(self, key: Key, wanted: VaultStaticSecret | None) -> Next:
        """Forget a resource that goes; its Secret goes by its owner reference."""
        self._progress.pop(key, None)
        self._attempts.succeeded(key)
        self._waiting.forget(key)
        if wanted is not None and _FINALIZER in wanted.metadata.finalizers:
            await remove_finalizer(self._tools.kube, VAULT_STATIC_SECRET, wanted, _FINALIZER)
        return Next.on_change()

    def _check(self, wanted: VaultStaticSecret) -> None:
        if missing := missing_members(wanted):
            raise InvalidSpec(f"these required fields are not set: {', '.join(missing)}")
        if not wanted.spec.destination.name:
            raise InvalidSpec("spec.destination.name is empty: name the Secret to write")
        if wanted.spec.type not in tuple(KvType):
            raise InvalidSpec(f'unsupported secret type "{wanted.spec.type}": use kv-v1 or kv-v2')
        interval(wanted)
        first = self._world.claimants(_destination(wanted))[:1]
        if first and first[0].metadata.uid != wanted.metadata.uid:
            raise DestinationClaimed(
                f"the destination Secret {_destination(wanted)} is written by {ref_to(first[0])}, which is older: "
                "name another destination in one of them"
            )

    def _login_of(self, wanted: VaultStaticSecret) -> ClientSpec:
        return resolve(
            wanted.spec.vault_auth_ref,
            consumer=wanted.metadata.namespace,
            references=self._world,
            options=self._tools.settings.global_auth,
        )

    def _sources(self, wanted: VaultStaticSecret, spec: ClientSpec) -> Sources:
        used = versions(
            wanted.spec.destination.transformation,
            namespace=wanted.metadata.namespace,
            find=self._world.transformations.get,
        )
        return sources(wanted, spec.login, transformations=used)

    def _recall(self, wanted: VaultStaticSecret, current: Sources, live: Destination | None) -> Progress | None:
        """What is known of an object in sync, be it from this process or from the status that another one left."""
        known = self._progress.get(wanted.key)
        if known is not None:
            return known
        mac = adopt(wanted, live)
        if mac is None:
            return None
        delay = first_look(interval(wanted), self._rng)
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
        live = self._world.destinations.get(_destination(wanted))
        ours = live is not None and live.owner_uid == wanted.metadata.uid
        if not status.secret_mac and not ours:
            return None
        secret = await self._writer.read(_destination(wanted))
        if secret is not None and (ours or not wanted.spec.destination.create or status.secret_mac):
            return self._record(payload_of(secret.data or {}, versioned=wanted.spec.type == KvType.V2))
        return None if status.secret_mac == mac else signer.record(_UNKNOWN)

    async def _restart(self, wanted: VaultStaticSecret, payload: str, caution: Caution | None) -> tuple[Restarted, ...]:
        targets = wanted.spec.rollout_restart_targets
        if caution is None or not targets or not compares(wanted):
            return ()
        restarts = await self._restarter.restart(wanted, targets, payload=digest(payload), caution=caution)
        for one in restarts:
            what = f"{one.target.kind} {wanted.metadata.namespace}/{one.target.name}"
            if one.error:
                text = f"Rollout restart failed for {what}, err={one.error}"
                self._report.warning(wanted, EventReason.ROLLOUT_RESTART_FAILED, text)
            elif not one.earlier:
                self._report.normal(wanted, EventReason.ROLLOUT_RESTART_TRIGGERED, f"Rollout restart of {what}")
        return restarts

    def _wanted(self, wanted: VaultStaticSecret, mac: str) -> Wanted:
        destination = wanted.spec.destination
        return Wanted(
            key=_destination(wanted),
            create=destination.create,
            overwrite=destination.overwrite,
            type=destination.type or DEFAULT_TYPE,
            labels={**destination.labels, **owner_labels(wanted)},
            annotations=destination.annotations,
            owner=owner_reference(wanted),
            mac=mac,
        )

    def _rivals(self, wanted: VaultStaticSecret) -> tuple[Ref, ...]:
        claimants = self._world.claimants(_destination(wanted))
        return tuple(ref_to(one) for one in claimants if one.metadata.uid != wanted.metadata.uid)

    def _horizon(self, wanted: VaultStaticSecret) -> float | None:
        base = interval(wanted)
        return back_horizon(base, self._rng) if base else None

    def _record(self, payload: dict[str, bytes]) -> str:
        return self._tools.signer.record(self._tools.signer.mac(payload))

    def _waits_for(self, wanted: VaultStaticSecret, error: Expected) -> Hashable | None:
        """The server or login whose recovery is worth another attempt at once."""
        try:
            login = self._login_of(wanted).login
        except EXPECTED:
            return None
        if isinstance(error, VaultError) and error.outage:
            return login.server
        return login if isinstance(error, LoginRefused | CredentialMissing) else None

    def _latest(self, wanted: VaultStaticSecret) -> VaultStaticSecret:
        return self._world.static.get(wanted.key) or wanted

    async def _write_status(self, wanted: VaultStaticSecret, status: object) -> None:
        try:
            await self._statuses.write(wanted, status)  # type: ignore[arg-type]
        except NotFound:
            _log.debug("resource vanished before its status was written", **_who(wanted))


@dataclass(frozen=True, slots=True)
class _Synced:
    """What a sync brought: `previous` is the payload before it, where the status has no record of that."""

    rendered: Rendered
    written: Written
    previous: str | None
    client: ClientMeta


def _request(wanted: VaultStaticSecret) -> KvRequest:
    spec = wanted.spec
    return KvRequest(mount=spec.mount, path=spec.path, type=KvType(spec.type), version=spec.version)


def _destination(wanted: VaultStaticSecret) -> Key:
    return Key(wanted.metadata.namespace, wanted.spec.destination.name)


def _caution(*, due: bool, written: Written, comparable: bool) -> Caution | None:
    """How careful a restart must be: None if there is nothing to restart for."""
    if due:
        return Caution.NONE if written.step.changes_data and comparable else Caution.UNLESS_DONE
    # The Secret changed back to the payload on record: a crash may have left workloads with the one between.
    return Caution.IF_OTHER if written.step in {Step.DATA, Step.WHOLE} and comparable else None


def _who(wanted: VaultStaticSecret) -> dict[str, str]:
    return {"kind": KIND, "namespace": wanted.metadata.namespace, "name": wanted.metadata.name}
