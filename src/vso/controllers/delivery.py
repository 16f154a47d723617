"""What the three kinds that write a Secret do alike, around the one thing that each does in its own way.

A reconciler of such a kind gathers with `check`, `login_of` and `options_of`, asks Vault, and hands the answer to
`render`, `writer`, `roll_out` and `write_status`. Errors go to `failed`.
"""

import asyncio
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar

import structlog
from msgspec import structs

from vso.apis import names
from vso.apis.conditions import ConditionType, EventReason, NewCondition, is_true
from vso.apis.kinds import definition_of
from vso.apis.meta import Condition, Key, Kind
from vso.apis.required import missing_members
from vso.base import Sensitive
from vso.controllers.attempt import AttemptLog
from vso.controllers.brake import Brake
from vso.controllers.outcome import EXPECTED, Attempts, Expected, Failure
from vso.controllers.reporting import CLIENT_FACTORY, Reporter
from vso.controllers.restarter import Caution, Payload, Restarted, Restarter, caution_of
from vso.controllers.secret_status import after_conflict, conflict_of, new_conflict
from vso.controllers.secret_writer import SecretWriter, Written
from vso.controllers.status import StatusWriter
from vso.controllers.tools import Tools
from vso.controllers.transformation import render_options, template_input, uses_metadata
from vso.controllers.waiting import Waiting
from vso.controllers.world import Claimant, ref_to
from vso.kube import Conflict, NotFound
from vso.runtime import Next, Store, WorkQueue, ensure_finalizer, remove_finalizer
from vso.sync import (
    DEFAULT_TYPE,
    ClientSpec,
    CredentialMissing,
    Destination,
    InvalidSpec,
    Rendered,
    RenderOptions,
    Step,
    Wanted,
    check_source,
    digest,
    fingerprint,
    owner_labels,
    owner_reference,
    plan,
    render,
    resolve,
)
from vso.vault import LoginRefused, VaultError

C = TypeVar("C", bound=Claimant)
_EMPTY: Final = b"{}"
_PLAIN: Final = RenderOptions()
_LARGE: Final = 64 * 1024
"""Bytes of an answer from which on its rendering must not keep the event loop from its other work.

Each filter counts as one more reading of them, and of `_FILTER` bytes, since it has to be compiled.
"""
_FILTER: Final = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """What Vault answered, as JSON texts: the fields, the whole data member, and what only templates see."""

    fields: Sensitive[bytes]
    raw: Sensitive[bytes]
    metadata: bytes = _EMPTY
    wrap_info: Sensitive[bytes] | None = None


@dataclass(frozen=True, slots=True)
class Rollout:
    """What became of the restarts: `record` is the payload that workloads run with, `open` one still to come."""

    restarts: tuple[Restarted, ...]
    record: str
    open: str = ""


