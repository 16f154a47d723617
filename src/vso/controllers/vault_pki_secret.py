"""VaultPKISecret: one certificate that Vault issues, in one Kubernetes Secret (behaviour.md section 7).

Read `reconcile` first. Decisions are in `pki_plan`, what all kinds that write a Secret do alike in `delivery`. A
certificate is on record before it goes into the Secret, and the new status before the old one is revoked.
"""

import asyncio
from collections.abc import Hashable
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Final

from msgspec import structs

from vso.apis import core
from vso.apis.conditions import EventReason
from vso.apis.kinds import VAULT_PKI_SECRET
from vso.apis.meta import Key
from vso.apis.v1beta1 import PendingCertificate, VaultPKISecret, VaultPKISecretStatus
from vso.base import Sensitive, jitter
from vso.controllers.delivery import Delivery, Rollout, Source, triggers
from vso.controllers.outcome import EXPECTED, Expected, is_passing, show_seconds
from vso.controllers.pki_plan import (
    Progress,
    SyncReason,
    adopted,
    announced,
    discarded,
    due_at,
    known_serials,
    reason_to_issue,
    recovered,
    request_of,
    rest,
    stored,
)
from vso.controllers.restarter import Payload
from vso.controllers.secret_status import Success, after_failure, after_success
from vso.controllers.tools import Tools
from vso.kube import NotFound
from vso.runtime import Next, WorkQueue
from vso.sync import (
    TLS_TYPE,
    ClientSpec,
    CredentialMissing,
    Destination,
    RenderOptions,
    Turn,
    Validity,
    check_secret,
    compose,
    fingerprint,
    keystore,
    plan,
    validity_of,
)
from vso.vault import Certificate, CertificateNotFound, issue, revoke_certificate

_UNKNOWN: Final = "unknown"
_CONFLICT_RETRY: Final = 1.0
_PATIENCE: Final = 5.0
"""Seconds that the revocations of one attempt may take together."""
_RELEASE_RETRY: Final = 3.0
_RETRY_REVOCATION: Final = 15.0
_TOKENS: Final = {
    EventReason.SECRET_SYNC_ERROR: "SecretSyncError",
    EventReason.DESTINATION_CONFLICT: "SecretSyncError",
}
"""`status.error` by the reason of a failure; any other is K8sClientError (api.md section 4.6)."""


