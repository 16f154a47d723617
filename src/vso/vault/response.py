"""What Vault answers, decoded as far as every caller needs it.

Number literals survive: `data` stays the JSON text that came, rendering decodes it later. Source:
behaviour.md 2.3.
"""

from dataclasses import dataclass
from typing import Final

import msgspec

from vso.base import Sensitive
from vso.vault.errors import BadAnswer, NoData


@dataclass(frozen=True, slots=True, kw_only=True)
class Auth:
    """The `auth` part of an answer: a token and its life. `lease_duration` is in seconds, 0 never ends."""

    client_token: Sensitive[str]
    accessor: str = ""
    lease_duration: int = 0
    renewable: bool = False
    policies: tuple[str, ...] = ()
    token_type: str = ""
    role: str = ""
    """Name of the role, from the metadata that some methods give; "" if there is none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """An answer. `data` is the JSON text of the member `data`, None if it was absent or null.

    `wrap_info` is the JSON object of that member, with the token that unwraps the answer once, None without.
    `lease_duration` is in seconds. `empty` tells an answer without a body (204) from one whose data is null.
    """

    status: int = 200
    request_id: str = ""
    lease_id: str = ""
    lease_duration: int = 0
    renewable: bool = False
    data: Sensitive[bytes] | None = None
    warnings: tuple[str, ...] = ()
    auth: Auth | None = None
    wrap_info: Sensitive[bytes] | None = None
    empty: bool = False


class _Auth(msgspec.Struct):
    client_token: str | None = None
    accessor: str | None = None
    lease_duration: int | None = None
    renewable: bool | None = None
    policies: list[str] | None = None
    token_type: str | None = None
    metadata: dict[str, object] | None = None


class _Envelope(msgspec.Struct):
    request_id: str | msgspec.UnsetType | None = msgspec.UNSET
    lease_id: str | msgspec.UnsetType | None = msgspec.UNSET
    lease_duration: int | None = None
    renewable: bool | None = None
    data: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    warnings: list[str] | msgspec.UnsetType | None = msgspec.UNSET
    auth: _Auth | msgspec.UnsetType | None = msgspec.UNSET
    wrap_info: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET

    @property
    def recognised(self) -> bool:
        """Whether any member that only the envelope has was sent, null or not."""
        members = (self.request_id, self.lease_id, self.data, self.warnings, self.auth, self.wrap_info)
        return any(member is not msgspec.UNSET for member in members)


_DECODER: Final = msgspec.json.Decoder(_Envelope)


def decode(body: bytes, *, status: int = 200, path: str = "") -> Response:
    """Read an answer; a body without the usual envelope is taken whole as `data`.

    Raises BadAnswer if the body is no JSON object, or a member of the envelope has another type.
    """
    if not body.strip():
        return Response(status=status, empty=True)
    return decode_envelope(body, status=status, path=path) or Response(status=status, data=Sensitive(body))


def decode_envelope(body: bytes, *, status: int, path: str) -> Response | None:
    """Read an answer that is not empty; None if it is a JSON object without the usual envelope.

    Raises BadAnswer as `decode` does.
    """
    try:
        envelope = _DECODER.decode(body)
        wrap_info = _object(envelope.wrap_info)
    except (msgspec.DecodeError, RecursionError) as exc:
        raise BadAnswer(
            f'the answer for "{path}" (status {status}) is not what a Vault server sends: check the address',
            path=path,
            status=status,
        ) from exc
    if not envelope.recognised:
        return None
    return Response(
        status=status,
        request_id=envelope.request_id or "",
        lease_id=envelope.lease_id or "",
        lease_duration=envelope.lease_duration or 0,
        renewable=bool(envelope.renewable),
        data=_data(envelope.data),
        warnings=tuple(envelope.warnings or ()),
        auth=_auth(envelope.auth or None),
        wrap_info=wrap_info,
    )


def no_data(response: Response, path: str) -> NoData:
    """Return the error of a success at `path` that carries nothing."""
    how = "no body" if response.empty else "null data"
    return NoData(f'empty response from Vault, path="{path}": {how}', path=path, status=response.status)


def _data(raw: msgspec.Raw | msgspec.UnsetType) -> Sensitive[bytes] | None:
    if raw is msgspec.UNSET:
        return None
    text = bytes(raw).strip()
    return None if text == b"null" else Sensitive(text)


def _object(raw: msgspec.Raw | msgspec.UnsetType) -> Sensitive[bytes] | None:
    found = _data(raw)
    if found is not None and not found.reveal().startswith(b"{"):
        raise msgspec.ValidationError("no JSON object")
    return found


def _auth(auth: _Auth | None) -> Auth | None:
    if auth is None:
        return None
    return Auth(
        client_token=Sensitive(auth.client_token or ""),
        accessor=auth.accessor or "",
        lease_duration=auth.lease_duration or 0,
        renewable=bool(auth.renewable),
        policies=tuple(auth.policies or ()),
        token_type=auth.token_type or "",
        role=str((auth.metadata or {}).get("role_name") or ""),
    )
