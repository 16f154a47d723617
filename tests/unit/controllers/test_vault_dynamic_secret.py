"""What the controller of VaultDynamicSecrets does when others interfere: on a cluster and a Vault in memory."""

from typing import Any

import pytest

from tests.unit.controllers.bench import Bench, DynamicBench, RotatedBench, fail_once
from vso.apis import core, names

STATUS = "patch VaultDynamicSecret/status"


async def settled(bench: Bench) -> None:
    """The first sync, told by the watches; requests are counted from here on."""
    for _ in range(2):
        await bench.reconcile()
        bench.tell()
    bench.cluster.asked.clear()


@pytest.mark.parametrize(
    "edit",
    [
        {"metadata": {"annotations": {names.ROTATE: "1"}}},
        {"metadata": {"generation": 2}, "spec": {"path": "creds/other"}},
    ],
    ids=str,
)
async def test_credentials_that_arrived_unseen_are_those_in_use(edit: Any) -> None:
    """The answer to the write of the Secret was lost, and its watch lags: no second lease, and one restart."""
    async with DynamicBench.opened(rolloutRestartTargets=[{"kind": "Deployment", "name": "web"}]) as bench:
        bench.cluster.put("Deployment", "web", {"spec": {"template": {"metadata": {}}}})
        await settled(bench)
        bench.cluster.change("VaultDynamicSecret", "web", **edit)
        bench.tell()
        bench.cluster.afterwards = fail_once("patch Secret")
        await bench.reconcile()
        await bench.clock.advance(60)
        await bench.reconcile()
        assert (bench.cluster.read(core.SECRET).data or {})["username"] == b"user-2"
        assert bench.web().status.secret_lease.id == "lease-2"
        assert bench.vault.revoked == []
        assert bench.vault.reads == 2
        assert bench.cluster.asked.count("patch Deployment") == 1


async def test_a_rotation_restarts_once_although_the_status_was_not_written() -> None:
    """The Secret is as the new password wants it, and the workload knows; only the status does not."""
    async with RotatedBench.opened() as bench:
        bench.cluster.put("Deployment", "web", {"spec": {"template": {"metadata": {}}}})
        await settled(bench)
        await bench.clock.advance(86_402)
        bench.vault.rotate()
        bench.cluster.meanwhile = fail_once(STATUS)
        await bench.reconcile()
        bench.tell()
        assert bench.cluster.asked.count("patch Deployment") == 1
        await bench.clock.advance(60)
        await bench.reconcile()
        bench.tell()
        assert bench.condition("Ready") == "True Ready"
        assert bench.cluster.asked.count("patch Deployment") == 1
