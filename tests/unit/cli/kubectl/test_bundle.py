"""The archive of `kubectl vso bundle`: who can read it, and whose logs are in it."""

import stat
from pathlib import Path
from typing import Any, Final, TypeVar

import click
import msgspec
import pytest

from vso.apis import meta
from vso.apis.meta import Key, Kind, Object
from vso.cli.kubectl.bundle import collect, create
from vso.cli.kubectl.target import Cluster
from vso.kube import Client, ClientConfig, Page

T = TypeVar("T", bound=Object)
Json = dict[str, Any]

NAME: Final = "vault-secrets-operator-controller-manager"
LABELS: Final = {"control-plane": "controller-manager", "app.kubernetes.io/name": "vault-secrets-operator"}


def spec(container: str) -> Json:
    """Of a Pod with one container."""
    return {"containers": [{"name": container, "image": "vault-secrets-operator:1"}]}


class Objects(Client):
    """Deployments and Pods in memory; `named` are the Pods whose logs were read."""

    def __init__(self, **objects: list[Json]) -> None:
        super().__init__(ClientConfig(server="http://127.0.0.1:1"), user_agent="test")
        self.objects = objects
        self.named: list[str] = []

    async def list_page(self, kind: Kind[T], *, namespace: str | None = None, labels: str = "", **_: Any) -> Page[T]:
        wanted = dict(one.split("=") for one in labels.split(",") if one)
        found = [
            one
            for one in self.objects.get(kind.resource.kind, [])
            if namespace in {None, one["metadata"]["namespace"]} and wanted.items() <= one["metadata"]["labels"].items()
        ]
        items = tuple(meta.decode(msgspec.json.encode(one), kind.type) for one in found)
        return Page(items=items, continue_="", resource_version="1")

    async def read_log(self, kind: Kind[Any], key: Key, *, container: str, lines: int) -> bytes:
        self.named.append(key.name)
        return b"a line"


def objects(*deployments: str) -> Objects:
    """The operator's Pod and that of somebody else with the same labels, and Deployments in these namespaces."""
    return Objects(
        Deployment=[
            {
                "metadata": {"namespace": one, "name": NAME, "labels": LABELS},
                "spec": {"template": {"metadata": {"labels": LABELS}, "spec": spec("manager")}},
            }
            for one in deployments
        ],
        Pod=[
            {"metadata": {"namespace": "ops", "name": name, "labels": labels}, "spec": spec("manager")}
            for name, labels in (
                (f"{NAME}-5d8f-x", LABELS),
                ("other-controller-7c-y", LABELS),
                (f"{NAME}-z", {"control-plane": "controller-manager"}),
            )
        ],
    )


async def test_only_the_operator_s_own_logs_are_in_it() -> None:
    """Many operators have the label control-plane=controller-manager."""
    client = objects("ops")
    files = await collect(Cluster(client=client, namespace=None, labels=""), None)
    assert client.named == [f"{NAME}-5d8f-x"]
    assert [name for name in files if name.startswith("logs/")] == [f"logs/{NAME}-5d8f-x-manager.log"]


@pytest.mark.parametrize("deployments", [(), ("ops", "aaa-tenant")])
async def test_without_a_known_operator_there_are_no_logs(deployments: tuple[str, ...]) -> None:
    """And the archive says why."""
    client = objects(*deployments)
    files = await collect(Cluster(client=client, namespace=None, labels=""), None)
    assert client.named == []
    assert "--operator-namespace" in files["operator.yaml"]


def test_the_archive_is_a_new_file_for_the_user_alone(tmp_path: Path) -> None:
    """Neither what is there nor what a link leads to is written to."""
    made = tmp_path / "bundle.tar.gz"
    create(made, b"x")
    assert (made.read_bytes(), stat.S_IMODE(made.stat().st_mode)) == (b"x", 0o600)
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "elsewhere")
    for taken in (made, link):
        with pytest.raises(click.FileError, match="exists; remove it, or name another"):
            create(taken, b"y")
    assert made.read_bytes() == b"x"
    assert not (tmp_path / "elsewhere").exists()
