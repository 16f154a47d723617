"""From structs to structural schemas: the OpenAPI v3 that a CustomResourceDefinition carries.

Knows no kind; `crd` puts the schemas into manifests. What is said about a field stands in its `Field`.
"""

from collections.abc import Iterator, Mapping
from datetime import datetime
from types import NoneType, UnionType
from typing import Annotated, Any, Final, Union, get_args, get_origin

import msgspec

from vso.apis.field import Field

_SCALARS: Final = {str: "string", bool: "boolean", int: "integer", datetime: "string"}


class Member(msgspec.Struct, frozen=True):
    """A declared field of a struct: its name on the wire and in Python, its bare type, and its default."""

    name: str
    attribute: str
    type: Any
    field: Field
    assumed: Any


def declared(struct: type[msgspec.Struct]) -> Iterator[Member]:
    """All fields of `struct` in the order of their declaration. Raises TypeError if one has no `Field`."""
    for info in msgspec.structs.fields(struct):
        base, *facts = _bare(info.type)
        field = next((fact for fact in facts if isinstance(fact, Field)), None)
        if field is None:
            raise TypeError(f"{struct.__name__}.{info.name} has no Field(...) in its annotation")
        factory = info.default_factory
        assumed = info.default if factory is msgspec.NODEFAULT else factory()
        yield Member(info.encode_name, info.name, base, field, assumed)


def object_schema(struct: type[msgspec.Struct], *, enforce_required: bool) -> dict[str, Any]:
    """Schema of `struct` and of all that is below it."""
    members = tuple(declared(struct))
    schema: dict[str, Any] = {"type": "object"}
    if members:
        schema["properties"] = {
            member.name: _member_schema(member, enforce_required=enforce_required) for member in members
        }
    required = sorted(member.name for member in members if member.field.required)
    if required and enforce_required:
        schema["required"] = required
    return schema


def _member_schema(member: Member, *, enforce_required: bool) -> dict[str, Any]:
    field = member.field
    schema = {"description": field.description, **_type_schema(member.type, enforce_required=enforce_required)}
    if field.default is not msgspec.UNSET:
        schema["default"] = field.default
    facts: Mapping[str, Any] = {
        "enum": [str(value) for value in field.enum],
        "format": field.format,
        "pattern": field.pattern,
        "minimum": field.minimum,
        "maximum": field.maximum,
        "minLength": field.min_length,
        "maxLength": field.max_length,
    }
    return schema | {key: value for key, value in facts.items() if value not in ([], "", None)}


def _type_schema(type_: Any, *, enforce_required: bool) -> dict[str, Any]:
    base = _bare(type_)[0]
    if base in _SCALARS:
        return {"type": _SCALARS[base]}
    if get_origin(base) is tuple:
        return {
            "type": "array",
            "items": _type_schema(get_args(base)[0], enforce_required=enforce_required),
        }
    if get_origin(base) is dict:
        value = _type_schema(get_args(base)[1], enforce_required=enforce_required)
        return {"type": "object", "additionalProperties": value}
    if isinstance(base, type) and issubclass(base, msgspec.Struct):
        return object_schema(base, enforce_required=enforce_required)
    raise TypeError(f"no schema for {type_}")


def _bare(type_: Any) -> tuple[Any, ...]:
    """A type without `Annotated` and `| None`, and what `Annotated` carried."""
    facts: tuple[Any, ...] = ()
    while True:
        if get_origin(type_) is Annotated:
            type_, *more = get_args(type_)
            facts += tuple(more)
        elif get_origin(type_) in {Union, UnionType}:
            (type_,) = (arm for arm in get_args(type_) if arm is not NoneType)
        else:
            return (type_, *facts)
