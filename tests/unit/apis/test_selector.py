"""Label selectors as kubectl reads them."""

import pytest

from vso.apis.selector import InvalidSelector, parse_selector

LABELS = {"team": "web", "env": "prod", "empty": ""}


@pytest.mark.parametrize(
    ("text", "admitted"),
    [
        ("", True),
        (" ", True),
        ("team=web", True),
        ("team == web", True),
        ("team!=web", False),
        ("other!=web", True),
        ("team=web,env=test", False),
        ("env in (test, prod),team", True),
        ("env notin (test,prod)", False),
        ("absent notin (a)", True),
        ("absent in (a)", False),
        ("!absent", True),
        ("!team", False),
        ("empty=", True),
        ("empty", True),
        ("example.com/team=web", False),
    ],
)
def test_a_selector_admits_what_kubectl_would_select(text: str, admitted: bool) -> None:
    """Equality, sets, presence, and all of them together."""
    assert parse_selector(text).admits(LABELS) is admitted


@pytest.mark.parametrize("text", ["=web", "team=web,", "team in web", "team in (a", "a b", "team=we b", ",", "te*m"])
def test_what_is_no_selector_is_named(text: str) -> None:
    """With the forms that there are."""
    with pytest.raises(InvalidSelector, match="is none of"):
        parse_selector(text)
