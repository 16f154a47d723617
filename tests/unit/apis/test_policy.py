"""Which namespaces may use an object."""

import pytest

from vso.apis.meta import Key, Ref
from vso.apis.policy import is_allowed, refusal


@pytest.mark.parametrize(
    ("target", "restricted", "allowed", "wanted", "strict"),
    [
        ("team", "team/auth", [], True, True),
        ("team", "team/auth", ["other"], True, True),
        ("shop", "team/auth", [], False, False),
        ("shop", "team/auth", ["shop"], True, True),
        ("shop", "team/auth", ["*"], True, True),
        ("shop", "team/auth", ["*", "other"], False, False),
        ("shop", "team/auth", ["sh*"], False, False),
        ("shop", "team/auth", ["other", "shop"], True, True),
        ("vso", "team/auth", [], False, False),
        ("shop", "vso/default", [], True, True),
        ("shop", "vso/default", ["other"], True, False),
        ("shop", "vso/default", ["shop"], True, True),
        ("shop", "vso/other", [], False, False),
        ("shop", "team/default", [], False, False),
    ],
)
def test_the_first_rule_that_matches_decides(
    target: str, restricted: str, allowed: list[str], *, wanted: bool, strict: bool
) -> None:
    """`strict` is the answer when the list of the operator's default counts."""
    key = Key(*restricted.split("/"))
    assert is_allowed(target, restricted=key, allowed=allowed, operator_namespace="vso") is wanted
    assert (
        is_allowed(target, restricted=key, allowed=allowed, operator_namespace="vso", enforce_on_default=True) is strict
    )


def test_a_refusal_names_both_sides_and_the_list() -> None:
    """Whoever reads it knows which object to change."""
    text = refusal("shop", restricted=Ref("VaultAuth", Key("team", "auth")), allowed=["a", "b"])
    assert "'shop'" in text
    assert "VaultAuth team/auth" in text
    assert "a, b" in text
    assert "is empty" in refusal("shop", restricted=Ref("VaultAuth", Key("team", "auth")), allowed=[])
