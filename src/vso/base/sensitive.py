"""Values that must not be seen: tokens, credentials, secret data.

A `Sensitive` can travel through logs, errors and debuggers without showing what it holds; `reveal` marks
the few places where the value is really used.
"""

import hmac
from typing import Generic, TypeVar, final

T = TypeVar("T")


@final
class Sensitive(Generic[T]):
    """Holds one value; `repr` and `str` show stars, pickling is refused, equality compares the values."""

    __slots__ = ("_value",)

    def __init__(self, value: T) -> None:
        self._value = value

    def reveal(self) -> T:
        """Return the value itself."""
        return self._value

    def __repr__(self) -> str:
        return "Sensitive(***)"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Sensitive):
            return NotImplemented
        mine, theirs = self._value, other._value
        if isinstance(mine, bytes) and isinstance(theirs, bytes):
            return hmac.compare_digest(mine, theirs)
        return bool(mine == theirs)

    def __hash__(self) -> int:
        return hash(self._value)

    def __reduce__(self) -> str:
        raise TypeError("a Sensitive value does not leave the process by pickling")
