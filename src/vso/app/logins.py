"""The cache of logins, put together: who vouches, how Vault is reached, and what outlives the process."""

from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from random import Random
from typing import Any

from vso.app.metrics import Metrics
from vso.app.settings import Settings
from vso.base import Clock
from vso.controllers import KubernetesCluster, SecretStorage, TransitCipher, World
from vso.kube import Client
from vso.sync import Authenticator, Clients, Observer, Persistence, Signer, discard_all
from vso.vault import Transport


@dataclass(frozen=True, slots=True)
class Logins:
    """The cache, and what looks after the stored logins while this replica leads."""

    clients: Clients
    look_after_stored: Callable[[], Coroutine[Any, Any, None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What logins are made with: the cluster, by request and from memory, the key of MACs, time and chance."""

    kube: Client
    world: World
    signer: Signer
    clock: Clock
    rng: Random


@asynccontextmanager
async def open_logins(
    settings: Settings, around: Surroundings, metrics: Metrics, observer: Observer
) -> AsyncIterator[Logins]:
    """The logins, usable while the context is open; `observer` is told of each `Turn`."""
    world, clock, rng = around.world, around.clock, around.rng
    storage = metrics.storage(SecretStorage(around.kube, settings.operator_namespace))
    # Without stored logins, those that an earlier process left are removed.
    persistence: Persistence | None = None
    look_after: Callable[[], Coroutine[Any, Any, None]] = partial(discard_all, storage, clock=clock, rng=rng)
    if settings.keeps_logins:
        cipher = None
        if settings.encrypts_logins:
            # The encryption logs in by the very clients that it serves, which are made next.
            cipher = TransitCipher(
                world,
                options=settings.global_auth,
                policy=settings.policy,
                log_in=lambda spec: clients.get(spec),  # noqa: PLW0108 - `clients` is not there yet
            )
        persistence = Persistence(storage, signer=around.signer, cipher=cipher, clock=clock, rng=rng)
        look_after = partial(persistence.run, world.login_origins)
    cluster = KubernetesCluster(around.kube, world.connections, settings.policy)
    async with Clients(
        Authenticator(cluster, clock, persistence, metrics.vault),
        connect=lambda key, connection: Transport(
            connection, user_agent=settings.user_agent, clock=clock, observe=metrics.vault.of(key)
        ),
        clock=clock,
        rng=rng,
        backoff=settings.backoff,
        size=settings.client_cache_size,
        observer=observer,
    ) as clients:
        yield Logins(clients, look_after)
