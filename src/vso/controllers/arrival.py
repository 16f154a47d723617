"""Objects of one manifest arrive in any order: what an object refers to gets a moment before its absence is told."""

from typing import Final

from vso.apis.meta import Key
from vso.base import Clock

_MOMENT: Final = 2.0
"""Seconds; enough for the rest of a manifest, and for a watch that lags behind another."""


class Arrivals:
    """Knows since when the references of each resource lead nowhere, or to something that cannot be used."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._since: dict[Key, float] = {}

    def wait(self, key: Key) -> float:
        """A reference of `key` leads nowhere: seconds to be silent about it, 0 once the moment is over."""
        now = self._clock.monotonic()
        return max(0.0, self._since.setdefault(key, now) + _MOMENT - now)

    def complete(self, key: Key) -> None:
        """All references of `key` can be followed, or it is gone."""
        self._since.pop(key, None)

    def clear(self) -> None:
        """Forget everything."""
        self._since.clear()
