"""The certificate that metrics are served with."""

import ssl
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)

from testenv.certificates import Authority
from tests.support.clock import FakeClock
from vso.app.certificate import ServingCertificate


def place(authority: Authority, folder: Path, name: str) -> bytes:
    """Put a pair into `folder`, as a Secret that is mounted; the certificate."""
    pair = authority.serving(name)
    (folder / "tls.key").write_bytes(pair.key.read_bytes())
    (folder / "tls.crt").write_bytes(pair.certificate.read_bytes())
    return pair.certificate.read_bytes()


def shown(context: ssl.SSLContext, authority: Authority) -> str:
    """The certificate that a client of `context` sees, in PEM."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    server = context.wrap_bio(to_server, to_client, server_side=True)
    client = authority.context().wrap_bio(to_client, to_server, server_hostname="localhost")
    for _ in range(4):
        for side in (client, server):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
    found = client.getpeercert(binary_form=True)
    assert found is not None
    return ssl.DER_cert_to_PEM_cert(found)


async def test_new_files_are_taken_and_broken_ones_leave_the_old_in_use(tmp_path: Path) -> None:
    """A certificate without its key, as in the middle of a replacement, must not end the scrapes."""
    authority, folder, clock = Authority.create(tmp_path / "ca"), tmp_path / "mounted", FakeClock()
    folder.mkdir()
    first = place(authority, folder, "first").decode()
    served = ServingCertificate(str(folder), clock=clock)
    assert shown(served.context, authority) == first
    other = authority.serving("other")
    (folder / "tls.crt").write_bytes(other.certificate.read_bytes())
    with pytest.raises(ssl.SSLError):
        served.refresh()
    assert shown(served.context, authority) == first
    (folder / "tls.key").write_bytes(other.key.read_bytes())
    served.refresh()
    assert shown(served.context, authority) == other.certificate.read_text()


def test_a_key_with_a_password_is_refused_and_asked_for_nowhere(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """At a terminal OpenSSL would wait for the password, and the operator with it."""
    authority, folder = Authority.create(tmp_path / "ca"), tmp_path / "mounted"
    folder.mkdir()
    place(authority, folder, "web")
    key = load_pem_private_key((folder / "tls.key").read_bytes(), None)
    locked = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret"))
    (folder / "tls.key").write_bytes(locked)
    with pytest.raises(ssl.SSLError):
        ServingCertificate(str(folder), clock=FakeClock())
    assert "pass phrase" not in capfd.readouterr().err
