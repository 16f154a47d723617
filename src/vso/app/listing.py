"""Lists for modes that look once and end: in pages, past what passes by itself."""

from collections.abc import AsyncIterator, Mapping
from typing import Any, Final, TypeVar

from vso.apis import names
from vso.apis.kinds import Definition
from vso.apis.meta import Key, Kind, Object
from vso.base import Clock
from vso.controllers import SHARED
from vso.kube import Client, Gone, KubeError
from vso.runtime import Store

T = TypeVar("T", bound=Object)

PAGE: Final = 500
PAUSE: Final = 0.5
"""Seconds before the next try after a failure that may pass."""
EVERYWHERE: Final = ""
OUR_SECRETS: Final = ",".join(
    f"{label}={names.OWNER_LABELS[label]}" for label in ("app.kubernetes.io/managed-by", "app.kubernetes.io/name")
)
"""Selects the Secrets that were written for a resource."""


def places_of(resource: str, *, watched: frozenset[str], own: str) -> list[str]:
    """The namespaces to look into for objects of the plural `resource`; EVERYWHERE if none are named.

    Of kinds that serve all, the operator's `own` namespace counts as well.
    """
    if not watched:
        return [EVERYWHERE]
    return sorted({*watched, own} if resource in SHARED else watched)


def kind_and_place(definition: Definition, place: str) -> str:
    """How a log line names a list."""
    return f"{definition.kind.resource.plural} in {f'namespace {place}' if place else 'all namespaces'}"


async def pages(
    client: Client, kind: Kind[T], place: str, *, clock: Clock, labels: str = "", limit: int = PAGE
) -> AsyncIterator[tuple[T, ...]]:
    """The objects of a kind in a namespace, or everywhere; some twice where a list had to begin anew.

    Raises KubeError for what time does not mend; the rest is tried for ever.
    """
    token = ""
    while True:
        try:
            page = await client.list_page(kind, namespace=place or None, labels=labels, limit=limit, continue_=token)
        except Gone:
            token = ""
            continue
        except KubeError as exc:
            if not exc.transient:
                raise
            await clock.sleep(exc.retry_after or PAUSE)
            continue
        yield page.items
        token = page.continue_
        if not token:
            return


async def fill(
    client: Client, stores: Mapping[Kind[Any], Store[Any]], *, watched: frozenset[str], own: str, clock: Clock
) -> None:
    """Read the objects of each kind into its store, once. Raises KubeError."""
    for kind, store in stores.items():
        found: dict[Key, Object] = {}
        for place in places_of(kind.resource.plural, watched=watched, own=own):
            async for page in pages(client, kind, place, clock=clock):
                found |= {one.key: one for one in page}
        store.replace(found, "")
