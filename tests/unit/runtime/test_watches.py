"""Which changes make which keys due, and in which lane."""

from datetime import UTC, datetime
from random import Random

import pytest

from tests.support.clock import FakeClock
from tests.unit.runtime.doubles import key_of, thing
from vso.apis.meta import PartialObject
from vso.runtime import (
    Change,
    Handler,
    Lane,
    Store,
    WorkQueue,
    any_of,
    deletion,
    enqueue_mapped,
    enqueue_self,
    metadata_changed,
    requeue_all,
    spec_changed,
)

OLD = thing("a", 1)
DELETING = thing("a", 2, generation=2, deletion_timestamp=datetime(2026, 1, 1, tzinfo=UTC))


@pytest.fixture
def queue() -> WorkQueue:
    """Empty."""
    return WorkQueue(clock=FakeClock())


@pytest.mark.parametrize(
    ("old", "new", "passed"),
    [
        (None, OLD, {"spec", "metadata"}),
        (OLD, None, {"spec", "metadata", "deletion"}),
        (OLD, thing("a", 2), set()),
        (OLD, thing("a", 2, finalizers=("x",)), set()),
        (OLD, thing("a", 2, generation=2), {"spec"}),
        (OLD, thing("a", 2, labels={"x": "y"}), {"metadata"}),
        (OLD, thing("a", 2, annotations={"x": "y"}), {"metadata"}),
        (OLD, DELETING, {"spec", "deletion"}),
        (DELETING, DELETING, set()),
        (None, DELETING, {"spec", "metadata", "deletion"}),
    ],
)
def test_predicates(old: PartialObject | None, new: PartialObject | None, passed: set[str]) -> None:
    """Creations and deletions pass as in behaviour.md 0.2; status and finalizer writes pass nothing."""
    predicates = {"spec": spec_changed, "metadata": metadata_changed, "deletion": deletion}
    change = Change(old, new)
    assert {name for name, predicate in predicates.items() if predicate(change)} == passed
    assert any_of(spec_changed, metadata_changed)(change) is bool(passed & {"spec", "metadata"})


def test_listed_objects_are_steady_and_told_ones_fresh(queue: WorkQueue) -> None:
    """Start-up work does not delay what people edit."""
    handle: Handler[PartialObject] = enqueue_self(queue)
    handle(Change(None, OLD, listed=True))
    handle(Change(None, thing("b")))
    handle(Change(thing("c"), thing("c", 2)))
    assert (queue.depth(Lane.STEADY), queue.depth(Lane.FRESH)) == (1, 1)


def test_mapped_keys_come_from_both_states_and_are_spread(queue: WorkQueue) -> None:
    """Those that no longer depend on the object have to look as well."""
    handle = enqueue_mapped(
        queue, lambda obj: [key_of(name) for name in obj.metadata.labels], rng=Random(1), spread=10.0
    )
    handle(Change(thing("a", labels={"x": "", "y": ""}), thing("a", 2, labels={"y": "", "z": ""}, generation=2)))
    dues = [queue.deadline_of(key_of(name)) for name in "xyz"]
    assert all(due is not None and 0 < due < 10 for due in dues)
    assert len(set(dues)) == 3


def test_mapped_keys_without_spread_are_due_at_once(queue: WorkQueue) -> None:
    """In the lane of refresh work."""
    handle = enqueue_mapped(queue, lambda obj: [obj.key], rng=Random(1))
    handle(Change(OLD, thing("a", 2)))
    assert len(queue) == 0
    handle(Change(OLD, thing("a", 2, generation=2)))
    assert queue.depth(Lane.STEADY) == 1


def test_requeue_all_adds_what_the_store_has(queue: WorkQueue) -> None:
    """As when leadership begins."""
    store: Store[PartialObject] = Store()
    store.replace({obj.key: obj for obj in (thing("a"), thing("b"))}, "5")
    requeue_all(queue, store)
    assert queue.depth(Lane.STEADY) == 2
