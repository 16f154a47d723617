"""Reading single members of a spec, with an error that names them."""

from vso.base import parse_duration
from vso.sync import InvalidSpec


def seconds_of(text: str, member: str) -> float:
    """The duration `text` of `member` in seconds, 0 if it is unset. Raises InvalidSpec if it cannot be read."""
    try:
        seconds = parse_duration(text).total_seconds() if text else 0.0
    except ValueError as exc:
        raise InvalidSpec(f"{member}: {exc}") from exc
    if seconds < 0:
        raise InvalidSpec(f"{member}: invalid duration {text!r}: it must not be negative")
    return seconds
