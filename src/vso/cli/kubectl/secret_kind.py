"""The kinds whose objects write a Secret, and how one of their objects is named on the command line.

``app`` is looked up among all of them; ``VaultDynamicSecret/app``, ``vds/app`` or the plural say which one is meant.
"""

import asyncio
from collections.abc import AsyncIterator
from typing import Any, Final, TypeVar

import click

from vso.apis.kinds import VAULT_DYNAMIC_SECRET, VAULT_PKI_SECRET, VAULT_STATIC_SECRET
from vso.apis.meta import Key, Kind, Object, PartialObject
from vso.cli.kubectl.exit_code import Failed
from vso.cli.kubectl.target import Cluster, Target, run
from vso.controllers import Claimant
from vso.kube import Client, NotFound

T = TypeVar("T", bound=Object)

SECRET_KINDS: Final[tuple[Kind[Any], ...]] = (VAULT_STATIC_SECRET, VAULT_DYNAMIC_SECRET, VAULT_PKI_SECRET)
"""The kinds, in the order in which they are listed."""
_SHELL_WAITS: Final = 3.0
"""Seconds that a shell waits for names at most."""
_SHORT: Final = {"VaultStaticSecret": "vss", "VaultDynamicSecret": "vds", "VaultPKISecret": "vps"}


def kind_called(text: str) -> Kind[Any] | None:
    """The kind that `text` names: its name, plural or short form, in any case."""
    for kind in SECRET_KINDS:
        resource = kind.resource
        if text.lower() in {resource.kind.lower(), resource.plural, _SHORT[resource.kind]}:
            return kind
    return None


def names_of(name: str) -> tuple[tuple[Kind[Any], ...], str]:
    """The kinds that an argument may mean, and the object's name. Raises click.BadParameter for an unknown kind."""
    kind, slash, rest = name.partition("/")
    if not slash:
        return SECRET_KINDS, name
    found = kind_called(kind)
    if found is None or not rest or "/" in rest:
        known = ", ".join(f"{one.resource.kind} ({_SHORT[one.resource.kind]})" for one in SECRET_KINDS)
        raise click.BadParameter(f"{name!r}: write NAME or KIND/NAME, where KIND is one of {known}")
    return (found,), rest


async def read_secret(cluster: Cluster, argument: str) -> Claimant:
    """The one object that `argument` names. Raises Failed if there is none, or more than one."""
    kinds, name = names_of(argument)
    if cluster.namespace is None:
        raise click.UsageError("a NAME is looked up in one namespace: leave out -A")
    found = [one for one in await asyncio.gather(*(_find(cluster, kind, name) for kind in kinds)) if one is not None]
    if len(found) == 1:
        return found[0]
    where = f"in namespace {cluster.one_namespace}"
    if found:
        choices = " or ".join(f"{_SHORT[one.kind]}/{name}" for one in found)
        raise Failed(f"{name!r} is the name of several resources {where}: write {choices}")
    asked = ", ".join(kind.resource.kind for kind in kinds)
    raise Failed(
        f"no {asked} is called {name!r} {where}: `kubectl vso status -A` lists them all, -n names another namespace"
    )


def complete_name(ctx: click.Context, _param: click.Parameter, unfinished: str) -> list[str]:
    """The names that may be meant, for the shell; none if the cluster does not answer."""
    given = ctx.params
    target = Target(
        namespace=given.get("namespace") or "", context=given.get("context"), kubeconfig=given.get("kubeconfig")
    )
    try:
        found = run(target, _read_names)
    except (click.ClickException, TimeoutError):
        return []
    return sorted(one for one in found if one.startswith(unfinished))


async def _read_names(cluster: Cluster) -> set[str]:
    kinds: list[Kind[PartialObject]] = [kind.partial() for kind in SECRET_KINDS]
    async with asyncio.timeout(_SHELL_WAITS):
        return {
            one.metadata.name
            for kind in kinds
            async for one in read_pages(cluster.client, kind, namespace=cluster.namespace)
        }


async def read_all(cluster: Cluster) -> list[Claimant]:
    """All objects of these kinds in the namespace, or in all. Raises Failed without the kinds in the cluster."""
    return [one for kind in SECRET_KINDS async for one in list_all(cluster, kind)]


async def list_all(cluster: Cluster, kind: Kind[T]) -> AsyncIterator[T]:
    """The objects of `kind` that the options select. Raises Failed if the cluster does not have the kind."""
    try:
        async for one in read_pages(cluster.client, kind, namespace=cluster.namespace, labels=cluster.labels):
            yield one
    except NotFound as exc:
        raise Failed(
            f"the cluster does not know {kind.resource.kind}: is the operator installed, with its "
            "CustomResourceDefinitions?"
        ) from exc


async def read_pages(client: Client, kind: Kind[T], *, namespace: str | None, labels: str = "") -> AsyncIterator[T]:
    """The objects of `kind`, page by page. Raises the errors of `vso.kube`."""
    continue_ = ""
    while True:
        page = await client.list_page(kind, namespace=namespace, labels=labels, continue_=continue_)
        for one in page.items:
            yield one
        continue_ = page.continue_
        if not continue_:
            return


async def _find(cluster: Cluster, kind: Kind[Any], name: str) -> Claimant | None:
    try:
        found: Claimant = await cluster.client.get(kind, Key(cluster.one_namespace, name))
    except NotFound:
        return None
    return found
