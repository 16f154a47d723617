"""From an HTTP answer to a `Response` or an error of the tree in `errors`: pure, one table.

Sources: Vault API, "HTTP status codes"; behaviour.md section 2.3; regressions.md R11, R22.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Final, NamedTuple

import msgspec

from vso.vault.envelope import decode, decode_envelope
from vso.vault.errors import (
    Denied,
    Invalid,
    NotFound,
    RateLimited,
    Sealed,
    ServerFault,
    Stale,
    Standby,
    TLSFailed,
    VaultError,
)
from vso.vault.mask import safe_text
from vso.vault.response import Response

_SHOWN: Final = 3
_LONGEST: Final = 500  # bytes of a body that is none of Vault's, looked at but not shown
_LONGEST_WAIT: Final = 300.0  # seconds
_SERVER_FAULTS: Final = 500
_ERRORS: Final = 300
_STATUS: Final[Mapping[int, tuple[type[VaultError], str]]] = {
    401: (Denied, "permission denied; check the policies of the token's role"),
    403: (Denied, "permission denied; check the policies of the token's role"),
    404: (NotFound, "nothing is there; check mount, path and namespace"),
    412: (Stale, "the node has not caught up with an earlier write"),
    429: (RateLimited, "too many requests: a rate limit or quota of the server"),
}


class _Rule(NamedTuple):
    """Where the status and a phrase in what the server said, in lower case, tell more than the status alone."""

    statuses: range
    phrase: str
    type: type[VaultError]
    advice: str


_UNSEAL: Final = "the server is sealed or not initialized; it must be unsealed"
_ELECT: Final = "the node knows no active node; wait for the election, or check the cluster"
_RULES: Final = (
    _Rule(range(500, 600), "is sealed", Sealed, _UNSEAL),
    _Rule(range(500, 600), "not initialized", Sealed, _UNSEAL),
    _Rule(range(500, 600), "active cluster node not found", Standby, _ELECT),
    _Rule(range(500, 600), "in standby mode", Standby, _ELECT),
    _Rule(range(500, 600), "node is not the leader", Standby, _ELECT),
    _Rule(
        range(400, 401),
        "http request to an https server",
        TLSFailed,
        "the server speaks HTTPS; the address must begin with https://",
    ),
    _Rule(range(404, 405), "namespace not found", NotFound, "check the Vault namespace"),
    _Rule(
        range(404, 405),
        "route entry not found",
        NotFound,
        "nothing is mounted there; check mount and namespace",
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What was asked for, as far as messages tell; `secrets` are the texts that no message may hold."""

    method: str
    path: str
    namespace: str = ""
    secrets: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return f"Asked({self})"

    def __str__(self) -> str:
        where = f' in namespace "{self.namespace}"' if self.namespace else ""
        return f'{self.method} "{self.path}"{where}'


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came back: status, the seconds of a Retry-After header, and the body."""

    status: int
    body: bytes
    retry_after: float | None = None


def judge(answer: Answer, asked: Asked) -> Response:
    """Return the response of a successful answer.

    Raises the error that status and body stand for; a `NotFound` carries the answer if it has data or
    warnings.
    """
    if answer.status < _ERRORS:
        return decode(answer.body, status=answer.status, path=asked.path)
    raise error_of(answer, asked)


def error_of(answer: Answer, asked: Asked) -> VaultError:
    """Return the error that an answer with a status of 300 or more stands for."""
    errors = _errors(answer.body)
    text = "; ".join(safe_text(error, asked.secrets) for error in errors[:_SHOWN])
    said = " ".join(errors) or answer.body[:_LONGEST].decode(errors="replace")
    type_, advice = _classify(answer, said.lower())
    message = f"{asked} was answered with status {answer.status}: {_sentence(text, advice)}"
    error = type_(message, path=asked.path, status=answer.status, retry_after=answer.retry_after)
    error.detail = text
    if isinstance(error, NotFound):
        error.response = _described(answer.body, asked.path)
    return error


def retry_after(value: str | None, now: datetime) -> float | None:
    """Return the seconds that a Retry-After header (a number or a date) asks to wait; None without one.

    At most `_LONGEST_WAIT`: more may be a mistake, or the difference between two clocks.
    """
    if not value:
        return None
    if value.strip().isdecimal():
        return min(float(value), _LONGEST_WAIT)
    try:
        return min(max((parsedate_to_datetime(value) - now).total_seconds(), 0.0), _LONGEST_WAIT)
    except (TypeError, ValueError, OverflowError):
        return None


def _classify(answer: Answer, text: str) -> tuple[type[VaultError], str]:
    for rule in _RULES:
        if answer.status in rule.statuses and rule.phrase in text:
            return rule.type, rule.advice
    if answer.status >= _SERVER_FAULTS:
        return ServerFault, "the server failed; see its log"
    return _STATUS.get(answer.status, (Invalid, "the server refused the request"))


def _sentence(text: str, advice: str) -> str:
    return f"{text} ({advice.rpartition('; ')[2]})" if text else advice


def _errors(body: bytes) -> list[str]:
    try:
        return [error for error in msgspec.json.decode(body, type=_Errors).errors or () if error.strip()]
    except (msgspec.DecodeError, RecursionError):
        return []


def _described(body: bytes, path: str) -> Response | None:
    try:
        response = decode_envelope(body, status=404, path=path)
    except VaultError:
        return None
    if response is None or (response.data is None and not response.warnings):
        return None
    return response


class _Errors(msgspec.Struct):
    errors: list[str] | None = None
