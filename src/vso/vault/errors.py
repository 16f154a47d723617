"""Everything that can go wrong between the operator and a Vault server.

::

    VaultError
    |-- InvalidConnection       the connection as configured cannot be used (address, headers, CA)
    |-- InvalidPath             refused before anything was sent: empty, or with `.` or `..` in it
    |-- UnsupportedMethod       refused before anything was sent: no method for reading or writing
    |-- Invalid                 400 and other 4xx: the request itself is wrong
    |-- Denied                  403: the token may not do this, or is no longer known
    |-- LoginRefused            the login was answered, but not with a token
    |-- CloudRefused            a cloud's service refused what the login needs of it
    |   `-- CloudUnavailable    it gave no answer, or is out of order                 transient
    |-- NotFound                404
    |   |-- Deleted             the kv-v2 version was deleted or destroyed
    |   |-- NoData              the server answered, without any data
    |   |-- LeaseNotFound       the lease has ended or was revoked
    |   `-- CertificateNotFound the server has no certificate of that serial number
    |-- WrongEngine             kv-v1 spoken to a kv-v2 mount, or the other way round
    |-- BadAnswer               what came back is no answer of a Vault server         transient
    |-- RedirectRefused         a redirect that must not be followed                  transient
    |-- Stale                   412: this node has not seen a required write yet      transient
    |-- ServerFault             5xx                            transient, outage if others fail too
    |-- Sealed                  sealed, or not initialized                            transient, outage
    |-- Standby                 no active node to serve the request                   transient, outage
    |-- RateLimited             429                                                   transient, outage
    `-- Unreachable             no answer: refused, reset, name not known             transient, outage
        |-- TimedOut            no complete answer within the connection's timeout
        `-- TLSFailed           the TLS handshake failed

`transient` answers "is it worth retrying without anybody changing anything?", `outage` "is the whole server
affected, so that other requests had better wait?". Of a ServerFault, RateLimited or TimedOut only who knows of other
requests can tell, and sets `outage` (`vso.sync.verdict`). Messages are for people and hold no secret.
How an HTTP answer becomes one of these is in `answer`.
"""

from enum import Enum

from vso.vault.response import Response


class VaultError(Exception):
    """The root; `str()` of it is a sentence for people.

    `path` is the API path without ``/v1/`` ("" if none was involved), `status` the HTTP status (0 without an
    answer), `retry_after` the seconds that the server asked to wait (None if it did not), `detail` what the
    server said, masked and cut ("" if nothing).
    """

    transient: bool = False
    outage: bool = False
    detail: str = ""

    def __init__(self, message: str, *, path: str = "", status: int = 0, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.path = path
        self.status = status
        self.retry_after = retry_after


class InvalidConnection(VaultError):
    """The connection cannot be used as it is configured; nothing was sent."""


class InvalidPath(VaultError):
    """A path that is empty or would leave its mount; nothing was sent."""


class UnsupportedMethod(VaultError):
    """The HTTP method wished for is none that secrets can be had with; nothing was sent."""


class Invalid(VaultError):
    """Status 400 or another 4xx: the same request will fail again."""


class Denied(VaultError):
    """Status 401 or 403: missing policy, or a token that expired or was revoked.

    `login_in` is the number of seconds until another login may show that the policy is there by now; None if whoever
    keeps the login did not say.
    """

    login_in: float | None = None


class Refusal(Enum):
    """Why a login was refused, as far as the answer tells."""

    PERMISSION = "permission denied"
    ROLE = "role missing"
    AUDIENCE = "audience mismatch"
    EXPIRED = "token expired"
    MOUNT = "auth mount missing"
    OTHER = "refused"


class LoginRefused(VaultError):
    """The server answered a login with 400, 403 or 404, or without a token.

    `hint` tells what the token sent claims about itself, never the token; "" if it was no JWT.
    """

    def __init__(
        self,
        message: str,
        *,
        reason: Refusal = Refusal.OTHER,
        hint: str = "",
        path: str = "",
        status: int = 0,
    ) -> None:
        super().__init__(message, path=path, status=status)
        self.reason = reason
        self.hint = hint


class CloudRefused(VaultError):
    """A service of AWS, Google or Microsoft refused what a login needs of it; nothing was sent to Vault.

    It is no word about the Vault server, and so never an outage of it. `status` and `detail` are the service's.
    """


class CloudUnavailable(CloudRefused):
    """The cloud's service gave no usable answer in time, or asks for patience."""

    transient = True


class NotFound(VaultError):
    """Status 404, or what amounts to it.

    `response` is the answer if it had `data` or `warnings`, for those who can judge it.
    """

    response: Response | None = None


class Deleted(NotFound):
    """The kv-v2 version was deleted (at `deletion_time`, RFC 3339) or, if `destroyed`, is gone for good."""

    version: int = 0
    deletion_time: str = ""
    destroyed: bool = False


class NoData(NotFound):
    """A success that carries nothing: an empty body, or `data` is null."""


class LeaseNotFound(NotFound):
    """The lease is gone, and its credentials with it; answered with status 400."""


class CertificateNotFound(NotFound):
    """The PKI engine keeps no certificate of that serial number; answered with status 400."""


class WrongEngine(VaultError):
    """The mount is a KV engine of the other version, or no KV engine."""


class BadAnswer(VaultError):
    """The answer is not what the Vault API promises; perhaps something else answers at this address."""

    transient = True


class RedirectRefused(VaultError):
    """The server redirects to where the request must not be sent."""

    transient = True


class Stale(VaultError):
    """Status 412: the node lags behind a write that the request depends on."""

    transient = True


class ServerFault(VaultError):
    """Status 5xx: of one engine, the whole server, or a load balancer; `outage` is set by who can tell."""

    transient = True


class Sealed(VaultError):
    """The server is sealed or not initialized; somebody must unseal it."""

    transient = True
    outage = True


class Standby(VaultError):
    """The node is a standby and knows no active node, as during an election."""

    transient = True
    outage = True


class RateLimited(VaultError):
    """Status 429; `retry_after` says how long to wait if the server told."""

    transient = True
    outage = True


class Unreachable(VaultError):
    """No answer: connection refused or reset, name unknown, proxy failed."""

    transient = True
    outage = True


class TimedOut(Unreachable):
    """The connection's timeout passed before the answer was complete."""


class TLSFailed(Unreachable):
    """No trust: wrong CA, wrong name, expired certificate, or a server that speaks no TLS."""
