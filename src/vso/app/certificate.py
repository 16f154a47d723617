"""The certificate that metrics are served with: one from a folder, read again when it changes, or a self-signed one."""

import asyncio
import os
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final, NoReturn

import structlog
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from vso.base import Clock

_CHECK: Final = 60.0
"""Seconds between two looks at the folder."""
_LIFE: Final = timedelta(days=3650)
log = structlog.get_logger("metrics")


class ServingCertificate:
    """A TLS context for a server, and what keeps it current.

    `folder` holds ``tls.crt`` and ``tls.key``; "" makes a self-signed certificate. Raises OSError (ssl.SSLError among
    them) if the files cannot be used.
    """

    def __init__(self, folder: str, *, clock: Clock) -> None:
        self._clock = clock
        self._files = (Path(folder) / "tls.crt", Path(folder) / "tls.key") if folder else None
        self.context: Final = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.minimum_version = ssl.TLSVersion.TLSv1_2
        self._stamp: tuple[int, ...] = ()
        if self._files is None:
            with _in_memory(_self_signed(clock.now())) as file:
                self.context.load_cert_chain(file)
        else:
            self._load()

    async def run(self) -> NoReturn:
        """Look for new files, for ever; ones that cannot be used leave the old certificate in use."""
        while True:
            await self._clock.sleep(_CHECK)
            if self._files is not None:
                try:
                    await asyncio.to_thread(self._load)
                except OSError as exc:
                    log.warning(
                        "certificate for metrics cannot be read", folder=str(self._files[0].parent), error=str(exc)
                    )

    def _load(self) -> None:
        if self._files is None:
            return
        stamp = tuple(file.stat().st_mtime_ns for file in self._files)
        if stamp != self._stamp:
            self.context.load_cert_chain(*self._files)
            self._stamp = stamp


def _self_signed(now: datetime) -> bytes:
    """Certificate and key in one PEM, for whoever does not verify."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "vault-secrets-operator-metrics")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + _LIFE)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return certificate.public_bytes(pem) + private


@contextmanager
def _in_memory(content: bytes) -> Iterator[str]:
    """A file name for `content`, which is on no disk: the root of the image cannot be written to."""
    descriptor = os.memfd_create("certificate", os.MFD_CLOEXEC)
    try:
        os.write(descriptor, content)
        yield f"/proc/self/fd/{descriptor}"
    finally:
        os.close(descriptor)
