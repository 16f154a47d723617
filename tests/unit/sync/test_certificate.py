"""When certificates are due, and what a TLS Secret is made of (regressions R25; D24)."""

import json
import ssl
from base64 import b64encode
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.certificate import issued
from vso.base import Sensitive
from vso.sync.certificate import Renewal, Validity, compose, replace_at, validity_of
from vso.vault import Certificate

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


@given(st.integers(0, 2**33), st.integers(0, 10**9), st.floats(0, 1e9), st.integers(0, 99), st.floats(-1, 2))
def test_a_certificate_is_due_within_its_life(begin: int, life: int, offset: float, percent: int, share: float) -> None:
    """After it began and never past its end, whatever offset and percentage are asked for."""
    due = replace_at(Validity(begin, begin + life), Renewal(offset=offset, percent=percent, share=share))
    if life:
        assert begin < due <= begin + life


@given(st.integers(1000, 10**9), st.floats(0, 1))
def test_the_window_is_the_first_tenth_of_the_offset(life: int, share: float) -> None:
    """Unset it is a tenth of the life (R25); `renewAtPercent` counts from the beginning (D24)."""
    valid = Validity(0, life)
    assert life * 0.9 - 1e-6 * life <= replace_at(valid, Renewal(share=share)) <= life * 0.91 + 1e-6 * life
    half = replace_at(valid, Renewal(offset=life / 2, share=share))
    assert life * 0.5 <= half <= life * 0.55 + 1e-6 * life
    early = replace_at(valid, Renewal(percent=30, share=share))
    assert life * 0.3 - 1e-6 * life <= early <= life * 0.37 + 1e-6 * life
    assert replace_at(valid, Renewal(offset=life / 2, percent=30, share=share)) == half


def test_the_validity_is_read_from_pem_bundles_and_der() -> None:
    """Whatever stands around it; None for what is no certificate."""
    pem = issued(NOON).certificate.reveal().encode()
    valid = Validity(int(NOON.timestamp()), int((NOON + timedelta(days=30)).timestamp()))
    key = issued(NOON).private_key.reveal().encode()
    assert validity_of({"certificate": pem}) == valid
    assert validity_of({"tls.crt": key + b"\n" + pem}) == valid
    assert validity_of({"certificate": b"none", "tls.crt": pem}) == valid
    assert validity_of({"certificate": b"none"}) is None
    assert validity_of({}) is None


def test_a_certificate_of_a_version_that_does_not_exist_is_none() -> None:
    """Whoever may write Secrets in one namespace must not end the reading of all of them."""
    good = ssl.PEM_cert_to_DER_cert(issued(NOON).certificate.reveal())
    odd = good.replace(b"\xa0\x03\x02\x01\x02", b"\xa0\x03\x02\x01\x05", 1)
    assert odd != good
    assert validity_of({"certificate": b64encode(odd)}) is None
    assert validity_of({"certificate": ssl.DER_cert_to_PEM_cert(odd).encode()}) is None


KEY = "-----BEGIN EC PRIVATE KEY-----\nkey\n-----END EC PRIVATE KEY-----"


def block(text: str) -> str:
    """A certificate, as far as `compose` looks at it."""
    return f"-----BEGIN CERTIFICATE-----\n{text}\n-----END CERTIFICATE-----"


LEAF, MIDDLE, ROOT = block("leaf"), block("middle"), block("root")
PEM = {"certificate": LEAF, "private_key": KEY}


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        pytest.param(
            {**PEM, "issuing_ca": MIDDLE, "ca_chain": [MIDDLE, ROOT]},
            {"tls.crt": f"{LEAF}\n{MIDDLE}\n{ROOT}", "tls.key": KEY, "ca.crt": MIDDLE},
            id="a chain",
        ),
        pytest.param(
            {**PEM, "issuing_ca": ROOT},
            {"tls.crt": f"{LEAF}\n{ROOT}", "tls.key": KEY, "ca.crt": ROOT},
            id="no chain",
        ),
        pytest.param(
            {**PEM, "ca_chain": [MIDDLE]}, {"tls.crt": f"{LEAF}\n{MIDDLE}", "tls.key": KEY}, id="a chain without issuer"
        ),
        pytest.param(PEM, {"tls.crt": LEAF, "tls.key": KEY}, id="neither"),
        pytest.param(
            {
                "certificate": f"{KEY}\n{LEAF}\n{MIDDLE}",
                "private_key": KEY,
                "issuing_ca": MIDDLE,
                "ca_chain": [MIDDLE, ROOT],
            },
            {"tls.crt": f"{LEAF}\n{MIDDLE}\n{ROOT}", "tls.key": KEY, "ca.crt": MIDDLE},
            id="a bundle: no key in tls.crt, nothing twice",
        ),
        pytest.param(
            {"certificate": "TEVBRg==", "private_key": "S0VZ", "issuing_ca": "TUlE", "ca_chain": ["TUlE"]},
            {"tls.crt": "TEVBRg==\nTUlE", "tls.key": "S0VZ", "ca.crt": "TUlE"},
            id="der",
        ),
    ],
)
@pytest.mark.parametrize("filtered", [False, True])
def test_a_tls_secret_has_certificate_chain_and_key(
    answer: dict[str, Any], expected: dict[str, str], *, filtered: bool
) -> None:
    """Also where filters left none of the fields; the chain of the answer becomes text only if it is there (7.4)."""
    rendered = {} if filtered else {name: as_rendered(value) for name, value in answer.items()}
    chain = answer.get("ca_chain", [])
    one = Certificate(
        serial_number="07",
        certificate=Sensitive(answer["certificate"]),
        private_key=Sensitive(answer["private_key"]),
        issuing_ca=answer.get("issuing_ca", ""),
        ca_chain=tuple(chain),
        data=Sensitive(b"{}"),
    )
    fields = {**rendered, "ca_chain": "\n".join(chain).encode()} if rendered and chain else rendered
    keys = {name: text.encode() for name, text in expected.items()}
    assert compose(rendered, one, tls=True) == {**fields, **keys}
    assert compose(rendered, one, tls=False) == fields


def as_rendered(value: str | list[str]) -> bytes:
    """A field of the answer as a Secret holds it: texts as they are, lists as JSON."""
    return value.encode() if isinstance(value, str) else json.dumps(value).encode()
