"""Rollout restarts: when, and only when, the payload of a secret changed."""

from collections.abc import Callable
from datetime import datetime
from functools import partial
from time import perf_counter
from typing import Any

import pytest

from testenv import Cluster
from tests.support.evidence import Watch, conditions, secret_mac
from tests.support.operator import Operator
from tests.support.tenant import Json, Tenant

STAMP = "vso.secrets.hashicorp.com/restartedAt"
ROLLOUTS = "/apis/argoproj.io/v1alpha1"
ROLLOUT_CRD = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": "rollouts.argoproj.io"},
    "spec": {
        "group": "argoproj.io",
        "scope": "Namespaced",
        "names": {"plural": "rollouts", "singular": "rollout", "kind": "Rollout"},
        "versions": [
            {
                "name": "v1alpha1",
                "served": True,
                "storage": True,
                "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}},
            }
        ],
    },
}


def target(kind: str, name: str = "web") -> Json:
    """One entry of `rolloutRestartTargets`."""
    return {"kind": kind, "name": name}


def stamp(tenant: Tenant, kind: str = "Deployment", name: str = "web") -> str:
    """When a workload was restarted last; empty if it never was."""
    found = tenant.get(kind, name) or {}
    value: str = found["spec"]["template"]["metadata"].get("annotations", {}).get(STAMP, "")
    return value


def generation(tenant: Tenant, kind: str = "Deployment", name: str = "web") -> int:
    """`metadata.generation` of a workload."""
    found = tenant.get(kind, name) or {}
    value: int = found["metadata"]["generation"]
    return value


def restarted_beyond(tenant: Tenant, at_least: int) -> bool:
    """Whether the Deployment changed often enough."""
    return generation(tenant) >= at_least


def start(operator: Operator, tenant: Tenant, *targets: Json, name: str = "app", **spec: Any) -> Watch:
    """A synced VaultStaticSecret with these targets."""
    tenant.put(name, {"user": "alice"})
    tenant.sync(name, rolloutRestartTargets=list(targets), **spec)
    tenant.wait_synced(name)
    return Watch(operator, tenant)


def restarted(tenant: Tenant, before: dict[str, int]) -> Callable[[], bool]:
    """Whether all workloads of `before` have another generation now."""
    return lambda: all(generation(tenant, kind) != was for kind, was in before.items())


def test_r02_workloads_restart_once_when_the_value_changes_and_only_then(operator: Operator, tenant: Tenant) -> None:
    """All three kinds; unchanged refreshes, equal data in a new version, and a restart costs one patch each."""
    tenant.connect()
    kinds = ["Deployment", "StatefulSet", "DaemonSet"]
    for kind in kinds:
        tenant.deployment("web", kind=kind)
    before = {kind: generation(tenant, kind) for kind in kinds}
    watch = start(operator, tenant, *(target(kind) for kind in kinds))
    watch.wait_reads("app", 10)
    assert watch.requests() == []
    assert {kind: generation(tenant, kind) for kind in kinds} == before

    watch.again()
    tenant.put("app", {"user": "bob"})
    tenant.wait(restarted(tenant, before), "all workloads to be restarted")
    tenant.wait_synced("app")
    tenant.wait(lambda: len(tenant.events("app", "RolloutRestartTriggered")) == 3, "three events")
    watch.wait_reads("app", 3)
    patches = ["patch daemonsets", "patch deployments", "patch statefulsets"]
    events = ["create events"] * 4
    assert watch.requests() == sorted([*events, *patches, "patch secrets", "patch vaultstaticsecrets/status"])
    for kind in kinds:
        assert datetime.strptime(stamp(tenant, kind), "%Y-%m-%dT%H:%M:%S%z").microsecond == 0
        assert generation(tenant, kind) == before[kind] + 1
    assert conditions(tenant.get("VaultStaticSecret", "app"))["RolloutRestart"] == "True"

    watch.again()
    tenant.put("app", {"user": "bob"})
    watch.wait_reads("app", 4)
    assert watch.writes("secrets") == ["patch secrets"]
    assert [one for one in watch.writes() if one in patches] == []


def test_without_the_raw_copy_a_new_version_with_equal_data_writes_nothing(operator: Operator, tenant: Tenant) -> None:
    """Only `_raw` would have differed."""
    tenant.connect()
    tenant.deployment("web")
    transformation = {"transformation": {"excludeRaw": True}}
    watch = start(operator, tenant, target("Deployment"), destination=transformation)
    tenant.put("app", {"user": "alice"})
    watch.wait_reads("app", 3)
    assert watch.writes() == []


