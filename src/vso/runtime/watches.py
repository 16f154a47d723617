"""From changes of objects to keys of a queue: who has to look at what again.

    reflector.subscribe(enqueue_self(queue, when=any_of(spec_changed, metadata_changed)))
    reflector.subscribe(enqueue_mapped(queue, consumers_of, rng=rng, spread=5.0))

Creations and deletions pass every predicate of `when` here; predicates judge updates.
"""

from collections.abc import Callable, Iterable
from random import Random
from typing import TypeAlias, TypeVar

from vso.apis.meta import Key, Object
from vso.base import jitter
from vso.runtime.next import Lane
from vso.runtime.queue import WorkQueue
from vso.runtime.store import Change, Store

U = TypeVar("U", bound=Object)

Handler: TypeAlias = Callable[[Change[U]], None]
Predicate: TypeAlias = Callable[[Change[U]], bool]


def spec_changed(change: Change[U]) -> bool:
    """Whether the generation changed, as a deletion request does too; True for new and gone objects."""
    old, new = change.old, change.new
    return old is None or new is None or old.metadata.generation != new.metadata.generation


def metadata_changed(change: Change[U]) -> bool:
    """Whether labels or annotations changed; True for new and gone objects."""
    old, new = change.old, change.new
    if old is None or new is None:
        return True
    before, after = old.metadata, new.metadata
    return before.labels != after.labels or before.annotations != after.annotations


def deletion(change: Change[U]) -> bool:
    """Whether the object is gone, or its deletion has just been asked for."""
    old, new = change.old, change.new
    return new is None or (new.deleting and (old is None or not old.deleting))


def any_of(*predicates: Predicate[U]) -> Predicate[U]:
    """Passes what one of `predicates` passes."""
    return lambda change: any(predicate(change) for predicate in predicates)


def lane_of(change: Change[U]) -> Lane:
    """STEADY for what a list brought up, as at start, FRESH for what the watch told."""
    return Lane.STEADY if change.listed else Lane.FRESH


def enqueue_self(
    queue: WorkQueue, *, when: Predicate[U] = spec_changed, lane: Callable[[Change[U]], Lane] = lane_of
) -> Handler[U]:
    """A handler that adds the key of the changed object, if `when` says so."""

    def handle(change: Change[U]) -> None:
        if when(change):
            queue.add(change.key, lane(change))

    return handle


def enqueue_mapped(
    queue: WorkQueue,
    keys_of: Callable[[U], Iterable[Key]],
    *,
    when: Predicate[U] = spec_changed,
    rng: Random,
    spread: float = 0.0,
) -> Handler[U]:
    """A handler that adds the keys that depend on the changed object, if `when` says so.

    They are asked for with the old and with the new state, and added in lane STEADY within `spread` seconds,
    so that one object on which many depend makes no burst; with `spread` 0 they are added at once.
    """

    def handle(change: Change[U]) -> None:
        if not when(change):
            return
        keys: dict[Key, None] = {}
        for state in (change.old, change.new):
            if state is not None:
                keys.update(dict.fromkeys(keys_of(state)))
        for key in keys:
            queue.add_after(key, jitter(spread, rng), Lane.STEADY)

    return handle


def requeue_all(queue: WorkQueue, store: Store[U]) -> None:
    """Add all keys of `store` in lane STEADY, as when leadership begins (behaviour.md 0.2)."""
    for obj in store.values():
        queue.add(obj.key, Lane.STEADY)
