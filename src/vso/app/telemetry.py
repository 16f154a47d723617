"""Logging: one JSON object per line on stderr, with the keys of the original (operations.md section 1.7)."""

import sys
from typing import Any, Final

import structlog
from structlog.typing import EventDict, Processor

_LEVELS: Final = {"debug": 10, "info": 20, "warning": 30, "error": 40, "panic": 50}
_DEBUG: Final = 10


def level_number(text: str) -> int:
    """The level that `text` names; an integer above 0 is a verbosity and shows everything.

    Raises ValueError for anything else.
    """
    if text in _LEVELS:
        return _LEVELS[text]
    if text.isdigit() and int(text) > 0:
        return _DEBUG
    raise ValueError(f"invalid log level {text!r}: use debug, info, error, panic, or an integer above 0")


def configure_logging(*, level: str, encoder: str) -> None:
    """Set up structlog for the process. Raises ValueError for an unknown level or encoder."""
    renderer: dict[str, Processor] = {
        "json": structlog.processors.JSONRenderer(),
        "console": structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty()),
    }
    if encoder not in renderer:
        raise ValueError(f"invalid log encoder {encoder!r}: use json or console")
    names: list[Processor] = [structlog.processors.EventRenamer("msg"), _named] if encoder == "json" else []
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True, key="ts"),
            structlog.processors.format_exc_info,
            *names,
            renderer[encoder],
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level_number(level)),
        logger_factory=_factory,
        cache_logger_on_first_use=True,
    )


class _Named(structlog.PrintLogger):
    """A logger on stderr that knows its name."""

    name: str = ""


def _factory(*args: Any) -> _Named:
    logger = _Named(sys.stderr)
    logger.name = args[0] if args else ""
    return logger


def _named(logger: Any, _method: str, event: EventDict) -> EventDict:
    """Put level, time, logger and message first, the rest behind; a traceback is called stacktrace."""
    ordered: EventDict = {"level": event.pop("level"), "ts": event.pop("ts")}
    if name := getattr(logger, "name", ""):
        ordered["logger"] = name
    ordered["msg"] = event.pop("msg")
    if "exception" in event:
        ordered["stacktrace"] = event.pop("exception")
    return {**ordered, **event}
