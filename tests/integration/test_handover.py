"""Taking over from the original and giving back, and starting again over what is in sync."""

from base64 import b64decode
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.support.database import Database
from tests.support.evidence import Watch, conditions, hmac_key, secret_mac
from tests.support.operator import Operator
from tests.support.tenant import Json, Tenant

FINALIZER = "vaultstaticsecret.secrets.hashicorp.com/finalizer"


@contextmanager
def stopped(operator: Operator) -> Iterator[None]:
    """While the shared operator does not run."""
    operator.stop()
    try:
        yield
    finally:
        operator.start()


def as_the_original_left_it(tenant: Tenant, name: str, **status: Any) -> None:
    """Strip what only we write, and add what only the original writes."""
    resource = tenant.get("VaultStaticSecret", name) or {}
    old = resource["status"]
    conditions = [{**one, "lastTransitionTime": "2026-01-01T00:00:00Z"} for one in old["conditions"]]
    body = {**old, "extensions": None, "conditions": conditions, **status}
    path = f"{tenant.path('VaultStaticSecret', name)}/status"
    tenant.cluster.request("PATCH", path, {"status": body}, content_type="application/merge-patch+json")
    tenant.patch("VaultStaticSecret", name, {"metadata": {"finalizers": [FINALIZER]}})


def prepared(tenant: Tenant, **spec: Any) -> Json:
    """A synced resource with a workload."""
    tenant.connect()
    tenant.put("app", {"user": "alice", "n": 5})
    tenant.deployment("web")
    tenant.sync("app", rolloutRestartTargets=[{"kind": "Deployment", "name": "web"}], **spec)
    return tenant.wait_synced("app")


def test_an_operator_that_starts_over_what_is_in_sync_writes_nothing(operator: Operator, tenant: Tenant) -> None:
    """Paged lists only; each resource is read once, within its interval (regressions R01, R35)."""
    prepared(tenant)
    with stopped(operator):
        watch = Watch(operator, tenant)
    watch.wait_reads("app", 2)
    assert watch.requests() == []


@pytest.mark.parametrize("conditions_kept", [True, False])
def test_what_the_original_left_is_taken_over_without_a_write_or_a_restart(
    operator: Operator, tenant: Tenant, conditions_kept: bool
) -> None:
    """Labels, owner, MAC and key are the original's; its finalizer goes, the status is completed."""
    prepared(tenant)
    with stopped(operator):
        more = {} if conditions_kept else {"conditions": None}
        as_the_original_left_it(tenant, "app", **more)
        watch = Watch(operator, tenant)
    tenant.wait(lambda: "finalizers" not in (tenant.get("VaultStaticSecret", "app") or {})["metadata"], "no finalizer")
    watch.wait_reads("app", 2)
    assert watch.writes("secrets") == []
    assert watch.writes("deployments") == []
    found = conditions(tenant.get("VaultStaticSecret", "app"))
    assert found == {"SecretSynced": "True", "Healthy": "True", "Ready": "True"}


def test_a_change_after_a_take_over_restarts_once(operator: Operator, tenant: Tenant) -> None:
    """The live Secret is the record of what workloads run with."""
    prepared(tenant)
    with stopped(operator):
        as_the_original_left_it(tenant, "app")
        tenant.put("app", {"user": "bob"})
        watch = Watch(operator, tenant)
    tenant.wait_data("app", user="bob")
    tenant.wait_synced("app")
    watch.wait_reads("app", 2)
    assert watch.writes("secrets") == ["patch secrets"]
    assert watch.writes("deployments") == ["patch deployments"]


def test_the_mac_in_the_status_is_the_originals(operator: Operator, tenant: Tenant) -> None:
    """Computed here from the key Secret and the data, as the original does."""
    resource = prepared(tenant)
    data = tenant.data("app") or {}
    assert resource["status"]["secretMAC"] == secret_mac(tenant.cluster, data)
    assert len(hmac_key(tenant.cluster)) == 16


def test_r23_a_lost_hmac_key_costs_neither_a_write_nor_a_restart(operator: Operator, tenant: Tenant) -> None:
    """MACs of the old key mean: compare with the live Secret."""
    before = prepared(tenant)["status"]["secretMAC"]
    watch = restart_without_key(operator, tenant)
    tenant.wait(
        lambda: (tenant.get("VaultStaticSecret", "app") or {})["status"]["secretMAC"] != before, "a MAC of the new key"
    )
    watch.wait_reads("app", 2)
    assert watch.writes("secrets") == []
    assert watch.writes("deployments") == []


