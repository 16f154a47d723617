"""VaultDynamicSecret: credentials that Vault makes or rotates, or any other answer (behaviour.md section 6).

Read `reconcile` first. Decisions are in `dynamic_plan`, what all kinds that write a Secret do alike in `delivery`.
A lease is on record before its credentials go into the Secret: whatever is interrupted, each live lease is known
to status, and the next look either finishes what was begun or has the lease revoked.
"""

from collections.abc import Hashable
from dataclasses import replace
from typing import Final

from msgspec import structs

from vso.apis.conditions import ConditionType, EventReason, NewCondition, Reason
from vso.apis.kinds import VAULT_DYNAMIC_SECRET
from vso.apis.meta import Key
from vso.apis.v1beta1 import VaultDynamicSecret
from vso.base import jitter
from vso.controllers.delivery import Delivery, Source, destination_key, triggers
from vso.controllers.dynamic_attempt import Answer, Order, Result
from vso.controllers.dynamic_payload import assumed_payload, is_as_written, is_recorded, mac_to_write, payload_of
from vso.controllers.dynamic_plan import (
    Act,
    Progress,
    ReadLimits,
    SyncReason,
    View,
    adopted,
    awaits_rotation,
    comparable,
    due_at,
    is_outdated,
    look_again,
    next_act,
    pause,
    poll_ceiling,
)
from vso.controllers.dynamic_status import Announcement, Stored, renewed, stored
from vso.controllers.leases import LeaseKeeper
from vso.controllers.member import overruled
from vso.controllers.outcome import EXPECTED, Expected, show_seconds
from vso.controllers.restarter import Payload
from vso.controllers.secret_status import Success, after_failure, after_success, kept
from vso.controllers.secret_writer import Written
from vso.controllers.tools import Tools
from vso.runtime import Next, WorkQueue
from vso.sync import Client, ClientSpec, Destination, Rendered, RenderOptions, Turn, fingerprint, plan
from vso.vault import Lease, LogicalRequest, LogicalSecret, parse_static, request_secret

_RAW_KEY: Final = "data"
_CONFLICT_RETRY: Final = 1.0
_RETRY_SWEEP: Final = 15.0
_RELEASE_RETRY: Final = 3.0
_OWN_EVENTS: Final = frozenset(
    {EventReason.VAULT_CLIENT_CONFIG_ERROR, EventReason.TRANSFORMATION_ERROR, EventReason.DESTINATION_CONFLICT}
)


