"""Refusals of the API server as errors."""

import json

import pytest

from vso.kube import (
    AlreadyExists,
    ApiError,
    Conflict,
    Forbidden,
    Gone,
    Invalid,
    NotFound,
    ServerFault,
    TooManyRequests,
    Unauthorized,
)
from vso.kube.errors import from_answer

CANARY = "c2VjcmV0LWNhbmFyeQ=="


def status(message: str = "", *, reason: str = "", causes: list[dict[str, str]] | None = None) -> bytes:
    """A Status object as the API server writes it."""
    return json.dumps({"kind": "Status", "reason": reason, "message": message, "details": {"causes": causes}}).encode()


@pytest.mark.parametrize(
    ("code", "reason", "type_", "transient"),
    [
        (400, "BadRequest", ApiError, False),
        (401, "Unauthorized", Unauthorized, True),
        (403, "Forbidden", Forbidden, False),
        (404, "NotFound", NotFound, False),
        (405, "MethodNotAllowed", ApiError, False),
        (409, "Conflict", Conflict, False),
        (409, "AlreadyExists", AlreadyExists, False),
        (410, "Expired", Gone, False),
        (415, "UnsupportedMediaType", ApiError, False),
        (422, "Invalid", Invalid, False),
        (429, "TooManyRequests", TooManyRequests, True),
        (500, "InternalError", ServerFault, True),
        (503, "ServiceUnavailable", ServerFault, True),
        (504, "Timeout", ServerFault, True),
    ],
)
def test_each_code_has_its_error(code: int, reason: str, type_: type[ApiError], *, transient: bool) -> None:
    """The very type, whether to retry, and a text that says what was wanted and why not."""
    error = from_answer(code, status("because", reason=reason), what="get Lease a/b", about_secret=False)
    assert type(error) is type_
    assert (error.status, error.reason, error.transient) == (code, reason, transient)
    assert str(error) == f"get Lease a/b: {reason}: because"


@pytest.mark.parametrize("body", [b"", b"Too many requests", b"<html>\xff", b"[]", b'{"code":"x"}'])
def test_an_answer_that_is_no_status_still_counts(body: bytes) -> None:
    """Proxies and early filters answer with text: the HTTP code alone decides."""
    error = from_answer(429, body, what="get Lease a/b", about_secret=False, retry_after="7")
    assert isinstance(error, TooManyRequests)
    assert str(error) == "get Lease a/b: HTTP 429"
    assert error.retry_after == 7.0


@pytest.mark.parametrize(("header", "seconds"), [(None, None), ("1", 1.0), ("Wed, 21 Oct 2026 07:28:00 GMT", None)])
def test_the_header_says_when_to_come_again(header: str | None, seconds: float | None) -> None:
    """Seconds are understood, a date is not."""
    error = from_answer(429, b"", what="get Lease a/b", about_secret=False, retry_after=header)
    assert error.retry_after == seconds


def test_without_a_header_the_status_says_when_to_come_again() -> None:
    """Details.retryAfterSeconds is the API's own way."""
    error = from_answer(503, b'{"details":{"retryAfterSeconds":3}}', what="get Lease", about_secret=False)
    assert error.retry_after == 3.0


def test_nobody_is_kept_waiting_for_more_than_a_minute() -> None:
    """A load balancer that is being maintained asks for hours, in which no change of any object would be seen."""
    for hours in ("3600", "9" * 400):
        error = from_answer(503, b"", what="watch Secret", about_secret=False, retry_after=hours)
        assert error.retry_after == 60.0
    error = from_answer(503, b'{"details":{"retryAfterSeconds":7200}}', what="watch Secret", about_secret=False)
    assert error.retry_after == 60.0


def test_causes_are_kept_with_their_messages() -> None:
    """Field by field, for conditions and events."""
    causes = [{"field": "spec.mount", "reason": "FieldValueRequired", "message": "Required value"}]
    error = from_answer(422, status("m", reason="Invalid", causes=causes), what="x", about_secret=False)
    assert [(cause.field, cause.reason, cause.message) for cause in error.causes] == [
        ("spec.mount", "FieldValueRequired", "Required value")
    ]


def test_a_long_message_is_cut() -> None:
    """A server that echoes a whole object does not fill logs and conditions."""
    assert len(str(from_answer(422, status("x" * 100_000), what="x", about_secret=False))) < 1100


@pytest.mark.parametrize(
    "message",
    [
        f'Secret "db" is invalid: data[a]: Invalid value: "{CANARY}": too long',
        f'patch: Invalid value: "{{\\"data\\":{{\\"a\\":\\"{CANARY}\\"}}}}": illegal base64 data',
        f'admission webhook "w.example" denied the request: value {CANARY} is weak',
        f'secrets "db" is forbidden: policy says {CANARY}',
        f'secrets "{CANARY}" not found',
        f'secrets "db" already exists\n{CANARY}',
        f'secrets "db" is forbidden: exceeded quota: q, requested: secrets=1 {CANARY}',
    ],
)
@pytest.mark.parametrize("code", [400, 403, 409, 422, 500])
def test_nothing_echoed_about_a_secret_is_kept(message: str, code: int) -> None:
    """Message, causes and even an odd reason are left out; field paths stay."""
    causes = [
        {"field": "data[a]", "reason": "FieldValueInvalid", "message": f'Invalid value: "{CANARY}"'},
        {"field": CANARY, "reason": CANARY, "message": CANARY},
    ]
    error = from_answer(
        code, status(message, reason=CANARY, causes=causes), what="create Secret app/db", about_secret=True
    )
    assert CANARY not in f"{error!r} {error.reason} {error.message} {error.causes}"
    assert str(error) == f"create Secret app/db: HTTP {code}: data[a] (FieldValueInvalid)"


SENTENCES = """
secrets "db" not found
secrets "db" already exists
secrets "db" is forbidden: User "system:serviceaccount:a:b" cannot create resource "secrets" in API group ""
  in the namespace "app"
secrets is forbidden: User "me@example.org" cannot list resource "secrets" in API group "" at the cluster scope
secrets "db" is forbidden: exceeded quota: q, requested: secrets=1, used: secrets=5, limited: secrets=5
secrets "db" is forbidden: unable to create new content in namespace app because it is being terminated
Operation cannot be fulfilled on secrets "db": the object has been modified;
  please apply your changes to the latest version and try again
Operation cannot be fulfilled on Secret "db": the UID in the precondition (1-2)
  does not match the UID in record (3-4). The object might have been deleted and then recreated
Secret "db" is invalid: data: Forbidden: field is immutable when `immutable` is set
too old resource version: 5 (17)
"""


@pytest.mark.parametrize("message", SENTENCES.strip().replace("\n  ", " ").split("\n"))
def test_what_people_need_to_know_about_a_secret_stays(message: str) -> None:
    """Sentences that the server makes of names and numbers alone are passed on."""
    error = from_answer(403, status(message, reason="Forbidden"), what="create Secret app/db", about_secret=True)
    assert str(error) == f"create Secret app/db: Forbidden: {message}"
