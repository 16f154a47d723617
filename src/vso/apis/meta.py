"""The shapes that all Kubernetes objects share, and how objects are addressed.

Structs hold the fields that the operator uses; the decoder drops the others, `managedFields` above all.
Source: Kubernetes API conventions, ObjectMeta and OwnerReference of meta/v1.
"""

from datetime import datetime
from typing import Any, Final, Generic, TypeVar
from urllib.parse import quote

import msgspec


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

    def path(
        self, namespace: str | None = None, name: str | None = None, subresource: str | None = None
    ) -> str:
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


class Condition(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True, kw_only=True):
    """One entry of `status.conditions` (api.md section 3.4)."""

    type: str
    status: str
    reason: str
    message: str
    last_transition_time: datetime
    observed_generation: int = 0


def encode(value: Any) -> bytes:
    """JSON of a struct or of plain values; times are written in UTC with a ``Z``."""
    return msgspec.json.encode(value)


def decode(data: bytes | str, type_: type[T]) -> T:
    """Read an object from JSON; unknown fields are dropped.

    Raises msgspec.ValidationError, whose text names the field but no value, if the JSON has another shape.
    """
    return msgspec.json.decode(data, type=type_)
