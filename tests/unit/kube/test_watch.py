"""From chunks of bytes to the events of a watch."""

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from vso.apis import core
from vso.kube import Added, ApiError, Bookmark, Deleted, Gone, Modified, ServerFault, UnexpectedAnswer
from vso.kube.watch import LineSplitter, read_event


def split(chunks: list[bytes]) -> list[bytes]:
    """All lines of a stream."""
    splitter = LineSplitter()
    return [line for chunk in chunks for line in splitter.feed(chunk)]


def test_lines_are_the_same_for_every_way_to_cut_the_stream() -> None:
    """Every set of cuts of a short stream, one-byte chunks and line feeds at either edge included."""
    stream = b"ab\n\nc\nde\n"
    for cuts in range(2 ** (len(stream) - 1)):
        chunks, chunk = list[bytes](), b""
        for position, byte in enumerate(stream):
            chunk += bytes([byte])
            if cuts >> position & 1:
                chunks.append(chunk)
                chunk = b""
        assert split([*chunks, chunk]) == [b"ab", b"c", b"de"], chunks


@given(st.lists(st.binary(max_size=6).map(lambda chunk: chunk.replace(b"x", b"\n")), max_size=8))
def test_no_byte_is_lost_but_line_feeds_and_the_unfinished_end(chunks: list[bytes]) -> None:
    """The lines are those of the joined stream, without its last, unfinished part."""
    assert split(chunks) == [line for line in b"".join(chunks).split(b"\n")[:-1] if line]


def test_an_unfinished_line_is_no_line() -> None:
    """A stream that was cut off does not deliver half an event."""
    assert split([b'{"type":"ADD', b"ED"]) == []


@pytest.mark.parametrize(("word", "type_"), [("ADDED", Added), ("MODIFIED", Modified), ("DELETED", Deleted)])
def test_an_event_holds_the_typed_object(word: str, type_: type) -> None:
    """Also if the object comes before the type, and with fields that nobody knows."""
    body = '"object":{"metadata":{"name":"one"},"data":{"a":"AQI="},"new":1}'
    for line in (f'{{"type":"{word}",{body}}}', f'{{{body},"type":"{word}"}}'):
        event = read_event(line.encode(), core.SECRET, what="watch Secret")
        assert isinstance(event, type_)
        assert isinstance(event, Added | Modified | Deleted)
        assert (event.object.metadata.name, event.object.data) == ("one", {"a": b"\x01\x02"})
        assert (event.object.api_version, event.object.kind) == ("v1", "Secret")


def test_a_bookmark_is_a_version_alone() -> None:
    """Its object is of the kind, but empty."""
    line = b'{"type":"BOOKMARK","object":{"kind":"Secret","metadata":{"resourceVersion":"12"}}}'
    assert read_event(line, core.SECRET, what="watch Secret") == Bookmark("12")


@pytest.mark.parametrize(
    ("code", "reason", "type_"),
    [(410, "Expired", Gone), (410, "Gone", Gone), (500, "InternalError", ServerFault), (400, "", ApiError)],
)
def test_an_error_event_raises(code: int, reason: str, type_: type[ApiError]) -> None:
    """The status in an ERROR event counts as that of an answer."""
    line = f'{{"type":"ERROR","object":{{"code":{code},"reason":"{reason}","message":"m"}}}}'.encode()
    with pytest.raises(type_) as raised:
        read_event(line, core.CONFIG_MAP, what="watch ConfigMap")
    assert raised.value.status == code
    assert str(raised.value).startswith("watch ConfigMap: ")


@pytest.mark.parametrize("line", [b"<html>", b"{}", b'{"type":"PARTY","object":{}}', b"\xff", b'{"type":"BOOKMARK"}'])
def test_a_line_that_is_no_event_is_unexpected(line: bytes) -> None:
    """A proxy's page in the middle of a stream does not pass for silence."""
    with pytest.raises(UnexpectedAnswer, match="watch Secret"):
        read_event(line, core.SECRET, what="watch Secret")


def test_one_odd_object_does_not_end_the_watch() -> None:
    """It is logged with its name, and the next event counts."""
    line = b'{"type":"ADDED","object":{"metadata":{"namespace":"app","name":"odd"},"data":["canary"]}}'
    with structlog.testing.capture_logs() as logs:
        assert read_event(line, core.SECRET, what="watch Secret") is None
    assert [(entry["event"], entry["object"]) for entry in logs] == [("object unreadable, ignored", "app/odd")]
    assert "canary" not in str(logs)


def test_an_odd_object_that_is_gone_is_told_by_its_metadata() -> None:
    """Else a store would keep for ever what it held of it before it became odd."""
    line = b'{"type":"DELETED","object":{"metadata":{"namespace":"app","name":"odd","resourceVersion":"7"},"data":1}}'
    event = read_event(line, core.SECRET, what="watch Secret")
    assert isinstance(event, Deleted)
    assert (str(event.object.key), event.object.metadata.resource_version) == ("app/odd", "7")
    assert (event.object.api_version, event.object.kind) == ("v1", "Secret")


def test_nulls_count_as_absent() -> None:
    """Objects that were written with explicit nulls are read as Kubernetes reads them."""
    line = b'{"type":"ADDED","object":{"metadata":{"name":"one","labels":null,"finalizers":null},"type":null}}'
    event = read_event(line, core.SECRET, what="watch Secret")
    assert isinstance(event, Added)
    assert (event.object.metadata.labels, event.object.type) == ({}, "")
