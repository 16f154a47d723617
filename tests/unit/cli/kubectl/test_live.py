"""The rows of the live table, as the watches tell of them."""

from vso.apis.meta import Condition, ObjectMeta
from vso.apis.v1beta1 import VaultStaticSecret, VaultStaticSecretStatus
from vso.cli.kubectl.live import Board
from vso.runtime import Change

SYNCED = tuple(Condition(type=one, status="True") for one in ("SecretSynced", "Ready"))
FAILED = (Condition(type="SecretSynced", status="False", message="err=no role"),)


def secret(name: str, *conditions: Condition) -> VaultStaticSecret:
    """A VaultStaticSecret."""
    status = VaultStaticSecretStatus(last_generation=1, conditions=conditions)
    return VaultStaticSecret(
        kind="VaultStaticSecret", metadata=ObjectMeta(name=name, namespace="team", generation=1), status=status
    )


def board(*secrets: VaultStaticSecret) -> Board:
    """A board that was told of these."""
    made = Board()
    for one in secrets:
        made.take(Change(None, one))
    return made


def test_what_is_not_well_comes_first_whatever_fits_the_screen() -> None:
    """Of many rows only some can be shown."""
    found = board(secret("a", *SYNCED), secret("b", *SYNCED), secret("c", *FAILED))
    assert [one.name for one in found.most_urgent(2)] == ["c", "a"]
    assert found.headline() == "3 secrets: 2 synced, 1 failing"


def test_a_change_replaces_a_row_and_a_deletion_removes_it() -> None:
    """And news are told once."""
    found = board(secret("a", *SYNCED), secret("b", *SYNCED))
    assert [one.name for one in found.news()] == ["a", "b"]
    found.take(Change(secret("a", *SYNCED), secret("a", *FAILED)))
    assert found.changed.is_set()
    assert [(one.name, one.message) for one in found.news()] == [("a", "no role")]
    assert found.news() == []
    found.take(Change(secret("b", *SYNCED), None))
    assert found.headline() == "1 secrets: 1 failing"


def test_an_empty_board_says_so() -> None:
    """Instead of a table without rows."""
    assert board().headline() == "There are no secrets here yet."
