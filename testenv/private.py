"""Python environments in the user's cache, for programs that cannot stand beside the project's packages."""

import shutil
import venv
from collections.abc import Sequence
from pathlib import Path

from testenv.process import Program, Server
from testenv.waiting import Report, attempts
from testenv.workspace import workspace

_LONGEST_INSTALL = 900.0


class InstallFailed(RuntimeError):
    """pip could not install what was asked for; the text has what it said."""


def install(private: Path, arguments: Sequence[str], *, what: str, report: Report) -> None:
    """Make the environment `private` with what ``pip install`` makes of `arguments`; all or nothing.

    Raises InstallFailed.
    """
    partial = private.with_name(f"{private.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    # A pip of its own, since ours may be missing.
    venv.create(partial, with_pip=True)
    pip = [str(partial / "bin" / "python"), "-m", "pip", "--disable-pip-version-check"]
    with workspace() as folder:
        program = Program(name="pip", command=[*pip, "install", *arguments])
        with Server(program, folder) as server:
            for waited in attempts(_LONGEST_INSTALL, interval=2.0):
                if not server.alive:
                    break
                report(f"{what}: pip installs it, {waited:.0f} s")
        if server.exit_code != 0:
            shutil.rmtree(partial)
            raise InstallFailed(f"pip said:\n{server.tail()}")
    partial.replace(private)
