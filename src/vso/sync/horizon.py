"""When to look at Vault next (behaviour.md section 0.4).

Pure: durations are seconds, chance is an argument.
"""

from dataclasses import dataclass
from random import Random
from typing import Final

from vso.base import jitter

DEFAULT_REFRESH: Final = 60.0
"""Base of the poll interval where `refreshAfter` is unset and MACs are kept (api.md section 4.4)."""

_LATEST: Final = 0.95


def back_horizon(seconds: float, rng: Random) -> float:
    """Draw from (0.8, 0.9] of `seconds`: early enough, and spread."""
    return seconds * 0.9 - jitter(seconds * 0.1, rng)


@dataclass(frozen=True, slots=True)
class RefreshBounds:
    """The administrator's say on `refreshAfter` (D21), in seconds; 0 says nothing."""

    minimum: float = 0.0
    default: float = 0.0

    def in_force(self, asked: float) -> float:
        """What counts where `asked` is asked for; 0 for neither."""
        return max(asked, self.minimum) if asked > 0 else self.default


def refresh_interval(refresh_after: float, *, compares: bool) -> float:
    """Base of the poll interval; 0 means that only changes in the cluster lead to a sync."""
    if refresh_after > 0:
        return refresh_after
    return DEFAULT_REFRESH if compares else 0.0


def first_look(interval: float, rng: Random) -> float:
    """Delay of the first read after a start, for a resource that is in sync: spread over one interval."""
    return jitter(interval * 0.9, rng)


def lease_horizon(duration: float, percent: int, share: float) -> float:
    """When to renew what lasts `duration` seconds: `percent` of it (0 to 90), and up to a tenth more by `share`.

    Never later than 95 % of it, so that a renewal is not sent in the last moment.
    """
    return duration * min(min(max(percent, 0), 90) / 100 + 0.1 * (1.0 - share), _LATEST)
