"""Certificates in Secrets: when one has to be replaced, and the keys that a TLS Secret has. Pure.

Source: behaviour.md sections 7.3 and 7.4. Times are Unix seconds.
"""

from base64 import b64decode
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import msgspec

from vso.vault import Certificate, certificates_in

TLS_TYPE: Final = "kubernetes.io/tls"
_SHARE: Final = 0.1
"""Share of its lifetime before its end at which a certificate is replaced, if nothing else is asked for."""
_MOST: Final = 0.9
"""Largest share of the lifetime that an offset may have: a certificate is used for a while before the next one."""
_SPREAD: Final = 0.1
_PLACES: Final = ("certificate", "tls.crt")


class Validity(msgspec.Struct, frozen=True):
    """From when until when a certificate is valid."""

    begin: int
    end: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Renewal:
    """How long before its end a certificate is to be replaced: `offset` seconds, or after `percent` of its life.

    Without either (0) it is a tenth of its life. `share` (0 to 1) spreads certificates over the first tenth of the
    time that the offset leaves.
    """

    offset: float = 0.0
    percent: int = 0
    share: float = 0.0


def replace_at(valid: Validity, renewal: Renewal) -> float:
    """When to replace a certificate: between its end minus the offset, and its end minus nine tenths of it."""
    life = max(valid.end - valid.begin, 0)
    offset = renewal.offset or life * ((100 - renewal.percent) / 100 if renewal.percent else _SHARE)
    offset = min(offset, life * _MOST) if life else offset
    return valid.end - offset + offset * _SPREAD * min(max(renewal.share, 0.0), 1.0)


def validity_of(data: Mapping[str, bytes]) -> Validity | None:
    """The validity of the certificate that the data of a Secret holds; None if it holds none that can be read."""
    # Needed where certificates are, and nowhere else: the library takes 10 MB.
    from cryptography import x509

    for place in _PLACES:
        found = data.get(place)
        if not found:
            continue
        try:
            if b"-----BEGIN" in found:
                one = x509.load_pem_x509_certificate(found[found.find(b"-----BEGIN CERTIFICATE-----") :])
            else:
                one = x509.load_der_x509_certificate(b64decode(found, validate=True))
            begin, end = one.not_valid_before_utc, one.not_valid_after_utc
        except (ValueError, x509.InvalidVersion):
            continue
        return Validity(int(begin.timestamp()), int(end.timestamp()))
    return None


def compose(rendered: Mapping[str, bytes], issued: Certificate, *, tls: bool) -> dict[str, bytes]:
    """The data of a Secret with a certificate; with `tls` also the keys of a TLS Secret.

    The chain becomes text instead of a list wherever the filters left it in. What the filters dropped is still
    there for the TLS keys.
    """
    data = dict(rendered)
    if issued.ca_chain and "ca_chain" in data:
        data["ca_chain"] = "\n".join(issued.ca_chain).encode()
    if not tls:
        return data
    certificates = certificates_in(issued.certificate.reveal()) or [issued.certificate.reveal()]
    chain = issued.ca_chain or ((issued.issuing_ca,) if issued.issuing_ca else ())
    certificates += [one for one in chain if one.strip() not in certificates]
    data["tls.crt"] = "\n".join(certificates).encode()
    data["tls.key"] = issued.private_key.reveal().encode()
    if issued.issuing_ca:
        data["ca.crt"] = issued.issuing_ca.encode()
    return data
