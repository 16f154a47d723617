"""What the API server does to the operator: restarts, lost history, cut and slow streams, rules taken away."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from testenv import Cluster, Cut, Delay, Fault, InThread, OpenBao, Pass, Refuse, Reset, Split, wait_for
from tests.faults.lab import ALONE, items, many, reads, wait_all_synced
from tests.support import operator as harness
from tests.support.operator import ROOT, Operator
from tests.support.tenant import Json, Tenant, new_tenant

ROLE: Final = "/apis/rbac.authorization.k8s.io/v1/clusterroles/vault-secrets-operator-manager-role"


def test_a_restarted_api_server_costs_no_change_and_no_write(team: Tenant, arena: Cluster, tmp_path: Path) -> None:
    """What changed around the restart is synced, everything else is left alone; the process is the same."""
    with harness.running(arena, tmp_path, *ALONE) as operator:
        ready(team)
        names = many(team, 20, refreshAfter="1h")
        wait_all_synced(team)
        mark = arena.audit_mark()
        arena.restart_apiserver()
        team.put("other", {"user": "bob"})
        team.patch("VaultStaticSecret", names[0], {"spec": {"path": "other"}})
        team.wait_data(names[0], user="bob")
        team.sync("late", path="app")
        team.wait_synced("late")
        touched = {one.name for one in operator.requests(mark) if one.resource == "secrets" and one.verb == "patch"}
        assert touched == {names[0]}


def test_changes_behind_a_compaction_are_not_missed(team: Tenant, arena: Cluster, tmp_path: Path) -> None:
    """The operator is cut off, history moves on and is thrown away (410): added, changed and deleted all count."""
    with InThread(arena.server) as proxy, harness.running(arena, tmp_path, *ALONE, server=proxy.url) as operator:
        ready(team)
        many(team, 5)
        wait_all_synced(team)
        proxy.set(Refuse())
        team.put("other", {"user": "bob"})
        team.patch("VaultStaticSecret", "s0", {"spec": {"path": "other"}})
        team.delete("VaultStaticSecret", "s1")
        team.sync("added", path="app")
        team.patch("Secret", "s2", {"data": {"user": None}})
        arena.compact_etcd()
        arena.restart_apiserver()
        versions = {one["metadata"]["name"]: one["metadata"]["resourceVersion"] for one in items(team, "Secret")}
        proxy.set(Pass())
        team.wait_data("s0", user="bob")
        team.wait_data("s2", user="alice")
        team.wait_synced("added")
        team.wait(lambda: team.data("s1") is None, "the Secret of the deleted one to be collected")
        mark = team.bao.mark()
        team.wait(lambda: len(reads(team.bao, team.mount, mark)) >= 10, "further refreshes")
        after = {one["metadata"]["name"]: one["metadata"]["resourceVersion"] for one in items(team, "Secret")}
        assert {name for name in ("s3", "s4") if versions[name] != after[name]} == set()
        assert team.get("VaultStaticSecret", "s1") is None
        assert operator.process is not None
        assert operator.process.poll() is None


def test_answers_that_break_off_or_trickle_lose_nothing(team: Tenant, arena: Cluster, tmp_path: Path) -> None:
    """Requests that reach the server while their answers are lost, slow streams, segments of a few bytes."""
    with InThread(arena.server) as proxy, harness.running(arena, tmp_path, *ALONE, server=proxy.url):
        ready(team)
        many(team, 5)
        wait_all_synced(team)
        modes: tuple[Fault, ...] = (Cut(after=0), Delay(0.2), Reset(after=20_000), Split(size=7), Cut(after=9_000))
        for number, mode in enumerate(modes):
            proxy.set(mode)
            user = f"user{number}"
            team.put("app", {"user": user})
            team.sync(f"new{number}", path="app")
            if not isinstance(mode, Cut) or mode.after:
                team.wait_data(f"new{number}", user=user)
            proxy.set(Pass())
            for one in items(team):
                team.wait_data(one["metadata"]["name"], user=user)
        wait_all_synced(team)


def test_refused_events_do_not_stop_the_sync(team: Tenant, arena: Cluster, tmp_path: Path) -> None:
    """Events are a courtesy; that they are refused is said once for the namespace, not once for each."""
    with without(arena, "events"), harness.running(arena, tmp_path, *ALONE) as operator:
        ready(team)
        names = many(team, 20)
        wait_all_synced(team)
        team.put("app", {"user": "bob"})
        for name in names:
            team.wait_data(name, user="bob")
        assert team.events(names[0]) == []
        assert [one["msg"] for one in about_events(operator, team)] == ["event not posted"]


def test_r24_refused_events_change_nothing_but_themselves(team: Tenant, arena: Cluster, tmp_path: Path) -> None:
    """A sync, a restarted workload, a failure that heals, and another start of the operator."""
    with without(arena, "events"), harness.running(arena, tmp_path, *ALONE) as operator:
        ready(team)
        team.deployment("web")
        team.sync("app", rolloutRestartTargets=[{"kind": "Deployment", "name": "web"}])
        team.wait_synced("app")
        team.put("app", {"user": "bob"})
        team.wait(lambda: (team.get("Deployment", "web") or {})["metadata"]["generation"] == 2, "the restart")
        team.sync("late")
        team.wait_failed("late", "does not exist")
        operator.kill()
        operator.start()
        team.put("late", {"user": "carol"})
        team.wait_data("late", user="carol")
        wait_all_synced(team)
        assert (team.get("Deployment", "web") or {})["metadata"]["generation"] == 2
        assert about_events(operator, team)
    assert items(team, "Event") == []


def test_a_kind_that_may_not_be_listed_is_named_in_the_log_and_works_once_it_may(
    team: Tenant, arena: Cluster, tmp_path: Path
) -> None:
    """Started without the rule the operator lives, says what is missing, and needs no restart."""
    ready(team)
    team.sync("app")
    operator = launched(arena, tmp_path)
    with stopping(operator):
        with without(arena, "vaultstaticsecrets"):
            operator.launch()
            team.wait(lambda: said(operator, "vaultstaticsecrets"), "the log to name the kind")
            assert any("permission" in one.get("problem", "") for one in said(operator, "vaultstaticsecrets"))
            assert team.data("app") is None
        team.wait_synced("app", timeout=60)


def test_a_cluster_without_our_kinds_is_waited_for(tmp_path: Path) -> None:
    """The operator may come before its CRDs: it lives, says which are missing, and works once they are there."""
    with Cluster() as cluster, OpenBao() as bao:
        applied = cluster.kubectl("apply", "--server-side", "-f", str(ROOT / "deploy" / "rbac"))
        assert applied.returncode == 0, applied.stderr
        bao.admin.enable_kubernetes_auth("kubernetes", cluster)
        operator = launched(cluster, tmp_path)
        with stopping(operator):
            operator.launch()
            tenant = new_tenant(cluster, bao)
            tenant.wait(lambda: said(operator, "vaultstaticsecrets"), "the log to name a missing kind")
            assert any("CRD" in one.get("problem", "") for one in said(operator, "vaultstaticsecrets"))
            harness.install(cluster)
            ready(tenant)
            tenant.sync("app")
            tenant.wait_synced("app", timeout=60)


def test_a_kind_whose_crd_goes_and_comes_back_works_again(tmp_path: Path) -> None:
    """An administrator replaces the CRD of VaultAuthGlobals; nothing else is disturbed meanwhile."""
    crd = "vaultauthglobals.secrets.hashicorp.com"
    with Cluster() as cluster, OpenBao() as bao:
        harness.install(cluster)
        bao.admin.enable_kubernetes_auth("kubernetes", cluster)
        tenant = new_tenant(cluster, bao)
        with harness.running(cluster, tmp_path, *ALONE):
            ready(tenant)
            tenant.sync("app")
            tenant.wait_synced("app")
            assert cluster.kubectl("delete", "crd", crd).returncode == 0
            tenant.put("app", {"user": "bob"})
            tenant.wait_data("app", user="bob")
            harness.install(cluster)
            tenant.create("VaultAuthGlobal", "shared", spec={"kubernetes": {"role": tenant.namespace}})
            auth: Json = {**tenant.auth_spec(), "vaultAuthGlobalRef": {"name": "shared"}}
            auth["kubernetes"] = {"serviceAccount": "default", "audiences": ["vault"]}
            tenant.create("VaultAuth", "inheriting", spec=auth)
            tenant.sync("later", path="app", vaultAuthRef="inheriting")
            tenant.wait_synced("later", timeout=90)


def ready(tenant: Tenant) -> None:
    """A connection, a login and something to read."""
    tenant.connect()
    tenant.put("app", {"user": "alice"})


def launched(cluster: Cluster, folder: Path) -> Operator:
    """An operator that is not started yet."""
    return Operator(cluster, folder / "operator.log", cluster.kubeconfig_for(harness.ACCOUNT), ALONE)


def said(operator: Operator, kind: str) -> list[Json]:
    """Warnings that name a kind."""
    return [one for one in operator.lines() if one["level"] in {"warning", "error"} and kind in json.dumps(one)]


def about_events(operator: Operator, tenant: Tenant) -> list[Json]:
    """What it says of posting events about the tenant; namespaces of earlier tests may still be going."""
    found = [one for one in operator.lines() if one["logger"] == "runtime.events"]
    return [one for one in found if one.get("namespace") in {None, tenant.namespace}]


@contextmanager
def stopping(operator: Operator) -> Iterator[None]:
    """Stop the operator in the end, and look for crashes."""
    try:
        yield
        assert operator.process is not None
        assert operator.process.poll() is None
    finally:
        if operator.process is not None and operator.process.poll() is None:
            operator.stop()
    assert [one for one in operator.lines() if "stacktrace" in one] == []


@contextmanager
def without(cluster: Cluster, resource: str) -> Iterator[None]:
    """Take the rule for a resource away from the operator for the length of the context."""
    role = cluster.request("GET", ROLE)
    rules = [{**one, "resources": [name for name in one["resources"] if name != resource]} for one in role["rules"]]
    lost = next(one for one in role["rules"] if resource in one["resources"])
    asked = {"verb": lost["verbs"][0], "group": lost["apiGroups"][0], "resource": resource, "namespace": "default"}
    put_rules(cluster, [one for one in rules if one["resources"]], asked=asked, allowed=False)
    try:
        yield
    finally:
        put_rules(cluster, role["rules"], asked=asked, allowed=True)


def put_rules(cluster: Cluster, rules: list[Json], *, asked: Json, allowed: bool) -> None:
    """Write the operator's rules, and wait until the API server, which learns of them later, judges by them."""
    cluster.request("PATCH", ROLE, {"rules": rules}, content_type="application/merge-patch+json")
    review = {"spec": {"user": harness.USER, "resourceAttributes": asked}}

    def judged() -> bool:
        answer = cluster.request("POST", "/apis/authorization.k8s.io/v1/subjectaccessreviews", review)
        return bool(answer["status"]["allowed"]) is allowed

    wait_for(judged, what=f"{asked['verb']} {asked['resource']} to be allowed={allowed}")
