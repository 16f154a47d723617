"""Leases: what Vault promises about credentials that it made, and the three calls that concern one lease.

Not for deciding when to renew or what a shorter renewal means: that is reckoned above this layer. Source:
behaviour.md sections 6.3 and 6.8; Vault API, "/sys/leases". No error names a lease: more people may read events than
the status, and with an id others can revoke it.
"""

from dataclasses import dataclass
from typing import Final, Self

import msgspec

from vso.base import Sensitive
from vso.vault.errors import BadAnswer, Invalid, LeaseNotFound
from vso.vault.response import Response
from vso.vault.transport import Call, Transport

# Renewal of an unknown lease, look-up of one, and one whose end came before its clean-up.
_GONE: Final = frozenset({"lease not found", "invalid lease", "lease expired"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """One lease: `duration` is in seconds from the answer on; an empty `id` means that there is none."""

    id: str = ""
    duration: int = 0
    renewable: bool = False
    request_id: str = ""

    @classmethod
    def of(cls, response: Response) -> Self:
        """Return the lease that an answer names at its top level."""
        return cls(
            id=response.lease_id,
            duration=response.lease_duration,
            renewable=response.renewable,
            request_id=response.request_id,
        )


class _Known(msgspec.Struct):
    id: str = ""
    ttl: int | None = None
    renewable: bool | None = None


async def renew_lease(
    transport: Transport, lease_id: str, increment: int, *, token: Sensitive[str], namespace: str = ""
) -> Lease:
    """Ask that the lease last `increment` seconds from now on: ``PUT sys/leases/renew``.

    The server may grant less, as near the maximum life of the credentials, and may name another id: comparing
    is up to the caller. Raises LeaseNotFound if new credentials are needed since the lease is gone, Invalid if
    it is not renewable, BadAnswer if no lease comes back, and what `Transport.request` raises: those say
    nothing about the lease, which may still be good.
    """
    path = "sys/leases/renew"
    body = {"lease_id": Sensitive(lease_id), "increment": increment}
    try:
        response = await transport.request("PUT", path, Call(token=token, namespace=namespace, body=body))
    except Invalid as exc:
        if _gone(exc):
            raise _no_lease(exc) from exc
        raise
    if not response.lease_id:
        raise BadAnswer("the renewal of the lease was answered without a lease", path=path)
    return Lease.of(response)


async def lookup_lease(transport: Transport, lease_id: str, *, token: Sensitive[str], namespace: str = "") -> Lease:
    """Return the lease as it stands, `duration` being the seconds left: ``PUT sys/leases/lookup``.

    Raises LeaseNotFound if it is gone, BadAnswer for another shape, and what `Transport.request` raises.
    """
    path = "sys/leases/lookup"
    call = Call(token=token, namespace=namespace, body={"lease_id": Sensitive(lease_id)})
    try:
        response = await transport.request("PUT", path, call)
    except Invalid as exc:
        if _gone(exc):
            raise _no_lease(exc) from exc
        raise
    try:
        if response.data is not None:
            known = msgspec.json.decode(response.data.reveal(), type=_Known)
            return Lease(
                id=known.id or lease_id,
                duration=known.ttl or 0,
                renewable=bool(known.renewable),
                request_id=response.request_id,
            )
    except (msgspec.DecodeError, RecursionError) as exc:
        raise BadAnswer("the look-up of the lease was answered in another shape", path=path) from exc
    raise BadAnswer("the look-up of the lease was answered without data", path=path)


async def revoke_lease(transport: Transport, lease_id: str, *, token: Sensitive[str], namespace: str = "") -> None:
    """End the lease and its credentials, which are gone on return: ``PUT sys/leases/revoke``.

    A lease that is gone already is a success. Raises what `Transport.request` raises; OpenBao answers with 400
    (`Invalid`) also when the system that has the account cannot be reached, so trying again may help.
    """
    # Synchronous, since otherwise a server may accept the revocation, fail at it later, and nobody is told.
    body = {"lease_id": Sensitive(lease_id), "sync": True}
    try:
        await transport.request("PUT", "sys/leases/revoke", Call(token=token, namespace=namespace, body=body))
    except Invalid as exc:
        if not _gone(exc):
            raise


def _gone(exc: Invalid) -> bool:
    return exc.detail.strip().lower() in _GONE


def _no_lease(exc: Invalid) -> LeaseNotFound:
    text = f"the lease is gone: {exc.detail}; it has ended or was revoked"
    error = LeaseNotFound(text, path=exc.path, status=exc.status)
    error.detail = exc.detail
    return error
