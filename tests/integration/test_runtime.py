"""The runtime against a real API server: mirrors that survive faults, leaders that hand over, events that arrive."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from itertools import count
from random import Random
from typing import Any

import pytest

from testenv import Cluster
from vso.apis.core import CONFIG_MAP, LEASE, SECRET, ConfigMap
from vso.apis.meta import Key, Kind, ObjectMeta, PartialObject, Resource
from vso.base import SystemClock
from vso.kube import Client, Conflict, load_config
from vso.runtime import (
    Change,
    Controller,
    EventRecorder,
    KubeSource,
    LeaderElector,
    LeaseConfig,
    Manager,
    Next,
    Reflector,
    ReflectorObserver,
    Silent,
    Store,
    WorkQueue,
    enqueue_self,
    ensure_finalizer,
    metadata_changed,
    remove_finalizer,
)

_numbers = count()
_CLOCK = SystemClock()
_THINGS = Resource("example.org", "v1", "gadgets", "Gadget")


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    """Our own: it is restarted and compacted."""
    with Cluster() as running:
        yield running


@pytest.fixture
def namespace(cluster: Cluster) -> Iterator[str]:
    """One of its own for each test."""
    name = f"runtime-{next(_numbers)}"
    cluster.create_namespace(name)
    yield name
    cluster.request("DELETE", f"/api/v1/namespaces/{name}")


@pytest.fixture
async def client(cluster: Cluster) -> AsyncIterator[Client]:
    """As the administrator."""
    config = await load_config(kubeconfig=str(cluster.admin_kubeconfig), environ={})
    async with Client(config, user_agent="runtime-tests") as made:
        yield made


async def _until(condition: Callable[[], bool], *, seconds: float = 20.0) -> None:
    """Wait for `condition`; the deadline is a failure."""
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - what is waited for happens on the server
            await asyncio.sleep(0.02)


@asynccontextmanager
async def _mirror(
    client: Client, kind: Kind[Any], namespace: str, observer: ReflectorObserver | None = None
) -> AsyncIterator[tuple[Reflector[Any, Any], Store[Any], list[Change[Any]]]]:
    store: Store[Any] = Store()
    changes: list[Change[Any]] = []
    reflector: Reflector[Any, Any] = Reflector(
        KubeSource(client, kind, namespace=namespace),
        store,
        project=lambda obj: obj,
        clock=_CLOCK,
        rng=Random(1),
        page_size=2,
        observer=observer,
    )
    reflector.subscribe(changes.append)
    async with asyncio.TaskGroup() as group:
        task = group.create_task(reflector.run())
        yield reflector, store, changes
        task.cancel()


def _config_map(namespace: str, name: str, **data: str) -> ConfigMap:
    return ConfigMap(metadata=ObjectMeta(namespace=namespace, name=name), data=data)


async def _truth(client: Client, namespace: str) -> dict[str, str]:
    page = await client.list_page(CONFIG_MAP, namespace=namespace)
    return {item.metadata.name: item.metadata.resource_version for item in page.items}


async def test_a_mirror_sees_pages_creations_changes_and_deletions(client: Client, namespace: str) -> None:
    """Three pages at start, then each change once, and metadata alone where that is asked for."""
    for number in range(5):
        await client.create(CONFIG_MAP, _config_map(namespace, f"before-{number}"))
    async with _mirror(client, CONFIG_MAP.partial(), namespace) as (reflector, store, changes):
        await reflector.wait_synced()
        assert len(store) >= 5
        changes.clear()
        key = Key(namespace, "later")
        made = await client.create(CONFIG_MAP, _config_map(namespace, "later", a="1"))
        await _until(lambda: store.get(key) is not None)
        assert isinstance(store.get(key), PartialObject)
        await client.replace(CONFIG_MAP, _config_map(namespace, "later", a="2"))
        await client.delete(CONFIG_MAP, key)
        await _until(lambda: store.get(key) is None)
        later = [change for change in changes if change.key == key]
        assert [(change.old is None, change.new is None) for change in later] == [
            (True, False),
            (False, False),
            (False, True),
        ]
        assert later[0].latest.metadata.uid == made.metadata.uid


async def test_an_observed_answer_is_confirmed_by_the_watch(client: Client, namespace: str) -> None:
    """And a late one does not bring a deleted object back."""
    async with _mirror(client, CONFIG_MAP, namespace) as (reflector, store, changes):
        await reflector.wait_synced()
        made = await client.create(CONFIG_MAP, _config_map(namespace, "ours"))
        store.observe(made)
        assert store.get(made.key) == made
        await _until(lambda: any(change.new == made for change in changes))
        await client.delete(CONFIG_MAP, made.key)
        await _until(lambda: store.get(made.key) is None)
        assert not store.observe(made)
        assert store.get(made.key) is None


class _Failures(Silent):
    def __init__(self) -> None:
        self.names: list[str] = []

    def failed(self, what: str) -> None:
        self.names.append(what)


async def test_a_mirror_survives_a_restart_and_a_compaction(cluster: Cluster, client: Client, namespace: str) -> None:
    """What changed while the API server was away and its history was dropped is announced all the same."""
    for name in ("stays", "changes", "goes"):
        await client.create(CONFIG_MAP, _config_map(namespace, name))
    failures = _Failures()
    async with _mirror(client, CONFIG_MAP, namespace, failures) as (reflector, store, changes):
        await reflector.wait_synced()
        await asyncio.to_thread(cluster.restart_apiserver)
        await client.delete(CONFIG_MAP, Key(namespace, "goes"))
        await client.replace(CONFIG_MAP, _config_map(namespace, "changes", a="2"))
        await asyncio.to_thread(cluster.compact_etcd)
        await asyncio.to_thread(cluster.restart_apiserver)
        await client.create(CONFIG_MAP, _config_map(namespace, "new"))
        truth = await _truth(client, namespace)
        await _until(
            lambda: {obj.metadata.name: obj.metadata.resource_version for obj in store.values()} == truth,
            seconds=60,
        )
        final = {change.key.name: change.new for change in changes}
        assert "Gone" in failures.names
        assert final["goes"] is None
        assert getattr(final["changes"], "data", None) == {"a": "2"}
        assert [change.key.name for change in changes].count("stays") == 1
        await _until(lambda: not reflector.problem)


async def test_a_mirror_waits_for_its_crd(cluster: Cluster, client: Client, namespace: str) -> None:
    """It says what is missing, and fills by itself once the kind is served."""
    kind = Kind(_THINGS, PartialObject, metadata_only=True)
    async with _mirror(client, kind, namespace) as (reflector, store, _):
        await _until(lambda: "install the CRD" in reflector.problem)
        assert not reflector.synced
        schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
        version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
        names = {"plural": "gadgets", "singular": "gadget", "kind": "Gadget", "listKind": "GadgetList"}
        body = {
            "apiVersion": "apiextensions.k8s.io/v1",
            "kind": "CustomResourceDefinition",
            "metadata": {"name": "gadgets.example.org"},
            "spec": {"group": "example.org", "scope": "Namespaced", "names": names, "versions": [version]},
        }
        cluster.request("POST", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", body)
        try:
            await _until(lambda: reflector.synced, seconds=60)
            gadget = {"apiVersion": "example.org/v1", "kind": "Gadget", "metadata": {"name": "g"}}
            cluster.kubectl("apply", "-n", namespace, "-f", "-", input=json.dumps(gadget))
            await _until(lambda: store.get(Key(namespace, "g")) is not None)
            assert reflector.problem == ""
        finally:
            cluster.kubectl("delete", "crd", "gadgets.example.org", "--wait=false")


async def test_a_mirror_waits_for_its_permission(cluster: Cluster, namespace: str) -> None:
    """A ServiceAccount without rules reads nothing and says so; a RoleBinding heals it."""
    kubeconfig = cluster.kubeconfig_for(f"{namespace}/default")
    config = await load_config(kubeconfig=str(kubeconfig), environ={})
    async with (
        Client(config, user_agent="runtime-tests") as client,
        _mirror(client, CONFIG_MAP, namespace) as (reflector, _, _),
    ):
        await _until(lambda: "grant it with RBAC" in reflector.problem)
        granted = cluster.kubectl(
            *("create", "rolebinding", "reader", "-n", namespace),
            *("--clusterrole=view", f"--serviceaccount={namespace}:default"),
        )
        assert granted.returncode == 0, granted.stderr
        await _until(lambda: reflector.synced, seconds=60)
        assert reflector.problem == ""


class _Replica:
    def __init__(self, client: Client, namespace: str, identity: str) -> None:
        self.working = False
        self.elector = LeaderElector(
            client,
            LeaseConfig(key=Key(namespace, "b0d477c0.hashicorp.com"), identity=identity),
            clock=_CLOCK,
            rng=Random(identity),
        )

    async def run(self) -> None:
        await self.elector.run(self.work)

    async def work(self) -> None:
        self.working = True
        try:
            await asyncio.Event().wait()
        finally:
            self.working = False


async def test_two_replicas_hand_over_on_release(client: Client, namespace: str) -> None:
    """One works at a time; after a clean exit the other begins within 3 s, not after 15."""
    one, two = (_Replica(client, namespace, name) for name in ("one", "two"))
    async with asyncio.TaskGroup() as group:
        first = group.create_task(one.run())
        await _until(lambda: one.working)
        second = group.create_task(two.run())
        await _until(lambda: two.elector._seen is not None)
        assert not two.working
        first.cancel()
        await _until(lambda: two.working, seconds=4)
        assert not one.working
        lease = await client.get(LEASE, Key(namespace, "b0d477c0.hashicorp.com"))
        assert (lease.spec.holder_identity, lease.spec.lease_transitions) == ("two", 1)
        second.cancel()
    lease = await client.get(LEASE, Key(namespace, "b0d477c0.hashicorp.com"))
    assert (lease.spec.holder_identity, lease.spec.lease_duration_seconds) == ("", 1)


async def test_a_lease_of_client_go_is_respected_and_taken_when_free(
    cluster: Cluster, client: Client, namespace: str
) -> None:
    """A holder as the control plane's own components write it, old by its timestamps; then its release."""
    path = f"/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases"
    spec = {
        "holderIdentity": "original_1",
        "leaseDurationSeconds": 15,
        "acquireTime": "2020-01-01T00:00:00.000000Z",
        "renewTime": "2020-01-01T00:00:00.000000Z",
        "leaseTransitions": 4,
    }
    name = "b0d477c0.hashicorp.com"
    cluster.request("POST", path, {"metadata": {"name": name}, "spec": spec})
    replica = _Replica(client, namespace, "ours")
    async with asyncio.TaskGroup() as group:
        task = group.create_task(replica.run())
        await _until(lambda: replica.elector._seen is not None)
        assert not replica.working
        released = {"spec": {"holderIdentity": "", "leaseDurationSeconds": 1}}
        patch = "application/merge-patch+json"
        cluster.request("PATCH", f"{path}/{name}", released, content_type=patch)
        await _until(lambda: replica.working, seconds=4)
        stored = cluster.request("GET", f"{path}/{name}")["spec"]
        assert stored["holderIdentity"] == "ours"
        assert stored["leaseTransitions"] == 5
        assert len(stored["renewTime"]) == len("2020-01-01T00:00:00.000000Z")
        task.cancel()


