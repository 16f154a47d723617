"""What figures tell of attempts to bring a destination up to date: why each was made, and how it ended.

`SyncObserver` is implemented by telemetry. Names of the values: operations.md section 2.4.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from vso.apis.meta import Key
from vso.base import Clock
from vso.controllers.outcome import Expected
from vso.controllers.world import Claimant
from vso.kube import KubeError
from vso.sync import (
    CredentialMissing,
    LoginSuspended,
    OwnershipError,
    RenderError,
    SyncError,
    TransformationInvalid,
    Unavailable,
)
from vso.vault import LoginRefused, MissingCredential, VaultError


class AttemptResult(StrEnum):
    """How an attempt ended."""

    SUCCESS = "success"
    FAILURE = "failure"
    UNCHANGED = "unchanged"


class FailureCause(StrEnum):
    """Where a failure comes from."""

    AUTH = "auth"
    CONFIG = "config"
    KUBERNETES = "kubernetes"
    OTHER = "other"
    OWNERSHIP = "ownership"
    TRANSFORMATION = "transformation"
    VAULT = "vault"


class AttemptReason(StrEnum):
    """Why attempts are made; the plans of the kinds have the finer reasons."""

    INITIAL = "InitialSync"
    UPDATED = "ResourceUpdated"
    PERIODIC = "Periodic"


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One attempt for the resource `key` of `kind`; `cause` only of a failure, `ended` in seconds since 1970."""

    kind: str
    key: Key
    reason: str
    result: AttemptResult
    seconds: float
    ended: float
    cause: FailureCause | None = None


class SyncObserver(Protocol):
    """Told of attempts and restarts; called from the event loop, must be quick and must not raise."""

    def attempted(self, attempt: Attempt) -> None:
        """An attempt ended and its status is about to be written."""

    def restarted(self, namespace: str, kind: str, *, ok: bool) -> None:
        """A workload of `kind` was restarted, or could not be."""


class Unwatched:
    """Observes everything and tells nobody."""

    def attempted(self, attempt: Attempt) -> None:
        """See `SyncObserver`."""

    def restarted(self, namespace: str, kind: str, *, ok: bool) -> None:
        """See `SyncObserver`."""


class AttemptLog:
    """Times the attempts of one kind. A look that finds nothing to do is no attempt."""

    def __init__(self, kind: str, *, clock: Clock, observer: SyncObserver) -> None:
        self._kind = kind
        self._clock = clock
        self._observer = observer
        self._looks: dict[Key, float] = {}
        self._reasons: dict[Key, str] = {}

    def look(self, key: Key) -> None:
        """A look at `key` begins."""
        self._looks[key] = self._clock.monotonic()
        self._reasons.pop(key, None)

    def begin(self, key: Key, reason: str) -> None:
        """The look became an attempt, because of `reason`."""
        self._reasons[key] = reason or AttemptReason.PERIODIC

    def succeeded(self, key: Key, *, wrote: bool) -> None:
        """The look ended well; `wrote` tells whether the destination was changed."""
        reason, seconds = self._reasons.pop(key, None), self._seconds(key)
        if reason is not None:
            self._tell(key, reason, seconds, AttemptResult.SUCCESS if wrote else AttemptResult.UNCHANGED)

    def failed(self, wanted: Claimant, error: Expected) -> None:
        """The look ended with `error`; what fails after it ended well, such as the write of its status, is not told."""
        if wanted.key not in self._looks:
            return
        reason = self._reasons.pop(wanted.key, None) or _reason_of(wanted)
        self._tell(wanted.key, reason, self._seconds(wanted.key), AttemptResult.FAILURE, cause_of(error))

    def forget(self, key: Key) -> None:
        """The resource is gone."""
        self._looks.pop(key, None)
        self._reasons.pop(key, None)

    def _seconds(self, key: Key) -> float:
        now = self._clock.monotonic()
        return now - self._looks.pop(key, now)

    def _tell(
        self, key: Key, reason: str, seconds: float, result: AttemptResult, cause: FailureCause | None = None
    ) -> None:
        self._observer.attempted(
            Attempt(
                kind=self._kind,
                key=key,
                reason=reason,
                result=result,
                seconds=seconds,
                ended=self._clock.now().timestamp(),
                cause=cause,
            )
        )


def _reason_of(wanted: Claimant) -> AttemptReason:
    """Why there was an attempt that failed before its reason was known."""
    if not wanted.status.last_generation:
        return AttemptReason.INITIAL
    updated = wanted.status.last_generation != wanted.metadata.generation
    return AttemptReason.UPDATED if updated else AttemptReason.PERIODIC


def cause_of(error: Exception) -> FailureCause:
    """Where `error` comes from."""
    match error:
        case LoginSuspended() | LoginRefused() | CredentialMissing() | MissingCredential():
            return FailureCause.AUTH
        case Unavailable() | VaultError():
            return FailureCause.VAULT
        case KubeError():
            return FailureCause.KUBERNETES
        case TransformationInvalid() | RenderError():
            return FailureCause.TRANSFORMATION
        case OwnershipError():
            return FailureCause.OWNERSHIP
        case SyncError():
            return FailureCause.CONFIG
        case _:
            return FailureCause.OTHER