def restart_without_key(operator: Operator, tenant: Tenant) -> Watch:
    """Start the operator anew, over a key Secret that was deleted meanwhile; what it asks from then on."""
    with stopped(operator):
        path = "/api/v1/namespaces/vault-secrets-operator-system/secrets/vso-cc-storage-hmac-key"
        old = tenant.cluster.request("GET", path)["data"]["key"]
        tenant.cluster.request("DELETE", path)
        watch = Watch(operator, tenant)
    assert hmac_key(tenant.cluster) != b64decode(old)
    return watch


def test_r23_a_lost_hmac_key_costs_certificates_and_static_roles_nothing(
    operator: Operator, database: Database
) -> None:
    """No write, no restart and no new certificate, though each static role is read again."""
    tenant, pki = database.tenant, f"pki-{database.tenant.namespace}"
    admin = tenant.bao.admin
    admin.enable_pki(pki, "Test CA")
    admin.pki_role(pki, "web")
    mounts = (tenant.mount, database.mount, pki)
    admin.policy(
        tenant.namespace, "\n".join(f'path "{one}/*" {{ capabilities = ["read", "update"] }}' for one in mounts)
    )
    secrets = {"VaultPKISecret": "web", "VaultDynamicSecret": "role"}
    targets = {name: [{"kind": "Deployment", "name": name}] for name in secrets.values()}
    for name in targets:
        tenant.deployment(name)
    database.static_role("role", rotation_period="24h")
    tenant.certify("web", mount=pki, role="web", rolloutRestartTargets=targets["web"])
    often = {"refreshAfter": "2s", "renewalPercent": 40, "allowStaticCreds": False}
    database.ask_static("role", role="role", rolloutRestartTargets=targets["role"], **often)
    before = {kind: tenant.wait_synced(name, kind=kind)["status"] for kind, name in secrets.items()}
    watch = restart_without_key(operator, tenant)
    path = f"{database.mount}/static-creds/role"
    tenant.wait(
        lambda: sum(one.path == path for one in tenant.bao.requests(since=watch.vault)) >= 3, "three reads of the role"
    )
    assert watch.writes("secrets") == []
    assert watch.writes("deployments") == []
    assert tenant.status("VaultPKISecret", "web")["serialNumber"] == before["VaultPKISecret"]["serialNumber"]
    assert [one for one in tenant.bao.requests(since=watch.vault) if one.path == f"{pki}/issue/web"] == []
    admin.delete(f"sys/mounts/{pki}")


def test_an_empty_transformation_left_in_the_spec_is_accepted(operator: Operator, tenant: Tenant) -> None:
    """The original's whole-object writes add it."""
    prepared(tenant, destination={"transformation": {}})


def test_r07_last_generation_moves_only_after_success(operator: Operator, tenant: Tenant) -> None:
    """An edit that cannot be synced is not marked as done; mended, it is."""
    first = prepared(tenant)
    tenant.patch("VaultStaticSecret", "app", {"spec": {"path": "nowhere"}})
    tenant.wait_failed("app", "nowhere")
    failed = tenant.get("VaultStaticSecret", "app") or {}
    assert failed["status"]["lastGeneration"] == first["metadata"]["generation"]
    assert failed["status"]["secretMAC"] == first["status"]["secretMAC"]
    assert conditions(failed) == {"SecretSynced": "False", "Healthy": "False", "Ready": "False"}
    assert (tenant.data("app") or {})["user"] == b"alice"
    tenant.patch("VaultStaticSecret", "app", {"spec": {"path": "app"}})
    healed = tenant.wait_synced("app")
    assert healed["status"]["lastGeneration"] == healed["metadata"]["generation"]


def test_r07_the_time_of_a_transition_moves_with_the_status_alone(operator: Operator, tenant: Tenant) -> None:
    """A steady state writes nothing, whatever the random horizon; a rotation leaves the time where it was."""
    first = prepared(tenant)
    tenant.put("app", {"user": "bob"})
    tenant.wait_data("app", user="bob")
    second = tenant.wait_synced("app")

    def times(resource: Json) -> dict[str, str]:
        return {one["type"]: one["lastTransitionTime"] for one in resource["status"]["conditions"]}

    kept = {name: time for name, time in times(second).items() if name != "RolloutRestart"}
    assert kept == times(first)
