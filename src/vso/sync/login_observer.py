"""What logins can tell about themselves: a Protocol that telemetry implements, and a silent default."""

from typing import Protocol

from vso.sync.resolve import ClientSpec


class LoginObserver(Protocol):
    """Told of logins and tokens; methods are called from the event loop, must be quick and must not raise."""

    def asked(self, seconds: float, *, ok: bool) -> None:
        """Somebody asked for a client, and had it (`ok`) or an error after `seconds`."""

    def refused(self, spec: ClientSpec, error: Exception) -> None:
        """A login failed, at the server or for want of credentials."""

    def rejected(self, spec: ClientSpec) -> None:
        """A request was refused although its token has not ended."""

    def renewed(self, spec: ClientSpec, *, ok: bool) -> None:
        """The renewal of a token succeeded, or failed."""


class Unheard:
    """Observes everything and tells nobody."""

    def asked(self, seconds: float, *, ok: bool) -> None:
        """See `LoginObserver`."""

    def refused(self, spec: ClientSpec, error: Exception) -> None:
        """See `LoginObserver`."""

    def rejected(self, spec: ClientSpec) -> None:
        """See `LoginObserver`."""

    def renewed(self, spec: ClientSpec, *, ok: bool) -> None:
        """See `LoginObserver`."""
