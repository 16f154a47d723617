"""R30: the operator is uninstalled, whatever Vault, other clients and its own rights do."""

import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from typing import Any, Final

import pytest

from testenv import Cluster, InThread, OpenBao, Postgres, RequestFailed, Silence, wait_for
from testenv.waiting import seconds
from tests.faults.lab import ALONE, FLAGS, LEASE, items
from tests.support import operator as harness
from tests.support import stored
from tests.support.canary import token_in
from tests.support.database import KIND, new_database, remove_database
from tests.support.evidence import wait_quiet
from tests.support.operator import NAMESPACE, Operator
from tests.support.tenant import Json, Tenant, new_tenant, remove
from vso.apis.kinds import KINDS
from vso.controllers.rbac import Installation

RESOURCES: Final = int(os.environ.get("VSO_TEST_CRS", "300"))
"""In a twentieth as many namespaces, up to 20."""
LIMIT: Final = 60
FINALIZERS: Final = {one.name: one.finalizer for one in KINDS if one.finalizer}
FOREIGN: Final = "example.com/keep"
CLASS: Final = "vault-secrets-operator.github.io/class"
HMAC_KEY: Final = f"{stored.SECRETS}/vso-cc-storage-hmac-key"
ROLE: Final = "/apis/rbac.authorization.k8s.io/v1/clusterroles/vault-secrets-operator-manager-role"
DESTINATION: Final = {"name": "none", "create": True}
SPECS: Final[dict[str, Json]] = {
    "VaultConnection": {"address": "http://vault.invalid:8200"},
    "VaultAuth": {"method": "kubernetes", "mount": "kubernetes"},
    "VaultStaticSecret": {"mount": "kv", "path": "p", "type": "kv-v2", "destination": DESTINATION},
    "VaultDynamicSecret": {"vaultAuthRef": "vault", "mount": "db", "path": "p", "destination": DESTINATION},
    "VaultPKISecret": {"mount": "pki", "role": "r", "destination": DESTINATION},
    "HCPVaultSecretsApp": {"appName": "app", "destination": DESTINATION},
}


@pytest.fixture(autouse=True)
def free_lease(arena: Cluster) -> Iterator[None]:
    """An uninstallation keeps the Lease for a while after its end; no operator of another test has to wait for it."""
    yield
    with suppress(RequestFailed):
        arena.request("DELETE", LEASE)


@dataclass
class Outcome:
    """How an uninstallation ended."""

    code: int
    took: float
    lines: list[Json]

    def told(self, text: str) -> bool:
        """Whether a line of the log says so."""
        return any(text in str(line) for line in self.lines)


def uninstall(arena: Cluster, folder: Path, *flags: str, server: str = "", namespace: str = NAMESPACE) -> Outcome:
    """Run it as the hook does: under the operator's own account."""
    account = f"{namespace}/{harness.ACCOUNT.partition('/')[2]}"
    kubeconfig = arena.kubeconfig_for(account, server=server)
    more = ("--uninstall", f"--pre-delete-hook-timeout-seconds={LIMIT}", *flags)
    process = Operator(arena, folder / f"uninstall-{namespace}.log", kubeconfig, more, {}, namespace)
    begun = seconds()
    process.launch()
    assert process.process is not None
    code = process.process.wait(LIMIT + 30)
    took = seconds() - begun
    assert not token_in(process.log.read_text())
    assert not [line for line in process.lines() if "stacktrace" in line], process.log.read_text()
    return Outcome(code, took, process.lines())


def finalized(team: Tenant, kind: str, name: str, **metadata: Any) -> None:
    """An object with the finalizer of its kind, beside a foreign one."""
    meta = {"finalizers": [FOREIGN, FINALIZERS[kind]], **metadata}
    team.create(kind, name, metadata=meta, spec=SPECS[kind])


def marked(team: Tenant) -> list[str]:
    """The objects that still have a finalizer of the operator."""
    return [
        f"{kind} {one['metadata']['name']}"
        for kind, finalizer in FINALIZERS.items()
        for one in items(team, kind)
        if finalizer in one["metadata"].get("finalizers", [])
    ]


@contextmanager
def several(arena: Cluster, bao: OpenBao, count: int) -> Iterator[list[Tenant]]:
    """So many namespaces; in the end nothing holds them."""
    teams = [new_tenant(arena, bao) for _ in range(count)]
    yield teams
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(release, teams))
    for team in teams:
        remove(team)


