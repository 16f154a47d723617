"""When credentials are renewed, read or replaced, by a virtual clock over many lives and leaders."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from vso.apis.meta import Condition, ObjectMeta
from vso.apis.v1beta1 import (
    VaultDynamicSecret,
    VaultDynamicSecretSpec,
    VaultDynamicSecretStatus,
    VaultSecretLease,
    VaultStaticCredsMetaData,
)
from vso.controllers.dynamic_plan import (
    NEVER_ENDS,
    Act,
    Progress,
    ReadLimits,
    SyncReason,
    View,
    adopted,
    awaits_rotation,
    comparable,
    due_at,
    is_outdated,
    look_again,
    next_act,
    pause,
)
from vso.sync import Destination, RefreshBounds, Signer
from vso.vault import StaticCreds

START = datetime(2026, 1, 1, tzinfo=UTC).timestamp()
LIVE = Destination(mac="m")
FREE = ReadLimits(0.0, RefreshBounds())
FRESH = Progress(inputs="i", since=0.0, share=0.5)
QUIET = ("", "", "")


def wanted(status: VaultDynamicSecretStatus | None = None, **spec: object) -> VaultDynamicSecret:
    """A resource of the first generation."""
    return VaultDynamicSecret(
        metadata=ObjectMeta(name="app", namespace="team", uid="u", generation=1),
        spec=structs.replace(VaultDynamicSecretSpec(), **spec),
        status=status or VaultDynamicSecretStatus(),
    )


def leased(duration: int = 600, *, renewable: bool = True, at: float = START) -> VaultDynamicSecretStatus:
    """The status after a lease of `duration` seconds was taken or renewed at `at`."""
    lease = VaultSecretLease(id="l", duration=duration, renewable=renewable)
    return VaultDynamicSecretStatus(last_generation=1, last_renewal_time=int(at), secret_lease=lease)


def rotated(ttl: int, *, last: float = START, schedule: str = "", at: float = START) -> VaultDynamicSecretStatus:
    """The status after rotated credentials were read at `at`."""
    meta = VaultStaticCredsMetaData(
        last_vault_rotation=int(last), rotation_period=0 if schedule else 600, rotation_schedule=schedule, ttl=ttl
    )
    return VaultDynamicSecretStatus(last_generation=1, last_renewal_time=int(at), static_creds_meta_data=meta)


def look(
    one: VaultDynamicSecret, progress: Progress | None = FRESH, *, now: float = 0.0, **view: object
) -> tuple[Act, SyncReason]:
    """What is to be done with `one`, whose Secret is in place, at `now`."""
    members = {"live": LIVE, "inputs": "i", "triggers": QUIET, "replace_at": None, **view}
    return next_act(View(wanted=one, progress=progress, now=now, **members), limits=FREE)  # type: ignore[arg-type]


@given(st.integers(1, 10**7), st.integers(0, 90), st.floats(0, 1, exclude_max=True), st.booleans(), st.booleans())
def test_every_lease_is_looked_at_within_its_window(
    duration: int, percent: int, share: float, renewable: bool, leaseless: bool
) -> None:
    """Between renewalPercent and a tenth of the lease later, and before its end (behaviour.md section 0.4)."""
    status = leased(0 if leaseless else duration, renewable=renewable)
    if leaseless:
        status = structs.replace(status, secret_lease=VaultSecretLease())
    one = wanted(status, renewal_percent=percent, refresh_after=f"{duration}s")
    due = due_at(one, Progress(inputs="", since=0.0, share=share), limits=FREE)
    assert due is not None
    assert duration * percent / 100 <= due + 1e-6
    assert due <= duration * min(percent / 100 + 0.1, 0.95) + 1e-6


@given(st.integers(-5, 10**7), st.floats(0, 1, exclude_max=True), st.sampled_from(["", "* * * * *"]))
def test_rotated_credentials_are_read_right_after_their_ttl(ttl: int, share: float, schedule: str) -> None:
    """0 to 1 s after it ended, never before (regressions R17)."""
    due = due_at(wanted(rotated(ttl, schedule=schedule)), Progress(inputs="", since=100.0, share=share), limits=FREE)
    assert due is not None
    assert 0 < due - 100.0 - max(ttl, 0) <= 1


@given(st.floats(1, 1e5), st.floats(0, 1, exclude_max=True))
def test_a_poll_ceiling_bounds_the_time_between_reads(ceiling: float, share: float) -> None:
    """At least 0.8 and at most 0.9 of it (D18, regressions R18)."""
    due = due_at(
        wanted(rotated(10**7)), Progress(inputs="", since=0.0, share=share), limits=ReadLimits(ceiling, RefreshBounds())
    )
    assert due is not None
    assert 0.8 * ceiling <= due <= 0.9 * ceiling + 1e-9


def test_what_has_neither_lease_nor_interval_is_read_once() -> None:
    """Then only a change leads to another read (regressions R19)."""
    status = structs.replace(leased(), secret_lease=VaultSecretLease())
    assert due_at(wanted(status), FRESH, limits=FREE) is None
    assert look(wanted(status), now=1e9) == (Act.KEEP, SyncReason.PERIODIC)


def test_leases_over_many_lives_and_leaders_are_renewed_once_per_window() -> None:
    """A leader change in each life costs nothing while the token lives on: the schedule is in the status."""
    rng, unix, renewals = Random(3), START, []
    one = wanted(leased(at=unix))
    for _ in range(40):
        booted = unix + rng.uniform(0, 400)  # a new process, whose monotonic clock begins at 0
        fresh = Progress(inputs="i", since=0.0, share=rng.random())
        status = structs.replace(
            one.status, extensions=structs.replace(one.status.extensions, inputs="i", parent_expires=NEVER_ENDS)
        )
        one = structs.replace(one, status=status)
        progress = adopted(one, LIVE, fresh=fresh, unix=booted, payload="p")
        assert progress is not None
        assert progress.replace_by is None
        due = due_at(one, progress, limits=FREE)
        assert due is not None
        assert look(one, progress, now=due - 0.01)[0] is Act.KEEP
        assert look(one, progress, now=due + 0.01)[0] is Act.RENEW
        unix = booted + max(due, 0.0)
        renewals.append(unix)
        one = structs.replace(one, status=structs.replace(one.status, last_renewal_time=round(unix)))
    gaps = [after - before for before, after in pairwise(renewals)]
    assert all(600 * 0.67 - 1 <= gap <= 600 * 0.77 + 1 for gap in gaps)


@given(st.integers(-100, 10**6), st.floats(0, 1, exclude_max=True))
def test_a_successor_replaces_leases_before_the_recorded_end_of_their_token(left: int, share: float) -> None:
    """At once if it is past or unknown, else spread over the time left but for the margin (regressions R01)."""
    status = leased(10**7, at=START)
    extensions = structs.replace(status.extensions, inputs="i", parent_expires=int(START) + left)
    one = wanted(structs.replace(status, extensions=extensions))
    fresh = Progress(inputs="i", since=50.0, share=share)
    progress = adopted(one, LIVE, fresh=fresh, unix=START, payload="p")
    assert progress is not None
    assert progress.replace_by is not None
    assert 50.0 <= progress.replace_by <= 50.0 + max(left - max(left * 0.1, 5.0), 0.0)
    assert look(one, progress, now=progress.replace_by) == (Act.FETCH, SyncReason.TOKEN_ROTATED)


@pytest.mark.parametrize(
    ("why", "changes"),
    [
        (SyncReason.MISSING, {"live": None}),
        (SyncReason.UPDATED, {"inputs": "other"}),
        (SyncReason.FORCED, {"triggers": ("", "1", "")}),
        (SyncReason.FORCED, {"triggers": ("", "", "1")}),
        (SyncReason.TOKEN_ROTATED, {"replace_at": -1.0}),
    ],
)
def test_these_reasons_fetch_new_credentials(why: SyncReason, changes: dict[str, Any]) -> None:
    """And nothing else does (D23)."""
    one = wanted(leased())
    if why is SyncReason.UPDATED:
        one = structs.replace(one, metadata=structs.replace(one.metadata, generation=2))
    assert look(one) == (Act.KEEP, SyncReason.PERIODIC)
    assert look(one, **changes) == (Act.FETCH, why)


def test_a_refresh_on_demand_renews_a_lease_and_reads_what_has_none() -> None:
    """Once per value of the annotation (D16)."""
    asked = ("1", "", "")
    assert look(wanted(leased()), triggers=asked)[0] is Act.RENEW
    assert look(wanted(leased(renewable=False)), triggers=asked)[0] is Act.FETCH
    status = leased()
    done = structs.replace(status, extensions=structs.replace(status.extensions, refreshed="1"))
    assert look(wanted(done), triggers=asked)[0] is Act.KEEP


def creds(ttl: int, *, last: float = START, schedule: str = "") -> StaticCreds:
    """An answer for a role that was rotated at `last`."""
    return StaticCreds(
        last_vault_rotation=int(last), rotation_period=0 if schedule else 600, rotation_schedule=schedule, ttl=ttl
    )


@pytest.mark.parametrize(
    ("status", "new", "after", "waits"),
    [
        pytest.param(rotated(600), creds(2), 598, True, id="ttl runs out"),
        pytest.param(rotated(600), creds(0), 605, True, id="ttl is over"),
        pytest.param(rotated(600), creds(3), 597, False, id="some time is left"),
        pytest.param(rotated(600), creds(580), 20, False, id="mid-period"),
        pytest.param(rotated(600), creds(600, last=START + 600), 600, False, id="rotated"),
        pytest.param(rotated(600), creds(0, last=START + 600), 600, False, id="rotated, next is due"),
        pytest.param(VaultDynamicSecretStatus(), creds(0), 0, False, id="first read"),
        pytest.param(rotated(60, schedule="s"), creds(60, schedule="s"), 60, True, id="reset, even"),
        pytest.param(rotated(60, schedule="s"), creds(180, schedule="s"), 61, True, id="reset, next is longer"),
        pytest.param(rotated(180, schedule="s"), creds(60, schedule="s"), 181, True, id="reset, next is shorter"),
        pytest.param(rotated(180, schedule="s"), creds(60, schedule="s"), 177, True, id="reset a little early"),
        pytest.param(rotated(180, schedule="s"), creds(80, schedule="s"), 100, False, id="between two"),
        pytest.param(rotated(60, schedule="s"), creds(600, schedule="t"), 20, False, id="another schedule"),
        pytest.param(rotated(60, schedule="s"), creds(9, schedule="s", last=START + 60), 62, False, id="moved"),
    ],
)
def test_nothing_is_stored_in_the_middle_of_a_rotation(
    status: VaultDynamicSecretStatus, new: StaticCreds, after: float, waits: bool
) -> None:
    """The ttl ran out or was reset, the password is the old one (regressions R15, R16)."""
    assert awaits_rotation(wanted(status), new, unix=START + after) is waits


SYNCED = tuple(Condition(type=one, status="True", reason="", message="") for one in ("SecretSynced", "Ready"))
FAILED = (structs.replace(SYNCED[0], status="False"), SYNCED[1])


@pytest.mark.parametrize(
    ("conditions", "generation", "is_so"),
    [
        pytest.param(SYNCED, 1, False, id="all is well"),
        pytest.param(FAILED, 1, True, id="failed before"),
        pytest.param(SYNCED[:1], 1, True, id="not ready"),
        pytest.param((), 1, True, id="status of an older version"),
        pytest.param(SYNCED, 2, True, id="changed since"),
    ],
)
def test_a_wait_for_a_rotation_is_told_of_only_where_the_status_says_something_else(
    conditions: tuple[Condition, ...], generation: int, is_so: bool
) -> None:
    """An older failure must not stay in the status while the credentials work (regressions R07, R16)."""
    one = wanted(structs.replace(rotated(600), conditions=conditions))
    assert is_outdated(structs.replace(one, metadata=structs.replace(one.metadata, generation=generation))) is is_so


def test_with_a_schedule_what_may_have_been_read_in_the_middle_of_the_next_rotation_is_read_again() -> None:
    """First reads, and reads after a rotation that was missed; not what was just rotated, nor period roles."""
    first, moved = VaultDynamicSecretStatus(), rotated(60, last=START - 600, schedule="s")
    for status in (first, moved):
        assert look_again(wanted(status), creds(60, schedule="s"), unix=START + 60) == 5
        assert look_again(wanted(status), creds(60, schedule="s"), unix=START + 3) is None
        assert look_again(wanted(status), creds(60), unix=START + 60) is None
    known = wanted(rotated(60, schedule="s"))
    assert look_again(known, creds(30, schedule="s"), unix=START + 60) is None


def test_the_pauses_of_a_wait_grow_and_stay_within_ten_reads_in_ten_seconds() -> None:
    """From half a second to five, later a minute, without end (regressions R16)."""
    rng = Random(1)
    pauses = [pause(number, rng) for number in range(300)]
    assert 0.4 <= pauses[0] <= 0.5
    assert all(one <= 5 for one in pauses[:120])
    assert all(48 <= one <= 60 for one in pauses[121:])
    for start in range(100):
        assert sum(pauses[start : start + 10]) >= 10


def test_a_secret_that_was_changed_by_others_gets_new_credentials() -> None:
    """What the status says was written is compared with what is there."""
    status = leased()
    one = wanted(structs.replace(status, extensions=structs.replace(status.extensions, written="m")))
    assert look(one)[0] is Act.KEEP
    assert look(one, live=Destination(mac="other")) == (Act.FETCH, SyncReason.DRIFT)


def test_a_clock_that_was_set_back_delays_nothing() -> None:
    """A renewal that seems to lie in the future counts as made just now."""
    status = leased(at=START + timedelta(days=3).total_seconds())
    extensions = structs.replace(status.extensions, inputs="i", parent_expires=NEVER_ENDS)
    one = wanted(structs.replace(status, extensions=extensions))
    progress = adopted(one, LIVE, fresh=FRESH, unix=START, payload="p")
    assert progress is not None
    due = due_at(one, progress, limits=FREE)
    assert due is not None
    assert due <= 600 * 0.77


def recorded_by(key: Signer, status: VaultDynamicSecretStatus) -> VaultDynamicSecret:
    """A resource in sync, with the records of an operator that has `key`."""
    extensions = structs.replace(
        status.extensions, inputs="by its key", written="by its key", restarted_payload=key.record("x")
    )
    return wanted(structs.replace(status, extensions=extensions))


def test_r23_records_of_a_lost_hmac_key_ask_for_no_write_of_rotated_credentials() -> None:
    """What is in the Secret counts as what was written, and there is no restart on that account."""
    old, new = Signer(b"o" * 16), Signer(b"n" * 16)
    one = recorded_by(old, rotated(600))
    assert comparable(one, old) is one
    kept = comparable(one, new)
    progress = adopted(kept, LIVE, fresh=FRESH, unix=START, payload=new.record(kept.status.extensions.written))
    assert progress is not None
    assert progress.restart == ""
    assert look(kept, progress)[0] is Act.KEEP
    assert adopted(one, LIVE, fresh=FRESH, unix=START, payload="") is None


def test_r32_a_lease_that_another_key_is_on_record_for_is_taken_anew() -> None:
    """It may be another installation's, which does not keep its token alive any more."""
    one = recorded_by(Signer(b"o" * 16), leased())
    assert comparable(one, Signer(b"n" * 16)) is one
    assert adopted(one, LIVE, fresh=FRESH, unix=START, payload="") is None
