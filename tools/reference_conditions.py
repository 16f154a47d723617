"""Generates docs/reference/conditions: ``python -m tools.reference_conditions FOLDER``.

The names come from the enums in `vso.apis.conditions`; where each is used is read from the code, so a name that
nothing uses is told as such. What a name means stands here; a name without a meaning is an error.
"""

import ast
import sys
from collections import defaultdict
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Final

from tools.reference import code, generated, sentence, table
from vso.apis.conditions import ConditionType as Type
from vso.apis.conditions import EventReason as Event
from vso.apis.conditions import Reason

_SOURCE: Final = Path("src/vso")
_SECRETS: Final = "VaultStaticSecret, VaultDynamicSecret, VaultPKISecret"

_CONDITIONS: Final[Mapping[Type, tuple[str, str, str]]] = {
    Type.SECRET_SYNCED: (
        _SECRETS,
        "The Secret holds what Vault holds. The message has the time until the next look, `horizon=`.",
        (
            "The last attempt failed. The message has the cause, `err=`, and the time until the next attempt, "
            "`horizon=`. `horizon=0s`: only a change of an object helps."
        ),
    ),
    Type.READY: (
        "all but VaultAuthGlobal and CSISecrets",
        "The object can be used.",
        "It cannot. The reason is `Ready` here as well; another condition has the cause.",
    ),
    Type.HEALTHY: ("as Ready", "As Ready.", "As Ready."),
    Type.ROLLOUT_RESTART: (
        _SECRETS,
        "All workloads in `rolloutRestartTargets` were restarted after the last change of the data.",
        "Some could not be restarted; the message has the errors.",
    ),
    Type.DESTINATION_CONFLICT: (
        _SECRETS,
        "Another resource names the same Secret, or somebody changes the Secret again and again.",
        "Never: the condition goes when the conflict ends.",
    ),
    Type.LEASE_RENEWAL: (
        "VaultDynamicSecret",
        "The lease was renewed.",
        "Never by this operator.",
    ),
    Type.AVAILABLE: (
        "VaultAuth with `vaultAuthGlobalRef`",
        "The VaultAuthGlobal was found and merged; the message names it.",
        "It was not; the message has the cause.",
    ),
    Type.VAULT_PING: (
        "VaultConnection",
        "The server answers, is initialized and unsealed.",
        "It does not answer, or is sealed, or requests fail although it says that all is well.",
    ),
    Type.VAULT_CLIENT: (
        "VaultConnection",
        "Never.",
        "The fields cannot be used: a CA that is missing or malformed, a header or an address that is refused.",
    ),
    Type.RESOURCE_VALIDATION: ("VaultConnection", "No error was found.", "An error was found; `errs=`."),
    Type.TLS_VERIFICATION: (
        "VaultConnection",
        "Never: no condition is written while certificates are verified.",
        "`skipTLSVerify` is on, so the server may be anybody.",
    ),
}

_REASONS: Final[Mapping[Reason, str]] = {
    Reason.ACCEPTED: "the VaultConnection is in order",
    Reason.CHANGED_BY_OTHERS: "somebody changes the Secret again and again, so it is repaired at longer intervals",
    Reason.CLAIMED_BY_OTHERS: "another resource names the same Secret; the oldest of them writes it",
    Reason.HEALTHY: "of `Healthy`, when True",
    Reason.INVALID_CONFIGURATION: "the VaultConnection, or the server behind it, is not in order",
    Reason.READY: "of `Ready`, whether True or False",
    Reason.ROLLOUT_RESTART_TRIGGERED: "all workloads were restarted",
    Reason.ROLLOUT_RESTART_TRIGGERED_FAILED: "some workloads were not restarted",
    Reason.SECRET_LEASE_RENEWAL: "the lease was renewed, or is not due yet",
    Reason.SECRET_LEASE_RENEWAL_ERROR: "the lease could not be renewed",
    Reason.SERVICE_DISCONTINUED: "the object belongs to HCP Vault Secrets, which has ended",
    Reason.SYNCED: "of `SecretSynced`, whether True or False",
    Reason.TLS_VERIFICATION_DISABLED: "`skipTLSVerify` is on",
    Reason.UNHEALTHY: "of `Healthy`, when False",
    Reason.VAULT_AUTH_GLOBAL_REF: "the VaultAuth refers to a VaultAuthGlobal",
    Reason.VAULT_CLIENT_CONFIG_ERROR: "no client can be made of the VaultConnection",
}

