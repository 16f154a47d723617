"""The order of the measures: each leaves what the next one needs."""

from contextlib import AsyncExitStack
from typing import Final

from bench import bare, cold, idle, latency, refresh, restart, scrape
from bench.process import Launcher
from bench.result import Result
from bench.stage import Plan, Stage, create_resources, fill_vault, ledgers, prepare
from bench.wire import Wire
from testenv import Cluster, OpenBao
from testenv.waiting import Report
from tests.support.operator import install

MEASURES: Final = ("bare", "cold", "refresh", "latency", "scrape", "restart")
_ADMIN: Final = "kube-system/bench"


async def run(plan: Plan, only: frozenset[str], report: Report) -> Result:
    """Start the servers, take the measures in `only` (the cold sync is always made), and stop the servers."""
    result = Result(
        plan.number,
        {
            "profiled": plan.profiles is not None,
            "refresh_seconds": plan.refresh,
            "edits": plan.edits,
            "only": sorted(only),
        },
    )
    async with AsyncExitStack() as stack:
        report("starting the servers")
        cluster = stack.enter_context(Cluster(report=report))
        bao = stack.enter_context(OpenBao(report=report))
        install(cluster)
        prepare(cluster, bao)
        token = _admin_token(cluster)
        requests, reads = ledgers(cluster, bao)
        stage = Stage(
            plan=plan,
            cluster=cluster,
            bao=bao,
            kube=await stack.enter_async_context(
                Wire(cluster.server, headers={"Authorization": f"Bearer {token}"}, ca_pem=cluster.ca_pem)
            ),
            vault=await stack.enter_async_context(Wire(bao.address, headers={"X-Vault-Token": bao.token})),
            launcher=Launcher(cluster, profiles=plan.profiles),
            requests=requests,
            reads=reads,
            result=result,
            report=report,
        )
        await _measure(stage, only)
    return result


async def _measure(stage: Stage, only: frozenset[str]) -> None:
    nothing = await idle.measure(stage)
    await fill_vault(stage)
    if "bare" in only:
        await bare.measure(stage)
    await create_resources(stage)
    stage.open_ledgers()
    with stage.launcher.running() as operator:
        await cold.measure(stage, operator, nothing)
        if "refresh" in only:
            await refresh.measure(stage, operator, nothing)
        if "latency" in only:
            await latency.measure(stage)
        if "scrape" in only:
            await scrape.measure(stage, operator)
    if "restart" in only:
        await restart.edit_the_last(stage)
        stage.open_ledgers()
        with stage.launcher.running() as operator:
            await restart.measure(stage, operator)


def _admin_token(cluster: Cluster) -> str:
    """A token with all rights: the bare client is authenticated and authorized the way the operator is."""
    namespace, name = _ADMIN.split("/")
    cluster.request("POST", f"/api/v1/namespaces/{namespace}/serviceaccounts", {"metadata": {"name": name}})
    binding = {
        "metadata": {"name": name},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"},
        "subjects": [{"kind": "ServiceAccount", "name": name, "namespace": namespace}],
    }
    cluster.request("POST", "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings", binding)
    return cluster.token_for(_ADMIN)
