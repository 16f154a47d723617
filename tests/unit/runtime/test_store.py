"""What a store shows, and what it has to announce, when our own writes and the watch overtake each other."""

import pytest

from tests.unit.runtime.doubles import key_of, thing
from vso.apis.meta import PartialObject
from vso.runtime import Change, Store

KEY = key_of("a")


@pytest.fixture
def store() -> Store[PartialObject]:
    """As after a list at version 10 that held ``a`` as of version 5."""
    store: Store[PartialObject] = Store({"label": lambda obj: obj.metadata.labels.items()})
    store.replace({KEY: thing("a", 5)}, "10")
    return store


def test_an_answer_is_seen_at_once_and_announced_by_the_watch(store: Store[PartialObject]) -> None:
    """The announced change starts from what was announced before, not from the answer."""
    answer = thing("a", 12, labels={"by": "us"})
    assert store.observe(answer)
    assert store.get(KEY) == answer
    assert store.by_index("label", ("by", "us")) == (answer,)
    assert store.apply(answer) == (Change(thing("a", 5), answer),)
    assert store.get(KEY) == answer


def test_an_older_event_does_not_set_an_answer_back(store: Store[PartialObject]) -> None:
    """Both changes are announced in turn, while the store stays ahead."""
    answer = thing("a", 12)
    store.observe(answer)
    foreign = thing("a", 11, labels={"by": "them"})
    assert store.apply(foreign) == (Change(thing("a", 5), foreign),)
    assert store.get(KEY) == answer
    store.advance("11")
    assert store.get(KEY) == answer
    assert store.apply(answer) == (Change(foreign, answer),)


def test_an_answer_from_before_the_watch_is_ignored(store: Store[PartialObject]) -> None:
    """A late answer to a creation does not bring back what was deleted meanwhile."""
    made = thing("b", 11)
    store.apply(made)
    store.remove(thing("b", 12))
    store.advance("12")
    assert not store.observe(made)
    assert store.get(key_of("b")) is None


def test_an_answer_that_the_watch_passes_by_is_forgotten(store: Store[PartialObject]) -> None:
    """It is of an object outside the selection."""
    store.observe(thing("foreign", 11))
    store.advance("11")
    assert store.get(key_of("foreign")) is None
    assert len(store) == 1


def test_an_answer_older_than_another_is_ignored(store: Store[PartialObject]) -> None:
    """Answers may be processed in any order."""
    assert store.observe(thing("a", 13))
    assert not store.observe(thing("a", 12))
    assert store.get(KEY) == thing("a", 13)


def test_versions_that_are_no_numbers_are_taken_as_they_come(store: Store[PartialObject]) -> None:
    """Nothing can be compared, so the latest call wins."""
    odd = PartialObject(metadata=thing("a").metadata.__class__(namespace="app", name="a", resource_version="x"))
    assert store.observe(odd)
    assert store.get(KEY) == odd


def test_repeated_events_are_not_announced(store: Store[PartialObject]) -> None:
    """A deleted object stays deleted."""
    store.remove(thing("a", 11))
    store.advance("11")
    assert store.apply(thing("a", 5)) == ()
    assert store.remove(thing("a", 11)) == ()
    assert store.get(KEY) is None


def test_a_list_announces_the_difference(store: Store[PartialObject]) -> None:
    """New, changed and vanished objects once, equal ones not at all."""
    store.apply(thing("b", 11))
    store.apply(thing("c", 12))
    changed, new = thing("b", 15), thing("d", 16)
    objects = {obj.key: obj for obj in (thing("a", 5), changed, new)}
    changes = {change.key.name: change for change in store.replace(objects, "20")}
    assert changes == {
        "b": Change(thing("b", 11), changed, listed=True),
        "c": Change(thing("c", 12), None, listed=True),
        "d": Change(None, new, listed=True),
    }
    assert {obj.key: obj for obj in store.values()} == objects


def test_a_list_keeps_newer_answers(store: Store[PartialObject]) -> None:
    """What was written while the list was read."""
    store.observe(thing("a", 25))
    store.observe(thing("b", 26))
    assert store.replace({KEY: thing("a", 5)}, "20") == ()
    assert {obj.metadata.resource_version for obj in store.values()} == {"25", "26"}


@pytest.mark.parametrize("listed", [True, False])
def test_a_recreated_object_is_announced_as_gone_and_new(store: Store[PartialObject], *, listed: bool) -> None:
    """With equal generations no predicate would see it otherwise."""
    again = thing("a", 15, uid="other")
    changes = store.replace({KEY: again}, "20") if listed else store.apply(again)
    assert changes == (Change(thing("a", 5), None, listed), Change(None, again, listed))


def test_indexes_follow(store: Store[PartialObject]) -> None:
    """An unknown index is a bug of the caller."""
    store.apply(thing("a", 11, labels={"x": "1", "y": "2"}))
    store.apply(thing("a", 12, labels={"y": "2"}))
    assert store.by_index("label", ("x", "1")) == ()
    assert [obj.key for obj in store.by_index("label", ("y", "2"))] == [KEY]
    store.remove(thing("a", 13))
    assert store.by_index("label", ("y", "2")) == ()
    with pytest.raises(KeyError):
        store.by_index("none", 1)


def test_each_part_is_as_far_as_its_own_watch() -> None:
    """A namespace whose watch is ahead says nothing about another, and its list leaves the other's objects alone."""
    store: Store[PartialObject] = Store()
    left, right = store.part("left"), store.part("right")
    first, second = thing("a", 3, namespace="left"), thing("a", 4, namespace="right")
    left.replace({first.key: first}, "20")
    right.replace({second.key: second}, "10")
    newer = thing("a", 12, namespace="right")
    assert right.apply(newer) == (Change(second, newer),)
    assert left.apply(thing("b", 12, namespace="left")) == ()
    answer = thing("a", 15, namespace="right")
    assert store.observe(answer)
    left.advance("30")
    assert store.get(answer.key) == answer
    right.advance("16")
    assert store.get(answer.key) == newer
    assert left.replace({}, "40") == (Change(first, None, listed=True),)
    assert store.values() == (newer,)
