"""The process itself: probes, logs, exit codes, and a replica that waits for its turn."""

import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from testenv import Cluster
from testenv.port import free_port
from tests.support import operator as harness
from tests.support.operator import Operator
from vso.base import SystemClock

LEASES = f"/apis/coordination.k8s.io/v1/namespaces/{harness.NAMESPACE}/leases"


@pytest.fixture
def waiting(cluster: Cluster, tmp_path: Path) -> Iterator[tuple[Operator, int]]:
    """A replica that cannot lead, since somebody else holds the Lease for an hour; and its probe port."""
    soon = (SystemClock().now() + timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    spec = {"holderIdentity": "somebody", "leaseDurationSeconds": 3600, "renewTime": soon, "acquireTime": soon}
    lease = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": "b0d477c0.hashicorp.com"}}
    cluster.request("POST", LEASES, {**lease, "spec": spec})
    port = free_port()
    with harness.running(cluster, tmp_path, f"--health-probe-bind-address=127.0.0.1:{port}") as replica:
        yield replica, port
    cluster.request("DELETE", f"{LEASES}/b0d477c0.hashicorp.com")


def probe(port: int, path: str) -> tuple[int, str]:
    """Status and body."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as answer:
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


def test_log_lines_are_json_with_the_originals_keys(waiting: tuple[Operator, int]) -> None:
    """level, ts, logger and msg come first; every line is one object."""
    replica, _ = waiting
    text = replica.log.read_text().splitlines()
    lines = replica.lines()
    assert len(lines) == len(text)
    start = next(one for one in lines if one["msg"] == "starting")
    assert list(start)[:4] == ["level", "ts", "logger", "msg"]
    assert (start["level"], start["logger"]) == ("info", "setup")


@pytest.mark.parametrize(
    ("arguments", "code", "text"),
    [
        (["--version", "--output=json"], 0, '"gitVersion"'),
        (["--help"], 0, "Usage:"),
        (["--nonsense"], 2, "flag provided but not defined: -nonsense"),
        (["--backoff-multiplier=0"], 1, "--backoff-multiplier must be greater than 0"),
        (["--kubeconfig=/nonexistent"], 1, "no such file"),
        (["--zap-log-level=loud"], 1, "use debug, info, error"),
    ],
)
def test_exit_codes_tell_scripts_what_happened(arguments: list[str], code: int, text: str) -> None:
    """0 fine, 1 cannot run, 2 wrong usage; the text says which."""
    environ = {"PYTHONPATH": str(harness.ROOT / "src"), "PATH": "/usr/bin:/bin"}
    result = subprocess.run(
        [sys.executable, "-m", "vso", *arguments], env=environ, capture_output=True, text=True, timeout=60, check=False
    )
    assert (result.returncode, text in result.stdout + result.stderr) == (code, True), result.stderr
