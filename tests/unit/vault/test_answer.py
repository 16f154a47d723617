"""What status and body of an answer amount to."""

import json
from datetime import UTC, datetime

import pytest

from vso.vault import (
    BadAnswer,
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
from vso.vault.answer import Answer, Asked, error_of, judge, retry_after

ASKED = Asked(method="GET", path="secret/data/app", namespace="a/b", secrets=("top-secret-token",))


def errors(*texts: str) -> bytes:
    """A body as Vault sends it with an error."""
    return json.dumps({"errors": texts}).encode()


@pytest.mark.parametrize(
    ("status", "body", "type_", "transient", "outage"),
    [
        (400, errors("invalid"), Invalid, False, False),
        (400, b"Client sent an HTTP request to an HTTPS server.\n", TLSFailed, True, True),
        (401, b"", Denied, False, False),
        (403, errors("1 error occurred:\n\t* permission denied\n\n"), Denied, False, False),
        (404, errors(), NotFound, False, False),
        (405, errors("unsupported operation"), Invalid, False, False),
        (412, errors("required index state not present"), Stale, True, False),
        (429, errors("rate limit quota exceeded"), RateLimited, True, True),
        (500, errors("internal error"), ServerFault, True, False),
        (500, errors("local node not active but active cluster node not found"), Standby, True, True),
        (500, b"<html>oops</html>", ServerFault, True, False),
        (501, errors("Vault is not initialized"), Sealed, True, True),
        (502, b"<html>bad gateway</html>", ServerFault, True, False),
        (503, errors("Vault is sealed"), Sealed, True, True),
        (503, errors("Vault is in standby mode"), Standby, True, True),
        (503, b"", ServerFault, True, False),
        (504, b"", ServerFault, True, False),
    ],
)
def test_each_status_and_text_has_its_type(
    status: int, body: bytes, type_: type[VaultError], *, transient: bool, outage: bool
) -> None:
    """The type answers whether to retry and, of 5xx apart, whether the whole server is affected (R11)."""
    error = error_of(Answer(status=status, body=body), ASKED)
    assert type(error) is type_
    assert (error.transient, error.outage, error.status) == (transient, outage, status)


def test_messages_name_request_namespace_reason_and_remedy() -> None:
    """A condition made of the message is enough to act on."""
    error = error_of(Answer(status=403, body=errors("1 error occurred:\n\t* permission denied\n\n")), ASKED)
    assert str(error) == (
        'GET "secret/data/app" in namespace "a/b" was answered with status 403: '
        "permission denied (check the policies of the token's role)"
    )


def test_what_the_server_echoes_of_secrets_is_masked() -> None:
    """Neither the token sent nor anything that looks like one reaches a message."""
    body = errors("bad top-secret-token", "saw hvs.CAESIJx0000000000000000 in request")
    error = error_of(Answer(status=400, body=body), ASKED)
    assert "top-secret-token" not in str(error)
    assert "hvs.CAES" not in str(error)
    assert error.detail == "bad ***; saw *** in request"


def test_bodies_that_are_none_of_vaults_are_not_shown() -> None:
    """A load balancer's page stays out of conditions."""
    assert "gateway" not in str(error_of(Answer(status=502, body=b"<html>bad gateway</html>"), ASKED))


def test_a_404_with_data_or_warnings_keeps_its_answer() -> None:
    """Kv can judge it; without them, or without an envelope, there is nothing to judge."""
    for body, kept in [
        (b'{"data":{"data":null}}', True),
        (b'{"data":null,"warnings":["w"]}', True),
        (b'{"data":null,"warnings":null}', False),
        (b'{"message":"not found"}', False),
        (errors(), False),
        (b"<html>", False),
    ]:
        error = error_of(Answer(status=404, body=body), ASKED)
        assert isinstance(error, NotFound)
        assert (error.response is not None) is kept


def test_number_literals_survive() -> None:
    """behaviour.md section 2.3: no conversion to float and back."""
    body = b'{"request_id":"1","data": {"a":1e3,"b":1.0,"c":12345678901234567890123} ,"warnings":["w"]}'
    response = judge(Answer(status=200, body=body), ASKED)
    assert response.data is not None
    assert response.data.reveal() == b'{"a":1e3,"b":1.0,"c":12345678901234567890123}'
    assert response.warnings == ("w",)


def test_a_body_without_envelope_is_data_as_a_whole() -> None:
    """As seal-status is answered."""
    response = judge(Answer(status=200, body=b'{"sealed":true}'), ASKED)
    assert response.data is not None
    assert response.data.reveal() == b'{"sealed":true}'


@pytest.mark.parametrize("status", [200, 204])
def test_no_body_is_an_empty_answer(status: int) -> None:
    """Told apart from null data."""
    response = judge(Answer(status=status, body=b""), ASKED)
    assert response.empty
    assert response.data is None


def test_null_members_of_the_envelope_are_tolerated() -> None:
    """Servers send null for what does not apply."""
    body = b'{"request_id":null,"lease_id":null,"lease_duration":null,"renewable":null,"data":null,"auth":null}'
    response = judge(Answer(status=200, body=body), ASKED)
    assert (response.lease_id, response.lease_duration, response.data, response.auth) == ("", 0, None, None)


def test_auth_is_read_and_hidden() -> None:
    """The token is nowhere to be seen in the response's repr."""
    body = (
        b'{"auth":{"client_token":"s.abcdef","accessor":"acc","policies":["default"],"lease_duration":60,'
        b'"renewable":true,"token_type":"service","mfa_requirement":null},"wrap_info":{"token":"s.wrapped","ttl":5}}'
    )
    response = judge(Answer(status=200, body=body), ASKED)
    assert response.auth is not None
    assert response.auth.client_token.reveal() == "s.abcdef"
    assert (response.auth.lease_duration, response.auth.renewable) == (60, True)
    assert response.wrap_info is not None
    assert response.wrap_info.reveal() == b'{"token":"s.wrapped","ttl":5}'
    assert "s.abcdef" not in repr(response)


@pytest.mark.parametrize("body", [b"<html></html>", b"[1]", b'"text"', b'{"auth":"x","data":{}}', b'{"data":'])
def test_what_is_no_answer_of_vault_is_said_to_be_none(body: bytes) -> None:
    """Something else answers at this address."""
    with pytest.raises(BadAnswer, match="check the address"):
        judge(Answer(status=200, body=body), ASKED)


@pytest.mark.parametrize("status", [200, 404, 500])
def test_an_answer_nested_without_end_is_an_error_of_its_own(status: int) -> None:
    """Whatever its status; not a bug of ours."""
    deep = b"[" * 100_000 + b"]" * 100_000
    for body in (b'{"data":%b}' % deep, b'{"errors":%b}' % deep, deep):
        with pytest.raises(VaultError):
            judge(Answer(status=status, body=body), ASKED)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, None),
        ("", None),
        ("7", 7.0),
        ("Thu, 01 Jan 2026 00:00:30 GMT", 30.0),
        ("Wed, 31 Dec 2025 00:00:00 GMT", 0.0),
        ("Thu, 01 Jan 2026 00:00:30", None),
        ("soon", None),
        ("-5", None),
        ("Thu, 01 Jan 99999999999 00:00:00 GMT", None),
        ("Thu, 01 Jan 2026 01:00:00 GMT", 300.0),
        ("86400", 300.0),
        ("9" * 400, 300.0),
    ],
)
def test_retry_after_is_seconds_or_a_date(value: str | None, expected: float | None) -> None:
    """RFC 9110 section 10.2.3; nonsense counts as absent, and nobody waits long, since the clocks may differ."""
    assert retry_after(value, datetime(2026, 1, 1, tzinfo=UTC)) == expected
