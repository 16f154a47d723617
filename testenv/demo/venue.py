"""Where the story plays: on a cluster and an OpenBao started for it, or on an existing cluster with such an OpenBao."""

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from testenv.cluster import Cluster
from testenv.demo.narrator import Narrator
from testenv.demo.stage import NAMESPACE, REVIEWER_BINDING, Stage, StoryFailed
from testenv.demo.tool import ROOT, Tool, kubectl, plugin, vault_tool
from testenv.openbao import OpenBao
from testenv.postgres import Postgres
from testenv.workspace import workspace

CRDS: Final = Path("deploy/crds")
RULES: Final = Path("deploy/rbac")
GROUP: Final = "secrets.hashicorp.com"
_PLURALS = "{range .items[*]}{.spec.names.plural} {end}{.spec.names.plural}"  # of a list, or of one
_OPERATOR_IMAGE = "vault-secrets-operator"
_UNREACHABLE = ("insecure-skip-tls-verify", "tls-server-name", "proxy-url")


@contextlib.contextmanager
def own(narrator: Narrator) -> Iterator[Stage]:
    """A new cluster, which vanishes in the end with all that is in it."""
    narrator.step(
        "Start Kubernetes and OpenBao",
        "etcd, API server and controller manager, some five seconds. The first time they are built, which takes "
        "about five minutes and is kept; each step of that is told.",
    )
    with contextlib.ExitStack() as stack:
        with narrator.waiting("Kubernetes starts"):
            cluster = stack.enter_context(Cluster(report=narrator.progress))
        stage = _stage(
            narrator,
            stack,
            tool=kubectl(cluster.folder, kubeconfig=cluster.admin_kubeconfig),
            missing=crd_files(),
        )
        stage.controllers = cluster.controller_manager
        stage.collects = cluster.has_controller_manager
        yield stage


@contextlib.contextmanager
def borrowed(narrator: Narrator, context: str) -> Iterator[Stage]:
    """The cluster of a kubeconfig context, which is left as it was found.

    Raises `StoryFailed`, with nothing changed yet, if the demo would get into the way of something there.
    """
    narrator.step(
        "Look at the cluster, and start OpenBao",
        "The demo plays only where it would not get into the way of another operator, or of objects that are there.",
    )
    with contextlib.ExitStack() as stack:
        tool = kubectl(stack.enter_context(workspace()), context=context)
        with narrator.waiting("looking at the cluster"):
            missing = _inspect(tool)
        stage = _stage(narrator, stack, tool=tool, missing=missing)
        stage.borrowed = True
        yield stage


def crd_files() -> tuple[Path, ...]:
    """The CRDs' files, one for each, named by the plural; relative to the repository."""
    return tuple(sorted(file.relative_to(ROOT) for file in (ROOT / CRDS).glob("*.yaml")))


def _stage(narrator: Narrator, stack: contextlib.ExitStack, *, tool: Tool, missing: tuple[Path, ...]) -> Stage:
    bao = stack.enter_context(OpenBao(report=narrator.progress))
    postgres = stack.enter_context(Postgres(report=narrator.progress))
    folder = stack.enter_context(workspace())
    # The stack of the acts is emptied before the servers stop.
    undo = stack.enter_context(contextlib.ExitStack())
    stage = Stage(
        narrator=narrator,
        kubectl=tool,
        plugin=plugin(tool),
        bao=vault_tool(folder, bao),
        server=bao,
        postgres=postgres,
        folder=folder,
        undo=undo,
        missing_crds=missing,
    )
    undo.callback(stage.complain)
    return stage


def _inspect(tool: Tool) -> tuple[Path, ...]:
    """The files of the CRDs that the cluster lacks; raises `StoryFailed` if the demo must not play there."""
    answer = tool.ask("get", "--raw", "/version", "--request-timeout=10s")
    if answer.returncode != 0:
        raise StoryFailed(f"The cluster does not answer: {answer.stderr.strip()}")
    _check_address(tool)
    if tool.ask("auth", "can-i", "*", "*", "--all-namespaces").returncode != 0:
        raise StoryFailed("The demo installs CRDs and cluster roles, so it needs a context with all rights.")
    _check_operator(tool)
    _check_names(tool)
    present = set(tool.read("get", "-f", str(CRDS), "--ignore-not-found", "-o", f"jsonpath={_PLURALS}").split())
    for plural in sorted(present):
        # The operator looks at all namespaces: it would act on objects that are not the demo's.
        if tool.read("get", f"{plural}.{GROUP}", "--all-namespaces", "-o", "name"):
            raise StoryFailed(f"There are {plural} on the cluster, and the operator of the demo would act on them.")
    return tuple(file for file in crd_files() if file.stem not in present)


def _check_address(tool: Tool) -> None:
    config = json.loads(tool.read("config", "view", "--raw", "--minify", "-o", "json"))
    cluster = config["clusters"][0]["cluster"]
    for name in _UNREACHABLE:
        if cluster.get(name):
            raise StoryFailed(f"OpenBao has to reach the API server by itself, and cannot obey {name} of the context.")


def _check_operator(tool: Tool) -> None:
    images = tool.read("get", "deployments", "--all-namespaces", "-o", "jsonpath={.items[*].spec..image}")
    if _OPERATOR_IMAGE in images:
        raise StoryFailed("A Vault Secrets Operator runs on this cluster; it and that of the demo would disturb it.")


def _check_names(tool: Tool) -> None:
    wanted = (
        ("namespace", NAMESPACE),
        ("clusterrolebinding", REVIEWER_BINDING),
        ("-f", str(RULES)),
    )
    taken = "".join(tool.read("get", *one, "--ignore-not-found", "-o", "name") for one in wanted).split()
    if taken:
        raise StoryFailed(
            f"These are on the cluster already, perhaps from a demo that was killed: {', '.join(taken)}. "
            "The demo makes and removes objects of these names; remove them if they are not needed."
        )
