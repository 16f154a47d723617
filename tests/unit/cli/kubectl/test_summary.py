"""What the status of a secret amounts to, and how the line is shown."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from msgspec import structs

from vso.apis.meta import Condition, ObjectMeta
from vso.apis.v1beta1 import (
    HCPVaultSecretsApp,
    HCPVaultSecretsAppStatus,
    VaultDynamicSecret,
    VaultDynamicSecretSpec,
    VaultDynamicSecretStatus,
    VaultPKISecret,
    VaultPKISecretSpec,
    VaultPKISecretStatus,
    VaultSecretLease,
    VaultStaticCredsMetaData,
    VaultStaticSecret,
    VaultStaticSecretSpec,
    VaultStaticSecretStatus,
)
from vso.cli.kubectl.summary import State, in_order, summarize, summarize_ended
from vso.cli.kubectl.summary_table import View, left_of, next_of

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
UNIX = int(NOW.timestamp())
META = ObjectMeta(name="app", namespace="team", generation=2)


def condition(type_: str, status: str = "True", message: str = "") -> Condition:
    """An entry that came to be an hour ago."""
    return Condition(type=type_, status=status, message=message, last_transition_time=NOW - timedelta(hours=1))


def static(*conditions: Condition, generation: int = 2, **meta: Any) -> VaultStaticSecret:
    """A VaultStaticSecret with this status."""
    return VaultStaticSecret(
        kind="VaultStaticSecret",
        metadata=structs.replace(META, **meta),
        spec=VaultStaticSecretSpec(refresh_after="30s", hmac_secret_data=True),
        status=VaultStaticSecretStatus(last_generation=generation, conditions=conditions),
    )


@pytest.mark.parametrize(
    "secret",
    [
        VaultDynamicSecret(
            status=VaultDynamicSecretStatus(
                last_renewal_time=UNIX, secret_lease=VaultSecretLease(duration=10**12, renewable=True)
            )
        ),
        VaultDynamicSecret(status=VaultDynamicSecretStatus(last_renewal_time=10**13)),
        VaultPKISecret(status=VaultPKISecretStatus(expiration=10**13, last_rotation=UNIX)),
        VaultPKISecret(status=VaultPKISecretStatus(expiration=10**30, last_rotation=-(10**30))),
    ],
)
def test_times_beyond_all_calendars_are_not_known(secret: VaultDynamicSecret | VaultPKISecret) -> None:
    """A server may give any number; the line is shown all the same."""
    assert summarize(secret).expires is None


def test_of_a_service_that_has_ended_the_operator_s_words_are_shown() -> None:
    """Or ours, if it has not looked yet."""
    app = HCPVaultSecretsApp(kind="HCPVaultSecretsApp", metadata=META)
    assert summarize_ended(app).state is State.ENDED
    assert "has been shut down" in summarize_ended(app).message
    status = HCPVaultSecretsAppStatus(conditions=(condition("Ready", "False", "it is over"),))
    assert summarize_ended(structs.replace(app, status=status)).message == "it is over"


SYNCED, READY = condition("SecretSynced"), condition("Ready")


@pytest.mark.parametrize(
    ("secret", "state", "message"),
    [
        (static(SYNCED, READY), State.SYNCED, ""),
        (static(generation=0), State.PENDING, "has not looked at it yet"),
        (static(SYNCED, READY, generation=1), State.PENDING, "was changed"),
        (static(condition("SecretSynced", "False", "Failed, horizon=5s, err=no role")), State.FAILING, "no role"),
        (static(SYNCED, READY, deletion_timestamp=NOW, finalizers=("x/y",)), State.DELETING, "finalizer x/y"),
        (
            static(SYNCED, READY, condition("DestinationConflict", message="also named by x")),
            State.CONTESTED,
            "also named by x",
        ),
        (
            static(SYNCED, READY, condition("RolloutRestart", "False", "failed, err=web is paused")),
            State.FAILING,
            "not all workloads were restarted: web is paused",
        ),
    ],
)
def test_the_state_is_the_one_that_matters_most(secret: VaultStaticSecret, state: State, message: str) -> None:
    """One word, and the reason where something is wrong."""
    found = summarize(secret)
    assert found.state is state
    assert message in found.message
    assert found.well is (state is State.SYNCED)


def test_a_static_secret_is_read_at_its_interval() -> None:
    """In sync since the condition says so; the next read comes every so often."""
    found = summarize(static(SYNCED, READY))
    assert found.last_sync == NOW - timedelta(hours=1)
    assert next_of(found, NOW) == "every 30s"
    assert left_of(found, NOW) == "-"


def dynamic(**status: Any) -> VaultDynamicSecret:
    """A VaultDynamicSecret whose credentials were made 100 s ago."""
    return VaultDynamicSecret(
        kind="VaultDynamicSecret",
        metadata=META,
        spec=VaultDynamicSecretSpec(renewal_percent=67),
        status=VaultDynamicSecretStatus(last_renewal_time=UNIX - 100, last_generation=2, **status),
    )


def test_a_lease_shows_its_renewal_and_its_end() -> None:
    """67 percent of ten minutes, a hundred seconds of which are over."""
    found = summarize(dynamic(secret_lease=VaultSecretLease(id="x", duration=600, renewable=True)))
    assert found.last_sync == NOW - timedelta(seconds=100)
    assert next_of(found, NOW) == "5m2s"
    assert left_of(found, NOW) == "8m20s"
    assert left_of(found, NOW + timedelta(hours=1)) == "over"
    assert next_of(found, NOW + timedelta(hours=1)) == "due"


def test_credentials_that_vault_rotates_show_the_next_rotation() -> None:
    """Their ttl counts from the last read."""
    rotation = VaultStaticCredsMetaData(last_vault_rotation=UNIX - 500, rotation_period=900, ttl=400)
    found = summarize(dynamic(static_creds_meta_data=rotation))
    assert next_of(found, NOW) == left_of(found, NOW) == "5m"


def test_a_certificate_shows_its_replacement_and_its_end() -> None:
    """Ten hours long, issued an hour ago, replaced two hours before its end."""
    secret = VaultPKISecret(
        kind="VaultPKISecret",
        metadata=META,
        spec=VaultPKISecretSpec(expiry_offset="2h"),
        status=VaultPKISecretStatus(expiration=UNIX + 9 * 3600, last_rotation=UNIX - 3600, last_generation=2),
    )
    found = summarize(secret)
    assert next_of(found, NOW) == "7h"
    assert left_of(found, NOW) == "9h"


def test_what_was_never_synced_has_no_times() -> None:
    """Nothing is made up."""
    for secret in (VaultDynamicSecret(metadata=META), VaultPKISecret(metadata=META)):
        found = summarize(secret)
        assert (found.last_sync, found.next_sync, found.expires) == (None, None, None)


def test_the_columns_follow_the_options() -> None:
    """The namespace shows with -A, Secret and VaultAuth with -o wide; each row has a cell per column."""
    rows = in_order([summarize(static(SYNCED, READY)), summarize(static(SYNCED, READY, name="a"))])
    assert [one.name for one in rows] == ["a", "app"]
    for view, more in ((View(namespaces=True, wide=True), 3), (View(namespaces=False, wide=False), 0)):
        assert len(view.columns) == 7 + more
        assert {len(row) for row in view.rows(rows, NOW)} == {len(view.columns)}
