"""What the status of a VaultDynamicSecret says of its credentials and leases. Pure (api.md section 4.5)."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from msgspec import structs

from vso.apis.v1beta1 import (
    LeaseToRevoke,
    PendingLease,
    VaultClientMeta,
    VaultDynamicSecret,
    VaultDynamicSecretStatus,
    VaultSecretLease,
    VaultStaticCredsMetaData,
)
from vso.controllers.member import seconds_of
from vso.sync import ClientMeta
from vso.vault import Lease, StaticCreds

MOST_TO_REVOKE: Final = 64
LOST: Final = "lost"
"""In `inputs`: what was asked for last reached no Secret, so it is to be asked for again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """Credentials that are in the Secret, and what belongs to them.

    `record` is the payload that workloads run with, `payload` that of the credentials (both as `Signer.record`).
    `parent_expires` is the end of the token in Unix seconds. `orphaned` tells that nobody can have the credentials
    before, since their Secret was gone.
    """

    lease: Lease
    creds: StaticCreds | None
    mac: str
    inputs: str
    payload: str
    record: str
    client: ClientMeta
    parent_expires: int
    triggers: tuple[str, str, str]
    orphaned: bool
    refresh_interval: str = ""


def stored(wanted: VaultDynamicSecret, new: Stored, *, unix: int) -> VaultDynamicSecretStatus:
    """The status after `new` went into the Secret at `unix`."""
    old = wanted.status
    refresh, rotate, _ = new.triggers
    extensions = structs.replace(
        old.extensions,
        restarted_payload=new.record,
        refreshed=refresh,
        rotated=rotate,
        refresh_interval=new.refresh_interval,
        inputs=new.inputs,
        written=new.mac,
        parent_expires=new.parent_expires if new.lease.id else 0,
        pending=None,
        to_revoke=_superseded(wanted, new.lease.id, orphaned=new.orphaned, unix=unix),
    )
    return structs.replace(
        old,
        last_renewal_time=unix,
        secret_lease=to_status(new.lease),
        static_creds_meta_data=_rotation_of(new.creds),
        secret_mac=new.payload.partition(":")[2] if new.creds is not None else "",
        vault_client_meta=VaultClientMeta(cache_key=new.client.cache_key, id=new.client.id),
        extensions=extensions,
    )


def renewed(
    wanted: VaultDynamicSecret, granted: Lease, *, unix: int, refresh: str, parent_expires: int
) -> VaultDynamicSecretStatus:
    """The status after the lease was prolonged."""
    old = wanted.status
    lease = structs.replace(old.secret_lease, duration=granted.duration, renewable=granted.renewable)
    extensions = structs.replace(old.extensions, refreshed=refresh, parent_expires=parent_expires)
    return structs.replace(old, secret_lease=lease, last_renewal_time=unix, extensions=extensions)


@dataclass(frozen=True, slots=True, kw_only=True)
class Announcement:
    """What is on its way into the Secret: data that `mac` stands for, and what they were asked for with."""

    lease: Lease
    mac: str
    inputs: str
    rotated: str


def announced(
    wanted: VaultDynamicSecret, new: Announcement, *, unix: int, parent_expires: int
) -> VaultDynamicSecretStatus:
    """The status while `new` is on its way: a kill from now on leads to no second request for the same."""
    pending = PendingLease(lease=to_status(new.lease), since=unix, mac=new.mac, parent_expires=parent_expires)
    extensions = structs.replace(wanted.status.extensions, pending=pending, inputs=new.inputs, rotated=new.rotated)
    return structs.replace(wanted.status, extensions=extensions)


def arrived(wanted: VaultDynamicSecret, pending: PendingLease, *, unix: int) -> VaultDynamicSecretStatus:
    """The status if the credentials of `pending` turn out to be in the Secret."""
    old = wanted.status
    extensions = structs.replace(
        old.extensions,
        pending=None,
        written=pending.mac,
        parent_expires=pending.parent_expires,
        to_revoke=_superseded(wanted, pending.lease.id, orphaned=False, unix=unix),
    )
    return structs.replace(
        old,
        secret_lease=pending.lease,
        last_renewal_time=pending.since,
        last_generation=max(old.last_generation, 1),
        extensions=extensions,
    )


def lost(wanted: VaultDynamicSecret, lease: VaultSecretLease, *, unix: int) -> VaultDynamicSecretStatus:
    """The status if the credentials of `lease`, pending or not, are in no Secret: it is to be revoked."""
    due = LeaseToRevoke(id=lease.id, after=unix, expires=unix + lease.duration)
    recorded = wanted.status.extensions
    to_revoke = _added(recorded.to_revoke, due)
    extensions = structs.replace(recorded, pending=None, to_revoke=to_revoke)
    if recorded.pending is not None:
        extensions = structs.replace(extensions, inputs=LOST, rotated="")
    return structs.replace(wanted.status, extensions=extensions)


def to_status(lease: Lease) -> VaultSecretLease:
    """`lease` as status has it."""
    return VaultSecretLease(
        id=lease.id, duration=lease.duration, renewable=lease.renewable, request_id=lease.request_id
    )


def known_leases(wanted: VaultDynamicSecret) -> list[LeaseToRevoke]:
    """Every lease that the status knows, to be revoked at once."""
    status = wanted.status
    found = [status.secret_lease.id, *(one.id for one in status.extensions.to_revoke)]
    if status.extensions.pending is not None:
        found.append(status.extensions.pending.lease.id)
    return [LeaseToRevoke(id=one) for one in dict.fromkeys(found) if one]


def _superseded(wanted: VaultDynamicSecret, new: str, *, orphaned: bool, unix: int) -> tuple[LeaseToRevoke, ...]:
    """The leases to revoke now that the credentials of the lease `new` are in the Secret.

    The lease before, if `revokeSupersededAfter` says so, or at once if its credentials are orphaned and `revoke`
    is set (regressions R21); else it runs out by itself.
    """
    spec, old, waiting = wanted.spec, wanted.status.secret_lease, wanted.status.extensions.to_revoke
    after = seconds_of(spec.extensions.revoke_superseded_after, "spec.extensions.revokeSupersededAfter")
    at_once = orphaned and spec.revoke
    if not old.id or old.id == new or not (after or at_once):
        return waiting
    expires = wanted.status.last_renewal_time + old.duration
    return _added(waiting, LeaseToRevoke(id=old.id, after=unix if at_once else unix + round(after), expires=expires))


def _added(waiting: Iterable[LeaseToRevoke], lease: LeaseToRevoke) -> tuple[LeaseToRevoke, ...]:
    """`waiting` and `lease`; of too many the oldest go, which run out first."""
    return (*(one for one in waiting if one.id != lease.id), lease)[-MOST_TO_REVOKE:]


def _rotation_of(creds: StaticCreds | None) -> VaultStaticCredsMetaData | None:
    if creds is None:
        return None
    return VaultStaticCredsMetaData(
        last_vault_rotation=creds.last_vault_rotation,
        rotation_period=creds.rotation_period,
        rotation_schedule=creds.rotation_schedule,
        ttl=creds.ttl,
    )
