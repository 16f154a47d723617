"""Which payload the workloads of a VaultDynamicSecret run with, and when its Secret keeps the data it has. Pure.

A payload is what a change of must restart workloads (regressions section 0); it goes by the name that
`Signer.record` gives it.
"""

from collections.abc import Mapping
from typing import Final

from vso.apis.v1beta1 import VaultDynamicSecret
from vso.controllers.dynamic_attempt import Answer
from vso.controllers.restarter import Payload
from vso.sync import Destination, Signer

_UNKNOWN: Final = "unknown"
_UNSEEN: Final = frozenset({"ttl", "rotation_period", "rotation_schedule", "last_vault_rotation", "_raw"})
"""Keys of rotated credentials that move without any rotation (regressions R03)."""


def payload_of(data: Mapping[str, bytes], signer: Signer, *, static: bool) -> str:
    """The payload in the `data` of a Secret; `static` tells of credentials that Vault rotates."""
    payload = {name: value for name, value in data.items() if not static or name not in _UNSEEN}
    return signer.record(signer.mac(payload))


def is_recorded(wanted: VaultDynamicSecret, signer: Signer) -> bool:
    """Whether the status has a usable record of the payload that workloads run with."""
    return signer.is_comparable(wanted.status.extensions.restarted_payload)


def is_as_written(wanted: VaultDynamicSecret, live: Destination | None) -> bool:
    """Whether the Secret holds what the status says was written last, as far as it says so."""
    return live is None or live.mac == (wanted.status.extensions.written or live.mac)


def assumed_payload(wanted: VaultDynamicSecret, live: Destination | None, signer: Signer) -> str | None:
    """The payload to assume where nothing is recorded and data cannot be compared; None if there was none.

    A Secret that was there before the first sync counts: its users need a restart (regressions section 0).
    """
    return signer.record(_UNKNOWN) if live is not None or wanted.status.last_generation else None


def mac_to_write(
    wanted: VaultDynamicSecret, live: Destination | None, *, answer: Answer, payload: Payload, signer: Signer
) -> str:
    """The MAC of the data to be in the Secret: what is there stays, if nothing but times moved (R03)."""
    known = payload.record if signer.is_comparable(payload.record) else payload.before
    untouched = is_as_written(wanted, live)
    if live is not None and untouched and answer.creds is not None and known == payload.now:
        return live.mac
    return signer.mac(answer.rendered.data.reveal())
