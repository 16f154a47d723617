"""Figures of the runtime, under the names that dashboards for controllers know (operations.md section 2.2)."""

from typing import Final

from vso.app.metrics.family import LONG_DURATIONS, WAITS, Families
from vso.base import Clock
from vso.kube import NO_ANSWER, RequestSeen
from vso.runtime import ControllerObserver, Lane, LeaderObserver, QueueObserver, Result, Silent, WorkQueue

_PRIORITY: Final = {Lane.FRESH: "0", Lane.STEADY: "-100"}
"""The original's priorities: that of a change, and that of a start or a resync."""
_EXPECTED: Final = frozenset({("get", "404"), ("delete", "404"), ("watch", "410"), ("list", "410")})
"""Answers that belong to the job; so does any 409, after which the state is read again."""
_CONFLICT: Final = "409"
_FIRST_FAILURE: Final = 400


class RuntimeMetrics:
    """Makes the observers of queues, controllers and the elector; counts requests to the API server."""

    def __init__(self, families: Families, *, clock: Clock, server: str) -> None:
        self._clock = clock
        self._host = server.partition("://")[2].partition("/")[0]
        on, queue = "controller", ("name", "controller")
        self.reconciles: Final = families.counter(
            "controller_runtime_reconcile_total", "Reconciles that ended, by how they ended.", on, "result"
        )
        self.errors: Final = families.counter(
            "controller_runtime_reconcile_errors_total", "Reconciles that ended with an error.", on
        )
        self.terminal: Final = families.counter(
            "controller_runtime_terminal_reconcile_errors_total",
            "Reconciles with an error that is not retried; there are none in this operator.",
            on,
        )
        self.panics: Final = families.counter(
            "controller_runtime_reconcile_panics_total", "Reconciles that crashed: a bug, please report it.", on
        )
        self.timeouts: Final = families.counter(
            "controller_runtime_reconcile_timeouts_total",
            "Reconciles cut by a time limit; there is none in this operator.",
            on,
        )
        self.seconds: Final = families.histogram(
            "controller_runtime_reconcile_time_seconds", "Duration of reconciles.", on, buckets=LONG_DURATIONS
        )
        self.workers: Final = families.gauge(
            "controller_runtime_max_concurrent_reconciles", "Reconciles that may run at the same time.", on
        )
        self.active: Final = families.gauge("controller_runtime_active_workers", "Reconciles that run now.", on)
        self.depth: Final = families.gauge(
            "workqueue_depth", "Resources that are due and wait for a worker.", *queue, "priority"
        )
        self.adds: Final = families.counter("workqueue_adds_total", "Resources that became due.", *queue)
        self.retries: Final = families.counter("workqueue_retries_total", "Resources planned for later.", *queue)
        self.waited: Final = families.histogram(
            "workqueue_queue_duration_seconds", "Time from being due to being worked on.", *queue, buckets=WAITS
        )
        self.worked: Final = families.histogram(
            "workqueue_work_duration_seconds", "Time of being worked on.", *queue, buckets=WAITS
        )
        self.unfinished: Final = families.series(
            "workqueue_unfinished_work_seconds", "Time that the running work has taken so far, in all.", *queue
        )
        self.longest: Final = families.series(
            "workqueue_longest_running_processor_seconds", "Time that the longest running work has taken.", *queue
        )
        self.requests: Final = families.counter(
            "rest_client_requests_total", "Requests to the API server.", "code", "method", "host"
        )
        self.failures: Final = families.counter(
            "vso_kubernetes_api_failures_total",
            "Failed requests to the API server, without those answers that belong to the job.",
            *("verb", "resource", "code"),
        )
        self.leads: Final = families.gauge(
            "leader_election_master_status", "1 while this replica leads, else 0.", "name"
        )
        self.slow: Final = families.counter(
            "leader_election_slowpath_total", "Renewals of the lease that had to read it again.", "name"
        )

    def queue(self, name: str) -> QueueObserver:
        """What feeds the figures of one queue."""
        return _Queue(self, name)

    def controller(self, name: str, queue: WorkQueue, *, workers: int) -> ControllerObserver:
        """What feeds the figures of one controller; those of unfinished work are read from its `queue`."""
        self.workers.labels(name).set(workers)
        self.unfinished.labels(name, name).set_function(lambda: sum(queue.running(self._clock.monotonic())))
        self.longest.labels(name, name).set_function(lambda: max(queue.running(self._clock.monotonic()), default=0.0))
        return _Controller(self, name)

    def leader(self, lease: str) -> LeaderObserver:
        """What feeds the figures of leader election."""
        return _Leader(self, lease)

    def requested(self, seen: RequestSeen) -> None:
        """Count a request to the API server."""
        self.requests.labels(seen.code, seen.method, self._host).inc()
        if _is_failure(seen):
            self.failures.labels(seen.verb, seen.resource, seen.code).inc()


def _is_failure(seen: RequestSeen) -> bool:
    if seen.code == NO_ANSWER:
        return True
    if int(seen.code) < _FIRST_FAILURE or seen.code == _CONFLICT:
        return False
    return (seen.verb, seen.code) not in _EXPECTED


class _Queue(Silent):
    def __init__(self, metrics: RuntimeMetrics, name: str) -> None:
        names = name, name
        self._depth = {lane: metrics.depth.labels(*names, priority) for lane, priority in _PRIORITY.items()}
        self._adds = metrics.adds.labels(*names)
        self._retries = metrics.retries.labels(*names)
        self._waited = metrics.waited.labels(*names)
        self._worked = metrics.worked.labels(*names)

    def depth(self, lane: Lane, keys: int) -> None:
        self._depth[lane].set(keys)

    def added(self) -> None:
        self._adds.inc()

    def retried(self) -> None:
        self._retries.inc()

    def taken(self, waited: float) -> None:
        self._waited.observe(waited)

    def finished(self, worked: float) -> None:
        self._worked.observe(worked)


class _Controller(Silent):
    def __init__(self, metrics: RuntimeMetrics, name: str) -> None:
        self._results = {result: metrics.reconciles.labels(name, result.value) for result in Result}
        self._errors = metrics.errors.labels(name)
        self._panics = metrics.panics.labels(name)
        self._seconds = metrics.seconds.labels(name)
        self._active = metrics.active.labels(name)
        for unused in (metrics.terminal, metrics.timeouts):
            unused.labels(name)

    def started(self) -> None:
        self._active.inc()

    def reconciled(self, result: Result, seconds: float) -> None:
        self._active.dec()
        self._results[result].inc()
        self._seconds.observe(seconds)
        if result is Result.ERROR:
            self._errors.inc()

    def aborted(self) -> None:
        self._active.dec()

    def crashed(self) -> None:
        self._panics.inc()


class _Leader(Silent):
    def __init__(self, metrics: RuntimeMetrics, lease: str) -> None:
        self._leads = metrics.leads.labels(lease)
        self._slow = metrics.slow.labels(lease)

    def leading(self, *, now: bool) -> None:
        self._leads.set(now)

    def slow_path(self) -> None:
        self._slow.inc()
