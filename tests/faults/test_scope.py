"""Which objects an installation is responsible for: namespaces, classes, rights (R32, D33, D34)."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from testenv import Cluster, OpenBao, Postgres
from tests.faults.lab import ALONE, in_sync, items
from tests.support import operator as harness
from tests.support.database import KIND, new_database, remove_database
from tests.support.evidence import Watch
from tests.support.operator import Operator
from tests.support.tenant import Tenant, new_tenant, remove
from vso.controllers.rbac import Installation

CLASS: Final = "vault-secrets-operator.github.io/class"


@pytest.fixture
def other(arena: Cluster, arena_bao: OpenBao) -> Iterator[Tenant]:
    """A second team."""
    other = new_tenant(arena, arena_bao)
    yield other
    remove(other)


@pytest.fixture
def foreign(arena: Cluster, arena_bao: OpenBao) -> Iterator[Tenant]:
    """A team that the installation does not serve."""
    foreign = new_tenant(arena, arena_bao)
    yield foreign
    remove(foreign)


def beside(team: Tenant, **more: object) -> Installation:
    """A further installation in a namespace of its own, with exactly the generated rules of its mode."""
    name = f"op-{team.namespace}"
    installation = Installation(namespace=name, name=name, **more)  # type: ignore[arg-type]
    harness.install_beside(team.cluster, installation)
    return installation


def test_with_roles_alone_it_serves_its_namespaces_and_can_read_no_other(
    team: Tenant, other: Tenant, foreign: Tenant, tmp_path: Path
) -> None:
    """Not one request is refused or leads elsewhere; its token opens nothing in a foreign namespace."""
    home = beside(team, namespaces=(team.namespace, other.namespace))
    assert {one["kind"] for one in home.manifests()} == {"Namespace", "ServiceAccount", "Role", "RoleBinding"}
    share_defaults(team, other, home.namespace)
    flags = (*ALONE, f"--watch-namespaces={team.namespace},{other.namespace}")
    since = team.cluster.audit_mark()
    with harness.running(team.cluster, tmp_path, *flags, namespace=home.namespace):
        for tenant in (team, foreign):
            tenant.connect()
        for tenant in (team, other, foreign):
            tenant.put("app", {"user": "alice"})
        team.deployment("app")
        team.sync("app", rolloutRestartTargets=[{"kind": "Deployment", "name": "app"}])
        other.sync("app", vaultAuthRef="")
        foreign.sync("app")
        team.lease("generic", path="data/app")
        for tenant in (team, other):
            tenant.wait_data("app", user="alice")
        team.wait_synced("generic", kind="VaultDynamicSecret")
        team.put("app", {"user": "bob"})
        team.wait_data("app", user="bob")
        team.wait(lambda: (team.get("Deployment", "app") or {})["metadata"]["generation"] == 2, "the restart")
        outside = f"{foreign.namespace}/vault is in a namespace that is not among those this operator watches"
        team.sync("reaching", path="app", vaultAuthRef=f"{foreign.namespace}/vault")
        team.wait_failed("reaching", outside)
        refs = [{"namespace": foreign.namespace, "name": "vault"}]
        team.sync("shaped", path="app", destination={"transformation": {"transformationRefs": refs}})
        team.wait_failed("shaped", outside)
        assert foreign.status("VaultStaticSecret", "app") == {}
        assert foreign.get("Secret", "app") is None
        asked = team.cluster.audit(user=harness.user_of(home.namespace), since=since)
    served = {team.namespace, other.namespace, home.namespace}
    assert {one.namespace for one in asked} <= served
    assert [one for one in asked if one.code == 403] == []
    assert_blind(team.cluster, home.namespace, foreign.namespace)


def share_defaults(team: Tenant, other: Tenant, namespace: str) -> None:
    """A connection and a login for all in the operator's namespace."""
    shared = Tenant(team.cluster, team.bao, namespace, team.mount)
    shared.create("VaultConnection", "default", spec={"address": team.bao.address})
    kubernetes = {"role": other.namespace, "serviceAccount": "default", "audiences": ["vault"]}
    spec = shared.auth_spec(kubernetes=kubernetes, vaultConnectionRef="default", allowedNamespaces=["*"])
    shared.create("VaultAuth", "default", spec=spec)


