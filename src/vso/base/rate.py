"""An optional brake on requests: to the API server (``--kube-client-qps``), or to one Vault server (D28).

Pure: the caller brings the time and does the waiting.
"""

from dataclasses import dataclass
from typing import Final

DEFAULT_BURST: Final = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class RateLimit:
    """At most `qps` requests per second in the long run, and `burst` at once.

    A `qps` of 0 means no limit, a `burst` of 0 `DEFAULT_BURST`.
    """

    qps: float = 0.0
    burst: int = 0


class TokenBucket:
    """Holds up to `burst` permits and gains `qps` of them per second; first come, first served."""

    def __init__(self, limit: RateLimit, *, now: float) -> None:
        self._qps = limit.qps
        self._capacity = float(limit.burst or DEFAULT_BURST)
        self._permits = self._capacity
        self._refilled = now

    def reserve(self, now: float) -> float:
        """Take one permit at `now` (monotonic seconds); the result is the seconds to wait before using it."""
        if self._qps <= 0:
            return 0.0
        gained = (now - self._refilled) * self._qps
        self._permits = min(self._capacity, self._permits + gained) - 1.0
        self._refilled = now
        return max(0.0, -self._permits / self._qps)

    def give_back(self) -> None:
        """Return a permit that was not used; those who wait already keep their turn."""
        self._permits = min(self._capacity, self._permits + 1.0)
