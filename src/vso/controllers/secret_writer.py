"""Brings a destination Secret to what it should be, in one write where one is enough.

What to write is decided by `vso.sync.plan`; this module sends it, and remembers the answer so that the watch's
echo of it is no news.
"""

from dataclasses import dataclass
from typing import Any, Final

import structlog
from msgspec import structs

from vso.apis import core
from vso.apis.meta import Key
from vso.base import Sensitive
from vso.controllers.world import BY_OWNER, World
from vso.kube import AlreadyExists, Client, Conflict, Invalid, KubeError, NotFound, Patch, PatchType
from vso.sync import (
    Destination,
    OwnershipError,
    Signer,
    Step,
    Wanted,
    destination_of,
    has_owner_labels,
    is_orphan,
    marks,
    plan,
)

_ATTEMPTS: Final = 4
_log = structlog.get_logger("secretWriter")

Data = Sensitive[dict[str, bytes]]


@dataclass(frozen=True, slots=True)
class Written:
    """What was done, and the Secret as it is now."""

    step: Step
    destination: Destination


class SecretWriter:
    """Reads and writes destinations."""

    def __init__(self, client: Client, world: World, signer: Signer) -> None:
        self._client = client
        self._world = world
        self._signer = signer

    async def ensure(self, wanted: Wanted, data: Data) -> Written:
        """Make the Secret equal to `wanted` with `data`.

        Raises OwnershipError if it may not be touched, and the cluster's errors. Every write carries the version
        that was judged, so nobody's change is overwritten unseen.
        """
        live = self.remembered(wanted) if wanted.create else await self.look(wanted.key)
        for attempt in range(_ATTEMPTS):
            # Asking Vault took its time: somebody older may have come, and written what would be overwritten here.
            self._world.check_claim(wanted.key, wanted.owner.uid)
            step = plan(live, wanted)
            try:
                return Written(step, await self._take(step, live, wanted, data))
            except (AlreadyExists, Conflict, NotFound):
                if attempt == _ATTEMPTS - 1:
                    raise
            live = await self.look(wanted.key)
        raise AssertionError  # unreachable: the loop returns or raises

    async def repair_marks(self, live: Destination | None, wanted: Wanted) -> bool:
        """Bring labels, annotations and owner of `live` back without touching data; False if more is wrong.

        Raises as `ensure` does.
        """
        for _ in range(_ATTEMPTS):
            step = plan(live, wanted)
            if step is Step.NOTHING:
                return True
            if step is not Step.METADATA or live is None:
                return False
            try:
                await self._patch(step, live, wanted, Sensitive({}))
            except (Conflict, NotFound):
                live = await self.look(wanted.key)
            else:
                return True
        return False

    async def repair(self, live: Destination, wanted: Wanted) -> None:
        """Bring labels, annotations, owner and type of `live` to what is wanted, keeping its data.

        `wanted` has the MAC of that data. Raises as `ensure` does.
        """
        if plan(live, wanted) is not Step.REPLACE:
            await self.repair_marks(live, wanted)
            return
        secret = await self.read(wanted.key)
        if secret is not None and self._signer.mac(secret.data or {}) == wanted.mac:
            await self.ensure(wanted, Sensitive(secret.data or {}))

    async def clear(self, key: Key) -> None:
        """Empty the data of a Secret that stays; fine if there is none. Raises the cluster's errors."""
        live = await self.look(key)
        if live is None:
            return
        body = [
            {"op": "replace", "path": "/metadata/uid", "value": live.metadata.uid},
            {"op": "add", "path": "/data", "value": {}},
        ]
        await self._client.patch(core.SECRET, key, Patch(body=body, type=PatchType.JSON))

    def remembered(self, wanted: Wanted) -> Destination | None:
        """The destination as the watch last showed it; None if there is none with our labels."""
        return self._world.destinations.get(wanted.key)

    async def read(self, key: Key) -> core.Secret | None:
        """The Secret with its data, None if there is none."""
        try:
            return await self._client.get(core.SECRET, key)
        except NotFound:
            return None

    async def prune(self, wanted: Wanted) -> None:
        """Delete what the owner wrote under a former name of its destination; failures are only logged."""
        for live in self._world.destinations.by_index(BY_OWNER, wanted.owner.uid):
            if is_orphan(live, owner=wanted.owner, destination=wanted.key.name):
                await self._delete_orphan(live)

    async def _delete_orphan(self, live: Destination) -> None:
        try:
            await self._delete(live)
        except KubeError as exc:
            _log.warning("former destination not deleted", secret=str(live.key), error=str(exc))
        else:
            _log.info("former destination deleted", secret=str(live.key))

    async def _take(self, step: Step, live: Destination | None, wanted: Wanted, data: Data) -> Destination:
        if step is Step.CREATE:
            return await self._create(wanted, data)
        if live is None:
            raise AssertionError(step)
        match step:
            case Step.NOTHING:
                return live
            case Step.REPLACE:
                return await self._replace(live, wanted, data)
            case _:
                return await self._patch(step, live, wanted, data)

    async def _create(self, wanted: Wanted, data: Data) -> Destination:
        secret = core.Secret(metadata=marks(wanted), type=wanted.type, data=data.reveal())
        return self._remember(await self._client.create(core.SECRET, secret))

    async def _patch(self, step: Step, live: Destination, wanted: Wanted, data: Data) -> Destination:
        # JSON patch replaces members whole without knowing what they hold; writing uid and resourceVersion makes
        # the server refuse the patch if the Secret is no longer the one that was judged.
        body: list[dict[str, Any]] = [
            {"op": "replace", "path": "/metadata/uid", "value": live.metadata.uid},
            {"op": "replace", "path": "/metadata/resourceVersion", "value": live.metadata.resource_version},
        ]
        if step.changes_data:
            body.append({"op": "add", "path": "/data", "value": data.reveal()})
        if wanted.create and step is not Step.DATA:
            meta = marks(wanted)
            body += [
                {"op": "add", "path": "/metadata/labels", "value": meta.labels},
                {"op": "add", "path": "/metadata/annotations", "value": meta.annotations},
                {"op": "add", "path": "/metadata/ownerReferences", "value": meta.owner_references},
            ]
        patch = Patch(body=body, type=PatchType.JSON)
        return self._remember(await self._client.patch(core.SECRET, wanted.key, patch))

    async def _replace(self, live: Destination, wanted: Wanted, data: Data) -> Destination:
        """Change the type: the new Secret is tried first, so that a refusal costs nothing."""
        # Not cut at a dot: what follows one must not begin with a hyphen.
        prefix = wanted.key.name[:50].rstrip(".")
        marked = structs.replace(marks(wanted), name="", generate_name=f"{prefix}-")
        trial = core.Secret(metadata=marked, type=wanted.type, data=data.reveal())
        try:
            await self._client.create(core.SECRET, trial, dry_run=True)
        except Invalid as exc:
            raise OwnershipError(
                f"the type of Secret {wanted.key} stays {live.type}: Kubernetes refuses this data for type "
                f"{wanted.type}: {exc}"
            ) from exc
        await self._delete(live)
        return await self._create(wanted, data)

    async def _delete(self, live: Destination) -> None:
        meta = live.metadata
        await self._client.delete(core.SECRET, live.key, uid=meta.uid, resource_version=meta.resource_version)

    async def look(self, key: Key) -> Destination | None:
        """The Secret reduced to what is remembered, read from the cluster; None if there is none."""
        secret = await self.read(key)
        if secret is None:
            return None
        if has_owner_labels(secret.metadata.labels):
            # Remembered, so that a watch that lags does not lead back to what was wrong just now.
            return self._remember(secret)
        return destination_of(secret, self._signer)

    def _remember(self, secret: core.Secret) -> Destination:
        destination = destination_of(secret, self._signer)
        self._world.destinations.observe(destination)
        return destination