def assert_blind(cluster: Cluster, home: str, foreign: str) -> None:
    """Nothing in `foreign`, and nothing cluster-wide, may be read with the operator's token."""
    user = f"--as={harness.user_of(home)}"
    kinds = ["secrets", "serviceaccounts", "configmaps", "vaultauths", "vaultconnections", "vaultstaticsecrets"]
    for kind in kinds:
        for place in (["-n", foreign], ["--all-namespaces"]):
            answer = cluster.kubectl(user, "get", kind, *place)
            assert "forbidden" in answer.stderr.lower(), (kind, place, answer)
        assert "forbidden" in cluster.kubectl(user, "get", kind, "default", "-n", foreign).stderr.lower()
    made = cluster.kubectl(user, "create", "token", "default", "-n", foreign)
    assert "forbidden" in made.stderr.lower(), made
    assert "forbidden" in cluster.kubectl(user, "get", "namespaces").stderr.lower()


def test_r32_of_two_installations_one_handles_a_resource(team: Tenant, tmp_path: Path) -> None:
    """Fifty resources of three classes, one of them nobody's; a label hands over without a write or a restart."""
    home = beside(team)
    classes = {"none": "", "blue": "blue", "green": "green"}
    names = {
        word: [f"{word}{number}" for number in range(count)]
        for word, count in (("none", 20), ("blue", 20), ("green", 10))
    }
    team.connect()
    for word, group in names.items():
        for name in group:
            team.put(name, {"user": "alice"})
            label(team, name, classes[word])
    with harness.running(team.cluster, tmp_path, *ALONE) as first:
        blue = harness.running(team.cluster, tmp_path, *ALONE, "--operator-class=blue", namespace=home.namespace)
        with blue as second:
            wait_all(team, [*names["none"], *names["blue"]])
            assert reporters("none0", first, second) == {first.namespace}
            assert reporters("blue0", first, second) == {second.namespace}
            moved = names["none"][0]
            watch, reads = Watch(first, team), Watch(second, team)
            team.patch("VaultStaticSecret", moved, {"metadata": {"labels": {CLASS: "blue"}}})
            team.wait(lambda: team.events(moved, "HandedOver"), "the event")
            reads.wait_reads(moved, 3)
            assert watch.writes(name=moved) == []
            # Each installation has a key of its own, and so another MAC for the same data.
            assert reads.writes(name=moved) == ["patch vaultstaticsecrets/status"]
            assert generation(team, moved) == 1
            assert len(team.events(moved, "HandedOver")) == 1
            assert 'class "blue"' in team.events(moved, "HandedOver")[0]["message"]
            team.put(moved, {"user": "bob"})
            team.wait_data(moved, user="bob")
            team.wait(lambda: generation(team, moved) == 2, "the restart")
            assert reporters(moved, first, second, since=watch.kube) == {second.namespace}
            second.stop()
            team.delete("Secret", "blue0")
            watch.again()
            watch.wait_reads(names["none"][1], 4)
            assert team.get("Secret", "blue0") is None
            assert [watch.reads(name) for name in (*names["blue"], *names["green"], moved)] == [0] * 31
            second.start()
            team.wait_data("blue0", user="alice")
    for name in names["green"]:
        assert team.status("VaultStaticSecret", name) == {}
        assert team.get("Secret", name) is None


