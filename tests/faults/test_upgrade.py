"""R28 and D48: definitions change under objects of any age, and the operator takes these over without a trace."""

import json
from collections.abc import Callable, Iterator
from copy import deepcopy
from functools import partial
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final

import pytest

from testenv import Cluster, Postgres, RequestFailed, wait_for
from tests.faults.lab import ALONE, items, logins, own_mount
from tests.support import operator as harness
from tests.support.database import KIND, Database, new_database, remove_database
from tests.support.evidence import Watch
from tests.support.operator import Operator
from tests.support.tenant import Json, Tenant
from tests.support.upgrade import API, shipped, upgrade
from vso.apis.kinds import KINDS

MERGE: Final = "application/merge-patch+json"
PERSISTENT: Final = (*ALONE, "--client-cache-persistence-model=direct-unencrypted")
FINALIZERS: Final = {one.name: one.finalizer for one in KINDS if one.finalizer}
SECRETS: Final = ("VaultStaticSecret", "VaultDynamicSecret", "VaultPKISecret")
COMPLETE: Final[dict[str, list[str]]] = {
    "vaultconnections": ["valid"],
    "secrettransformations": ["error", "valid"],
    "vaultpkisecrets": ["error", "lastGeneration", "lastRotation", "valid"],
    "vaultstaticsecrets": ["lastGeneration"],
    "vaultdynamicsecrets": ["lastGeneration", "lastRenewalTime", "secretLease"],
    "vaultauthglobals": ["error", "valid"],
    "hcpauths": ["error", "valid"],
    "hcpvaultsecretsapps": ["lastGeneration"],
}
"""What the original's definitions demand of a status (api.md sections 4 and 7.5)."""


def without(*members: str) -> Callable[[Json], Json | None]:
    """A status of a release that did not know these members yet, nor what is ours."""
    return lambda status: {name: value for name, value in status.items() if name not in {*members, "extensions"}}


def only(*members: str) -> Callable[[Json], Json | None]:
    """A status of a release that knew no others."""
    return lambda status: {name: status[name] for name in members if name in status}


def exactly(status: Json | None) -> Callable[[Json], Json | None]:
    """This status, whatever it was."""
    return lambda _: deepcopy(status)


LEASE: Final = ("lastRenewalTime", "lastGeneration", "secretLease")
ISSUED: Final = ("serialNumber", "expiration", "lastGeneration", "lastRotation", "valid", "error")
CORPUS: Final[dict[str, dict[str, Callable[[Json], Json | None]]]] = {
    "VaultStaticSecret": {
        "kv-whole": without(),
        "kv-calm": without("conditions"),
        "kv-macless": only("lastGeneration"),
        "kv-none": exactly(None),
        "kv-shaped": without("conditions", "vaultClientMeta"),
    },
    "VaultDynamicSecret": {
        "db-whole": without(),
        "db-calm": without("conditions"),
        "db-podless": without("conditions", "lastRuntimePodUID", "staticCredsMetaData"),
        "db-early": only(*LEASE, "vaultClientMeta"),
        "role-whole": without(),
        "role-calm": without("conditions", "staticCredsMetaData"),
        "role-none": exactly(None),
    },
    "VaultPKISecret": {
        "pki-whole": without(),
        "pki-calm": without("conditions"),
        "pki-early": only(*ISSUED),
    },
    "VaultAuth": {"vault": exactly({"valid": True, "error": ""})},
    "VaultConnection": {"vault": exactly(None)},
    "SecretTransformation": {"shape": exactly({"valid": True, "error": ""})},
    "HCPAuth": {"hcp": exactly({})},
    "HCPVaultSecretsApp": {"hcp": exactly({"lastGeneration": 1, "dynamicSecrets": None})},
}
"""By kind and object: what becomes of the status that it has."""


