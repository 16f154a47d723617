"""Finalizers: marks on an object that keep it from vanishing before its clean-up is done."""

from typing import Any, Protocol, TypeVar

import msgspec

from vso.apis.meta import Key, Kind, Object
from vso.kube import NotFound, Patch

T = TypeVar("T", bound=Object)


class PatchClient(Protocol):
    """What is needed of `vso.kube.Client`."""

    async def patch(self, kind: Kind[T], key: Key, patch: Patch, /) -> T:
        """Change the object and return it as stored."""


async def ensure_finalizer(client: PatchClient, kind: Kind[T], obj: T, finalizer: str) -> T:
    """`obj` with `finalizer`; one PATCH unless it is there. An object in deletion is left as it is.

    Raises Conflict if `obj` is not the current state.
    """
    finalizers = obj.metadata.finalizers
    if finalizer in finalizers or obj.deleting:
        return obj
    return await client.patch(kind, obj.key, _patch(obj, (*finalizers, finalizer)))


async def remove_finalizer(client: PatchClient, kind: Kind[T], obj: T, finalizer: str) -> T:
    """`obj` without `finalizer`; one PATCH unless it is absent. Fine if the object is gone.

    Raises Conflict if `obj` is not the current state.
    """
    kept = tuple(other for other in obj.metadata.finalizers if other != finalizer)
    if kept == obj.metadata.finalizers:
        return obj
    try:
        return await client.patch(kind, obj.key, _patch(obj, kept))
    except NotFound:
        metadata = msgspec.structs.replace(obj.metadata, finalizers=kept)
        return msgspec.structs.replace(obj, metadata=metadata)


def _patch(obj: Object, finalizers: tuple[str, ...]) -> Patch:
    metadata: dict[str, Any] = {
        # A merge patch replaces the whole list, so it is only right for the state that it was made from.
        "resourceVersion": obj.metadata.resource_version,
        "uid": obj.metadata.uid,
        "finalizers": list(finalizers) or None,
    }
    return Patch(body={"metadata": {name: value for name, value in metadata.items() if value != ""}})
