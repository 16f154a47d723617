"""The operator of the story: this checkout's, as a process of its own, with no rights but its ServiceAccount's."""

import json
import os
import sys

from testenv.demo.stage import OPERATOR_ACCOUNT, OPERATOR_NAMESPACE, Stage
from testenv.demo.tool import ROOT
from testenv.port import free_port, host_port
from testenv.process import Program, Server

_FLAGS = ("--leader-elect=false", "--health-probe-bind-address=0")
_READY = "stores are filled"


def start(stage: Stage) -> None:
    """Give the operator a kubeconfig with a token of its ServiceAccount, start it and wait until it works.

    It is stopped with the other things of `stage.undo`.
    """
    token_command = ("-n", OPERATOR_NAMESPACE, "create", "token", OPERATOR_ACCOUNT, "--duration=24h")
    token = stage.keep("operator.token", stage.kubectl, *token_command)
    kubeconfig = stage.folder / "operator.kubeconfig"
    kubeconfig.touch(mode=0o600)
    kubeconfig.write_text(json.dumps(_kubeconfig(cluster_entry(stage), token)))
    listen = host_port(free_port())
    stage.metrics = f"http://{listen}/metrics"
    flags = (*_FLAGS, f"--metrics-bind-address={listen}")
    stage.narrator.command(f"KUBECONFIG=operator.kubeconfig python -m vso {' '.join(flags)}")
    environ = {
        "KUBECONFIG": str(kubeconfig),
        "OPERATOR_NAMESPACE": OPERATOR_NAMESPACE,
        "PYTHONPATH": str(ROOT / "src"),
    }
    # Settings for an operator of the user's own are not for this one.
    foreign = [f"--unset={name}" for name in os.environ if name.startswith("VSO_")]
    command = ("env", *foreign, sys.executable, "-m", "vso", *flags)
    stage.operator = stage.undo.enter_context(
        Server(Program(name="operator", command=command, environ=environ), stage.folder)
    )
    stage.expect(lambda: bool(_messages(stage.operator, _READY)), "the operator runs, and watches the cluster")
    stage.narrator.output("\n".join(_messages(stage.operator, _READY)))


def cluster_entry(stage: Stage) -> dict[str, str]:
    """How the API server is reached: the entry of the kubeconfig, with all certificates in it."""
    text = stage.kubectl.read("config", "view", "--raw", "--minify", "--flatten", "-o", "json")
    entry: dict[str, str] = json.loads(text)["clusters"][0]["cluster"]
    return entry


def _messages(server: Server | None, message: str) -> list[str]:
    if server is None or not server.log.exists():
        return []
    return [line for line in server.log.read_text(errors="replace").splitlines() if message in line]


def _kubeconfig(cluster: dict[str, str], token: str) -> dict[str, object]:
    context = {"cluster": "demo", "user": "operator", "namespace": OPERATOR_NAMESPACE}
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "demo", "cluster": cluster}],
        "users": [{"name": "operator", "user": {"token": token}}],
        "contexts": [{"name": "demo", "context": context}],
        "current-context": "demo",
    }
