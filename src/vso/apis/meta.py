"""The shapes that all Kubernetes objects share, and how objects are addressed.

Structs hold the fields that the operator uses; the decoder drops the others, `managedFields` above all.
Source: Kubernetes API conventions, ObjectMeta and OwnerReference of meta/v1.
"""

from datetime import UTC, datetime
from typing import Annotated, Any, Final, Generic, TypeVar
from urllib.parse import quote

import msgspec

from vso.apis.field import Block, Field, written


class Key(msgspec.Struct, frozen=True, order=True):
    """Identity of an object among those of its kind; `namespace` is empty for cluster-wide objects."""

    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}" if self.namespace else self.name


class Ref(msgspec.Struct, frozen=True, order=True):
    """Identity of an object of any kind."""

    kind: str
    key: Key

    def __str__(self) -> str:
        return f"{self.kind} {self.key}"


class OwnerReference(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """One entry of `metadata.ownerReferences`."""

    api_version: str = ""
    kind: str = ""
    name: str = ""
    uid: str = ""
    controller: bool | None = None
    block_owner_deletion: bool | None = None


class ObjectMeta(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True, kw_only=True):
    """`metadata` of an object."""

    name: str = ""
    generate_name: str = ""
    namespace: str = ""
    uid: str = ""
    resource_version: str = ""
    generation: int = 0
    creation_timestamp: datetime | None = None
    deletion_timestamp: datetime | None = None
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}
    finalizers: tuple[str, ...] = ()
    owner_references: tuple[OwnerReference, ...] = ()


_NO_METADATA: Final = ObjectMeta()


class Object(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True, kw_only=True):
    """What every object has; the kinds derive from it."""

    api_version: str = ""
    kind: str = ""
    metadata: ObjectMeta = _NO_METADATA

    @property
    def key(self) -> Key:
        """Namespace and name."""
        return Key(self.metadata.namespace, self.metadata.name)

    @property
    def deleting(self) -> bool:
        """Whether a deletion was requested and waits for finalizers."""
        return self.metadata.deletion_timestamp is not None


class PartialObject(Object, frozen=True, kw_only=True):
    """An object of any kind, seen through `PartialObjectMetadata`: only its metadata."""


T = TypeVar("T", bound=Object)
Decoded = TypeVar("Decoded")


class Resource(msgspec.Struct, frozen=True):
    """Where the API serves a kind."""

    group: str
    version: str
    plural: str
    kind: str
    namespaced: bool = True

    @property
    def api_version(self) -> str:
        """``v1`` for the core group, else ``group/version``."""
        return f"{self.group}/{self.version}" if self.group else self.version

    def path(self, namespace: str | None = None, name: str | None = None, subresource: str | None = None) -> str:
        """URL path of the collection (of one namespace, or of all), or of one object and its subresource."""
        parts = ["apis", self.group, self.version] if self.group else ["api", self.version]
        if self.namespaced and namespace:
            parts += ["namespaces", namespace]
        parts.append(self.plural)
        parts += [part for part in (name, subresource) if part]
        return "/" + "/".join(quote(part, safe="") for part in parts)


class Kind(Generic[T]):
    """A kind that can be read and written: where it is served, and the struct it is decoded to."""

    __slots__ = ("metadata_only", "resource", "type")

    def __init__(self, resource: Resource, type_: type[T], *, metadata_only: bool = False) -> None:
        self.resource = resource
        self.type = type_
        self.metadata_only = metadata_only
        """Ask the server for metadata alone."""

    def __repr__(self) -> str:
        return f"Kind({self.resource.kind})"

    def partial(self) -> "Kind[PartialObject]":
        """The same kind, seen through its metadata alone."""
        return Kind(self.resource, PartialObject, metadata_only=True)


NEVER: Final = datetime(1970, 1, 1, tzinfo=UTC)
"""Stands for a time that nobody recorded."""

_NAME: Final = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_CONDITION_TYPE: Final = rf"^({_NAME}(\.{_NAME})*/)?(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])$"
_CONDITION_REASON: Final = r"^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$"


class Condition(Block, frozen=True, kw_only=True):
    """One entry of `status.conditions` (api.md section 3.4).

    `last_transition_time` is `NEVER` where an entry was stored without it.
    """

    type: Annotated[
        str, Field("Aspect that this entry is about.", required=True, max_length=316, pattern=_CONDITION_TYPE)
    ] = written("")
    status: Annotated[str, Field("True, False or Unknown.", required=True, enum=("True", "False", "Unknown"))] = (
        written("")
    )
    reason: Annotated[
        str,
        Field(
            "Cause in one word, for programs.",
            required=True,
            min_length=1,
            max_length=1024,
            pattern=_CONDITION_REASON,
        ),
    ] = written("")
    message: Annotated[str, Field("Cause, for people.", required=True, max_length=32768)] = written("")
    last_transition_time: Annotated[
        datetime, Field("When the status last changed.", required=True, format="date-time")
    ] = written(NEVER)
    observed_generation: Annotated[
        int, Field("Generation of the object that was looked at.", format="int64", minimum=0)
    ] = 0


def encode(value: Any) -> bytes:
    """JSON of a struct or of plain values; times are written in UTC with a ``Z``."""
    return msgspec.json.encode(value)


def decode(data: bytes | str, type_: type[Decoded]) -> Decoded:
    """Read a value from JSON; unknown fields are dropped, and a null counts as an absent field.

    Raises msgspec.ValidationError, whose text names the field but no value, if the JSON has another shape,
    and msgspec.DecodeError if it is no JSON.
    """
    try:
        return msgspec.json.decode(data, type=type_)
    except msgspec.ValidationError:
        # Nulls are rare, so only what fails pays for taking them out.
        return msgspec.convert(_without_nulls(msgspec.json.decode(data)), type=type_)


def _without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_nulls(item) for key, item in value.items() if item is not None}
    if isinstance(value, list):
        return [_without_nulls(item) for item in value]
    return value
