"""Ends leases that no Secret holds any more, and those of a resource that is deleted.

What is to be revoked is kept in status until Vault has said that it is done, so that no crash loses a lease; a
refusal by policy is told once and not repeated, since a lease runs out by itself.
"""

import asyncio
import contextlib
from collections.abc import Iterable
from dataclasses import dataclass
from math import inf
from typing import Final

import structlog
from msgspec import structs

from vso.apis.conditions import EventReason
from vso.apis.meta import Key
from vso.apis.v1beta1 import LeaseToRevoke, VaultDynamicSecret, VaultDynamicSecretStatus, VaultSecretLease
from vso.base import Clock
from vso.controllers.delivery import Delivery
from vso.controllers.dynamic_plan import NEVER_ENDS, is_renewable
from vso.controllers.dynamic_status import Announcement, announced, arrived, known_leases, lost, renewed, to_status
from vso.controllers.outcome import EXPECTED, is_passing
from vso.sync import Client, Clients, ClientSpec, Destination, ReferenceInvalid, lease_horizon
from vso.vault import Invalid, Lease, LeaseNotFound, VaultError, renew_lease, revoke_lease

_PATIENCE: Final = 5.0
"""Seconds that one revocation may take."""
_LAST_MOMENT: Final = 2.0
"""The same after leadership was lost: the work must be over before the Lease is."""
_RENEWAL_RETRY: Final = 60.0
"""Seconds after which a renewal is tried again that failed beside another failure."""
_log = structlog.get_logger("leases")


@dataclass(frozen=True, slots=True)
class Swept:
    """Which leases are still to be revoked; `trouble` says why, empty if none was tried in vain."""

    left: tuple[LeaseToRevoke, ...]
    trouble: str = ""


class LeaseKeeper:
    """Keeps each lease of VaultDynamicSecrets on record, and revokes those that nobody needs."""

    def __init__(self, clients: Clients, delivery: Delivery[VaultDynamicSecret], clock: Clock) -> None:
        self._clients = clients
        self._delivery = delivery
        self._clock = clock
        self._ended: dict[Key, frozenset[str]] = {}
        """Of resources that are deleted: their leases that were seen to."""

    def begin_term(self) -> None:
        """Forget what an earlier term of leadership learned."""
        self._clients.release_all()
        self._ended.clear()

    def forget(self, key: Key) -> None:
        """Forget a resource that goes."""
        self._clients.release(key)
        self._ended.pop(key, None)

    async def recover(self, wanted: VaultDynamicSecret, live: Destination | None) -> VaultDynamicSecret:
        """Finish or undo what an interrupted attempt began, and revoke what is due; the object as it is now.

        If the Secret `live` has the data of the pending lease, that is the lease in force; if not, it goes.
        """
        status, pending = wanted.status, wanted.status.extensions.pending
        if pending is not None and live is not None and live.mac == pending.mac:
            status = arrived(wanted, pending, unix=self._unix())
        elif pending is not None:
            status = lost(wanted, pending.lease, unix=self._unix())
        swept = await self.sweep(wanted, status.extensions.to_revoke)
        status = structs.replace(status, extensions=structs.replace(status.extensions, to_revoke=swept.left))
        if status == wanted.status:
            return wanted
        return await self._delivery.write_status(wanted, status, conditions=status.conditions)

    async def attach(self, wanted: VaultDynamicSecret, spec: ClientSpec) -> None:
        """Hold the token of the lease that an earlier process left, if that one is in use again.

        A login that fails is no obstacle here: the lease in force needs none until it is renewed.
        """
        if not self._clients.restores or not wanted.status.secret_lease.id:
            return
        with contextlib.suppress(*EXPECTED):
            self._hold_own(wanted, await self._clients.get(spec, namespace=wanted.spec.namespace))

    def _hold_own(self, wanted: VaultDynamicSecret, client: Client) -> None:
        if client.meta.id and client.meta.id == wanted.status.vault_client_meta.id:
            client.hold(wanted.key)

    async def announce(self, wanted: VaultDynamicSecret, client: Client, new: Announcement) -> VaultDynamicSecret:
        """Put the lease of `new` on record before its credentials go anywhere; the object as it is now.

        If that cannot be, the lease is revoked, and the reason raised.
        """
        client.hold(wanted.key)
        ends = self.end_of(client)
        try:
            return await self._delivery.record(
                wanted, lambda one: announced(one, new, unix=self._unix(), parent_expires=ends)
            )
        except EXPECTED:
            await self._send(wanted, client, new.lease.id)
            raise
        except asyncio.CancelledError:
            # Who leads next cannot know of it.
            await self._send(wanted, client, new.lease.id, patience=_LAST_MOMENT)
            raise

    async def discard(self, wanted: VaultDynamicSecret, client: Client, lease: Lease) -> None:
        """Revoke a lease whose credentials cannot be used, now or as soon as Vault lets."""
        if lease.id and await self._send(wanted, client, lease.id):
            await self._delivery.record(wanted, lambda one: lost(one, to_status(lease), unix=self._unix()))

    async def renew(self, wanted: VaultDynamicSecret, spec: ClientSpec) -> Lease | None:
        """Prolong the lease in force; None if new credentials are needed.

        Raises what says that Vault is out of order: then the lease is kept, and tried again.
        """
        lease, namespace = wanted.status.secret_lease, wanted.spec.namespace
        client = self._clients.held(wanted.key, namespace=namespace)
        if client is None:
            client = await self._clients.get(spec, namespace=namespace)
        try:
            granted = await self._prolong(client, lease)
        except VaultError as error:
            over = self._unix() > wanted.status.last_renewal_time + lease.duration
            if error.transient and not over:
                raise
            text = f"Could not renew lease, new credentials are requested, err={error}"
            self._delivery.report.warning(wanted, EventReason.SECRET_LEASE_RENEWAL_ERROR, text)
            return None
        self._hold_own(wanted, client)
        if granted.duration >= lease.duration and granted.id in {"", lease.id}:
            return granted
        text = (
            f"Lease renewal duration was truncated from {lease.duration}s to {granted.duration}s, requesting new "
            "credentials"
        )
        self._delivery.report.normal(wanted, EventReason.SECRET_LEASE_RENEWAL, text)
        return None

    async def keep(self, wanted: VaultDynamicSecret, error: Exception) -> tuple[VaultDynamicSecretStatus, float | None]:
        """See to the lease in force although `error` keeps new credentials away: workloads go on with what they have.

        The status after it was prolonged, if that was due and could be, and the seconds until it is due again; None
        if there is nothing to prolong. Never raises what belongs to the job.
        """
        status, due = wanted.status, self._due_in(wanted)
        # Whoever lost the right to the login loses the lease as well, and what is passing is waited for.
        if due is None or isinstance(error, ReferenceInvalid) or is_passing(error):
            return status, None
        if due > 0:
            return status, due
        with contextlib.suppress(*EXPECTED, TimeoutError):
            async with asyncio.timeout(_PATIENCE):
                client = self._clients.held(wanted.key, namespace=wanted.spec.namespace)
                if client is None:
                    client = await self._clients.get(self._delivery.login_of(wanted), namespace=wanted.spec.namespace)
                granted = await self._prolong(client, status.secret_lease)
            ends, refreshed = self.end_of(client), status.extensions.refreshed
            status = renewed(wanted, granted, unix=self._unix(), refresh=refreshed, parent_expires=ends)
        return status, self._due_in(structs.replace(wanted, status=status)) or _RENEWAL_RETRY

    def _due_in(self, wanted: VaultDynamicSecret) -> float | None:
        """Seconds until the lease in force is to be prolonged; None if it cannot be, or has run out."""
        status, duration = wanted.status, wanted.status.secret_lease.duration
        age = self._clock.now().timestamp() - status.last_renewal_time
        if not is_renewable(wanted) or age > duration:
            return None
        return max(lease_horizon(duration, wanted.spec.renewal_percent, 1.0) - age, 0.0)

    async def end(self, wanted: VaultDynamicSecret) -> bool:
        """Revoke all that a deleted resource leaves behind; False if that is to be tried again."""
        ended = self._ended.get(wanted.key, frozenset())
        leases = [one for one in known_leases(wanted) if one.id not in ended] if wanted.spec.revoke else []
        swept = await self.sweep(wanted, leases)
        if not swept.left:
            return True
        if self._delivery.attempts.may_linger(wanted.key):
            self._ended[wanted.key] = ended | ({one.id for one in leases} - {one.id for one in swept.left})
            return False
        text = f"{len(swept.left)} leases were not revoked and are left to run out, err={swept.trouble}"
        self._delivery.report.warning(wanted, EventReason.SECRET_LEASE_REVOKE, text)
        return True

    @staticmethod
    async def _prolong(client: Client, lease: VaultSecretLease) -> Lease:
        return await client.call(
            lambda transport, access: renew_lease(
                transport, lease.id, lease.duration, token=access.token, namespace=access.namespace
            )
        )

    def end_of(self, client: Client) -> int:
        """The end of the client's token in Unix seconds, or NEVER_ENDS; 0 if it is unknown."""
        if client.session is None:
            return 0
        left = client.session.life.remaining(self._clock.monotonic())
        return NEVER_ENDS if left == inf else self._unix() + round(left)

    def _unix(self) -> int:
        return round(self._clock.now().timestamp())

    async def sweep(self, wanted: VaultDynamicSecret, leases: Iterable[LeaseToRevoke]) -> Swept:
        """Revoke those of `leases` whose time has come. Never raises what belongs to the job."""
        now = self._clock.now().timestamp()
        left, trouble = [], ""
        for lease in leases:
            if lease.expires and lease.expires < now:
                continue
            if lease.after > now:
                left.append(lease)
                continue
            failed = trouble or await self._try(wanted, lease.id)
            if failed:
                trouble = failed
                left.append(lease)
        return Swept(tuple(left), trouble)

    async def _try(self, wanted: VaultDynamicSecret, lease_id: str) -> str:
        """Revoke one lease; empty if there is nothing left to do, else what is in the way for now."""
        namespace = wanted.spec.namespace
        client = self._clients.held(wanted.key, namespace=namespace)
        if client is None:
            try:
                async with asyncio.timeout(_PATIENCE):
                    client = await self._clients.get(self._delivery.login_of(wanted), namespace=namespace)
            except (*EXPECTED, TimeoutError) as error:
                if is_passing(error):
                    return str(error) or "Vault did not answer in time"
                self._tell_failure(wanted, error)
                return ""
        return await self._send(wanted, client, lease_id)

    async def _send(
        self, wanted: VaultDynamicSecret, client: Client, lease_id: str, *, patience: float = _PATIENCE
    ) -> str:
        try:
            async with asyncio.timeout(patience):
                await client.call(
                    lambda transport, access: revoke_lease(
                        transport, lease_id, token=access.token, namespace=access.namespace
                    )
                )
        except LeaseNotFound:
            return ""
        except (*EXPECTED, TimeoutError) as error:
            # An engine whose database is down lets Vault answer 400.
            if is_passing(error) or isinstance(error, Invalid):
                return str(error) or "Vault did not answer in time"
            self._tell_failure(wanted, error)
            return ""
        self._delivery.report.normal(wanted, EventReason.SECRET_LEASE_REVOKE, "Lease revoked")
        _log.info("lease revoked", lease=lease_id, **self._delivery.who(wanted))
        return ""

    def _tell_failure(self, wanted: VaultDynamicSecret, error: Exception) -> None:
        text = f"a lease was not revoked and is left to run out, err={error}"
        self._delivery.report.warning(wanted, EventReason.SECRET_LEASE_REVOKE, text)
        _log.warning("lease not revoked", error=str(error), **self._delivery.who(wanted))