def test_r32_a_lease_is_handed_over_by_one_new_lease_and_one_restart(
    team: Tenant, postgres: Postgres, tmp_path: Path
) -> None:
    """What is in the Secret logs in at every look; the installation that lets go revokes nothing."""
    home, base = beside(team), new_database(team, postgres)
    team.connect()
    base.role("app", ttl="1h")
    team.deployment("app")
    base.ask("app", rolloutRestartTargets=[{"kind": "Deployment", "name": "app"}])
    with harness.running(team.cluster, tmp_path, *ALONE):
        base.wait_synced("app")
        old, since = base.lease_id("app"), team.bao.mark()
        blue = harness.running(team.cluster, tmp_path, *ALONE, "--operator-class=blue", namespace=home.namespace)
        with blue:
            team.patch(KIND, "app", {"metadata": {"labels": {CLASS: "blue"}}})
            team.wait(lambda: team.events("app", "HandedOver"), "the event")

            def moved() -> bool:
                assert base.works("app")
                return base.lease_id("app") not in {old, ""}

            team.wait(moved, "the lease of the other installation", timeout=120)
            base.wait_synced("app")
            team.wait(lambda: generation(team, "app") == 2, "the restart")
            asked = [one for one in team.bao.requests(since=since) if one.path == f"{base.mount}/creds/app"]
            assert len(asked) == 1
            assert base.works("app")
    remove_database(base)


def label(team: Tenant, name: str, value: str) -> None:
    """A resource of a class, with a workload."""
    team.deployment(name)
    spec = {
        "vaultAuthRef": "vault",
        "mount": team.mount,
        "path": name,
        "type": "kv-v2",
        "refreshAfter": "2s",
        "destination": {"name": name, "create": True},
        "rolloutRestartTargets": [{"kind": "Deployment", "name": name}],
    }
    metadata = {"labels": {CLASS: value}} if value else {}
    team.create("VaultStaticSecret", name, metadata=metadata, spec=spec)


def wait_all(team: Tenant, names: list[str]) -> None:
    """Wait until these, and no others, are in sync."""

    def found() -> set[str]:
        return {one["metadata"]["name"] for one in items(team) if in_sync(one)}

    team.wait(lambda: found() == set(names), "those of the two classes to be in sync", timeout=60)


def generation(team: Tenant, name: str) -> int:
    """Of a workload."""
    return int((team.get("Deployment", name) or {})["metadata"]["generation"])


def reporters(name: str, *operators: Operator, since: int = 0) -> set[str]:
    """The namespaces of the installations that wrote the status of VaultStaticSecret `name`."""
    return {
        one.namespace
        for one in operators
        if any(entry.subresource == "status" and entry.name == name for entry in one.requests(since))
    }


def test_a_selector_serves_the_namespaces_that_have_its_labels(team: Tenant, other: Tenant, tmp_path: Path) -> None:
    """One that gets the label is served at once, one that loses it is left as it is."""
    home = beside(team, selects=True)
    tag(team, "web")
    for tenant in (team, other):
        tenant.connect()
        tenant.put("app", {"user": "alice"})
        tenant.sync("app")
    flags = (*ALONE, f"--namespace-selector=served-{team.namespace} in (web,mobile)")
    with harness.running(team.cluster, tmp_path, *flags, namespace=home.namespace) as operator:
        team.wait_data("app", user="alice")
        assert other.status("VaultStaticSecret", "app") == {}
        tag(other, "mobile", of=team)
        other.wait_data("app", user="alice")
        tag(team, None)
        team.wait(lambda: team.events("app", "HandedOver"), "the event")
        team.put("app", {"user": "bob"})
        Watch(operator, other).wait_reads("app", 3)
        assert team.data("app") is not None
        assert (team.data("app") or {})["user"] == b"alice"


def tag(tenant: Tenant, value: str | None, *, of: Tenant | None = None) -> None:
    """Label the namespace of `tenant`."""
    labels = {f"served-{(of or tenant).namespace}": value}
    tenant.cluster.request(
        "PATCH",
        f"/api/v1/namespaces/{tenant.namespace}",
        {"metadata": {"labels": labels}},
        content_type="application/merge-patch+json",
    )
