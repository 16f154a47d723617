"""`kubectl vso` as users run it: a process of its own, with an administrator's kubeconfig or another one."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from testenv import Cluster
from tests.support import canary
from tests.support.operator import ROOT


@dataclass(frozen=True)
class Answer:
    """What a command printed, and how it ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """What it printed, for a program."""
        return json.loads(self.out)


def vso(cluster: Cluster, *words: str, kubeconfig: Path | None = None) -> Answer:
    """Run a command; nothing that it prints may look like a token or a key."""
    command = [sys.executable, "-m", "vso.cli.kubectl.main", *words]
    ended = subprocess.run(
        command, env=environment(cluster, kubeconfig), capture_output=True, text=True, check=False, timeout=90
    )
    assert "Traceback" not in ended.stderr, ended.stderr
    assert not canary.token_in(ended.stdout + ended.stderr), "a token in the output"
    return Answer(ended.returncode, ended.stdout, ended.stderr)


def environment(cluster: Cluster, kubeconfig: Path | None = None) -> dict[str, str]:
    """The variables of its process."""
    return {
        **{name: value for name, value in os.environ.items() if not _concerns_us(name)},
        "KUBECONFIG": str(kubeconfig or cluster.admin_kubeconfig),
        "PYTHONPATH": str(ROOT / "src"),
    }


def _concerns_us(variable: str) -> bool:
    return variable.startswith(("VSO_", "_VSO")) or variable.lower().endswith("_proxy")
