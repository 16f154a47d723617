"""Text of servers that may be shown."""

import pytest

from vso.vault.mask import LIMIT, safe_text

JWT = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJ4In0.c2lnbmF0dXJl"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("permission denied", "permission denied"),
        ("1 error occurred:\n\t* permission denied\n\n", "permission denied"),
        ("token hvs.CAESIJabcdefgh.ns1x expired", "token *** expired"),
        ("batch hvb.AAAAAQKabcdefgh bad", "batch *** bad"),
        ("token s.0O68fdKGx3JfRyycmoW3717V.abc1 bad", "token *** bad"),
        (f"bad jwt {JWT}: expired", "bad jwt ***: expired"),
        (f"bad jwt {JWT.rpartition('.')[0]}", "bad jwt ***"),
        ("key -----BEGIN RSA PRIVATE KEY-----\nAAAA\n-----END RSA PRIVATE KEY----- bad", "key *** bad"),
        ("cut -----BEGIN PRIVATE KEY-----\nAAAA", "cut ***"),
        ("see vaults.example.com, e.g. s.short", "see vaults.example.com, e.g. s.short"),
        ("a\x1b[31m\x00b", "a [31m b"),
        ("the password hunter22 is bad", "the password *** is bad"),
    ],
)
def test_credentials_are_starred_out_and_words_are_kept(text: str, expected: str) -> None:
    """Tokens of all generations, JWTs, PEM and what was sent; everything on one line."""
    assert safe_text(text, ["hunter22", "", "a"]) == expected


def test_the_longer_of_two_secrets_goes_first() -> None:
    """No tail of a secret is left because another is its beginning."""
    assert safe_text("abcd1234", ["abcd", "abcd1234"]) == "***"


def test_long_text_is_cut() -> None:
    """Conditions stay readable."""
    assert len(safe_text("x" * 5000)) == LIMIT
