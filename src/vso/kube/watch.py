"""The stream of a watch: bytes to lines, lines to typed events.

No I/O; the request itself is made by `client`. Source: Kubernetes API concepts, "Efficient detection of
changes" and "Watch bookmarks".
"""

from contextlib import suppress
from functools import lru_cache
from typing import Any, Final, Generic, TypeAlias, TypeVar

import msgspec

from vso.apis.meta import Kind, Object, PartialObject
from vso.kube.answer import decode, decoder, report_unreadable, stamp
from vso.kube.errors import Status, UnexpectedAnswer, from_status, is_secret

T = TypeVar("T", bound=Object)


class Added(msgspec.Struct, Generic[T], frozen=True, tag_field="type", tag="ADDED"):
    """The object is new, or new to the selector."""

    object: T


class Modified(msgspec.Struct, Generic[T], frozen=True, tag_field="type", tag="MODIFIED"):
    """The object has changed; changes in quick succession are not merged."""

    object: T


class Deleted(msgspec.Struct, Generic[T], frozen=True, tag_field="type", tag="DELETED"):
    """The object is gone, or no longer selected; `object` is its last state."""

    object: T


class Bookmark(msgspec.Struct, frozen=True):
    """Everything up to `resource_version` has been delivered."""

    resource_version: str


WatchEvent: TypeAlias = Added[T] | Modified[T] | Deleted[T] | Bookmark


class _Version(msgspec.Struct, frozen=True, rename="camel"):
    resource_version: str = ""


class _Versioned(msgspec.Struct, frozen=True):
    metadata: _Version


class _BookmarkLine(msgspec.Struct, frozen=True, tag_field="type", tag="BOOKMARK"):
    object: _Versioned


class _ErrorLine(msgspec.Struct, frozen=True, tag_field="type", tag="ERROR"):
    object: Status


class LineSplitter:
    """Cuts a stream at its line feeds, wherever the chunks end; lines may be of any length."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def feed(self, chunk: bytes) -> list[bytes]:
        """The lines that `chunk` completes, in order and without line feeds; empty lines are dropped."""
        head, *rest = chunk.split(b"\n")
        self._parts.append(head)
        if not rest:
            return []
        lines = [b"".join(self._parts), *rest[:-1]]
        self._parts = [rest[-1]]
        return [line for line in lines if line]


def read_event(line: bytes, kind: Kind[T], *, what: str) -> WatchEvent[T] | None:
    """The event on `line`; None, and a line in the log, for an object that does not fit its struct.

    Of one that is gone the metadata is enough, so that nobody keeps it. Raises the `ApiError` that an ERROR event
    carries, `Gone` above all, and UnexpectedAnswer for a line that is no event.
    """
    try:
        event = decode(line, _decoder(kind.type))
    except msgspec.ValidationError as exc:
        return _read_odd(line, kind, exc, what=what)
    except ValueError as exc:
        raise UnexpectedAnswer(f"{what}: cannot read the event: {exc}") from exc
    match event:
        case _BookmarkLine():
            return Bookmark(event.object.metadata.resource_version)
        case _ErrorLine():
            raise from_status(event.object, what=what, about_secret=is_secret(kind.resource))
        case _:
            typed: Added[T] | Modified[T] | Deleted[T] = event
            stamp(typed.object, kind)
            return typed


class _AnyLine(msgspec.Struct, frozen=True):
    type: str
    object: msgspec.Raw


_OBJECT_EVENTS: Final = frozenset({"ADDED", "MODIFIED", "DELETED"})


def _read_odd(line: bytes, kind: Kind[T], error: Exception, *, what: str) -> Deleted[T] | None:
    try:
        event = decoder(_AnyLine).decode(line)
    except ValueError as exc:
        raise UnexpectedAnswer(f"{what}: cannot read the event: {exc}") from exc
    if event.type not in _OBJECT_EVENTS:
        raise UnexpectedAnswer(f"{what}: cannot read the event: unknown type or shape")
    if event.type == "DELETED":
        with suppress(ValueError):
            last = kind.type(metadata=decode(event.object, decoder(PartialObject)).metadata)
            stamp(last, kind)
            return Deleted(last)
    report_unreadable(event.object, kind, error)
    return None


_KINDS_IN_USE: Final = 64


@lru_cache(maxsize=_KINDS_IN_USE)
def _decoder(type_: Any) -> msgspec.json.Decoder[Any]:
    lines = Added[type_] | Modified[type_] | Deleted[type_] | _BookmarkLine | _ErrorLine
    return msgspec.json.Decoder(lines)
