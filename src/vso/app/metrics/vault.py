"""Figures of requests to Vault and of logins, ours and those of the original (operations.md sections 2.1 and 2.4)."""

from collections.abc import Callable, Collection, Mapping
from http import HTTPStatus
from typing import Final

from vso.apis.meta import Key
from vso.app.metrics.family import FEW, Families
from vso.sync import ClientSpec, CredentialMissing
from vso.vault import (
    Denied,
    LoginRefused,
    MissingCredential,
    Operation,
    VaultError,
    VaultRequestSeen,
    operation_of,
)

_WRITES: Final = ("write",)
_IN_THE_ORIGINAL: Final[Mapping[Operation, tuple[str, ...]]] = {
    Operation.LOGIN: ("login", "write"),
    Operation.RENEW_TOKEN: ("renew", "write"),
    Operation.READ: ("read",),
    Operation.WRITE: _WRITES,
    Operation.RENEW_LEASE: _WRITES,
    Operation.REVOKE_LEASE: _WRITES,
    Operation.ENCRYPT: _WRITES,
    Operation.DECRYPT: _WRITES,
    Operation.REVOKE_TOKEN: (),
    Operation.SEAL_STATUS: (),
}
"""What the original's ``vso_client_operations_*`` call a request; a login counts twice there, and some do not count."""
_ON: Final = "vault_connection"
_ERROR: Final = "error"
_STATUSES: Final = frozenset(HTTPStatus)
_BAD: Final = 400


class VaultMetrics:
    """Counts requests by connection, and implements `vso.sync.LoginObserver`."""

    def __init__(self, families: Families) -> None:
        self._families = families
        self._connections: set[str] = set()
        self._auths: set[str] = set()
        original = "operation", _ON
        self.seconds: Final = families.histogram(
            "vso_vault_request_duration_seconds",
            "Duration of requests to Vault, each attempt by itself.",
            *(_ON, "operation"),
            buckets=FEW,
        )
        self.requests: Final = families.counter(
            "vso_vault_requests_total",
            "Requests to Vault by HTTP status; the code is error where no answer came.",
            *(_ON, "operation", "code"),
        )
        self.refusals: Final = families.counter(
            "vso_vault_auth_failures_total",
            "Failed logins, and requests answered with 403: the token was revoked, or no policy permits the path.",
            *("vault_auth", _ON, "method", "cause"),
        )
        self.renewals: Final = families.counter("vso_vault_token_renewals_total", "Renewals of tokens.", _ON, "result")
        self.old_seconds: Final = families.histogram(
            "vso_client_operations_time_seconds",
            "Duration of operations as HashiCorp's operator counts them.",
            *original,
        )
        self.old_total: Final = families.counter(
            "vso_client_operations_total",
            "Operations as HashiCorp's operator counts them, failed ones included.",
            *original,
        )
        self.old_errors: Final = families.counter(
            "vso_client_operations_errors_total",
            "Operations as HashiCorp's operator counts them that failed.",
            *original,
        )
        self.asked_total: Final = families.counter(
            "vso_client_factory_requests_total", "Logged-in clients that were asked for and had.", "operation"
        )
        self.asked_errors: Final = families.counter(
            "vso_client_factory_requests_errors_total", "Logged-in clients that could not be had.", "operation"
        )
        self.asked_seconds: Final = families.histogram(
            "vso_client_factory_operations_time_seconds",
            "Time until a logged-in client was there, a login included.",
            *("component", "operation"),
        )
        for counter in (self.asked_total, self.asked_errors):
            for operation in ("get", "store"):
                counter.labels(operation)

    def of(self, connection: Key) -> Callable[[VaultRequestSeen], None]:
        """What counts the requests sent for the VaultConnection `connection`."""
        name = str(connection)

        def count(seen: VaultRequestSeen) -> None:
            self._connections.add(name)
            operation = operation_of(seen.method, seen.path)
            code = _code(seen.status)
            self.seconds.labels(name, operation.value).observe(seen.seconds)
            self.requests.labels(name, operation.value, code).inc()
            failed = bool(seen.error) or seen.status >= _BAD
            for old in _IN_THE_ORIGINAL[operation]:
                self.old_total.labels(old, name).inc()
                if failed:
                    self.old_errors.labels(old, name).inc()
                if not (failed and old == "renew"):
                    self.old_seconds.labels(old, name).observe(seen.seconds)

        return count

    def asked(self, seconds: float, *, ok: bool) -> None:
        """See `vso.sync.LoginObserver`."""
        (self.asked_total if ok else self.asked_errors).labels("get").inc()
        self.asked_seconds.labels("client_factory", "get").observe(seconds)

    def stored(self, *, ok: bool) -> None:
        """A login was stored, or could not be."""
        (self.asked_total if ok else self.asked_errors).labels("store").inc()

    def refused(self, spec: ClientSpec, error: Exception) -> None:
        """See `vso.sync.LoginObserver`."""
        self._count_refusal(spec, _cause(error))

    def rejected(self, spec: ClientSpec) -> None:
        """See `vso.sync.LoginObserver`."""
        self._count_refusal(spec, "invalid_token")

    def renewed(self, spec: ClientSpec, *, ok: bool) -> None:
        """See `vso.sync.LoginObserver`."""
        self.renewals.labels(str(spec.connection.key), "success" if ok else "failure").inc()

    @property
    def names(self) -> int:
        """How many names there are series of."""
        return len(self._connections) + len(self._auths)

    def forget_others(self, *, connections: Collection[str], auths: Collection[str]) -> None:
        """Remove the series of all VaultConnections and VaultAuths but these."""
        if gone := self._connections.difference(connections):
            self._families.forget(_ON, gone)
            self._connections -= gone
        if gone := self._auths.difference(auths):
            self._families.forget("vault_auth", gone)
            self._auths -= gone

    def _count_refusal(self, spec: ClientSpec, cause: str) -> None:
        auth, connection = str(spec.auth.key), str(spec.connection.key)
        self._auths.add(auth)
        self._connections.add(connection)
        self.refusals.labels(auth, connection, spec.merged.method, cause).inc()


def _code(status: int) -> str:
    """The label of a status; what is none that HTTP knows is told by its class, since servers may make them up."""
    if not status:
        return _ERROR
    return str(status) if status in _STATUSES else f"{status // 100}xx"


def _cause(error: Exception) -> str:
    match error:
        case CredentialMissing() | MissingCredential():
            return "credentials"
        case LoginRefused() | Denied():
            return "denied"
        case VaultError() if error.outage:
            return "unreachable"
        case _:
            return "other"
