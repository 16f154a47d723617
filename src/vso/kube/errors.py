"""What can go wrong between the operator and the API server.

    KubeError
    ├── ConfigError            how to reach the API server is unknown or unreadable (the user's)
    ├── ConnectionFailed       no answer: refused, cut, timed out, TLS (transient)
    ├── UnexpectedAnswer       an answer of a shape that the caller cannot read (ours, or a proxy's)
    └── ApiError               the API server said no
        ├── Unauthorized       401, after the credentials were read anew (transient)
        ├── Forbidden          403
        ├── NotFound           404
        ├── Conflict           409, read again and decide anew
        │   └── AlreadyExists  409 on create
        ├── Gone               410, the resource version or continue token has expired
        ├── Invalid            422
        ├── TooManyRequests    429, after `retry_after` seconds (transient)
        └── ServerFault        5xx (transient)

Every message is written for people and holds no secret: what the server says about a Secret may echo its
data, so of that only the reason and the paths of fields are kept.
"""

import re
from collections.abc import Mapping
from typing import Final

import msgspec

from vso.apis.meta import Resource


class KubeError(Exception):
    """Base of all errors of this package."""

    transient: bool = False
    """Whether the same request may succeed later without anybody changing anything."""
    retry_after: float | None = None
    """Seconds after which the server wants to be asked again, if it said so; a minute where it asked for more."""


class ConfigError(KubeError):
    """No usable configuration; the message says what was tried and what to do."""


class ConnectionFailed(KubeError):
    """No answer. A write may have been executed or not."""

    transient = True


class UnexpectedAnswer(KubeError):
    """The body of a successful answer does not have the shape of the kind that was asked for."""


class Cause(msgspec.Struct, frozen=True):
    """One detail of a refusal: the path of a field and why; `message` is empty for Secrets."""

    field: str = ""
    reason: str = ""
    message: str = ""