class Delivery(Generic[C]):
    """The common part of one kind's controller; `forget` is its own part of forgetting a resource."""

    def __init__(
        self, tools: Tools, queue: WorkQueue, *, kind: Kind[C], store: Store[C], forget: Callable[[Key], None]
    ) -> None:
        self._tools = tools
        self._world = tools.world
        self._kind = kind
        self._store = store
        self._finalizer = definition_of(kind).finalizer
        settings = tools.settings
        self._statuses = StatusWriter(tools.kube, kind, store)
        self._restarter = Restarter(tools.kube, tools.clock)
        self._log = structlog.get_logger(kind.resource.kind.lower())
        self.attempts = Attempts(settings.backoff, max_elapsed=settings.max_elapsed, clock=tools.clock, rng=tools.rng)
        self.writer = SecretWriter(tools.kube, tools.world, tools.signer)
        self.report = Reporter(tools.recorder, kind.resource.kind)
        self.waiting = Waiting(queue, tools.rng)
        self.measure = AttemptLog(kind.resource.kind, clock=tools.clock, observer=tools.observer)
        self._brake = Brake()
        self._forget = forget
        self._handled: dict[Key, str] = {}
        # Putting a login together costs more than all the rest of a refresh that finds nothing new.
        self._logins: dict[tuple[str, str], ClientSpec] = {}
        self._logins_as_of = self._world.login_version

    # What is wanted.

    def wanted(self, key: Key) -> C | None:
        """The resource `key`, None if there is none or if another installation handles it.

        That one lets go of a resource is told once.
        """
        found = self._store.get(key)
        if found is not None and self._handled.get(key, found.metadata.uid) != found.metadata.uid:
            self.forget(key)  # deleted and made anew, of which the watch told in one breath
        self.measure.look(key)
        if found is None or self._world.covers(found):
            if found is not None:
                self._handled[key] = found.metadata.uid
            return found
        if self._handled.pop(key, None):
            self.report.normal(found, EventReason.HANDED_OVER, self._world.jurisdiction.explain(found))
            self._log.info("handed over", **self.who(found))
        return None

    def check(self, wanted: C) -> None:
        """Raise InvalidSpec for what cannot be carried out, DestinationClaimed if another resource goes first."""
        if missing := missing_members(wanted):
            raise InvalidSpec(f"these required fields are not set: {', '.join(missing)}")
        if not wanted.spec.destination.name:
            raise InvalidSpec("spec.destination.name is empty: name the Secret to write")
        self._world.check_claim(destination_key(wanted), wanted.metadata.uid)

    def login_of(self, wanted: C) -> ClientSpec:
        """The login that `wanted` asks for. Raises ReferenceInvalid."""
        if self._logins_as_of != self._world.login_version:
            self._logins_as_of = self._world.login_version
            self._logins.clear()
        asked = wanted.spec.vault_auth_ref, wanted.metadata.namespace
        found = self._logins.get(asked)
        if found is None:
            found = self._logins[asked] = resolve(
                asked[0],
                consumer=asked[1],
                references=self._world,
                options=self._tools.settings.global_auth,
                policy=self._tools.settings.policy,
            )
            self._tell_lent(found)
        return found

    def _tell_lent(self, spec: ClientSpec) -> None:
        """One event per VaultAuth and namespace that uses what the VaultAuth's own namespace holds (D35)."""
        use = (spec.auth.metadata.uid, spec.consumer)
        if spec.holder == spec.consumer or use in self._tools.lent:
            return
        self._tools.lent.add(use)
        text = f"Namespace {spec.consumer} logs in with the credentials of this namespace, as credentialsNamespace says"
        Reporter(self._tools.recorder, "VaultAuth").normal(spec.auth, EventReason.CREDENTIALS_LENT, text)

    def options_of(self, wanted: C) -> RenderOptions:
        """Filters and templates in force. Raises TransformationInvalid."""
        return render_options(wanted, find=self._world.transformation, exclude_raw=self._tools.settings.exclude_raw)

    def rendering(self, wanted: C, options: RenderOptions) -> str:
        """Names all that the data depends on, Vault's answer apart."""
        if options == _PLAIN:
            return ""
        meta = wanted.metadata
        labels = meta.labels if uses_metadata(options.templates, "Labels") else {}
        annotations = meta.annotations if uses_metadata(options.templates, "Annotations") else {}
        filters = (sorted(options.includes), sorted(options.excludes), options.exclude_raw)
        templates = [(one.name, one.key, one.text) for one in options.templates]
        return fingerprint((filters, templates, labels, annotations))

    def secret_of(self, wanted: C, mac: str) -> Wanted:
        """The Secret that `wanted` asks for, with the data that `mac` stands for."""
        destination = wanted.spec.destination
        return Wanted(
            key=destination_key(wanted),
            create=destination.create,
            overwrite=destination.overwrite,
            type=destination.type or DEFAULT_TYPE,
            labels={**destination.labels, **owner_labels(wanted)},
            annotations=destination.annotations,
            owner=owner_reference(wanted),
            mac=mac,
        )

    def conflict(self, wanted: C) -> list[NewCondition]:
        """What conditions tell of others that name the same destination, or change it."""
        claimants = self._world.claimants(destination_key(wanted))
        rivals = [ref_to(one) for one in claimants if one.metadata.uid != wanted.metadata.uid]
        return conflict_of(rivals, contested=self.calm_in(wanted) is not None)

    def begin_term(self) -> None:
        """Forget what an earlier term of leadership learned: another leader may have worked since."""
        self.attempts.clear()
        self.waiting.clear()
        self._brake.clear()
        self._statuses.begin_term()

    # What is there, and what is made of it.

    async def live(self, wanted: C, *, expected: str = "") -> Destination | None:
        """The destination, from memory where the watch shows it, else from the cluster.

        With `expected`, the MAC of data that was on its way, memory is believed only if it shows that data.
        """
        if wanted.spec.destination.create:
            found = self._world.destinations.get(destination_key(wanted))
            if found is not None and expected in {"", found.mac}:
                return found
        # It need not be absent: without our labels it is out of the watch's sight.
        return await self.writer.look(destination_key(wanted))

    def hold_back(self, wanted: C, live: Destination | None, mac: str) -> float:
        """Seconds to wait before `live` is repaired; 0 if nothing is to be repaired, or at once.

        Who changes a Secret back again and again is answered further and further apart; see `stand_back`.
        """
        asked = wanted.status.last_generation != wanted.metadata.generation
        if asked or (live is not None and plan(live, self.secret_of(wanted, mac)) is Step.NOTHING):
            return 0.0
        return self._brake.wait(wanted.key, self._tools.clock.monotonic())

    async def stand_back(self, wanted: C, seconds: float) -> Next:
        """Leave a contested Secret as it is for so long, and tell of it once."""
        conditions = after_conflict(wanted, self.conflict(wanted), now=self._tools.clock.now())
        await self.write_status(wanted, structs.replace(wanted.status, conditions=conditions), conditions=conditions)
        return Next.after(seconds, "contested")

    def calm_in(self, wanted: C) -> float | None:
        """Seconds after which a contest over the Secret counts as over, to be looked at again; None without one."""
        return self._brake.calm_in(wanted.key, self._tools.clock.monotonic())

    async def render(self, wanted: C, source: Source, options: RenderOptions) -> Rendered:
        """The data of the Secret. Raises RenderError."""
        check_source(source.raw)
        templated: Mapping[str, bytes] = {}
        if options.templates:
            made = await self._tools.templates.render(
                options.templates,
                template_input(wanted, source),
                # Salts and random numbers depend on what goes in, so that equal input gives equal output.
                seed=self._tools.signer.seed(wanted.metadata.uid.encode(), source.fields.reveal()),
                now=self._tools.clock.now(),
            )
            templated = made.reveal()
        filters = len(options.includes) + len(options.excludes)
        if len(source.raw.reveal()) + filters * (len(source.raw.reveal()) + _FILTER) < _LARGE:
            return render(source.fields, source.raw, options, templated)
        return await asyncio.to_thread(render, source.fields, source.raw, options, templated)

    async def roll_out(self, wanted: C, payload: Payload, written: Written) -> Rollout:
        """Restart the targets if they run with another payload than the one just written."""
        caution = caution_of(payload, written.step, comparable=self._tools.signer.is_comparable(payload.record))
        restarts = await self._restart(wanted, payload.now, caution)
        if any(one.error for one in restarts):
            return Rollout(restarts, payload.before or payload.record, payload.now)
        return Rollout(restarts, payload.now)

    async def roll_out_again(self, wanted: C, payload: str, record: str) -> Rollout:
        """Try again to restart for `payload`; nothing if it is empty."""
        restarts = await self._restart(wanted, payload, Caution.UNLESS_DONE) if payload else ()
        if any(one.error for one in restarts):
            return Rollout(restarts, record, payload)
        return Rollout(restarts, payload or record)

    # What is told.

    def settled(self, wanted: C, *, complete: bool, wrote: bool) -> None:
        """Note that nothing stands in the way of `wanted`; `complete`: no restart is left to be tried again.

        `wrote`: its Secret was changed.
        """
        self.measure.succeeded(wanted.key, wrote=wrote)
        self.waiting.forget(wanted.key)
        if complete:
            self.attempts.succeeded(wanted.key)

    def failed(self, wanted: C, error: Expected) -> Failure:
        """What `error` amounts to; the resource is brought back when what it waits for recovers."""
        self.measure.failed(wanted, error)
        failure = self.attempts.failed(wanted.key, error)
        waits_for, own = failure.waits_for, failure.waits_for is None
        self.waiting.add(wanted.key, self._waits_for(wanted, error) if own else waits_for, suspect=own)
        return failure

    def tell_failure(self, wanted: C, failure: Failure, reason: EventReason) -> None:
        """Emit the events and the log line of a failure that is news."""
        if failure.unrecoverable:
            self.report.warning(wanted, EventReason.UNRECOVERABLE, f"err={failure.text}", component=CLIENT_FACTORY)
        self.report.warning(wanted, reason, failure.text)
        self._log.warning("secret not synced", reason=reason.value, error=failure.text, **self.who(wanted))

    async def write_status(self, wanted: C, status: Any, *, conditions: Sequence[Condition]) -> C:
        """Send `status`, whose conditions are `conditions`; the object as it is now."""
        # A failure tells of the conflict itself.
        if is_true(conditions, ConditionType.READY) and (
            conflict := new_conflict(wanted.status.conditions, conditions)
        ):
            self.report.warning(wanted, EventReason.DESTINATION_CONFLICT, conflict)
        try:
            await self._statuses.write(wanted, status)
        except NotFound:
            self._log.debug("resource vanished before its status was written", **self.who(wanted))
        return self._store.get(wanted.key) or wanted

    async def record(self, wanted: C, status_of: Callable[[C], Any]) -> C:
        """Write what `status_of` makes of the object, and of its latest state if it was not what it seemed.

        For what must be on record, such as a lease that has just been made.
        """
        try:
            status = status_of(wanted)
            return await self.write_status(wanted, status, conditions=status.conditions)
        except Conflict:
            latest = self._store.get(wanted.key) or wanted
            status = status_of(latest)
            return await self.write_status(latest, status, conditions=status.conditions)

    async def ensure_finalizer(self, wanted: C) -> C:
        """`wanted` with our finalizer; the object as it is now."""
        if self._finalizer in wanted.metadata.finalizers:
            return wanted
        latest = await ensure_finalizer(self._tools.kube, self._kind, wanted, self._finalizer)
        self._store.observe(latest)
        return latest

    async def remove_finalizer(self, wanted: C) -> bool:
        """Take our finalizer away, be it one that the original left; False if the object changed meanwhile."""
        if self._finalizer not in wanted.metadata.finalizers:
            return True
        latest = self._store.get(wanted.key) or wanted
        try:
            self._store.observe(await remove_finalizer(self._tools.kube, self._kind, latest, self._finalizer))
        except Conflict:
            return False
        return True

    def forget(self, key: Key) -> None:
        """Forget a resource that goes."""
        self._forget(key)
        self.measure.forget(key)
        self._handled.pop(key, None)
        self.attempts.succeeded(key)
        self.waiting.forget(key)
        self._brake.forget(key)
        self._statuses.forget(key)

    def synced(self, wanted: C, written: Written, *, reason: str, event: tuple[EventReason, str]) -> None:
        """Tell that the Secret was written."""
        self.report.normal(wanted, *event)
        secret = written.destination.key.name
        self._log.info("secret synced", secret=secret, step=written.step.value, reason=reason, **self.who(wanted))

    def who(self, wanted: C) -> dict[str, str]:
        """What names `wanted` in a log line."""
        meta = wanted.metadata
        return {"kind": self._kind.resource.kind, "namespace": meta.namespace, "name": meta.name}

    async def _restart(self, wanted: C, payload: str, caution: Caution | None) -> tuple[Restarted, ...]:
        targets = wanted.spec.rollout_restart_targets
        if caution is None or not targets:
            return ()
        restarts = await self._restarter.restart(wanted, targets, payload=digest(payload), caution=caution)
        for one in restarts:
            if one.error or not one.earlier:
                self._tools.observer.restarted(wanted.metadata.namespace, one.target.kind, ok=not one.error)
            what = f"{one.target.kind} {wanted.metadata.namespace}/{one.target.name}"
            if one.error:
                text = f"Rollout restart failed for {what}, err={one.error}"
                self.report.warning(wanted, EventReason.ROLLOUT_RESTART_FAILED, text)
            elif not one.earlier:
                self.report.normal(wanted, EventReason.ROLLOUT_RESTART_TRIGGERED, f"Rollout restart of {what}")
        return restarts

    def _waits_for(self, wanted: C, error: Expected) -> Hashable | None:
        """The server or login whose recovery is worth another attempt at once."""
        try:
            login = self.login_of(wanted).login
        except EXPECTED:
            return None
        if isinstance(error, VaultError) and error.outage:
            return login.server
        return login if isinstance(error, LoginRefused | CredentialMissing) else None


def destination_key(wanted: Claimant) -> Key:
    """The Secret that `wanted` names."""
    return Key(wanted.metadata.namespace, wanted.spec.destination.name)


def triggers(wanted: Claimant) -> tuple[str, str, str]:
    """The values of the annotations that ask for something: refresh, rotate, resync."""
    annotations = wanted.metadata.annotations
    return annotations.get(names.REFRESH, ""), annotations.get(names.ROTATE, ""), annotations.get(names.RESYNC, "")
