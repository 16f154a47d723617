"""Programs in Go that are built once and kept in the user's cache folder, under a hash of all that goes into them.

What is built: `builder` (the control plane) and `helm`. Where Go comes from: `toolchain`.
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

_LONGEST_BUILD = 3600.0


class BuildFailed(RuntimeError):
    """A program could not be built; the message says why and what helps."""


@dataclass(frozen=True, kw_only=True)
class GoProgram:
    """One program: `package` of the Go module in the folder `module`, linked with the flags `linker`.

    `name` is what its file in the cache is called, `title` what reports call it, `takes` how long the build takes.
    """

    name: str
    title: str
    module: Path
    takes: str
    package: str = "."
    linker: str = "-s -w"

    def binary(self, report: Report = quiet) -> Path:
        """The program's file, built if it is not in the cache; safe to call from many processes.

        `report` gets a line every few seconds while something takes long. Raises `BuildFailed` and `NoGo`.
        """
        binary = self.cached()
        if binary.is_file():
            return binary
        binary.parent.mkdir(parents=True, exist_ok=True)
        with self._locked(binary.with_suffix(".lock"), report):
            if not binary.is_file():
                self._build(binary, report)
        return binary

    def cached(self) -> Path:
        """Where the program is, or will be after the build."""
        digest = hashlib.sha256()
        for file in sorted(self.module.iterdir()):
            if file.suffix in {".go", ".mod", ".sum"}:
                digest.update(file.read_bytes())
        digest.update(self.linker.encode())
        return cache_folder() / f"{self.name}-{digest.hexdigest()[:16]}"

    @contextmanager
    def _locked(self, file: Path, report: Report) -> Iterator[None]:
        with file.open("w") as lock:
            told = 0.0
            for waited in attempts(_LONGEST_BUILD, interval=0.2):
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    if waited - told > 5:  # noqa: PLR2004 -- seconds between two lines
                        told = waited
                        report(f"{self.title}: another process is building it, waiting for {waited:.0f} s")
                else:
                    yield
                    return
        raise BuildFailed(f"another process has held {file} for an hour")

    def _build(self, binary: Path, report: Report) -> None:
        environ = {"CGO_ENABLED": "0", "GOTOOLCHAIN": "local", "GOWORK": "off"}
        required = re.search(r"^go (\S+)$", (self.module / "go.mod").read_text(), re.MULTILINE)
        go = str(find_go(required[1] if required else "1.0", cache=cache_folder(), report=report))
        report(f"{self.title}: not in the cache; building it takes {self.takes} on two cores, once")
        partial = binary.with_name(f"{binary.name}.{os.getpid()}.partial")
        steps = {
            "finding the packages (downloads modules)": [go, "-C", str(self.module), "list", "-deps", self.package],
            "compiling": [
                *(go, "-C", str(self.module), "build", "-v", "-trimpath"),
                *("-ldflags", self.linker, "-o", str(partial), self.package),
            ],
        }
        try:
            packages = 0
            for step, command in steps.items():
                progress = _Progress(report, self.title, packages)
                packages = _run(step, command, environ=environ, report=progress)
            partial.chmod(0o755)
            partial.replace(binary)
        finally:
            partial.unlink(missing_ok=True)
        report(f"{self.title}: built, kept in {binary}")


def cache_folder() -> Path:
    """Our part of the user's cache (XDG base directory specification); it may not exist yet."""
    root = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(root) / "vault-secrets-operator"


@dataclass(frozen=True)
class _Progress:
    """Tells how far a step is; `packages` is their total, 0 if not known yet."""

    report: Report
    title: str
    packages: int

    def tell(self, step: str, *, done: int, waited: float) -> None:
        count = f", {min(done, self.packages)} of {self.packages} packages" if self.packages else ""
        self.report(f"{self.title}: {step}, {waited:.0f} s{count}")


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
