"""Decisions of the VaultPKISecret controller, and what its status says. Pure (behaviour.md section 7).

The schedule follows from the certificate in the Secret: an operator that starts issues nothing for it.
"""

from dataclasses import dataclass, replace
from enum import StrEnum
from math import inf
from typing import Final

from msgspec import structs

from vso.apis.v1beta1 import PendingCertificate, VaultPKISecret, VaultPKISecretStatus
from vso.controllers.member import seconds_of
from vso.sync import Destination, Renewal, Signer, Validity, replace_at
from vso.vault import PKIRequest

MOST_TO_REVOKE: Final = 64
_LEAST_USE: Final = 0.1
_LEAST_SECONDS: Final = 1.0
_LOST: Final = "lost"
"""In `inputs`: the certificate asked for last reached no Secret, so another is to be asked for."""


class SyncReason(StrEnum):
    """Why a certificate is issued."""

    INITIAL = "InitialSync"
    FORCED = "ForceSync"
    UPDATED = "ResourceUpdated"
    MISSING = "InexistentDestination"
    DRIFT = "SecretDataDrift"
    DUE = "InRenewalWindow"


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """What this process remembers of a certificate that is in place.

    `inputs` names what it was requested and rendered with, `share` (0 to 1) spreads renewals, `restart` names the
    payload that some workload still has to be restarted for. `rests_until` is the monotonic instant before which a
    certificate that this process had made is not due.
    """

    inputs: str
    share: float
    resync: str = ""
    restart: str = ""
    rests_until: float = -inf


def request_of(wanted: VaultPKISecret) -> PKIRequest:
    """What to ask the PKI engine for."""
    spec = wanted.spec
    return PKIRequest(
        mount=spec.mount,
        role=spec.role,
        issuer_ref=spec.issuer_ref,
        common_name=spec.common_name,
        alt_names=spec.alt_names,
        ip_sans=spec.ip_sans,
        uri_sans=spec.uri_sans,
        other_sans=spec.other_sans,
        user_ids=spec.user_ids,
        ttl=spec.ttl,
        not_after=spec.not_after,
        format=spec.format,
        private_key_format=spec.private_key_format,
        exclude_cn_from_sans=spec.exclude_cn_from_sans,
    )


def adopted(wanted: VaultPKISecret, live: Destination | None, *, fresh: Progress, signer: Signer) -> Progress | None:
    """What an earlier process left in place, as `fresh`; None if a certificate must be issued."""
    status, recorded = wanted.status, wanted.status.extensions
    if not status.serial_number or live is None:
        return None
    if recorded.inputs and recorded.inputs != fresh.inputs:
        return None
    if not recorded.inputs and status.last_generation != wanted.metadata.generation:
        return None
    payload = signer.record(status.secret_mac)
    known = recorded.restarted_payload
    missed = signer.is_comparable(known) and known != payload
    return replace(fresh, restart=payload if missed else "")


def reason_to_issue(
    wanted: VaultPKISecret,
    progress: Progress | None,
    live: Destination | None,
    *,
    triggers: tuple[str, str, str],
    signer: Signer,
) -> SyncReason | None:
    """Why a certificate must be issued whatever the time; None if the one in place will do."""
    status = wanted.status
    if progress is None:
        return SyncReason.FORCED if status.serial_number else SyncReason.INITIAL
    _, rotate, resync = triggers
    if (rotate and rotate != status.extensions.rotated) or resync != progress.resync:
        return SyncReason.FORCED
    if live is None:
        return SyncReason.MISSING
    mac, known = status.secret_mac, status.extensions.restarted_payload
    # A MAC made with another key than today's says nothing (regressions R23), nor does one that nobody wrote (R28).
    if mac and live.mac != mac and (not known or signer.is_comparable(known)):
        return SyncReason.DRIFT
    return None


