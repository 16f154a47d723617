"""Figures of attempts to bring destinations up to date (operations.md section 2.4)."""

from collections.abc import Collection
from typing import Final

from vso.apis.meta import Key
from vso.app.metrics.family import FEW, Families
from vso.controllers import Attempt, AttemptResult


class SecretMetrics:
    """Implements `vso.controllers.SyncObserver`; with `each`, the last success of each resource is remembered."""

    def __init__(self, families: Families, *, each: bool) -> None:
        self._families = families
        self._each = each
        self._namespaces: set[str] = set()
        self.last_success: Final[dict[tuple[str, Key], float]] = {}
        """Kind and key of a resource -> seconds since 1970 of the last attempt that went well in this process."""
        where = "kind", "namespace"
        self.syncs: Final = families.counter(
            "vso_secret_syncs_total",
            "Attempts to bring a destination up to date, by result and by what made them necessary.",
            *where,
            *("result", "reason"),
        )
        self.failures: Final = families.counter(
            "vso_secret_sync_failures_total", "Attempts that failed, by where the failure comes from.", *where, "cause"
        )
        self.seconds: Final = families.histogram(
            "vso_secret_sync_duration_seconds",
            "Duration of attempts, from the first look to the status.",
            *("kind", "result"),
            buckets=FEW,
        )
        self.restarts: Final = families.counter(
            "vso_rollout_restarts_total", "Restarts of workloads.", *where, "result"
        )

    def attempted(self, attempt: Attempt) -> None:
        """See `vso.controllers.SyncObserver`."""
        kind, namespace, result = attempt.kind, attempt.key.namespace, attempt.result.value
        self._namespaces.add(namespace)
        self.syncs.labels(kind, namespace, result, attempt.reason).inc()
        self.seconds.labels(kind, result).observe(attempt.seconds)
        if attempt.cause is not None:
            self.failures.labels(kind, namespace, attempt.cause.value).inc()
        if self._each and attempt.result is not AttemptResult.FAILURE:
            self.last_success[kind, attempt.key] = attempt.ended

    def restarted(self, namespace: str, kind: str, *, ok: bool) -> None:
        """See `vso.controllers.SyncObserver`."""
        self._namespaces.add(namespace)
        self.restarts.labels(kind, namespace, "success" if ok else "failure").inc()

    @property
    def names(self) -> int:
        """How many names there are series of."""
        return len(self._namespaces) + len(self.last_success)

    def forget_others(self, *, namespaces: Collection[str], resources: Collection[tuple[str, Key]]) -> None:
        """Remove the series of all namespaces but these, and what is known of all resources but these."""
        if gone := self._namespaces.difference(namespaces):
            self._families.forget("namespace", gone)
            self._namespaces -= gone
        for one in [one for one in self.last_success if one not in resources]:
            del self.last_success[one]
