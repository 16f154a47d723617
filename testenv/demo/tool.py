"""The command lines of the story: kubectl and bao, run just as they are shown."""

import os
import shlex
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from testenv.cluster import find_kubectl
from testenv.openbao import OpenBao, find_binary

ROOT: Final = Path(__file__).parents[2]
_PATIENCE = 150.0
_Done = subprocess.CompletedProcess[str]


@dataclass(frozen=True)
class Tool:
    """A program: `shown` is what a user types for it, `command` what is run, in `folder` with `environ`."""

    shown: str
    command: tuple[str, ...]
    environ: Mapping[str, str]
    folder: Path

    def line(self, *args: str) -> str:
        """The command line to show; can be pasted into a shell."""
        return f"{self.shown} {shlex.join(args)}"

    def ask(self, *args: str, feed: str = "") -> _Done:
        """Run it with `feed` on its standard input; see `returncode`, `stdout`, `stderr`."""
        return subprocess.run(
            (*self.command, *args),
            input=feed,
            capture_output=True,
            text=True,
            check=False,
            timeout=_PATIENCE,
            env=dict(self.environ),
            cwd=self.folder,
        )

    def read(self, *args: str) -> str:
        """What it prints, "" if it fails."""
        done = self.ask(*args)
        return done.stdout if done.returncode == 0 else ""


@dataclass(frozen=True)
class Feed:
    """What goes into a command's standard input, and the command that a user would type in front of it."""

    shown: str
    content: str


def kubectl(folder: Path, *, kubeconfig: Path | None = None, context: str = "") -> Tool:
    """Kubectl for our own cluster's `kubeconfig`, or for a `context` of the user's."""
    # Caches of its own, since what other clusters on the same port knew would mislead.
    environ = {**os.environ, "KUBECACHEDIR": str(folder / "cache")}
    if kubeconfig is not None:
        environ["KUBECONFIG"] = str(kubeconfig)
    chosen = ("--context", context) if context else ()
    return Tool(shlex.join(("kubectl", *chosen)), (find_kubectl(), *chosen), environ, ROOT)


def plugin(kubectl: Tool) -> Tool:
    """The plugin of this checkout, as `kubectl` would call it; the context is an argument of each command."""
    environ = {**kubectl.environ, "PYTHONPATH": str(ROOT / "src")}
    return Tool("kubectl vso", (sys.executable, "-m", "vso.cli.kubectl.main"), environ, ROOT)


def bao_variables(bao: OpenBao) -> dict[str, str]:
    """What tells bao, or vault, the server."""
    prefix = "VAULT" if bao.vault else "BAO"
    return {f"{prefix}_ADDR": bao.address, f"{prefix}_TOKEN": bao.token}


def vault_tool(folder: Path, bao: OpenBao) -> Tool:
    """The command line of OpenBao or Vault, in `folder`, where files for it are."""
    foreign = ("BAO_", "VAULT_")
    environ = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
    # Another home, since the user's may name another way to keep tokens.
    environ |= {"HOME": str(folder), **bao_variables(bao)}
    return Tool("vault" if bao.vault else "bao", (str(find_binary()),), environ, folder)
