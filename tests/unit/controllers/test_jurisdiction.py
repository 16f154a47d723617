"""What an installation handles, and what it may read (D33, operations.md section 5.2)."""

import pytest

from vso.apis.meta import Key, ObjectMeta, PartialObject
from vso.apis.names import CLASS
from vso.apis.selector import parse_selector
from vso.controllers.jurisdiction import Jurisdiction, NotWatched


def thing(operator_class: str | None = None) -> PartialObject:
    """A resource."""
    labels = {} if operator_class is None else {CLASS: operator_class}
    return PartialObject(metadata=ObjectMeta(name="a", namespace="team", labels=labels))


@pytest.mark.parametrize(
    ("own", "named", "covered"),
    [("", None, True), ("", "", True), ("", "blue", False), ("blue", "blue", True), ("blue", None, False)],
)
def test_a_resource_is_handled_by_the_installation_of_its_class(own: str, named: str | None, covered: bool) -> None:
    """No label and an empty one are the same."""
    assert Jurisdiction(operator_class=own).covers(thing(named), None) is covered


@pytest.mark.parametrize(("labels", "covered"), [({"team": "web"}, True), ({}, False), (None, False)])
def test_a_selector_admits_namespaces_by_their_labels(labels: dict[str, str] | None, covered: bool) -> None:
    """One that is not known yet is not admitted."""
    assert Jurisdiction(selector=parse_selector("team=web")).covers(thing(), labels) is covered


def test_a_reference_to_where_nothing_is_read_says_so() -> None:
    """Kinds that are shared are read in the operator's own namespace too."""
    one = Jurisdiction(operator_namespace="op", namespaces=frozenset({"a", "b"}))
    for key in (Key("a", "x"), Key("op", "x")):
        one.check_readable(key, shared=True)
    with pytest.raises(NotWatched, match=r"c/x .*--watch-namespaces"):
        one.check_readable(Key("c", "x"), shared=True)
    with pytest.raises(NotWatched):
        one.check_readable(Key("op", "x"), shared=False)
    Jurisdiction(operator_namespace="op").check_readable(Key("c", "x"), shared=False)
