"""How a field of our own kinds is declared: wire name, type, default, documentation and schema in one place.

A field is one statement, ``mount: Annotated[str, Field("Mount of the engine.", required=True)] = ""``. The
annotation is what the API server enforces, and `schema` turns it into the CustomResourceDefinition. Decoding
ignores it on purpose: an object that is stored already must load, however odd it is.
"""

from typing import Any, Final, TypeVar

import msgspec

T = TypeVar("T")

DURATION: Final = r"^([0-9]+(\.[0-9]+)?(s|m|h))$"
"""One number and one unit; what the API takes as a duration."""
DURATION_WITH_DAYS: Final = r"^([0-9]+(\.[0-9]+)?(s|m|h|d))$"
"""As `DURATION`, and days, for values that Vault alone interprets."""


class Field(msgspec.Struct, frozen=True):
    """What the schema says about a field, beside its type.

    `default` is set by the API server when the field is absent; a struct's own default is what the operator
    assumes when even the server did not set one. `required` is not enforced below `status`.
    """

    description: str
    required: bool = False
    default: Any = msgspec.UNSET
    enum: tuple[str, ...] = ()
    pattern: str = ""
    format: str = ""
    minimum: int | None = None
    maximum: int | None = None
    min_length: int | None = None
    max_length: int | None = None


class Block(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True, kw_only=True):
    """Base of every struct of our kinds: camel case on the wire, nothing written that is not set."""


def written(value: T) -> T:
    """The default of a field that is encoded even when it has this value (api.md section 7.5)."""
    default: T = msgspec.field(default_factory=lambda: value)
    return default
