"""Keeps the requests to one server to a rate, and tells those who must wait long when to come back. Pure."""

from vso.base import RateLimit, TokenBucket


class Pace:
    """A `TokenBucket` with a line of those who were sent away.

    Each of them is told another moment, one permit after the other, so that a thousand that start together come back
    one by one and not all at once.
    """

    def __init__(self, limit: RateLimit, *, now: float) -> None:
        self._limit = limit
        self._bucket = TokenBucket(limit, now=now)
        self._line = 0

    def reserve(self, now: float, *, patience: float) -> float:
        """Seconds until the request may go out; above `patience` it is when to ask again."""
        if self._limit.qps <= 0:
            return 0.0
        wait = self._bucket.reserve(now)
        if wait <= patience:
            self._line = max(self._line - 1, 0)
            return wait
        self._bucket.give_back()
        self._line += 1
        return wait + self._line / self._limit.qps
