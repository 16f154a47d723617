"""The control plane's programs: built once from `controlplane/`, or taken from KUBEBUILDER_ASSETS.

The build takes five to ten minutes on two cores; its result is kept in the user's cache folder under a hash of
all that goes into it. See `toolchain` for where Go comes from.
"""

import fcntl
import hashlib
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from testenv.process import Program, Server
from testenv.toolchain import find_go
from testenv.waiting import Report, attempts, quiet, seconds
from testenv.workspace import workspace

_SOURCE = Path(__file__).with_name("controlplane")
_SOURCES = ("go.mod", "go.sum", "main.go")
_LONGEST_BUILD = 3600.0


class BuildFailed(RuntimeError):
    """The control plane could not be built; the message says why and what helps."""


@dataclass(frozen=True)
class ControlPlane:
    """How to call the three programs; the controller manager can be missing from KUBEBUILDER_ASSETS."""

    etcd: tuple[str, ...]
    apiserver: tuple[str, ...]
    controller_manager: tuple[str, ...] | None

    @property
    def has_controller_manager(self) -> bool:
        """Whether objects are garbage collected, namespaces deleted and Deployments acted upon."""
        return self.controller_manager is not None


def control_plane(report: Report = quiet) -> ControlPlane:
    """Find the programs: KUBEBUILDER_ASSETS if set, else our own build, which is made now if need be.

    Raises `BuildFailed`.
    """
    assets = os.environ.get("KUBEBUILDER_ASSETS")
    if not assets:
        binary = str(controlplane_binary(report))
        return ControlPlane((binary, "etcd"), (binary, "kube-apiserver"), (binary, "kube-controller-manager"))
    folder = Path(assets)
    missing = [name for name in ("etcd", "kube-apiserver") if not (folder / name).is_file()]
    if missing:
        raise BuildFailed(f"KUBEBUILDER_ASSETS={assets} has no {' and no '.join(missing)}")
    manager = folder / "kube-controller-manager"
    commands = (str(folder / "etcd"),), (str(folder / "kube-apiserver"),)
    return ControlPlane(*commands, (str(manager),) if manager.is_file() else None)


def controlplane_binary(report: Report = quiet) -> Path:
    """The multi-call binary's file, built if it is not in the cache; safe to call from many processes.

    `report` gets a line every few seconds while something takes long. Raises `BuildFailed`.
    """
    binary = cached_binary()
    if binary.is_file():
        return binary
    binary.parent.mkdir(parents=True, exist_ok=True)
    with _locked(binary.with_suffix(".lock"), report):
        if not binary.is_file():
            _build(binary, report)
    return binary


def cached_binary() -> Path:
    """Where the binary is, or will be after the build."""
    digest = hashlib.sha256()
    for name in _SOURCES:
        digest.update((_SOURCE / name).read_bytes())
    digest.update(_linker_flags().encode())
    return cache_folder() / f"controlplane-{digest.hexdigest()[:16]}"


def cache_folder() -> Path:
    """Our part of the user's cache (XDG base directory specification); it may not exist yet."""
    root = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(root) / "vault-secrets-operator"


def _linker_flags() -> str:
    """Stamp the Kubernetes version of go.mod into the binary, which would call itself v0.0.0 otherwise."""
    match = re.search(r"k8s\.io/kubernetes (v(\d+)\.(\d+)\.\S+)", (_SOURCE / "go.mod").read_text())
    if match is None:
        raise BuildFailed(f"{_SOURCE}/go.mod does not require k8s.io/kubernetes")
    values = {"gitVersion": match[1], "gitMajor": match[2], "gitMinor": match[3]}
    stamps = (f"-X k8s.io/component-base/version.{name}={value}" for name, value in values.items())
    return " ".join(("-s", "-w", *stamps))


@contextmanager
def _locked(file: Path, report: Report) -> Iterator[None]:
    with file.open("w") as lock:
        told = 0.0
        for waited in attempts(_LONGEST_BUILD, interval=0.2):
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if waited - told > 5:  # noqa: PLR2004 -- seconds between two lines
                    told = waited
                    report(f"control plane: another process is building it, waiting for {waited:.0f} s")
            else:
                yield
                return
    raise BuildFailed(f"another process has held {file} for an hour")


def _build(binary: Path, report: Report) -> None:
    environ = {"CGO_ENABLED": "0", "GOTOOLCHAIN": "local", "GOWORK": "off"}
    required = re.search(r"^go (\S+)$", (_SOURCE / "go.mod").read_text(), re.MULTILINE)
    go = str(find_go(required[1] if required else "1.0", cache=cache_folder(), report=report))
    report("control plane: not in the cache; building it takes five to ten minutes on two cores, once")
    partial = binary.with_name(f"{binary.name}.{os.getpid()}.partial")
    steps = {
        "finding the packages (downloads modules)": [go, "-C", str(_SOURCE), "list", "-deps", "."],
        "compiling": [
            *(go, "-C", str(_SOURCE), "build", "-v", "-trimpath"),
            *("-ldflags", _linker_flags(), "-o", str(partial), "."),
        ],
    }
    try:
        packages = 0
        for step, command in steps.items():
            packages = _run(step, command, environ=environ, report=_Progress(report, packages))
        partial.chmod(0o755)
        partial.replace(binary)
    finally:
        partial.unlink(missing_ok=True)
    report(f"control plane: built, kept in {binary}")


@dataclass(frozen=True)
class _Progress:
    """Tells how far a step is; `packages` is their total, 0 if not known yet."""

    report: Report
    packages: int

    def tell(self, step: str, *, done: int, waited: float) -> None:
        count = f", {min(done, self.packages)} of {self.packages} packages" if self.packages else ""
        self.report(f"control plane: {step}, {waited:.0f} s{count}")


def _run(step: str, command: list[str], *, environ: dict[str, str], report: _Progress) -> int:
    """Run one step of the build to its end; answers with the number of lines that it printed."""
    with workspace() as folder:
        server = Server(Program(name="go", command=command, environ=environ), folder)
        start = told = seconds()
        with server:
            for waited in attempts(_LONGEST_BUILD, interval=0.2):
                if not server.alive:
                    break
                if seconds() - told > 2:  # noqa: PLR2004 -- seconds between two lines
                    told = seconds()
                    report.tell(step, done=_lines(server.log), waited=waited)
        if server.exit_code != 0:
            hint = "is the Go module proxy within reach (see `go env GOPROXY`)?"
            raise BuildFailed(f"{step} failed after {seconds() - start:.0f} s; {hint}\n{server.tail()}")
        return _lines(server.log)


def _lines(log: Path) -> int:
    # Lines of `go: downloading` are no packages.
    return sum(not line.startswith(b"go: ") for line in log.read_bytes().splitlines())
