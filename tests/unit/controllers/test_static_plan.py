"""When a VaultStaticSecret asks Vault, and when workloads restart: tables."""

from datetime import UTC, datetime
from typing import Any

import pytest
from msgspec.structs import replace

from vso.apis.meta import Condition, Key, ObjectMeta
from vso.apis.v1beta1 import (
    Destination as Target,
)
from vso.apis.v1beta1 import (
    RolloutRestartTarget,
    VaultStaticSecret,
    VaultStaticSecretSpec,
    VaultStaticSecretStatus,
)
from vso.controllers.member import overruled
from vso.controllers.static_plan import (
    Progress,
    Sources,
    SyncReason,
    adopt,
    interval,
    reason_to_read,
    sources,
)
from vso.sync import Destination, InvalidSpec, LoginId, RefreshBounds, ServerId

NOW = datetime(2026, 1, 1, tzinfo=UTC)
LOGIN = LoginId(ServerId(Key("a", "c"), "u1", "s"), Key("a", "v"), "u2", "l", "a")
OTHER_LOGIN = LoginId(LOGIN.server, LOGIN.auth, "u2", "changed", "a")
LIVE = Destination(metadata=ObjectMeta(name="web", namespace="app"), mac="mac")


def condition(type_: str, status: str) -> Condition:
    """One entry of the status."""
    return Condition(
        type=type_, status=status, reason="Synced", message="", last_transition_time=NOW, observed_generation=1
    )


SYNCED = VaultStaticSecretStatus(
    last_generation=1, secret_mac="mac", conditions=(condition("SecretSynced", "True"), condition("Ready", "True"))
)
SPEC = VaultStaticSecretSpec(
    mount="kv",
    path="p",
    type="kv-v2",
    hmac_secret_data=True,
    rollout_restart_targets=(RolloutRestartTarget(kind="Deployment", name="web"),),
    destination=Target(name="web", create=True),
)
WANTED = VaultStaticSecret(
    metadata=ObjectMeta(name="web", namespace="app", uid="u", generation=1), spec=SPEC, status=SYNCED
)
CURRENT = sources(WANTED, LOGIN, rendering="", triggers=("", "", ""))
PROGRESS = Progress(sources=CURRENT, mac="mac", due=100.0)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({}, None),
        ({"now": 100.0}, SyncReason.PERIODIC),
        ({"now": 99.9}, None),
        ({"progress": Progress(sources=CURRENT, mac="mac", due=None), "now": 1e9}, None),
        ({"progress": None}, SyncReason.FORCED),
        ({"progress": None, "wanted": replace(WANTED, status=VaultStaticSecretStatus())}, SyncReason.INITIAL),
        ({"wanted": replace(WANTED, metadata=replace(WANTED.metadata, generation=2))}, SyncReason.UPDATED),
        ({"live": None}, SyncReason.MISSING),
        ({"live": replace(LIVE, mac="other")}, SyncReason.DRIFT),
        ({"live": replace(LIVE, type="kubernetes.io/tls")}, SyncReason.DRIFT),
        ({"current": Sources("other", LOGIN)}, SyncReason.FORCED),
        ({"current": Sources(CURRENT.inputs, OTHER_LOGIN)}, SyncReason.CLIENT_CHANGED),
    ],
)
def test_vault_is_asked_for_a_reason_only(change: dict[str, Any], reason: SyncReason | None) -> None:
    """Memory, status and the watch decide; nothing else costs a request."""
    given: dict[str, Any] = {"wanted": WANTED, "progress": PROGRESS, "live": LIVE, "current": CURRENT, "now": 50.0}
    given |= change
    found = reason_to_read(
        given["wanted"], given["progress"], given["live"], current=given["current"], now=given["now"]
    )
    assert found is reason


@pytest.mark.parametrize(
    ("status", "live", "mac"),
    [
        (SYNCED, LIVE, "mac"),
        (VaultStaticSecretStatus(), LIVE, None),
        (replace(SYNCED, last_generation=0), LIVE, None),
        (SYNCED, None, None),
        (SYNCED, replace(LIVE, mac="other"), None),
        (replace(SYNCED, secret_mac=""), LIVE, None),
        (replace(SYNCED, conditions=(condition("SecretSynced", "False"),)), LIVE, None),
        (replace(SYNCED, conditions=(*SYNCED.conditions, condition("RolloutRestart", "False"))), LIVE, None),
        (replace(SYNCED, conditions=(*SYNCED.conditions, condition("RolloutRestart", "True"))), LIVE, "mac"),
    ],
)
def test_after_a_start_a_resource_in_sync_is_left_alone(
    status: VaultStaticSecretStatus, live: Destination | None, mac: str | None
) -> None:
    """Only if status and Secret agree; anything unfinished is looked at at once (regressions R01, R35)."""
    assert adopt(replace(WANTED, status=status), live) == mac


@pytest.mark.parametrize(
    ("text", "hmac", "seconds"),
    [("", True, 60), ("0s", True, 60), ("", False, 0), ("0s", False, 0), ("5m", True, 300), ("1.5h", False, 5400)],
)
def test_zero_and_unset_mean_the_same_interval(text: str, hmac: bool, seconds: float) -> None:
    """60 s where MACs are kept, else no polling (api.md section 4.4)."""
    spec = replace(SPEC, refresh_after=text, hmac_secret_data=hmac)
    assert interval(replace(WANTED, spec=spec), RefreshBounds()) == seconds


@pytest.mark.parametrize(
    ("asked", "seconds", "recorded"),
    [("5s", 30, "30s"), ("30s", 30, ""), ("5m", 300, ""), ("", 120, "2m0s"), ("0s", 120, "2m0s")],
)
def test_the_administrator_bounds_the_interval(asked: str, seconds: float, recorded: str) -> None:
    """What is shorter or not set is replaced, and the status tells so; the rest is left alone (D21)."""
    bounds = RefreshBounds(minimum=30, default=120)
    one = replace(WANTED, spec=replace(SPEC, refresh_after=asked))
    assert interval(one, bounds) == seconds
    assert overruled(one.spec.refresh_after, bounds) == recorded


@pytest.mark.parametrize("text", ["soon", "5", "-5m"])
def test_an_interval_that_cannot_be_read_is_named(text: str) -> None:
    """Field and value."""
    with pytest.raises(InvalidSpec, match=r"spec.refreshAfter: invalid duration"):
        interval(replace(WANTED, spec=replace(SPEC, refresh_after=text)), RefreshBounds())
