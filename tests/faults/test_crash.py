"""An operator that is killed at random moments loses nothing and does nothing twice."""

from functools import partial
from pathlib import Path
from random import Random
from typing import Final

from testenv import Cluster
from tests.faults.lab import FLAGS, wait_all_synced, wait_slowly
from tests.support import operator as harness
from tests.support.tenant import Tenant

SECRETS: Final = 25
ROUNDS: Final = 20
KILLS: Final = 8


def test_killed_at_random_moments_during_500_changes_it_ends_with_the_truth(
    team: Tenant, arena: Cluster, tmp_path: Path
) -> None:
    """Every Secret equals Vault in the end, and no workload was restarted more often than its payload changed."""
    rng = Random(20261123)
    team.connect()
    names = [f"s{number}" for number in range(SECRETS)]
    kills = set(rng.sample(range(1, ROUNDS), KILLS))
    with harness.running(arena, tmp_path, "--leader-elect=false", *FLAGS) as operator:
        for name in names:
            team.deployment(name)
            team.put(name, {"value": "0"})
            target = {"kind": "Deployment", "name": name}
            team.sync(name, rolloutRestartTargets=[target], destination={"transformation": {"excludeRaw": True}})
        wait_all_synced(team)
        mark = arena.audit_mark()
        for number in range(1, ROUNDS + 1):
            halfway = rng.randrange(SECRETS)
            for index, name in enumerate(names):
                team.put(name, {"value": str(number)})
                if number in kills and index == halfway:
                    operator.kill()
            if number in kills:
                operator.launch()
            else:
                # It works on between two kills, so that these hit it at all sorts of moments.
                name = rng.choice(names)
                wait_slowly(partial(holds, team, name, str(number)), f"{name} to follow")
        for name in names:
            wait_slowly(partial(holds, team, name, str(ROUNDS)), f"{name} to hold the last value")
        wait_all_synced(team)
        done = operator.requests(mark)
    for name in names:
        mine = [one for one in done if (one.namespace, one.name) == (team.namespace, name) and one.code < 300]
        writes = [one for one in mine if one.resource == "secrets" and one.verb in {"patch", "create"}]
        restarts = [one for one in mine if one.resource == "deployments" and one.verb == "patch"]
        assert 1 <= len(restarts) <= len(writes) <= ROUNDS, name


def holds(tenant: Tenant, name: str, value: str) -> bool:
    """Whether the Secret has this value."""
    return (tenant.data(name) or {}).get("value", b"").decode() == value