_EVENTS: Final[Mapping[Event, tuple[str, str, str]]] = {
    Event.ACCEPTED: (
        "VaultConnection, VaultAuth",
        "Normal, Warning",
        "The object was checked. As a Warning, on a VaultAuth, it has the error.",
    ),
    Event.CREDENTIAL_EXPIRES: ("VaultAuth", "Warning", "The AppRole's secret id is in the last fifth of its life."),
    Event.CREDENTIALS_LENT: (
        "VaultAuth",
        "Normal",
        "Another namespace logs in with this VaultAuth's own credentials for the first time.",
    ),
    Event.DESTINATION_CONFLICT: (_SECRETS, "Warning", "As the condition of that name."),
    Event.EVENT_WATCHER_ERROR: ("VaultStaticSecret", "Warning", "The subscription to Vault's events broke."),
    Event.EVENT_WATCHER_STARTED: ("VaultStaticSecret", "Normal", "Vault's events are subscribed to."),
    Event.HANDED_OVER: (_SECRETS, "Normal", "The object belongs to another installation from now on; which, it says."),
    Event.HVS_CLIENT_CONFIG_ERROR: ("HCPVaultSecretsApp", "Warning", "Of the service that has ended."),
    Event.HVS_SECRET_ERROR: ("HCPVaultSecretsApp", "Warning", "Of the service that has ended."),
    Event.INVALID_CONFIGURATION: (
        "VaultConnection, SecretTransformation",
        "Warning",
        "The VaultConnection is not usable; a template does not parse.",
    ),
    Event.INVALID_RESOURCE_REF: ("VaultAuth", "Warning", "A reference is malformed."),
    Event.K8S_CLIENT_ERROR: (
        "VaultPKISecret",
        "Warning",
        (
            "The certificate could not be issued, read or revoked. The name is the original's; the message has "
            "the cause."
        ),
    ),
    Event.ROLLOUT_RESTART_FAILED: (_SECRETS, "Warning", "A workload could not be restarted."),
    Event.ROLLOUT_RESTART_TRIGGERED: (_SECRETS, "Normal", "A workload was restarted."),
    Event.SECRET_DATA_BUILDER_ERROR: (
        "VaultStaticSecret",
        "Warning",
        "Vault's answer cannot become a Secret: a key that Kubernetes refuses, too much data, a template that fails.",
    ),
    Event.SECRET_LEASE_RENEWAL: (
        "VaultDynamicSecret",
        "Normal",
        (
            "A renewal granted less time than the lease had; new credentials follow. Other renewals show in the "
            "condition `LeaseRenewal` alone."
        ),
    ),
    Event.SECRET_LEASE_RENEWAL_ERROR: (
        "VaultDynamicSecret",
        "Warning",
        "The lease could not be renewed; new credentials follow.",
    ),
    Event.SECRET_LEASE_REVOKE: (
        "VaultDynamicSecret",
        "Normal, Warning",
        "A lease was revoked. As a Warning: it could not be.",
    ),
    Event.SECRET_ROTATED: (
        "VaultDynamicSecret, VaultPKISecret",
        "Normal",
        "New credentials, or a new certificate, replaced earlier ones.",
    ),
    Event.SECRET_SYNC: (_SECRETS, "Normal", "A Secret was synced."),
    Event.SECRET_SYNCED: (
        _SECRETS,
        "Normal",
        "The Secret was written: of a VaultStaticSecret each time, of the others the first time.",
    ),
    Event.SECRET_SYNC_ERROR: (_SECRETS, "Warning", "The Secret could not be written, or belongs to somebody else."),
    Event.STATUS_UPDATE_ERROR: (_SECRETS, "Warning", "The status could not be written."),
    Event.TRANSFORMATION_ERROR: (
        _SECRETS,
        "Warning",
        "A SecretTransformation is missing or invalid, or two templates have one name.",
    ),
    Event.UNRECOVERABLE: (
        _SECRETS,
        "Warning",
        (
            "There is nothing to log in with: an object is missing, malformed or not allowed. Reported by "
            "`vaultClientFactory`, before the event of the kind."
        ),
    ),
    Event.VAULT_CLIENT_CONFIG_ERROR: (
        _SECRETS,
        "Warning",
        "The login was refused, or there is nothing to log in with.",
    ),
    Event.VAULT_CLIENT_ERROR: (
        "VaultConnection, VaultStaticSecret",
        "Warning",
        "Vault does not answer, or refuses the request.",
    ),
    Event.VAULT_STATIC_SECRET_ERROR: ("VaultStaticSecret", "Warning", "A field of the spec cannot be used."),
}

_INTRODUCTION: Final = (
    "# Conditions and events\n\n"
    "`kubectl describe` shows both. A condition says how an object is now; an event says what happened. An event is "
    "written when a state changes, not at each attempt. No message holds a secret value.\n\n"
    "Wait for a resource with `kubectl wait --for=condition=SecretSynced vaultstaticsecret/NAME`.\n\n"
)


def page(used: Mapping[str, set[str]]) -> str:
    """The page; `used` has the names that the code uses, by enum."""
    return (
        "".join(
            (
                generated("src/vso/apis/conditions.py and the code that uses it"),
                _INTRODUCTION,
                "## Types of conditions\n\n",
                table(
                    ("Type", "Kinds", "True", "False"),
                    [(code(one), *_CONDITIONS[one]) for one in Type],
                ),
                "## Reasons of conditions\n\n",
                table(
                    ("Reason", "Meaning"),
                    [(code(one), sentence(_REASONS[one]) + _unused(one, used)) for one in Reason],
                ),
                "## Reasons of events\n\n",
                table(
                    ("Reason", "Kinds", "Type", "What happened"),
                    [(code(one), *_EVENTS[one][:2], _EVENTS[one][2] + _unused(one, used)) for one in Event],
                ),
            )
        ).rstrip()
        + "\n"
    )


def names_in_use() -> Mapping[str, set[str]]:
    """The members of the enums that the code names, by the name of the enum."""
    found: dict[str, set[str]] = defaultdict(set)
    for path in sorted(_SOURCE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
                found[node.value.id].add(node.attr)
    return found


def _unused(member: StrEnum, used: Mapping[str, set[str]]) -> str:
    known = member.name in used.get(type(member).__name__, set())
    return "" if known else " *This version does not write it.*"


def write(folder: Path) -> None:
    """Write the page into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "README.md").write_text(page(names_in_use()), encoding="utf-8")


if __name__ == "__main__":
    write(Path(sys.argv[1]))
