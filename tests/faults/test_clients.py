"""R14: clients that are replaced or evicted fail nobody's request."""

import json
from collections import Counter
from itertools import count
from pathlib import Path
from typing import Final

from testenv import Cluster, Delay, InThread
from testenv.waiting import attempts
from tests.faults.lab import ALONE, items, logins, message, reads, wait_all_synced
from tests.support import operator as harness
from tests.support.evidence import wait_quiet
from tests.support.operator import Operator
from tests.support.tenant import Tenant

IDENTITIES: Final = 20
ROUNDS: Final = 3
"""Reads of each resource while its client is replaced again and again."""
LATENCY: Final = 0.1
"""Seconds that each piece of data takes, so that requests are in flight at any moment."""


def test_r14_twenty_identities_with_room_for_two_fail_no_request(team: Tenant, arena: Cluster, tmp_path: Path) -> None:
    """Each login pushes another one out, and the VaultAuths are edited all the while."""
    with InThread(team.bao.address) as proxy, harness.running(arena, tmp_path, "--client-cache-size=2", *ALONE) as it:
        names = prepare(team, proxy)
        mark, numbers = team.bao.mark(), count()
        for _ in attempts(30, interval=0.1):
            number = next(numbers)
            headers = {"headers": {"X-Round": str(number)}}
            team.patch("VaultAuth", names[number % IDENTITIES], {"spec": headers})
            if fewest_reads(team, names, mark) >= ROUNDS:
                break
        assert fewest_reads(team, names, mark) >= ROUNDS
        assert len(logins(team.bao, "kubernetes", mark)) > IDENTITIES
        assert failures(team, it, mark) == []
        follow(team, names)


def test_r14_an_edited_connection_fails_no_request_in_flight(team: Tenant, arena: Cluster, tmp_path: Path) -> None:
    """What left through the former connection still gets its answer."""
    with InThread(team.bao.address) as proxy, harness.running(arena, tmp_path, *ALONE) as it:
        names = prepare(team, proxy)
        mark, numbers = team.bao.mark(), count()
        for _ in attempts(30, interval=0.3):
            team.patch("VaultConnection", "vault", {"spec": {"headers": {"X-Round": str(next(numbers))}}})
            if fewest_reads(team, names, mark) >= ROUNDS:
                break
        assert fewest_reads(team, names, mark) >= ROUNDS
        assert failures(team, it, mark) == []
        follow(team, names)


def prepare(team: Tenant, proxy: InThread) -> list[str]:
    """A VaultAuth and a resource for each identity, in sync through a slow line."""
    team.create("VaultConnection", "vault", spec={"address": proxy.url})
    names = [f"i{number}" for number in range(IDENTITIES)]
    for name in names:
        team.put(name, {"user": "alice"})
        team.create("VaultAuth", name, spec=team.auth_spec())
        team.sync(name, vaultAuthRef=name)
    wait_all_synced(team)
    wait_quiet(team)
    proxy.set(Delay(LATENCY))
    return names


def fewest_reads(team: Tenant, names: list[str], since: int) -> int:
    """How often the resource was read that was read least."""
    seen = Counter(one.path.rpartition("/")[2] for one in reads(team.bao, team.mount, since))
    return min(seen[name] for name in names)


def failures(team: Tenant, operator: Operator, since: int) -> list[str]:
    """All that went wrong for the team: at the server, in the log, in events and statuses."""
    asked = [*logins(team.bao, "kubernetes", since), *reads(team.bao, team.mount, since)]
    log = (json.dumps(one) for one in operator.lines() if one["level"] in {"warning", "error"})
    return [
        *(one.error for one in asked if one.error),
        *(one for one in log if team.namespace in one),
        *(one["message"] for one in items(team, "Event") if one["type"] == "Warning"),
        *(message(one) for one in items(team) if message(one)),
    ]


def follow(team: Tenant, names: list[str]) -> None:
    """Change every secret in Vault, and wait for all Secrets to have it."""
    for name in names:
        team.put(name, {"user": "bob"})
    for name in names:
        team.wait_data(name, user="bob")
