"""The operator as a process that runs as if in a pod, and what the kernel says of it.

In a pod credentials come from files, and no kubeconfig loader is imported, which would be half of the memory.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from sys import executable
from typing import Any, Final
from urllib.parse import urlsplit

import psutil

from bench.ledger import Follower
from testenv import Cluster, Program, Server, wait_for
from testenv.port import free_port
from tests.support.operator import ACCOUNT, NAMESPACE, ROOT

# The folder is a constant of the operator, since in a pod it is one; only here it has to be elsewhere.
# Whatever the caller's shell sets for an operator must not decide what is measured.
_AS_IN_A_POD: Final = """
import os, sys
from pathlib import Path
for name in [name for name in os.environ if name.startswith("VSO_")]:
    del os.environ[name]
# Structlog takes rich along where it is installed; an image has no development tools.
sys.modules["rich"] = None
from vso.cli.manager import main
from vso.kube import config
config.SERVICE_ACCOUNT_FOLDER = Path(sys.argv.pop(1))
profile = sys.argv.pop(1)
if not profile:
    sys.exit(main())
from cProfile import Profile
profiler = Profile()
try:
    profiler.runcall(main)
finally:
    profiler.dump_stats(profile)
"""
_START: Final = 120.0
_FLAGS: Final = ("--health-probe-bind-address=0", "--per-object-metrics", "--zap-time-encoding=rfc3339nano")
_STOP: Final = 60.0
_KIB: Final = 1024
_MB: Final = 1e6
_READY: Final = "stores are filled"


@dataclass(frozen=True, slots=True)
class Memory:
    """Resident megabytes (10^6 bytes): now, and the most so far."""

    now: float
    peak: float


class OperatorProcess:
    """One run of the operator; made by `Launcher.running`."""

    def __init__(self, server: Server, *, metrics: str) -> None:
        self.metrics: Final = metrics
        """Base URL of its metrics."""
        self._server = server
        self._info = psutil.Process(server.pid)
        self._lines = Follower(server.log, dict[str, Any])
        self._ready: datetime | None = None
        self.started = datetime.fromtimestamp(self._info.create_time(), UTC)

    @property
    def ready(self) -> datetime | None:
        """When its stores were filled, by its own log; None before that. Raises RuntimeError if it ended."""
        if not self._server.alive:
            raise RuntimeError(f"the operator ended by itself:\n{self._server.tail()}")
        if self._ready is None:
            for line in self._lines.read():
                if line["msg"] == _READY:
                    self._ready = datetime.fromisoformat(str(line["ts"]))
        return self._ready

    def wait_ready(self) -> datetime:
        """Block until its stores are filled, and tell when that was."""
        wait_for(lambda: self.ready is not None, what="the operator to fill its stores", timeout=_START)
        return self.ready or self.started

    def cpu(self) -> float:
        """Seconds of CPU that it used so far, in user and kernel mode."""
        times = self._info.cpu_times()
        return float(times.user + times.system)

    def memory(self) -> Memory:
        """What it holds."""
        status = Path(f"/proc/{self._server.pid}/status").read_text().splitlines()
        peak = next(int(line.split()[1]) for line in status if line.startswith("VmHWM:"))
        return Memory(now=self._info.memory_info().rss / _MB, peak=peak * _KIB / _MB)


class Launcher:
    """Starts the operator against one cluster, under its own ServiceAccount, with series of each resource.

    With `profiles` each run leaves a file for `pstats` in that folder, and is about twice as slow.
    """

    def __init__(self, cluster: Cluster, *, profiles: Path | None = None) -> None:
        self._cluster = cluster
        self._profiles = profiles
        self._runs = 0
        self._account = cluster.folder / "serviceaccount"
        self._account.mkdir()
        for name, text in {
            "ca.crt": cluster.ca_pem,
            "token": cluster.token_for(ACCOUNT),
            "namespace": NAMESPACE,
        }.items():
            (self._account / name).write_text(text)

    @contextmanager
    def running(self) -> Iterator[OperatorProcess]:
        """The operator, from its start until it was asked to stop and ended; a traceback in its log raises."""
        self._runs += 1
        address = urlsplit(self._cluster.server)
        environ = {
            "KUBECONFIG": "",
            "KUBERNETES_SERVICE_HOST": str(address.hostname),
            "KUBERNETES_SERVICE_PORT": str(address.port),
            "OPERATOR_NAMESPACE": NAMESPACE,
            "PYTHONPATH": str(ROOT / "src"),
        }
        profile = f"{self._profiles}/operator-{self._runs}.prof" if self._profiles else ""
        listen = f"127.0.0.1:{free_port()}"
        flags = (*_FLAGS, f"--metrics-bind-address={listen}")
        command = (executable, "-c", _AS_IN_A_POD, str(self._account), profile, *flags)
        server = Server(Program(name=f"operator-{self._runs}", command=command, environ=environ), self._cluster.folder)
        server.start()
        try:
            yield OperatorProcess(server, metrics=f"http://{listen}")
        finally:
            server.terminate(grace=_STOP)
        _refuse_tracebacks(server.log)


def _refuse_tracebacks(log: Path) -> None:
    for line in log.read_text().splitlines():
        if line.startswith("Traceback") or (line.startswith("{") and "stacktrace" in json.loads(line)):
            raise RuntimeError(f"the operator logged a traceback, see its log:\n{log.read_text()[-3000:]}")
