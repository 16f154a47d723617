"""What a take-over will do to a resource, told from what stands in the cluster: for ``--dry-run-takeover`` (D50). Pure.

The same decisions as at a start of the operator, before Vault is asked for anything. What only Vault knows is said
to depend on it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from vso.apis.v1beta1 import VaultDynamicSecret, VaultPKISecret, VaultStaticSecret
from vso.controllers import dynamic_plan, pki_plan, static_plan
from vso.controllers.delivery import triggers
from vso.controllers.world import Claimant
from vso.sync import Destination, Signer

_NOBODY: Final = 0.5
"""Share of a window in which chance would put a resource."""


class Effect(StrEnum):
    """The gravest thing that happens."""

    NOTHING = "nothing"
    READ = "read"
    """Vault is read at once, and the Secret written only if it holds something else."""
    WRITE = "write"
    LEASE = "lease"
    """New credentials, which replace those in the Secret."""
    CERTIFICATE = "certificate"
    REFUSED = "refused"
    """Nothing can be done before somebody mends what is told."""


@dataclass(frozen=True, slots=True)
class Outlook:
    """What happens to one resource, and why; `restarts` names the workloads that are restarted then."""

    effect: Effect
    why: str
    restarts: tuple[str, ...] = ()


def outlook_of(
    wanted: Claimant, live: Destination | None, *, signer: Signer, stored: Mapping[str, str], unix: float
) -> Outlook:
    """The outlook of `wanted`, whose Secret is `live`.

    `stored` has the cache key of each stored login, with the identity of its token, "" if that is encrypted; `unix` is
    the present.
    """
    destination = wanted.spec.destination
    if live is None and not destination.create:
        return Outlook(Effect.REFUSED, f"Secret {destination.name} does not exist, and create is not set")
    if isinstance(wanted, VaultStaticSecret):
        return _of_static(wanted, live)
    if isinstance(wanted, VaultPKISecret):
        return _of_certificate(wanted, live, signer=signer, unix=unix)
    return _of_dynamic(wanted, live, stored=stored, unix=unix)


def _of_static(wanted: VaultStaticSecret, live: Destination | None) -> Outlook:
    if live is None:
        return Outlook(Effect.WRITE, "its Secret does not exist")
    if static_plan.adopt(wanted, live, triggers(wanted)) is not None:
        return Outlook(Effect.NOTHING, "in sync; Vault is read when its interval is over")
    mac = wanted.status.secret_mac
    why = "its Secret is not as the last sync left it" if mac and live.mac != mac else "its status is not complete"
    return Outlook(Effect.READ, why)


def _of_certificate(wanted: VaultPKISecret, live: Destination | None, *, signer: Signer, unix: float) -> Outlook:
    fresh = pki_plan.Progress(inputs=wanted.status.extensions.inputs, share=_NOBODY, resync=triggers(wanted)[2])
    progress = pki_plan.adopted(wanted, live, fresh=fresh, signer=signer)
    reason = pki_plan.reason_to_issue(wanted, progress, live, triggers=triggers(wanted), signer=signer)
    if reason is not None:
        return Outlook(Effect.CERTIFICATE, f"{reason.value}: {_missing(wanted, live)}", _targets(wanted))
    left = pki_plan.due_at(wanted, live, fresh) - unix
    if left <= 0:
        return Outlook(Effect.CERTIFICATE, "its renewal is due", _targets(wanted))
    return Outlook(Effect.NOTHING, f"its certificate is replaced in about {left:.0f} s")


def _of_dynamic(
    wanted: VaultDynamicSecret, live: Destination | None, *, stored: Mapping[str, str], unix: float
) -> Outlook:
    status = wanted.status
    fresh = dynamic_plan.Progress(inputs=status.extensions.inputs, since=0.0, share=1.0)
    progress = dynamic_plan.adopted(wanted, live, fresh=fresh, unix=unix, payload=status.extensions.restarted_payload)
    leased = bool(status.secret_lease.id)
    if wanted.spec.allow_static_creds and not leased:
        return Outlook(Effect.READ if progress is None else Effect.NOTHING, "Vault rotates its credentials")
    if progress is None:
        return Outlook(Effect.LEASE, _missing(wanted, live), _targets(wanted))
    written = status.extensions.written
    if live is not None and written and live.mac != written:
        return Outlook(Effect.LEASE, "its Secret is not as the last sync left it", _targets(wanted))
    if not leased:
        return Outlook(Effect.NOTHING, "it has no lease; Vault is read when its interval is over")
    meta = status.vault_client_meta
    base = next((key for key in stored if meta.cache_key == key or meta.cache_key.startswith(f"{key}-")), None)
    if base is not None and meta.id and stored[base] in {"", meta.id}:
        return Outlook(Effect.NOTHING, "its lease goes on with the stored login")
    if progress.replace_by is None:
        return Outlook(Effect.NOTHING, "its lease hangs on a token that never ends")
    when = f"within {progress.replace_by:.0f} s" if progress.replace_by > 0 else "at once"
    return Outlook(Effect.LEASE, f"{when}, since the login that its lease hangs on is not stored", _targets(wanted))


def _missing(wanted: VaultDynamicSecret | VaultPKISecret, live: Destination | None) -> str:
    if live is None:
        return "its Secret does not exist"
    if wanted.status.last_generation != wanted.metadata.generation:
        return "its spec was changed since the last sync"
    return "its status and its Secret do not tell that it is in sync"


def _targets(wanted: Claimant) -> tuple[str, ...]:
    return tuple(f"{one.kind} {one.name}" for one in wanted.spec.rollout_restart_targets)