def release(team: Tenant) -> None:
    """Take every finalizer away that is left."""
    for kind in FINALIZERS:
        for one in items(team, kind):
            team.patch(kind, one["metadata"]["name"], {"metadata": {"finalizers": None}})


@contextmanager
def writing(write: Callable[[int], object]) -> Iterator[list[int]]:
    """Somebody who writes all the while, as fast as the server lets; how often is in the list."""
    stop, count = threading.Event(), [0]

    def work(number: int) -> None:
        while not stop.is_set():
            write(number)
            count[0] += 1

    with ThreadPoolExecutor(4) as pool:
        busy = [pool.submit(work, number) for number in range(4)]
        try:
            yield count
        finally:
            stop.set()
    for one in busy:
        one.result()


def test_r30_finalizers_go_in_time_though_vault_is_silent_and_others_write(
    arena: Cluster, arena_bao: OpenBao, tmp_path: Path
) -> None:
    """All kinds in all namespaces; foreign finalizers and everything else stay."""
    count = max(2, min(RESOURCES // 20, 20))
    with several(arena, arena_bao, count) as teams, InThread(arena_bao.address) as vault:
        vault.set(Silence())
        placed = list(zip(range(RESOURCES), cycle(FINALIZERS), strict=False))
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda one: finalized(teams[one[0] % count], one[1], f"r{one[0]}"), placed))
        for team in teams:
            team.connect(address=vault.url)
        for number in (number for number, kind in placed if kind == KIND):
            lease = {"id": f"db/creds/r{number}", "duration": 3600}
            teams[number % count].patch_status(KIND, f"r{number}", {"secretLease": lease})

        def touch(number: int) -> None:
            for place, kind in placed[number::4]:
                team = teams[place % count]
                team.patch(kind, f"r{place}", {"metadata": {"annotations": {"touched": str(seconds())}}})

        with writing(touch) as touched:
            ended = uninstall(arena, tmp_path, "--revoke-on-uninstall")
        print(f"{RESOURCES} resources in {count} namespaces: {ended.took:.1f} s, {touched[0]} rounds of writes")
        assert (ended.code, ended.took < LIMIT + 5) == (0, True)
        assert [marked(team) for team in teams] == [[]] * count
        for team in teams:
            for kind in SPECS:
                for one in items(team, kind):
                    foreign = one["metadata"]["name"].startswith("r")
                    assert one["metadata"].get("finalizers", []) == ([FOREIGN] if foreign else [])
        assert ended.told("not revoked")


def test_r30_what_cannot_be_listed_makes_it_fail_and_keeps_nothing_else(
    team: Tenant, arena: Cluster, tmp_path: Path
) -> None:
    """One kind may not be listed any more: exit code 1, the kind is named, all others are done."""
    for kind in FINALIZERS:
        finalized(team, kind, "one")
    rules = arena.request("GET", ROLE)["rules"]
    withheld = "vaultpkisecrets"
    narrowed = [{**rule, "resources": [one for one in rule["resources"] if one != withheld]} for rule in rules]
    change = {"content_type": "application/merge-patch+json"}
    try:
        arena.request("PATCH", ROLE, {"rules": [one for one in narrowed if one["resources"]]}, **change)
        may = ("auth", "can-i", "list", f"{withheld}.secrets.hashicorp.com", "-A", f"--as={harness.USER}")
        wait_for(lambda: arena.kubectl(*may).stdout.startswith("no"), what="the right to be gone")
        ended = uninstall(arena, tmp_path)
    finally:
        arena.request("PATCH", ROLE, {"rules": rules}, **change)
    wait_for(lambda: arena.kubectl(*may).stdout.startswith("yes"), what="the right to be back")
    assert ended.code == 1
    assert marked(team) == ["VaultPKISecret one"]
    assert ended.told("vaultpkisecrets in all namespaces")
    release(team)


def test_r30_a_silent_api_server_does_not_keep_it_beyond_its_time(arena: Cluster, tmp_path: Path) -> None:
    """Exit code 1, and a line that says why."""
    with InThread(arena.server, authority=arena.authority) as api:
        api.set(Silence())
        ended = uninstall(arena, tmp_path, "--pre-delete-hook-timeout-seconds=2", server=api.url)
    assert ended.code == 1
    assert ended.took < 2 + 5
    assert ended.told("not done in time")


