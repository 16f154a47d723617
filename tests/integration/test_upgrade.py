"""The program upgrade-crds on definitions of a group of its own; on ours: tests/faults/test_upgrade.py."""

import subprocess
from collections.abc import Iterator, Mapping
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final

import pytest

from testenv import Cluster, RequestFailed, wait_for
from tests.support.tenant import Json
from tests.support.upgrade import API, upgrade

Files = Mapping[str, str | list[Json]]
GROUP: Final = "upgrade.example.com"
NAMES: Final = ("widgets", "gadgets", "doubles")


def crd(plural: str, kind: str, *, group: str = GROUP, **status: Any) -> Json:
    """A definition; `status` goes into the schema."""
    properties = {"spec": {"type": "object"}, "status": {"type": "object", **status}}
    version = {
        "name": "v1",
        "served": True,
        "storage": True,
        "subresources": {"status": {}},
        "schema": {"openAPIV3Schema": {"type": "object", "properties": properties}},
    }
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{GROUP}"},
        "spec": {
            "group": group,
            "scope": "Cluster",
            "names": {"plural": plural, "kind": kind},
            "versions": [version],
        },
    }


@pytest.fixture(autouse=True)
def _clean(cluster: Cluster) -> Iterator[None]:
    """Without these definitions in the end."""
    yield
    names = [f"crd/{plural}.{GROUP}" for plural in NAMES]
    done = cluster.kubectl("delete", "--ignore-not-found", "--wait", "--timeout=60s", *names)
    assert done.returncode == 0, done.stderr


def objects(cluster: Cluster, plural: str) -> list[Json]:
    """The objects of a kind whose definition is in force; its storage is made at the first look."""

    def look() -> tuple[list[Json]] | None:
        try:
            return (cluster.request("GET", f"/apis/{GROUP}/v1/{plural}")["items"],)
        except RequestFailed as exc:
            if exc.status == HTTPStatus.TOO_MANY_REQUESTS:
                return None
            raise

    (found,) = wait_for(look, what=f"{plural} to be served") or ([],)
    return found


def stored(cluster: Cluster, plural: str) -> Json:
    """The definition on the server."""
    found: Json = cluster.request("GET", f"{API}/{plural}.{GROUP}")
    return found


def refusal(done: subprocess.CompletedProcess[str]) -> str:
    """The one line that says why it failed, apart from the log."""
    assert done.returncode == 1, done.stderr
    (line,) = (line for line in done.stderr.splitlines() if not line.startswith("{"))
    assert line.startswith("failed to upgrade CRDs: ")
    return line


def test_what_is_missing_is_created_and_served_when_the_program_ends(cluster: Cluster, tmp_path: Path) -> None:
    """Several documents in a file, several files; twice is the same as once."""
    files: Files = {"a.yaml": [crd("widgets", "Widget"), crd("gadgets", "Gadget")], "notes.txt": "no YAML: {"}
    done = upgrade(cluster, tmp_path, files)
    assert done.returncode == 0, done.stderr
    for plural in ("widgets", "gadgets"):
        assert objects(cluster, plural) == []
    before = {plural: stored(cluster, plural)["metadata"]["resourceVersion"] for plural in ("widgets", "gadgets")}
    assert upgrade(cluster, tmp_path, files).returncode == 0
    after = {plural: stored(cluster, plural)["metadata"]["resourceVersion"] for plural in ("widgets", "gadgets")}
    assert after == before


def test_what_is_there_is_changed_and_keeps_what_others_put(cluster: Cluster, tmp_path: Path) -> None:
    """Labels and annotations of other tools, and every object; of the schema only what is shipped is left."""
    old = crd("widgets", "Widget", required=["valid"], properties={"valid": {"type": "boolean"}})
    old["metadata"] |= {"labels": {"tool": "gitops"}, "annotations": {"tool.example.com/tracking": "id"}}
    old["spec"]["versions"][0]["additionalPrinterColumns"] = [{"name": "Old", "type": "string", "jsonPath": ".x"}]
    cluster.request("POST", API, old)
    cluster.kubectl("wait", "--for=condition=Established", f"crd/widgets.{GROUP}", "--timeout=30s")
    assert objects(cluster, "widgets") == []
    path = f"/apis/{GROUP}/v1/widgets"
    one = cluster.request("POST", path, {"apiVersion": f"{GROUP}/v1", "kind": "Widget", "metadata": {"name": "one"}})
    done = upgrade(cluster, tmp_path, {"a.yaml": [crd("widgets", "Widget")]})
    assert done.returncode == 0, done.stderr
    found = stored(cluster, "widgets")
    assert found["metadata"]["labels"] == {"tool": "gitops"}
    assert found["metadata"]["annotations"] == {"tool.example.com/tracking": "id"}
    version = found["spec"]["versions"][0]
    assert version["schema"]["openAPIV3Schema"]["properties"]["status"] == {"type": "object"}
    assert "additionalPrinterColumns" not in version
    assert [found["metadata"]["uid"] for found in objects(cluster, "widgets")] == [one["metadata"]["uid"]]


def test_every_error_is_told_and_keeps_nothing_else_from_being_done(cluster: Cluster, tmp_path: Path) -> None:
    """Exit code 1, and one line on stderr; the original drops these errors."""
    wrong = crd("gadgets", "Gadget")
    wrong["spec"]["versions"][0]["schema"]["openAPIV3Schema"] = {"properties": {"spec": {}}}
    elsewhere = crd("doubles", "Double", group="elsewhere.example.com")
    line = refusal(upgrade(cluster, tmp_path, {"a.yaml": [wrong, elsewhere], "b.yaml": [crd("widgets", "Widget")]}))
    assert "gadgets" in line
    assert "doubles" in line
    assert objects(cluster, "widgets") == []


def test_a_definition_that_is_never_served_fails_with_the_servers_reason(cluster: Cluster, tmp_path: Path) -> None:
    """Its kind belongs to another one; nobody waits longer than the variable says."""
    assert upgrade(cluster, tmp_path, {"a.yaml": [crd("widgets", "Widget")]}).returncode == 0
    files = {"a.yaml": [crd("doubles", "Widget")]}
    line = refusal(upgrade(cluster, tmp_path, files, VSO_UPGRADE_CRDS_TIMEOUT="2s"))
    assert f"doubles.{GROUP}: not done within 2 s" in line
    assert "already in use" in line


@pytest.mark.parametrize(
    ("files", "environ", "text"),
    [
        ({"a.yaml": [crd("widgets", "Widget")]}, {"VSO_UPGRADE_CRDS_TIMEOUT": "soon"}, "VSO_UPGRADE_CRDS_TIMEOUT"),
        ({"a.yaml": [crd("widgets", "Widget")] * 2}, {}, "is defined twice"),
        ({}, {}, "no CustomResourceDefinition"),
        ({"a.yaml": [crd("widgets", "Widget")]}, {"KUBECONFIG": "/nonexistent"}, "no such file"),
    ],
    ids=["time", "twice", "none", "cluster"],
)
def test_what_cannot_be_meant_changes_nothing(
    cluster: Cluster, tmp_path: Path, files: dict[str, list[Json]], environ: dict[str, str], text: str
) -> None:
    """Found out before the first request."""
    assert text in refusal(upgrade(cluster, tmp_path, files, **environ))
    with pytest.raises(RequestFailed):
        stored(cluster, "widgets")
