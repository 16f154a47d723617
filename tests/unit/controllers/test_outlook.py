"""What a take-over will do to a resource (D50), by kind and by what its status tells."""

from typing import Any

import pytest

from vso.apis.meta import Condition, ObjectMeta
from vso.apis.v1beta1 import (
    Destination as WantedDestination,
)
from vso.apis.v1beta1 import (
    RolloutRestartTarget,
    VaultClientMeta,
    VaultDynamicSecret,
    VaultDynamicSecretSpec,
    VaultDynamicSecretStatus,
    VaultPKISecret,
    VaultPKISecretSpec,
    VaultPKISecretStatus,
    VaultSecretLease,
    VaultStaticSecret,
    VaultStaticSecretSpec,
    VaultStaticSecretStatus,
)
from vso.controllers import Claimant, Effect, Outlook, outlook_of
from vso.sync import KEY_LENGTH, Destination, Signer, Validity

NOW = 1_800_000_000
META = ObjectMeta(name="app", namespace="team", uid="u", generation=2)
COMMON: dict[str, Any] = {
    "destination": WantedDestination(name="app", create=True),
    "rollout_restart_targets": (RolloutRestartTarget(kind="Deployment", name="web"),),
}
LIVE = Destination(mac="m", validity=Validity(NOW - 100, NOW + 1000))
RESTARTS = ("Deployment web",)


def look(wanted: Claimant, live: Destination | None = LIVE, **stored: str) -> Outlook:
    """The outlook now."""
    return outlook_of(wanted, live, signer=Signer(b"k" * KEY_LENGTH), stored=stored, unix=NOW)


def static(**status: Any) -> VaultStaticSecret:
    """A VaultStaticSecret, in sync unless the status says otherwise."""
    conditions = tuple(Condition(type=one, status="True") for one in ("SecretSynced", "Ready"))
    full = {"last_generation": 2, "secret_mac": "m", "conditions": conditions, **status}
    return VaultStaticSecret(
        metadata=META,
        spec=VaultStaticSecretSpec(hmac_secret_data=True, **COMMON),
        status=VaultStaticSecretStatus(**full),
    )


def dynamic(*, client: str = "c", lease: str = "l", **spec: Any) -> VaultDynamicSecret:
    """A VaultDynamicSecret as the original leaves it: whose token the lease hangs on is not on record."""
    status = VaultDynamicSecretStatus(
        last_generation=2,
        last_renewal_time=NOW - 10,
        secret_lease=VaultSecretLease(id=lease, duration=600, renewable=True),
        vault_client_meta=VaultClientMeta(cache_key="key", id=client),
    )
    return VaultDynamicSecret(metadata=META, spec=VaultDynamicSecretSpec(**COMMON, **spec), status=status)


def certified(**status: Any) -> VaultPKISecret:
    """A VaultPKISecret, in sync unless the status says otherwise."""
    full = {"serial_number": "1", "last_generation": 2, "last_rotation": NOW - 100, "secret_mac": "m", **status}
    return VaultPKISecret(metadata=META, spec=VaultPKISecretSpec(**COMMON), status=VaultPKISecretStatus(**full))


@pytest.mark.parametrize(
    ("wanted", "live", "effect"),
    [
        (static(), LIVE, Effect.NOTHING),
        (static(secret_mac=""), LIVE, Effect.READ),
        (static(secret_mac="other"), LIVE, Effect.READ),
        (static(conditions=()), LIVE, Effect.READ),
        (static(last_generation=1), LIVE, Effect.READ),
        (static(), None, Effect.WRITE),
        (certified(), LIVE, Effect.NOTHING),
        (certified(secret_mac=""), LIVE, Effect.NOTHING),
        (certified(secret_mac="other"), LIVE, Effect.CERTIFICATE),
        (certified(last_generation=1), LIVE, Effect.CERTIFICATE),
        (certified(serial_number=""), LIVE, Effect.CERTIFICATE),
        (certified(), None, Effect.CERTIFICATE),
        (certified(), Destination(mac="m", validity=Validity(NOW - 1000, NOW - 1)), Effect.CERTIFICATE),
        (dynamic(), None, Effect.LEASE),
        (dynamic(lease=""), LIVE, Effect.NOTHING),
        (dynamic(lease="", allow_static_creds=True), LIVE, Effect.NOTHING),
        (dynamic(lease="", allow_static_creds=True), None, Effect.READ),
    ],
)
def test_the_effect_follows_from_status_and_secret(wanted: Claimant, live: Destination | None, effect: Effect) -> None:
    """Restarts are told where new data is certain."""
    found = look(wanted, live)
    assert found.effect is effect
    assert found.restarts == (RESTARTS if effect in {Effect.LEASE, Effect.CERTIFICATE} else ())
    assert found.why


@pytest.mark.parametrize(
    ("stored", "client", "effect"),
    [
        ({"key": "c"}, "c", Effect.NOTHING),
        ({"key": ""}, "c", Effect.NOTHING),
        ({"key": "another"}, "c", Effect.LEASE),
        ({"other": "c"}, "c", Effect.LEASE),
        ({"key": "c"}, "", Effect.LEASE),
        ({}, "c", Effect.LEASE),
    ],
)
def test_a_lease_is_kept_with_the_stored_login_that_it_hangs_on(
    stored: dict[str, str], client: str, effect: Effect
) -> None:
    """By its key and, where it is not encrypted, by its token."""
    assert look(dynamic(client=client), LIVE, **stored).effect is effect


def test_what_nobody_creates_is_refused() -> None:
    """The user has to make the Secret first."""
    wanted = VaultStaticSecret(metadata=META, spec=VaultStaticSecretSpec(destination=WantedDestination(name="app")))
    assert look(wanted, None).effect is Effect.REFUSED
