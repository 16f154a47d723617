"""What the controller of VaultDynamicSecrets does when others interfere: on a cluster and a Vault in memory."""

from asyncio import CancelledError
from datetime import timedelta
from typing import Any

import pytest

from tests.unit.controllers.bench import KEY, DynamicBench, RotatedBench, fail_once
from vso.apis import core, names
from vso.vault import Denied, ServerFault

STATUS = "patch VaultDynamicSecret/status"


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
        await bench.settled()
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
        await bench.settled()
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


@pytest.mark.parametrize("edit", [{"path": "creds/forbidden"}, {"refreshAfter": "soon"}], ids=str)
async def test_a_lease_in_force_is_renewed_while_something_else_fails(edit: Any) -> None:
    """A mistake in the resource keeps new credentials away; those in the Secret work until it is mended."""
    async with DynamicBench.opened() as bench:
        await bench.settled()
        bench.vault.error = Denied("permission denied", status=403)
        bench.cluster.change("VaultDynamicSecret", "web", metadata={"generation": 2}, spec=edit)
        bench.tell()
        ends = bench.vault.duration
        while bench.clock.monotonic() < 3600:
            answer = await bench.reconcile()
            bench.tell()
            assert answer.delay is not None
            await bench.clock.advance(answer.delay)
            if renewals := len(bench.vault.renewed):
                ends = bench.vault.renewed_at + bench.vault.duration
            assert bench.clock.monotonic() < ends
        assert set(bench.vault.renewed) == {"lease-1"}
        assert renewals < 3600 / (0.66 * bench.vault.duration)
        assert bench.condition("Ready") == "False Ready"
        assert len(await bench.told("SecretSyncError")) == 1


async def test_a_renewal_that_fails_beside_another_failure_makes_no_haste() -> None:
    """Both are refused: the resource is tried as seldom as any other that fails."""
    async with DynamicBench.opened() as bench:
        await bench.settled()
        bench.vault.error = bench.vault.refusal = Denied("permission denied", status=403)
        bench.cluster.change("VaultDynamicSecret", "web", metadata={"generation": 2}, spec={"path": "creds/forbidden"})
        bench.tell()
        attempts, begun = 0, 410.0
        await bench.clock.advance(begun)
        while bench.clock.monotonic() < begun + 600:
            answer = await bench.reconcile()
            bench.tell()
            attempts += 1
            await bench.clock.advance(answer.delay or 600)
        assert attempts <= 30


@pytest.mark.parametrize("ahead", [timedelta(hours=-1), timedelta(), timedelta(hours=1)], ids=str)
async def test_a_deletion_waits_half_a_minute_for_a_revocation_whatever_the_clock_says(ahead: timedelta) -> None:
    """The operator's clock may differ from that of the API server, which says when the deletion was asked for."""
    async with DynamicBench.opened(revoke=True) as bench:
        await bench.settled()
        bench.vault.refusal = ServerFault("out of order", status=500)
        asked = (bench.clock.now() - ahead).isoformat().replace("+00:00", "Z")
        bench.cluster.change("VaultDynamicSecret", "web", metadata={"deletionTimestamp": asked})
        bench.tell()
        begun = bench.clock.monotonic()
        while bench.web().metadata.finalizers and bench.clock.monotonic() < begun + 60:
            answer = await bench.reconcile()
            await bench.clock.advance(answer.delay or 0.0)
        assert 25 < bench.clock.monotonic() - begun < 40


async def test_a_new_term_holds_no_token_of_an_attempt_that_the_former_one_did_not_end() -> None:
    """Another leader may have made the lease since: what it hangs on is what the status says."""
    async with DynamicBench.opened() as bench:

        def lose_leadership(what: str) -> None:
            raise CancelledError

        bench.cluster.afterwards = lose_leadership
        with pytest.raises(CancelledError):
            await bench.reconcile()
        assert bench.clients.held(KEY) is not None
        bench.controller.begin_term()
        assert bench.clients.held(KEY) is None


async def test_a_lease_that_leadership_is_lost_over_before_it_is_on_record_is_revoked() -> None:
    """Nobody else knows of it, and no Secret has it."""
    async with DynamicBench.opened() as bench:

        def lose_leadership(what: str) -> None:
            if what == STATUS:
                raise CancelledError

        bench.cluster.meanwhile = lose_leadership
        with pytest.raises(CancelledError):
            await bench.reconcile()
        assert bench.vault.revoked == ["lease-1"]


async def test_a_resource_that_is_made_anew_takes_nothing_over_from_the_one_before() -> None:
    """Its lease is on no record, so nobody would renew it: new credentials are asked for."""
    async with DynamicBench.opened() as bench:
        await bench.settled()
        bench.make_anew()
        await bench.reconcile()
        bench.tell()
        assert bench.web().status.secret_lease.id == "lease-2"
        assert bench.web().status.vault_client_meta.cache_key
        assert bench.condition("Ready") == "True Ready"


async def test_each_lease_of_a_deleted_resource_is_revoked_and_told_once() -> None:
    """Though another one of it has to be tried again and again."""
    async with DynamicBench.opened(revoke=True) as bench:
        await bench.settled()
        bench.vault.stuck = "lease-0"
        old = {"id": "lease-0", "after": 0, "expires": 0}
        deleted = {"deletionTimestamp": "2026-01-01T00:00:00Z"}
        bench.cluster.change("VaultDynamicSecret", "web", metadata=deleted, status={"extensions": {"toRevoke": [old]}})
        bench.tell()
        while bench.web().metadata.finalizers:
            answer = await bench.reconcile()
            await bench.clock.advance(answer.delay or 0.0)
        assert bench.vault.revoked == ["lease-1"]
        assert (await bench.told("SecretLeaseRevoke")).count("Lease revoked") == 1
