"""From the body of an answer to a `Response`: the envelope that Vault wraps its answers in."""

from typing import Final

import msgspec

from vso.base import Sensitive
from vso.vault.errors import BadAnswer, NoData
from vso.vault.response import Auth, Response


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
