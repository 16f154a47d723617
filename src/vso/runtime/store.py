"""Objects of one kind in memory, as the watch told them, plus what our own writes were answered.

A store is filled by its `reflector` and read by everybody, without I/O. It tells nobody of changes: its
methods for the reflector return them.
"""

from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final, Generic, TypeVar

from vso.apis.meta import Key, Object

U = TypeVar("U", bound=Object)

ALL: Final = ""
"""The part of a store that is all of it."""


@dataclass(frozen=True, slots=True)
class Change(Generic[U]):
    """What became of one object; `old` and `new` are never both None.

    None as `old`: the object is new; None as `new`: it is gone. An object that was replaced by another of the
    same name makes two changes.
    """

    old: U | None
    new: U | None
    listed: bool = False
    """Found by comparing with a list, as at start or after a gap, rather than told by the watch."""
    echo: bool = field(default=False, compare=False)
    """Whether `new` is exactly what a write of ours was answered: whoever wrote it knows already."""

    @property
    def latest(self) -> U:
        """The new state, or the last one of an object that is gone."""
        latest = self.new if self.new is not None else self.old
        if latest is None:
            raise ValueError("a change of nothing")
        return latest

    @property
    def key(self) -> Key:
        """Whose change this is."""
        return self.latest.key


def version_of(text: str) -> int | None:
    """A resourceVersion as a number that grows with each write; None if it is none."""
    return int(text) if text.isascii() and text.isdigit() else None


class Store(Generic[U]):
    """Objects by key and by named indexes.

    Reads give the newest state known: that of the watch, or of `observe` as long as the watch lags behind.
    An index maps an object to any number of values; it must be pure.
    """

    def __init__(self, indexes: Mapping[str, Callable[[U], Iterable[Hashable]]] | None = None) -> None:
        self._objects: dict[Key, U] = {}
        self._indexes = {name: _Index(values_of) for name, values_of in (indexes or {}).items()}
        # For each object whose state is from `observe`: what the watch last told of it.
        self._told: dict[Key, U | None] = {}
        # How far each watch has come: that of a namespace by its name, that of all namespaces by "".
        self._seen: dict[str, int | None] = {}
        self.version = 0
        """Moves whenever an object comes, changes or goes: what was made of the objects before may be out of date."""

    def get(self, key: Key) -> U | None:
        """The object, or None."""
        return self._objects.get(key)

    def values(self) -> Iterable[U]:
        """All objects; a snapshot if the caller awaits while going through it."""
        return tuple(self._objects.values())

    def __len__(self) -> int:
        return len(self._objects)

    def by_index(self, index: str, value: Hashable) -> tuple[U, ...]:
        """The objects that `index` maps to `value`, in no particular order.

        Raises KeyError for an index that the store was not made with.
        """
        return tuple(self._objects[key] for key in self._indexes[index].keys_of(value))

    def sizes(self, index: str) -> Mapping[Any, int]:
        """How many objects `index` maps to each of its values. Raises KeyError as `by_index` does."""
        return {value: len(keys) for value, keys in self._indexes[index].items()}

    def observe(self, obj: U) -> bool:
        """Take the answer to a write of ours, so that the next look does not see an older state.

        Ignored, with False, if the watch has already come as far as the answer's resourceVersion. Nothing is
        announced: the watch will tell of the same write. If it passes by without doing so (the object is not
        among those selected) the observation is forgotten.
        """
        version = version_of(obj.metadata.resource_version)
        if version is not None:
            seen = self._seen.get(obj.metadata.namespace, self._seen.get(ALL))
            if seen is not None and version <= seen:
                return False
            held = self._objects.get(obj.key)
            if held is not None and _newer(held, version):
                return False
        self._told.setdefault(obj.key, self._objects.get(obj.key))
        self._set(obj.key, obj)
        return True

    def part(self, namespace: str) -> "Part[U]":
        """What a reflector fills that mirrors one namespace (ALL: every one). Parts must not overlap."""
        return Part(self, namespace)

    def apply(self, obj: U, *, part: str = ALL) -> tuple[Change[U], ...]:
        """Take a state told by the watch; returns what is to be announced. For the reflector only."""
        key = obj.key
        version = version_of(obj.metadata.resource_version)
        if self._passed(version, part):
            return ()
        told = self._last_told(key)
        held = self._objects.get(key)
        echo = key in self._told and held is not None and _same_state(held, obj)
        self._settle(key, obj, version)
        changes = _changes(told, obj, listed=False)
        return tuple(replace(one, echo=one.new is not None) for one in changes) if echo else changes

    def remove(self, obj: Object, *, part: str = ALL) -> tuple[Change[U], ...]:
        """Take a deletion told by the watch, of which the metadata counts; see `apply`."""
        key = obj.key
        version = version_of(obj.metadata.resource_version)
        if self._passed(version, part):
            return ()
        told = self._last_told(key)
        self._settle(key, None, version)
        return (Change(told, None),) if told is not None else ()

    def advance(self, resource_version: str, *, part: str = ALL) -> None:
        """Note that the watch has told everything up to `resource_version`. For the reflector only."""
        version = version_of(resource_version)
        if version is None:
            return
        seen = self._seen[part] = max(version, self._seen.get(part) or 0)
        for key, told in list(self._told.items()):
            if _within(key, part) and not _newer(self._objects.get(key), seen):
                del self._told[key]
                self._set(key, told)

    def replace(self, objects: Mapping[Key, U], resource_version: str, *, part: str = ALL) -> tuple[Change[U], ...]:
        """Take a complete list of `part`, read at `resource_version`; see `apply`. What is unchanged is not told."""
        changes: list[Change[U]] = []
        version = version_of(resource_version)
        known = self._objects.keys() | self._told.keys()
        for key in [key for key in known if _within(key, part) and key not in objects]:
            told = self._last_told(key)
            self._settle(key, None, version)
            if told is not None:
                changes.append(Change(told, None, listed=True))
        for key, obj in objects.items():
            told = self._last_told(key)
            self._settle(key, obj, version)
            if told is None or not _same_state(told, obj):
                changes += _changes(told, obj, listed=True)
        # A list is the truth: after a restore of the cluster's storage its version may be lower than before.
        self._seen[part] = version
        self.advance(resource_version, part=part)
        return tuple(changes)

    def _passed(self, version: int | None, part: str) -> bool:
        """Whether the watch of `part` has been beyond `version` already: the event is an old one, told again."""
        seen = self._seen.get(part)
        return version is not None and seen is not None and version < seen

    def _last_told(self, key: Key) -> U | None:
        return self._told[key] if key in self._told else self._objects.get(key)

    def _settle(self, key: Key, told: U | None, version: int | None) -> None:
        """Note what the watch told of `key` as of `version`, without falling behind an observation."""
        if key in self._told:
            if version is not None and _newer(self._objects.get(key), version):
                self._told[key] = told
                return
            del self._told[key]
        self._set(key, told)

    def _set(self, key: Key, obj: U | None) -> None:
        self.version += 1
        old = self._objects.pop(key, None) if obj is None else self._objects.get(key)
        if obj is not None:
            self._objects[key] = obj
        for index in self._indexes.values():
            index.move(key, old, obj)


