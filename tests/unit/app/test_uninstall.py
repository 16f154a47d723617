"""What uninstalling decides; that it does so is shown on real servers in tests/faults/test_uninstall.py."""

import pytest

from vso.apis.kinds import KINDS
from vso.apis.meta import ObjectMeta, PartialObject
from vso.app.listing import EVERYWHERE, places_of
from vso.app.uninstall import Tally, removal
from vso.kube import PatchType

OURS = "vaultauth.secrets.hashicorp.com/finalizer"


@pytest.mark.parametrize(
    ("finalizers", "index"),
    [((), None), (("other",), None), ((OURS,), 0), (("other", OURS), 1), ((OURS, "other"), 0)],
)
def test_a_removal_names_the_place_of_the_finalizer_and_no_version(
    finalizers: tuple[str, ...], index: int | None
) -> None:
    """So that a writer of other fields is not in its way, and nobody else's finalizer goes."""
    patch = removal(PartialObject(metadata=ObjectMeta(uid="u", resource_version="5", finalizers=finalizers)), OURS)
    if index is None:
        assert patch is None
        return
    assert patch is not None
    assert patch.type is PatchType.JSON
    assert patch.body == [
        {"op": "test", "path": "/metadata/uid", "value": "u"},
        {"op": "test", "path": f"/metadata/finalizers/{index}", "value": OURS},
        {"op": "remove", "path": f"/metadata/finalizers/{index}"},
    ]


@pytest.mark.parametrize(
    ("resource", "watched", "expected"),
    [
        ("vaultauths", set(), [EVERYWHERE]),
        ("vaultstaticsecrets", set(), [EVERYWHERE]),
        ("vaultauths", {"b", "a"}, ["a", "b", "own"]),
        ("vaultstaticsecrets", {"b", "a"}, ["a", "b"]),
        ("vaultstaticsecrets", {"own"}, ["own"]),
    ],
)
def test_all_watched_namespaces_are_looked_into_and_the_operators_own_for_what_is_there_for_all(
    resource: str, watched: set[str], expected: list[str]
) -> None:
    """The rights do not reach further where --watch-namespaces is set."""
    assert places_of(resource, watched=frozenset(watched), own="own") == expected


def test_only_a_tally_without_anything_left_is_clean() -> None:
    """The exit code hangs on it."""
    assert Tally(removed=3).clean
    assert not Tally(unfinished=True).clean
    left = Tally(left={"VaultAuth a/b": "refused"}, unread={"vaultauths in all namespaces": "forbidden"})
    assert not left.clean
    assert [what for what, _ in left.problems()] == ["VaultAuth a/b", "vaultauths in all namespaces"]


def test_every_finalizer_that_the_original_or_we_put_is_known() -> None:
    """Six kinds have one (operations.md section 1.9)."""
    assert {one.finalizer for one in KINDS if one.finalizer} == {
        "vaultauth.secrets.hashicorp.com/finalizer",
        "vaultconnection.secrets.hashicorp.com/finalizer",
        "vaultdynamicsecret.secrets.hashicorp.com/finalizer",
        "vaultpkisecrets.secrets.hashicorp.com/finalizer",
        "vaultstaticsecret.secrets.hashicorp.com/finalizer",
        "hcpvaultsecretsapp.secrets.hashicorp.com/finalizer",
    }
