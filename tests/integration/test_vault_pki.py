"""Certificates of a real OpenBao: issued in each format, with their chain, and revoked."""

import base64
import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from testenv import Answer, FaultProxy, OpenBao
from vso.base import Sensitive, SystemClock
from vso.vault import (
    Certificate,
    CertificateNotFound,
    Connection,
    Invalid,
    PKIRequest,
    Transport,
    VaultError,
    issue,
    revoke_certificate,
)

CLOCK = SystemClock()
ROOT = Sensitive("root")


@pytest.fixture(scope="module")
def bao() -> Iterator[OpenBao]:
    """One server whose mount ``pki`` has an intermediate CA."""
    with OpenBao() as server:
        server.admin.enable_pki("pki", "root.example", intermediate=True)
        server.admin.pki_role("pki", "web")
        yield server


@pytest.fixture
async def transport(bao: OpenBao) -> AsyncIterator[Transport]:
    """A transport straight to the server."""
    async with transport_to(bao.address) as straight:
        yield straight


def transport_to(address: str) -> Transport:
    """Open a transport without proxies."""
    return Transport(Connection(address=address), user_agent="vso/test", clock=CLOCK, environ={})


async def certificate(transport: Transport, **fields: Any) -> Certificate:
    """Issue one for ``a.example`` from the role ``web``."""
    request = PKIRequest(**{"mount": "pki", "role": "web", "common_name": "a.example", "ttl": "1h"} | fields)
    return await issue(transport, request, token=ROOT)


@pytest.mark.parametrize("format_", ["", "pem", "pem_bundle"])
async def test_a_certificate_in_pem_has_its_chain(bao: OpenBao, transport: Transport, format_: str) -> None:
    """The chain begins with the issuer and lacks the root; a bundle has key, certificate and chain."""
    got = await certificate(transport, format=format_, alt_names=("b.example",), ip_sans=("127.0.0.1",))
    text = got.certificate.reveal()
    found = x509.load_pem_x509_certificates(text.encode())
    names = found[0].extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert sorted(names.get_values_for_type(x509.DNSName)) == ["a.example", "b.example"]
    assert found[0].not_valid_after_utc.timestamp() == got.expiration
    assert f"{found[0].serial_number:x}" == got.serial_number.replace(":", "").lstrip("0")
    root = bao.admin.read("pki-root/cert/ca")["data"]["certificate"].strip()
    assert got.issuing_ca == got.ca_chain[0]
    assert root not in got.ca_chain
    assert (format_ == "pem_bundle") == ("PRIVATE KEY" in text)
    key = serialization.load_pem_private_key(got.private_key.reveal().encode(), None)
    assert got.private_key_type == "ec"
    assert key.public_key() == found[0].public_key()
    assert json.loads(got.data.reveal())["serial_number"] == got.serial_number


async def test_a_certificate_in_der_is_base64(transport: Transport) -> None:
    """All of its members are."""
    got = await certificate(transport, format="der", private_key_format="pkcs8")
    found = x509.load_der_x509_certificate(base64.b64decode(got.certificate.reveal()))
    key = serialization.load_der_private_key(base64.b64decode(got.private_key.reveal()), None)
    assert key.public_key() == found.public_key()
    assert len(got.ca_chain) == 1


async def test_a_certificate_without_intermediate_has_no_chain(bao: OpenBao, transport: Transport) -> None:
    """The root is left out of it and stays in `issuing_ca`."""
    bao.admin.enable_pki("pki-flat", "flat.example")
    bao.admin.pki_role("pki-flat", "web")
    got = await certificate(transport, mount="pki-flat")
    assert got.ca_chain == ()
    assert "BEGIN CERTIFICATE" in got.issuing_ca


@pytest.mark.parametrize("ref", ["default", "default/issue"])
async def test_an_issuer_is_taken_by_its_reference(bao: OpenBao, transport: Transport, ref: str) -> None:
    """With and without the segment that older manifests carry; an unknown one is named."""
    got = await certificate(transport, issuer_ref=ref)
    assert got.issuing_ca == bao.admin.read("pki/cert/ca")["data"]["certificate"].strip()
    with pytest.raises(VaultError, match="unable to find PKI issuer for reference: nobody"):
        await certificate(transport, issuer_ref="nobody")


async def test_the_end_of_a_certificate_may_be_a_time(transport: Transport) -> None:
    """Corrections E1: it is left out otherwise, or OpenBao would refuse the request."""
    end = CLOCK.now().timestamp() // 3600 * 3600 + 7200
    text = CLOCK.now().fromtimestamp(end, CLOCK.now().tzinfo).strftime("%Y-%m-%dT%H:%M:%SZ")
    assert (await certificate(transport, not_after=text, ttl="")).expiration == end


async def test_what_the_role_forbids_is_a_fault_of_the_user(bao: OpenBao, transport: Transport) -> None:
    """A name outside its domains, and a role that is not there."""
    bao.admin.pki_role("pki", "narrow", allow_any_name=False, allowed_domains=["good.example"])
    with pytest.raises(Invalid, match="not allowed by this role"):
        await certificate(transport, role="narrow", common_name="evil.example")
    with pytest.raises(Invalid, match="unknown role"):
        await certificate(transport, role="nobody")


async def test_a_revoked_certificate_is_on_the_list(bao: OpenBao, transport: Transport) -> None:
    """With the time that was answered; once more changes nothing."""
    serial = (await certificate(transport)).serial_number
    when = await revoke_certificate(transport, "pki", serial, token=ROOT)
    assert abs(when - CLOCK.now().timestamp()) < 60
    assert bao.admin.read(f"pki/cert/{serial}")["data"]["revocation_time"] == when
    crl = x509.load_pem_x509_crl(bao.admin.read("pki/cert/crl")["data"]["certificate"].encode())
    assert crl.get_revoked_certificate_by_serial_number(int(serial.replace(":", ""), 16)) is not None
    assert await revoke_certificate(transport, "pki", serial, token=ROOT) == when


async def test_a_certificate_that_is_not_kept_cannot_be_revoked(bao: OpenBao, transport: Transport) -> None:
    """The engine does not know it; an empty serial number is another fault."""
    bao.admin.pki_role("pki", "forgetful", no_store=True)
    serial = (await certificate(transport, role="forgetful")).serial_number
    with pytest.raises(CertificateNotFound, match="not found"):
        await revoke_certificate(transport, "pki", serial, token=ROOT)
    with pytest.raises(Invalid, match="serial number must be provided"):
        await revoke_certificate(transport, "pki", "", token=ROOT)


@pytest.mark.parametrize("body", [b"", b'{"data":null}', b'{"data":{}}', b'{"data":{"serial_number":""}}'])
async def test_an_empty_answer_is_no_certificate(bao: OpenBao, body: bytes) -> None:
    """R24: an error of the tree, never a crash."""
    async with FaultProxy(bao.address) as proxy, transport_to(proxy.url) as through:
        await proxy.set(Answer(status=200, body=body, path="/issue/"))
        with pytest.raises(VaultError, match=r"empty response from Vault|serial_number cannot be empty"):
            await certificate(through)
