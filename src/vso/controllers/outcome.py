"""What an attempt amounted to: the one place that turns errors into condition text, event and delay.

Two questions are answered by type: is it worth trying again without anybody changing anything, and which event
says whose fault it is (behaviour.md section 11, api.md section 10).
"""

import re
from collections.abc import Hashable
from dataclasses import dataclass
from datetime import timedelta
from random import Random
from typing import Final

from vso.apis.conditions import EventReason
from vso.apis.meta import Key
from vso.base import BackOff, Clock, format_duration, jitter
from vso.controllers.arrival import Arrivals
from vso.kube import Conflict, KubeError
from vso.runtime import Next
from vso.sync import (
    ConnectionInvalid,
    ConnectionSuspended,
    CredentialMissing,
    Deferred,
    DestinationClaimed,
    InvalidSpec,
    LoginSuspended,
    OwnershipError,
    ReferenceInvalid,
    RenderError,
    SyncError,
    Throttled,
    TransformationInvalid,
    Unavailable,
)
from vso.vault import Denied, LoginRefused, MissingCredential, VaultError

Expected = SyncError | VaultError | KubeError
"""Failures that belong to the job; anything else is a bug and escapes to the controller."""
EXPECTED: Final = (SyncError, VaultError, KubeError)

_CONFLICT_RETRY: Final = 1.0
_AFTER_LOGIN: Final = 1.0
"""Seconds over which those come back whom another login may help."""
_LONGEST_DEFERRAL: Final = 60.0
"""Seconds of attempts that were put off, or overtaken by other writers, after which that is told as a failure."""
_SERIES: Final = 30.0
"""Seconds between two of them after which the second is the first of a new series."""
_RELEASE_WITHIN: Final = 30.0
"""Seconds in which revocations are tried for a resource that is deleted."""
_HORIZON: Final = re.compile(r"horizon=\S*")


@dataclass(frozen=True, slots=True)
class Failure:
    """How a failed attempt is reported, and when the next one is due.

    `seconds` is None if only a change can help. `waits_for` names the login or server whose recovery wakes the
    resource. `unrecoverable` adds the event that the original puts before its own for a client that cannot be.
    """

    reason: EventReason
    text: str
    seconds: float | None
    waits_for: Hashable | None = None
    unrecoverable: bool = False

    @property
    def next(self) -> Next:
        """The reconciler's answer."""
        return Next.on_change() if self.seconds is None else Next.after(self.seconds, "retry")

    @property
    def horizon(self) -> str:
        """The delay as messages show it; ``0s`` if only a change can help."""
        return show_seconds(self.seconds or 0.0)


