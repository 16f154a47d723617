"""Decisions of the VaultDynamicSecret controller, as functions from values to values.

What is due for a lease, for credentials that Vault rotates, or for an answer that is neither: everything that
needs no I/O (behaviour.md section 6). Unix seconds come from status, monotonic instants from this process.
"""

from dataclasses import dataclass, replace
from enum import Enum, StrEnum
from random import Random
from typing import Final

from msgspec import structs

from vso.apis.conditions import is_in_sync
from vso.apis.v1beta1 import VaultDynamicSecret, VaultStaticCredsMetaData
from vso.controllers.member import seconds_of
from vso.sync import Destination, RefreshBounds, Signer, lease_horizon
from vso.vault import StaticCreds

NEVER_ENDS: Final = -1
"""In `parentExpires`: the token of the lease has no end."""
_ROTATED: Final = 0.25
_SPREAD: Final = 0.7
"""After the end of its ttl a credential is read within this window: not before Vault rotated, nor all at once."""
_TTL_OVER: Final = 2
_NEAR: Final = 5
"""Seconds around the planned rotation in which a longer ttl means that it was reset ahead of the password."""
_FIRST_PAUSE: Final = 0.5
_PAUSE_GROWTH: Final = 1.5
_LONGEST_PAUSE: Final = 5.0
_PATIENT_POLLS: Final = 120
_PATIENT_PAUSE: Final = 60.0
"""From some ten minutes after a rotation that does not come, the operator looks once a minute."""


class SyncReason(StrEnum):
    """Why Vault is asked for credentials (api.md section 10)."""

    INITIAL = "InitialSync"
    FORCED = "ForceSync"
    UPDATED = "ResourceUpdated"
    MISSING = "InexistentDestination"
    DRIFT = "SecretDataDrift"
    CLIENT_CHANGED = "VaultClientConfigChanged"
    TOKEN_ROTATED = "VaultTokenRotated"  # noqa: S105 - a name
    DUE = "InRenewalWindow"
    RENEWAL_FAILED = "SecretLeaseRenewalError"
    PERIODIC = ""


class Act(Enum):
    """What a look at a resource amounts to, before Vault is asked."""

    FETCH = "fetch"
    RENEW = "renew"
    KEEP = "keep"


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """What this process remembers of credentials that are in place.

    `inputs` names what they were requested and rendered with, `since` is the monotonic instant of the last
    renewal or read, `share` (0 to 1) spreads resources over their windows, `polls` counts reads in a row that
    waited for a rotation, `poll_at` is the next of them. `replace_by` is the instant by which the end of the
    lease's token makes new credentials necessary, where no session is held, or none any more. `restart` names the
    payload that some workload still has to be restarted for.
    """

    inputs: str
    since: float
    share: float
    resync: str = ""
    polls: int = 0
    poll_at: float | None = None
    replace_by: float | None = None
    restart: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """All that `next_act` judges. `replace_at` is when the held token's end asks for new credentials."""

    wanted: VaultDynamicSecret
    progress: Progress | None
    live: Destination | None
    inputs: str
    triggers: tuple[str, str, str]
    replace_at: float | None
    now: float


@dataclass(frozen=True, slots=True)
class ReadLimits:
    """What settings say on reads: the longest time between two of rotated credentials (D18), and `refreshAfter`."""

    ceiling: float
    refresh: RefreshBounds


def next_act(view: View, *, limits: ReadLimits) -> tuple[Act, SyncReason]:
    """What is to be done now, and why."""
    reason = _reason_to_fetch(view)
    if reason is not None:
        return Act.FETCH, reason
    progress, status = view.progress, view.wanted.status
    if progress is None:
        raise AssertionError  # without progress there is a reason
    refresh = view.triggers[0]
    asked = bool(refresh) and refresh != status.extensions.refreshed
    due = due_at(view.wanted, progress, limits=limits)
    if asked or (due is not None and view.now >= due):
        return (Act.RENEW, SyncReason.DUE) if is_renewable(view.wanted) else (Act.FETCH, SyncReason.PERIODIC)
    return Act.KEEP, SyncReason.PERIODIC


def _reason_to_fetch(view: View) -> SyncReason | None:
    wanted, progress, status = view.wanted, view.progress, view.wanted.status
    if progress is None:
        return SyncReason.INITIAL if status.last_generation == 0 else SyncReason.FORCED
    _, rotate, resync = view.triggers
    if (rotate and rotate != status.extensions.rotated) or resync != progress.resync:
        return SyncReason.FORCED
    if progress.inputs != view.inputs:
        changed = status.last_generation != wanted.metadata.generation
        return SyncReason.UPDATED if changed else SyncReason.CLIENT_CHANGED
    if view.live is None:
        return SyncReason.MISSING
    if status.extensions.written and view.live.mac != status.extensions.written:
        return SyncReason.DRIFT
    ends = view.replace_at if view.replace_at is not None else progress.replace_by
    if status.secret_lease.id and ends is not None and view.now >= ends:
        return SyncReason.TOKEN_ROTATED
    return None


def comparable(wanted: VaultDynamicSecret, signer: Signer) -> VaultDynamicSecret:
    """`wanted` without what was recorded with an HMAC key that is lost: it can be compared with nothing any more.

    What is in the Secret then counts as what was written (regressions R23). Not so for a lease: the key may be that of
    another installation, which handed the resource over and does not keep the lease's token alive any more (R32).
    """
    recorded, lease = wanted.status.extensions, wanted.status.secret_lease.id
    if lease or not recorded.restarted_payload or signer.is_comparable(recorded.restarted_payload):
        return wanted
    extensions = structs.replace(recorded, inputs="", written="", restarted_payload="")
    return structs.replace(wanted, status=structs.replace(wanted.status, extensions=extensions))


