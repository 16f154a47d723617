"""Where a reflector reads from: the objects of one kind, listed in pages and watched."""

from collections.abc import AsyncGenerator
from typing import Generic, Protocol, TypeVar

from vso.apis.meta import Kind, Object
from vso.kube import Client, Page, WatchEvent

T = TypeVar("T", bound=Object)


class Source(Protocol[T]):
    """A selection of objects. Its methods raise the errors of `vso.kube`."""

    @property
    def name(self) -> str:
        """For people, such as ``vaultauths.secrets.hashicorp.com in namespace app``."""

    async def list_page(self, *, limit: int, continue_: str) -> Page[T]:
        """At most `limit` objects (0: all), going on after the page that gave `continue_`."""

    def watch(self, *, resource_version: str, timeout_seconds: int) -> AsyncGenerator[WatchEvent[T], None]:
        """What changes after `resource_version`; one request, which the server ends after the timeout."""


class KubeSource(Generic[T]):
    """The objects of `kind`, in one namespace or in all, with labels or without."""

    def __init__(self, client: Client, kind: Kind[T], *, namespace: str | None = None, labels: str = "") -> None:
        self._client = client
        self._kind = kind
        self._namespace = namespace
        self._labels = labels

    @property
    def name(self) -> str:
        """See `Source.name`."""
        resource = self._kind.resource
        name = f"{resource.plural}.{resource.group}" if resource.group else resource.plural
        return f"{name} in namespace {self._namespace}" if self._namespace else name

    async def list_page(self, *, limit: int, continue_: str) -> Page[T]:
        """See `Source.list_page`."""
        return await self._client.list_page(
            self._kind, namespace=self._namespace, labels=self._labels, limit=limit, continue_=continue_
        )

    def watch(self, *, resource_version: str, timeout_seconds: int) -> AsyncGenerator[WatchEvent[T], None]:
        """See `Source.watch`."""
        return self._client.watch(
            self._kind,
            namespace=self._namespace,
            labels=self._labels,
            resource_version=resource_version,
            timeout_seconds=timeout_seconds,
        )
