"""Reading single members of a spec, with an error that names them."""

from datetime import timedelta

from vso.base import format_duration, parse_duration
from vso.sync import InvalidSpec, RefreshBounds


def seconds_of(text: str, member: str) -> float:
    """The duration `text` of `member` in seconds, 0 if it is unset. Raises InvalidSpec if it cannot be read."""
    try:
        seconds = parse_duration(text).total_seconds() if text else 0.0
    except ValueError as exc:
        raise InvalidSpec(f"{member}: {exc}") from exc
    if seconds < 0:
        raise InvalidSpec(f"{member}: invalid duration {text!r}: it must not be negative")
    return seconds


def overruled(refresh_after: str, bounds: RefreshBounds) -> str:
    """The interval in force as a duration, if `bounds` and not the resource set it; else empty (D21)."""
    asked = seconds_of(refresh_after, "spec.refreshAfter")
    given = bounds.in_force(asked)
    return format_duration(timedelta(seconds=given)) if given != asked else ""
