"""What others do to a resource: a rival controller, a CA that changes, a path that hangs, a quota of one mount."""

import threading
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

import pytest

from testenv import Cluster, OpenBao
from testenv.certificates import Authority
from testenv.waiting import seconds
from testenv.web import RequestFailed
from tests.faults.gateway import Gateway, Reply, Rule, Where
from tests.faults.lab import ALONE, items, many, message, reads, settle, wait_all_synced
from tests.support import operator as harness
from tests.support.evidence import Watch, timed
from tests.support.operator import Operator
from tests.support.tenant import Json, Tenant

FIGHT: Final = 20.0
"""Seconds of a fight that is watched."""
QUICK: Final = 5
"""Repairs that are done at once; later ones have 5 s and more between them."""


@contextmanager
def changing(tenant: Tenant, name: str, body: Json) -> Iterator[list[float]]:
    """Somebody who changes a Secret back as soon as it was repaired; when that was done."""
    over, done = threading.Event(), list[float]()

    def run() -> None:
        begun = seconds()
        while not over.wait(0.02):
            with suppress(RequestFailed):
                if not _has(tenant.get("Secret", name) or {}, body):
                    tenant.patch("Secret", name, body)
                    done.append(seconds() - begun)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield done
    finally:
        over.set()
        thread.join()


def _has(found: Json, wanted: Json) -> bool:
    return all(
        _has(found.get(name, {}), value) if isinstance(value, dict) else found.get(name) == value
        for name, value in wanted.items()
    )


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"metadata": {"annotations": {"replicator.example/done": "yes"}}}, id="annotation"),
        pytest.param({"data": {"user": b64encode(b"mallory").decode()}}, id="data"),
    ],
)
def test_a_fight_over_a_secret_is_given_up_to_long_intervals(operator: Operator, tenant: Tenant, change: Json) -> None:
    """Some repairs at once, then seconds between them; one event and a condition say why."""
    tenant.connect()
    tenant.put("app", {"user": "alice"})
    tenant.sync("app", refreshAfter="1h")
    tenant.wait_synced("app")
    watch = Watch(operator, tenant)
    with changing(tenant, "app", change) as done:
        tenant.wait(lambda: len(done) > QUICK, "the first repairs")
        assert done[QUICK - 1] < 5, "the first repairs are done at once"
        tenant.wait(lambda: tenant.condition("VaultStaticSecret", "app", "DestinationConflict"), "the condition")
        tenant.wait(lambda: len(done) >= QUICK + 2, "two repairs at longer intervals", timeout=FIGHT)
    print(f"changed after {', '.join(f'{one:.2f}' for one in done)} s")
    assert done[-1] - done[-2] > 4
    assert len(watch.writes("secrets")) <= QUICK + 3
    assert watch.writes("vaultstaticsecrets").count("patch vaultstaticsecrets/status") <= QUICK + 5
    assert len(tenant.events("app", "DestinationConflict")) == 1
    ready = tenant.condition("VaultStaticSecret", "app", "Ready")
    assert ready
    assert ready["status"] == "True"


def test_a_single_change_is_repaired_within_a_second(operator: Operator, tenant: Tenant) -> None:
    """The brake concerns fights only."""
    tenant.connect()
    tenant.put("app", {"user": "alice"})
    tenant.sync("app", refreshAfter="1h")
    tenant.wait_synced("app")
    tenant.patch("Secret", "app", {"data": {"user": b64encode(b"mallory").decode()}})
    timed("repair", lambda: tenant.wait_data("app", user="alice"), limit=1.0)


def test_a_ca_that_was_corrected_is_read_again(operator: Operator, tenant: Tenant, tmp_path: Path) -> None:
    """Rotated by somebody who tells nobody: the VaultConnection is not touched."""
    other = Authority.create(tmp_path / "other").pem
    with OpenBao(tls=True) as bao:
        bao.admin.enable_kubernetes_auth("kubernetes", tenant.cluster)
        there = settle(tenant, bao)
        there.put("app", {"user": "alice"})
        there.create("Secret", "ca", data={"ca.crt": b64encode(other.encode()).decode()})
        there.connect(caCertSecretRef="ca")
        there.sync("app")
        there.wait_failed("app", "not trusted")
        there.patch("Secret", "ca", {"data": {"ca.crt": b64encode(bao.ca_pem.encode()).decode()}})
        timed("the corrected CA", lambda: there.wait_data("app", user="alice"), limit=15)
        there.wait_synced("app")


def test_a_path_that_hangs_holds_up_nobody_else(team: Tenant, arena: Cluster, tmp_path: Path) -> None:
    """Its name sorts first, and it times out again and again."""
    with Gateway(team.bao.address) as gate, harness.running(arena, tmp_path, *ALONE):
        gate.add(Rule("GET", "/data/hangs", hold=Where.BEFORE))
        team.put("app", {"user": "alice"})
        team.put("hangs", {"user": "alice"})
        team.connect(address=gate.url, timeout="2s")
        names = many(team, 10)
        wait_all_synced(team)
        team.sync("a0", path="hangs")
        _undisturbed(team, names, "no answer within the timeout")


def test_a_quota_of_one_mount_holds_up_nobody_else(team: Tenant, arena: Cluster, tmp_path: Path) -> None:
    """The server answers the others."""
    with Gateway(team.bao.address) as gate, harness.running(arena, tmp_path, *ALONE):
        gate.add(Rule("GET", "/data/limited", answer=Reply(429, b'{"errors":["rate limit quota exceeded"]}')))
        team.put("app", {"user": "alice"})
        team.connect(address=gate.url)
        names = many(team, 10)
        wait_all_synced(team)
        team.sync("a0", path="limited")
        _undisturbed(team, names, "429")


def _undisturbed(team: Tenant, names: list[str], word: str) -> None:
    """While ``a0`` fails three times, the others are read once a second as before."""
    team.wait_failed("a0", word)
    mark, begun = team.bao.mark(), seconds()

    def quiet(wanted: int) -> bool:
        failed = [one["metadata"]["name"] for one in items(team) if message(one)]
        assert failed in ([], ["a0"]), failed
        return len(reads(team.bao, team.mount, mark)) >= wanted

    team.wait(lambda: quiet(10 * len(names)), "ten reads of each")
    print(f"{10 * len(names)} reads in {seconds() - begun:.1f} s")
    assert seconds() - begun < 30  # of one path, whose reads at the same time are one request
