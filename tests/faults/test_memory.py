"""R33: memory does not follow Secrets that are none of ours."""

import os
from base64 import b64encode
from pathlib import Path
from typing import Final

import psutil

from testenv import Cluster
from tests.faults.lab import FLAGS
from tests.support import operator as harness
from tests.support.operator import Operator
from tests.support.tenant import Tenant

FOREIGN: Final = 60
MIB: Final = 1024 * 1024


def test_r33_foreign_secrets_are_neither_read_nor_kept(team: Tenant, arena: Cluster, tmp_path: Path) -> None:
    """Sixty of 1 MiB, before and after the start: less than 10 MiB more, and no list without our label."""
    team.connect()
    team.put("app", {"user": "alice"})
    team.sync("app")
    with harness.running(arena, tmp_path, "--leader-elect=false", *FLAGS) as operator:
        team.wait_synced("app")
        without = resident(operator)
    mark = arena.audit_mark()
    blob = b64encode(os.urandom(MIB - 1024)).decode()
    for number in range(FOREIGN // 2):
        team.create("Secret", f"before{number}", data={"blob": blob})
    with harness.running(arena, tmp_path, "--leader-elect=false", *FLAGS) as operator:
        team.put("app", {"user": "bob"})
        team.wait_data("app", user="bob")
        for number in range(FOREIGN // 2):
            team.create("Secret", f"after{number}", data={"blob": blob})
        team.put("app", {"user": "carol"})
        team.wait_data("app", user="carol")
        team.wait_synced("app")
        assert resident(operator) < without + 10 * MIB
    asked = arena.audit(user=harness.USER, since=mark)
    wide = [one.request_uri for one in asked if one.resource == "secrets" and one.verb in {"list", "watch"}]
    assert wide
    assert all("labelSelector=app.kubernetes.io" in one for one in wide)


def resident(operator: Operator) -> int:
    """Bytes of memory that its process has now."""
    assert operator.process is not None
    rss: int = psutil.Process(operator.process.pid).memory_info().rss
    return rss