def due_at(wanted: VaultPKISecret, live: Destination | None, progress: Progress) -> float:
    """When to replace the certificate, in Unix seconds. Raises InvalidSpec for an offset that cannot be read."""
    status, spec = wanted.status, wanted.spec
    valid = live.validity if live is not None else None
    renewal = Renewal(
        offset=seconds_of(spec.expiry_offset, "spec.expiryOffset"),
        percent=spec.extensions.renew_at_percent or 0,
        share=progress.share,
    )
    return replace_at(valid or Validity(status.last_rotation, status.expiration), renewal)


def rest(valid: Validity) -> float:
    """Seconds for which a new certificate is used in any case, be it due by the clock at once.

    The operator's clock may be ahead of Vault's, the offset longer than the lifetime, or the CA about to end: without
    that, certificates would be made and workloads restarted as fast as the servers answer.
    """
    return max((valid.end - valid.begin) * _LEAST_USE, _LEAST_SECONDS)


def announced(
    wanted: VaultPKISecret, pending: PendingCertificate, *, inputs: str, rotated: str
) -> VaultPKISecretStatus:
    """The status while a certificate is on its way: a kill from now on leads to no second one for the same."""
    extensions = structs.replace(wanted.status.extensions, pending=pending, inputs=inputs, rotated=rotated)
    return structs.replace(wanted.status, extensions=extensions)


def recovered(wanted: VaultPKISecret, live: Destination | None) -> VaultPKISecretStatus:
    """The status after an interrupted attempt: its certificate is in the Secret, or it is nobody's."""
    status, pending = wanted.status, wanted.status.extensions.pending
    if pending is None:
        return status
    if live is not None and live.mac == pending.mac:
        old = status.serial_number
        return structs.replace(
            status,
            serial_number=pending.serial_number,
            expiration=pending.expiration,
            last_rotation=pending.since,
            secret_mac=pending.mac,
            extensions=structs.replace(status.extensions, pending=None, to_revoke=_to_revoke(wanted, old)),
        )
    to_revoke = _to_revoke(wanted, pending.serial_number)
    extensions = structs.replace(status.extensions, pending=None, to_revoke=to_revoke, inputs=_LOST, rotated="")
    return structs.replace(status, extensions=extensions)


def stored(
    wanted: VaultPKISecret, new: PendingCertificate, *, inputs: str, record: str, triggers: tuple[str, str, str]
) -> VaultPKISecretStatus:
    """The status after `new` went into the Secret."""
    old = wanted.status
    extensions = structs.replace(
        old.extensions,
        restarted_payload=record,
        refreshed=triggers[0],
        rotated=triggers[1],
        inputs=inputs,
        pending=None,
        to_revoke=_to_revoke(wanted, old.serial_number),
    )
    return structs.replace(
        old,
        serial_number=new.serial_number,
        expiration=new.expiration,
        last_rotation=new.since,
        secret_mac=new.mac,
        extensions=extensions,
    )


def known_serials(wanted: VaultPKISecret) -> tuple[str, ...]:
    """The serial numbers of all certificates that the status knows."""
    status = wanted.status
    pending = status.extensions.pending
    found = (status.serial_number, *status.extensions.to_revoke, pending.serial_number if pending else "")
    return tuple(dict.fromkeys(one for one in found if one))


def discarded(wanted: VaultPKISecret, serials: tuple[str, ...]) -> VaultPKISecretStatus:
    """The status if the certificates `serials` are in no Secret, and still to be revoked."""
    recorded = wanted.status.extensions
    extensions = structs.replace(recorded, to_revoke=tuple(dict.fromkeys((*recorded.to_revoke, *serials))))
    return structs.replace(wanted.status, extensions=extensions)


def _to_revoke(wanted: VaultPKISecret, serial: str) -> tuple[str, ...]:
    waiting = wanted.status.extensions.to_revoke
    if not serial or not wanted.spec.revoke:
        return waiting
    return (*(one for one in waiting if one != serial), serial)[-MOST_TO_REVOKE:]
