"""Objects of ours in files, as structs: what `render` and `lint` work on."""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeVar

import msgspec
from msgspec import structs

from vso.apis import meta
from vso.apis.kinds import KINDS, Definition
from vso.apis.meta import Key, Object
from vso.apis.names import GROUP, VERSION
from vso.apis.v1beta1 import VaultDynamicSecret, VaultPKISecret, VaultStaticSecret
from vso.cli.kubectl.manifest import Manifest

T = TypeVar("T", bound=Object)

CLAIMANTS: Final = (VaultStaticSecret, VaultDynamicSecret, VaultPKISecret)
"""Kinds that write a Secret."""
_DEFINITIONS: Final[Mapping[str, Definition]] = {one.name: one for one in KINDS}


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """An object of our group.

    `definition` and `obj` are None for a kind or version that there is not, `obj` alone if a member has another type
    than it must have.
    """

    manifest: Manifest
    namespace: str
    definition: Definition | None = None
    obj: Object | None = None

    @property
    def key(self) -> Key:
        """Namespace and name."""
        return Key(self.namespace, self.manifest.name)

    def has(self, type_: type[T]) -> T | None:
        """The object, if it is of that type."""
        return self.obj if isinstance(self.obj, type_) else None


def is_ours(manifest: Manifest) -> bool:
    """Whether `manifest` is of our group, be it of a kind that there is or not."""
    return manifest.group == GROUP


def subject_of(manifest: Manifest, *, namespace: str) -> Subject:
    """The object in `manifest`; `namespace` is where it goes if it does not say."""
    where = manifest.namespace or namespace
    definition = _DEFINITIONS.get(manifest.kind) if manifest.api_version == f"{GROUP}/{VERSION}" else None
    obj = None
    if definition is not None:
        try:
            obj = meta.decode(json.dumps(manifest.body, default=str), definition.kind.type)
        except (msgspec.DecodeError, ValueError):  # NaN is no JSON either
            obj = None
        else:
            obj = structs.replace(obj, metadata=structs.replace(obj.metadata, namespace=where))
    return Subject(manifest=manifest, namespace=where, definition=definition, obj=obj)


def subjects_of(manifests: Iterable[Manifest], *, namespace: str) -> list[Subject]:
    """Those of `manifests` that are ours."""
    return [subject_of(one, namespace=namespace) for one in manifests if is_ours(one)]


def objects_of(subjects: Iterable[Subject], type_: type[T]) -> Iterator[T]:
    """The objects of one type."""
    for one in subjects:
        found = one.has(type_)
        if found is not None:
            yield found


def index_of(subjects: Iterable[Subject], type_: type[T]) -> dict[Key, T]:
    """The objects of one type by their keys."""
    return {one.key: one for one in objects_of(subjects, type_)}


def claimant_of(obj: Any) -> VaultStaticSecret | VaultDynamicSecret | VaultPKISecret | None:
    """`obj`, if it writes a Secret."""
    return obj if isinstance(obj, CLAIMANTS) else None
