"""The control plane's programs: built once from `controlplane/`, or taken from KUBEBUILDER_ASSETS.

The build takes five to ten minutes on two cores; see `gobuild` for how, and for where its result is kept.
"""

import os
import re
from dataclasses import dataclass
from pathlib import Path

from testenv.gobuild import BuildFailed, GoProgram
from testenv.waiting import Report, quiet

_SOURCE = Path(__file__).with_name("controlplane")


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
    program = GoProgram(
        name="controlplane",
        title="control plane",
        module=_SOURCE,
        takes="five to ten minutes",
        linker=_linker_flags(),
    )
    return program.binary(report)


def _linker_flags() -> str:
    """Stamp the Kubernetes version of go.mod into the binary, which would call itself v0.0.0 otherwise."""
    match = re.search(r"k8s\.io/kubernetes (v(\d+)\.(\d+)\.\S+)", (_SOURCE / "go.mod").read_text())
    if match is None:
        raise BuildFailed(f"{_SOURCE}/go.mod does not require k8s.io/kubernetes")
    values = {"gitVersion": match[1], "gitMajor": match[2], "gitMinor": match[3]}
    stamps = (f"-X k8s.io/component-base/version.{name}={value}" for name, value in values.items())
    return " ".join(("-s", "-w", *stamps))
