"""Reading key-value secrets of both engine versions, and telling apart the ways in which one can be missing.

Values are not decoded: `vso.sync` renders them. Source: behaviour.md section 5.2, corrections.md I4,
regressions.md R22.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import msgspec

from vso.base import Sensitive
from vso.vault.envelope import no_data
from vso.vault.errors import BadAnswer, Deleted, NotFound, WrongEngine
from vso.vault.path import normal_path
from vso.vault.response import Response
from vso.vault.transport import Call, Transport

_VERSIONED: Final = "versioned k/v secrets engine"


class KvType(StrEnum):
    """Version of the secrets engine, by its name in the custom resources."""

    V1 = "kv-v1"
    V2 = "kv-v2"


@dataclass(frozen=True, slots=True, kw_only=True)
class KvRequest:
    """Which secret to read; `version` counts for kv-v2 only, 0 is the latest."""

    mount: str
    path: str
    type: KvType
    version: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class KvSecret:
    """A secret as it came.

    `data` is the JSON object of its fields; `raw` the JSON of the answer's whole `data`: for kv-v1 the
    same, for kv-v2 ``{"data": ..., "metadata": ...}``. `metadata` is the JSON of the latter's member, None
    for kv-v1. `version` is the kv-v2 version read, 0 for kv-v1.
    """

    data: Sensitive[bytes]
    raw: Sensitive[bytes]
    metadata: bytes | None = None
    version: int = 0


class _Metadata(msgspec.Struct):
    version: int = 0
    deletion_time: str = ""
    destroyed: bool = False


class _Versioned(msgspec.Struct):
    data: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    metadata: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


def read_path(request: KvRequest) -> tuple[str, Mapping[str, str]]:
    """Return path and query of the read.

    Raises InvalidPath if mount or path is empty or has a segment ``.`` or ``..``.
    """
    match request.type:
        case KvType.V1:
            return normal_path(request.mount, request.path), {}
        case KvType.V2:
            query = {"version": str(request.version)} if request.version > 0 else {}
            return normal_path(request.mount, "data", request.path), query


async def read_kv(transport: Transport, request: KvRequest, *, token: Sensitive[str], namespace: str = "") -> KvSecret:
    """Read one secret.

    Raises Deleted for a kv-v2 version that was deleted or destroyed, NotFound if nothing is there, NoData
    for an answer that carries nothing (all three are NotFound), WrongEngine if the mount has the other
    version, and what `Transport.request` raises.
    """
    path, query = read_path(request)
    try:
        response = await transport.request("GET", path, Call(token=token, namespace=namespace, query=query))
    except NotFound as exc:
        raise _explain(exc, request, path) from exc
    match request.type:
        case KvType.V1:
            return _unversioned(response, path)
        case KvType.V2:
            return _versioned(response, path)


def _unversioned(response: Response, path: str) -> KvSecret:
    if response.data is None:
        raise no_data(response, path)
    if not _is_object(response.data.reveal()):
        raise BadAnswer(f'the data at "{path}" is no JSON object', path=path)
    return KvSecret(data=response.data, raw=response.data)


def _versioned(response: Response, path: str) -> KvSecret:
    if response.data is None:
        raise no_data(response, path)
    data, metadata, known = _split(response.data.reveal(), path)
    if data is None:
        raise _gone(known, path, response.status) or no_data(response, path)
    if not _is_object(data):
        raise BadAnswer(f'the data at "{path}" is no JSON object', path=path)
    return KvSecret(data=Sensitive(data), raw=response.data, metadata=metadata, version=known.version)


def _split(raw: bytes, path: str) -> tuple[bytes | None, bytes | None, _Metadata]:
    """Return the fields (None for null), the metadata as it came, and what we need of it."""
    try:
        outer = msgspec.json.decode(raw, type=_Versioned)
        if outer.data is msgspec.UNSET:
            raise WrongEngine(
                f'"{path}" is answered in another shape than kv-v2 has: is the mount a KV version 1 engine? '
                "Then set the type to kv-v1",
                path=path,
                status=200,
            )
        data = bytes(outer.data).strip()
        metadata = b"null" if outer.metadata is msgspec.UNSET else bytes(outer.metadata).strip()
        known = msgspec.json.decode(metadata, type=_Metadata | None) or _Metadata()
    except (msgspec.DecodeError, RecursionError) as exc:
        raise BadAnswer(f'the answer for "{path}" has another shape than kv-v2 has', path=path) from exc
    return (None if data == b"null" else data), (None if metadata == b"null" else metadata), known


def _explain(exc: NotFound, request: KvRequest, path: str) -> NotFound | WrongEngine:
    """Return what a 404 means, judged by what came with it."""
    response = exc.response
    warnings = " ".join(response.warnings).lower() if response else ""
    if _VERSIONED in warnings:
        todo = "set the type to kv-v2" if request.type is KvType.V1 else "check mount and path"
        return WrongEngine(f'the mount of "{path}" is a KV version 2 engine: {todo}', path=path, status=404)
    if request.type is KvType.V2 and response is not None and response.data is not None:
        data, _, known = _split(response.data.reveal(), path)
        if data is None and (gone := _gone(known, path, exc.status)):
            return gone
    if request.type is KvType.V1 or "route entry not found" in exc.detail:
        return exc
    version = f"version {request.version} of " if request.version > 0 else ""
    return NotFound(
        f'{version}"{path}" does not exist: {exc.message}; '
        "if the mount is a KV version 1 engine, set the type to kv-v1",
        path=path,
        status=exc.status,
    )


def _gone(known: _Metadata, path: str, status: int) -> Deleted | None:
    if not known.deletion_time and not known.destroyed:
        return None
    how = "destroyed" if known.destroyed else f"deleted at {known.deletion_time}"
    todo = "write a new version" if known.destroyed else "undelete it or write a new version"
    error = Deleted(f'version {known.version} of "{path}" was {how}: {todo}', path=path, status=status)
    error.version, error.deletion_time, error.destroyed = known.version, known.deletion_time, known.destroyed
    return error


def _is_object(text: bytes) -> bool:
    return text.startswith(b"{")
