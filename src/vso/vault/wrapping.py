"""Response wrapping: a token that gives its content once. Source: D40.

Vault API: https://openbao.org/api-docs/system/wrapping-lookup/ and wrapping-unwrap/.
"""

from collections.abc import Mapping
from typing import Final

import msgspec

from vso.base import Sensitive
from vso.vault.auth.method import MissingCredential
from vso.vault.errors import BadAnswer, Denied, Invalid, NotFound
from vso.vault.path import normal_path
from vso.vault.response import Response
from vso.vault.transport import Call, Transport

_SPENT: Final = (
    "the wrapping token was used before, has expired or is unknown: put a new one into its place; if nobody else "
    "should have used it, its content may have leaked, so have it destroyed"
)


async def unwrap(
    transport: Transport, token: Sensitive[str], *, made_below: str, namespace: str = ""
) -> Mapping[str, Sensitive[str]]:
    """The fields that `token` wraps, texts only: ``PUT sys/wrapping/unwrap``. After that the token is worth nothing.

    Before, it is checked that the content was made below the path `made_below`, since somebody who can replace a
    wrapping token can wrap anything. Raises MissingCredential if it was not, or if the token is spent.
    """
    try:
        origin = await transport.request("PUT", "sys/wrapping/lookup", Call(namespace=namespace, body={"token": token}))
        _check_origin(origin, made_below)
        answer = await transport.request("PUT", "sys/wrapping/unwrap", Call(token=token, namespace=namespace))
    except (Denied, Invalid, NotFound) as exc:
        raise MissingCredential(_SPENT, path=exc.path, status=exc.status) from exc
    try:
        fields = msgspec.json.decode(answer.data.reveal(), type=dict[str, object]) if answer.data else {}
    except msgspec.DecodeError as exc:
        raise BadAnswer("the content of the wrapping token has another shape", path="sys/wrapping/unwrap") from exc
    return {name: Sensitive(value) for name, value in fields.items() if isinstance(value, str)}


class _Origin(msgspec.Struct):
    creation_path: str = ""


def _check_origin(answer: Response, made_below: str) -> None:
    try:
        origin = msgspec.json.decode(answer.data.reveal(), type=_Origin) if answer.data else _Origin()
    except msgspec.DecodeError as exc:
        raise BadAnswer("the look-up of the wrapping token has another shape", path="sys/wrapping/lookup") from exc
    if not origin.creation_path.startswith(normal_path(made_below) + "/"):
        raise MissingCredential(
            f'the wrapping token wraps something that was not made below "{made_below}": it may have been replaced; '
            "have a new one made there"
        )