@pytest.fixture
def base(team: Tenant, postgres: Postgres) -> Iterator[Database]:
    """Databases, certificates and a login of the team's own."""
    base = new_database(team, postgres)
    mount, admin = f"pki-{team.namespace}", team.bao.admin
    admin.enable_pki(mount, "Test CA")
    admin.pki_role(mount, "web")
    paths = {f"{team.mount}/*": '"read"', f"{base.mount}/*": '"read", "update"', f"{mount}/*": '"read", "update"'}
    admin.policy(team.namespace, "\n".join(f'path "{one}" {{ capabilities = [{may}] }}' for one, may in paths.items()))
    own_mount(team, policies=[team.namespace], service_accounts=["default"], audience="vault", token_period="1h")
    yield base
    remove_database(base)
    admin.delete(f"sys/mounts/{mount}")


def prepare(base: Database) -> None:
    """The objects of the corpus, in sync, those with a Secret each with a workload."""
    team = base.tenant
    base.role(ttl="1h")
    base.static_role("role", rotation_period="1h")
    team.create(
        "SecretTransformation", "shape", spec={"templates": {"greeting": {"text": "hello {{ .Secrets.user }}"}}}
    )
    team.create("HCPAuth", "hcp", spec={"organizationID": "o", "projectID": "p"})
    team.create("HCPVaultSecretsApp", "hcp", spec={"appName": "a", "hcpAuthRef": "hcp", "destination": {"name": "hcp"}})
    shaped = {"transformation": {"transformationRefs": [{"name": "shape"}]}}
    for kind in SECRETS:
        for name in CORPUS[kind]:
            team.deployment(name)
            more: Json = {"rolloutRestartTargets": [{"kind": "Deployment", "name": name}]}
            if kind == "VaultStaticSecret":
                team.put(name, {"user": "alice"})
                team.sync(name, refreshAfter="1h", destination=shaped if name == "kv-shaped" else None, **more)
            elif kind == "VaultPKISecret":
                team.certify(name, mount=f"pki-{team.namespace}", role="web", ttl="1h", **more)
            elif name.startswith("role"):
                base.ask_static(name, role="role", **more)
            else:
                base.ask(name, **more)
    for kind in SECRETS:
        for name in CORPUS[kind]:
            team.wait_synced(name, kind=kind)


def age(team: Tenant) -> None:
    """Give each object the status that its release left, and the original's finalizer."""
    for kind, objects in CORPUS.items():
        for name, edit in objects.items():
            path = f"{team.path(kind, name)}/status"
            status = edit(team.status(kind, name))
            # The first patch takes away what a merge would keep.
            for value in (None, status):
                team.cluster.request("PATCH", path, {"status": value}, content_type=MERGE)
            finalizers = [FINALIZERS[kind]] if kind in FINALIZERS else None
            team.patch(kind, name, {"metadata": {"finalizers": finalizers}})


def put(arena: Cluster, edit: Callable[[Json, list[str]], None]) -> None:
    """Change the schema of each definition, as one who is not the operator."""
    for plural, members in COMPLETE.items():
        path = f"{API}/{plural}.secrets.hashicorp.com"
        versions = arena.request("GET", path)["spec"]["versions"]
        edit(versions[0]["schema"]["openAPIV3Schema"]["properties"], members)
        arena.request("PATCH", path, {"spec": {"versions": versions}}, content_type=MERGE)


def open_(properties: Json, _members: list[str]) -> None:
    """A status of any shape is kept."""
    properties["status"] = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}


def as_the_originals(properties: Json, members: list[str]) -> None:
    """Without what is ours, and with what the original demands."""
    for part in ("spec", "status"):
        properties[part].get("properties", {}).pop("extensions", None)
    properties["status"]["required"] = members


def demands(arena: Cluster, plural: str) -> list[str]:
    """What the definition on the server demands of a status."""
    version = arena.request("GET", f"{API}/{plural}.secrets.hashicorp.com")["spec"]["versions"][0]
    found: list[str] = version["schema"]["openAPIV3Schema"]["properties"]["status"].get("required", [])
    return found


