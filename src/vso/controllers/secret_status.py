"""What the conditions of a resource that writes a Secret say after an attempt. Pure (api.md section 9).

A condition's message keeps its words while nothing changed, so that a steady state writes nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from vso.apis.conditions import ConditionType, NewCondition, Reason, find, health, update_conditions
from vso.apis.kinds import prefix_of
from vso.apis.meta import Condition, Ref
from vso.controllers.brake import FREE
from vso.controllers.outcome import Failure, same_text, show_seconds
from vso.controllers.restarter import Restarted
from vso.controllers.world import Claimant

_NO_PLAN: Final = "no refresh is planned, the next sync follows a change of this object"


@dataclass(frozen=True, slots=True, kw_only=True)
class Success:
    """What a successful attempt left behind, as far as conditions tell.

    `wrote` tells whether the Secret was written, `horizon` the seconds until the next look (None: on a change),
    `conflict` what `conflict_of` says, `more` conditions that the kind adds.
    """

    horizon: float | None
    wrote: bool
    restarts: Sequence[Restarted] = ()
    conflict: Sequence[NewCondition] = ()
    more: Sequence[NewCondition] = ()


def after_success(wanted: Claimant, success: Success, *, now: datetime) -> tuple[Condition, ...]:
    """The conditions after `success`; equal to the present ones if nothing of substance differs."""
    before = find(wanted.status.conditions, ConditionType.SECRET_SYNCED)
    same = (
        before is not None
        and before.status == "True"
        and before.observed_generation == wanted.metadata.generation
        and not success.wrote
    )
    conditions = [
        _synced(status=True, message=before.message if before and same else _plan_text(success)),
        *success.more,
        *(_restarted(success.restarts) or _restart_on_record(wanted)),
        *success.conflict,
        *health(prefix_of(wanted.kind), healthy=True),
    ]
    return _updated(wanted, conditions, now)


def after_failure(
    wanted: Claimant,
    failure: Failure,
    *,
    conflict: Sequence[NewCondition],
    now: datetime,
    more: Sequence[NewCondition] = (),
) -> tuple[tuple[Condition, ...], bool]:
    """The conditions after `failure`, and whether it is news."""
    message = f"Failed to sync the secret, horizon={failure.horizon}, err={failure.text}"
    before = find(wanted.status.conditions, ConditionType.SECRET_SYNCED)
    known = before is not None and before.status == "False" and same_text(before.message, message)
    conditions = [
        _synced(status=False, message=before.message if before and known else message),
        *more,
        *_restart_on_record(wanted),
        *conflict,
        *health(prefix_of(wanted.kind), healthy=False),
    ]
    return _updated(wanted, conditions, now), not known


def after_conflict(wanted: Claimant, conflict: Sequence[NewCondition], *, now: datetime) -> tuple[Condition, ...]:
    """The conditions with `conflict` among them; the present ones if they say it already."""
    old = wanted.status.conditions
    if not new_conflict(old, update_conditions((), conflict, now=now, generation=0)):
        return old
    types = {one.type for one in old}
    return update_conditions(old, conflict, now=now, generation=wanted.metadata.generation, keep=types)


def conflict_of(rivals: Sequence[Ref], *, contested: bool) -> list[NewCondition]:
    """What to say where `rivals` name the same destination, or somebody changes it again and again."""
    if rivals:
        others = ", ".join(map(str, rivals))
        return _conflict(
            Reason.CLAIMED_BY_OTHERS,
            f"The destination is also named by {others}; the oldest of them writes it. "
            "Name another destination in one of them",
        )
    if contested:
        return _conflict(
            Reason.CHANGED_BY_OTHERS,
            f"The destination was changed by somebody else more than {FREE} times in short order, so it is repaired at "
            "longer intervals: find out who else writes it (metadata.managedFields), or name another destination",
        )
    return []


def kept(wanted: Claimant, type_: ConditionType) -> list[NewCondition]:
    """The condition `type_` as it stands, for a look that found nothing new about it."""
    before = find(wanted.status.conditions, type_)
    if before is None or before.reason not in tuple(Reason):
        return []
    status, reason = before.status == "True", Reason(before.reason)
    return [NewCondition(type=type_, status=status, reason=reason, message=before.message)]


def new_conflict(old: Sequence[Condition], new: Sequence[Condition]) -> str:
    """What `new` says of a contested destination, if `old` did not say the same; else empty."""
    before, after = (find(one, ConditionType.DESTINATION_CONFLICT) for one in (old, new))
    if after is None or (before is not None and before.message == after.message):
        return ""
    return after.message


def _plan_text(success: Success) -> str:
    if success.horizon is None:
        return f"Secret synced, horizon=0s: {_NO_PLAN}"
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


def _conflict(reason: Reason, message: str) -> list[NewCondition]:
    return [NewCondition(type=ConditionType.DESTINATION_CONFLICT, status=True, reason=reason, message=message)]


def _restart_on_record(wanted: Claimant) -> list[NewCondition]:
    """The last restart stays on record as long as there is something to restart."""
    return kept(wanted, ConditionType.ROLLOUT_RESTART) if wanted.spec.rollout_restart_targets else []


def _updated(wanted: Claimant, new: Sequence[NewCondition], now: datetime) -> tuple[Condition, ...]:
    return update_conditions(wanted.status.conditions, new, now=now, generation=wanted.metadata.generation)
