"""Events about resources, in the names that the original uses."""

from typing import Final, Literal

from vso.apis.conditions import EventReason
from vso.apis.meta import Object
from vso.runtime import EventRecorder

Severity = Literal["Normal", "Warning"]

CLIENT_FACTORY: Final = "vaultClientFactory"
"""Component of events about a client that cannot be built (api.md section 10)."""


class Reporter:
    """Emits events about objects of one kind; the component is the kind's name unless told otherwise."""

    def __init__(self, recorder: EventRecorder, kind: str) -> None:
        self._recorder = recorder
        self._kind = kind

    def normal(self, regarding: Object, reason: EventReason, message: str) -> None:
        """Tell that something went as it should."""
        self._emit(regarding, "Normal", reason, message, self._kind)

    def warning(self, regarding: Object, reason: EventReason, message: str, *, component: str = "") -> None:
        """Tell that something is wrong, and what to do about it."""
        self._emit(regarding, "Warning", reason, message, component or self._kind)

    def _emit(self, regarding: Object, severity: Severity, reason: EventReason, message: str, component: str) -> None:
        self._recorder.emit(
            regarding,
            kind=self._kind,
            type=severity,
            reason=reason.value,
            message=message,
            component=component,
        )
