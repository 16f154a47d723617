"""What the status of a VaultStaticSecret says after an attempt. Pure (api.md sections 4.4 and 9).

A condition's message keeps its words while nothing changed, so that a steady state writes nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import msgspec

from vso.apis.conditions import ConditionType, NewCondition, Reason, find, health, update_conditions
from vso.apis.kinds import VAULT_STATIC_SECRET, definition_of
from vso.apis.meta import Condition, Ref
from vso.apis.v1beta1 import (
    VaultClientMeta,
    VaultStaticSecret,
    VaultStaticSecretExtensions,
    VaultStaticSecretStatus,
)
from vso.controllers.outcome import Failure, same_text, show_seconds
from vso.controllers.restarter import Restarted
from vso.controllers.static_plan import compares
from vso.sync import ClientMeta

_PREFIX: Final = definition_of(VAULT_STATIC_SECRET).condition_prefix


@dataclass(frozen=True, slots=True, kw_only=True)
class Success:
    """What a successful attempt left behind.

    `wrote` tells whether the Secret was written, `horizon` the seconds until the next read (None: on a change),
    `record` the payload that workloads run with, `rivals` other resources that name the same destination.
    """

    mac: str
    record: str
    horizon: float | None
    wrote: bool
    restarts: Sequence[Restarted] = ()
    client: ClientMeta | None = None
    rivals: Sequence[Ref] = ()


def succeeded(wanted: VaultStaticSecret, success: Success, *, now: datetime) -> VaultStaticSecretStatus:
    """The status after `success`; equal to the present one if nothing of substance differs."""
    old = wanted.status
    new = msgspec.structs.replace(
        old,
        last_generation=wanted.metadata.generation,
        secret_mac=success.mac if compares(wanted) else "",
        conditions=_conditions(wanted, _success_conditions(wanted, success), now),
        extensions=VaultStaticSecretExtensions(
            restarted_payload=success.record if compares(wanted) else "",
        ),
    )
    if new == old or success.client is None:
        return new
    client = VaultClientMeta(cache_key=success.client.cache_key, id=success.client.id)
    return msgspec.structs.replace(new, vault_client_meta=client)


def failed(
    wanted: VaultStaticSecret, failure: Failure, *, rivals: Sequence[Ref], now: datetime
) -> tuple[VaultStaticSecretStatus, bool]:
    """The status after `failure`, and whether it is news; generation and MAC stay those of the last success."""
    message = f"Failed to sync the secret, horizon={failure.horizon}, err={failure.text}"
    before = find(wanted.status.conditions, ConditionType.SECRET_SYNCED)
    known = before is not None and before.status == "False" and same_text(before.message, message)
    conditions = [
        _synced(status=False, message=before.message if before and known else message),
        *_restart_on_record(wanted),
        *_conflict(rivals),
        *health(_PREFIX, healthy=False),
    ]
    return (
        msgspec.structs.replace(wanted.status, conditions=_conditions(wanted, conditions, now)),
        not known,
    )


def new_conflict(old: VaultStaticSecretStatus, new: VaultStaticSecretStatus) -> str:
    """What `new` says of a contested destination, if `old` did not say the same; else empty."""
    before, after = (find(one.conditions, ConditionType.DESTINATION_CONFLICT) for one in (old, new))
    if after is None or (before is not None and before.message == after.message):
        return ""
    return after.message


def _success_conditions(wanted: VaultStaticSecret, success: Success) -> list[NewCondition]:
    before = find(wanted.status.conditions, ConditionType.SECRET_SYNCED)
    same = (
        before is not None
        and before.status == "True"
        and before.observed_generation == wanted.metadata.generation
        and not success.wrote
    )
    return [
        _synced(status=True, message=before.message if before and same else _plan_text(success)),
        *(_restarted(success.restarts) or _restart_on_record(wanted)),
        *_conflict(success.rivals),
        *health(_PREFIX, healthy=True),
    ]


def _plan_text(success: Success) -> str:
    if success.horizon is None:
        return "Secret synced, horizon=0s: no refresh is planned, the next sync follows a change of this object"
    return f"Secret synced, horizon={show_seconds(success.horizon)}"


def _synced(*, status: bool, message: str) -> NewCondition:
    return NewCondition(type=ConditionType.SECRET_SYNCED, status=status, reason=Reason.SYNCED, message=message)


def _restarted(restarts: Sequence[Restarted]) -> list[NewCondition]:
    if not restarts:
        return []
    errors = "; ".join(one.error for one in restarts if one.error)
    return [
        NewCondition(
            type=ConditionType.ROLLOUT_RESTART,
            status=not errors,
            reason=Reason.ROLLOUT_RESTART_TRIGGERED_FAILED if errors else Reason.ROLLOUT_RESTART_TRIGGERED,
            message=f"Rollout restart failed, err={errors}" if errors else "Rollout restart triggered",
        )
    ]


def _conflict(rivals: Sequence[Ref]) -> list[NewCondition]:
    if not rivals:
        return []
    others = ", ".join(map(str, rivals))
    return [
        NewCondition(
            type=ConditionType.DESTINATION_CONFLICT,
            status=True,
            reason=Reason.CLAIMED_BY_OTHERS,
            message=f"The destination is also named by {others}; the oldest of them writes it. "
            "Name another destination in one of them",
        )
    ]


def _restart_on_record(wanted: VaultStaticSecret) -> list[NewCondition]:
    """The last restart stays on record as long as there is something to restart."""
    before = find(wanted.status.conditions, ConditionType.ROLLOUT_RESTART)
    if before is None or before.reason not in tuple(Reason) or not wanted.spec.rollout_restart_targets:
        return []
    return [
        NewCondition(
            type=ConditionType.ROLLOUT_RESTART,
            status=before.status == "True",
            reason=Reason(before.reason),
            message=before.message,
        )
    ]


def _conditions(wanted: VaultStaticSecret, new: Sequence[NewCondition], now: datetime) -> tuple[Condition, ...]:
    return update_conditions(wanted.status.conditions, new, now=now, generation=wanted.metadata.generation)
