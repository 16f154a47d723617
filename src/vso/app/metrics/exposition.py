"""All metrics of the process, and their text for Prometheus. Start here; each topic is a module beside this one."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import Final, NoReturn, Protocol

from prometheus_client import GCCollector, PlatformCollector, ProcessCollector, generate_latest

from vso.app.metrics.family import Declared, Families
from vso.app.metrics.objects import FIGURES, ObjectCollector, Reckoning
from vso.app.metrics.runtime import RuntimeMetrics
from vso.app.metrics.secret import SecretMetrics
from vso.app.metrics.storage import MeasuredStorage
from vso.app.metrics.vault import VaultMetrics
from vso.app.settings import Settings
from vso.base import Clock, format_duration
from vso.controllers import World
from vso.sync import CacheCounts, Storage

_SWEEP: Final = 60.0
"""Seconds between two looks for series of what is gone."""
CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"


class Counted(Protocol):
    """What is told of `vso.sync.Clients`."""

    @property
    def counts(self) -> CacheCounts:
        """What became of look-ups so far."""

    def __len__(self) -> int:
        """Identities that are logged in."""


class Metrics:
    """Declares everything, hands out the observers, and writes it all down.

    `facts` are those of the build, `server` is the API server's URL.
    """

    def __init__(self, settings: Settings, *, facts: Mapping[str, str], clock: Clock, server: str) -> None:
        self._families = families = Families()
        self._settings = settings
        self._clock = clock
        self._world: World | None = None
        self.runtime: Final = RuntimeMetrics(families, clock=clock, server=server)
        self.vault: Final = VaultMetrics(families)
        self.secret: Final = SecretMetrics(families, each=settings.per_object_metrics)
        self._turn = asyncio.Lock()
        self._swept: tuple[int, ...] = ()
        families.constant("vso_build_info", "Which build this is.", **{_BUILD[name]: facts[name] for name in _BUILD})
        families.constant("vso_runtime_config", "How this operator is set up.", **_config(settings))
        families.constant(
            "vso_client_cache_storage_config",
            "How logins are stored.",
            enforce_encryption=str(settings.encrypts_logins).lower(),
        )
        for collector in (ProcessCollector, PlatformCollector, GCCollector):
            collector(registry=families.told)

    @property
    def declared(self) -> Sequence[Declared]:
        """Every metric of ours, in the order of its declaration."""
        return (*self._families.declared, *FIGURES)

    def storage(self, storage: Storage) -> MeasuredStorage:
        """`storage` with its requests counted."""
        return MeasuredStorage(
            storage,
            self._families,
            lasting=self._settings.keeps_logins,
            stored=lambda ok: self.vault.stored(ok=ok),
        )

    def watch(self, world: World, *, clients: Counted, leading: Callable[[], bool]) -> None:
        """Tell of the objects in `world`, while `leading`, and of the logins of `clients`."""
        self._world = world
        settings = self._settings
        reckoning = Reckoning(options=settings.global_auth, policy=settings.policy, each=settings.per_object_metrics)
        self._families.asked.register(
            ObjectCollector(world, reckoning, leading=leading, last_success=self.secret.last_success)
        )
        _watch_cache(self._families, clients, size=self._settings.client_cache_size)

    async def text(self) -> bytes:
        """Everything, as Prometheus reads it; the series of what is gone are gone.

        Objects are counted at once, on the event loop, since the stores are its own; the rest, most of the work where
        there are many series, is left to a thread.
        """
        async with self._turn:
            self._forget()
            return await asyncio.to_thread(generate_latest, self._families.scrape())

    async def run(self) -> NoReturn:
        """Forget what is gone even if nobody scrapes, for ever."""
        while True:
            await self._clock.sleep(_SWEEP)
            self._forget()

    def _forget(self) -> None:
        world = self._world
        if world is None or self._state(world) == self._swept:
            return
        secrets = (world.static, world.dynamic, world.pki)
        resources = [(one.kind, one.key) for store in secrets for one in store.values()]
        self.secret.forget_others(
            namespaces=frozenset(key.namespace for _, key in resources), resources=frozenset(resources)
        )
        self.vault.forget_others(
            connections=frozenset(str(one.key) for one in world.connections.values()),
            auths=frozenset(str(one.key) for one in world.auths.values()),
        )
        self._swept = self._state(world)

    def _state(self, world: World) -> tuple[int, ...]:
        """Moves with the objects, and with each name that gets series, as by work that outlasts its object."""
        return (*world.version, self.secret.names, self.vault.names)


_BUILD: Final = {
    "major": "major",
    "minor": "minor",
    "gitVersion": "git_version",
    "gitCommit": "git_commit",
    "gitTreeState": "git_tree_state",
    "buildDate": "build_date",
    "goVersion": "go_version",
    "compiler": "compiler",
    "platform": "platform",
}
"""Facts of the build -> labels of ``vso_build_info``."""


def _config(settings: Settings) -> dict[str, str]:
    def seconds(value: float) -> str:
        return format_duration(timedelta(seconds=value))

    return {
        "backoffInitialInterval": seconds(settings.backoff_initial_interval),
        "backoffMaxInterval": seconds(settings.backoff_max_interval),
        "backoffMaxElapsedTime": seconds(settings.backoff_max_elapsed_time),
        "backoffMultiplier": f"{settings.backoff_multiplier:.2f}",
        "backoffRandomizationFactor": f"{settings.backoff_randomization_factor:.2f}",
        "clientCachePersistenceModel": settings.client_cache_persistence_model,
        "clientCacheSize": str(settings.client_cache_size),
        "globalTransformationOptions": ",".join(settings.global_transformation_options),
        "globalVaultAuthOptions": ",".join(settings.global_vault_auth_options),
        "maxConcurrentReconciles": str(settings.max_concurrent_reconciles),
    }


def _watch_cache(families: Families, clients: Counted, *, size: int) -> None:
    def counts() -> CacheCounts:
        return clients.counts

    families.read("vso_client_cache_size", "Logins that the cache has room for.", lambda: size)
    families.read("vso_client_cache_length", "Logins in the cache.", lambda: len(clients))
    families.plain("vso_client_cache_hits", "Look-ups that found a login.", lambda: counts().hits)
    families.plain("vso_client_cache_misses", "Look-ups that had to log in.", lambda: counts().misses)
    families.read("vso_client_cache_evictions", "Logins that had to make room.", lambda: counts().evictions)
    families.total("vso_client_cache_evictions_total", "Logins that had to make room.", lambda: counts().evictions)
    families.plain(
        "vso_client_clone_cache_hits",
        "Look-ups that found a login for another Vault namespace than its own.",
        lambda: counts().elsewhere,
    )
    nothing = "Always 0 here: a login serves other Vault namespaces without a cache of its own."
    families.plain("vso_client_clone_cache_misses", nothing, lambda: 0)
    families.read("vso_client_clone_cache_evictions", nothing, lambda: 0)
