"""The life of a login: when to renew a token, and the three calls that a token makes for itself.

Source: behaviour.md sections 2.4 and 2.5. Who renews when is decided above this layer; times are instants of
`Clock.monotonic`.
"""

from dataclasses import dataclass
from math import inf
from typing import Final, Self

import msgspec

from vso.base import Sensitive
from vso.vault.auth.method import ClientCertificate
from vso.vault.errors import BadAnswer, Invalid
from vso.vault.response import Auth
from vso.vault.transport import Call, Transport

_RENEW_AT: Final = 2 / 3


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenLife:
    """How long a token lives: `ttl` seconds from `issued` on; a `ttl` of 0 never ends.

    `issued` is best taken *before* the request that brought the token, so that the end is never guessed too
    late.
    """

    issued: float
    ttl: float
    renewable: bool

    @classmethod
    def of(cls, auth: Auth, issued: float) -> Self:
        """Return the life of the token in `auth`."""
        return cls(issued=issued, ttl=float(auth.lease_duration), renewable=auth.renewable)

    @property
    def expires_at(self) -> float:
        """The instant from which on the token is dead; infinite for one that never ends."""
        return self.issued + self.ttl if self.ttl > 0 else inf

    @property
    def renew_at(self) -> float | None:
        """The instant to renew at, two thirds into the life; None if it cannot be renewed or never ends."""
        if not self.renewable or self.ttl <= 0:
            return None
        return self.issued + self.ttl * _RENEW_AT

    def remaining(self, now: float) -> float:
        """Seconds left at `now`, 0 if none."""
        return max(self.expires_at - now, 0.0)

    def expired(self, now: float) -> bool:
        """Whether the token is dead at `now`."""
        return now >= self.expires_at


class TokenStatus(msgspec.Struct, frozen=True, kw_only=True):
    """What a token knows about itself; `ttl` is in seconds, 0 never ends."""

    accessor: str = ""
    ttl: int = 0
    renewable: bool = False
    policies: tuple[str, ...] = ()
    type: str = ""


async def renew_self(
    transport: Transport,
    token: Sensitive[str],
    *,
    namespace: str = "",
    certificate: ClientCertificate | None = None,
) -> Auth:
    """Renew `token` for its full period: ``PUT auth/token/renew-self``.

    `certificate` is that of the login, if it had one. Raises Denied if the token is dead, Invalid if it is not
    renewable or less than a second is left to be granted, BadAnswer if no token comes back.
    """
    path = "auth/token/renew-self"
    call = Call(token=token, namespace=namespace, body={"increment": 0})
    async with transport.showing(certificate) as shown:
        response = await shown.request("PUT", path, call)
    if response.auth is None:
        raise BadAnswer("the renewal of the token was answered without a token", path=path)
    if response.auth.lease_duration <= 0:
        # Not the 0 of a token that never ends: such a one has nothing to be renewed.
        raise Invalid("the renewal of the token granted no time: it is at the end of its life", path=path, status=200)
    return response.auth


async def lookup_self(transport: Transport, token: Sensitive[str], *, namespace: str = "") -> TokenStatus:
    """Ask whether `token` is alive: ``GET auth/token/lookup-self``. Raises Denied if it is not."""
    path = "auth/token/lookup-self"
    response = await transport.request("GET", path, Call(token=token, namespace=namespace))
    try:
        if response.data is not None:
            return msgspec.json.decode(response.data.reveal(), type=_Answer).status()
    except (msgspec.DecodeError, RecursionError) as exc:
        raise BadAnswer("the look-up of the token was answered in another shape", path=path) from exc
    raise BadAnswer("the look-up of the token was answered without data", path=path)


async def revoke_self(transport: Transport, token: Sensitive[str], *, namespace: str = "") -> None:
    """End `token`, and the leases made with it: ``PUT auth/token/revoke-self``."""
    await transport.request("PUT", "auth/token/revoke-self", Call(token=token, namespace=namespace))


class _Answer(msgspec.Struct):
    """Members may be null: a batch token without policies of its own has no empty list of them."""

    accessor: str | None = None
    ttl: int | None = None
    renewable: bool | None = None
    policies: tuple[str, ...] | None = None
    type: str | None = None

    def status(self) -> TokenStatus:
        return TokenStatus(
            accessor=self.accessor or "",
            ttl=self.ttl or 0,
            renewable=bool(self.renewable),
            policies=self.policies or (),
            type=self.type or "",
        )
