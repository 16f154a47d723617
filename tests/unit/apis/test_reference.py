"""References in text form."""

import pytest

from vso.apis.meta import Key
from vso.apis.reference import InvalidReference, parse_reference


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("", Key("vso", "default")),
        ("auth", Key("shop", "auth")),
        ("team/auth", Key("team", "auth")),
        (" auth ", Key("shop", " auth ")),
        ("default", Key("shop", "default")),
    ],
)
def test_a_reference_names_an_object(text: str, wanted: Key) -> None:
    """Empty is the operator's default, a bare name is beside the referrer, and nothing is trimmed."""
    assert parse_reference(text, namespace="shop", operator_namespace="vso") == wanted


@pytest.mark.parametrize("text", ["a/b/c", "a//b", "ns/", "/name", "/", "//"])
def test_a_malformed_reference_is_refused(text: str) -> None:
    """The text names the value and says what to write."""
    with pytest.raises(InvalidReference, match="write a name, or a namespace/name") as caught:
        parse_reference(text, namespace="shop", operator_namespace="vso")
    assert repr(text) in str(caught.value)
    assert caught.value.text == text
