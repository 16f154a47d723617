"""The process itself: probes, logs, exit codes, and a replica that waits for its turn."""

import asyncio
import re
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import psutil
import pytest

from testenv import Cluster, InThread, OpenBao, Silence, wait_for
from testenv.port import free_port
from testenv.waiting import seconds
from tests.support import operator as harness
from tests.support.operator import Operator
from tests.support.tenant import Tenant, new_tenant, remove
from vso.app.serve import health_server
from vso.base import SystemClock
from vso.controllers.rbac import Installation

PROBES = tuple(f"/{name}{rest}" for name in ("healthz", "readyz") for rest in ("", "/", f"/{name}"))
LEASES = f"/apis/coordination.k8s.io/v1/namespaces/{harness.NAMESPACE}/leases"


@pytest.fixture
def waiting(cluster: Cluster, tmp_path: Path) -> Iterator[tuple[Operator, int]]:
    """A replica that cannot lead, since somebody else holds the Lease for an hour; and its probe port."""
    soon = (SystemClock().now() + timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    spec = {"holderIdentity": "somebody", "leaseDurationSeconds": 3600, "renewTime": soon, "acquireTime": soon}
    lease = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": "b0d477c0.hashicorp.com"}}
    cluster.request("POST", LEASES, {**lease, "spec": spec})
    port = free_port()
    flags = (f"--health-probe-bind-address=127.0.0.1:{port}", "--metrics-bind-address=")
    with harness.running(cluster, tmp_path, *flags) as replica:
        yield replica, port
    cluster.request("DELETE", f"{LEASES}/b0d477c0.hashicorp.com")


def probe(port: int, path: str, *, timeout: float = 5) -> tuple[int, str]:
    """Status and body."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=timeout) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as exc:
        return exc.code, exc.read().decode()


def test_a_waiting_replica_is_ready_writes_nothing_and_stops_with_0(
    cluster: Cluster, waiting: tuple[Operator, int]
) -> None:
    """Probes in the original's form; the HMAC key apart, only the leader writes."""
    replica, port = waiting
    assert probe(port, "/healthz") == (200, "ok")
    assert probe(port, "/readyz") == (200, "ok")
    status, text = probe(port, "/readyz?verbose")
    assert (status, text.splitlines()[0]) == (200, "[+]caches ok")
    assert probe(port, "/metrics")[0] == 404
    mark = cluster.audit_mark()
    assert replica.stop() == 0
    assert not [one for one in cluster.audit(user=harness.USER, since=mark) if one.verb in {"update", "delete"}]


def test_probes_are_all_that_is_served_at_each_of_the_originals_paths(waiting: tuple[Operator, int]) -> None:
    """An empty --metrics-bind-address means no metrics, not those of a port that the system chooses."""
    replica, port = waiting
    assert replica.process is not None
    sockets = psutil.Process(replica.process.pid).net_connections("inet")
    assert [one.laddr.port for one in sockets if one.status == psutil.CONN_LISTEN] == [port]
    answers = {path: probe(port, path) for path in PROBES}
    assert answers == dict.fromkeys(PROBES, (200, "ok"))


def test_log_lines_are_json_with_the_originals_keys(waiting: tuple[Operator, int]) -> None:
    """level, ts, logger and msg come first; every line is one object."""
    replica, _ = waiting
    text = replica.log.read_text().splitlines()
    lines = replica.lines()
    assert len(lines) == len(text)
    start = next(one for one in lines if one["msg"] == "starting")
    assert list(start)[:4] == ["level", "ts", "logger", "msg"]
    assert (start["level"], start["logger"]) == ("info", "setup")
    assert {"gitVersion", "platform", "clientCacheSize", "globalVaultAuthOptions"} <= start.keys()


def test_lines_from_a_reconcile_tell_of_which_resource(operator: Operator, tenant: Tenant) -> None:
    """By the keys of the original; all lines of one reconcile have the same ID."""
    tenant.connect()
    tenant.put("app", {"user": "alice"})
    tenant.sync("app")
    tenant.wait_synced("app")
    place = {"namespace": tenant.namespace, "name": "app"}
    line = next(one for one in operator.lines() if one.get("VaultStaticSecret") == place)
    assert (line["controller"], line["controllerKind"]) == ("vaultstaticsecret", "VaultStaticSecret")
    assert line["controllerGroup"] == "secrets.hashicorp.com"
    assert re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", line["reconcileID"])


async def test_a_stuck_event_loop_answers_no_probe() -> None:
    """For the kubelet no answer is a failed probe; once the loop goes on, probes are answered again."""
    port = free_port()
    async with health_server(f"127.0.0.1:{port}", live={}, ready={}):
        with ThreadPoolExecutor() as pool:
            stuck = pool.submit(probe, port, "/healthz", timeout=0.3)
            wait_for(stuck.done, what="the probe to give up")  # on the loop itself, which hangs meanwhile
            assert isinstance(stuck.exception(), TimeoutError | urllib.error.URLError)
            assert await asyncio.to_thread(probe, port, "/healthz") == (200, "ok")


def test_what_may_not_read_what_it_needs_is_alive_but_not_ready(cluster: Cluster, tmp_path: Path) -> None:
    """The probe says which list is refused; it stops with 0 even so."""
    home = Installation(namespace="op-unready", name="op-unready", namespaces=("default",))
    harness.install_beside(cluster, home)
    port, account = free_port(), harness.ACCOUNT.partition("/")[2]
    flags = (f"--health-probe-bind-address=127.0.0.1:{port}", "--watch-namespaces=default,kube-public")
    kubeconfig = cluster.kubeconfig_for(f"{home.namespace}/{account}")
    replica = Operator(cluster, tmp_path / "unready.log", kubeconfig, flags, {}, home.namespace)
    replica.launch()

    def refused() -> str:
        try:
            status, text = probe(port, "/readyz")
        except urllib.error.URLError:
            return ""
        assert status == 500, replica.log.read_text()
        return text if "kube-public" in text else ""

    text = wait_for(refused, what="the probe to tell of the refusal")
    assert text.startswith("[-]caches failed")
    assert probe(port, "/readyz?exclude=caches") == (200, "ok")
    assert probe(port, "/healthz") == (200, "ok")
    assert replica.stop() == 0
    cluster.request("DELETE", f"/api/v1/namespaces/{home.namespace}")


def test_while_the_api_server_is_away_it_is_alive_and_stops_when_asked(cluster: Cluster, tmp_path: Path) -> None:
    """A restart by the kubelet would not bring the API server back."""
    port = free_port()
    kubeconfig = cluster.kubeconfig_for(harness.ACCOUNT, server=f"https://127.0.0.1:{free_port()}")
    flags = (f"--health-probe-bind-address=127.0.0.1:{port}",)
    replica = Operator(cluster, tmp_path / "lonely.log", kubeconfig, flags)
    replica.launch()
    wait_for(lambda: any("waiting for the API" in one["msg"] for one in replica.lines()), what="it to wait")
    assert probe(port, "/healthz") == (200, "ok")
    status, text = probe(port, "/readyz")
    assert (status, "not begun" in text) == (500, True)
    assert replica.stop() == 0


@pytest.fixture
def unanswered(cluster: Cluster, bao: OpenBao, tmp_path: Path) -> Iterator[Operator]:
    """An operator that leads, all of whose work waits for a Vault that swallows all packets."""
    lone = new_tenant(cluster, bao)
    with InThread(bao.address) as vault, harness.running(cluster, tmp_path) as operator:
        vault.set(Silence())
        lone.connect(address=vault.url)
        for number in range(20):
            lone.sync(f"s{number}", path="app")
        wait_for(lambda: vault.connections, what="a request that is swallowed")
        yield operator
    cluster.request("DELETE", f"{LEASES}/b0d477c0.hashicorp.com")
    remove(lone)


def test_a_stop_ends_in_time_and_releases_the_lease_though_nothing_answers(
    cluster: Cluster, unanswered: Operator
) -> None:
    """Events cannot be told of any more, either."""
    started = seconds()
    assert unanswered.stop() == 0
    assert seconds() - started < 38  # 30 s for the work, 5 s for the rest and 3 s for the Lease
    lease = cluster.request("GET", f"{LEASES}/b0d477c0.hashicorp.com")
    assert not lease["spec"].get("holderIdentity")


def test_a_second_signal_ends_the_process_at_once_with_1(unanswered: Operator) -> None:
    """Whoever asks twice does not want to wait for the work; another signal, since the same two may become one."""
    process = unanswered.process
    assert process is not None
    started = seconds()
    process.send_signal(signal.SIGTERM)
    process.send_signal(signal.SIGINT)
    assert process.wait(40) == 1
    assert seconds() - started < 20  # a stop that waits takes the 30 s of the test above


@pytest.mark.parametrize(
    ("arguments", "code", "text"),
    [
        (["--version", "--output=json"], 0, '"gitVersion"'),
        (["--help"], 0, "Usage:"),
        (["--nonsense"], 2, "flag provided but not defined: -nonsense"),
        (["--backoff-multiplier=0"], 1, "--backoff-multiplier must be greater than 0"),
        (["--kubeconfig=/nonexistent"], 1, "no such file"),
        (["--zap-log-level=loud"], 2, "use debug, info, warning, error"),
        (["--version", "--output=xml"], 1, "use json or yaml"),
        (["--uninstall", "--kubeconfig=/nonexistent"], 1, "no such file"),
        (["--uninstall", "--pre-delete-hook-timeout-seconds=0"], 1, "--pre-delete-hook-timeout-seconds"),
    ],
)
def test_exit_codes_tell_scripts_what_happened(arguments: list[str], code: int, text: str) -> None:
    """0 fine, 1 cannot run, 2 wrong usage; the text says which."""
    environ = {"PYTHONPATH": str(harness.ROOT / "src"), "PATH": "/usr/bin:/bin"}
    result = subprocess.run(
        [sys.executable, "-m", "vso", *arguments], env=environ, capture_output=True, text=True, timeout=60, check=False
    )
    assert (result.returncode, text in result.stdout + result.stderr) == (code, True), result.stderr
