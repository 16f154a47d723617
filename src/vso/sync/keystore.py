"""Keystores, as Java programs read them, made from an issued certificate (D04). Pure but for the salts.

PKCS12 is RFC 7292, written by the cryptography library. JKS is the older form of Java itself: big-endian records,
keys hidden with SHA-1 as the JDK does it, and a SHA-1 over everything with the password in front.
"""

import hashlib
from collections.abc import Sequence
from typing import Final

from vso.base import Sensitive
from vso.sync.errors import RenderError
from vso.vault import Certificate, certificates_in

ALIAS: Final = "certificate"
"""Name of the one entry."""
_MAGIC: Final = 0xFEEDFEED
_VERSION: Final = 2
_PRIVATE_KEY_ENTRY: Final = 1
_WHITENER: Final = b"Mighty Aphrodite"
_SALT: Final = 20
_NO_PEM: Final = "keystores are made from PEM: leave spec.format and spec.privateKeyFormat unset"
_KEY_PROTECTOR: Final = bytes.fromhex("300e060a2b060104012a021101010500")
"""AlgorithmIdentifier 1.3.6.1.4.1.42.2.17.1.1 (Sun's key protector) without parameters, DER."""


def keystore(form: str, issued: Certificate, password: Sensitive[bytes], *, salt: bytes, now: int) -> bytes:
    """A keystore in the form "pkcs12" or "jks" with key and chain of `issued`.

    `password` is UTF-8 and not empty. `salt` are at least 20 random bytes, `now` Unix seconds, for JKS. Raises
    RenderError if certificate or key came in another form than plain PEM, for what PKCS12 cannot hold, or for an
    unknown form.
    """
    from cryptography import x509
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.serialization import pkcs12

    try:
        text = "\n".join([issued.certificate.reveal(), *issued.ca_chain])
        chain = [x509.load_pem_x509_certificate(one.encode()) for one in dict.fromkeys(certificates_in(text))]
        key = serialization.load_pem_private_key(issued.private_key.reveal().encode(), None)
    except (ValueError, TypeError, x509.InvalidVersion, UnsupportedAlgorithm) as exc:
        raise RenderError(_NO_PEM) from exc
    if not chain:
        raise RenderError(_NO_PEM)
    match form:
        case "pkcs12":
            how = serialization.BestAvailableEncryption(password.reveal())
            try:
                # The library's type of keys is a union that a loaded key is a member of, but cannot be shown to be.
                return pkcs12.serialize_key_and_certificates(ALIAS.encode(), key, chain[0], chain[1:], how)  # type: ignore[arg-type]
            except (ValueError, TypeError) as exc:
                raise RenderError(f"spec.extensions.keystores: pkcs12 cannot hold what Vault issued: {exc}") from exc
        case "jks":
            plain = key.private_bytes(
                serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
            ders = [one.public_bytes(serialization.Encoding.DER) for one in chain]
            return _jks(plain, ders, password.reveal().decode(), salt=salt[:_SALT], millis=now * 1000)
        case _:
            raise RenderError(f"spec.extensions.keystores: unknown format {form!r}: use pkcs12 or jks")


def _jks(key: bytes, chain: Sequence[bytes], password: str, *, salt: bytes, millis: int) -> bytes:
    secret = password.encode("utf-16-be")
    entry = _u4(_PRIVATE_KEY_ENTRY) + _text(ALIAS) + millis.to_bytes(8, "big")
    entry += _sized(_protected(key, secret, salt)) + _u4(len(chain))
    for one in chain:
        entry += _text("X.509") + _sized(one)
    content = _u4(_MAGIC) + _u4(_VERSION) + _u4(1) + entry
    return content + hashlib.sha1(secret + _WHITENER + content).digest()  # noqa: S324 - the format's own


def _protected(key: bytes, secret: bytes, salt: bytes) -> bytes:
    """The key in an EncryptedPrivateKeyInfo, hidden with a chain of digests as the JDK's own key protector does."""
    stream, block = b"", salt
    while len(stream) < len(key):
        block = hashlib.sha1(secret + block).digest()  # noqa: S324
        stream += block
    hidden = bytes(one ^ other for one, other in zip(key, stream, strict=False))
    check = hashlib.sha1(secret + key).digest()  # noqa: S324
    return _der(0x30, _KEY_PROTECTOR + _der(0x04, salt + hidden + check))


def _der(tag: int, content: bytes) -> bytes:
    size = len(content)
    if size < 0x80:  # noqa: PLR2004 - the short form of X.690
        return bytes([tag, size]) + content
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(length)]) + length + content


def _u4(number: int) -> bytes:
    return number.to_bytes(4, "big")


def _text(text: str) -> bytes:
    content = text.encode()
    return len(content).to_bytes(2, "big") + content


def _sized(content: bytes) -> bytes:
    return _u4(len(content)) + content
