"""R29: nothing waits for what is missing or silent, and namespaces go when they are asked to."""

from functools import partial
from typing import Final

import pytest

from testenv import Cluster, InThread, OpenBao, Silence
from testenv.waiting import seconds
from tests.faults.lab import items, many, wait_all_synced, wait_slowly
from tests.support import operator as harness
from tests.support.operator import Operator
from tests.support.tenant import Tenant, new_tenant


def gone(tenant: Tenant, kind: str, name: str) -> bool:
    """Whether the object does not exist any more."""
    return tenant.get(kind, name) is None


LONGEST: Final = 60.0
"""Seconds within which a namespace must be gone (R29)."""


def test_r29_broken_connections_do_not_delay_healthy_ones(operator: Operator, tenant: Tenant) -> None:
    """Forty VaultAuths without a connection, ten black holes with resources behind them: others sync at once."""
    with InThread(tenant.bao.address) as hole:
        hole.set(Silence())
        for number in range(10):
            tenant.create("VaultConnection", f"hole{number}", spec={"address": hole.url})
            tenant.create("VaultAuth", f"hole{number}", spec=tenant.auth_spec(vaultConnectionRef=f"hole{number}"))
            many(tenant, 5, prefix=f"hole{number}-", vaultAuthRef=f"hole{number}")
        for number in range(40):
            tenant.create("VaultAuth", f"lost{number}", spec=tenant.auth_spec(vaultConnectionRef="nowhere"))
            tenant.sync(f"lost{number}", vaultAuthRef=f"lost{number}")
        tenant.connect()
        tenant.put("app", {"user": "alice"})
        started = seconds()
        names = many(tenant, 10, prefix="healthy")
        for name in names:
            tenant.wait_synced(name, timeout=5)
        assert seconds() - started < 5
        tenant.wait_failed("lost39", f"VaultConnection {tenant.namespace}/nowhere")
        deleted = seconds()
        for kind, name in (("VaultAuth", "hole0"), ("VaultConnection", "hole0"), ("VaultStaticSecret", "hole0-0")):
            tenant.delete(kind, name)
            tenant.wait(partial(gone, tenant, kind, name), f"{kind} {name} to be gone")
        assert seconds() - deleted < 5


def test_r29_a_namespace_goes_although_vault_swallows_everything(
    operator: Operator, cluster: Cluster, bao: OpenBao
) -> None:
    """Fifty resources with their VaultAuth and VaultConnection are gone within a minute, and nobody asks for more."""
    tenant = new_tenant(cluster, bao)
    with InThread(bao.address) as proxy:
        fill(tenant, proxy.url, 50)
        proxy.set(Silence())
        wait_gone(tenant)


def test_r29_a_namespace_goes_without_any_operator(
    team: Tenant, arena: Cluster, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Nothing there has to be revoked, so no finalizer waits for an operator that may be gone for good."""
    with harness.running(arena, tmp_path_factory.mktemp("operator"), "--leader-elect=false"):
        fill(team, team.bao.address, 20)
        for kind in ("VaultConnection", "VaultAuth", "VaultStaticSecret"):
            assert [one["metadata"].get("finalizers") for one in items(team, kind)].count(None) == len(
                items(team, kind)
            )
    wait_gone(team)
    arena.create_namespace(team.namespace)


def fill(tenant: Tenant, address: str, count: int) -> None:
    """VaultConnection, VaultAuth, and `count` resources in sync."""
    tenant.connect(address=address, timeout="3s")
    tenant.put("app", {"user": "alice"})
    many(tenant, count)
    wait_all_synced(tenant)


def wait_gone(tenant: Tenant) -> None:
    """Delete the namespace and wait for its end."""
    tenant.cluster.request("DELETE", f"/api/v1/namespaces/{tenant.namespace}")
    gone = f"/api/v1/namespaces?fieldSelector=metadata.name={tenant.namespace}"
    wait_slowly(lambda: not tenant.cluster.request("GET", gone)["items"], "the namespace to be gone", LONGEST)