def test_an_argo_rollout_gets_a_later_restart_at(operator: Operator, tenant: Tenant) -> None:
    """With a CRD of the test's own; `restartAt` lies after the write (R06)."""
    cluster: Cluster = tenant.cluster
    cluster.request("POST", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", ROLLOUT_CRD)
    path = f"{ROLLOUTS}/namespaces/{tenant.namespace}/rollouts"
    try:
        tenant.wait(lambda: cluster.kubectl("get", "rollouts.argoproj.io").returncode == 0, "the kind to be served")
        body = {"apiVersion": "argoproj.io/v1alpha1", "kind": "Rollout", "metadata": {"name": "web"}, "spec": {}}
        cluster.request("POST", path, body)
        tenant.connect()
        watch = start(operator, tenant, target("argo.Rollout"))
        tenant.put("app", {"user": "bob"})
        tenant.wait(lambda: cluster.request("GET", f"{path}/web")["spec"].get("restartAt"), "restartAt")
        written = (tenant.get("Secret", "app") or {})["metadata"]["managedFields"][-1]["time"]
        assert cluster.request("GET", f"{path}/web")["spec"]["restartAt"] > written
        watch.wait_reads("app", 3)
        assert watch.writes("rollouts") == ["patch rollouts"]
    finally:
        cluster.request("DELETE", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/rollouts.argoproj.io")


def test_r06_two_secrets_of_one_workload_that_change_together_are_both_seen(operator: Operator, tenant: Tenant) -> None:
    """Ten rounds within 50 ms each: every change raises the generation after its own write."""
    tenant.connect()
    tenant.deployment("web")
    for name in ("one", "two"):
        start(operator, tenant, target("Deployment"), name=name)
    for number in range(10):
        before = generation(tenant)
        begun = perf_counter()
        for name in ("one", "two"):
            tenant.put(name, {"round": str(number)})
        assert perf_counter() - begun < 0.2
        for name in ("one", "two"):
            tenant.wait_data(name, round=str(number))
        tenant.wait(partial(restarted_beyond, tenant, before + 2), f"both restarts of round {number}")
    watch = Watch(operator, tenant)
    watch.wait_reads("one", 2)
    assert generation(tenant) == 1 + 2 * 10
    assert watch.writes("deployments") == []


def test_a_missing_target_is_reported_and_restarted_once_it_exists(operator: Operator, tenant: Tenant) -> None:
    """The other targets restart at once, and only once; the one that failed is tried again."""
    tenant.connect()
    tenant.deployment("web")
    watch = start(operator, tenant, target("Deployment"), target("StatefulSet", "late"))
    tenant.put("app", {"user": "bob"})

    def reported() -> Any:
        found = tenant.condition("VaultStaticSecret", "app", "RolloutRestart")
        return found and found["status"] == "False" and found

    found = tenant.wait(reported, "the failure")
    assert found["reason"] == "RolloutRestartTriggeredFailed"
    assert "late" in found["message"]
    assert conditions(tenant.get("VaultStaticSecret", "app"))["SecretSynced"] == "True"
    watch.wait_reads("app", 4)
    assert len(tenant.events("app", "RolloutRestartFailed")) == 1
    tenant.deployment("late", kind="StatefulSet")
    tenant.wait(lambda: stamp(tenant, "StatefulSet", "late"), "the late target to be restarted")
    tenant.wait(lambda: conditions(tenant.get("VaultStaticSecret", "app"))["RolloutRestart"] == "True", "good news")
    watch.wait_reads("app", 3)
    assert generation(tenant) == 2
    assert generation(tenant, "StatefulSet", "late") == 2


def test_a_paused_deployment_is_reported(operator: Operator, tenant: Tenant) -> None:
    """behaviour.md 10, without the dump of the Deployment (I6); good again when it is resumed."""
    tenant.connect()
    tenant.deployment("web", paused=True)
    watch = start(operator, tenant, target("Deployment"))
    tenant.put("app", {"user": "bob"})

    def reported() -> Any:
        found = tenant.condition("VaultStaticSecret", "app", "RolloutRestart")
        return found and found["status"] == "False" and found

    found = tenant.wait(reported, "the failure")
    assert "is paused, cannot restart it" in found["message"]
    assert "registry.invalid" not in found["message"]
    assert (tenant.data("app") or {})["user"] == b"bob"
    tenant.patch("Deployment", "web", {"spec": {"paused": False}})
    tenant.wait(lambda: conditions(tenant.get("VaultStaticSecret", "app"))["RolloutRestart"] == "True", "good news")
    assert stamp(tenant)
    watch.again()
    watch.wait_reads("app", 3)
    assert watch.writes("deployments") == []


def test_with_hmac_off_targets_are_ignored_and_equal_data_is_not_rewritten(operator: Operator, tenant: Tenant) -> None:
    """R23c, R35: no MAC in the status; a changed value is written, and nothing restarts."""
    tenant.connect()
    tenant.deployment("web")
    watch = start(operator, tenant, target("Deployment"), hmacSecretData=False)
    assert "secretMAC" not in tenant.wait_synced("app")["status"]
    watch.wait_reads("app", 5)
    assert watch.writes() == []
    tenant.put("app", {"user": "bob"})
    tenant.wait_data("app", user="bob")
    watch.wait_reads("app", 2)
    assert watch.writes("deployments") == []
    assert "secretMAC" not in tenant.wait_synced("app")["status"]
    tenant.patch("VaultStaticSecret", "app", {"spec": {"hmacSecretData": True}})
    tenant.wait_synced("app")
    tenant.wait(lambda: tenant.wait_synced("app")["status"].get("secretMAC"), "a MAC")
    assert watch.writes("deployments") == []
    tenant.patch("VaultStaticSecret", "app", {"spec": {"hmacSecretData": False}})
    tenant.wait(lambda: "secretMAC" not in tenant.wait_synced("app")["status"], "the MAC to go")
    assert watch.writes("deployments") == []


@pytest.mark.parametrize("pinned", [False, True])
def test_r04_an_unchanged_source_neither_writes_nor_restarts(
    operator: Operator, tenant: Tenant, *, pinned: bool
) -> None:
    """All combinations of HMAC, create and raw, and a template without a result, over 20 refreshes.

    Newer versions come meanwhile.
    """
    tenant.connect()
    tenant.deployment("web")
    tenant.put("source", {"user": "alice"})
    version = {"version": 1} if pinned else {}
    names = []
    for hmac in (True, False):
        for create in (True, False):
            for raw in (True, False):
                name = f"hmac-{hmac}-create-{create}-raw-{raw}".lower()
                names.append(name)
                if not create:
                    tenant.create("Secret", name)
                tenant.sync(
                    name,
                    path="source",
                    hmacSecretData=hmac,
                    rolloutRestartTargets=[target("Deployment")],
                    destination={"create": create, "transformation": {"excludeRaw": not raw}},
                    **version,
                )
    empty = {"templates": {"nothing": {"text": "{{ if .Secrets.absent }}some{{ end }}"}}}
    names.append("empty-template")
    tenant.sync(
        "empty-template",
        path="source",
        rolloutRestartTargets=[target("Deployment")],
        destination={"transformation": empty},
        **version,
    )
    for name in names:
        tenant.wait_synced(name)
    assert (tenant.data("empty-template") or {})["nothing"] == b""
    watch = Watch(operator, tenant)
    if pinned:
        tenant.put("source", {"user": "newer"})
    watch.wait_reads("source", 20)
    assert watch.writes() == []
    assert generation(tenant) == 1
    assert all((tenant.data(name) or {})["user"] == b"alice" for name in names)


def test_a_spec_edit_with_equal_data_restarts_nothing(operator: Operator, tenant: Tenant) -> None:
    """Restart rule: labels, refresh, new targets and another path with the same payload are no reasons."""
    tenant.connect()
    tenant.deployment("web")
    tenant.deployment("new")
    watch = start(operator, tenant, target("Deployment"))
    tenant.put("same", {"user": "alice"})
    for spec in (
        {"refreshAfter": "2s"},
        {"destination": {"labels": {"a": "b"}}},
        {"rolloutRestartTargets": [target("Deployment"), target("Deployment", "new")]},
        {"path": "same"},
    ):
        tenant.patch("VaultStaticSecret", "app", {"spec": spec})
        tenant.wait_synced("app")
    assert watch.writes("deployments") == []
    tenant.put("same", {"user": "bob"})
    tenant.wait(lambda: stamp(tenant) and stamp(tenant, name="new"), "both to be restarted")


def test_an_edit_that_changes_the_payload_restarts(operator: Operator, tenant: Tenant) -> None:
    """Another pinned version, and a filter that drops a key."""
    tenant.connect()
    tenant.deployment("web")
    tenant.put("app", {"user": "old", "more": "1"})
    start(operator, tenant, target("Deployment"))
    tenant.patch("VaultStaticSecret", "app", {"spec": {"version": 1}})
    tenant.wait_data("app", user="old")
    tenant.wait(lambda: generation(tenant) == 2, "the restart")
    transformation = {"excludes": ["more"]}
    tenant.patch("VaultStaticSecret", "app", {"spec": {"destination": {"transformation": transformation}}})
    tenant.wait(lambda: generation(tenant) == 3, "the next restart")
    assert "more" not in (tenant.data("app") or {})


def test_the_first_sync_restarts_nothing_even_over_another_secret(operator: Operator, tenant: Tenant) -> None:
    """api.md 9.3: the MAC was empty before; also with a Secret that is taken over, or filled in place."""
    tenant.connect()
    tenant.deployment("web")
    tenant.create("Secret", "taken", data={"user": "YQ=="})
    tenant.create("Secret", "filled", data={"user": "YQ=="})
    watch = Watch(operator, tenant)
    for name, destination in (("taken", {"overwrite": True}), ("filled", {"create": False})):
        start(operator, tenant, target("Deployment"), name=name, destination=destination)
        status = tenant.wait_synced(name)["status"]
        assert status["secretMAC"] == secret_mac(tenant.cluster, tenant.data(name) or {})
    watch.wait_reads("filled", 2)
    assert watch.writes("deployments") == []
