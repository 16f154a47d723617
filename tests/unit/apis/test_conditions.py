"""How a new look at an object updates its conditions."""

from datetime import UTC, datetime, timedelta
from typing import Final

import msgspec
import pytest

from vso.apis.conditions import (
    MESSAGE_LIMIT,
    ConditionType,
    NewCondition,
    Reason,
    discontinued,
    find,
    health,
    is_true,
    update_conditions,
)
from vso.apis.meta import NEVER, Condition

NOW: Final = datetime(2030, 1, 2, 3, 4, 5, 678, tzinfo=UTC)
LATER: Final = NOW + timedelta(hours=1)
SYNCED: Final = NewCondition(type=ConditionType.SECRET_SYNCED, status=True, reason=Reason.SYNCED, message="ok")
RESTARTED: Final = NewCondition(
    type=ConditionType.ROLLOUT_RESTART, status=True, reason=Reason.ROLLOUT_RESTART_TRIGGERED
)


def first(*new: NewCondition) -> tuple[Condition, ...]:
    """Conditions of an object that had none."""
    return update_conditions((), new, now=NOW, generation=1)


def test_new_conditions_stand_in_their_order() -> None:
    """With the time in whole seconds and the generation that was looked at."""
    made = first(SYNCED, *health("VaultStaticSecret", healthy=True))
    assert [(entry.type, entry.status, entry.reason, entry.message) for entry in made] == [
        ("SecretSynced", "True", "Synced", "ok"),
        ("Healthy", "True", "Healthy", "VaultStaticSecretHealthy"),
        ("Ready", "True", "Ready", "VaultStaticSecretReady"),
    ]
    assert {entry.last_transition_time for entry in made} == {NOW.replace(microsecond=0)}
    assert {entry.observed_generation for entry in made} == {1}


def test_an_unhealthy_object_is_told_as_the_original_tells_it() -> None:
    """The reason and message of Ready do not change, only its status does."""
    assert [
        (entry.type, entry.status, entry.reason, entry.message) for entry in first(*health("X", healthy=False))
    ] == [
        ("Healthy", "False", "Unhealthy", "XUnhealthy"),
        ("Ready", "False", "Ready", "XReady"),
    ]


def test_looking_again_without_news_changes_nothing() -> None:
    """So no status is written."""
    made = first(SYNCED, RESTARTED)
    assert update_conditions(made, (SYNCED, RESTARTED), now=LATER, generation=1) == made


@pytest.mark.parametrize(
    ("change", "moves"),
    [
        ({"status": False}, True),
        ({"message": "other"}, False),
        ({"reason": Reason.ACCEPTED}, False),
    ],
)
def test_the_time_moves_with_the_status_alone(change: dict[str, object], *, moves: bool) -> None:
    """It tells since when something is as it is."""
    changed = msgspec.structs.replace(SYNCED, **change)
    (entry,) = update_conditions(first(SYNCED), (changed,), now=LATER, generation=2)
    assert (entry.last_transition_time == LATER.replace(microsecond=0)) is moves
    assert entry.observed_generation == 2


def test_a_time_that_nobody_recorded_is_filled_in() -> None:
    """A condition stored without its time gets one with the next look."""
    old = msgspec.structs.replace(first(SYNCED)[0], last_transition_time=NEVER)
    (entry,) = update_conditions((old,), (SYNCED,), now=NOW, generation=1)
    assert entry.last_transition_time == NOW.replace(microsecond=0)


def test_stale_conditions_go_and_kept_ones_stay_in_front() -> None:
    """What is not in the complete set is removed, unless it is to be kept as it is."""
    old = first(SYNCED, RESTARTED)
    assert [entry.type for entry in update_conditions(old, (SYNCED,), now=LATER, generation=2)] == ["SecretSynced"]
    kept = update_conditions(old, (SYNCED,), now=LATER, generation=2, keep={ConditionType.ROLLOUT_RESTART})
    assert [entry.type for entry in kept] == ["RolloutRestart", "SecretSynced"]
    assert kept[0] == old[1]


def test_a_kept_type_that_was_looked_at_is_replaced() -> None:
    """News win over keeping."""
    failed = msgspec.structs.replace(RESTARTED, status=False)
    (entry,) = update_conditions(
        first(RESTARTED), (failed,), now=LATER, generation=2, keep={ConditionType.ROLLOUT_RESTART}
    )
    assert entry.status == "False"


def test_of_two_entries_with_one_type_the_first_counts() -> None:
    """There is one entry per type, whatever was stored or passed."""
    twice = (*first(SYNCED), *first(msgspec.structs.replace(SYNCED, status=False)))
    (entry,) = update_conditions(
        twice, (SYNCED, msgspec.structs.replace(SYNCED, message="second")), now=LATER, generation=1
    )
    assert (entry.message, entry.last_transition_time) == ("ok", NOW.replace(microsecond=0))


def test_a_long_message_is_cut_to_what_the_schema_allows() -> None:
    """Else the whole status would be refused."""
    (entry,) = first(msgspec.structs.replace(SYNCED, message="x" * (MESSAGE_LIMIT + 1)))
    assert len(entry.message) == MESSAGE_LIMIT
    assert entry.message.endswith("…")


def test_a_condition_is_found_by_its_type() -> None:
    """Absent is not true."""
    made = first(SYNCED)
    assert find(made, ConditionType.SECRET_SYNCED) == made[0]
    assert is_true(made, ConditionType.SECRET_SYNCED)
    assert find(made, ConditionType.READY) is None
    assert not is_true(made, ConditionType.READY)


def test_a_service_that_has_ended_is_told() -> None:
    """Readers learn that nothing comes any more, and what to do."""
    (entry,) = first(*discontinued())
    assert (entry.type, entry.status) == ("Ready", "False")
    assert "shut down" in entry.message
