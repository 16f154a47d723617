"""Certificates: issuing one with its key, and revoking one.

Not for when to renew, nor for the keys of a Secret of type TLS. Source: behaviour.md sections 7.1, 7.2 and 7.5,
api.md 4.6, corrections.md E1 and I14; regressions.md R24; Vault API, "PKI secrets engine".
"""

import binascii
import ssl
from base64 import b64decode
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from vso.base import Sensitive
from vso.vault.envelope import no_data
from vso.vault.errors import BadAnswer, CertificateNotFound, Invalid
from vso.vault.path import normal_path
from vso.vault.pem import certificates_in
from vso.vault.response import Response
from vso.vault.transport import Call, Transport

_ISSUE: Final = "issue"


@dataclass(frozen=True, slots=True, kw_only=True)
class PKIRequest:
    """What certificate to issue; names and meanings are those of the API, and what is empty is the role's choice.

    `issuer_ref` is the id or name of an issuer, "" for the role's; it may end in ``/issue``. `ttl` is as Vault
    reads it, such as "90m" or "30d", `not_after` a UTC time such as "2030-01-02T03:04:05Z". `format` is
    "pem", "der" or "pem_bundle", `private_key_format` "der" or "pkcs8".
    """

    mount: str
    role: str
    issuer_ref: str = ""
    common_name: str = ""
    alt_names: tuple[str, ...] = ()
    ip_sans: tuple[str, ...] = ()
    uri_sans: tuple[str, ...] = ()
    other_sans: tuple[str, ...] = ()
    user_ids: tuple[str, ...] = ()
    ttl: str = ""
    not_after: str = ""
    format: str = ""
    private_key_format: str = ""
    exclude_cn_from_sans: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate:
    """A certificate with its key, each in the format asked for: PEM text, or DER in base64.

    `certificate` is hidden since as a bundle it holds the key too. `ca_chain` begins with the issuer and has no
    root. `expiration` is in Unix seconds, 0 if the server did not tell. `data` is the JSON object of all fields
    of the answer, these and others.
    """

    serial_number: str
    certificate: Sensitive[str]
    private_key: Sensitive[str]
    private_key_type: str = ""
    issuing_ca: str = ""
    ca_chain: tuple[str, ...] = ()
    expiration: int = 0
    data: Sensitive[bytes]


class _Issued(msgspec.Struct):
    serial_number: str | None = None
    certificate: str | None = None
    private_key: str | None = None
    private_key_type: str | None = None
    issuing_ca: str | None = None
    ca_chain: list[str] | None = None
    expiration: int | None = None


class _Revoked(msgspec.Struct):
    revocation_time: int | None = None


def issue_path(request: PKIRequest) -> str:
    """Return the path of the request. Raises InvalidPath if mount or role is empty or leads elsewhere."""
    if not request.issuer_ref:
        return normal_path(request.mount, _ISSUE, request.role)
    # Users wrote "<ref>/issue" for releases of the reference that left this segment out.
    issuer = request.issuer_ref.strip("/").removesuffix(f"/{_ISSUE}")
    return normal_path(request.mount, "issuer", issuer, _ISSUE, request.role)


def issue_body(request: PKIRequest) -> Mapping[str, Any]:
    """Return the body of the request: lists joined by commas, and without the formats that are not set.

    `not_after` is left out when empty, since OpenBao takes "" for a malformed time.
    """
    optional = {
        "not_after": request.not_after,
        "format": request.format,
        "private_key_format": request.private_key_format,
    }
    return {
        "common_name": request.common_name,
        "alt_names": ",".join(request.alt_names),
        "ip_sans": ",".join(request.ip_sans),
        "uri_sans": ",".join(request.uri_sans),
        "other_sans": ",".join(request.other_sans),
        "user_ids": ",".join(request.user_ids),
        "ttl": request.ttl,
        "exclude_cn_from_sans": request.exclude_cn_from_sans,
        "remove_roots_from_chain": True,
    } | {name: value for name, value in optional.items() if value}


async def issue(
    transport: Transport, request: PKIRequest, *, token: Sensitive[str], namespace: str = ""
) -> Certificate:
    """Have a key and a certificate made, once: ``PUT <mount>/issue/<role>``.

    Raises InvalidPath before anything is sent, NoData for a success that carries nothing, BadAnswer for one
    without serial number, certificate or key or with a certificate that cannot be read, and what
    `Transport.request` raises, such as Invalid for what the role does not allow.
    """
    path = issue_path(request)
    call = Call(token=token, namespace=namespace, body=issue_body(request))
    return parse_certificate(await transport.request("PUT", path, call), path)


async def revoke_certificate(
    transport: Transport, mount: str, serial: str, *, token: Sensitive[str], namespace: str = ""
) -> int:
    """Revoke by serial number and return when that was, in Unix seconds, 0 if the server did not tell.

    One that was revoked before keeps its time. Raises CertificateNotFound if the server has no such
    certificate, as when the role does not store them, and what `Transport.request` raises.
    """
    path = normal_path(mount, "revoke")
    call = Call(token=token, namespace=namespace, body={"serial_number": serial})
    try:
        response = await transport.request("PUT", path, call)
    except Invalid as exc:
        if _unknown(exc):
            raise CertificateNotFound(exc.message, path=path, status=exc.status) from exc
        raise
    if response.data is None:
        return 0
    try:
        return msgspec.json.decode(response.data.reveal(), type=_Revoked).revocation_time or 0
    except (msgspec.DecodeError, RecursionError) as exc:
        raise BadAnswer("the revocation of the certificate was answered in another shape", path=path) from exc


def parse_certificate(response: Response, path: str) -> Certificate:
    """Return the certificate in the answer to an issue request; raises NoData and BadAnswer as `issue` does."""
    if response.data is None:
        raise no_data(response, path)
    try:
        issued = msgspec.json.decode(response.data.reveal(), type=_Issued)
    except (msgspec.DecodeError, RecursionError) as exc:
        raise BadAnswer(f'the answer at "{path}" is no certificate of a PKI engine', path=path) from exc
    if not issued.serial_number:
        raise BadAnswer("Invalid Vault secret data, serial_number cannot be empty", path=path, status=response.status)
    if not issued.private_key:
        raise BadAnswer("Invalid Vault secret data, private_key cannot be empty", path=path, status=response.status)
    if not _readable(issued.certificate or ""):
        raise BadAnswer("Invalid Vault secret data, certificate cannot be read", path=path, status=response.status)
    return Certificate(
        serial_number=issued.serial_number,
        certificate=Sensitive(issued.certificate or ""),
        private_key=Sensitive(issued.private_key),
        private_key_type=issued.private_key_type or "",
        issuing_ca=issued.issuing_ca or "",
        ca_chain=tuple(issued.ca_chain or ()),
        expiration=issued.expiration or 0,
        data=response.data,
    )


def _readable(certificate: str) -> bool:
    """Whether it is a certificate, as PEM, within a bundle, or as DER in base64."""
    try:
        content = "\n".join(certificates_in(certificate)) or b64decode(certificate, validate=True)
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=content)
    except (ssl.SSLError, ValueError, binascii.Error):
        return False
    return bool(certificate)


def _unknown(exc: Invalid) -> bool:
    text = exc.detail.lower()
    return text.startswith("certificate with serial") and "not found" in text
