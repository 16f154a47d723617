"""Writes `status`, and only what differs from what is there.

One merge patch of the status subresource, bound to the object's UID so that a re-created object is not touched. The
first one of a term of leadership is bound to the version as well: a watch may lag behind what the former leader wrote,
and what the patch leaves out since it looks equal would stay as that one left it.
"""

from typing import Any, Generic, TypeVar

import msgspec

from vso.apis.meta import Key, Kind, Object
from vso.kube import Client, Conflict, Patch, merge_diff
from vso.runtime import Store

T = TypeVar("T", bound=Object)


class StatusWriter(Generic[T]):
    """Writes the status of objects of one kind, and remembers the answer in their store."""

    def __init__(self, client: Client, kind: Kind[T], store: Store[T]) -> None:
        self._client = client
        self._kind = kind
        self._store = store
        self._known: set[Key] = set()
        """Whose status is known to be as the store has it, since this term wrote or read it."""
        self._cut: dict[Key, tuple[Any, Any]] = {}
        """What was sent and what became of it, where the schema in force drops members."""

    def begin_term(self) -> None:
        """Trust no status that another leader may have written."""
        self._known.clear()
        self._cut.clear()

    def forget(self, key: Key) -> None:
        """Forget an object that goes."""
        self._known.discard(key)
        self._cut.pop(key, None)

    async def write(self, obj: T, status: msgspec.Struct) -> bool:
        """Make `obj.status` equal to `status` as far as the schema allows; False if it was, so that nothing was sent.

        Raises the cluster's errors; Conflict if the status was not what it seemed, after which the store has it.
        """
        old: Any = getattr(obj, "status", None)
        # What the server never got must be sent even where it equals the struct's default (api.md section 7.5).
        unwritten = old == type(status)()
        if (old == status and not unwritten) or self._cut.get(obj.key) == (status, old):
            return False
        before = {} if unwritten else msgspec.to_builtins(old)
        diff = merge_diff(before, msgspec.to_builtins(status))
        if not diff:
            return False
        metadata = {"uid": obj.metadata.uid}
        if obj.key not in self._known:
            metadata["resourceVersion"] = obj.metadata.resource_version
        patch = Patch(body={"metadata": metadata, "status": diff}, subresource="status")
        try:
            answer = await self._client.patch(self._kind, obj.key, patch)
        except Conflict:
            self._learn(await self._client.get(self._kind, obj.key))
            raise
        self._learn(answer)
        stored: Any = getattr(answer, "status", None)
        self._cut.pop(obj.key, None)
        if stored != status:
            self._cut[obj.key] = (status, stored)
        return True

    def _learn(self, obj: T) -> None:
        self._store.observe(obj)
        self._known.add(obj.key)
