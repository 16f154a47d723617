"""Durations in the text form of the Go programming language, which the API and the flags use.

Format: https://pkg.go.dev/time#ParseDuration. Values are `timedelta`, so nanoseconds are cut to
microseconds; no field of the API is that fine.
"""

import re
from datetime import timedelta
from decimal import Decimal
from functools import lru_cache
from typing import Final

_UNITS: Final = {
    "ns": Decimal("0.001"),
    "us": Decimal(1),
    "µs": Decimal(1),  # U+00B5, the micro sign
    "μs": Decimal(1),  # U+03BC, the Greek letter, which Go accepts as well
    "ms": Decimal(1_000),
    "s": Decimal(1_000_000),
    "m": Decimal(60_000_000),
    "h": Decimal(3_600_000_000),
}
_PART: Final = re.compile(r"(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|μs|ms|s|m|h)")
_MILLISECOND: Final = 1_000
_SECOND: Final = 1_000_000
_MINUTE: Final = 60 * _SECOND
_REMEMBERED: Final = 1024
_LIMIT: Final = Decimal(2**63 // 1000)  # Go counts nanoseconds in 64 bits


@lru_cache(maxsize=_REMEMBERED)  # few texts, read again at each refresh of each resource
def parse_duration(text: str) -> timedelta:
    """Read `text` such as ``90s``, ``1h30m``, ``-1.5h`` or ``0``.

    Raises ValueError, with a text for people, if `text` is not a Go duration or exceeds 292 years.
    """
    sign, body = (-1, text[1:]) if text.startswith("-") else (1, text.removeprefix("+"))
    if body == "0":
        return timedelta()
    micros, position = Decimal(0), 0
    while part := _PART.match(body, position):
        micros += Decimal(part[1]) * _UNITS[part[2]]
        position = part.end()
    if not body or position != len(body):
        raise ValueError(f"invalid duration {text!r}: write a number and a unit, such as 30s, 5m or 1h30m")
    if micros > _LIMIT:
        raise ValueError(f"invalid duration {text!r}: longer than 292 years")
    return timedelta(microseconds=sign * int(micros))


def format_duration(value: timedelta) -> str:
    """Write `value` as Go prints it: ``1m30s``, ``4m30.5s``, ``250ms``, ``0s``."""
    micros = round(value / timedelta(microseconds=1))
    sign, micros = ("-", -micros) if micros < 0 else ("", micros)
    if micros == 0:
        return "0s"
    if micros < _MILLISECOND:
        return f"{sign}{micros}µs"
    if micros < _SECOND:
        return f"{sign}{_plain(micros, _MILLISECOND)}ms"
    minutes, rest = divmod(micros, _MINUTE)
    hours, minutes = divmod(minutes, 60)
    text = f"{_plain(rest, _SECOND)}s"
    if hours:
        return f"{sign}{hours}h{minutes}m{text}"
    return f"{sign}{minutes}m{text}" if minutes else sign + text


def _plain(micros: int, unit: int) -> str:
    whole, rest = divmod(micros, unit)
    digits = len(str(unit)) - 1
    return f"{whole}.{rest:0{digits}d}".rstrip("0") if rest else str(whole)
