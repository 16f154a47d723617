"""What an option is, and how the texts of its kinds are read, as Go reads them (operations.md sections 1.3 and 1.4).

The options themselves: `options`.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from math import isfinite
from typing import Any, Final

from vso.base import format_duration, parse_duration

TRUE: Final = frozenset({"1", "t", "T", "TRUE", "true", "True"})
FALSE: Final = frozenset({"0", "f", "F", "FALSE", "false", "False"})
_INTEGER: Final = re.compile(r"[+-]?(0[xX][0-9a-fA-F]+|0[bB][01]+|0[oO]?[0-7]+|0|[1-9][0-9]*)")
_NUMBER: Final = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")
_OCTAL: Final = re.compile(r"^([+-]?)0([0-7]+)$")


def read_text(value: str) -> str:
    """Any text."""
    return value


def read_list(value: str) -> tuple[str, ...]:
    """Elements between commas, as they stand; none if the text is empty."""
    return tuple(value.split(",")) if value else ()


def read_seconds(value: str) -> float:
    """A Go duration, in seconds. Raises ValueError."""
    return parse_duration(value).total_seconds()


def read_number(value: str) -> float:
    """A decimal number. Raises ValueError, also for infinity."""
    if not _NUMBER.fullmatch(value) or not isfinite(number := float(value)):
        raise ValueError(f"invalid number {value!r}: write one such as 0.5 or 20")
    return number


def read_integer(value: str) -> int:
    """An integer with an optional prefix 0x, 0o, 0b, or 0 for octal. Raises ValueError."""
    if not _INTEGER.fullmatch(value):
        raise ValueError(f"invalid integer {value!r}: write one such as 100 or 0x64")
    return int(_OCTAL.sub(r"\g<1>0o\2", value), 0)


def read_unsigned(value: str) -> int:
    """An integer that is not negative. Raises ValueError."""
    if value.startswith("-") or (number := read_integer(value)) < 0:
        raise ValueError(f"invalid value {value!r}: it must not be negative")
    return number


def read_boolean(value: str) -> bool:
    """One of Go's words for true and false. Raises ValueError."""
    if value not in TRUE | FALSE:
        raise ValueError(f"invalid boolean value {value!r}: use true or false")
    return value in TRUE


def one_of(names: Sequence[str]) -> Callable[[str], str]:
    """Reads one of `names`, whatever its case."""

    def read(value: str) -> str:
        if value.lower() not in names:
            raise ValueError(f"invalid value {value!r}: use {', '.join(names[:-1])} or {names[-1]}")
        return value.lower()

    return read


def always(_: Any) -> bool:
    """Of an option whose variable counts as set whenever it exists."""
    return True


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """One option: `name` is the field of `Settings`, `read` turns text into its value.

    `counts` tells whether a value found in the environment counts as set (operations.md section 1.4); of an option with
    a `notice` it tells so of a flag's value too. A `boolean` takes
    its value after an equals sign alone, and is true without one. `flag_wins` marks the options whose variable gives
    way to their flag, and `read_variable` those whose variable is read otherwise. `notice` tells why an option of the
    original has no effect here, or how it is superseded; it is logged where a value that counts is given.
    """

    name: str
    help: str
    read: Callable[[str], Any] = read_text
    variable: str = ""
    metavar: str = "TEXT"
    flag: str = ""
    counts: Callable[[Any], bool] = bool
    boolean: bool = False
    flag_wins: bool = False
    read_variable: Callable[[str], Any] | None = None
    notice: str = ""

    @property
    def switch(self) -> str:
        """The flag, with its two dashes."""
        return self.flag or "--" + self.name.replace("_", "-")

    def from_variable(self, text: str) -> Any:
        """The value that `text` in the environment means. Raises ValueError."""
        return (self.read_variable or self.read)(text)

    def show(self, value: Any) -> str:
        """`value` as it would be written on the command line."""
        if isinstance(value, tuple):
            return ",".join(value)
        if isinstance(value, bool):
            return str(value).lower()
        if self.metavar == "DURATION":
            return format_duration(timedelta(seconds=value))
        return f"{value:g}" if isinstance(value, float) else str(value)