class Part(Generic[U]):
    """A store as the reflector of one namespace fills it; see the methods of `Store`."""

    def __init__(self, store: Store[U], namespace: str) -> None:
        self._store = store
        self._namespace = namespace

    def apply(self, obj: U) -> tuple[Change[U], ...]:
        """See `Store.apply`."""
        return self._store.apply(obj, part=self._namespace)

    def remove(self, obj: Object) -> tuple[Change[U], ...]:
        """See `Store.remove`."""
        return self._store.remove(obj, part=self._namespace)

    def advance(self, resource_version: str) -> None:
        """See `Store.advance`."""
        self._store.advance(resource_version, part=self._namespace)

    def replace(self, objects: Mapping[Key, U], resource_version: str) -> tuple[Change[U], ...]:
        """See `Store.replace`."""
        return self._store.replace(objects, resource_version, part=self._namespace)


class _Index(Generic[U]):
    def __init__(self, values_of: Callable[[U], Iterable[Hashable]]) -> None:
        self._values_of = values_of
        self._keys: dict[Hashable, set[Key]] = {}

    def keys_of(self, value: Hashable) -> Iterable[Key]:
        return self._keys.get(value, ())

    def items(self) -> Iterable[tuple[Hashable, set[Key]]]:
        return self._keys.items()

    def move(self, key: Key, old: U | None, new: U | None) -> None:
        before = set(self._values_of(old)) if old is not None else set()
        after = set(self._values_of(new)) if new is not None else set()
        for value in before - after:
            keys = self._keys[value]
            keys.discard(key)
            if not keys:
                del self._keys[value]
        for value in after - before:
            self._keys.setdefault(value, set()).add(key)


def _within(key: Key, part: str) -> bool:
    return part in {ALL, key.namespace}


def _newer(obj: Object | None, version: int) -> bool:
    """Whether `obj` is known to be of a later version."""
    if obj is None:
        return False
    held = version_of(obj.metadata.resource_version)
    return held is not None and held > version


def _same_state(left: Object, right: Object) -> bool:
    mine, theirs = left.metadata, right.metadata
    return bool(mine.resource_version) and (mine.uid, mine.resource_version) == (
        theirs.uid,
        theirs.resource_version,
    )


def _changes(old: U | None, new: U, *, listed: bool) -> tuple[Change[U], ...]:
    if old is None:
        return (Change(None, new, listed),)
    if old.metadata.uid != new.metadata.uid:
        return (Change(old, None, listed), Change(None, new, listed))
    return (Change(old, new, listed),)
