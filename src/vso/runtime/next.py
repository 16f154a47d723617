"""What a reconciler answers: when its key should be looked at again.

A reconciler never sleeps and never touches the queue; the controller turns the answer into a due time.
"""

import math
from dataclasses import dataclass
from enum import IntEnum


class Lane(IntEnum):
    """Two lanes of a queue: what people just changed goes before start-up and refresh work."""

    FRESH = 0
    STEADY = 1


@dataclass(frozen=True, slots=True)
class Next:
    """When the key is due again; made by `after`, `on_change` or `soon`."""

    delay: float | None
    """Seconds, at least 0; None: only a change wakes the key."""
    why: str
    lane: Lane = Lane.STEADY

    @staticmethod
    def after(seconds: float, why: str) -> "Next":
        """Due `seconds` from now (less than 0 counts as 0), in the lane of refresh work.

        Raises ValueError for NaN, which no clock reaches.
        """
        if math.isnan(seconds):
            raise ValueError(f"the delay for {why!r} is not a number")
        return Next(max(seconds, 0.0), why)

    @staticmethod
    def on_change() -> "Next":
        """Not due again until something about the key changes."""
        return Next(None, "change")

    def at_most(self, seconds: float | None, why: str) -> "Next":
        """This, or `after` those seconds if that is earlier; None is never."""
        if seconds is None or (self.delay is not None and self.delay <= seconds):
            return self
        return Next.after(seconds, why)

    @staticmethod
    def soon(why: str) -> "Next":
        """Due at once, before refresh work."""
        return Next(0.0, why, Lane.FRESH)
