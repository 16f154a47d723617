"""Status conditions and event reasons: the closed sets of names, and how a new look updates old conditions.

Source: api.md sections 9 and 10.
"""

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Final

import msgspec

from vso.apis.meta import NEVER, Condition

MESSAGE_LIMIT: Final = 32768
"""Characters that the schema allows in a message."""


class ConditionType(StrEnum):
    """Aspects of an object."""

    AVAILABLE = "Available"
    DESTINATION_CONFLICT = "DestinationConflict"
    HEALTHY = "Healthy"
    LEASE_RENEWAL = "LeaseRenewal"
    READY = "Ready"
    RESOURCE_VALIDATION = "ResourceValidation"
    ROLLOUT_RESTART = "RolloutRestart"
    SECRET_SYNCED = "SecretSynced"  # noqa: S105 - a name
    TLS_VERIFICATION = "TLSVerification"
    VAULT_CLIENT = "VaultClient"
    VAULT_PING = "VaultPing"


class Reason(StrEnum):
    """Reasons of conditions."""

    ACCEPTED = "Accepted"
    CHANGED_BY_OTHERS = "ChangedByOthers"
    CLAIMED_BY_OTHERS = "ClaimedByOthers"
    HEALTHY = "Healthy"
    INVALID_CONFIGURATION = "InvalidConfiguration"
    READY = "Ready"
    ROLLOUT_RESTART_TRIGGERED = "RolloutRestartTriggered"
    ROLLOUT_RESTART_TRIGGERED_FAILED = "RolloutRestartTriggeredFailed"
    SECRET_LEASE_RENEWAL = "SecretLeaseRenewal"  # noqa: S105 - a name
    SECRET_LEASE_RENEWAL_ERROR = "SecretLeaseRenewalError"  # noqa: S105 - a name
    SERVICE_DISCONTINUED = "ServiceDiscontinued"
    SYNCED = "Synced"
    TLS_VERIFICATION_DISABLED = "TLSVerificationDisabled"
    UNHEALTHY = "Unhealthy"
    VAULT_AUTH_GLOBAL_REF = "VaultAuthGlobalRef"
    VAULT_CLIENT_CONFIG_ERROR = "VaultClientConfigError"


class EventReason(StrEnum):
    """Reasons of events."""

    ACCEPTED = "Accepted"
    CREDENTIAL_EXPIRES = "CredentialExpires"
    CREDENTIALS_LENT = "CredentialsLent"
    DESTINATION_CONFLICT = "DestinationConflict"
    EVENT_WATCHER_ERROR = "EventWatcherError"
    EVENT_WATCHER_STARTED = "EventWatcherStarted"
    HANDED_OVER = "HandedOver"
    HVS_CLIENT_CONFIG_ERROR = "HVSClientConfigError"
    HVS_SECRET_ERROR = "HVSSecretError"  # noqa: S105 - a name
    INVALID_CONFIGURATION = "InvalidConfiguration"
    INVALID_RESOURCE_REF = "InvalidResourceRef"
    K8S_CLIENT_ERROR = "K8sClientError"
    ROLLOUT_RESTART_FAILED = "RolloutRestartFailed"
    ROLLOUT_RESTART_TRIGGERED = "RolloutRestartTriggered"
    SECRET_DATA_BUILDER_ERROR = "SecretDataBuilderError"  # noqa: S105 - a name
    SECRET_LEASE_RENEWAL = "SecretLeaseRenewal"  # noqa: S105 - a name
    SECRET_LEASE_RENEWAL_ERROR = "SecretLeaseRenewalError"  # noqa: S105 - a name
    SECRET_LEASE_REVOKE = "SecretLeaseRevoke"  # noqa: S105 - a name
    SECRET_ROTATED = "SecretRotated"  # noqa: S105 - a name
    SECRET_SYNC = "SecretSync"  # noqa: S105 - a name
    SECRET_SYNCED = "SecretSynced"  # noqa: S105 - a name
    SECRET_SYNC_ERROR = "SecretSyncError"  # noqa: S105 - a name
    STATUS_UPDATE_ERROR = "StatusUpdateError"
    TRANSFORMATION_ERROR = "TransformationError"
    UNRECOVERABLE = "Unrecoverable"
    VAULT_CLIENT_CONFIG_ERROR = "VaultClientConfigError"
    VAULT_CLIENT_ERROR = "VaultClientError"
    VAULT_STATIC_SECRET_ERROR = "VaultStaticSecretError"  # noqa: S105 - a name


