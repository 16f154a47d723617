"""The container image without a container engine: its files, laid out as the Dockerfile does, and run in confinement.

As root the programs run in a mount namespace, changed root, as uid 65532, on a read-only file system. Where the
machine refuses namespaces they run in the changed root as uid 65532, who owns nothing there. Other users get a user
namespace, in which the files are their own: modes are then shown by a test of their own alone.
"""

import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import pytest

from tools.image import NONROOT

ROOT: Final = Path(__file__).parents[2]
PYTHON: Final = Path(sys.base_prefix, "bin", f"python{sys.version_info.major}.{sys.version_info.minor}")
ACCOUNT: Final = "var/run/secrets/kubernetes.io/serviceaccount"
"""Where a kubelet mounts the token."""
_MOUNT: Final = """
mount --bind "$0" "$0"
if [ -n "$1" ]; then mount --bind "$1" "$0/$2"; fi
mount -o remount,ro,bind "$0"
shift 2
exec "$@"
"""


@dataclass(frozen=True)
class Image:
    """The laid out files; `account` is a folder to mount where Pods have their ServiceAccount's token."""

    tree: Path
    account: Path | None = None
    environ: dict[str, str] = field(default_factory=dict)

    @property
    def namespaces(self) -> bool:
        """Whether the machine lets us mount: then the file system is read-only and a token can be mounted."""
        return "--mount" in self.confinement()

    def confinement(self) -> Sequence[str]:
        """The command that runs another one inside the tree, as the container would."""
        unshare = ["/usr/bin/unshare", "--mount"]
        mount = ["/bin/sh", "-ec", _MOUNT, str(self.tree), str(self.account or ""), ACCOUNT]
        if os.geteuid() == 0:
            change = ["/usr/sbin/chroot", f"--userspec={NONROOT}:{NONROOT}", "--groups=", str(self.tree)]
            return [*unshare, *mount, *change] if _works([*unshare, *mount, "true"]) else change
        ids = [f"--map-user={NONROOT}", f"--map-group={NONROOT}"]
        change = ["/usr/bin/unshare", "--user", *ids, f"--root={self.tree}", "--"]
        if not _works([*unshare, "--map-root-user", *mount, "true"]):
            pytest.skip("only root, or a user who may make namespaces, can run the image's files")
        return [*unshare, "--map-root-user", *mount, *change]

    def run(self, *command: str) -> "subprocess.CompletedProcess[str]":
        """Run a program of the image to its end."""
        confined = [*self.confinement(), *command]
        return subprocess.run(confined, capture_output=True, text=True, check=False, timeout=60, env=self.environ)

    def start(self, *command: str, log: Path) -> "subprocess.Popen[bytes]":
        """Start a program of the image; each step on the way becomes the next, so the process is the program's."""
        with log.open("ab") as out:
            return subprocess.Popen([*self.confinement(), *command], env=self.environ, stdout=out, stderr=out)

    def python(self, program: str) -> "subprocess.CompletedProcess[str]":
        """Run a program text by the image's interpreter."""
        return self.run(str(PYTHON), "-I", "-W", "ignore", "-c", program)


def build_wheel(source: Path, folder: Path) -> Path:
    """The wheel of the source, in a folder."""
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(source)]
    environ = {**os.environ, "SOURCE_DATE_EPOCH": "1700000000"}
    subprocess.run(command, env=environ, stdout=subprocess.DEVNULL, check=True, timeout=60)
    [wheel] = folder.glob("*.whl")
    return wheel


def lay_out(wheel: Path, folder: Path) -> Image:
    """The files of the image, made by the script that the Dockerfile calls."""
    # The container's user has to get there; pytest makes its folders for their owner alone.
    for parent in (folder, *folder.parents):
        if "pytest-" in str(parent) and parent.stat().st_uid == os.geteuid():
            parent.chmod(parent.stat().st_mode | 0o011)
    tree = folder / "tree"
    command = [sys.executable, str(ROOT / "tools" / "image.py"), "--wheel", str(wheel), str(tree)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=250)
    assert done.returncode == 0, done.stderr
    return Image(tree)


def _works(command: Sequence[str]) -> bool:
    return subprocess.run(command, capture_output=True, check=False, timeout=30).returncode == 0
