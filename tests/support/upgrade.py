"""The program upgrade-crds as an image has it: a link to the operator's own program, beside the folder ``crds``."""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import yaml

from testenv import Cluster
from tests.support import operator as harness
from tests.support.tenant import Json

API: Final = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
_ACCOUNT: Final = "crd-upgrade"


def upgrade(
    cluster: Cluster, folder: Path, manifests: Mapping[str, str | list[Json]], **environ: str
) -> subprocess.CompletedProcess[str]:
    """Run it with these files, under an account that may do no more than it needs."""
    scripts = folder / "scripts"
    (scripts / "crds").mkdir(parents=True, exist_ok=True)
    for old in (scripts / "crds").iterdir():
        old.unlink()
    for name, content in manifests.items():
        text = content if isinstance(content, str) else yaml.safe_dump_all(content)
        (scripts / "crds" / name).write_text(text)
    program = scripts / "upgrade-crds"
    if not program.is_symlink():
        program.symlink_to(Path(sys.executable).parent / "vault-secrets-operator")
    more = {"KUBECONFIG": str(_kubeconfig(cluster)), "PYTHONPATH": str(harness.ROOT / "src"), **environ}
    return subprocess.run([program], env=os.environ | more, capture_output=True, text=True, timeout=90, check=False)


def _kubeconfig(cluster: Cluster) -> Path:
    namespace, metadata = harness.NAMESPACE, {"name": _ACCOUNT}
    rbac = "rbac.authorization.k8s.io"
    rule = {
        "apiGroups": ["apiextensions.k8s.io"],
        "resources": ["customresourcedefinitions"],
        "verbs": ["get", "create", "patch"],
    }
    items = [
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {**metadata, "namespace": namespace}},
        {"apiVersion": f"{rbac}/v1", "kind": "ClusterRole", "metadata": metadata, "rules": [rule]},
        {
            "apiVersion": f"{rbac}/v1",
            "kind": "ClusterRoleBinding",
            "metadata": metadata,
            "roleRef": {"apiGroup": rbac, "kind": "ClusterRole", "name": _ACCOUNT},
            "subjects": [{"kind": "ServiceAccount", "name": _ACCOUNT, "namespace": namespace}],
        },
    ]
    done = cluster.kubectl("apply", "--server-side", "-f", "-", input=yaml.safe_dump_all(items))
    assert done.returncode == 0, done.stderr
    return cluster.kubeconfig_for(f"{namespace}/{_ACCOUNT}")


def shipped() -> dict[str, str]:
    """The files of this release."""
    return {path.name: path.read_text() for path in (harness.ROOT / "deploy" / "crds").glob("*.yaml")}
