"""Keeps a disagreement over a Secret from becoming a fight: repairs are quick at first, then further and further apart.

Another controller that puts its annotation back, or writes other data, would otherwise be answered at the speed of the
API server, for ever.
"""

from dataclasses import dataclass
from typing import Final

from vso.apis.meta import Key

FREE: Final = 5
"""Repairs that are done at once."""
_FIRST: Final = 5.0
_LONGEST: Final = 60.0
_QUIET: Final = 120.0
"""Seconds without a repair after which all is forgotten."""


@dataclass(slots=True)
class _Contest:
    repairs: int
    last: float
    held_back: bool = False


class Brake:
    """Counts repairs per resource; instants are monotonic."""

    def __init__(self) -> None:
        self._contests: dict[Key, _Contest] = {}

    def wait(self, key: Key, now: float) -> float:
        """Seconds until `key` may be repaired again; 0 if it may be now, which counts as done."""
        contest = self._contests.get(key)
        if contest is None or now - contest.last >= _QUIET:
            self._contests[key] = _Contest(1, now)
            return 0.0
        due = contest.last + self._pause(contest.repairs)
        if now < due:
            contest.held_back = True
            return due - now
        contest.repairs, contest.last = contest.repairs + 1, now
        return 0.0

    def calm_in(self, key: Key, now: float) -> float | None:
        """Seconds after which a contest counts as over in which `key` was held back; None if there is none."""
        contest = self._contests.get(key)
        if contest is None or not contest.held_back or now - contest.last >= _QUIET:
            return None
        return contest.last + _QUIET - now

    def forget(self, key: Key) -> None:
        """Forget a resource that goes."""
        self._contests.pop(key, None)

    def clear(self) -> None:
        """Forget all."""
        self._contests.clear()

    def _pause(self, repairs: int) -> float:
        return 0.0 if repairs < FREE else min(_FIRST * 2.0 ** min(repairs - FREE, 10), _LONGEST)
