"""One request to any secrets engine: what a VaultDynamicSecret reads or writes, with the lease that came along.

Not for key-value engines, whose answers say more (`kv`). Such a request may create an account somewhere, and an
answer that is lost is no proof that it did not; so it is sent once, and whoever repeats it accepts a second lease.
Source: behaviour.md sections 6.2 and 9.1, corrections.md E5.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from vso.base import Sensitive
from vso.vault.envelope import no_data
from vso.vault.errors import BadAnswer, UnsupportedMethod
from vso.vault.lease import Lease
from vso.vault.path import normal_path
from vso.vault.response import Response
from vso.vault.transport import Call, Null, Transport

_READ: Final = "GET"
_WRITE: Final = "PUT"
_METHODS: Final[Mapping[str, str]] = {"": _READ, "GET": _READ, "POST": _WRITE, "PUT": _WRITE}
_EMPTY: Final = Sensitive(b"{}")


@dataclass(frozen=True, slots=True, kw_only=True)
class LogicalRequest:
    """What to ask for. `method` is GET (or "", the same), POST or PUT; any `params` make it a write.

    The values of `params` count as secrets: no message, log or `repr` shows them. `headers` go with this request
    only. `raw_key` names the field that an answer without JSON becomes, see `Call`. Equal requests have equal hashes.
    """

    mount: str
    path: str
    method: str = ""
    params: Mapping[str, str] = field(default_factory=dict, repr=False, hash=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False, hash=False)
    raw_key: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class LogicalSecret:
    """A secret as it came: `data` is the JSON object of its fields, numbers as the server wrote them.

    `wrap_info` is the JSON object of the answer's member of that name, None without one. A wrapped answer has no
    fields: `data` is then an empty object.
    """

    data: Sensitive[bytes]
    lease: Lease
    wrap_info: Sensitive[bytes] | None = None


def wire_method(request: LogicalRequest) -> str:
    """Return the HTTP method of the request line: GET for a read, PUT for a write.

    Raises UnsupportedMethod for any other method than those of `LogicalRequest`, unless `params` decide.
    """
    if request.params:
        return _WRITE
    try:
        return _METHODS[request.method]
    except KeyError:
        raise UnsupportedMethod(f'unsupported HTTP method "{request.method}" for sync') from None


async def request_secret(
    transport: Transport, request: LogicalRequest, *, token: Sensitive[str], namespace: str = ""
) -> LogicalSecret:
    """Send the request, once, and return what came.

    Raises UnsupportedMethod and InvalidPath before anything is sent, NoData for a success that carries nothing
    (no body, or null data), BadAnswer if the data is no JSON object, and what `Transport.request` raises.
    """
    method = wire_method(request)
    path = normal_path(request.mount, request.path)
    call = Call(
        token=token, namespace=namespace, body=_body(method, request), headers=request.headers, raw_key=request.raw_key
    )
    response = await transport.request(method, path, call)
    return LogicalSecret(data=_fields(response, path), lease=Lease.of(response), wrap_info=response.wrap_info)


def _body(method: str, request: LogicalRequest) -> Mapping[str, Any] | Null | None:
    if method == _READ:
        return None
    return {name: Sensitive(value) for name, value in request.params.items()} or Null.BODY


def _fields(response: Response, path: str) -> Sensitive[bytes]:
    if response.data is None:
        if response.wrap_info is not None:
            return _EMPTY
        raise no_data(response, path)
    if not response.data.reveal().startswith(b"{"):
        raise BadAnswer(f'the data at "{path}" is no JSON object', path=path, status=response.status)
    return response.data