async def test_an_exact_second_is_accepted_in_a_lease(client: Client, namespace: str) -> None:
    """Were it written without a fraction, the API server would refuse it."""

    class Exact(SystemClock):
        def now(self) -> Any:
            return super().now().replace(microsecond=0)

    elector = LeaderElector(
        client,
        LeaseConfig(key=Key(namespace, "exact"), identity="x"),
        clock=Exact(),
        rng=Random(1),
    )
    worked = asyncio.Event()

    async def work() -> None:
        worked.set()

    async with asyncio.timeout(10):
        await elector.run(work)
    assert worked.is_set()


async def test_an_event_is_posted_and_found(cluster: Cluster, client: Client, namespace: str) -> None:
    """By kubectl, with the object it is about."""
    recorder = EventRecorder(client, clock=_CLOCK, instance="pod-1")
    obj = await client.create(CONFIG_MAP, _config_map(namespace, "told"))
    async with asyncio.TaskGroup() as group:
        task = group.create_task(recorder.run())
        for _ in range(2):
            recorder.emit(
                obj,
                kind="ConfigMap",
                type="Warning",
                reason="SecretSyncError",
                message="no answer",
                component="Things",
            )
        await recorder.flush()
        task.cancel()
    listed = cluster.kubectl("events", "-n", namespace, "--for", "configmap/told", "-o", "json")
    [event] = json.loads(listed.stdout)["items"]
    assert (event["reason"], event["message"], event["type"]) == ("SecretSyncError", "no answer", "Warning")
    assert event["involvedObject"]["uid"] == obj.metadata.uid
    assert event["source"] == {"component": "Things"}


