"""The verbs of the Kubernetes API on typed objects: the only way from the operator to the cluster.

Keeps nothing in memory (see the runtime's Reflector and Store) and repeats nothing but a 401.
Connections and errors of transport are in `transport`, the events of a watch in `watch`.
"""

from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from types import TracebackType
from typing import Any, Final, Self, TypeVar
from urllib.parse import urlencode

import msgspec

from vso.apis import core, meta
from vso.apis.meta import Key, Kind, Object
from vso.base import Clock, RateLimit, SystemClock
from vso.kube.answer import Page, read_object, read_page
from vso.kube.client_config import ClientConfig
from vso.kube.errors import is_secret
from vso.kube.patch import Patch, PatchType
from vso.kube.transport import Call, RequestSeen, Transport
from vso.kube.watch import LineSplitter, WatchEvent, read_event

T = TypeVar("T", bound=Object)

_JSON: Final = "application/json"
_PARTIAL: Final = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
_PARTIAL_LIST: Final = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
WATCH_GRACE: Final = 5.0
"""Seconds that a watch may outlast the time at which the server should have ended it."""


class Client:
    """Requests to one API server; usable at once, closed by `close` or as a context manager.

    All methods raise the errors of `vso.kube.errors`: ConnectionFailed without an answer (after
    `ClientConfig.timeout` seconds at the latest), a kind of ApiError for a refusal, UnexpectedAnswer for an
    answer that does not fit the kind. Objects come back with apiVersion and kind set.
    """

    def __init__(
        self,
        config: ClientConfig,
        *,
        user_agent: str,
        observe: Callable[[RequestSeen], None] | None = None,
        clock: Clock | None = None,
        limit: RateLimit | None = None,
    ) -> None:
        self._transport = Transport(
            config,
            user_agent=user_agent,
            clock=clock or SystemClock(),
            observe=observe,
            limit=limit or RateLimit(),
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close all connections; idempotent."""
        await self._transport.close()

    async def get(self, kind: Kind[T], key: Key) -> T:
        """The object as it is now."""
        return await self._object(kind, _call("get", kind, key))

    async def list_page(
        self,
        kind: Kind[T],
        *,
        namespace: str | None = None,
        labels: str = "",
        limit: int = 500,
        continue_: str = "",
    ) -> Page[T]:
        """Up to `limit` objects of one namespace, or of all, that match the label selector `labels`.

        Raises Gone when `continue_` has expired: start again.
        """
        query = {"labelSelector": labels, "limit": str(limit), "continue": continue_}
        call = _call("list", kind, Key(namespace or "", ""), query=query)
        return read_page(await self._transport.fetch(call), kind, what=call.what)

    async def create(self, kind: Kind[T], obj: T, *, dry_run: bool = False) -> T:
        """Create `obj` and return it as stored; raises AlreadyExists."""
        query = {"dryRun": "All" if dry_run else ""}
        body = meta.encode(_complete(kind, obj))
        return await self._object(kind, _call("create", kind, obj.key, query=query, body=body))

    async def patch(self, kind: Kind[T], key: Key, patch: Patch) -> T:
        """Change the object and return it as stored.

        Raises Conflict when the patch names a `metadata.resourceVersion` that is no longer current.
        """
        query = {
            "dryRun": "All" if patch.dry_run else "",
            "fieldManager": patch.field_manager,
            "force": "true" if patch.force else "",
        }
        call = _call(
            "patch",
            kind,
            key,
            query=query,
            subresource=patch.subresource,
            body=meta.encode(_patch_body(kind, key, patch)),
            content_type=patch.type.value,
        )
        return await self._object(kind, call)

    async def replace(self, kind: Kind[T], obj: T) -> T:
        """Store `obj` in the place of what is there, and return it as stored.

        Fields that the struct of `kind` does not have are lost: for kinds that are known in full only.
        Raises Conflict unless `metadata.resourceVersion` is empty or current.
        """
        body = meta.encode(_complete(kind, obj))
        return await self._object(kind, _call("update", kind, obj.key, body=body))

    async def delete(self, kind: Kind[T], key: Key, *, uid: str = "", resource_version: str = "") -> None:
        """Ask for the deletion of the object; finalizers may delay it.

        With `uid` or `resource_version` only of that very object or state: raises Conflict otherwise.
        """
        wanted = {"uid": uid, "resourceVersion": resource_version}
        preconditions = {name: value for name, value in wanted.items() if value}
        body = None
        if preconditions:
            options = {"apiVersion": "v1", "kind": "DeleteOptions", "preconditions": preconditions}
            body = meta.encode(options)
        # The answer is the object or a Status, which nobody needs.
        await self._transport.fetch(_call("delete", kind, key, body=body))

    async def create_token(
        self, service_account: Key, *, audiences: Sequence[str], expiration_seconds: int
    ) -> core.TokenRequest:
        """A token of the ServiceAccount; no `audiences` means the API server's own.

        The server demands at least 600 seconds and may grant another life: see `status.expirationTimestamp`.
        """
        spec = core.TokenRequestSpec(audiences=tuple(audiences), expiration_seconds=expiration_seconds)
        body = meta.encode(_complete(core.TOKEN_REQUEST, core.TokenRequest(spec=spec)))
        call = _call("create", core.SERVICE_ACCOUNT, service_account, subresource="token", body=body)
        return await self._object(core.TOKEN_REQUEST, call)

    async def read_log(self, kind: Kind[T], pod: Key, *, container: str, lines: int) -> bytes:
        """The last `lines` that `container` of a Pod (`kind`) wrote, each with its time.

        The API server asks the Pod's node for it, and refuses with an ApiError if that has none to give.
        """
        query = {"container": container, "timestamps": "true", "tailLines": str(lines)}
        return await self._transport.fetch(_call("get", kind, pod, subresource="log", query=query))

    async def watch(
        self,
        kind: Kind[T],
        *,
        resource_version: str,
        timeout_seconds: int,
        namespace: str | None = None,
        labels: str = "",
    ) -> AsyncGenerator[WatchEvent[T], None]:
        """The events after `resource_version`, of one request, which the server ends after `timeout_seconds`.

        Bookmarks are asked for. Raises Gone when the version is no longer kept, and ConnectionFailed when the
        stream breaks or is still open `WATCH_GRACE` seconds after its end was due. Who stops half-way closes
        the generator (`contextlib.aclosing`), which frees the connection.
        """
        query = {
            "watch": "true",
            "allowWatchBookmarks": "true",
            "resourceVersion": resource_version,
            "timeoutSeconds": str(timeout_seconds),
            "labelSelector": labels,
        }
        call = _call("watch", kind, Key(namespace or "", ""), query=query)
        splitter = LineSplitter()
        async with aclosing(self._transport.stream(call, seconds=timeout_seconds + WATCH_GRACE)) as chunks:
            async for chunk in chunks:
                for line in splitter.feed(chunk):
                    event = read_event(line, kind, what=call.what)
                    if event is not None:
                        yield event

    async def _object(self, kind: Kind[T], call: Call) -> T:
        return read_object(await self._transport.fetch(call), kind, what=call.what)


_METHODS: Final = {
    "get": "GET",
    "list": "GET",
    "watch": "GET",
    "create": "POST",
    "update": "PUT",
    "patch": "PATCH",
    "delete": "DELETE",
}


def _call(
    verb: str,
    kind: Kind[Any],
    key: Key,
    *,
    subresource: str | None = None,
    query: dict[str, str] | None = None,
    body: bytes | None = None,
    content_type: str = _JSON,
) -> Call:
    resource = kind.resource
    # A new object is posted to its collection, a new subresource (a token) to its object.
    of_collection = verb in {"list", "watch"} or (verb == "create" and subresource is None)
    target = resource.path(key.namespace or None, None if of_collection else key.name, subresource)
    filled = {name: value for name, value in (query or {}).items() if value}
    return Call(
        method=_METHODS[verb],
        verb=verb,
        resource=resource.plural,
        target=f"{target}?{urlencode(filled)}" if filled else target,
        what=" ".join(part for part in (verb, resource.kind, str(key).strip("/"), subresource or "") if part),
        about_secret=is_secret(resource),
        accept=_accept(verb, kind),
        body=body,
        content_type=content_type,
    )


def _accept(verb: str, kind: Kind[Any]) -> str:
    if not kind.metadata_only:
        return _JSON
    return _PARTIAL_LIST if verb == "list" else _PARTIAL


def _complete(kind: Kind[T], obj: T) -> T:
    return msgspec.structs.replace(obj, api_version=kind.resource.api_version, kind=kind.resource.kind)


def _patch_body(kind: Kind[Any], key: Key, patch: Patch) -> Any:
    if patch.type is not PatchType.APPLY or not isinstance(patch.body, dict):
        return patch.body
    metadata = {"name": key.name, **patch.body.get("metadata", {})}
    resource = kind.resource
    return {"apiVersion": resource.api_version, "kind": resource.kind, **patch.body, "metadata": metadata}