def uids(team: Tenant) -> dict[str, str]:
    """Every object of the team, and which it is; a kind whose definition has just changed is waited for."""
    for kind in (*CORPUS, "VaultAuthGlobal"):
        wait_for(partial(served, team, kind), what=f"{kind} to be served")
    return {f"{kind} {one['metadata']['name']}": one["metadata"]["uid"] for kind in CORPUS for one in items(team, kind)}


def served(team: Tenant, kind: str) -> bool:
    """Whether the server is done with what changed the kind's definition."""
    try:
        items(team, kind)
    except RequestFailed as exc:
        if exc.status != HTTPStatus.TOO_MANY_REQUESTS:
            raise
        return False
    return True


def assert_applies(team: Tenant) -> None:
    """What a GitOps tool does: each manifest as the user wrote it, by server-side apply, as a trial."""
    manifests = [
        {
            "apiVersion": "secrets.hashicorp.com/v1beta1",
            "kind": kind,
            "metadata": {"name": one["metadata"]["name"], "namespace": team.namespace, "labels": {"touched": "true"}},
            "spec": one["spec"],
        }
        for kind in CORPUS
        for one in items(team, kind)
    ]
    trial = ("apply", "--server-side", "--force-conflicts", "--dry-run=server", "-f", "-")
    done = team.cluster.kubectl(*trial, input="\n---\n".join(map(json.dumps, manifests)))
    assert done.returncode == 0, done.stderr


def facts(base: Database) -> dict[str, Any]:
    """What must not move: Secrets, restarts, leases, certificates."""
    team = base.tenant
    secrets = {one["metadata"]["name"]: one for one in items(team, "Secret")}
    return {
        "secrets": {name: (one["metadata"]["resourceVersion"], one["data"]) for name, one in secrets.items()},
        "restarts": {one["metadata"]["name"]: one["metadata"]["generation"] for one in items(team, "Deployment")},
        "leases": dict.fromkeys(base.leases(), True),
        "certificates": dict.fromkeys(team.bao.admin.list(f"pki-{team.namespace}/certs"), True),
    }


def test_r28_objects_as_earlier_releases_left_them_are_taken_over_without_a_trace(
    base: Database, arena: Cluster, tmp_path: Path
) -> None:
    """Our definitions come by upgrade-crds; then no Secret is written, nothing restarted, leased, issued, logged in."""
    team = base.tenant
    with harness.running(arena, tmp_path, *PERSISTENT) as operator:
        prepare(base)
        before = facts(base)
        operator.kill()
        identities = uids(team)
        try:
            put(arena, open_)
            wait_for(lambda: kept(team), what="the open schema to be in force")
            age(team)
        finally:
            done = upgrade(arena, tmp_path, dict(shipped()))
        assert done.returncode == 0, done.stderr
        wait_for(lambda: not kept(team), what="our schema to be in force")
        assert uids(team) == identities
        assert_applies(team)
        assert_foretold(team, operator, tmp_path)
        since = team.bao.mark()
        operator.start()
        watch = Watch(operator, team)
        for kind in SECRETS:
            for name in CORPUS[kind]:
                team.wait_synced(name, kind=kind)
        team.wait(lambda: finalized(team) == [], "the finalizers to be let go: nothing is to be revoked")
        after = facts(base)
        assert [(name, one, after[name].get(one)) for name in before for one in moved(before[name], after[name])] == []
        assert watch.writes("secrets") == []
        assert len(logins(team.bao, team.namespace, since)) <= 1
        assert base.works("db-early")
        assert_applies(team)


