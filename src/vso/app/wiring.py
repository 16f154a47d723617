"""The life of the process on one screen: what is built, what watches what, and in which order it runs.

`run` is the whole; `control` lists the controllers, and `watching` has what wakes them.
"""

import asyncio
import os
import secrets
import socket
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack, suppress
from functools import partial
from random import Random, SystemRandom
from typing import Any, Final

import structlog

from vso.apis import names
from vso.apis.kinds import HCP_AUTH, HCP_VAULT_SECRETS_APP
from vso.apis.meta import Key
from vso.app.endpoints import endpoints
from vso.app.heartbeat import watched_loop
from vso.app.logins import Surroundings, open_logins
from vso.app.metrics import Metrics
from vso.app.settings import Settings
from vso.app.version import build_facts, read_stamp
from vso.app.watching import Queues, mirror, wake_dependants
from vso.base import BackOff, RateLimit, SystemClock
from vso.controllers import (
    HCPReconciler,
    SecretTransformationReconciler,
    Tools,
    VaultAuthReconciler,
    VaultConnectionReconciler,
    VaultDynamicSecretReconciler,
    VaultPKISecretReconciler,
    VaultStaticSecretReconciler,
    ensure_hmac_key,
    new_world,
)
from vso.kube import Client, KubeError, load_config
from vso.runtime import (
    Controller,
    Elector,
    EventRecorder,
    LeaderElector,
    LeaderObserver,
    LeaseConfig,
    Manager,
    Next,
    Store,
    Unelected,
    WorkQueue,
    make_identity,
    requeue_all,
)
from vso.sync import KEY_LENGTH, Signer, TemplateEngine

_CONFIG_WORKERS: Final = 32
"""Workers for kinds whose reconciles may wait for a server that does not answer."""
_REVIEWS: Final = RateLimit(qps=10, burst=20)
"""Questions who may scrape metrics."""
Reconcile = Callable[[Key], Awaitable[Next]]
log = structlog.get_logger("setup")


async def run(settings: Settings, stop: asyncio.Event) -> None:
    """Run the operator until `stop` is set.

    Raises ConfigError without a usable cluster, KubeError if the cluster refuses what the start needs, ValueError
    for an unusable HMAC key, and what crashed.
    """
    clock, rng = SystemClock(), SystemRandom()
    namespace = settings.operator_namespace
    world = new_world(namespace, settings.jurisdiction)
    async with AsyncExitStack() as stack:
        config = await load_config(kubeconfig=settings.kubeconfig or None, environ=os.environ)
        metrics = Metrics(settings, facts=build_facts(read_stamp()), clock=clock, server=config.server)
        client = partial(Client, config, user_agent=settings.user_agent, observe=metrics.runtime.requested, clock=clock)
        limit = RateLimit(qps=settings.kube_client_qps, burst=settings.kube_client_burst)
        kube = await stack.enter_async_context(client(limit=limit))
        identity = make_identity(socket.gethostname(), rng)
        lease = LeaseConfig(key=Key(namespace, names.LEADER_LEASE), identity=identity)
        elector = _elector(settings, kube, lease, metrics.runtime.leader(names.LEADER_LEASE))
        manager = Manager(clock=clock, elector=elector)
        # A client of its own: strangers who ask for metrics must not use up what the work may ask.
        reviews = await stack.enter_async_context(client(limit=_REVIEWS))
        await stack.enter_async_context(endpoints(settings, manager, metrics, reviews))
        await stack.enter_async_context(watched_loop())
        signer = await _read_key(kube, namespace, stop, rng=rng)
        if signer is None:
            return
        recorder = EventRecorder(kube, clock=clock, instance=identity)
        queues = Queues(clock, metrics.runtime.queue)
        around = Surroundings(kube=kube, world=world, signer=signer, clock=clock, rng=rng)
        logins = await stack.enter_async_context(open_logins(settings, around, metrics, queues.tell))
        templates = await stack.enter_async_context(TemplateEngine(budget=settings.template_budget))
        tools = Tools(
            kube=kube,
            world=world,
            clients=logins.clients,
            signer=signer,
            templates=templates,
            recorder=recorder,
            clock=clock,
            rng=rng,
            observer=metrics.secret,
            settings=settings.for_controllers,
        )
        control(manager, tools, queues, settings, metrics)
        wake_dependants(mirror(manager, tools), tools, queues)
        manager.background("events", recorder.run)
        manager.background("metrics", metrics.run)
        manager.lead("token renewal", logins.clients.run)
        manager.lead("stored logins", logins.look_after_stored)
        manager.finish("events", recorder.flush)
        if settings.revoke_on_shutdown:
            manager.finish("revocation", logins.clients.revoke_all)
        metrics.watch(world, clients=logins.clients, leading=lambda: elector.leading)
        log.info("starting", identity=identity, namespace=namespace, **settings.start_line())
        await manager.run(stop)


