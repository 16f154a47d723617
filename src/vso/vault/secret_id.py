"""How long a secret id of an AppRole lives. Source: D40.

Vault API: https://openbao.org/api-docs/auth/approle/#read-approle-secret-id.
"""

from dataclasses import dataclass
from datetime import datetime

import msgspec

from vso.base import Sensitive
from vso.vault.path import normal_path
from vso.vault.transport import Call, Transport


@dataclass(frozen=True, slots=True)
class Lifetime:
    """From when to when something may be used."""

    begins: datetime
    ends: datetime


class _Found(msgspec.Struct):
    creation_time: datetime
    expiration_time: datetime


async def look_up_secret_id(
    transport: Transport, call: Call, *, mount: str, role: str, secret_id: Sensitive[str]
) -> Lifetime | None:
    """The life of `secret_id`, None if it has no end; `call` has token and namespace.

    ``PUT auth/<mount>/role/<role>/secret-id/lookup``, which the policy of the token must allow: raises Denied if not.
    """
    path = normal_path("auth", mount, "role", role, "secret-id/lookup")
    body = {"secret_id": secret_id}
    answer = await transport.request("PUT", path, Call(token=call.token, namespace=call.namespace, body=body))
    try:
        found = msgspec.json.decode(answer.data.reveal(), type=_Found) if answer.data else None
    except msgspec.DecodeError:
        return None
    if found is None or found.expiration_time <= found.creation_time:
        return None
    return Lifetime(found.creation_time, found.expiration_time)
