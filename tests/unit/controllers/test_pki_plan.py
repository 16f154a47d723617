"""When a certificate is replaced, by a virtual clock over many lives and leaders (regressions R25)."""

from datetime import UTC, datetime
from random import Random
from typing import Any

import pytest
from msgspec import structs

from vso.apis.meta import ObjectMeta
from vso.apis.v1beta1 import PendingCertificate, VaultPKISecret, VaultPKISecretSpec, VaultPKISecretStatus
from vso.controllers.pki_plan import (
    Progress,
    SyncReason,
    adopted,
    announced,
    due_at,
    known_serials,
    reason_to_issue,
    recovered,
    stored,
)
from vso.sync import KEY_LENGTH, Destination, Signer, Validity

START = int(datetime(2026, 1, 1, tzinfo=UTC).timestamp())
DAY = 86400
SIGNER = Signer(b"k" * KEY_LENGTH)
FRESH = Progress(inputs="i", share=0.5)
QUIET = ("", "", "")


def wanted(status: VaultPKISecretStatus | None = None, **spec: Any) -> VaultPKISecret:
    """A resource of the first generation."""
    return VaultPKISecret(
        metadata=ObjectMeta(name="web", namespace="team", uid="u", generation=1),
        spec=structs.replace(VaultPKISecretSpec(), **spec),
        status=status or VaultPKISecretStatus(),
    )


def certified(number: str = "1", *, mac: str = "m", end: int = START + 30 * DAY) -> VaultPKISecretStatus:
    """The status with a certificate in place."""
    recorded = VaultPKISecretStatus().extensions
    extensions = structs.replace(recorded, inputs="i", restarted_payload=SIGNER.record(mac))
    return VaultPKISecretStatus(
        serial_number=number,
        expiration=end,
        last_generation=1,
        last_rotation=START,
        secret_mac=mac,
        extensions=extensions,
    )


def live(begin: int = START, end: int = START + 30 * DAY, mac: str = "m") -> Destination:
    """A Secret with a certificate."""
    return Destination(mac=mac, validity=Validity(begin, end))


def pending(number: str, mac: str) -> PendingCertificate:
    """A certificate on its way."""
    return PendingCertificate(serial_number=number, expiration=START + 60 * DAY, since=START + DAY, mac=mac)


def test_twenty_lives_with_a_leader_change_in_each_issue_twenty_certificates() -> None:
    """30 days, offset 24 hours: due between 24 and 21.6 hours before the end, whoever looks (R25)."""
    rng, now = Random(7), float(START)
    one = wanted(expiry_offset="24h")
    for number in range(20):
        end = int(now) + 30 * DAY
        new = PendingCertificate(serial_number=str(number), expiration=end, since=int(now), mac=str(number))
        one = structs.replace(one, status=stored(one, new, inputs="i", record=SIGNER.record(new.mac), triggers=QUIET))
        one = structs.replace(one, status=structs.replace(one.status, last_generation=1))
        there = live(int(now), end, str(number))
        for share in (rng.random(), rng.random()):  # the leader that issued it, and its successor
            progress = adopted(one, there, fresh=Progress(inputs="i", share=share), signer=SIGNER)
            assert progress is not None
            assert progress.restart == ""
            assert reason_to_issue(one, progress, there, triggers=QUIET, signer=SIGNER) is None
            due = due_at(one, there, progress)
            assert end - 24 * 3600 <= due <= end - 0.9 * 24 * 3600
        now = due
    assert START + 20 * 29 * DAY <= now <= START + 20 * 29.1 * DAY


def test_the_certificate_in_the_secret_decides_and_status_only_where_it_cannot_be_read() -> None:
    """Never what was remembered (R25)."""
    one = wanted(certified(end=START + 30 * DAY), expiry_offset="1h")
    assert due_at(one, live(end=START + 2 * DAY), FRESH) < START + 2 * DAY
    assert due_at(one, Destination(mac="m"), FRESH) == pytest.approx(START + 30 * DAY - 0.95 * 3600)


@pytest.mark.parametrize(
    ("why", "there", "triggers"),
    [
        (None, live(), QUIET),
        (None, live(), ("1", "", "")),
        (SyncReason.MISSING, None, QUIET),
        (SyncReason.DRIFT, live(mac="other"), QUIET),
        (SyncReason.FORCED, live(), ("", "1", "")),
        (SyncReason.FORCED, live(), ("", "", "1")),
    ],
)
def test_these_reasons_issue_a_certificate(
    why: SyncReason | None, there: Destination | None, triggers: tuple[str, str, str]
) -> None:
    """And nothing else does, whatever the time."""
    assert reason_to_issue(wanted(certified()), FRESH, there, triggers=triggers, signer=SIGNER) is why


def test_a_mac_of_another_key_is_no_drift() -> None:
    """It says nothing about the data (regressions R23)."""
    status = certified()
    other = Signer(b"o" * KEY_LENGTH).record("m")
    status = structs.replace(status, extensions=structs.replace(status.extensions, restarted_payload=other))
    assert reason_to_issue(wanted(status), FRESH, live(mac="n"), triggers=QUIET, signer=SIGNER) is None


def test_a_mac_that_nobody_wrote_is_no_drift() -> None:
    """A status of another release may lack it (regressions R28)."""
    one = wanted(structs.replace(certified(), secret_mac=""))
    assert reason_to_issue(one, FRESH, live(), triggers=QUIET, signer=SIGNER) is None


def test_what_arrived_before_a_kill_is_kept_and_its_restart_made_up_for() -> None:
    """Nothing is issued a second time for the same wish; the old certificate is revoked if asked for."""
    before = wanted(certified("1", mac="m"), revoke=True)
    one = structs.replace(before, status=announced(before, pending("2", "n"), inputs="j", rotated="r"))
    status = recovered(one, live(mac="n"))
    assert (status.serial_number, status.secret_mac, status.extensions.pending) == ("2", "n", None)
    assert status.extensions.to_revoke == ("1",)
    after = structs.replace(one, status=status)
    progress = adopted(after, live(mac="n"), fresh=Progress(inputs="j", share=0.0), signer=SIGNER)
    assert progress is not None
    assert progress.restart == SIGNER.record("n")
    assert reason_to_issue(after, progress, live(mac="n"), triggers=("", "r", ""), signer=SIGNER) is None


def test_what_never_arrived_is_revoked_and_asked_for_again() -> None:
    """By a new process, and by the same one for a wish that came by annotation."""
    before = wanted(certified("1"), revoke=True)
    one = structs.replace(before, status=announced(before, pending("2", "n"), inputs="i", rotated="r"))
    assert known_serials(one) == ("1", "2")
    status = recovered(one, live())
    assert (status.serial_number, status.extensions.to_revoke) == ("1", ("2",))
    after = structs.replace(one, status=status)
    assert adopted(after, live(), fresh=FRESH, signer=SIGNER) is None
    assert reason_to_issue(after, FRESH, live(), triggers=("", "r", ""), signer=SIGNER) is SyncReason.FORCED


def test_a_take_over_from_the_original_issues_nothing() -> None:
    """Its status has no extensions: the generation tells (R28)."""
    status = structs.replace(certified(), extensions=VaultPKISecretStatus().extensions)
    assert adopted(wanted(status), live(), fresh=FRESH, signer=SIGNER) == FRESH
    assert adopted(wanted(VaultPKISecretStatus()), live(), fresh=FRESH, signer=SIGNER) is None
