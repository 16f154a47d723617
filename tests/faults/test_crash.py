"""An operator that is killed at random moments loses nothing and does nothing twice."""

from functools import partial
from pathlib import Path
from random import Random
from typing import Final

from testenv import Cluster
from tests.faults.gateway import Gateway, Rule, Where
from tests.faults.lab import ALONE, changes, wait_all_synced, wait_slowly
from tests.support import operator as harness
from tests.support.operator import Operator
from tests.support.tenant import Json, Tenant

SECRETS: Final = 25
ROUNDS: Final = 20
KILLS: Final = 8
STEPS: Final = {
    "put": "/secrets/{name}",
    "roll": "/deployments/{name}",
    "tell": "/vaultstaticsecrets/{name}/status",
}
"""The requests of a change, in order: the path of each."""
MOVED: Final = "moved-"


def test_killed_at_random_moments_during_500_changes_it_ends_with_the_truth(
    team: Tenant, arena: Cluster, tmp_path: Path
) -> None:
    """Every Secret equals Vault in the end, and no workload was restarted more often than its payload changed."""
    rng = Random(20261123)
    team.connect()
    names = [f"s{number}" for number in range(SECRETS)]
    kills = set(rng.sample(range(1, ROUNDS), KILLS))
    with harness.running(arena, tmp_path, *ALONE) as operator:
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
        for name in names:
            done = changes(operator, team, name, mark)
            assert 1 <= done.count("deployments") <= done.count("secrets") <= ROUNDS, name
            assert done[-1] == "deployments", name


def test_killed_at_each_step_of_a_change_it_restarts_for_it_once_and_for_the_last_value(
    team: Tenant, arena: Cluster, tmp_path: Path
) -> None:
    """A stop on either side of the server for each request of a change; nothing but the start tells of what is open.

    Each of these once more with a value that moves on, and is asked for, while no operator runs.
    """
    stops = [(word, where) for word in STEPS for where in Where]
    names = {f"{begin}{word}-{where.name.lower()}": (word, where) for begin in ("", MOVED) for word, where in stops}
    with (
        Gateway(arena.server, authority=arena.authority) as gate,
        harness.running(arena, tmp_path, *ALONE, server=gate.url) as operator,
    ):
        team.connect()
        for name in names:
            team.deployment(name)
            team.put(name, {"value": "0"})
            team.sync(name, refreshAfter="1h", rolloutRestartTargets=[{"kind": "Deployment", "name": name}])
        wait_all_synced(team)
        mark = arena.audit_mark()
        rules = [
            gate.add(Rule("PATCH", STEPS[word].format(name=name), hold=where)) for name, (word, where) in names.items()
        ]
        for name in names:
            team.put(name, {"value": "1"})
            team.patch("VaultStaticSecret", name, refresh("1"))
        for rule in rules:
            rule.wait()
        operator.kill()
        gate.heal()
        for name in names:
            if name.startswith(MOVED):
                team.put(name, {"value": "2"})
                team.patch("VaultStaticSecret", name, refresh("2"))
        operator.start()
        for name in names:
            value = "2" if name.startswith(MOVED) else "1"
            wait_slowly(partial(restarted, operator, team, name, mark, value), f"{name} to be restarted for {value}")
        wait_all_synced(team)
        for name, (word, where) in names.items():
            # Who ran with the first value already is restarted for the second as well.
            ran = (word, where) not in {("put", Where.BEFORE), ("put", Where.AFTER), ("roll", Where.BEFORE)}
            done = changes(operator, team, name, mark)
            assert done.count("deployments") == (2 if ran and name.startswith(MOVED) else 1), (name, done)
            assert done[-1] == "deployments", (name, done)


def refresh(value: str) -> Json:
    """Asks for one more read of Vault."""
    return {"metadata": {"annotations": {"vault-secrets-operator.github.io/refresh": value}}}


def restarted(operator: Operator, team: Tenant, name: str, since: int, value: str) -> bool:
    """Whether the Secret has the value, and the workload was restarted after that."""
    return holds(team, name, value) and changes(operator, team, name, since)[-1:] == ["deployments"]


def holds(tenant: Tenant, name: str, value: str) -> bool:
    """Whether the Secret has this value."""
    return (tenant.data(name) or {}).get("value", b"").decode() == value
