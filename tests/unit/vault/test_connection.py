"""What a connection accepts."""

import ssl
from typing import Any

import pytest

from vso.vault import Connection, InvalidConnection
from vso.vault.connection import tls_context


@pytest.mark.parametrize(
    "fields",
    [
        {"address": ""},
        {"address": "vault:8200"},
        {"address": "ftp://vault"},
        {"address": "https://"},
        {"address": "https://vault:port"},
        {"address": "https://vault?x=1"},
        {"address": "https://vault#x"},
        {"address": "https://v", "headers": {"x-VAULT-namespace": "a"}},
        {"address": "https://v", "headers": {"X Y": "a"}},
        {"address": "https://v", "headers": {"X": "a\r\nY: b"}},
        {"address": "https://v", "tls_server_name": "v\0"},
        {"address": "https://v", "timeout": 0},
        {"address": "https://v", "timeout": -1},
    ],
)
def test_what_cannot_work_is_refused_at_once(fields: dict[str, Any]) -> None:
    """Before any request; api.md section 7.2."""
    with pytest.raises(InvalidConnection):
        Connection(**fields)


def test_header_values_stay_out_of_errors_and_repr() -> None:
    """A gateway's key may be among them."""
    with pytest.raises(InvalidConnection) as caught:
        Connection(address="https://v", headers={"X-Key": "hunter2\n"})
    assert "hunter2" not in str(caught.value)
    assert "hunter2" not in repr(Connection(address="https://v", headers={"X-Key": "hunter2"}))


def test_connections_are_equal_by_value_and_can_be_keys() -> None:
    """The cache of clients relies on it."""
    one = Connection(address="https://v", headers={"A": "1"})
    assert hash(one) == hash(Connection(address="https://v", headers={"A": "1"}))
    assert one == Connection(address="https://v", headers={"A": "1"})
    assert one != Connection(address="https://v", headers={"A": "2"})


def test_messages_show_the_address_without_user_information() -> None:
    """Credentials in a URL are not repeated; slashes at its end do not count."""
    connection = Connection(address=" https://me:hunter2@vault:8200/prefix/ ")
    assert connection.display == "https://vault:8200/prefix"
    assert connection.base == "https://me:hunter2@vault:8200/prefix"


@pytest.mark.parametrize(
    "pem",
    [
        "x",
        "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----",
        "-----BEGIN CERTIFICATE-----\n\ufffd\n-----END CERTIFICATE-----",
    ],
)
def test_a_ca_without_a_certificate_is_refused(pem: str) -> None:
    """Unless verification is skipped: then it is not looked at (behaviour.md section 2.3)."""
    with pytest.raises(InvalidConnection, match="no valid certificates found in CA cert data"):
        tls_context(Connection(address="https://v", ca_pem=pem))
    skipping = tls_context(Connection(address="https://v", ca_pem=pem, skip_tls_verify=True))
    assert skipping.verify_mode is ssl.CERT_NONE


def test_old_tls_is_out_and_verification_is_on() -> None:
    """TLS 1.2 or newer, names checked."""
    context = tls_context(Connection(address="https://v"))
    assert context.minimum_version is ssl.TLSVersion.TLSv1_2
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname
