"""Ends what the operator has in Vault before it is uninstalled for good: leases on record, then stored logins.

At best effort: a lease or a token that stays runs out by itself, and the log tells of it. The Secrets that keep logins
and the HMAC key go as well. For ``--uninstall --revoke-on-uninstall`` alone; see `uninstall`.
"""

import asyncio
from collections.abc import Callable, Coroutine, Iterable
from contextlib import AsyncExitStack, suppress
from random import Random
from typing import Any, Final

import structlog

from vso.apis import core, kinds, names
from vso.apis.meta import Key
from vso.apis.v1beta1 import VaultDynamicSecret
from vso.app.listing import fill
from vso.app.settings import Settings
from vso.base import Clock
from vso.controllers import (
    EXPECTED,
    KubernetesCluster,
    SecretStorage,
    TransitCipher,
    find_hmac_key,
    known_leases,
    new_world,
)
from vso.kube import Client, KubeError, NotFound
from vso.runtime import time_limit
from vso.sync import Authenticator, Clients, EntryInvalid, Persistence, resolve, resolve_auth
from vso.vault import Connection, Denied, LeaseNotFound, Transport, revoke_lease, revoke_self

_AT_ONCE: Final = 16
_PATIENCE: Final = 5.0
"""Seconds that one lease or login may take."""
_SHARE_OF_SECRETS: Final = 1 / 3
"""Of the time for all of it."""
_TROUBLES: Final = (*EXPECTED, EntryInvalid, ValueError, TimeoutError)
_UID: Final = "UID"
log = structlog.get_logger("cleanup")


async def revoke_everything(kube: Client, settings: Settings, *, clock: Clock, rng: Random, seconds: float) -> None:
    """Revoke leases and stored logins, and delete the Secrets that keep logins; all for `seconds` at most."""
    storage = SecretStorage(kube, settings.operator_namespace)
    for_secrets = seconds * _SHARE_OF_SECRETS
    async with AsyncExitStack() as stack:
        revoker = Revoker(kube, settings, storage, clock=clock, rng=rng)
        try:
            async with time_limit(clock, seconds - for_secrets):
                await revoker.enter(stack)
                await revoker.revoke_leases()
                await revoker.revoke_logins()
        except TimeoutError:
            log.warning("no time left for revocation", limit_seconds=seconds - for_secrets)
        except _TROUBLES as exc:
            log.warning("not all was revoked", reason=str(exc))
    try:
        async with time_limit(clock, for_secrets):
            await _delete_secrets(kube, storage, settings.operator_namespace)
    except TimeoutError:
        log.warning("no time left for the Secrets of the operator", limit_seconds=for_secrets)


