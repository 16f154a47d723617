"""Decisions of the VaultStaticSecret controller, as functions from values to values.

When is a read due, when must workloads restart, is an object in sync as its status says: everything that needs
no I/O. `vault_static_secret` gathers the input and carries the decisions out.
"""

from dataclasses import dataclass
from enum import StrEnum

from vso.apis.conditions import ConditionType, find, is_in_sync
from vso.apis.v1beta1 import VaultStaticSecret
from vso.controllers.member import seconds_of
from vso.sync import DEFAULT_TYPE, Destination, LoginId, RefreshBounds, fingerprint, refresh_interval


class SyncReason(StrEnum):
    """Why Vault is asked (operations.md section 2.4, `vso_secret_syncs_total`)."""

    INITIAL = "InitialSync"
    FORCED = "ForceSync"
    UPDATED = "ResourceUpdated"
    MISSING = "InexistentDestination"
    DRIFT = "SecretDataDrift"
    CLIENT_CHANGED = "VaultClientConfigChanged"
    PERIODIC = "Periodic"


@dataclass(frozen=True, slots=True)
class Sources:
    """Names all that the rendered data depends on, Vault's answer apart."""

    inputs: str
    login: LoginId


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """What this process remembers of an object that is in sync.

    `sources` is what the last sync was made from, `mac` that of the data then written, `due` the monotonic
    instant of the next read (None: only on a change). `restart` names the payload that some workload still has
    to be restarted for.
    """

    sources: Sources
    mac: str
    due: float | None
    restart: str = ""


def compares(wanted: VaultStaticSecret) -> bool:
    """Whether MACs are kept in status, and restarts done."""
    return bool(wanted.spec.hmac_secret_data)


def interval(wanted: VaultStaticSecret, bounds: RefreshBounds) -> float:
    """Base of the poll interval in seconds, 0 for none. Raises InvalidSpec if `refreshAfter` cannot be read."""
    seconds = bounds.in_force(seconds_of(wanted.spec.refresh_after, "spec.refreshAfter"))
    return refresh_interval(seconds, compares=compares(wanted))


def sources(wanted: VaultStaticSecret, login: LoginId, *, rendering: str, triggers: tuple[str, ...]) -> Sources:
    """What `wanted` is made from now.

    `rendering` names its filters and templates, `triggers` holds the values of the annotations that ask for a read.
    """
    meta = wanted.metadata
    return Sources(fingerprint((meta.uid, meta.generation, rendering, triggers)), login)


def claims_sync(wanted: VaultStaticSecret, triggers: tuple[str, ...]) -> bool:
    """Whether the status says that this generation is in sync and nothing is left to do."""
    status = wanted.status
    asked = {one for one in triggers[:2] if one}
    restart = find(status.conditions, ConditionType.ROLLOUT_RESTART)
    return (
        status.last_generation == wanted.metadata.generation
        and is_in_sync(status.conditions)
        and bool(status.secret_mac) == compares(wanted)
        and (restart is None or restart.status == "True")
        and asked <= {status.extensions.refreshed, status.extensions.rotated}
    )


def adopt(wanted: VaultStaticSecret, live: Destination | None, triggers: tuple[str, ...] = ()) -> str | None:
    """The MAC of the data that an earlier process left in sync; None if Vault must be asked at once."""
    if not claims_sync(wanted, triggers):
        return None
    if not wanted.spec.destination.create:
        return wanted.status.secret_mac
    if live is None or (compares(wanted) and live.mac != wanted.status.secret_mac):
        return None
    return live.mac


def reason_to_read(
    wanted: VaultStaticSecret,
    progress: Progress | None,
    live: Destination | None,
    *,
    current: Sources,
    now: float,
) -> SyncReason | None:
    """Why Vault must be asked now; None if memory and the watch say that all is as it should be."""
    if progress is None:
        return SyncReason.INITIAL if wanted.status.last_generation == 0 else SyncReason.FORCED
    if wanted.status.last_generation != wanted.metadata.generation:
        return SyncReason.UPDATED
    if progress.sources.inputs != current.inputs:
        return SyncReason.FORCED
    if progress.sources.login != current.login:
        return SyncReason.CLIENT_CHANGED
    if wanted.spec.destination.create:
        if live is None:
            return SyncReason.MISSING
        if live.mac != progress.mac or live.type != (wanted.spec.destination.type or DEFAULT_TYPE):
            return SyncReason.DRIFT
    return SyncReason.PERIODIC if progress.due is not None and now >= progress.due else None
