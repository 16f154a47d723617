"""Tells what a take-over would do, resource by resource, and does nothing of it: ``--dry-run-takeover`` (D50).

Only the cluster is asked, and Vault not at all, so no login is made. What is decided, and how: `vso.controllers`.
"""

import json
import os
from collections.abc import Iterable, Mapping
from random import SystemRandom
from typing import Any, Final

from vso.apis import core, kinds
from vso.apis.meta import Key, Kind, Ref
from vso.app.listing import OUR_SECRETS, fill, pages, places_of
from vso.app.settings import Settings
from vso.base import Clock, SystemClock
from vso.controllers import Claimant, Effect, Outlook, SecretStorage, World, find_hmac_key, new_world, outlook_of
from vso.kube import Client, load_config
from vso.runtime import Store
from vso.sync import KEY_LENGTH, Destination, EntryInvalid, Persistence, Signer, client_id, destination_of

_PAGE: Final = 50
Report = Mapping[Ref, Outlook]


async def report_takeover(settings: Settings, *, clock: Clock | None = None) -> Report:
    """What would become of each resource that the installation handles. Raises KubeError."""
    clock = clock or SystemClock()
    config = await load_config(kubeconfig=settings.kubeconfig or None, environ=os.environ)
    async with Client(config, user_agent=settings.user_agent, clock=clock) as kube:
        # Without a key no MAC is known: all would be compared.
        signer = await find_hmac_key(kube, settings.operator_namespace) or Signer(bytes(KEY_LENGTH))
        world = await _read_world(kube, settings, signer=signer, clock=clock)
        stored = await _stored_logins(kube, settings, signer=signer)
    found: dict[Ref, Outlook] = {}
    claimants: list[Claimant] = [*world.static.values(), *world.dynamic.values(), *world.pki.values()]
    for one in claimants:
        if world.covers(one) and not one.deleting:
            live = world.destinations.get(Key(one.metadata.namespace, one.spec.destination.name))
            unix = clock.now().timestamp()
            found[Ref(one.kind, one.key)] = outlook_of(one, live, signer=signer, stored=stored, unix=unix)
    return found


def show_report(report: Report, output: str) -> str:
    """The report for people, or as JSON with `output` json."""
    lines = sorted(report.items())
    if output == "json":
        items = [
            {
                "kind": ref.kind,
                "namespace": ref.key.namespace,
                "name": ref.key.name,
                "effect": outlook.effect.value,
                "why": outlook.why,
                "restarts": outlook.restarts,
            }
            for ref, outlook in lines
        ]
        return json.dumps(items, indent=2) + "\n"
    return "".join(f"{ref}: {outlook.effect.value}: {_told(outlook)}\n" for ref, outlook in lines) + _sum(
        report.values()
    )


def _told(outlook: Outlook) -> str:
    return outlook.why + (f"; restarts {', '.join(outlook.restarts)}" if outlook.restarts else "")


def _sum(outlooks: Iterable[Outlook]) -> str:
    found = [one.effect for one in outlooks]
    return f"{len(found)} resources: {', '.join(f'{found.count(one)} {one.value}' for one in Effect)}\n"


async def _read_world(kube: Client, settings: Settings, *, signer: Signer, clock: Clock) -> World:
    world = new_world(settings.operator_namespace, settings.jurisdiction)
    watched, own = world.jurisdiction.namespaces, settings.operator_namespace
    if world.jurisdiction.selector is not None:
        await fill(kube, {core.NAMESPACE: world.namespaces}, watched=frozenset(), own=own, clock=clock)
    stores: dict[Kind[Any], Store[Any]] = {
        kinds.VAULT_STATIC_SECRET: world.static,
        kinds.VAULT_DYNAMIC_SECRET: world.dynamic,
        kinds.VAULT_PKI_SECRET: world.pki,
    }
    await fill(kube, stores, watched=watched, own=own, clock=clock)
    found: dict[Key, Destination] = {}
    for place in places_of(core.SECRET.resource.plural, watched=watched, own=own):
        async for page in pages(kube, core.SECRET, place, clock=clock, labels=OUR_SECRETS, limit=_PAGE):
            found |= {one.key: destination_of(one, signer) for one in page}
    world.destinations.replace(found, "")
    return world


async def _stored_logins(kube: Client, settings: Settings, *, signer: Signer) -> dict[str, str]:
    """The cache keys of stored logins, each with the identity of its token; "" where that is encrypted."""
    if not settings.keeps_logins:
        return {}
    storage = SecretStorage(kube, settings.operator_namespace)
    plain = Persistence(storage, signer=signer, cipher=None, clock=SystemClock(), rng=SystemRandom())
    found: dict[str, str] = {}
    for _, labels in await storage.labels():
        key = labels.get("cacheKey", "")
        if settings.encrypts_logins:
            found[key] = ""
            continue
        try:
            auth = await plain.read(key)
        except EntryInvalid:
            continue
        if auth is not None:
            found[key] = client_id(auth.accessor)
    return found
