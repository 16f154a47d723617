"""What converters are given and what they make: objects of ours, and notes on what is not as it was."""

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

import msgspec
from msgspec import structs

from vso.apis import core
from vso.apis.kinds import KINDS
from vso.apis.meta import Kind, Object, ObjectMeta, encode
from vso.base import parse_duration
from vso.cli.kubectl.manifest import Manifest

_TABLE: Final[Mapping[type[Object], Kind[Any]]] = {
    **{one.kind.type: one.kind for one in KINDS},
    core.ConfigMap: core.CONFIG_MAP,
}
_NAME: Final = re.compile(r"[^a-z0-9.-]+")
_LONGEST: Final = 253


class Weight(StrEnum):
    """What a note is worth."""

    LOST = "not converted"
    """Something that was asked for has no counterpart: somebody has to decide."""
    CHECK = "check"
    """It was converted, by an assumption or with a difference to know of."""


class Note(msgspec.Struct, frozen=True, kw_only=True):
    """One remark: about which object, which member of it, and why."""

    weight: Weight
    source: str
    member: str
    text: str
    file: str = ""
    line: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Converted:
    """What became of one foreign object."""

    objects: tuple[Object, ...] = ()
    notes: tuple[Note, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """All objects of the files, and where things go that do not say; empty leaves that to whoever applies them."""

    manifests: Sequence[Manifest] = ()
    namespace: str = ""
    operator_namespace: str = "vault-secrets-operator-system"

    def find(self, group: str, kind: str, name: str, *, namespace: str | None = None) -> Manifest | None:
        """The object of that kind and name; None for `namespace` is for cluster-wide kinds."""
        for one in self.manifests:
            same = (one.group, one.kind, one.name) == (group, kind, name)
            if same and (namespace is None or self.namespace_of(one) == namespace):
                return one
        return None

    def namespace_of(self, manifest: Manifest) -> str:
        """Where `manifest` goes."""
        return manifest.namespace or self.namespace


Convert = Callable[[Manifest, Surroundings], Converted]


@dataclass(slots=True)
class Draft:
    """Gathers objects and notes while one object is converted."""

    manifest: Manifest
    objects: list[Object] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)

    def lost(self, member: str, text: str) -> None:
        """Something has no counterpart."""
        self._note(Weight.LOST, member, text)

    def check(self, member: str, text: str) -> None:
        """Something was assumed, or is a little different."""
        self._note(Weight.CHECK, member, text)

    def lost_all(self, value: Mapping[str, Any], members: Mapping[str, str], where: str) -> None:
        """Note each of `members` (name -> reason) that `value` has."""
        for name, text in members.items():
            if value.get(name):
                self.lost(f"{where}.{name}" if where else name, text)

    def rest(self, value: Mapping[str, Any], known: Collection[str], where: str) -> None:
        """Note the members of `value` that the converter does not know."""
        for name in value:
            if name not in known and value[name] not in (None, "", False, [], {}):
                self.lost(f"{where}.{name}", "the converter does not know it")

    def add(self, obj: Object, *, name: str, namespace: str) -> None:
        """Take an object, under that name."""
        self.objects.append(structs.replace(obj, metadata=ObjectMeta(name=name, namespace=namespace)))

    @property
    def incomplete(self) -> bool:
        """Whether something was lost."""
        return any(one.weight is Weight.LOST for one in self.notes)

    def done(self) -> Converted:
        """The result."""
        return Converted(objects=tuple(self.objects), notes=tuple(self.notes))

    def _note(self, weight: Weight, member: str, text: str) -> None:
        one = self.manifest
        where = f"{one.namespace}/{one.name}" if one.namespace else one.name
        steps = tuple(step for step in member.replace("[", ".").replace("]", "").split(".") if step)
        line = one.line(tuple(int(step) if step.isdecimal() else step for step in steps))
        self.notes.append(
            Note(weight=weight, source=f"{one.kind} {where}", member=member, text=text, file=one.file, line=line)
        )


def kind_of(obj: Object) -> Kind[Any]:
    """Where `obj` is served."""
    return _TABLE[type(obj)]


def manifest_of(obj: Object) -> dict[str, Any]:
    """`obj` as people write it: without a status, and without what is not set."""
    resource = kind_of(obj).resource
    whole = _without_empty(msgspec.json.decode(encode(obj)))
    body = {key: value for key, value in whole.items() if key not in {"apiVersion", "kind", "status"}}
    return {"apiVersion": resource.api_version, "kind": resource.kind, **body}


def _without_empty(value: dict[str, Any]) -> dict[str, Any]:
    inner = {key: _without_empty(one) if isinstance(one, dict) else one for key, one in value.items()}
    return {key: one for key, one in inner.items() if one != {}}


def name_of(*parts: str) -> str:
    """A name for an object, made of `parts`."""
    text = "-".join(part.lower() for part in parts if part)
    return _NAME.sub("-", text).strip("-.")[:_LONGEST].strip("-.") or "vault"


def duration_of(text: str) -> str:
    """A duration of Go in the form that the API takes: one number and one unit. Raises ValueError."""
    seconds = parse_duration(text).total_seconds()
    if seconds < 0:
        raise ValueError(f"invalid duration {text!r}: it is negative")
    for unit, size in (("h", 3600), ("m", 60)):
        if seconds and seconds % size == 0:
            return f"{seconds / size:.0f}{unit}"
    return f"{seconds:g}s"
