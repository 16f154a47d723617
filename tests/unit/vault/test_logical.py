"""Requests to any secrets engine: methods, and what of them may be seen."""

import pytest

from vso.vault import BadAnswer, Lease, LogicalRequest, Response, UnsupportedMethod, wire_method
from vso.vault.envelope import decode


@pytest.mark.parametrize(
    ("method", "params", "wire"),
    [
        ("", {}, "GET"),
        ("GET", {}, "GET"),
        ("POST", {}, "PUT"),
        ("PUT", {}, "PUT"),
        ("", {"a": "b"}, "PUT"),
        ("GET", {"a": "b"}, "PUT"),
        ("DELETE", {"a": "b"}, "PUT"),
    ],
)
def test_parameters_make_a_write_and_writes_are_puts(method: str, params: dict[str, str], wire: str) -> None:
    """Behaviour 6.2: with parameters the method does not count."""
    assert wire_method(LogicalRequest(mount="m", path="p", method=method, params=params)) == wire


@pytest.mark.parametrize("method", ["DELETE", "LIST", "get", "PATCH"])
def test_other_methods_are_refused_for_good(method: str) -> None:
    """The user must change the resource; trying again would not help."""
    with pytest.raises(UnsupportedMethod, match=f'^unsupported HTTP method "{method}" for sync$') as caught:
        wire_method(LogicalRequest(mount="m", path="p", method=method))
    assert not caught.value.transient


def test_a_request_is_a_key_and_shows_no_parameters() -> None:
    """Equal ones hash alike; what is sent may be a secret."""
    one, other = (LogicalRequest(mount="m", path="p", params={"password": "hunter2"}) for _ in range(2))
    assert one == other
    assert hash(one) == hash(other)
    assert one != LogicalRequest(mount="m", path="p", params={"password": "other"})
    assert "hunter2" not in repr(one)


def test_a_lease_is_what_the_answer_names_at_its_top() -> None:
    """All four members; none of them is no lease."""
    response = decode(b'{"request_id":"r","lease_id":"db/creds/a/1","lease_duration":3600,"renewable":true,"data":{}}')
    assert Lease.of(response) == Lease(id="db/creds/a/1", duration=3600, renewable=True, request_id="r")
    assert Lease.of(Response()) == Lease()


def test_the_wrapping_of_an_answer_stays_json() -> None:
    """Templates see all of it, whatever a server adds; null is none."""
    wrapped = decode(b'{"data":null,"wrap_info":{"token":"s.x","ttl":300,"creation_path":"a/b"}}')
    assert wrapped.wrap_info is not None
    assert wrapped.wrap_info.reveal() == b'{"token":"s.x","ttl":300,"creation_path":"a/b"}'
    assert "s.x" not in repr(wrapped)
    assert decode(b'{"data":{},"wrap_info":null}').wrap_info is None
    with pytest.raises(BadAnswer):
        decode(b'{"data":{},"wrap_info":"text"}')