async def test_finalizers_hold_an_object_until_removed(client: Client, namespace: str) -> None:
    """A stale state is refused with Conflict."""
    obj = await client.create(CONFIG_MAP, _config_map(namespace, "held"))
    held = await ensure_finalizer(client, CONFIG_MAP, obj, "example.org/clean")
    assert held.metadata.finalizers == ("example.org/clean",)
    with pytest.raises(Conflict):
        await ensure_finalizer(client, CONFIG_MAP, obj, "example.org/other")
    await client.delete(CONFIG_MAP, obj.key)
    deleting = await client.get(CONFIG_MAP, obj.key)
    assert deleting.deleting
    await remove_finalizer(client, CONFIG_MAP, deleting, "example.org/clean")
    again = await remove_finalizer(client, CONFIG_MAP, deleting, "example.org/clean")
    assert again.metadata.finalizers == ()


async def test_a_whole_operator_copies_labels(client: Client, namespace: str) -> None:
    """Mirror, queue, controller, election and a graceful end, together on a real server."""
    store: Store[PartialObject] = Store()
    source = KubeSource(client, SECRET.partial(), namespace=namespace)
    reflector = Reflector(source, store, project=lambda obj: obj, clock=_CLOCK, rng=Random(1))
    queue = WorkQueue(clock=_CLOCK)
    reflector.subscribe(enqueue_self(queue, when=metadata_changed))
    seen: list[Key] = []

    async def reconcile(key: Key) -> Next:
        seen.append(key)
        return Next.on_change()

    config = LeaseConfig(key=Key(namespace, "operator"), identity="one")
    elector = LeaderElector(client, config, clock=_CLOCK, rng=Random(1))
    manager = Manager(clock=_CLOCK, elector=elector)
    manager.reflect(reflector)
    manager.control(Controller("secrets", reconcile, queue=queue, workers=3, clock=_CLOCK))
    stop = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        group.create_task(manager.run(stop))
        await _until(lambda: elector.leading)
        secret = await client.create(
            SECRET, SECRET.type(metadata=ObjectMeta(namespace=namespace, name="s"), data={"a": b"1"})
        )
        await _until(lambda: seen == [secret.key])
        assert manager.ready
        stop.set()
    lease = await client.get(LEASE, config.key)
    assert lease.spec.holder_identity == ""
