"""Two small machines that keep failures from multiplying. Pure: instants come in, verdicts go out.

`Breaker` guards one connection: while the server is out of order, only a single trial is let through.
`LoginGate` guards one identity: a failed login is tried again once per back-off step, however many resources
wait for it (regressions R10, R11).
"""

from dataclasses import dataclass
from random import Random
from typing import Final

from vso.base import BackOff
from vso.vault import VaultError

PROBE_INTERVAL: Final = 5.0
"""Seconds between two looks at a server that is out of order (D47)."""
_IGNORED: Final = 60.0
"""Seconds after which a trial that nobody took shows that nobody waits for the server any more."""


@dataclass(slots=True)
class Breaker:
    """Closed while the server answers; open after an outage; half open for one trial after a good probe.

    A server's word that it is in order ends an outage that only probes saw. One that requests ran into ends when
    a request, the trial, was answered: a server may be unsealed and still have no active node.
    """

    outage: Exception | None = None
    """What opened the breaker; None while it is closed."""
    needs_trial: bool = False
    """Whether a request ran into the outage."""
    _trial_allowed: bool = False
    _trial_until: float = float("-inf")
    _allowed_since: float = float("inf")
    _retry_at: float = float("-inf")

    def may_try(self, now: float) -> bool:
        """Whether a request may go out; unlike `admit` this takes nothing."""
        return self.outage is None or (self._trial_allowed and now >= self._trial_until)

    def admit(self, now: float, *, trial_seconds: float) -> bool:
        """Whether this request may go out; the first one after a good probe becomes the trial.

        A trial that never reports back, since its caller was cancelled, ends after `trial_seconds`.
        """
        if not self.may_try(now):
            return False
        if self.outage is not None:
            self._trial_until = now + trial_seconds
        return True

    def failed(self, error: Exception, *, by_request: bool, retry_at: float = float("-inf")) -> bool:
        """Note an outage; True if it is news. The server asks for no request before `retry_at`."""
        news = self.outage is None
        self.outage, self._trial_allowed = error, False
        self.needs_trial = self.needs_trial or by_request
        self._trial_until = float("-inf")
        self._retry_at = max(self._retry_at, retry_at)
        return news

    def answered(self) -> bool:
        """Note that the server is in order; True if that ends an outage."""
        news = self.outage is not None
        self.outage, self._trial_allowed, self.needs_trial = None, False, False
        self._trial_until = self._retry_at = float("-inf")
        return news

    def allow_trial(self, now: float) -> bool:
        """Let one request through, after a good probe; True if that is news.

        Nothing changes as long as the server asked for patience.
        """
        if now < self._retry_at:
            return False
        news = self.outage is not None and not self._trial_allowed
        self._trial_allowed = self.outage is not None
        if news:
            self._allowed_since = now
        return news

    def trial_is_ignored(self, now: float) -> bool:
        """Whether nobody took the trial for so long that nobody waits for the server any more."""
        return self._trial_allowed and now - max(self._allowed_since, self._trial_until) > _IGNORED

    def void_trial(self) -> None:
        """Note that a trial ended without telling anything: the next request may be it."""
        self._trial_until = float("-inf")


@dataclass(slots=True)
class LoginGate:
    """Remembers failed logins of one identity and when the next one is due."""

    backoff: BackOff
    rng: Random
    _failures: int = 0
    _retry_at: float = 0.0
    _error: Exception | None = None

    def refusal(self, now: float) -> tuple[Exception, float] | None:
        """The last failure and the seconds until the next attempt; None if one may be made now."""
        if self._error is None or now >= self._retry_at:
            return None
        return self._error, self._retry_at - now

    def failed(self, error: Exception, now: float) -> float:
        """Note a failure; the seconds until the next attempt, as many as the server asked for at least."""
        self._failures += 1
        asked = (isinstance(error, VaultError) and error.retry_after) or 0.0
        delay = max(self.backoff.delay(self._failures, self.rng), asked)
        self._error, self._retry_at = error, now + delay
        return delay

    def succeeded(self) -> bool:
        """Note a success; True if it ends a series of failures."""
        news = self._error is not None
        self._failures, self._error = 0, None
        return news
