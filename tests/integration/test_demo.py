"""`make demo`, as a process of its own in a pipe: it tells the whole story, plainly, and leaves nothing behind."""

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from testenv import Cluster, wait_for

ROOT = Path(__file__).parents[2]
SENTENCES = (
    "✓ The Secret holds what OpenBao holds",
    "password=correct-horse",
    "✓ The Secret has the new password",
    "password=battery-staple",
    "✓ So there is a second ReplicaSet",
    "RolloutRestartTriggered",
    "✓ PostgreSQL lets in who has the credentials of the Secret",
    "✓ The lease was renewed, with the Secret as it was",
    "✓ New credentials replaced the old",
    "✓ With the VaultDynamicSecret its account is gone, revoked by OpenBao",
    "✓ A TLS server loads them, and a client that trusts the CA accepts its name",
    "✓ The next certificate is there before the first one ends",
    'invalid role name "no-such-role"',
    "✓ No Secret was made",
    "✓ The diagnosis names the role too",
    "✓ The Secret is gone",
    "✓ The refused login is among them",
    "managed Secrets by namespace 0",
    "request times of OpenBao login",
    "secrets by Vault secret type kv-v2 1",
    "secret custom resources VaultStaticSecret 1",
    "Vault connections healthy 1",
    "VaultAuth custom resources 2",
    "Vault auth methods in use kubernetes",
    "Kubernetes namespaces serviced 1",
    "sync operations",
    "operator version and build",
    "sync failures auth",
    "Vault authentication failures denied",
    "VaultAuths without their VaultConnection 0",
    "Kubernetes API failures",
    "secrets without their VaultAuth 0",
    "Secrets that two resources claim 0",
    "What to read next",
    "Everything is cleaned up.",
)


@dataclass
class Demo:
    """A running demo; all its processes and folders can be told by `place`."""

    process: subprocess.Popen[str]
    place: Path
    output: Path

    def text(self) -> str:
        """What it printed so far, without line breaks and repeated blanks."""
        return re.sub(r"\s+", " ", self.output.read_text())

    def wait_for(self, text: str) -> None:
        """Wait until it has printed `text`."""
        wait_for(lambda: text in self.text() or self.process.poll() is not None, what=text, timeout=180)
        assert text in self.text()

    def left(self) -> list[str]:
        """Processes with this demo's folder in their environment, and files in it."""
        found = [str(file) for file in self.place.iterdir()]
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                if process.environ().get("TMPDIR") == str(self.place):
                    found.append(f"process {process.pid} {process.name()}")
        return found


@contextlib.contextmanager
def demo(folder: Path, *arguments: str, **environ: str) -> Iterator[Demo]:
    """The demo for the length of the context, with a folder of its own for temporary files.

    Other accounts can enter that one, unlike pytest's own: PostgreSQL runs as another one for root.
    """
    place, output = Path(tempfile.mkdtemp()), folder / "output.txt"
    place.chmod(0o755)
    inherited = {name: value for name, value in os.environ.items() if name not in {"FORCE_COLOR", "TTY_COMPATIBLE"}}
    variables = {**inherited, "TMPDIR": str(place), "PYTHONUTF8": "1", **environ}
    command = [sys.executable, "-m", "testenv.demo", *arguments]
    with output.open("w") as file:
        process = subprocess.Popen(command, cwd=ROOT, env=variables, stdout=file, stderr=file, text=True)
    try:
        yield Demo(process, place, output)
    finally:
        if process.poll() is None:
            process.terminate()
        process.wait(30)
        shutil.rmtree(place)


@pytest.fixture(scope="module")
def foreign() -> Iterator[Cluster]:
    """Somebody's cluster, on which the operator was never installed; but one of the CRDs was, long ago."""
    with Cluster() as cluster:
        crd = ROOT / "deploy" / "crds" / "vaultstaticsecrets.yaml"
        assert cluster.kubectl("apply", "--server-side", "-f", str(crd)).returncode == 0
        if cluster.controller_manager is not None:
            # Its garbage collector learns of a new kind after half a minute only, and at its start.
            cluster.controller_manager.terminate(grace=2.0)
            cluster.controller_manager.start()
        yield cluster


@pytest.fixture
def kubeconfig(foreign: Cluster, tmp_path: Path) -> Path:
    """A kubeconfig in which that cluster is a context called `mine`, and not the current one."""
    config = json.loads(foreign.admin_kubeconfig.read_text())
    config["contexts"][0]["name"] = "mine"
    config["current-context"] = ""
    file = tmp_path / "kubeconfig"
    file.write_text(json.dumps(config))
    return file


def inventory(cluster: Cluster) -> set[str]:
    """What is on the cluster of the sorts that the demo makes outside its namespace."""
    result = cluster.kubectl("get", "namespaces,crds,clusterroles,clusterrolebindings", "-o", "name")
    assert result.returncode == 0, result.stderr
    return set(result.stdout.split())


def test_the_story_is_told_plainly_and_kept_until_it_is_interrupted(tmp_path: Path) -> None:
    """Without a terminal there is no escape sequence; Ctrl-C is how a kept demo ends well."""
    with demo(tmp_path, "--keep") as running:
        running.wait_for("Nothing outlives this process")
        running.process.send_signal(signal.SIGINT)
        assert running.process.wait(30) == 0, running.text()[-3000:]
        for sentence in (*SENTENCES, "export KUBECONFIG="):
            assert sentence in running.text()
        assert "\x1b" not in running.output.read_text()
        assert running.left() == []


def test_a_cluster_of_the_users_is_left_as_it_was(tmp_path: Path, foreign: Cluster, kubeconfig: Path) -> None:
    """Even the CRD that was there before is there afterwards, and the others are not."""
    before = inventory(foreign)
    with demo(tmp_path, "--context", "mine", KUBECONFIG=str(kubeconfig)) as running:
        assert running.process.wait(110) == 0, running.text()[-3000:]
        for sentence in (*SENTENCES, "kubectl --context mine -n vso-demo get"):
            assert sentence in running.text()
        assert running.left() == []
    assert inventory(foreign) == before


def test_an_interrupted_story_cleans_up_the_users_cluster(tmp_path: Path, foreign: Cluster, kubeconfig: Path) -> None:
    """Ctrl-C in the middle, when objects of all kinds are there."""
    before = inventory(foreign)
    with demo(tmp_path, "--context", "mine", KUBECONFIG=str(kubeconfig)) as running:
        running.wait_for("The Secret holds what OpenBao holds")
        running.process.send_signal(signal.SIGINT)
        assert running.process.wait(60) == 128 + signal.SIGINT, running.text()[-3000:]
        assert running.left() == []
    assert inventory(foreign) == before


def test_a_cluster_with_an_operator_is_not_touched(tmp_path: Path, cluster: Cluster) -> None:
    """The names that the demo would make are taken there; it says so, and makes nothing."""
    before = inventory(cluster)
    with demo(tmp_path, "--context", "testenv", KUBECONFIG=str(cluster.admin_kubeconfig)) as running:
        assert running.process.wait(30) == 1
        assert "namespace/vault-secrets-operator-system" in running.text()
        assert running.left() == []
    # What earlier tests deleted may vanish meanwhile.
    assert inventory(cluster) <= before
