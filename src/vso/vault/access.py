"""What a token may do at a path, and what is mounted there: for explaining why a secret cannot be read.

Vault API: https://openbao.org/api-docs/system/capabilities-self/ and
https://openbao.org/api-docs/system/internal-ui-mounts/.
"""

from dataclasses import dataclass
from typing import Final

import msgspec

from vso.base import Sensitive
from vso.vault.errors import BadAnswer, Denied, Invalid, NotFound
from vso.vault.path import normal_path
from vso.vault.transport import Call, Transport

_UNSUPPORTED: Final = 405


@dataclass(frozen=True, slots=True)
class Mounted:
    """An engine: its `path` with a slash at the end, its type, and the version of a KV engine ("" for others)."""

    path: str
    type: str
    version: str = ""


class _Options(msgspec.Struct):
    version: str | None = None


class _Mount(msgspec.Struct):
    path: str = ""
    type: str = ""
    options: _Options | None = None


async def capabilities_self(
    transport: Transport, path: str, *, token: Sensitive[str], namespace: str = ""
) -> tuple[str, ...]:
    """What `token` may do at the API path `path`: ``read``, ``update``, ...; ``deny`` alone for nothing."""
    asked = "sys/capabilities-self"
    call = Call(token=token, namespace=namespace, body={"paths": [path]})
    response = await transport.request("PUT", asked, call)
    try:
        if response.data is not None:
            found = msgspec.json.decode(response.data.reveal(), type=dict[str, list[str]])
            return tuple(found.get(path) or found.get("capabilities") or ())
    except (msgspec.DecodeError, RecursionError) as exc:
        raise BadAnswer("the capabilities were answered in another shape", path=asked) from exc
    raise BadAnswer("the capabilities were answered without data", path=asked)


async def mounted_at(transport: Transport, path: str, *, token: Sensitive[str], namespace: str = "") -> Mounted | None:
    """The engine at `path`; None if there is none, or none that `token` may know of."""
    asked = normal_path("sys/internal/ui/mounts", path)
    try:
        response = await transport.request("GET", asked, Call(token=token, namespace=namespace))
    except (Denied, NotFound):
        return None
    try:
        if response.data is not None:
            found = msgspec.json.decode(response.data.reveal(), type=_Mount)
            return Mounted(found.path, found.type, (found.options.version if found.options else "") or "")
    except (msgspec.DecodeError, RecursionError) as exc:
        raise BadAnswer("the mount was answered in another shape", path=asked) from exc
    raise BadAnswer("the mount was answered without data", path=asked)


async def takes_logins(transport: Transport, mount: str, *, namespace: str = "") -> bool:
    """Whether an auth method of Kubernetes' or JWT's kind is mounted at ``auth/<mount>``.

    Nobody may ask without a token, but a login path that exists refuses to be *read* as such, and any other path is
    forbidden.
    """
    try:
        await transport.request("GET", normal_path("auth", mount, "login"), Call(namespace=namespace))
    except Invalid as exc:
        return exc.status == _UNSUPPORTED
    except (Denied, NotFound):
        return False
    return True
