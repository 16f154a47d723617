"""From the bytes of an answer to typed objects, forgiving where one odd object would stop all others.

Pure but for the log. Explicit nulls count as absent, as they do for Kubernetes itself; an object in a list
that does not fit its struct even so is left out and logged.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final, Generic, TypeVar

import msgspec
import structlog

from vso.apis.meta import Kind, Object, PartialObject
from vso.kube.errors import UnexpectedAnswer

log = structlog.get_logger("kube.answer")

T = TypeVar("T", bound=Object)

_KINDS_IN_USE: Final = 64
_PARTIAL: Final = "PartialObjectMetadata"


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """Part of a list; `resource_version` is where to watch from, an empty `continue_` marks the last page."""

    items: tuple[T, ...]
    resource_version: str
    continue_: str


class _ListMeta(msgspec.Struct, frozen=True):
    resource_version: str = msgspec.field(default="", name="resourceVersion")
    continue_: str = msgspec.field(default="", name="continue")


Item = TypeVar("Item")


class _List(msgspec.Struct, Generic[Item], frozen=True):
    metadata: _ListMeta = _ListMeta()
    items: tuple[Item, ...] | None = None


def read_object(body: bytes, kind: Kind[T], *, what: str) -> T:
    """The object in `body`; raises UnexpectedAnswer if it is none of `kind`."""
    try:
        obj: T = decode(body, decoder(kind.type))
    except ValueError as exc:
        raise UnexpectedAnswer(f"{what}: cannot read the answer: {exc}") from exc
    if obj.kind not in {kind.resource.kind, _PARTIAL}:
        # What says nothing of its kind comes from something before the API server, which has done nothing.
        raise UnexpectedAnswer(f"{what}: the answer is no {kind.resource.kind}")
    stamp(obj, kind)
    return obj


def read_page(body: bytes, kind: Kind[T], *, what: str) -> Page[T]:
    """The list in `body`; raises UnexpectedAnswer if it is none."""
    try:
        try:
            answer = decoder(_List[kind.type]).decode(body)  # type: ignore[name-defined]
            items: tuple[T, ...] = answer.items or ()
        except msgspec.ValidationError:
            answer = decoder(_List[msgspec.Raw]).decode(body)
            items = tuple(item for raw in answer.items or () if (item := _read_item(raw, kind)) is not None)
    except ValueError as exc:
        raise UnexpectedAnswer(f"{what}: cannot read the answer: {exc}") from exc
    if not answer.metadata.resource_version:
        # Every list has one. What has none comes from something before the API server, and an empty one would mean
        # that all objects are gone.
        raise UnexpectedAnswer(f"{what}: the answer is no list")
    for item in items:
        stamp(item, kind)
    return Page(items, answer.metadata.resource_version, answer.metadata.continue_)


def report_unreadable(raw: bytes, kind: Kind[T], error: Exception) -> None:
    """Log that the object in `raw` is ignored, with its name if that can be read."""
    try:
        name = str(decoder(PartialObject).decode(raw).key)
    except ValueError:
        name = "?"
    log.error("object unreadable, ignored", kind=kind.resource.kind, object=name, error=str(error))


def stamp(obj: Object, kind: Kind[T]) -> None:
    """Set apiVersion and kind of an object that was just decoded.

    In lists the API leaves them out, and metadata alone comes as PartialObjectMetadata. The struct is
    frozen, but nobody has seen this one yet; a copy would double the cost of a list.
    """
    msgspec.structs.force_setattr(obj, "api_version", kind.resource.api_version)
    msgspec.structs.force_setattr(obj, "kind", kind.resource.kind)


@lru_cache(maxsize=3 * _KINDS_IN_USE)
def decoder(type_: Any) -> msgspec.json.Decoder[Any]:
    """The decoder of `type_`; making one costs more than using it."""
    return msgspec.json.Decoder(type_)


def decode(body: bytes, fitting: msgspec.json.Decoder[Any]) -> Any:
    """The value in `body`, a second time without its nulls if it does not fit; raises ValueError."""
    try:
        return fitting.decode(body)
    except msgspec.ValidationError:
        return fitting.decode(msgspec.json.encode(_without_nulls(msgspec.json.decode(body))))


def _read_item(raw: bytes, kind: Kind[T]) -> T | None:
    try:
        item: T = decode(raw, decoder(kind.type))
    except ValueError as exc:
        report_unreadable(raw, kind, exc)
        return None
    return item


def _without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_nulls(member) for name, member in value.items() if member is not None}
    if isinstance(value, list):
        return [_without_nulls(member) for member in value]
    return value
