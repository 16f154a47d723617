"""R27: the type of a Secret cannot be changed in place, so it is deleted and created: what if that breaks off."""

from enum import Enum
from functools import partial
from pathlib import Path

import pytest

from testenv import Cluster, Delay, InThread, Pass, Refuse
from tests.faults.lab import ALONE
from tests.support import operator as harness
from tests.support.evidence import Watch, timed
from tests.support.operator import Operator
from tests.support.tenant import Tenant

LATENCY = 0.7
"""Seconds that each piece of data takes to the API server or back: the time to act between delete and create."""
REPAIR = 5.0
"""Seconds within which the Secret must be back (R27)."""
DATA = {"tls.crt": b"certificate", "tls.key": b"key"}


class Break(Enum):
    """What happens in the gap."""

    KILL = "kill -9"
    CUT = "the API server is out of reach"


@pytest.mark.parametrize("how", Break)
def test_r27_a_type_change_that_breaks_off_in_the_gap_loses_nothing(
    team: Tenant, arena: Cluster, tmp_path: Path, how: Break
) -> None:
    """The Secret is gone and not made yet; it comes back with Vault's data, and nobody is restarted."""
    with InThread(arena.server) as proxy, harness.running(arena, tmp_path, *ALONE, server=proxy.url) as operator:
        watch = prepare(team, operator)
        proxy.set(Delay(LATENCY))
        team.patch("VaultStaticSecret", "app", {"spec": {"destination": {"type": "kubernetes.io/tls"}}})
        team.wait(lambda: team.get("Secret", "app") is None, "the Secret to be deleted")
        if how is Break.KILL:
            operator.kill()
        else:
            proxy.set(Refuse())
        assert watch.writes("secrets") == ["delete secrets"]
        proxy.set(Pass())
        if how is Break.KILL:
            operator.start()
        back = partial(team.wait, lambda: team.data("app") == DATA, "the Secret to be back")
        timed(f"a Secret lost in the gap ({how.value})", back, limit=REPAIR if how is Break.KILL else 2 * REPAIR)
        assert (team.get("Secret", "app") or {})["type"] == "kubernetes.io/tls"
        team.wait_synced("app")
        assert watch.writes("deployments") == []


def prepare(team: Tenant, operator: Operator) -> Watch:
    """A Secret whose data fit either type, with a workload."""
    team.connect()
    team.put("app", {name: value.decode() for name, value in DATA.items()})
    team.deployment("web")
    transformation = {"transformation": {"excludeRaw": True}}
    targets = [{"kind": "Deployment", "name": "web"}]
    team.sync("app", refreshAfter="1h", rolloutRestartTargets=targets, destination=transformation)
    team.wait_synced("app")
    return Watch(operator, team)
