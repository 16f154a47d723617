"""Writes `status`, and only what differs from what is there.

One merge patch of the status subresource, bound to the object's UID so that a re-created object is not touched.
"""

from typing import Any, Generic, TypeVar

import msgspec

from vso.apis.meta import Kind, Object
from vso.kube import Client, Patch, merge_diff
from vso.runtime import Store

T = TypeVar("T", bound=Object)


class StatusWriter(Generic[T]):
    """Writes the status of objects of one kind, and remembers the answer in their store."""

    def __init__(self, client: Client, kind: Kind[T], store: Store[T]) -> None:
        self._client = client
        self._kind = kind
        self._store = store

    async def write(self, obj: T, status: msgspec.Struct) -> bool:
        """Make `obj.status` equal to `status`; False if it was already, so that nothing was sent.

        Raises the cluster's errors.
        """
        old: Any = getattr(obj, "status", None)
        # What the server never got must be sent even where it equals the struct's default (api.md section 7.5).
        unwritten = old == type(status)()
        if old == status and not unwritten:
            return False
        before = {} if unwritten else msgspec.to_builtins(old)
        diff = merge_diff(before, msgspec.to_builtins(status))
        if not diff:
            return False
        patch = Patch(body={"metadata": {"uid": obj.metadata.uid}, "status": diff}, subresource="status")
        self._store.observe(await self._client.patch(self._kind, obj.key, patch))
        return True
