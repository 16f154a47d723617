"""What the runtime can tell about itself: Protocols that telemetry implements, and silent defaults.

No metric is named here; names and labels are in operations.md section 2.2. All methods are called from the
event loop, must be quick and must not raise.
"""

from enum import StrEnum
from typing import Protocol

from vso.runtime.next import Lane


class Result(StrEnum):
    """How a reconcile ended; the values are those of the metric's label."""

    SUCCESS = "success"
    ERROR = "error"
    REQUEUE = "requeue"
    REQUEUE_AFTER = "requeue_after"


class QueueObserver(Protocol):
    """Feeds ``workqueue_*`` of one queue."""

    def depth(self, lane: Lane, keys: int) -> None:
        """The number of keys that are due and wait for a worker changed."""

    def added(self) -> None:
        """A key became due."""

    def retried(self) -> None:
        """A key was added with a delay."""

    def taken(self, waited: float) -> None:
        """A worker took a key, `waited` seconds after it was due."""

    def finished(self, worked: float) -> None:
        """A worker is done with a key after `worked` seconds."""


class ControllerObserver(Protocol):
    """Feeds ``controller_runtime_*`` of one controller."""

    def started(self) -> None:
        """A worker became busy."""

    def reconciled(self, result: Result, seconds: float) -> None:
        """A worker became idle; its reconcile took `seconds`."""

    def aborted(self) -> None:
        """A worker became idle because its reconcile was cancelled; it counts as no reconcile."""

    def crashed(self) -> None:
        """An exception that is no answer of a server escaped from a reconcile; `reconciled` follows."""


class ReflectorObserver(Protocol):
    """Feeds figures on lists and watches of one kind."""

    def listed(self, objects: int, seconds: float) -> None:
        """A list was read in full."""

    def received(self) -> None:
        """The watch told one change."""

    def failed(self, what: str) -> None:
        """A list or watch failed; `what` is the name of the error's type."""


class LeaderObserver(Protocol):
    """Feeds ``leader_election_*``."""

    def leading(self, *, now: bool) -> None:
        """Whether this process leads."""

    def slow_path(self) -> None:
        """A renewal had to look at the Lease again."""


class EventObserver(Protocol):
    """Feeds figures on posted Events."""

    def posted(self) -> None:
        """An Event was stored."""

    def dropped(self) -> None:
        """An Event was given up: refused, or the queue was full."""


class Silent:
    """Observes everything and tells nobody; the default of all observers."""

    def depth(self, lane: Lane, keys: int) -> None:
        """See `QueueObserver`."""

    def added(self) -> None:
        """See `QueueObserver`."""

    def retried(self) -> None:
        """See `QueueObserver`."""

    def taken(self, waited: float) -> None:
        """See `QueueObserver`."""

    def finished(self, worked: float) -> None:
        """See `QueueObserver`."""

    def started(self) -> None:
        """See `ControllerObserver`."""

    def reconciled(self, result: Result, seconds: float) -> None:
        """See `ControllerObserver`."""

    def aborted(self) -> None:
        """See `ControllerObserver`."""

    def crashed(self) -> None:
        """See `ControllerObserver`."""

    def listed(self, objects: int, seconds: float) -> None:
        """See `ReflectorObserver`."""

    def received(self) -> None:
        """See `ReflectorObserver`."""

    def failed(self, what: str) -> None:
        """See `ReflectorObserver`."""

    def leading(self, *, now: bool) -> None:
        """See `LeaderObserver`."""

    def slow_path(self) -> None:
        """See `LeaderObserver`."""

    def posted(self) -> None:
        """See `EventObserver`."""

    def dropped(self) -> None:
        """See `EventObserver`."""