class VaultDynamicSecretReconciler:
    """Keeps destinations supplied with credentials that work."""

    def __init__(self, tools: Tools, queue: WorkQueue) -> None:
        self._tools = tools
        self._world = tools.world
        self._clock = tools.clock
        self._rng = tools.rng
        self._progress: dict[Key, Progress] = {}
        self._delivery = Delivery(
            tools, queue, kind=VAULT_DYNAMIC_SECRET, store=tools.world.dynamic, forget=self._forget
        )
        self._keeper = LeaseKeeper(tools.clients, self._delivery, tools.clock)

    async def reconcile(self, key: Key) -> Next:
        """See that the destination of `key` holds credentials that work, and will do so until the next look."""
        wanted = self._delivery.wanted(key)
        if wanted is None or wanted.deleting:
            return await self._release(key, wanted)
        delivery = self._delivery
        try:
            delivery.check(wanted)
            spec, options = delivery.login_of(wanted), delivery.options_of(wanted)
            live = await self._live(wanted)
            wanted = comparable(await self._keeper.recover(wanted, live), self._tools.signer)
            if wanted.key not in self._progress:
                await self._keeper.attach(wanted, spec)
            view = self._view(wanted, live, self._inputs(wanted, spec, options))
            act, reason = next_act(view, limits=self._limits(wanted))
            if act is not Act.KEEP:
                delivery.measure.begin(key, reason)
            contested = act is Act.KEEP or reason in {SyncReason.MISSING, SyncReason.DRIFT}
            if contested and wanted.spec.destination.create:
                written = wanted.status.extensions.written or (live.mac if live is not None else "")
                if wait := delivery.hold_back(wanted, live, written):
                    return await delivery.stand_back(wanted, wait)
            if act is Act.RENEW:
                since = self._clock.monotonic()
                if granted := await self._keeper.renew(wanted, spec):
                    return await self._renewed(wanted, view, granted, since)
                act, reason = Act.FETCH, SyncReason.RENEWAL_FAILED
            if act is Act.FETCH:
                return await self._fetch(wanted, Order(spec, options, view, reason))
            return await self._maintain(wanted, view)
        except EXPECTED as error:
            return await self._failed(wanted, error)

    def begin_term(self) -> None:
        """Forget what an earlier term of leadership learned; status and Secrets tell what is true."""
        self._keeper.begin_term()
        self._progress.clear()
        self._delivery.begin_term()

    def wake(self, identity: Hashable, turn: Turn) -> None:
        """Bring back what waits for a login or a server; see `vso.sync.Observer`."""
        self._delivery.waiting.wake(identity, turn)

    async def _live(self, wanted: VaultDynamicSecret) -> Destination | None:
        """The destination; after an interrupted attempt as the cluster has it, since revocations follow from it."""
        if (pending := wanted.status.extensions.pending) is None:
            return await self._delivery.live(wanted)
        # As after a crash, the status tells what is in place, and which restart is still to be made.
        self._progress.pop(wanted.key, None)
        return await self._delivery.live(wanted, expected=pending.mac)

    def _view(self, wanted: VaultDynamicSecret, live: Destination | None, inputs: str) -> View:
        now = self._clock.monotonic()
        progress = self._progress.get(wanted.key)
        if progress is None:
            fresh = Progress(inputs=inputs, since=now, share=self._rng.random(), resync=triggers(wanted)[2])
            payload = self._tools.signer.record(wanted.status.extensions.written)
            progress = adopted(wanted, live, fresh=fresh, unix=self._clock.now().timestamp(), payload=payload)
        if progress is not None:
            if self._tools.clients.held(wanted.key) is not None:
                progress = replace(progress, replace_by=self._end_of_token(wanted.key))
            self._progress[wanted.key] = progress
        return View(
            wanted=wanted,
            progress=progress,
            live=live,
            inputs=inputs,
            triggers=triggers(wanted),
            replace_at=None if progress is None else self._replace_at(wanted.key, progress),
            now=now,
        )

    def _end_of_token(self, key: Key) -> float | None:
        """When the token that the lease hangs on ends, as known now: remembered, since a dead one is held no more."""
        held = self._tools.clients.held(key)
        return None if held is None or held.session is None else held.session.ends

    def _replace_at(self, key: Key, progress: Progress) -> float | None:
        """When the end of the token makes new credentials necessary; None if that is not known to be so."""
        held = self._tools.clients.held(key)
        if held is None or held.session is None:
            return progress.replace_by
        return held.session.replace_at(progress.share)

    async def _renewed(self, wanted: VaultDynamicSecret, view: View, granted: Lease, since: float) -> Next:
        if view.progress is None:
            raise AssertionError  # only what is in place is renewed
        held = self._tools.clients.held(wanted.key)
        ends = wanted.status.extensions.parent_expires if held is None else self._keeper.end_of(held)
        status = renewed(wanted, granted, unix=self._unix(), refresh=view.triggers[0], parent_expires=ends)
        renewal = NewCondition(
            type=ConditionType.LEASE_RENEWAL,
            status=True,
            reason=Reason.SECRET_LEASE_RENEWAL,
            message="Successfully renewed lease",
        )
        progress = replace(view.progress, since=since, share=self._rng.random())
        return await self._succeeded(wanted, progress, Result(status=status, more=(renewal,)))

    async def _fetch(self, wanted: VaultDynamicSecret, order: Order) -> Next:
        """Ask Vault for credentials, and put them into the Secret."""
        delivery = self._delivery
        # Whatever would make the lease useless is found out before there is one (corrections.md I12).
        plan(order.view.live, delivery.secret_of(wanted, mac=""))
        if order.options.templates:
            await self._tools.templates.parse(order.options.templates)
        if wanted.spec.revoke:
            wanted = await delivery.ensure_finalizer(wanted)
        client = await self._tools.clients.get(order.spec, namespace=wanted.spec.namespace, lasting=True)
        since = self._clock.monotonic()
        one = wanted.spec
        raw = one.extensions.raw_response
        request = LogicalRequest(
            mount=one.mount,
            path=one.path,
            method=one.request_http_method,
            params=one.params,
            raw_key=(raw.key or _RAW_KEY) if raw is not None else "",
        )
        secret = await client.call(
            lambda transport, access: request_secret(transport, request, token=access.token, namespace=access.namespace)
        )
        creds = None if secret.lease.renewable else parse_static(secret.data.reveal())
        if creds is not None and awaits_rotation(wanted, creds, unix=self._clock.now().timestamp()):
            return await self._await_rotation(wanted, order)
        rendered = await self._render(wanted, order, client, secret)
        answer = Answer(secret=secret, creds=creds, rendered=rendered, since=since, client=client)
        return await self._store(wanted, order, answer)

    async def _render(
        self, wanted: VaultDynamicSecret, order: Order, client: Client, secret: LogicalSecret
    ) -> Rendered:
        try:
            source = Source(fields=secret.data, raw=secret.data, wrap_info=secret.wrap_info)
            return await self._delivery.render(wanted, source, order.options)
        except EXPECTED:
            await self._keeper.discard(wanted, client, secret.lease)
            raise

    async def _store(self, wanted: VaultDynamicSecret, order: Order, answer: Answer) -> Next:
        """Write the Secret, on record before and after, and restart what uses it."""
        delivery, lease, view = self._delivery, answer.secret.lease, order.view
        static, signer = answer.creds is not None, self._tools.signer
        before = await self._payload_before(wanted, order, static=static)
        payload = Payload(
            now=payload_of(answer.rendered.payload.reveal(), signer, static=static),
            record=wanted.status.extensions.restarted_payload,
            before=before,
            # Unlike new credentials, the same ones are read again by the next attempt, with another ttl.
            resumed=static and not is_as_written(wanted, view.live),
        )
        mac = mac_to_write(wanted, view.live, answer=answer, payload=payload, signer=signer)
        if lease.id:
            new = Announcement(lease=lease, mac=mac, inputs=view.inputs, rotated=view.triggers[1])
            wanted = await self._keeper.announce(wanted, answer.client, new)
        secret_wanted = delivery.secret_of(wanted, mac)
        written = await delivery.writer.ensure(secret_wanted, answer.rendered.data)
        await delivery.writer.prune(secret_wanted)
        rollout = await delivery.roll_out(wanted, payload, written)
        if not lease.id:
            self._tools.clients.release(wanted.key)
        outcome = Stored(
            lease=lease,
            creds=answer.creds,
            mac=mac,
            inputs=view.inputs,
            payload=payload.now,
            record=rollout.record,
            client=answer.client.meta,
            parent_expires=self._keeper.end_of(answer.client),
            triggers=view.triggers,
            orphaned=order.reason is SyncReason.MISSING,
            refresh_interval=overruled(wanted.spec.refresh_after, self._tools.settings.refresh),
        )
        status = stored(wanted, outcome, unix=self._unix())
        progress = self._fresh(wanted, view, answer, restart=rollout.open)
        self._tell(structs.replace(wanted, status=status), progress, written, order)
        wrote = written.step.changes_data
        return await self._succeeded(wanted, progress, Result(status=status, wrote=wrote, restarts=rollout.restarts))

    def _fresh(self, wanted: VaultDynamicSecret, view: View, answer: Answer, *, restart: str) -> Progress:
        again = answer.creds and look_again(wanted, answer.creds, unix=self._clock.now().timestamp())
        return Progress(
            inputs=view.inputs,
            since=answer.since,
            share=self._rng.random(),
            resync=view.triggers[2],
            poll_at=answer.since + again if again else None,
            replace_by=self._end_of_token(wanted.key) if answer.secret.lease.id else None,
            restart=restart,
        )

    async def _maintain(self, wanted: VaultDynamicSecret, view: View) -> Next:
        """Nothing to ask Vault for: repair what needs no new data, retry restarts, end old leases."""
        progress = view.progress
        if progress is None or view.live is None:
            raise AssertionError  # without them there is a reason to fetch
        marks = self._delivery.secret_of(wanted, view.live.mac)
        if wanted.spec.destination.create:
            await self._delivery.writer.repair(view.live, marks)
        old = wanted.status
        rollout = await self._delivery.roll_out_again(wanted, progress.restart, old.extensions.restarted_payload)
        extensions = structs.replace(
            old.extensions,
            restarted_payload=rollout.record,
            inputs=view.inputs,
            written=old.extensions.written or view.live.mac,
        )
        result = Result(status=structs.replace(old, extensions=extensions), restarts=rollout.restarts)
        return await self._succeeded(wanted, replace(progress, restart=rollout.open), result)

    async def _await_rotation(self, wanted: VaultDynamicSecret, order: Order) -> Next:
        """Look again soon, without holding a worker, and without a word: this is how a rotation goes.

        But for a status that tells of an earlier failure: the credentials in the Secret are those that work now.
        """
        now = self._clock.monotonic()
        progress = order.view.progress or Progress(inputs="", since=now, share=0.0)
        wait = pause(progress.polls, self._rng)
        progress = replace(progress, polls=progress.polls + 1, poll_at=now + wait)
        if order.reason is SyncReason.PERIODIC and is_outdated(wanted):
            return await self._maintain(wanted, replace(order.view, progress=progress))
        self._progress[wanted.key] = progress
        return Next.after(wait, "rotation")

    async def _succeeded(self, wanted: VaultDynamicSecret, progress: Progress, result: Result) -> Next:
        self._progress[wanted.key] = progress
        self._delivery.settled(wanted, complete=not progress.restart, wrote=result.wrote)
        status = structs.replace(result.status, last_generation=wanted.metadata.generation)
        renewals = result.more or (kept(wanted, ConditionType.LEASE_RENEWAL) if status.secret_lease.id else [])
        success = Success(
            horizon=self._horizon(structs.replace(wanted, status=status), progress),
            wrote=result.wrote,
            restarts=result.restarts,
            conflict=self._delivery.conflict(wanted),
            more=renewals,
        )
        status = structs.replace(status, conditions=after_success(wanted, success, now=self._clock.now()))
        if status != wanted.status and self._tools.settings.pod_uid:
            status = structs.replace(status, last_runtime_pod_uid=self._tools.settings.pod_uid)
        latest = await self._delivery.write_status(wanted, status, conditions=status.conditions)
        if not wanted.spec.revoke and not await self._delivery.remove_finalizer(latest):
            return Next.after(_CONFLICT_RETRY, "finalizer")
        return self._next(structs.replace(wanted, status=status), progress)

    def _horizon(self, wanted: VaultDynamicSecret, progress: Progress) -> float | None:
        due = due_at(wanted, progress, limits=self._limits(wanted))
        return None if due is None else max(due - self._clock.monotonic(), 0.0)

    def _next(self, wanted: VaultDynamicSecret, progress: Progress) -> Next:
        now, unix = self._clock.monotonic(), self._clock.now().timestamp()
        delays = [self._horizon(wanted, progress), self._delivery.calm_in(wanted)]
        ends = self._replace_at(wanted.key, progress) if wanted.status.secret_lease.id else None
        delays.append(None if ends is None else ends - now)
        delays.append(self._delivery.attempts.delay(wanted.key) if progress.restart else None)
        # What is overdue was tried in vain.
        waits = [one.after - unix for one in wanted.status.extensions.to_revoke]
        delays += [one + 1.0 if one > 0 else _RETRY_SWEEP for one in waits]
        planned = [max(one, 0.0) for one in delays if one is not None]
        return Next.after(min(planned), "refresh") if planned else Next.on_change()

    async def _failed(self, wanted: VaultDynamicSecret, error: Expected) -> Next:
        """Report; what is in place stays in place and on record."""
        delivery = self._delivery
        if later := delivery.attempts.put_off(wanted.key, error):
            return later
        failure = delivery.failed(wanted, error)
        renewal = kept(wanted, ConditionType.LEASE_RENEWAL) if wanted.status.secret_lease.id else []
        conditions, news = after_failure(
            wanted, failure, conflict=delivery.conflict(wanted), now=self._clock.now(), more=renewal
        )
        if news:
            reason = failure.reason if failure.reason in _OWN_EVENTS else EventReason.SECRET_SYNC_ERROR
            delivery.tell_failure(wanted, failure, reason)
        status, again = await self._keeper.keep(wanted, error)
        await delivery.write_status(wanted, structs.replace(status, conditions=conditions), conditions=conditions)
        return failure.next.at_most(again, "renewal")

    async def _payload_before(self, wanted: VaultDynamicSecret, order: Order, *, static: bool) -> str | None:
        """The payload that workloads run with where status has no usable record; None if there was none."""
        signer, live = self._tools.signer, order.view.live
        if is_recorded(wanted, signer):
            return None
        if live is None or not static:
            return assumed_payload(wanted, live, signer)
        secret = await self._delivery.writer.read(destination_key(wanted))
        return payload_of((secret.data or {}) if secret is not None else {}, signer, static=True)

    async def _release(self, key: Key, wanted: VaultDynamicSecret | None) -> Next:
        """Revoke what a resource that goes leaves behind, within bounds, and let it go."""
        if wanted is not None and not await self._keeper.end(wanted):
            return Next.after(_RELEASE_RETRY + jitter(1.0, self._rng), "revocation")
        self._delivery.forget(key)
        if wanted is not None and not await self._delivery.remove_finalizer(wanted):
            return Next.after(_CONFLICT_RETRY, "finalizer")
        return Next.on_change()

    def _forget(self, key: Key) -> None:
        self._keeper.forget(key)
        self._progress.pop(key, None)

    def _inputs(self, wanted: VaultDynamicSecret, spec: ClientSpec, options: RenderOptions) -> str:
        """Names what enters the request and the rendering; not what the credentials are written to (D23)."""
        one = wanted.spec
        request = (one.namespace, one.mount, one.path, one.request_http_method, one.params, one.extensions.raw_response)
        whole = fingerprint((request, spec.login, self._delivery.rendering(wanted, options)))
        # Params may be secret, so the hash that is shown has a key.
        return self._tools.signer.seed(whole.encode()).hex()[:32]

    def _unix(self) -> int:
        return round(self._clock.now().timestamp())

    def _limits(self, wanted: VaultDynamicSecret) -> ReadLimits:
        settings = self._tools.settings
        return ReadLimits(poll_ceiling(wanted, settings.max_poll_interval), settings.refresh)

    def _tell(self, synced: VaultDynamicSecret, progress: Progress, written: Written, order: Order) -> None:
        """Tell of new credentials; `synced` has the status that comes of them."""
        if not written.step.changes_data:
            return
        horizon = show_seconds(self._horizon(synced, progress) or 0.0)
        reason = order.reason.value
        # Without the id of the lease, unlike the original's: more people read events than may read the status.
        text = f'Secret synced, horizon={horizon}, sync_reason="{reason}"'
        first = synced.status.last_generation == 0
        event = EventReason.SECRET_SYNCED if first else EventReason.SECRET_ROTATED
        self._delivery.synced(synced, written, reason=reason, event=(event, text))