def _elector(settings: Settings, kube: Client, lease: LeaseConfig, observer: LeaderObserver) -> Elector:
    if settings.leader_elect:
        return LeaderElector(kube, lease, clock=SystemClock(), rng=SystemRandom(), observer=observer)
    observer.leading(now=True)
    return Unelected()


async def _read_key(kube: Client, namespace: str, stop: asyncio.Event, *, rng: Random) -> Signer | None:
    """The HMAC key; an API server that cannot be reached yet is waited for, until `stop` is set (then None)."""
    failures, backoff = 0, BackOff(initial=1.0, maximum=30.0)
    while not stop.is_set():
        try:
            return await ensure_hmac_key(kube, namespace, make_key=partial(secrets.token_bytes, KEY_LENGTH))
        except KubeError as exc:
            if not exc.transient:
                raise
            failures += 1
            if failures == 1:
                log.warning("waiting for the API server", error=str(exc))
            with suppress(TimeoutError):
                async with asyncio.timeout(backoff.delay(failures, rng)):
                    await stop.wait()
    return None


def control(manager: Manager, tools: Tools, queues: Queues, settings: Settings, metrics: Metrics) -> None:
    """One controller per kind: its reconcile, its queue, its workers."""
    world, workers = tools.world, settings.max_concurrent_reconciles
    connections = VaultConnectionReconciler(tools)
    auths = VaultAuthReconciler(tools)
    static = VaultStaticSecretReconciler(tools, queues.static)
    dynamic = VaultDynamicSecretReconciler(tools, queues.dynamic)
    pki = VaultPKISecretReconciler(tools, queues.pki)
    transformations = SecretTransformationReconciler(tools)
    hcp_auths = HCPReconciler(tools, HCP_AUTH, world.hcp_auths)
    hcp_apps = HCPReconciler(tools, HCP_VAULT_SECRETS_APP, world.hcp_apps)
    queues.wakers += [static.wake, dynamic.wake, pki.wake]

    for one in (connections, auths, static, dynamic, pki, transformations, hcp_auths, hcp_apps):
        manager.begin(one.begin_term)

    def work(reconcile: Reconcile, queue: WorkQueue, store: Store[Any], count: int = 1) -> None:
        manager.control(
            Controller(
                queue.name,
                reconcile,
                queue=queue,
                workers=count,
                clock=tools.clock,
                observer=metrics.runtime.controller(queue.name, queue, workers=count),
                resume=partial(requeue_all, queue, store),
            )
        )

    work(connections.reconcile, queues.connections, world.connections, _CONFIG_WORKERS)
    work(auths.reconcile, queues.auths, world.auths)
    work(static.reconcile, queues.static, world.static, workers)
    work(dynamic.reconcile, queues.dynamic, world.dynamic, settings.dynamic_workers)
    work(pki.reconcile, queues.pki, world.pki, workers)
    work(transformations.reconcile, queues.transformations, world.transformations)
    work(hcp_auths.reconcile, queues.hcp_auths, world.hcp_auths)
    work(hcp_apps.reconcile, queues.hcp_apps, world.hcp_apps)
