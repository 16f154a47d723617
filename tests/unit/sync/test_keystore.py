"""Which certificates no keystore is made of; what Java makes of the others is tests/peers/test_keystores.py."""

import ssl
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, x25519

from tests.support.certificate import issued
from vso.base import Sensitive
from vso.sync.errors import RenderError
from vso.sync.keystore import keystore
from vso.vault import Certificate

PASSWORD = Sensitive(b"changeit")
GOOD = issued(datetime(2026, 1, 1, tzinfo=UTC))


def of_odd_version() -> Certificate:
    """One of a version of X.509 that there is not."""
    der = ssl.PEM_cert_to_DER_cert(GOOD.certificate.reveal()).replace(
        b"\xa0\x03\x02\x01\x02", b"\xa0\x03\x02\x01\x05", 1
    )
    return replace(GOOD, certificate=Sensitive(ssl.DER_cert_to_PEM_cert(der)))


def with_key(
    key: ec.EllipticCurvePrivateKey | x25519.X25519PrivateKey, how: serialization.KeySerializationEncryption
) -> Certificate:
    """The good one with another key."""
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, how)
    return replace(GOOD, private_key=Sensitive(pem.decode()))


@pytest.mark.parametrize(
    "one",
    [
        pytest.param(replace(GOOD, certificate=Sensitive("TEVBRg=="), ca_chain=("TUlE",)), id="DER"),
        pytest.param(replace(GOOD, private_key=Sensitive("S0VZ")), id="key in DER"),
        pytest.param(of_odd_version(), id="unknown version"),
        pytest.param(
            with_key(ec.generate_private_key(ec.SECP256R1()), serialization.BestAvailableEncryption(b"x")),
            id="encrypted key",
        ),
        pytest.param(with_key(ec.generate_private_key(ec.SECP256R1()), serialization.NoEncryption()), id="other's key"),
        pytest.param(
            with_key(x25519.X25519PrivateKey.generate(), serialization.NoEncryption()), id="key that signs nothing"
        ),
    ],
)
def test_what_no_keystore_can_hold_is_an_error_of_the_resource(one: Certificate) -> None:
    """Anything else than a RenderError would leave the resource without a condition, and try again without end."""
    with pytest.raises(RenderError) as caught:
        keystore("pkcs12", one, PASSWORD, salt=bytes(20), now=1)
    assert "changeit" not in str(caught.value)
