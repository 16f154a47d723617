"""A private certificate authority for loopback servers and their clients; ECDSA P-256, valid for ten days."""

import ipaddress
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Self

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

_LIFE = timedelta(days=10)


@dataclass(frozen=True)
class Pair:
    """Files with a certificate and its private key, PEM."""

    certificate: Path
    key: Path


class Authority:
    """A CA with its files in one folder: `ca` is its certificate's file, `pem` the same as text."""

    def __init__(self, folder: Path, *, key: ec.EllipticCurvePrivateKey, certificate: x509.Certificate) -> None:
        self._folder = folder
        self._key = key
        self._certificate = certificate
        self.ca = folder / "ca.crt"
        self.pem = certificate.public_bytes(serialization.Encoding.PEM).decode()
        self.ca.write_text(self.pem)
        self.key = write_key(folder / "ca.key", key)

    @classmethod
    def create(cls, folder: Path, *, name: str = "testenv") -> Self:
        """Make a new authority whose files go to `folder`, made if missing."""
        folder.mkdir(parents=True, exist_ok=True)
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"{name} CA")])
        usage = x509.KeyUsage(
            digital_signature=True,
            key_cert_sign=True,
            crl_sign=True,
            content_commitment=False,
            key_encipherment=False,
            data_encipherment=False,
            key_agreement=False,
            encipher_only=False,
            decipher_only=False,
        )
        builder = (
            _builder(subject, issuer=subject, key=key)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(usage, critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        )
        return cls(folder, key=key, certificate=builder.sign(key, hashes.SHA256()))

    def serving(self, name: str, *, hosts: Sequence[str] = (), life: timedelta = _LIFE) -> Pair:
        """Issue a server certificate for loopback and the further DNS names `hosts`; a negative `life` is over."""
        names: list[x509.GeneralName] = [x509.DNSName(host) for host in ("localhost", *hosts)]
        names.append(x509.IPAddress(ipaddress.IPv4Address("127.0.0.1")))
        extended = ExtendedKeyUsageOID.SERVER_AUTH
        return self._issue(name, subject=x509.Name([_common(name)]), names=names, usage=extended, life=life)

    def client(self, name: str, *, groups: Sequence[str] = ()) -> Pair:
        """Issue a client certificate: its common name is the user, its organizations are the groups."""
        organizations = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, group) for group in groups]
        subject = x509.Name([*organizations, _common(name)])
        return self._issue(name, subject=subject, names=[], usage=ExtendedKeyUsageOID.CLIENT_AUTH)

    def context(self, pair: Pair | None = None) -> ssl.SSLContext:
        """A client's TLS context that trusts this authority alone, with `pair` as its certificate."""
        context = ssl.create_default_context(cadata=self.pem)
        if pair is not None:
            context.load_cert_chain(pair.certificate, pair.key)
        return context

    def _issue(
        self,
        name: str,
        *,
        subject: x509.Name,
        names: Sequence[x509.GeneralName],
        usage: x509.ObjectIdentifier,
        life: timedelta = _LIFE,
    ) -> Pair:
        key = ec.generate_private_key(ec.SECP256R1())
        authority = x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key())
        builder = (
            _builder(subject, issuer=self._certificate.subject, key=key, life=life)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
            .add_extension(authority, critical=False)
        )
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        certificate = builder.sign(self._key, hashes.SHA256())
        stem = name.replace(":", "-")
        pair = Pair(self._folder / f"{stem}.crt", self._folder / f"{stem}.key")
        pair.certificate.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        write_key(pair.key, key)
        return pair


def write_key(file: Path, key: ec.EllipticCurvePrivateKey) -> Path:
    """Write a private key as unencrypted PKCS#8 PEM, readable by the owner alone."""
    encoded = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    file.touch(mode=0o600)
    file.write_bytes(encoded)
    return file


def signing_key(folder: Path, *, name: str) -> Pair:
    """Make a key that signs tokens; the pair's first file is the bare public key."""
    key = ec.generate_private_key(ec.SECP256R1())
    public = folder / f"{name}.pub"
    public.write_bytes(
        key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    )
    return Pair(public, write_key(folder / f"{name}.key", key))


def _common(name: str) -> x509.NameAttribute[str]:
    return x509.NameAttribute(NameOID.COMMON_NAME, name)


def _builder(
    subject: x509.Name, *, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, life: timedelta = _LIFE
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)  # noqa: TID251 -- certificates are checked by real servers, in real time
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + life)
    )