def test_an_operator_that_still_runs_puts_no_finalizer_back(
    team: Tenant, arena: Cluster, postgres: Postgres, tmp_path: Path
) -> None:
    """Its Lease is taken, so that it stops; it gets to work again only when that one is over."""
    base = new_database(team, postgres)
    with harness.running(arena, tmp_path, *FLAGS) as operator:
        team.connect()
        base.role(ttl="1h")
        for number in range(5):
            base.ask(f"s{number}", revoke=True)
        for number in range(5):
            base.wait_synced(f"s{number}")
        assert len(marked(team)) == 5
        leases = base.leases()
        ended = uninstall(arena, tmp_path)
        assert (ended.code, marked(team)) == (0, [])
        assert any(line["msg"] == "leadership lost" for line in operator.lines())
        assert operator.process is not None
        assert operator.process.poll() is None
        team.patch(KIND, "s0", {"metadata": {"labels": {"touched": "true"}}})
        assert marked(team) == []
        assert base.leases() == leases
        assert base.works("s0")
    remove_database(base)


def test_on_demand_leases_and_stored_logins_are_revoked_and_their_secrets_deleted(
    team: Tenant, arena: Cluster, postgres: Postgres, tmp_path: Path
) -> None:
    """What is synced stays; nothing of the operator is left in Vault or in its own namespace."""
    base = new_database(team, postgres)
    plain = "--client-cache-persistence-model=direct-unencrypted"
    with harness.running(arena, tmp_path, *ALONE, plain):
        team.connect()
        base.role(ttl="1h")
        team.put("app", {"user": "alice"})
        team.sync("app")
        for number in range(3):
            base.ask(f"s{number}", revoke=True)
        for number in range(3):
            base.wait_synced(f"s{number}")
        team.wait_synced("app")
        wait_quiet(team)
        entry: Json = team.wait(lambda: stored.entry_of(team), "a stored login")
    accessor = stored.content_of(entry)["auth"]["accessor"]
    assert len(base.leases()) == 3
    assert accessor in team.bao.admin.accessors(policy=team.namespace)
    before = set(team.bao.admin.accessors(policy=team.namespace))
    ended = uninstall(arena, tmp_path, plain, "--revoke-on-uninstall")
    assert (ended.code, marked(team)) == (0, [])
    assert base.leases() == []
    after = set(team.bao.admin.accessors(policy=team.namespace))
    assert (accessor in after, after - before) == (False, set())
    assert stored.entries(arena) == {}
    assert HMAC_KEY.rpartition("/")[2] not in names(arena)
    assert (team.data("app") or {})["user"] == b"alice"
    assert base.credentials("s0")[0]
    remove_database(base)


def names(arena: Cluster) -> set[str]:
    """The Secrets in the operator's namespace."""
    return {one["metadata"]["name"] for one in arena.request("GET", stored.SECRETS)["items"]}


def test_only_what_the_installation_handles_is_let_go(
    team: Tenant, arena: Cluster, arena_bao: OpenBao, tmp_path: Path
) -> None:
    """By namespaces, with the rights of exactly these, and by class; another installation keeps its own."""
    home = Installation(namespace=f"op-{team.namespace}", name=f"op-{team.namespace}", namespaces=(team.namespace,))
    harness.install_beside(arena, home)
    own = Tenant(arena, arena_bao, home.namespace, team.mount)
    with several(arena, arena_bao, 1) as (foreign,):
        for kind in FINALIZERS:
            finalized(team, kind, "mine")
            finalized(team, kind, "theirs", labels={CLASS: "theirs"})
            finalized(foreign, kind, "mine")
        for kind in ("VaultAuth", "VaultConnection"):
            finalized(own, kind, "mine")
        ended = uninstall(arena, tmp_path, f"--watch-namespaces={team.namespace}", namespace=home.namespace)
        assert ended.code == 0, ended.lines
        assert marked(team) == [f"{kind} theirs" for kind in FINALIZERS]
        assert len(marked(foreign)) == len(FINALIZERS)
        assert marked(own) == []
    for one in (team, own):
        release(one)
    arena.request("DELETE", f"/api/v1/namespaces/{home.namespace}")
