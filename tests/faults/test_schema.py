"""R28: objects whose status is incomplete or of another age, under our schema and under one that demands more."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from copy import deepcopy
from enum import Enum
from http import HTTPStatus
from pathlib import Path
from typing import Final

import pytest

from testenv import Cluster, RequestFailed
from tests.faults.lab import ALONE, items, wait_all_synced
from tests.support import operator as harness
from tests.support.evidence import Watch
from tests.support.tenant import Json, Tenant

MERGE: Final = "application/merge-patch+json"
CRDS: Final = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
MEMBERS: Final[Mapping[str, str]] = {"VaultStaticSecret": "lastGeneration", "VaultConnection": "valid"}
"""What the original's schema demands of a status (api.md section 7.5)."""
FINALIZER: Final = "vaultstaticsecret.secrets.hashicorp.com/finalizer"
STATUSES: Final[Mapping[str, Json | None]] = {
    "none": None,
    "empty": {},
    "generation": {"lastGeneration": 1},
    "mac": {"secretMAC": "bm8gbG9uZ2VyIG1lYW50"},
    "foreign": {"lastGeneration": 1, "invented": {"by": "another release"}, "conditions": [{"type": "Ready"}]},
}


class Schema(Enum):
    """What becomes of a status that lacks what the original demands and has what nobody knows."""

    OPEN = "kept"
    OURS = "pruned"
    DEMANDING = "refused"


@pytest.mark.parametrize("met", [Schema.OURS, Schema.DEMANDING])
def test_r28_objects_with_the_status_of_any_release_sync_without_a_restart(
    team: Tenant, arena: Cluster, tmp_path: Path, met: Schema
) -> None:
    """Stored under a schema that takes anything, met under one that does not; users can apply them all the while."""
    prepare(team, arena, tmp_path)
    with schema(team, Schema.OPEN):
        age(team)
    with schema(team, met):
        assert_applies(team)
        mark, vault = arena.audit_mark(), team.bao.mark()
        with harness.running(arena, tmp_path, *ALONE) as operator:
            wait_all_synced(team)
            team.wait(lambda: not any("finalizers" in one["metadata"] for one in items(team)), "no finalizers")
            watch = Watch(operator, team)
            watch.kube, watch.vault = mark, vault
            assert watch.writes("secrets") == []
            assert {name: watch.reads(name) for name in STATUSES} == dict.fromkeys(STATUSES, 1)
        assert [one["metadata"]["generation"] for one in items(team, "Deployment")] == [1] * len(STATUSES)
        for kind, member in MEMBERS.items():
            assert [one["metadata"]["name"] for one in items(team, kind) if member not in one["status"]] == []
        assert_applies(team)


def prepare(team: Tenant, arena: Cluster, folder: Path) -> None:
    """Resources in sync, and no operator."""
    with harness.running(arena, folder, *ALONE):
        team.connect()
        for name in STATUSES:
            team.put(name, {"user": "alice"})
            team.deployment(name)
            targets = [{"kind": "Deployment", "name": name}]
            team.sync(name, refreshAfter="1h", rolloutRestartTargets=targets)
        wait_all_synced(team)


def age(team: Tenant) -> None:
    """Give each resource its status, and the original's finalizer; take those of the others away."""
    for name, status in STATUSES.items():
        put_status(team, "VaultStaticSecret", name, status)
        team.patch("VaultStaticSecret", name, {"metadata": {"finalizers": [FINALIZER]}})
    put_status(team, "VaultConnection", "vault", None)
    put_status(team, "VaultAuth", "vault", {})


def put_status(team: Tenant, kind: str, name: str, status: Json | None) -> None:
    """Replace a status whole; the first patch takes away what a merge would keep."""
    path = f"{team.path(kind, name)}/status"
    for value in (None, status):
        team.cluster.request("PATCH", path, {"status": value}, content_type=MERGE)
    assert (team.get(kind, name) or {}).get("status") == status


def assert_applies(team: Tenant) -> None:
    """What a GitOps tool does: each manifest as the user wrote it, by server-side apply, as a trial."""
    for kind in (*MEMBERS, "VaultAuth"):
        for one in items(team, kind):
            manifest = {
                "apiVersion": "secrets.hashicorp.com/v1beta1",
                "kind": kind,
                "metadata": {
                    "name": one["metadata"]["name"],
                    "namespace": team.namespace,
                    "labels": {"touched": "true"},
                },
                "spec": one["spec"],
            }
            done = team.cluster.kubectl(
                "apply", "--server-side", "--force-conflicts", "--dry-run=server", "-f", "-", input=json.dumps(manifest)
            )
            assert done.returncode == 0, done.stderr


@contextmanager
def schema(team: Tenant, wanted: Schema) -> Iterator[None]:
    """Our CRDs with another schema of the status, for the length of the context."""
    if wanted is Schema.OURS:
        yield
        return
    paths = {kind: f"{CRDS}/{kind.lower()}s.secrets.hashicorp.com" for kind in MEMBERS}
    before = {kind: team.cluster.request("GET", path)["spec"]["versions"] for kind, path in paths.items()}

    def put(schemas: Mapping[str, list[Json]], now: Schema) -> None:
        for kind, versions in schemas.items():
            team.cluster.request("PATCH", paths[kind], {"spec": {"versions": versions}}, content_type=MERGE)
        for kind in schemas:
            wait_in_force(team, kind, now)

    try:
        put({kind: altered(versions, MEMBERS[kind], wanted) for kind, versions in before.items()}, wanted)
        yield
    finally:
        put(before, Schema.OURS)


def altered(versions: list[Json], member: str, wanted: Schema) -> list[Json]:
    """The versions of a CRD with the schema `wanted` of the status."""
    changed: list[Json] = deepcopy(versions)
    properties = changed[0]["schema"]["openAPIV3Schema"]["properties"]
    if wanted is Schema.OPEN:
        properties["status"] = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    else:
        properties["status"]["required"] = [member]
    return changed


def in_force(team: Tenant, kind: str) -> Schema | None:
    """Which schema is, by what becomes of a status, without effect; None while the server changes over."""
    # The server does not judge a status anew that stays as it is, so one that it knows is changed too.
    body: Json = {"status": {"invented": {"by": "nobody"}, "conditions": [], MEMBERS[kind]: None}}
    try:
        name = items(team, kind)[0]["metadata"]["name"]
        path = f"{team.path(kind, name)}/status?dryRun=All"
        answer = team.cluster.request("PATCH", path, body, content_type=MERGE)
    except RequestFailed as exc:
        return Schema.DEMANDING if exc.status == HTTPStatus.UNPROCESSABLE_ENTITY else None
    return Schema.OPEN if "invented" in answer["status"] else Schema.OURS


def wait_in_force(team: Tenant, kind: str, wanted: Schema) -> None:
    """Wait until the server judges by this schema."""
    team.wait(lambda: in_force(team, kind) is wanted, f"the schema of {kind} to be in force: {wanted.value}")
