"""HCPAuth and HCPVaultSecretsApp: accepted, told that their service has ended, never in the way of a deletion.

Secrets that were synced stay as they are (behaviour.md section 13).
"""

from typing import Generic, TypeVar

import msgspec

from vso.apis.conditions import discontinued, update_conditions
from vso.apis.kinds import definition_of
from vso.apis.meta import Key, Kind
from vso.apis.v1beta1 import HCPAuth, HCPVaultSecretsApp
from vso.controllers.status import StatusWriter
from vso.controllers.tools import Tools
from vso.kube import NotFound
from vso.runtime import Next, Store, remove_finalizer

T = TypeVar("T", bound=HCPAuth | HCPVaultSecretsApp)


class HCPReconciler(Generic[T]):
    """Handles the objects of one of the two kinds."""

    def __init__(self, tools: Tools, kind: Kind[T], store: Store[T]) -> None:
        self._tools = tools
        self._kind = kind
        self._store = store
        self._finalizer = definition_of(kind).finalizer
        self._statuses: StatusWriter[T] = StatusWriter(tools.kube, kind, store)

    def begin_term(self) -> None:
        """Trust no status that another leader may have written."""
        self._statuses.begin_term()

    async def reconcile(self, key: Key) -> Next:
        """Say that the service has ended, and let the object go when it is deleted."""
        obj = self._store.get(key)
        if obj is None or not self._tools.world.covers(obj):
            self._statuses.forget(key)
            return Next.on_change()
        if not obj.deleting:
            conditions = update_conditions(
                obj.status.conditions,
                discontinued(),
                now=self._tools.clock.now(),
                generation=obj.metadata.generation,
            )
            try:
                await self._statuses.write(obj, msgspec.structs.replace(obj.status, conditions=conditions))
            except NotFound:
                return Next.on_change()
        if self._finalizer in obj.metadata.finalizers:
            latest = self._store.get(key) or obj
            await remove_finalizer(self._tools.kube, self._kind, latest, self._finalizer)
        return Next.on_change()
