"""Merge patches made from two states."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vso.kube import merge_diff


@pytest.mark.parametrize(
    ("old", "new", "patch"),
    [
        ({}, {}, {}),
        ({"a": 1}, {"a": 1}, {}),
        ({"a": 1}, {"a": 2}, {"a": 2}),
        ({"a": 1}, {}, {"a": None}),
        ({}, {"a": 1}, {"a": 1}),
        ({"a": {"b": 1, "c": 2}}, {"a": {"b": 1, "c": 3}}, {"a": {"c": 3}}),
        ({"a": {"b": 1}}, {"a": {}}, {"a": {"b": None}}),
        ({"a": {"b": 1}}, {"a": "text"}, {"a": "text"}),
        ({"a": "text"}, {"a": {"b": 1}}, {"a": {"b": 1}}),
        ({"a": "text"}, {"a": {}}, {"a": {}}),
        ({}, {"a": {}}, {"a": {}}),
        ({"a": [1, {"b": None}]}, {"a": [1, {"b": None}]}, {}),
        ({"a": [1, 2]}, {"a": [1]}, {"a": [1]}),
        ({"a": (1, 2)}, {"a": [1, 2]}, {}),
        ({"a": 1}, {"a": True}, {"a": True}),
        ({"a": [0]}, {"a": [False]}, {"a": [False]}),
        ({"a": 1}, {"a": None}, {"a": None}),
        ({}, {"a": None}, {}),
        ({}, {"a": {"b": None}}, {"a": {}}),
    ],
)
def test_the_patch_is_the_smallest_that_makes_the_new_state(
    old: dict[str, Any], new: dict[str, Any], patch: dict[str, Any]
) -> None:
    """Equal members stay out, missing ones become null, lists are whole."""
    assert merge_diff(old, new) == patch
    assert repr(merge_diff(old, new)) == repr(patch)


def merged(target: Any, patch: Any) -> Any:
    """MergePatch of RFC 7386 section 2, word for word."""
    if not isinstance(patch, dict):
        return patch
    result = dict(target) if isinstance(target, dict) else {}
    for name, value in patch.items():
        if value is None:
            result.pop(name, None)
        else:
            result[name] = merged(result.get(name), value)
    return result


names = st.sampled_from(["a", "b", "c", "d"])
scalars = st.none() | st.booleans() | st.integers(-2, 2) | st.sampled_from(["", "x"])
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3), max_leaves=12
)
objects = st.dictionaries(names, values, max_size=4)


def bare(value: Any) -> Any:
    """A state that a server can hold after a merge patch: no member is null, lists are as they are."""
    if isinstance(value, dict):
        return {name: bare(member) for name, member in value.items() if member is not None}
    return value


@given(old=objects, new=objects.map(bare))
def test_applied_to_the_old_state_the_patch_gives_the_new(old: dict[str, Any], new: dict[str, Any]) -> None:
    """For any two JSON objects, nulls in the old one included."""
    result = merged(old, merge_diff(old, new))
    assert result == new
    assert repr(sorted(result)) == repr(sorted(new))


@given(state=objects)
def test_equal_states_need_no_patch(state: dict[str, Any]) -> None:
    """Nothing is written when nothing differs."""
    assert merge_diff(bare(state), bare(state)) == {}
