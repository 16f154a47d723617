"""Helm: the one in the PATH, else built once from its Go module at the version that `helmtool/go.mod` pins.

python -m testenv helm     builds it if need be, with progress on standard error, and prints its file
"""

import re
import shutil
from pathlib import Path

from testenv.gobuild import GoProgram
from testenv.waiting import Report, quiet

_SOURCE = Path(__file__).with_name("helmtool")
_PACKAGE = "helm.sh/helm/v3/cmd/helm"


def find_helm(report: Report = quiet) -> Path:
    """The program's file; building it takes a minute or two, once. Safe to call from many processes.

    Raises `BuildFailed` and `NoGo`.
    """
    installed = shutil.which("helm")
    if installed is not None:
        return Path(installed)
    version = re.search(r"helm\.sh/helm/v3 (v\S+)", (_SOURCE / "go.mod").read_text())
    stamp = f" -X helm.sh/helm/v3/internal/version.version={version[1]}" if version else ""
    program = GoProgram(
        name="helm",
        title="helm",
        module=_SOURCE,
        package=_PACKAGE,
        takes="two minutes",
        linker=f"-s -w{stamp}",
    )
    return program.binary(report)
