"""Helm: the one in the PATH, else built once from its Go module at the version that `helmtool/go.mod` pins.

``python -m testenv helm`` builds it if need be, with progress on standard error, and prints its file.
"""

import re
import shutil
from pathlib import Path

from testenv.gobuild import BuildFailed, GoProgram
from testenv.waiting import Report, quiet

_SOURCE = Path(__file__).with_name("helmtool")


def find_helm(report: Report = quiet) -> Path:
    """The program's file; building it takes two minutes, once. Safe to call from many processes.

    Raises `BuildFailed` and `NoGo`.
    """
    installed = shutil.which("helm")
    if installed is not None:
        return Path(installed)
    program = GoProgram(
        name="helm",
        title="helm",
        module=_SOURCE,
        package="helm.sh/helm/v3/cmd/helm",
        takes="two minutes",
        linker=_linker_flags(),
    )
    return program.binary(report)


def _linker_flags() -> str:
    """Stamp its version, and the Kubernetes version that `helm template` assumes, which would be 1.20 otherwise."""
    required = (_SOURCE / "go.mod").read_text()
    helm = re.search(r"helm\.sh/helm/v3 (v\S+)", required)
    kubernetes = re.search(r"k8s\.io/client-go v0\.(\d+)\.", required)
    if helm is None or kubernetes is None:
        raise BuildFailed(f"{_SOURCE}/go.mod does not require Helm and k8s.io/client-go")
    stamps = [f"-X helm.sh/helm/v3/internal/version.version={helm[1]}"]
    for package in ("chartutil", "lint/rules"):
        prefix = f"-X helm.sh/helm/v3/pkg/{package}.k8sVersion"
        stamps += [f"{prefix}Major=1", f"{prefix}Minor={kubernetes[1]}"]
    return " ".join(("-s", "-w", *stamps))
