"""R01 and R35: one process ends, another begins, and nothing that is in sync is touched."""

import re
from collections.abc import Callable, Collection
from functools import partial
from pathlib import Path
from typing import Final

import pytest

from testenv import Cluster, Postgres
from tests.faults.lab import ALONE, replicas, wait_all_synced, wait_leading
from tests.support import operator as harness
from tests.support import stored
from tests.support.database import KIND, Database, new_database, remove_database
from tests.support.evidence import Watch, wait_quiet
from tests.support.operator import Operator
from tests.support.tenant import Tenant

RESOURCES: Final = 20
NAMES: Final = [f"s{number}" for number in range(RESOURCES)]
TAKE_OVERS: Final = 3
REFRESH: Final = "vault-secrets-operator.github.io/refresh"

End = Callable[[Operator], object]


@pytest.mark.parametrize("end", [Operator.stop, Operator.kill])
def test_r01_a_successor_finds_nothing_to_write_and_nothing_to_restart(
    team: Tenant, arena: Cluster, tmp_path: Path, end: End
) -> None:
    """Twenty with a workload each, after a clean end and after kill -9."""
    with harness.running(arena, tmp_path, *ALONE) as operator:
        watch = prepare(team, operator)
        end(operator)
        operator.start()
        assert_left_alone(team, watch)
        assert_works(team)


def test_r01_a_waiting_replica_finds_nothing_to_write_and_nothing_to_restart(
    team: Tenant, arena: Cluster, postgres: Postgres, tmp_path: Path
) -> None:
    """It has watched all the while, and leads once the dead one's lease is over; it renews the leases it finds."""
    base = new_database(team, postgres)
    with replicas(arena, tmp_path, "--client-cache-persistence-model=direct-unencrypted") as (first, second):
        watch = prepare(team, first)
        lease = with_lease(base)
        watch.again()
        first.kill()
        wait_leading(arena, second)
        # A stored login is used only while the ServiceAccount is the one that it was made with.
        assert_left_alone(team, watch, besides={"get serviceaccounts"})
        team.patch(KIND, "db", {"metadata": {"annotations": {REFRESH: "1"}}})
        refreshed = partial(base.status, "db")
        team.wait(lambda: refreshed().get("extensions", {}).get("refreshed") == "1", "the lease to be renewed")
        assert base.leases() == [lease] == [base.lease_id("db")]
        assert base.works("db")
        assert deployment(team, "db")["metadata"]["generation"] == 1
        assert_works(team)
    remove_database(base)


def with_lease(base: Database) -> str:
    """Credentials in sync, with a workload, under a login that is stored; the lease."""
    team = base.tenant
    base.role(ttl="1h")
    team.deployment("db")
    base.ask("db", rolloutRestartTargets=[{"kind": "Deployment", "name": "db"}])
    base.wait_synced("db")
    team.wait(lambda: stored.entry_of(team), "the login to be stored")
    wait_quiet(team)
    return base.lease_id("db")


def prepare(team: Tenant, operator: Operator) -> Watch:
    """Resources in sync, each with a workload."""
    team.connect()
    for name in NAMES:
        team.put(name, {"user": "alice"})
        team.deployment(name)
        team.sync(name, refreshAfter="2s", rolloutRestartTargets=[{"kind": "Deployment", "name": name}])
    wait_all_synced(team)
    return Watch(operator, team)


def assert_left_alone(team: Tenant, watch: Watch, besides: Collection[str] = ()) -> None:
    """After two reads of each by the successor nothing is written, restarted or told."""
    watch.vault = team.bao.mark()
    for name in NAMES:
        team.wait(partial(read_twice, watch, name), f"two reads of {name}")
    assert [one for one in watch.requests() if one not in besides] == []
    assert [one["metadata"]["generation"] for one in map(partial(deployment, team), NAMES)] == [1] * RESOURCES


def read_twice(watch: Watch, name: str) -> bool:
    """Whether it has been."""
    return watch.reads(name) >= 2


def deployment(team: Tenant, name: str) -> dict[str, dict[str, int]]:
    """The workload."""
    return team.get("Deployment", name) or {}


def assert_works(team: Tenant) -> None:
    """A change is written, and restarts its workload once."""
    team.put(NAMES[0], {"user": "bob"})
    team.wait_data(NAMES[0], user="bob")
    team.wait(lambda: deployment(team, NAMES[0])["metadata"]["generation"] == 2, "the restart")


def test_r35_three_take_overs_cost_resources_without_interval_nothing(
    team: Tenant, arena: Cluster, tmp_path: Path
) -> None:
    """Unset and 0s mean the same: with MACs a read a minute at most, without them none; no write, no event."""
    with harness.running(arena, tmp_path, *ALONE) as operator:
        team.connect()
        names = {True: ["mac-unset", "mac-zero"], False: ["unset", "zero"]}
        for macs, (unset, zero) in names.items():
            for name, refresh in ((unset, None), (zero, "0s")):
                team.put(name, {"user": "alice"})
                team.sync(name, hmacSecretData=macs, refreshAfter=refresh)
        wait_all_synced(team)
        for name in names[True]:
            assert 48 <= horizon(team, name) <= 54
        watch = Watch(operator, team)
        for number in range(TAKE_OVERS):
            operator.kill()
            operator.start()
            probe(team, f"probe{number}")
        for name in names[False]:
            assert watch.reads(name) == 0
        for name in names[True]:
            # The first read falls anywhere in the first interval, which is longer than all this takes.
            assert watch.reads(name) <= TAKE_OVERS
        mine = {one for pair in names.values() for one in pair}
        assert [name for name in mine if watch.requests(name)] == []
        for name in mine:
            team.delete("Secret", name)
        for name in mine:
            team.wait_data(name, user="alice")
        assert {watch.reads(name) for name in names[False]} == {1}


def horizon(team: Tenant, name: str) -> float:
    """Seconds until the next read, as the status says."""
    message = (team.condition("VaultStaticSecret", name, "SecretSynced") or {})["message"]
    found = re.search(r"horizon=([0-9.]+)s", message)
    assert found, message
    return float(found[1])


def probe(team: Tenant, name: str) -> None:
    """Another resource in sync: what was due at the start has been done before."""
    team.put(name, {"user": "alice"})
    team.sync(name, refreshAfter="1h")
    team.wait_synced(name)
    wait_quiet(team)
