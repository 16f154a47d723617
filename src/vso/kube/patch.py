"""How an object is to be changed: the API server's kinds of patch, and merge patches made from two states.

Source: RFC 7386 (JSON merge patch), RFC 6902 (JSON patch), Kubernetes API concepts (strategic merge, apply).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any


class PatchType(Enum):
    """Content types of a PATCH request."""

    MERGE = "application/merge-patch+json"
    STRATEGIC = "application/strategic-merge-patch+json"
    JSON = "application/json-patch+json"
    APPLY = "application/apply-patch+yaml"


@dataclass(frozen=True, slots=True, kw_only=True)
class Patch:
    """One change. `body` is plain JSON or structs; a sequence for `PatchType.JSON` only.

    For `PatchType.APPLY` the client adds apiVersion, kind and name, `field_manager` is required by the
    server, and `force` takes fields over from other managers.
    """

    body: Mapping[str, Any] | Sequence[Any]
    type: PatchType = PatchType.MERGE
    subresource: str | None = None
    dry_run: bool = False
    field_manager: str = ""
    force: bool = False


def merge_diff(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    """The RFC 7386 patch that turns `old` into `new`, both plain JSON objects; ``{}`` if they are equal.

    Lists are replaced whole. A merge patch cannot write a null, which means removal: a member that is
    null in `new` is taken as absent.
    """
    patch: dict[str, Any] = {name: None for name in old if new.get(name) is None}
    for name, value in new.items():
        before = old.get(name)
        if value is None or same(before, value):
            continue
        if not isinstance(value, Mapping):
            patch[name] = value
        elif not isinstance(before, Mapping):
            patch[name] = without_nulls(value)
        elif inner := merge_diff(before, value):
            patch[name] = inner
    return patch


def same(left: object, right: object) -> bool:
    """Whether two JSON values are equal; unlike in Python, ``true`` is not 1."""
    if isinstance(left, bool) or isinstance(right, bool):
        return left is right
    if isinstance(left, Mapping) and isinstance(right, Mapping):
        return left.keys() == right.keys() and all(same(left[name], right[name]) for name in left)
    if isinstance(left, list | tuple) and isinstance(right, list | tuple):
        return len(left) == len(right) and all(map(same, left, right))
    return left == right


def without_nulls(value: Mapping[str, Any]) -> dict[str, Any]:
    """`value` as it stands after it was merged into nothing: members that are null are gone."""
    return {
        name: without_nulls(member) if isinstance(member, Mapping) else member
        for name, member in value.items()
        if member is not None
    }