class ApiError(KubeError):
    """The API server refused: `status` is the HTTP code, `reason` the machine-readable word of the API."""

    def __init__(self, message: str, *, status: int, reason: str = "", retry_after: float | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.status = status
        self.reason = reason
        self.retry_after = retry_after
        self.causes: tuple[Cause, ...] = ()


class Unauthorized(ApiError):
    """The API server does not know who asks."""

    # Credentials rotate beneath the operator, and an API server that cannot reach its storage refuses
    # valid tokens of ServiceAccounts.
    transient = True


class Forbidden(ApiError):
    """Not allowed: RBAC, quota, an admission plugin, or a namespace that is being deleted."""


class NotFound(ApiError):
    """The object, its namespace, or the whole kind does not exist."""


class Conflict(ApiError):
    """The object is not (or no longer) what the request presupposed."""


class AlreadyExists(Conflict):
    """An object of that name exists."""


class Gone(ApiError):
    """The requested resource version or continue token is no longer kept: list again."""


class Invalid(ApiError):
    """The object violates its schema or a validation rule; see `causes`."""


class TooManyRequests(ApiError):
    """The API server sheds load; `retry_after` says for how long."""

    transient = True


class ServerFault(ApiError):
    """The API server failed, or a proxy before it; a write may have been executed or not."""

    transient = True


class _Details(msgspec.Struct, frozen=True, rename="camel"):
    causes: tuple[Cause, ...] | None = None
    retry_after_seconds: int | None = None


class Status(msgspec.Struct, frozen=True):
    """The API server's own description of an error (meta/v1 Status)."""

    code: int = 0
    reason: str = ""
    message: str = ""
    details: _Details | None = None


_BY_STATUS: Final[Mapping[int, type[ApiError]]] = {
    401: Unauthorized,
    403: Forbidden,
    404: NotFound,
    409: Conflict,
    410: Gone,
    422: Invalid,
    429: TooManyRequests,
}
_SERVER_FAULTS: Final = 500
_LONGEST_MESSAGE: Final = 1000
# The API server asks for seconds. A load balancer before it may ask for hours, in which nothing would be read.
_LONGEST_RETRY_AFTER: Final = 60.0
_WORD: Final = re.compile(r"[A-Za-z]{1,64}")
_FIELD: Final = re.compile(r"[\w.\-/\[\]]{1,256}")
# What the server itself composes about a Secret, from names and numbers alone.
_SAFE_ABOUT_SECRETS: Final = (
    re.compile(r'secrets "[\w.\-]*" (not found|already exists)'),
    re.compile(
        r'secrets( "[\w.\-]*")? is forbidden: User "[\w.:@\-]+" cannot [a-z]+ resource "secrets" in API group ""'
        r'( in the namespace "[\w.\-]+"| at the cluster scope)'
    ),
    re.compile(r'secrets "[\w.\-]*" is forbidden: exceeded quota: [\w.\-]+(, (requested|used|limited): [\w.\-/=,]+)+'),
    re.compile(
        r'secrets "[\w.\-]*" is forbidden: unable to create new content in namespace [\w.\-]+'
        r" because it is being terminated"
    ),
    re.compile(r'namespaces "[\w.\-]*" not found'),
    re.compile(
        r'Operation cannot be fulfilled on (secrets|Secret) "[\w.\-]*": (the object has been modified; '
        r"please apply your changes to the latest version and try again"
        r"|the (UID|ResourceVersion) in the precondition \([\w\-]*\) does not match the \3 in record"
        r" \([\w\-]*\)\. The object might have been [a-z ]+)"
    ),
    re.compile(r'Secret "[\w.\-]*" is invalid: data: Forbidden: field is immutable when `immutable` is set'),
    re.compile(r"(too old resource version|The resourceVersion for the provided watch is too old)[\w():. \-]*"),
)


def is_secret(resource: Resource) -> bool:
    """Whether what the server says about objects of `resource` may echo secret data."""
    return resource.plural == "secrets" and not resource.group


def from_answer(status: int, body: bytes, *, what: str, about_secret: bool, retry_after: str | None = None) -> ApiError:
    """The error for an answer of `status`; `what` names the request, such as ``patch Secret app/db``.

    `retry_after` is the header of that name. With `about_secret` nothing that the server echoes is kept.
    """
    try:
        answer = msgspec.json.decode(body, type=Status)
    except ValueError:
        answer = Status()  # a proxy's page, or plain text of an early filter of the API server
    return from_status(
        msgspec.structs.replace(answer, code=status),
        what=what,
        about_secret=about_secret,
        retry_after=_seconds(retry_after),
    )


def from_status(answer: Status, *, what: str, about_secret: bool, retry_after: float | None = None) -> ApiError:
    """The error for a Status object, which also arrives as the last event of a watch."""
    reason = answer.reason if _WORD.fullmatch(answer.reason) else ""
    causes = tuple(_clean(cause, about_secret=about_secret) for cause in _causes(answer))
    if retry_after is None and answer.details is not None and answer.details.retry_after_seconds:
        retry_after = answer.details.retry_after_seconds
    if retry_after is not None:
        retry_after = float(min(retry_after, _LONGEST_RETRY_AFTER))
    told = _told_about_secret(answer.message, causes) if about_secret else answer.message[:_LONGEST_MESSAGE]
    text = ": ".join(part for part in (what, reason or f"HTTP {answer.code}", told) if part)
    error = _class_of(answer.code, reason)(text, status=answer.code, reason=reason, retry_after=retry_after)
    error.causes = causes
    return error


def _class_of(status: int, reason: str) -> type[ApiError]:
    if reason == "AlreadyExists":
        return AlreadyExists
    if status >= _SERVER_FAULTS:
        return ServerFault
    return _BY_STATUS.get(status, ApiError)


def _causes(answer: Status) -> tuple[Cause, ...]:
    return (answer.details.causes or ()) if answer.details is not None else ()


def _clean(cause: Cause, *, about_secret: bool) -> Cause:
    if not about_secret:
        return cause
    return Cause(
        field=cause.field if _FIELD.fullmatch(cause.field) else "",
        reason=cause.reason if _WORD.fullmatch(cause.reason) else "",
    )


def _told_about_secret(message: str, causes: tuple[Cause, ...]) -> str:
    if any(pattern.fullmatch(message) for pattern in _SAFE_ABOUT_SECRETS):
        return message
    fields = {f"{cause.field} ({cause.reason})" if cause.reason else cause.field for cause in causes if cause.field}
    return ", ".join(sorted(fields))


def _seconds(header: str | None) -> float | None:
    # A date is allowed by RFC 9110 as well; the API server sends seconds.
    return float(header) if header is not None and header.isdecimal() else None