class Attempts:
    """Counts failures in a row per resource, for back-off; one per controller."""

    def __init__(self, backoff: BackOff, *, max_elapsed: float, clock: Clock, rng: Random) -> None:
        self._backoff = backoff
        self._max_elapsed = max_elapsed
        self._clock = clock
        self._rng = rng
        self._failed: dict[Key, tuple[int, float]] = {}
        self._deferred: dict[Key, tuple[float, float]] = {}
        self._leaving: dict[Key, float] = {}
        self._arrivals = Arrivals(clock)

    def succeeded(self, key: Key) -> None:
        """Start over for `key`; also when it is gone."""
        self._failed.pop(key, None)
        self._deferred.pop(key, None)
        self._leaving.pop(key, None)
        self._arrivals.complete(key)

    def clear(self) -> None:
        """Start over for all."""
        self._failed.clear()
        self._deferred.clear()
        self._leaving.clear()
        self._arrivals.clear()

    def put_off(self, key: Key, error: Expected) -> Next | None:
        """When to try again what is no failure to report; None for what is one, or lasts too long to be told apart."""
        if isinstance(error, ReferenceInvalid | TransformationInvalid):
            wait = self._arrivals.wait(key)
            return Next.after(wait, "reference") if wait else None
        self._arrivals.complete(key)
        if not isinstance(error, Deferred | Conflict):
            return None
        if isinstance(error, Throttled):
            return Next.after(error.retry_in, "throttled")
        now = self._clock.monotonic()
        first, last = self._deferred.get(key, (now, now))
        if now - last > _SERIES:
            first = now
        self._deferred[key] = (first, now)
        if now - first > _LONGEST_DEFERRAL:
            return None
        seconds = error.retry_in if isinstance(error, Deferred) else _CONFLICT_RETRY
        return Next.after(seconds + jitter(seconds, self._rng), "put off")

    def may_linger(self, key: Key) -> bool:
        """Whether the deletion of `key` may still wait for a revocation; what is left after that runs out by itself.

        Counted from the first look at it: the time that the API server names is that of another clock.
        """
        now = self._clock.monotonic()
        return now - self._leaving.setdefault(key, now) < _RELEASE_WITHIN

    def delay(self, key: Key) -> float | None:
        """Count a failure; seconds until the next attempt, None after `max_elapsed` seconds of failures."""
        now = self._clock.monotonic()
        count, since = self._failed.get(key, (0, now))
        self._failed[key] = (count + 1, since)
        if self._max_elapsed and now - since > self._max_elapsed:
            return None
        return self._backoff.delay(count + 1, self._rng)

    def failed(self, key: Key, error: Expected) -> Failure:
        """What `error` amounts to for `key`."""
        match error:
            case Unavailable():
                return self._put_off(error)
            case DestinationClaimed() | InvalidSpec() | ReferenceInvalid():
                seconds = None
            case _:
                seconds = self._patience(key, error)
        return Failure(
            _reason(error),
            _text(error),
            seconds,
            waits_for=None,
            unrecoverable=isinstance(error, ReferenceInvalid | CredentialMissing),
        )

    def _put_off(self, error: Unavailable) -> Failure:
        # Everybody who waits comes back a little after the one attempt that is due, not at the same moment.
        seconds = error.retry_in + jitter(max(1.0, error.retry_in * 0.2), self._rng)
        cause = error.cause if isinstance(error.cause, EXPECTED) else error
        return Failure(
            _reason(cause),
            _text(cause),
            seconds,
            waits_for=error.waits_for,
            unrecoverable=isinstance(cause, ReferenceInvalid | CredentialMissing),
        )

    def _patience(self, key: Key, error: Expected) -> float | None:
        asked = getattr(error, "retry_after", None) or 0.0
        delay = self.delay(key)
        if delay is not None and isinstance(error, Denied) and error.login_in is not None:
            # A policy that is attached by then is to be seen at that login, and not a step later (R08).
            delay = min(delay, error.login_in + jitter(_AFTER_LOGIN, self._rng))
        return None if delay is None else max(delay, asked)


def is_passing(error: Exception) -> bool:
    """Whether another attempt may succeed without anybody changing anything."""
    if isinstance(error, VaultError | KubeError):
        return error.transient
    return isinstance(error, Unavailable | TimeoutError)


def same_text(one: str, other: str) -> bool:
    """Whether two messages differ at most in the horizon they name."""
    return _HORIZON.sub("", one) == _HORIZON.sub("", other)


def show_seconds(seconds: float) -> str:
    """Seconds as messages show them, in tenths."""
    return format_duration(timedelta(seconds=round(seconds, 1)))


def _reason(error: Exception) -> EventReason:
    match error:
        case DestinationClaimed():
            return EventReason.DESTINATION_CONFLICT
        case ReferenceInvalid() | ConnectionInvalid() | CredentialMissing() | LoginSuspended():
            return EventReason.VAULT_CLIENT_CONFIG_ERROR
        case LoginRefused() | MissingCredential():
            return EventReason.VAULT_CLIENT_CONFIG_ERROR
        case TransformationInvalid():
            return EventReason.TRANSFORMATION_ERROR
        case InvalidSpec():
            return EventReason.VAULT_STATIC_SECRET_ERROR
        case RenderError():
            return EventReason.SECRET_DATA_BUILDER_ERROR
        case OwnershipError() | KubeError():
            return EventReason.SECRET_SYNC_ERROR
        case VaultError() | ConnectionSuspended() | Deferred():
            return EventReason.VAULT_CLIENT_ERROR
        case _:
            return EventReason.SECRET_SYNC_ERROR


def _text(error: Exception) -> str:
    match _reason(error):
        case EventReason.VAULT_CLIENT_CONFIG_ERROR:
            return f"Failed to get Vault auth login: {error}"
        case EventReason.VAULT_CLIENT_ERROR:
            return f"Failed to read Vault secret: {error}"
        case _:
            return str(error)