class VaultPKISecretReconciler:
    """Keeps destinations supplied with certificates that are valid."""

    def __init__(self, tools: Tools, queue: WorkQueue) -> None:
        self._tools = tools
        self._world = tools.world
        self._clock = tools.clock
        self._rng = tools.rng
        self._progress: dict[Key, Progress] = {}
        self._delivery = Delivery(tools, queue, kind=VAULT_PKI_SECRET, store=tools.world.pki, forget=self._forget)

    async def reconcile(self, key: Key) -> Next:
        """See that the destination of `key` holds a certificate as wanted that is not about to end."""
        wanted = self._delivery.wanted(key)
        if wanted is None or wanted.deleting:
            return await self._release(key, wanted)
        delivery = self._delivery
        try:
            delivery.check(wanted)
            spec, options = delivery.login_of(wanted), delivery.options_of(wanted)
            live = await self._live(wanted)
            wanted = await self._recover(wanted, live)
            inputs = self._inputs(wanted, spec, options)
            progress = self._recall(wanted, live, inputs)
            reason = reason_to_issue(wanted, progress, live, triggers=triggers(wanted), signer=self._tools.signer)
            if progress is not None and reason in {None, SyncReason.DRIFT, SyncReason.MISSING}:
                contested = wanted.spec.destination.create
                if contested and (wait := delivery.hold_back(wanted, live, wanted.status.secret_mac)):
                    return await delivery.stand_back(wanted, wait)
            if progress is not None and reason is None:
                if progress.inputs != inputs:
                    reason = SyncReason.UPDATED
                elif self._left(wanted, live, progress) > 0:
                    return await self._maintain(wanted, live, progress)
            order = _Order(spec, options, live, inputs, reason or SyncReason.DUE)
            return await self._issue(wanted, order)
        except EXPECTED as error:
            return await self._failed(wanted, error)

    def begin_term(self) -> None:
        """Forget what an earlier term of leadership learned; status and Secrets tell what is true."""
        self._progress.clear()
        self._delivery.begin_term()

    def wake(self, identity: Hashable, turn: Turn) -> None:
        """Bring back what waits for a login or a server; see `vso.sync.Observer`."""
        self._delivery.waiting.wake(identity, turn)

    async def _issue(self, wanted: VaultPKISecret, order: "_Order") -> Next:
        """Have a certificate made, write it, restart what uses it."""
        delivery = self._delivery
        delivery.measure.begin(wanted.key, order.reason)
        # Whatever would make the certificate useless is found out before there is one.
        plan(order.live, delivery.secret_of(wanted, mac=""))
        if order.options.templates:
            await self._tools.templates.parse(order.options.templates)
        passwords = await self._passwords(wanted)
        if wanted.spec.revoke or (wanted.spec.clear and not wanted.spec.destination.create):
            wanted = await delivery.ensure_finalizer(wanted)
        client = await self._tools.clients.get(order.spec, namespace=wanted.spec.namespace)
        request = request_of(wanted)
        issued = await client.call(
            lambda transport, access: issue(transport, request, token=access.token, namespace=access.namespace)
        )
        try:
            data = await self._data(wanted, order.options, issued, passwords)
            new = PendingCertificate(
                serial_number=issued.serial_number,
                expiration=issued.expiration,
                since=self._unix(),
                mac=self._tools.signer.mac(data.reveal()),
            )
            wanted = await delivery.record(
                wanted, lambda one: announced(one, new, inputs=order.inputs, rotated=triggers(one)[1])
            )
        except EXPECTED:
            await self._discard(wanted, issued.serial_number)
            raise
        return await self._store(wanted, order, new, data)

    async def _discard(self, wanted: VaultPKISecret, serial: str) -> None:
        """Revoke a certificate that no Secret will hold, now or as soon as Vault lets."""
        if wanted.spec.revoke and (left := await self._revoke(wanted, (serial,))):
            with suppress(*EXPECTED):  # what made it useless is what is told
                await self._delivery.record(wanted, lambda one: discarded(one, left))

    async def _data(
        self, wanted: VaultPKISecret, options: RenderOptions, issued: Certificate, passwords: list[Sensitive[bytes]]
    ) -> Sensitive[dict[str, bytes]]:
        rendered = await self._delivery.render(wanted, Source(fields=issued.data, raw=issued.data), options)
        tls = wanted.spec.destination.type == TLS_TYPE and not options.templates
        data = compose(rendered.data.reveal(), issued, tls=tls)
        for one, password in zip(wanted.spec.extensions.keystores, passwords, strict=True):
            salt = self._tools.signer.seed(issued.serial_number.encode(), one.key.encode())
            data[one.key] = keystore(one.format, issued, password, salt=salt, now=self._unix())
        check_secret(data)
        return Sensitive(data)

    async def _store(
        self, wanted: VaultPKISecret, order: "_Order", new: PendingCertificate, data: Sensitive[dict[str, bytes]]
    ) -> Next:
        delivery, signer = self._delivery, self._tools.signer
        secret_wanted = delivery.secret_of(wanted, new.mac)
        written = await delivery.writer.ensure(secret_wanted, data)
        await delivery.writer.prune(secret_wanted)
        payload = signer.record(new.mac)
        before = signer.record(_UNKNOWN) if wanted.status.serial_number else None
        known = Payload(now=payload, record=wanted.status.extensions.restarted_payload, before=before)
        rollout = await delivery.roll_out(wanted, known, written)
        status = stored(wanted, new, inputs=order.inputs, record=rollout.record, triggers=triggers(wanted))
        progress = Progress(
            inputs=order.inputs,
            share=self._rng.random(),
            resync=triggers(wanted)[2],
            restart=rollout.open,
            rests_until=self._clock.monotonic()
            + rest(validity_of(data.reveal()) or Validity(new.since, new.expiration)),
        )
        horizon = self._left(structs.replace(wanted, status=status), written.destination, progress)
        reason = EventReason.SECRET_ROTATED if wanted.status.serial_number else EventReason.SECRET_SYNCED
        text = f"Secret {written.destination.key.name} synced, horizon={show_seconds(horizon)}"
        delivery.synced(wanted, written, reason=order.reason.value, event=(reason, text))
        result = _Result(status, written.destination, rollout, wrote=True)
        return await self._succeeded(wanted, progress, result)

    async def _maintain(self, wanted: VaultPKISecret, live: Destination | None, progress: Progress) -> Next:
        """Nothing to ask Vault for: repair what needs no new certificate, retry restarts."""
        if live is None:
            raise AssertionError  # a missing destination is a reason to issue
        if wanted.spec.destination.create:
            await self._delivery.writer.repair(live, self._delivery.secret_of(wanted, live.mac))
        old = wanted.status
        rollout = await self._delivery.roll_out_again(wanted, progress.restart, old.extensions.restarted_payload)
        extensions = structs.replace(
            old.extensions,
            restarted_payload=rollout.record,
            refreshed=triggers(wanted)[0],
            inputs=progress.inputs,
        )
        status = structs.replace(old, secret_mac=live.mac, extensions=extensions)
        return await self._succeeded(wanted, replace(progress, restart=rollout.open), _Result(status, live, rollout))

    async def _succeeded(self, wanted: VaultPKISecret, progress: Progress, result: "_Result") -> Next:
        self._progress[wanted.key] = progress
        self._delivery.settled(wanted, complete=not progress.restart, wrote=result.wrote)
        status = structs.replace(result.status, last_generation=wanted.metadata.generation, valid=True, error="")
        horizon = self._left(structs.replace(wanted, status=status), result.live, progress)
        success = Success(
            horizon=horizon,
            wrote=result.wrote,
            restarts=result.rollout.restarts,
            conflict=self._delivery.conflict(wanted),
        )
        status = structs.replace(status, conditions=after_success(wanted, success, now=self._clock.now()))
        latest = await self._delivery.write_status(wanted, status, conditions=status.conditions)
        spec = wanted.spec
        idle = not (spec.revoke or (spec.clear and not spec.destination.create))
        if idle and not await self._delivery.remove_finalizer(latest):
            return Next.after(_CONFLICT_RETRY, "finalizer")
        calm_in = self._delivery.calm_in(wanted)
        delays = [horizon if calm_in is None else min(horizon, calm_in)]
        if progress.restart:
            delays.append(self._delivery.attempts.delay(wanted.key) or horizon)
        if status.extensions.to_revoke:
            delays.append(0.0 if result.wrote else _RETRY_REVOCATION)
        return Next.after(min(delays), "renewal")

    async def _failed(self, wanted: VaultPKISecret, error: Expected) -> Next:
        """Report; the certificate in place stays in place."""
        delivery = self._delivery
        if later := delivery.attempts.put_off(wanted.key, error):
            return later
        failure = delivery.failed(wanted, error)
        conditions, news = after_failure(wanted, failure, conflict=delivery.conflict(wanted), now=self._clock.now())
        token = _TOKENS.get(failure.reason, EventReason.K8S_CLIENT_ERROR.value)
        if news:
            own = {EventReason.VAULT_CLIENT_ERROR, EventReason.SECRET_DATA_BUILDER_ERROR}
            own.add(EventReason.VAULT_STATIC_SECRET_ERROR)
            reason = EventReason.K8S_CLIENT_ERROR if failure.reason in own else failure.reason
            delivery.tell_failure(wanted, failure, reason)
        status = structs.replace(wanted.status, valid=False, error=token, conditions=conditions)
        await delivery.write_status(wanted, status, conditions=conditions)
        return failure.next

    async def _live(self, wanted: VaultPKISecret) -> Destination | None:
        """The destination; after an interrupted attempt as the cluster has it, since revocations follow from it."""
        if (pending := wanted.status.extensions.pending) is None:
            return await self._delivery.live(wanted)
        # As after a crash, the status tells what is in place, and which restart is still to be made.
        self._progress.pop(wanted.key, None)
        return await self._delivery.live(wanted, expected=pending.mac)

    async def _recover(self, wanted: VaultPKISecret, live: Destination | None) -> VaultPKISecret:
        """Finish or undo what an interrupted attempt began, and revoke what is due; the object as it is now."""
        status = recovered(wanted, live)
        left = await self._revoke(wanted, status.extensions.to_revoke)
        status = structs.replace(status, extensions=structs.replace(status.extensions, to_revoke=left))
        if status == wanted.status:
            return wanted
        return await self._delivery.write_status(wanted, status, conditions=status.conditions)

    async def _revoke(self, wanted: VaultPKISecret, serials: tuple[str, ...]) -> tuple[str, ...]:
        """Revoke certificates; those that are to be tried again are returned."""
        left: list[str] = []
        loop = asyncio.get_running_loop()
        end = loop.time() + _PATIENCE
        for at, serial in enumerate(serials):
            if loop.time() >= end:
                return (*left, *serials[at:])
            try:
                async with asyncio.timeout_at(end):
                    spec = self._delivery.login_of(wanted)
                    client = await self._tools.clients.get(spec, namespace=wanted.spec.namespace)
                    await client.call(
                        lambda transport, access, serial=serial: revoke_certificate(  # type: ignore[misc]
                            transport, wanted.spec.mount, serial, token=access.token, namespace=access.namespace
                        )
                    )
            except CertificateNotFound:
                continue
            except (*EXPECTED, TimeoutError) as error:
                if is_passing(error):
                    left.append(serial)
                else:
                    text = f"certificate {serial} was not revoked, err={error}"
                    self._delivery.report.warning(wanted, EventReason.K8S_CLIENT_ERROR, text)
        return tuple(left)

    async def _release(self, key: Key, wanted: VaultPKISecret | None) -> Next:
        """Revoke and clear what a resource that goes leaves behind, within bounds, and let it go."""
        if wanted is not None:
            left = await self._revoke(wanted, known_serials(wanted)) if wanted.spec.revoke else ()
            if left and self._delivery.attempts.may_linger(key):
                return Next.after(_RELEASE_RETRY + jitter(1.0, self._rng), "revocation")
            if left:
                text = f"certificates were not revoked in time: {', '.join(left)}"
                self._delivery.report.warning(wanted, EventReason.K8S_CLIENT_ERROR, text)
            await self._clear(wanted)
        self._delivery.forget(key)
        if wanted is not None and not await self._delivery.remove_finalizer(wanted):
            return Next.after(_CONFLICT_RETRY, "finalizer")
        return Next.on_change()

    def _forget(self, key: Key) -> None:
        self._progress.pop(key, None)

    async def _clear(self, wanted: VaultPKISecret) -> None:
        """Empty a Secret that is not ours to delete, if that is asked for."""
        destination = wanted.spec.destination
        if wanted.spec.clear and not destination.create and wanted.status.serial_number:
            await self._delivery.writer.clear(Key(wanted.metadata.namespace, destination.name))

    async def _passwords(self, wanted: VaultPKISecret) -> list[Sensitive[bytes]]:
        """The passwords of the keystores, in their order. Raises CredentialMissing."""
        found = []
        for one in wanted.spec.extensions.keystores:
            ref = one.password_secret_ref
            key = Key(wanted.metadata.namespace, ref.name)
            try:
                secret = await self._tools.kube.get(core.SECRET, key)
            except NotFound:
                secret = core.Secret()
            password = (secret.data or {}).get(ref.key)
            if not password:
                raise CredentialMissing(
                    f"spec.extensions.keystores: Secret {key} has no key {ref.key!r} with a password: create it"
                )
            try:
                password.decode()
            except UnicodeDecodeError:
                raise CredentialMissing(
                    f"spec.extensions.keystores: key {ref.key!r} of Secret {key} is no text, as the password of a "
                    "keystore must be: write it in UTF-8"
                ) from None
            found.append(Sensitive(password))
        return found

    def _recall(self, wanted: VaultPKISecret, live: Destination | None, inputs: str) -> Progress | None:
        """What is known of a certificate in place, be it from this process or from the status of another."""
        known = self._progress.get(wanted.key)
        if known is None:
            fresh = Progress(inputs=inputs, share=self._rng.random(), resync=triggers(wanted)[2])
            known = adopted(wanted, live, fresh=fresh, signer=self._tools.signer)
            if known is not None:
                self._progress[wanted.key] = known
        return known

    def _inputs(self, wanted: VaultPKISecret, spec: ClientSpec, options: RenderOptions) -> str:
        """Names what enters the request and the data; not what the certificate is written to."""
        stores = wanted.spec.extensions.keystores
        rendering = self._delivery.rendering(wanted, options)
        return fingerprint((request_of(wanted), wanted.spec.namespace, spec.login, rendering, stores))[:32]

    def _left(self, wanted: VaultPKISecret, live: Destination | None, progress: Progress) -> float:
        """Seconds until the certificate is to be replaced, 0 if it is due."""
        by_clock = due_at(wanted, live, progress) - self._unix()
        return max(by_clock, progress.rests_until - self._clock.monotonic(), 0.0)

    def _unix(self) -> int:
        return int(self._clock.now().timestamp())


@dataclass(frozen=True, slots=True)
class _Order:
    """What a certificate is issued with, and why."""

    spec: ClientSpec
    options: RenderOptions
    live: Destination | None
    inputs: str
    reason: SyncReason


@dataclass(frozen=True, slots=True)
class _Result:
    """What an attempt did: the status but for what every success sets, and the Secret as it is now."""

    status: VaultPKISecretStatus
    live: Destination | None
    rollout: Rollout
    wrote: bool = False