class NewCondition(msgspec.Struct, frozen=True, kw_only=True):
    """What a look at an object found about one aspect."""

    type: ConditionType
    status: bool
    reason: Reason
    message: str = ""


def update_conditions(
    old: Sequence[Condition],
    new: Sequence[NewCondition],
    *,
    now: datetime,
    generation: int,
    keep: Collection[str] = (),
) -> tuple[Condition, ...]:
    """`new` as conditions, behind those entries of `old` whose type is in `keep` and not in `new`.

    `new` is the complete set: other entries of `old` are stale and go. Of several entries with one type, the
    first counts. `last_transition_time` is `now`, in whole seconds, where the status differs from `old`, and
    stays where it does not; so the result equals `old` if nothing changed. Long messages are cut.
    """
    before: dict[str, Condition] = {}
    for entry in old:
        before.setdefault(entry.type, entry)
    found: dict[str, NewCondition] = {}
    for item in new:
        found.setdefault(item.type, item)
    kept = [entry for type_, entry in before.items() if type_ in keep and type_ not in found]
    made = [_condition(item, before.get(item.type), now=now, generation=generation) for item in found.values()]
    return (*kept, *made)


def _condition(item: NewCondition, before: Condition | None, *, now: datetime, generation: int) -> Condition:
    status = "True" if item.status else "False"
    known = before is not None and before.status == status and before.last_transition_time != NEVER
    return Condition(
        type=item.type.value,
        status=status,
        reason=item.reason.value,
        message=_cut(item.message),
        last_transition_time=before.last_transition_time if before and known else now.replace(microsecond=0),
        observed_generation=generation,
    )


def _cut(message: str) -> str:
    return message if len(message) <= MESSAGE_LIMIT else message[: MESSAGE_LIMIT - 1] + "…"


def find(conditions: Iterable[Condition], type_: ConditionType) -> Condition | None:
    """The entry of `type_`, if there is one."""
    return next((entry for entry in conditions if entry.type == type_), None)


def is_true(conditions: Iterable[Condition], type_: ConditionType) -> bool:
    """Whether there is an entry of `type_` with status True."""
    entry = find(conditions, type_)
    return entry is not None and entry.status == "True"


def is_in_sync(conditions: Iterable[Condition]) -> bool:
    """Whether a secret resource says that its Secret is as it should be."""
    return is_true(conditions, ConditionType.SECRET_SYNCED) and is_true(conditions, ConditionType.READY)


def health(prefix: str, *, healthy: bool) -> tuple[NewCondition, NewCondition]:
    """Healthy and Ready, which always agree; `prefix` is `kinds.Definition.condition_prefix`."""
    return (
        NewCondition(
            type=ConditionType.HEALTHY,
            status=healthy,
            reason=Reason.HEALTHY if healthy else Reason.UNHEALTHY,
            message=f"{prefix}Healthy" if healthy else f"{prefix}Unhealthy",
        ),
        NewCondition(type=ConditionType.READY, status=healthy, reason=Reason.READY, message=f"{prefix}Ready"),
    )


SERVICE_DISCONTINUED: Final = (
    "HCP Vault Secrets has been shut down, so nothing is read any more; Secrets that were synced stay as they "
    "are. Move the values to a KV engine and use a VaultStaticSecret"
)
"""What there is to say about HCPAuth and HCPVaultSecretsApp."""


def discontinued() -> tuple[NewCondition, ...]:
    """The conditions of an object whose service has ended (api.md section 4.9)."""
    return (
        NewCondition(
            type=ConditionType.READY,
            status=False,
            reason=Reason.SERVICE_DISCONTINUED,
            message=SERVICE_DISCONTINUED,
        ),
    )
