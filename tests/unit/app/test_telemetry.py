"""What a line of the log has."""

import json
import logging
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
import structlog
from structlog.contextvars import bound_contextvars

from tests.support.clock import FakeClock
from vso.app import Logging, configure_logging
from vso.app.telemetry import level_number

INSTANT = datetime(2026, 6, 30, 12, 0, 0, 123456, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    """Logging as it was."""
    handlers, level = logging.root.handlers[:], logging.root.level
    yield
    structlog.reset_defaults()
    logging.root.handlers[:] = handlers
    logging.root.setLevel(level)


def configure(**settings: Any) -> None:
    """At a fixed time."""
    configure_logging(Logging(**settings), clock=FakeClock(INSTANT))


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    """What was written; all of it on stderr."""
    shown = capsys.readouterr()
    assert shown.out == ""
    return [json.loads(line) for line in shown.err.splitlines()]


def test_a_line_has_the_originals_keys_in_their_order(capsys: pytest.CaptureFixture[str]) -> None:
    """level, ts, logger and msg first; the time is RFC 3339."""
    configure()
    structlog.get_logger("setup").info("starting", size=5)
    structlog.get_logger().info("unnamed")
    first, second = lines(capsys)
    assert list(first.items()) == [
        ("level", "info"),
        ("ts", "2026-06-30T12:00:00Z"),
        ("logger", "setup"),
        ("msg", "starting"),
        ("size", 5),
    ]
    assert "logger" not in second


@pytest.mark.parametrize(
    ("encoding", "expected"),
    [
        ("rfc3339", "2026-06-30T12:00:00Z"),
        ("rfc3339nano", "2026-06-30T12:00:00.123456000Z"),
        ("iso8601", "2026-06-30T12:00:00.123Z"),
        ("epoch", 1782820800.123456),
        ("millis", 1782820800123.456),
        ("nanos", 1782820800123456000),
        ("nano", 1782820800123456000),
    ],
)
def test_times_are_written_as_asked(encoding: str, expected: object, capsys: pytest.CaptureFixture[str]) -> None:
    """Both the word that the original reads and the one that its help offers."""
    configure(time_encoding=encoding)
    structlog.get_logger("x").info("now")
    assert lines(capsys)[0]["ts"] == expected


@pytest.mark.parametrize(
    ("level", "shown"),
    [
        ("debug", ["debug", "info", "warning", "error", "critical"]),
        ("1", ["debug", "info", "warning", "error", "critical"]),
        ("6", ["debug", "info", "warning", "error", "critical"]),
        ("", ["info", "warning", "error", "critical"]),
        ("warning", ["warning", "error", "critical"]),
        ("error", ["error", "critical"]),
        ("panic", ["critical"]),
    ],
)
def test_a_level_shows_what_is_at_least_as_grave(
    level: str, shown: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """Warnings show by default, unlike in the original."""
    configure(level=level)
    log = structlog.get_logger("x")
    for name in ("debug", "info", "warning", "error", "critical"):
        getattr(log, name)("said")
    assert [line["level"] for line in lines(capsys)] == shown


@pytest.mark.parametrize("level", ["0", "-1", "loud", "", "1.5", "٣x"])
def test_an_unknown_level_is_refused(level: str) -> None:
    """With those that there are."""
    with pytest.raises(ValueError, match="use debug, info, warning, error, panic"):
        level_number(level)


@pytest.mark.parametrize(
    ("least", "traced"),
    [("info", {"info", "warning", "error"}), ("", {"error"}), ("warning", {"warning", "error"}), ("panic", {"error"})],
)
def test_tracebacks_stand_on_lines_from_a_level_on(
    least: str, traced: set[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """The others keep the text of the exception, and lines without one get no traceback."""
    configure(stacktrace_level=least)
    log = structlog.get_logger("x")
    for level in ("info", "warning", "error"):
        getattr(log, level)("failed", exc_info=ValueError("why"))
    log.error("no exception")
    *failed, last = lines(capsys)
    assert {line["level"] for line in failed if "stacktrace" in line} == traced
    assert {line["error"] for line in failed} == {"why"}
    assert "stacktrace" not in last


def test_lines_from_a_reconcile_tell_of_what(capsys: pytest.CaptureFixture[str]) -> None:
    """By the keys of the original."""
    configure()
    place = {"namespace": "app", "name": "web"}
    with bound_contextvars(controller="vaultstaticsecret", reconcileID="1", **place):
        structlog.get_logger("x").info("synced")
    line = lines(capsys)[0]
    assert line["VaultStaticSecret"] == {"name": "web", "namespace": "app"}
    assert (line["controllerGroup"], line["controllerKind"]) == ("secrets.hashicorp.com", "VaultStaticSecret")
    assert place.items() <= line.items()


def test_libraries_speak_in_the_same_form_from_warnings_on(capsys: pytest.CaptureFixture[str]) -> None:
    """Even where our own debug messages show: theirs may hold credentials."""
    configure(level="debug")
    other = logging.getLogger("some.library")
    other.info("quiet")
    other.warning("odd %s", "thing")
    (line,) = lines(capsys)
    assert (line["level"], line["logger"], line["msg"]) == ("warning", "some.library", "odd thing")


def test_development_is_readable_and_talks_more(capsys: pytest.CaptureFixture[str]) -> None:
    """What is set explicitly wins."""
    configure(development=True)
    structlog.get_logger("x").debug("said")
    assert "said" in capsys.readouterr().err
    configure(development=True, level="info", encoder="json")
    structlog.get_logger("y").debug("said")
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("wrong", [{"encoder": "xml"}, {"time_encoding": "sundial"}, {"stacktrace_level": "debug"}])
def test_what_is_unknown_is_refused(wrong: dict[str, str]) -> None:
    """With what is known."""
    with pytest.raises(ValueError, match="use "):
        Logging(**wrong).filled()  # type: ignore[arg-type]