def assert_foretold(team: Tenant, operator: Operator, folder: Path) -> None:
    """D50: what is told beforehand is what happens next, and without stored logins leases would not be kept."""
    kube, vault = team.cluster.audit_mark(), team.bao.mark()
    kept = foretold(team, operator, folder)
    assert kept.keys() == {(kind, name) for kind in SECRETS for name in CORPUS[kind]}
    assert {told["effect"] for told in kept.values()} == {"nothing", "read"}
    assert {name for (_, name), told in kept.items() if told["effect"] == "read"} >= {"kv-none", "role-none"}
    lost = foretold(team, operator, folder, "--client-cache-persistence-model=none")
    leased = {name for (_, name), told in lost.items() if told["effect"] == "lease"}
    assert leased == {name for name in CORPUS["VaultDynamicSecret"] if name.startswith("db")}
    assert all(lost[KIND, name]["restarts"] == [f"Deployment {name}"] for name in leased)
    asked = team.cluster.audit(user=harness.USER, since=kube)
    assert {one.verb for one in asked} == {"list", "get"}
    assert team.bao.requests(since=vault) == []


def foretold(team: Tenant, operator: Operator, folder: Path, *flags: str) -> dict[tuple[str, str], Json]:
    """What ``--dry-run-takeover`` says of the team's resources."""
    more = (*PERSISTENT, *flags, "--dry-run-takeover", "--output=json")
    said = Operator(team.cluster, folder / f"outlook{len(flags)}.log", operator.kubeconfig, more)
    said.launch()
    assert said.process is not None
    assert said.process.wait(60) == 0, said.log.read_text()
    told = json.loads(said.log.read_text())
    return {(one["kind"], one["name"]): one for one in told if one["namespace"] == team.namespace}


def moved(before: Json, after: Json) -> list[str]:
    """What is not as it was."""
    return sorted(name for name in before.keys() | after.keys() if before.get(name) != after.get(name))


def kept(team: Tenant) -> bool:
    """Whether the server keeps a member of a status that nobody knows; tried without effect, on each kind."""
    found = set()
    for plural in COMPLETE:
        kind = next(one.name for one in KINDS if one.kind.resource.plural == plural)
        if kind not in CORPUS:
            continue
        path = f"{team.path(kind, next(iter(CORPUS[kind])))}/status?dryRun=All"
        wait_for(partial(served, team, kind), what=f"{kind} to be served")
        answer = team.cluster.request("PATCH", path, {"status": {"invented": "yes"}}, content_type=MERGE)
        found.add("invented" in answer.get("status", {}))
    return found == {True}


def finalized(team: Tenant) -> list[str]:
    """The objects that have a finalizer."""
    return [
        f"{kind} {one['metadata']['name']}"
        for kind in CORPUS
        for one in items(team, kind)
        if "finalizers" in one["metadata"]
    ]


def test_d48_definitions_of_the_originals_shape_are_replaced_in_place_and_back(
    team: Tenant, arena: Cluster, tmp_path: Path
) -> None:
    """No object is lost or made anew, and what others put on the definitions stays."""
    team.connect()
    team.create("SecretTransformation", "shape", spec={"templates": {"a": {"text": "b"}}})
    team.sync("app")
    identities = uids(team)
    path = f"{API}/vaultauths.secrets.hashicorp.com"
    label = {"metadata": {"labels": {"tool": "gitops"}}}
    arena.request("PATCH", path, label, content_type=MERGE)
    definition = arena.request("GET", path)["metadata"]["uid"]
    try:
        put(arena, as_the_originals)
        assert {plural: demands(arena, plural) for plural in COMPLETE} == COMPLETE
    finally:
        done = upgrade(arena, tmp_path, dict(shipped()))
    assert done.returncode == 0, done.stderr
    assert [plural for plural in COMPLETE if demands(arena, plural)] == []
    assert uids(team) == identities
    found = arena.request("GET", path)["metadata"]
    assert (found["uid"], found["labels"]["tool"]) == (definition, "gitops")
    # Back, as the original's own upgrade does it: a patch that replaces the spec.
    try:
        put(arena, as_the_originals)
        assert uids(team) == identities
        assert team.cluster.kubectl("get", "vaultauths", "-n", team.namespace).returncode == 0
    finally:
        assert upgrade(arena, tmp_path, dict(shipped())).returncode == 0
    arena.request("PATCH", path, {"metadata": {"labels": None}}, content_type=MERGE)
    assert uids(team) == identities