class Revoker:
    """Logs in once for each identity that leases need, and revokes that login as well in the end."""

    def __init__(self, kube: Client, settings: Settings, storage: SecretStorage, *, clock: Clock, rng: Random) -> None:
        self._kube = kube
        self._settings = settings
        self._storage = storage
        self._clock = clock
        self._rng = rng
        self._world = new_world(settings.operator_namespace, settings.jurisdiction)
        self._cluster = KubernetesCluster(kube, self._world.connections, settings.policy)
        self._clients = Clients(
            Authenticator(self._cluster, clock),
            connect=lambda _key, connection: self._connect(connection),
            clock=clock,
            rng=rng,
            backoff=settings.backoff,
            size=settings.client_cache_size,
            observer=lambda _identity, _turn: None,
        )
        self._turns = asyncio.Semaphore(_AT_ONCE)

    def _connect(self, connection: Connection) -> Transport:
        return Transport(connection, user_agent=self._settings.user_agent, clock=self._clock)

    async def enter(self, stack: AsyncExitStack) -> None:
        """Read what leads to Vault; connections are closed with `stack`. Raises KubeError."""
        await stack.enter_async_context(self._clients)
        world = self._world
        stores = {
            kinds.VAULT_CONNECTION: world.connections,
            kinds.VAULT_AUTH: world.auths,
            kinds.VAULT_AUTH_GLOBAL: world.shared_auths,
            kinds.VAULT_DYNAMIC_SECRET: world.dynamic,
        }
        if world.jurisdiction.selector is not None:
            await self._fill({core.NAMESPACE: world.namespaces}, frozenset())
        await self._fill(stores, world.jurisdiction.namespaces)

    async def revoke_leases(self) -> None:
        """Those that VaultDynamicSecrets have on record; then the tokens that were needed for that."""
        held = [one for one in self._world.dynamic.values() if self._world.covers(one) and known_leases(one)]
        done = await self._each(held, lambda one: f"leases of {one.key}", self._revoke_leases_of)
        await self._clients.revoke_all()
        log.info("leases revoked", resources=done, of=len(held))

    async def revoke_logins(self) -> None:
        """Those that are stored, with the tokens in them."""
        entries = await self._storage.labels()
        signer = await find_hmac_key(self._kube, self._settings.operator_namespace) if entries else None
        if signer is None:
            return
        cipher = None
        if self._settings.encrypts_logins:
            cipher = TransitCipher(
                self._world, options=self._settings.global_auth, policy=self._settings.policy, log_in=self._clients.get
            )
        stored = Persistence(self._storage, signer=signer, cipher=cipher, clock=self._clock, rng=self._rng)

        async def revoke(entry: tuple[str, Any]) -> None:
            await self._revoke_login(stored, entry[1])

        done = await self._each(entries, lambda entry: entry[0], revoke)
        await self._clients.revoke_all()
        log.info("stored logins revoked", logins=done, of=len(entries))

    async def _fill(self, stores: dict[Any, Any], watched: frozenset[str]) -> None:
        own = self._settings.operator_namespace
        await fill(self._kube, stores, watched=watched, own=own, clock=self._clock)

    async def _each(
        self, items: Iterable[Any], name: Callable[[Any], str], work: Callable[[Any], Coroutine[Any, Any, None]]
    ) -> int:
        """Do `work` for each, several at a time; for how many it was done."""
        done = 0

        async def attempt(item: Any) -> None:
            nonlocal done
            async with self._turns:
                try:
                    async with asyncio.timeout(_PATIENCE):
                        await work(item)
                except _TROUBLES as exc:
                    log.warning("not revoked", what=name(item), reason=str(exc) or "no answer in time")
                else:
                    done += 1

        async with asyncio.TaskGroup() as group:
            for item in items:
                group.create_task(attempt(item), name=f"revoke {name(item)}")
        return done

    async def _revoke_leases_of(self, wanted: VaultDynamicSecret) -> None:
        spec = resolve(
            wanted.spec.vault_auth_ref,
            consumer=wanted.metadata.namespace,
            references=self._world,
            options=self._settings.global_auth,
            policy=self._settings.policy,
        )
        client = await self._clients.get(spec, namespace=wanted.spec.namespace)
        trouble: Exception | None = None
        for lease in known_leases(wanted):
            try:
                await client.call(
                    lambda transport, access, lease_id=lease.id: revoke_lease(  # type: ignore[misc]
                        transport, lease_id, token=access.token, namespace=access.namespace
                    )
                )
            except LeaseNotFound:
                continue
            except EXPECTED as exc:
                trouble = exc  # told in the end: the others may go all the same
        if trouble is not None:
            raise trouble

    async def _revoke_login(self, stored: Persistence, labels: dict[str, str]) -> None:
        auth = self._made_from(self._world.auths.values(), labels.get(f"auth/{_UID}", ""))
        connection = self._made_from(self._world.connections.values(), labels.get(f"connection/{_UID}", ""))
        found = await stored.read(labels.get("cacheKey", ""))
        if found is None:
            return
        namespace = resolve_auth(auth, references=self._world, options=self._settings.global_auth).merged.namespace
        async with self._connect(await self._cluster.connection(connection)) as transport:
            try:
                await revoke_self(transport, found.client_token, namespace=namespace)
            except Denied:
                return  # it has ended already

    @staticmethod
    def _made_from(objects: Iterable[Any], uid: str) -> Any:
        found = [one for one in objects if one.metadata.uid == uid]
        if not found:
            raise ValueError("the VaultAuth or VaultConnection that it was made from is gone")
        return found[0]


async def _delete_secrets(kube: Client, storage: SecretStorage, namespace: str) -> None:
    """Delete what keeps logins, and the key of all MACs."""
    try:
        names_of_entries = [name for name, _ in await storage.labels()]
        turns = asyncio.Semaphore(_AT_ONCE)

        async def delete(name: str) -> None:
            async with turns:
                await storage.delete(name)

        async with asyncio.TaskGroup() as group:
            for name in names_of_entries:
                group.create_task(delete(name), name=f"delete {name}")
        with suppress(NotFound):
            await kube.delete(core.SECRET, Key(namespace, names.HMAC_KEY_SECRET))
        log.info("Secrets of the operator deleted", logins=len(names_of_entries))
    except* (*EXPECTED, KubeError) as group_of:
        log.warning("Secrets of the operator not deleted", reason=str(group_of.exceptions[0]))
