"""Logging: one JSON object per line on stderr, with the keys of the original (operations.md section 1.7).

What is better than there: warnings have a level of their own, which shows by default, every logger follows the flags,
and what libraries have to say comes in the same form, from warnings on. None of them is asked for more: some write
credentials into their debug messages.
"""

import logging
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import structlog
from structlog.typing import EventDict, Processor

from vso.apis.kinds import KINDS
from vso.apis.names import GROUP
from vso.base import Clock, SystemClock

_LEVELS: Final = {"debug": 10, "info": 20, "warn": 30, "warning": 30, "error": 40, "panic": 50}
_DEBUG: Final = 10
ENCODERS: Final = ("json", "console")
STACKTRACE_LEVELS: Final = ("info", "warn", "warning", "error", "panic")
_KINDS: Final = {definition.name.lower(): definition.name for definition in KINDS}


def level_number(text: str) -> int:
    """The level that `text` names; an integer above 0 is a verbosity, and from 1 on debug messages show.

    Raises ValueError for anything else.
    """
    if text.lower() in _LEVELS:
        return _LEVELS[text.lower()]
    if text.isdecimal() and int(text) > 0:
        return _DEBUG
    raise ValueError(f"invalid log level {text!r}: use debug, info, warning, error, panic, or an integer above 0")


def _epoch_nanos(now: datetime) -> int:
    since = now - datetime(1970, 1, 1, tzinfo=UTC)
    return (since.days * 86_400 + since.seconds) * 1_000_000_000 + since.microseconds * 1_000


_TIMES: Final[dict[str, Callable[[datetime], str | float]]] = {
    "rfc3339": lambda now: now.strftime("%Y-%m-%dT%H:%M:%SZ"),
    "rfc3339nano": lambda now: now.strftime("%Y-%m-%dT%H:%M:%S.%f000Z"),
    "iso8601": lambda now: f"{now:%Y-%m-%dT%H:%M:%S}.{now.microsecond // 1000:03}Z",
    "epoch": lambda now: now.timestamp(),
    "millis": lambda now: _epoch_nanos(now) / 1_000_000,
    "nanos": _epoch_nanos,
    "nano": _epoch_nanos,  # so the original calls it in its help, and refuses it
}
TIME_ENCODINGS: Final = tuple(_TIMES)


@dataclass(frozen=True, slots=True, kw_only=True)
class Logging:
    """How lines are written; what is empty follows `development`: readable, with debug messages."""

    development: bool = False
    level: str = ""
    encoder: str = ""
    stacktrace_level: str = ""
    time_encoding: str = ""

    def filled(self) -> "Logging":
        """The same with nothing empty. Raises ValueError for what is unknown."""
        found = Logging(
            development=self.development,
            level=self.level or ("debug" if self.development else "info"),
            encoder=self.encoder or ("console" if self.development else "json"),
            stacktrace_level=self.stacktrace_level or ("warning" if self.development else "error"),
            time_encoding=self.time_encoding or "rfc3339",
        )
        level_number(found.level)
        for value, known in (
            (found.encoder, ENCODERS),
            (found.stacktrace_level, STACKTRACE_LEVELS),
            (found.time_encoding, TIME_ENCODINGS),
        ):
            if value not in known:
                raise ValueError(f"invalid value {value!r}: use {', '.join(known)}")
        return found


def configure_logging(settings: Logging, *, clock: Clock | None = None) -> None:
    """Set up structlog for the process, and the standard library's logging behind it.

    Raises ValueError for an unknown level, encoder or time encoding.
    """
    wanted = settings.filled()
    json = wanted.encoder == "json"
    keys: list[Processor] = [_of_reconcile, structlog.processors.EventRenamer("msg"), _named] if json else []
    processors: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        _Timestamp(wanted.time_encoding, clock or SystemClock()),
        # An exception on a line of error is a bug, and thus what a panic is there: its traceback is never left out.
        _Tracebacks(min(_LEVELS[wanted.stacktrace_level], _LEVELS["error"])),
        structlog.processors.format_exc_info,
        *keys,
        structlog.processors.JSONRenderer()
        if json
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), timestamp_key="ts"),
    ]
    structlog.configure(
        processors=processors,
        wrapper_class=structlog.make_filtering_bound_logger(level_number(wanted.level)),
        logger_factory=_factory,
        cache_logger_on_first_use=True,
    )
    logging.basicConfig(handlers=[_Bridge(logging.WARNING)], level=logging.WARNING, force=True)


class _Timestamp:
    def __init__(self, encoding: str, clock: Clock) -> None:
        self._write = _TIMES[encoding]
        self._clock = clock

    def __call__(self, _logger: Any, _method: str, event: EventDict) -> EventDict:
        event["ts"] = self._write(self._clock.now().astimezone(UTC))
        return event


class _Tracebacks:
    """Leaves the traceback of an exception on lines from a level on; on the others only its text."""

    def __init__(self, least: int) -> None:
        self._least = least

    def __call__(self, _logger: Any, _method: str, event: EventDict) -> EventDict:
        given = event.get("exc_info")
        if not given:
            return event
        error = given if isinstance(given, BaseException) else sys.exc_info()[1]
        if error is not None:
            event.setdefault("error", str(error) or type(error).__name__)
        if _LEVELS.get(event["level"], _LEVELS["panic"]) < self._least:
            del event["exc_info"]
        return event


class _Bridge(logging.Handler):
    """What libraries log, in our form."""

    def emit(self, record: logging.LogRecord) -> None:
        log = structlog.get_logger(record.name)
        log.log(min(record.levelno, logging.CRITICAL), record.getMessage(), exc_info=record.exc_info or None)


class _Named(structlog.PrintLogger):
    """A logger on stderr that knows its name."""

    name: str = ""


def _factory(*args: Any) -> _Named:
    logger = _Named(sys.stderr)
    logger.name = args[0] if args else ""
    return logger


def _of_reconcile(_logger: Any, _method: str, event: EventDict) -> EventDict:
    """Give a line from a reconcile the keys by which the original's lines are found."""
    kind = _KINDS.get(event.get("controller", ""))
    if kind is None or "reconcileID" not in event:
        return event
    place = {"name": event.get("name", ""), "namespace": event.get("namespace", "")}
    return {**event, "controllerGroup": GROUP, "controllerKind": kind, kind: place}


def _named(logger: Any, _method: str, event: EventDict) -> EventDict:
    """Put level, time, logger and message first, the rest behind; a traceback is called stacktrace."""
    ordered: EventDict = {"level": event.pop("level"), "ts": event.pop("ts")}
    if name := getattr(logger, "name", ""):
        ordered["logger"] = name
    ordered["msg"] = event.pop("msg")
    if "exception" in event:
        event["stacktrace"] = event.pop("exception")
    return {**ordered, **event}
