"""What all measures share: the servers, N custom resources with as many secrets, and requests to make them."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from bench.ledger import KubeLedger, VaultLedger
from bench.process import Launcher
from bench.result import Result
from bench.wire import Wire, for_each
from testenv import Cluster, OpenBao
from testenv.waiting import Report, seconds
from tests.support.operator import USER

NAMESPACE: Final = "bench"
MOUNT: Final = "bench"
_API: Final = "/apis/secrets.hashicorp.com/v1beta1"
RESOURCES: Final = f"{_API}/namespaces/{NAMESPACE}/vaultstaticsecrets"
SECRETS: Final = f"/api/v1/namespaces/{NAMESPACE}/secrets"

SECRET_CREATED: Final = "create secrets"  # noqa: S105 - a request
SECRET_PATCHED: Final = "patch secrets"  # noqa: S105 - a request
STATUS_PATCHED: Final = "patch vaultstaticsecrets/status"
EVENT_CREATED: Final = "create events"

_LOOK_EVERY: Final = 0.25
_TOLD_EVERY: Final = 10.0

Json = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is measured: with `number` resources, each read every `refresh` seconds; `edits` are timed.

    With `profiles` the operator runs under cProfile, whose files go into that folder.
    """

    number: int
    refresh: int
    edits: int
    profiles: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """Handed to each measure; figures and counts go into `result`."""

    plan: Plan
    cluster: Cluster
    bao: OpenBao
    kube: Wire
    vault: Wire
    launcher: Launcher
    requests: KubeLedger
    reads: VaultLedger
    result: Result
    report: Report

    def open_ledgers(self) -> None:
        """Count requests from now on."""
        self.requests.open()
        self.reads.open()

    async def wait(self, condition: Callable[[], bool], *, what: str, patience: float) -> None:
        """Wait until `condition()`, looking four times a second, telling that it goes on every ten."""
        start = told = seconds()
        while not condition():
            now = seconds()
            if now - start > patience:
                raise TimeoutError(f"{what}: not so after {patience:g} s")
            if now - told > _TOLD_EVERY:
                told = now
                self.report(f"{what}: waiting for {now - start:.0f} s")
            await asyncio.sleep(_LOOK_EVERY)


def name_of(index: int) -> str:
    """Resource, Secret and KV path number `index`; the order of names is that of numbers."""
    return f"app-{index:06}"


def resource_of(index: int, *, plan: Plan) -> Json:
    """A VaultStaticSecret as people write them."""
    name = name_of(index)
    return {
        "apiVersion": "secrets.hashicorp.com/v1beta1",
        "kind": "VaultStaticSecret",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {
            "vaultAuthRef": "vault",
            "mount": MOUNT,
            "path": name,
            "type": "kv-v2",
            "refreshAfter": f"{plan.refresh}s",
            "destination": {"name": name, "create": True},
        },
    }


def content_of(index: int) -> Json:
    """What Vault holds at path number `index`."""
    return {
        "username": f"user-{index}",
        "password": f"{index:032x}",
        "host": "database.example.internal",
        "port": 5432,
    }


def prepare(cluster: Cluster, bao: OpenBao) -> None:
    """The namespace, the KV mount, the role, and the objects that lead to them."""
    cluster.create_namespace(NAMESPACE)
    bao.admin.enable_kubernetes_auth("kubernetes", cluster)
    bao.admin.enable_kv(MOUNT, version=2)
    bao.admin.policy(MOUNT, f'path "{MOUNT}/*" {{ capabilities = ["read"] }}')
    bao.admin.kubernetes_role(
        "kubernetes",
        MOUNT,
        policies=[MOUNT],
        namespaces=[NAMESPACE],
        service_accounts=["default"],
        audience="vault",
        token_ttl="24h",  # noqa: S106 - a duration
    )
    kubernetes = {"role": MOUNT, "serviceAccount": "default", "audiences": ["vault"]}
    objects: tuple[tuple[str, str, Json], ...] = (
        ("VaultConnection", "vaultconnections", {"address": bao.address}),
        (
            "VaultAuth",
            "vaultauths",
            {
                "vaultConnectionRef": "vault",
                "method": "kubernetes",
                "mount": "kubernetes",
                "kubernetes": kubernetes,
            },
        ),
    )
    for kind, plural, spec in objects:
        body = {
            "apiVersion": "secrets.hashicorp.com/v1beta1",
            "kind": kind,
            "metadata": {"name": "vault"},
            "spec": spec,
        }
        cluster.request("POST", f"{_API}/namespaces/{NAMESPACE}/{plural}", body)


def is_ready(cluster: Cluster) -> bool:
    """Whether the VaultAuth is ready, and with it its VaultConnection."""
    auth = cluster.request("GET", f"{_API}/namespaces/{NAMESPACE}/vaultauths/vault")
    conditions = auth.get("status", {}).get("conditions", [])
    return any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)


async def fill_vault(stage: Stage) -> None:
    """Write all KV secrets."""
    stage.report(f"OpenBao: writing {stage.plan.number} secrets")

    async def write(index: int) -> None:
        await stage.vault.call("POST", f"/v1/{MOUNT}/data/{name_of(index)}", {"data": content_of(index)})

    await for_each(stage.plan.number, write, what="OpenBao", report=stage.report)


async def create_resources(stage: Stage) -> None:
    """Create all VaultStaticSecrets."""
    stage.report(f"Kubernetes: creating {stage.plan.number} VaultStaticSecrets")

    async def create(index: int) -> None:
        await stage.kube.call("POST", RESOURCES, resource_of(index, plan=stage.plan))

    await for_each(stage.plan.number, create, what="VaultStaticSecrets", report=stage.report)


def ledgers(cluster: Cluster, bao: OpenBao) -> tuple[KubeLedger, VaultLedger]:
    """Who counts what the operator asks for."""
    return KubeLedger(cluster.folder, USER), VaultLedger(bao.folder / "audit.log")
