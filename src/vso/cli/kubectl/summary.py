"""What the status of one secret amounts to, in one line. Pure.

A status records what changed and not each look that found nothing new, so for a VaultStaticSecret the last sync is the
moment from which on it has been in sync; the exact times are metrics.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Final

import msgspec

from vso.apis.conditions import SERVICE_DISCONTINUED, ConditionType, find, is_true
from vso.apis.meta import NEVER
from vso.apis.v1beta1 import HCPVaultSecretsApp, VaultDynamicSecret, VaultPKISecret, VaultStaticSecret
from vso.base import parse_duration
from vso.controllers import Claimant
from vso.sync import Renewal, Validity, lease_horizon, refresh_interval, replace_at

_EARLIEST: Final = 1.0
"""Share of the spread at which a renewal comes first."""


class State(StrEnum):
    """How a secret is."""

    SYNCED = "Synced"
    FAILING = "Failing"
    PENDING = "Pending"
    """The operator has not looked at it in its present form."""
    CONTESTED = "Contested"
    """In sync, but somebody else claims or changes the destination."""
    DELETING = "Deleting"
    ENDED = "Ended"
    """Nothing syncs it any more: the service that it reads from has been shut down."""


class Summary(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """One secret; times that are not known are None. `every` are the seconds between two reads, if they are regular.

    `next_sync` is the earliest moment, `expires` the end of the lease, or of the certificate.
    """

    kind: str
    namespace: str
    name: str
    state: State
    secret: str = ""
    vault_auth: str = ""
    last_sync: datetime | None = None
    next_sync: datetime | None = None
    every: float | None = None
    expires: datetime | None = None
    message: str = ""

    @property
    def well(self) -> bool:
        """Whether nobody has to do anything."""
        return self.state is State.SYNCED


def summarize(secret: Claimant) -> Summary:
    """The line for `secret`."""
    state, message = _state(secret)
    times = _times(secret)
    return Summary(
        kind=secret.kind,
        namespace=secret.metadata.namespace,
        name=secret.metadata.name,
        state=state,
        secret=secret.spec.destination.name,
        vault_auth=secret.spec.vault_auth_ref or "default",
        last_sync=times.last_sync,
        next_sync=times.next_sync,
        every=times.every,
        expires=times.expires,
        message=message,
    )


def summarize_ended(app: HCPVaultSecretsApp) -> Summary:
    """The line for `app`, in the operator's own words if it has looked at it."""
    told = find(app.status.conditions, ConditionType.READY)
    return Summary(
        kind=app.kind,
        namespace=app.metadata.namespace,
        name=app.metadata.name,
        state=State.ENDED,
        secret=app.spec.destination.name,
        message=SERVICE_DISCONTINUED if told is None else told.message,
    )


def in_order(rows: Iterable[Summary]) -> list[Summary]:
    """By namespace, kind and name."""
    return sorted(rows, key=lambda one: (one.namespace, one.kind, one.name))


def reason_in(message: str) -> str:
    """What went wrong, of a condition's message: without the delay before it."""
    _, mark, rest = message.partition("err=")
    return rest if mark else message


@dataclass(frozen=True, slots=True, kw_only=True)
class _Times:
    last_sync: datetime | None = None
    next_sync: datetime | None = None
    every: float | None = None
    expires: datetime | None = None


def _state(secret: Claimant) -> tuple[State, str]:
    conditions = secret.status.conditions
    synced = find(conditions, ConditionType.SECRET_SYNCED)
    if secret.deleting:
        waiting = ", ".join(secret.metadata.finalizers)
        return State.DELETING, f"waits for the finalizer {waiting}" if waiting else ""
    if synced is not None and synced.status != "True":
        return State.FAILING, reason_in(synced.message)
    if secret.status.last_generation == 0 and synced is None:
        return State.PENDING, "the operator has not looked at it yet"
    if secret.status.last_generation != secret.metadata.generation:
        return State.PENDING, "it was changed, and the operator has not looked at it since"
    if not is_true(conditions, ConditionType.READY):
        return State.FAILING, _detail(secret, ConditionType.HEALTHY)
    if is_true(conditions, ConditionType.DESTINATION_CONFLICT):
        return State.CONTESTED, _detail(secret, ConditionType.DESTINATION_CONFLICT)
    restart = find(conditions, ConditionType.ROLLOUT_RESTART)
    if restart is not None and restart.status == "False":
        return State.FAILING, f"in sync, but not all workloads were restarted: {reason_in(restart.message)}"
    return State.SYNCED, ""


def _detail(secret: Claimant, type_: ConditionType) -> str:
    found = find(secret.status.conditions, type_)
    return "" if found is None else found.message


def _times(secret: Claimant) -> _Times:
    match secret:
        case VaultStaticSecret():
            return _static(secret)
        case VaultDynamicSecret():
            return _dynamic(secret)
        case VaultPKISecret():
            return _certificate(secret)


def _static(secret: VaultStaticSecret) -> _Times:
    synced = find(secret.status.conditions, ConditionType.SECRET_SYNCED)
    well = synced is not None and synced.status == "True" and synced.last_transition_time != NEVER
    in_force = secret.status.extensions.refresh_interval or secret.spec.refresh_after
    every = refresh_interval(_seconds(in_force), compares=bool(secret.spec.hmac_secret_data))
    return _Times(last_sync=synced.last_transition_time if synced and well else None, every=every or None)


def _dynamic(secret: VaultDynamicSecret) -> _Times:
    status, spec = secret.status, secret.spec
    if not status.last_renewal_time:
        return _Times()
    synced = _instant(status.last_renewal_time)
    rotation, lease = status.static_creds_meta_data, status.secret_lease
    if rotation is not None and rotation.last_vault_rotation and not lease.renewable:
        ends = _after(synced, max(rotation.ttl, 0))
        return _Times(last_sync=synced, next_sync=ends, expires=ends)
    length = lease.duration or _seconds(status.extensions.refresh_interval or spec.refresh_after)
    due = _after(synced, lease_horizon(length, spec.renewal_percent, _EARLIEST)) if length else None
    ends_at = _after(synced, lease.duration) if lease.duration else None
    return _Times(last_sync=synced, next_sync=due, expires=ends_at)


def _certificate(secret: VaultPKISecret) -> _Times:
    status, spec = secret.status, secret.spec
    if not status.expiration:
        return _Times()
    renewal = Renewal(offset=_seconds(spec.expiry_offset), percent=spec.extensions.renew_at_percent or 0)
    due = replace_at(Validity(status.last_rotation, status.expiration), renewal)
    issued = _instant(status.last_rotation) if status.last_rotation else None
    return _Times(last_sync=issued, next_sync=_instant(due), expires=_instant(status.expiration))


def _seconds(text: str) -> float:
    try:
        return parse_duration(text).total_seconds() if text else 0.0
    except ValueError:
        return 0.0


def _instant(unix: float) -> datetime | None:
    """None for what is beyond the years that there are: a server may give any number."""
    try:
        return datetime.fromtimestamp(unix, UTC)
    except (ValueError, OverflowError, OSError):
        return None


def _after(start: datetime | None, seconds: float) -> datetime | None:
    """None if there is no such moment."""
    try:
        return None if start is None else start + timedelta(seconds=seconds)
    except OverflowError:
        return None
