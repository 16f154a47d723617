"""Restarts the workloads that use a Secret, once per change of its payload.

The pod template gets the original's time stamp, and an annotation of ours that names the payload: two changes in
one second differ, and a restart that happened before a crash is recognised afterwards (regressions R06).
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import Enum
from types import MappingProxyType
from typing import Any, Final

from vso.apis import core, names
from vso.apis.meta import Key, Kind, Object
from vso.apis.v1beta1 import RolloutRestartTarget
from vso.base import Clock
from vso.kube import Client, KubeError, NotFound, Patch, PatchType
from vso.sync import Step

KINDS: Final[Mapping[str, Kind[core.Workload]]] = MappingProxyType(
    {
        "Deployment": core.DEPLOYMENT,
        "StatefulSet": core.STATEFUL_SET,
        "DaemonSet": core.DAEMON_SET,
        "argo.Rollout": core.ARGO_ROLLOUT,
    }
)


@dataclass(frozen=True, slots=True)
class Restarted:
    """What became of one target; `error` is empty if it runs with the payload, or will.

    `earlier` tells that an earlier attempt had restarted it.
    """

    target: RolloutRestartTarget
    error: str = ""
    earlier: bool = False


class Caution(Enum):
    """What to make sure of before a workload is restarted."""

    NONE = "none"
    """The payload is new: restart."""
    UNLESS_DONE = "unless done"
    """An earlier attempt may have got through: restart unless the workload tells that it was."""
    IF_OTHER = "if other"
    """Nothing should be due: restart only if the workload tells that it was restarted for another payload."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Payload:
    """The payload just written, as `Signer.record`; `before` is the one before it where the status has none.

    `resumed` tells that an earlier attempt may have written it already, without a status that says so.
    """

    now: str
    record: str
    before: str | None
    resumed: bool = False


class Restarter:
    """Patches workloads."""

    def __init__(self, client: Client, clock: Clock) -> None:
        self._client = client
        self._clock = clock

    async def restart(
        self, owner: Object, targets: Sequence[RolloutRestartTarget], *, payload: str, caution: Caution
    ) -> tuple[Restarted, ...]:
        """Restart `targets` for the payload named `payload`; all are tried, failures are results.

        With any `caution` each workload is read first; one for which nothing is due is missing from the result.
        """
        results = []
        for target in targets:
            result = await self._restart(owner, target, payload=payload, caution=caution)
            if result is not None:
                results.append(result)
        return tuple(results)

    async def _restart(
        self, owner: Object, target: RolloutRestartTarget, *, payload: str, caution: Caution
    ) -> Restarted | None:
        kind = KINDS.get(target.kind)
        if kind is None:
            return Restarted(target, f"unsupported Kind {target.kind!r}: use one of {', '.join(KINDS)}")
        key = Key(owner.metadata.namespace, target.name)
        record = record_name(owner)
        try:
            if caution is not Caution.NONE:
                live = await self._client.get(kind, key)
                told = _recorded(live, record)
                if told == payload and caution is Caution.UNLESS_DONE:
                    return _paused(target, key) if _is_paused(kind, live) else Restarted(target, earlier=True)
                if told == payload or (caution is Caution.IF_OTHER and not told):
                    return None
            patch = _patch(kind, {record: payload}, self._clock.now())
            workload = await self._client.patch(kind, key, patch)
        except NotFound:
            return Restarted(target, f"{target.kind} {key} does not exist: create it, or remove the target")
        except KubeError as exc:
            return Restarted(target, f"{target.kind} {key} was not restarted: {exc}")
        return _paused(target, key) if _is_paused(kind, workload) else Restarted(target)


def _is_paused(kind: Kind[core.Workload], workload: core.Workload) -> bool:
    """Whether a Deployment holds its rollouts back; a pause of an Argo Rollout means something else."""
    return kind is core.DEPLOYMENT and workload.spec.paused


def _paused(target: RolloutRestartTarget, key: Key) -> Restarted:
    return Restarted(target, f"{target.kind} {key} is paused, cannot restart it: it will restart when it is resumed")


def record_name(owner: Object) -> str:
    """Annotation that tells for which payload of `owner` a workload was restarted."""
    digest = hashlib.sha256(f"{owner.kind}/{owner.metadata.name}".encode()).hexdigest()[:12]
    return f"{names.RESTART_RECORD}/{digest}"


def _patch(kind: Kind[core.Workload], record: dict[str, str], now: datetime) -> Patch:
    if kind is core.ARGO_ROLLOUT:
        # Argo compares restartAt with the age of pods: a stamp cut to its second would be before the write.
        later = (now + timedelta(seconds=1)).replace(microsecond=0)
        body: dict[str, Any] = {"metadata": {"annotations": record}, "spec": {"restartAt": _stamp(later)}}
        return Patch(body=body)
    annotations = {names.RESTARTED_AT: _stamp(now), **record}
    body = {"spec": {"template": {"metadata": {"annotations": annotations}}}}
    return Patch(body=body, type=PatchType.STRATEGIC)


def _recorded(workload: core.Workload, record: str) -> str:
    annotations = workload.spec.template.metadata.annotations | workload.metadata.annotations
    return annotations.get(record, "")


def _stamp(instant: datetime) -> str:
    return instant.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def caution_of(payload: Payload, step: Step, *, comparable: bool) -> Caution | None:
    """How careful a restart must be after the write `step`; None if there is nothing to restart for.

    `comparable` tells whether the payload on record was named with the present key. The first sync, which has
    nothing to compare with, restarts nothing.
    """
    if payload.record != payload.now if comparable else payload.before not in {None, payload.now}:
        known_new = step.changes_data and comparable and not payload.resumed
        return Caution.NONE if known_new else Caution.UNLESS_DONE
    # The Secret changed back to the payload on record: a crash may have left workloads with the one between.
    return Caution.IF_OTHER if step in {Step.DATA, Step.WHOLE} and comparable else None
