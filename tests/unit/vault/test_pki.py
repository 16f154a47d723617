"""The request for a certificate, and what its answer must have."""

import base64
import json
import ssl
from pathlib import Path
from typing import Any

import pytest

from testenv.certificates import Authority
from vso.base import Sensitive
from vso.vault import (
    BadAnswer,
    InvalidPath,
    NoData,
    PKIRequest,
    Response,
    issue_body,
    issue_path,
    parse_certificate,
)

PATH = "pki/issue/web"


@pytest.fixture(scope="module")
def pem(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A certificate."""
    folder: Path = tmp_path_factory.mktemp("pki")
    return Authority.create(folder, name="unit").pem


def answer(fields: dict[str, Any]) -> Response:
    """A response with these fields."""
    return Response(data=Sensitive(json.dumps(fields).encode()))


@pytest.mark.parametrize(
    ("issuer_ref", "path"),
    [
        ("", "pki/v2/issue/web"),
        ("default", "pki/v2/issuer/default/issue/web"),
        ("default/issue", "pki/v2/issuer/default/issue/web"),
        ("/default/issue/", "pki/v2/issuer/default/issue/web"),
        ("issue", "pki/v2/issuer/issue/issue/web"),
    ],
)
def test_the_issuer_stands_in_the_path(issuer_ref: str, path: str) -> None:
    """Behaviour 7.2: the segment "issue" is always there, and once."""
    assert issue_path(PKIRequest(mount="/pki/v2/", role="web", issuer_ref=issuer_ref)) == path


@pytest.mark.parametrize(
    ("mount", "role", "ref"), [("", "web", ""), ("pki", "", ""), ("pki", "..", ""), ("p", "r", "/")]
)
def test_a_path_that_leads_elsewhere_is_refused(mount: str, role: str, ref: str) -> None:
    """Nothing is sent."""
    with pytest.raises(InvalidPath):
        issue_path(PKIRequest(mount=mount, role=role, issuer_ref=ref))


def test_the_body_has_what_the_reference_sends() -> None:
    """Api 4.6: empty texts too, except those that servers refuse (corrections E1) or choose themselves."""
    assert issue_body(PKIRequest(mount="pki", role="web")) == {
        "common_name": "",
        "alt_names": "",
        "ip_sans": "",
        "uri_sans": "",
        "other_sans": "",
        "user_ids": "",
        "ttl": "",
        "exclude_cn_from_sans": False,
        "remove_roots_from_chain": True,
    }


def test_the_body_has_all_that_can_be_asked_for() -> None:
    """Lists are joined by commas, texts go as they are."""
    request = PKIRequest(
        mount="pki",
        role="web",
        issuer_ref="x",
        common_name="a.example",
        alt_names=("b.example", "c@example"),
        ip_sans=("127.0.0.1", "::1"),
        uri_sans=("spiffe://a/b",),
        other_sans=("1.2.3;UTF8:x", "1.2.4;UTF8:y"),
        user_ids=("u", "v"),
        ttl="30d",
        not_after="2030-01-02T03:04:05Z",
        format="pem_bundle",
        private_key_format="pkcs8",
        exclude_cn_from_sans=True,
    )
    assert issue_body(request) == {
        "common_name": "a.example",
        "alt_names": "b.example,c@example",
        "ip_sans": "127.0.0.1,::1",
        "uri_sans": "spiffe://a/b",
        "other_sans": "1.2.3;UTF8:x,1.2.4;UTF8:y",
        "user_ids": "u,v",
        "ttl": "30d",
        "not_after": "2030-01-02T03:04:05Z",
        "format": "pem_bundle",
        "private_key_format": "pkcs8",
        "exclude_cn_from_sans": True,
        "remove_roots_from_chain": True,
    }


def test_a_certificate_is_read_with_all_its_fields(pem: str) -> None:
    """Members we do not know stay in `data` (corrections I14); neither key nor bundle is shown."""
    fields = {
        "serial_number": "0a:0b",
        "certificate": pem,
        "private_key": "key",
        "private_key_type": "ec",
        "issuing_ca": "ca",
        "ca_chain": ["one", "two"],
        "expiration": 1893553445,
        "not_before": 1893550000,
    }
    got = parse_certificate(answer(fields), PATH)
    assert (got.serial_number, got.private_key_type, got.issuing_ca) == ("0a:0b", "ec", "ca")
    assert (got.ca_chain, got.expiration) == (("one", "two"), 1893553445)
    assert (got.certificate.reveal(), got.private_key.reveal()) == (pem, "key")
    assert json.loads(got.data.reveal()) == fields
    assert "BEGIN" not in repr(got)


def test_a_certificate_may_be_der_or_within_a_bundle(pem: str) -> None:
    """The formats of Vault; what may be absent is empty."""
    der = base64.b64encode(ssl.PEM_cert_to_DER_cert(pem)).decode()
    bundle = f"-----BEGIN EC PRIVATE KEY-----\nnone\n-----END EC PRIVATE KEY-----\n{pem}\n{pem}"
    for text in (der, bundle):
        fields = {"serial_number": "0a", "certificate": text, "private_key": "key", "ca_chain": None}
        got = parse_certificate(answer(fields), PATH)
        assert got.certificate.reveal() == text
        assert (got.ca_chain, got.issuing_ca, got.expiration) == ((), "", 0)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"serial_number": ""}, "Invalid Vault secret data, serial_number cannot be empty"),
        ({"serial_number": None}, "Invalid Vault secret data, serial_number cannot be empty"),
        ({"private_key": ""}, "Invalid Vault secret data, private_key cannot be empty"),
        ({"certificate": ""}, "Invalid Vault secret data, certificate cannot be read"),
        ({"certificate": "hunter2"}, "Invalid Vault secret data, certificate cannot be read"),
        ({"certificate": "aHVudGVyMg=="}, "Invalid Vault secret data, certificate cannot be read"),
        (
            {"certificate": "-----BEGIN CERTIFICATE-----\nhünter2\n-----END CERTIFICATE-----\n"},
            "Invalid Vault secret data, certificate cannot be read",
        ),
        (
            {"certificate": "-----BEGIN CERTIFICATE-----\nhunter2\n-----END CERTIFICATE-----\n"},
            "Invalid Vault secret data, certificate cannot be read",
        ),
        ({"certificate": ["hunter2"]}, 'the answer at "pki/issue/web" is no certificate of a PKI engine'),
        ({"expiration": "hunter2"}, 'the answer at "pki/issue/web" is no certificate of a PKI engine'),
    ],
)
def test_an_answer_that_is_no_certificate_is_an_error(pem: str, change: dict[str, Any], message: str) -> None:
    """R24: never a crash, never a broken Secret, and no value in the message."""
    fields = {"serial_number": "0a", "certificate": pem, "private_key": "key", **change}
    with pytest.raises(BadAnswer) as caught:
        parse_certificate(answer(fields), PATH)
    assert str(caught.value) == message


@pytest.mark.parametrize("response", [Response(status=204, empty=True), Response()])
def test_an_answer_without_data_is_told_apart(response: Response) -> None:
    """R24: no body, and null data."""
    with pytest.raises(NoData, match=r'^empty response from Vault, path="pki/issue/web": '):
        parse_certificate(response, PATH)
