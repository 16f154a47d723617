"""A certificate as a PKI engine issues one, for tests that need no server."""

from datetime import datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from vso.base import Sensitive
from vso.vault import Certificate


def named(text: str) -> x509.Name:
    """A name with a common name."""
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def issued(begin: datetime, life: timedelta = timedelta(days=30)) -> Certificate:
    """A certificate with its key and a chain of one, valid for `life` from `begin`."""
    key, authority = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    empty = x509.CertificateBuilder().issuer_name(named("CA")).not_valid_before(begin).serial_number(7)
    empty = empty.not_valid_after(begin + life)
    one = empty.subject_name(named("web")).public_key(key.public_key()).sign(authority, hashes.SHA256())
    other = empty.subject_name(named("CA")).public_key(authority.public_key()).sign(authority, hashes.SHA256())
    pem = serialization.Encoding.PEM
    text = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()).decode()
    return Certificate(
        serial_number="07",
        certificate=Sensitive(one.public_bytes(pem).decode()),
        private_key=Sensitive(text),
        ca_chain=(other.public_bytes(pem).decode(),),
        data=Sensitive(b"{}"),
    )
