"""R16: many static roles that fall due in the same second."""

import os
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Final

from testenv import Cluster, Postgres
from testenv.waiting import seconds
from tests.faults.gateway import Gateway
from tests.faults.lab import ALONE, items, wait_slowly
from tests.support import operator as harness
from tests.support.database import KIND, new_database, remove_database
from tests.support.evidence import timed
from tests.support.tenant import Json, Tenant

ROLES: Final = int(os.environ.get("VSO_TEST_ROLES", "300"))
PERIOD: Final = 60
MOST_READS: Final = 10
"""Of one resource within any ten seconds."""


def test_r16_many_roles_on_one_schedule_do_not_storm_the_server(
    team: Tenant, arena: Cluster, postgres: Postgres, tmp_path: Path
) -> None:
    """Over a rotation each is read a few times, and another resource syncs within five seconds meanwhile."""
    base = new_database(team, postgres)
    names = [f"r{number}" for number in range(ROLES)]
    with Gateway(team.bao.address) as gate, harness.running(arena, tmp_path, *ALONE):
        team.connect(address=gate.url)
        begun = seconds()
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(partial(base.static_role, rotation_period=f"{PERIOD}s"), names))
            print(f"{ROLES} roles: {seconds() - begun:.1f} s")
            list(pool.map(lambda name: base.ask_static(name, role=name), names))
        wait_slowly(lambda: len(rotations(team)) == ROLES, "all to be in sync", 120)
        before = rotations(team)
        wait_slowly(lambda: sum(one != before[name] for name, one in rotations(team).items()) > 0, "a rotation", 90)
        team.put("probe", {"user": "alice"})
        team.sync("probe")
        timed("another resource", lambda: team.wait_synced("probe", timeout=5), limit=5)
        wait_slowly(lambda: all(one != before[name] for name, one in rotations(team).items()), "all rotations", 90)
        for name in names:
            reads = [seen for seen in gate.seen("GET", "/static-creds/") if seen.target.endswith(f"/{name}")]
            assert len(reads) <= MOST_READS
        assert base.works(names[0])
    remove_database(base)


def rotations(team: Tenant) -> dict[str, int]:
    """The last rotation of each resource that has one in its status."""
    return {
        one["metadata"]["name"]: meta["lastVaultRotation"]
        for one in items(team, KIND)
        if (meta := found(one)) and meta.get("lastVaultRotation")
    }


def found(resource: Json) -> Json:
    """What the status says of the credentials."""
    meta: Json = resource.get("status", {}).get("staticCredsMetaData", {})
    return meta
