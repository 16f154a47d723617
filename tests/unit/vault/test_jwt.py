"""What a refused login may tell about the token sent."""

import base64
import json
from datetime import UTC, datetime
from typing import Any

import pytest

from vso.vault.jwt import read_claims

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def token(claims: Any) -> str:
    """Make an unsigned token."""
    return token_of(json.dumps(claims).encode())


def token_of(claims: bytes) -> str:
    """Make an unsigned token of what may be no JSON."""
    body = base64.urlsafe_b64encode(claims).decode().rstrip("=")
    return f"e30.{body}.c2lnbmF0dXJl"


@pytest.mark.parametrize(
    ("claims", "expected"),
    [
        (
            {"aud": ["v", "x"], "iss": "k", "sub": "a:b", "exp": 1767225660},
            'the token sent has audience "v", "x", issuer "k", subject "a:b" and expires at 2026-01-01T00:01:00Z',
        ),
        (
            {"aud": "vault", "exp": 1767225599.5},
            'the token sent has audience "vault" and expired at 2025-12-31T23:59:59Z',
        ),
        ({"jti": "secret-id"}, "the token sent has audience none and no expiry"),
    ],
)
def test_the_hint_names_audience_issuer_subject_and_expiry(claims: Any, expected: str) -> None:
    """And nothing else of the token (D37)."""
    read = read_claims(token(claims))
    assert read is not None
    assert read.describe(NOW) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "opaque",
        "a.b.c",
        "a.!!!.c",
        token("text"),
        token({"exp": 1e30}),
        token({"aud": 5}),
        "eyJ.é.x",
        token_of(b"[" * 99_999),
        token_of(b'{"x":' + b"[" * 99_999),
    ],
    ids=lambda text: text[:20],
)
def test_what_is_no_readable_token_gives_no_hint(text: str) -> None:
    """The Vault role may be told by other credentials."""
    assert read_claims(text) is None
