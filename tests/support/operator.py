"""The operator as users run it: a process of its own, under its own ServiceAccount and the generated rules."""

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from testenv import Cluster, wait_for
from testenv.audit import AuditEntry
from tests.support import canary
from vso.controllers.rbac import Installation, as_yaml

ROOT: Final = Path(__file__).parents[2]
NAMESPACE: Final = "vault-secrets-operator-system"
_ACCOUNT: Final = "vault-secrets-operator-controller-manager"
POD_UID: Final = "00000000-0000-0000-0000-0000000000ab"
"""The Pod that the shared operator says it runs in."""
ACCOUNT: Final = f"{NAMESPACE}/{_ACCOUNT}"
USER: Final = f"system:serviceaccount:{NAMESPACE}:{_ACCOUNT}"


@dataclass
class Operator:
    """One running operator process and its log."""

    cluster: Cluster
    log: Path
    kubeconfig: Path
    flags: tuple[str, ...]
    environ: dict[str, str] = field(default_factory=dict)
    namespace: str = NAMESPACE
    account: str = _ACCOUNT
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the process and wait until it works."""
        lines = len(self.lines())
        self.launch()
        wait_for(
            lambda: self._alive() and any(one["msg"] == "stores are filled" for one in self.lines()[lines:]),
            what="the operator to fill its stores",
            timeout=60,
        )

    def launch(self) -> None:
        """Start the process."""
        environ = {
            **{name: value for name, value in os.environ.items() if not name.startswith("VSO_")},
            "KUBECONFIG": str(self.kubeconfig),
            "OPERATOR_NAMESPACE": self.namespace,
            "PYTHONPATH": str(ROOT / "src"),
            **self.environ,
        }
        unheard = ("--health-probe-bind-address=0", "--metrics-bind-address=0")
        command = [sys.executable, "-m", "vso", *unheard, *self.flags]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(command, env=environ, stderr=log, stdout=log)

    def _alive(self) -> bool:
        if self.process is None or self.process.poll() is not None:
            raise AssertionError(f"the operator ended by itself:\n{self.log.read_text()[-3000:]}")
        return True

    def stop(self) -> int:
        """Ask it to stop, and return its exit code."""
        assert self.process is not None
        self.process.terminate()
        return self.process.wait(40)

    def kill(self) -> None:
        """Kill -9."""
        assert self.process is not None
        self.process.kill()
        self.process.wait(10)

    @contextlib.contextmanager
    def paused(self) -> Iterator[None]:
        """Stop its time (SIGSTOP) for the length of the context."""
        assert self.process is not None
        self.process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self.process.send_signal(signal.SIGCONT)

    def peak(self) -> int:
        """Bytes of memory that its process had at most."""
        assert self.process is not None
        found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{self.process.pid}/status").read_text())
        assert found is not None
        return 1024 * int(found[1])

    def lines(self) -> list[dict[str, Any]]:
        """The log lines written so far."""
        if not self.log.exists():
            return []
        text = self.log.read_text(errors="replace").splitlines()
        return [json.loads(line) for line in text if line.startswith("{") and line.endswith("}")]

    def requests(self, since: int) -> list[AuditEntry]:
        """What it asked of the API server since `since` (an audit mark), leases and watches apart."""
        return [
            one
            for one in self.cluster.audit(user=user_of(self.namespace, self.account), since=since)
            if one.resource != "leases" and one.verb != "watch"
        ]


def install(cluster: Cluster) -> None:
    """What an administrator applies before the operator runs: CRDs, ServiceAccount, rules."""
    for folder in ("crds", "rbac"):
        result = cluster.kubectl("apply", "--server-side", "-f", str(ROOT / "deploy" / folder))
        assert result.returncode == 0, result.stderr
    result = cluster.kubectl("wait", "--for=condition=Established", "--all", "crd", "--timeout=30s")
    assert result.returncode == 0, result.stderr
    cluster.wait_watched()


def install_beside(cluster: Cluster, installation: Installation) -> None:
    """Another operator's ServiceAccount and rules; the CRDs are there."""
    result = cluster.kubectl("apply", "--server-side", "-f", "-", input=as_yaml(installation))
    assert result.returncode == 0, result.stderr


def user_of(namespace: str, account: str = _ACCOUNT) -> str:
    """What the operator in `namespace` is called in the audit log."""
    return f"system:serviceaccount:{namespace}:{account}"


@contextlib.contextmanager
def running(
    cluster: Cluster,
    folder: Path,
    *flags: str,
    server: str = "",
    namespace: str = NAMESPACE,
    account: str = _ACCOUNT,
    **environ: str,
) -> Iterator[Operator]:
    """An operator for the length of the context; its log must hold neither a traceback nor a secret at the end."""
    who = f"{namespace}/{account}"
    kubeconfig = cluster.kubeconfig_for(who, server=server) if server else cluster.kubeconfig_for(who)
    log = folder / f"operator-{namespace}.log"
    operator = Operator(cluster, log, kubeconfig, flags, dict(environ), namespace, account)
    begun = len(canary.SESSION.credentials)
    operator.start()
    try:
        yield operator
    finally:
        if operator.process is not None and operator.process.poll() is None:
            operator.stop()
    leak = canary.token_in(operator.log.read_text(errors="replace"))
    assert not leak, f"a secret in the log: {leak}"
    canary.SESSION.log_ended(operator.log, begun=begun)
    crashes = [one for one in operator.lines() if "stacktrace" in one]
    assert not crashes, crashes[0]