def is_renewable(wanted: VaultDynamicSecret) -> bool:
    """Whether there is a lease that a renewal can prolong."""
    lease = wanted.status.secret_lease
    return bool(lease.id) and lease.renewable


def is_static(meta: VaultStaticCredsMetaData | None) -> bool:
    """Whether `meta` tells of credentials that Vault rotates."""
    return (
        meta is not None
        and meta.last_vault_rotation > 0
        and (meta.rotation_period >= 1 or bool(meta.rotation_schedule))
    )


def adopted(
    wanted: VaultDynamicSecret, live: Destination | None, *, fresh: Progress, unix: float, payload: str
) -> Progress | None:
    """What an earlier process left in place; None if credentials must be fetched.

    `fresh` is what would be remembered of a sync at this very moment, `unix` the present, and `payload` names the
    data in the Secret as `Signer.record`: if workloads run with another, restarts are still to be made.
    """
    status, recorded = wanted.status, wanted.status.extensions
    if status.last_generation == 0 or status.last_renewal_time == 0 or live is None:
        return None
    if recorded.inputs and recorded.inputs != fresh.inputs:
        return None
    if not recorded.inputs and status.last_generation != wanted.metadata.generation:
        return None
    ends = recorded.parent_expires
    left = max(ends - unix, 0.0)
    margin = max(left * 0.1, 5.0)
    missed = recorded.restarted_payload and status.secret_lease.id and recorded.restarted_payload != payload
    return replace(
        fresh,
        since=fresh.since - max(unix - status.last_renewal_time, 0.0),
        replace_by=None if ends == NEVER_ENDS else fresh.since + max(left - margin, 0.0) * fresh.share,
        restart=payload if missed else "",
    )


def due_at(wanted: VaultDynamicSecret, progress: Progress, *, limits: ReadLimits) -> float | None:
    """The monotonic instant of the next renewal or read; None if none is planned."""
    if progress.poll_at is not None:
        return progress.poll_at
    spec, status = wanted.spec, wanted.status
    delays = []
    meta = status.static_creds_meta_data
    refresh = limits.refresh.in_force(seconds_of(spec.refresh_after, "spec.refreshAfter"))
    if meta is not None and is_static(meta) and not status.secret_lease.renewable:
        delays.append(max(meta.ttl, 0) + _ROTATED + _SPREAD * progress.share)
        if refresh and not spec.allow_static_creds:
            delays.append(lease_horizon(refresh, spec.renewal_percent, progress.share))
        if limits.ceiling:
            delays.append(limits.ceiling * (0.9 - 0.1 * progress.share))
    elif duration := status.secret_lease.duration or refresh:
        delays.append(lease_horizon(duration, spec.renewal_percent, progress.share))
    return progress.since + min(delays) if delays else None


def poll_ceiling(wanted: VaultDynamicSecret, setting: float) -> float:
    """The ceiling of `ReadLimits` for `wanted` in seconds, 0 for none."""
    return seconds_of(wanted.spec.extensions.max_poll_interval, "spec.extensions.maxPollInterval") or setting


def awaits_rotation(wanted: VaultDynamicSecret, new: StaticCreds, *, unix: float) -> bool:
    """Whether `new` was read in the middle of a rotation: the ttl ran out or was reset, the password is the old one.

    Then nothing may be stored (regressions R15, R16). The first read of a credential is never in the middle.
    """
    old = wanted.status.static_creds_meta_data
    if old is None or not is_static(old) or new.last_vault_rotation != old.last_vault_rotation:
        return False
    if new.rotation_schedule and new.rotation_schedule != old.rotation_schedule:
        return False
    if new.ttl <= _TTL_OVER:
        return True
    left = max(0.0, old.ttl - (unix - wanted.status.last_renewal_time))
    return bool(new.rotation_schedule) and (new.ttl >= old.ttl or (left <= _NEAR < new.ttl))


def is_outdated(wanted: VaultDynamicSecret) -> bool:
    """Whether the status tells of a failure or an earlier generation, although all is well."""
    status = wanted.status
    return not is_in_sync(status.conditions) or status.last_generation != wanted.metadata.generation


def look_again(wanted: VaultDynamicSecret, new: StaticCreds, *, unix: float) -> float | None:
    """Seconds after which to read `new` once more, although its ttl says later; None if there is no need.

    With a schedule, a password that is new to us but not to Vault may be in the middle of its replacement, and
    the ttl be that of the one after: nothing in the answer would tell.
    """
    old = wanted.status.static_creds_meta_data
    known = old is not None and old.last_vault_rotation == new.last_vault_rotation
    if known or not new.rotation_schedule or unix - new.last_vault_rotation <= _NEAR:
        return None
    return float(_NEAR)


def pause(polls: int, rng: Random) -> float:
    """Seconds until the next look for a rotation that is under way, after `polls` looks in vain."""
    if polls > _PATIENT_POLLS:
        return _PATIENT_PAUSE * (0.8 + 0.2 * rng.random())
    return min(_FIRST_PAUSE * _PAUSE_GROWTH ** min(polls, 20), _LONGEST_PAUSE) * (0.8 + 0.2 * rng.random())
