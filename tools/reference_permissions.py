"""Generates docs/reference/permissions from the operator's table: ``python -m tools.reference_permissions FOLDER``."""

import sys
from pathlib import Path
from typing import Final

from tools.reference import code, generated, sentence, table
from vso.controllers.permission import PERMISSIONS, Permission, Where

_WHERE: Final = {
    Where.SERVED: (
        "In the namespaces that are served",
        "By a ClusterRole, or with `--watch-namespaces` by one Role in each of these namespaces.",
    ),
    Where.CLUSTER: (
        "Outside of namespaces",
        "Not granted with `--watch-namespaces`; VaultConnections can then not use a ClusterTrustBundle.",
    ),
    Where.SELECTOR: ("On namespaces themselves", "Only with `--namespace-selector`."),
    Where.METRICS: (
        "To protect metrics",
        "Only with `--metrics-secure-bind-address`: the cluster is asked who reads them, and whether it may.",
    ),
    Where.UPGRADE: (
        "To bring the CRDs up to date",
        "Not of the operator: the chart gives them to the hook that runs before an upgrade, for as long as it runs.",
    ),
    Where.OWN: ("In the operator's own namespace", "By a Role."),
    Where.OWN_TOO: (
        "In the operator's own namespace, besides",
        "Only with `--watch-namespaces`, since the rules of served namespaces do not reach it then.",
    ),
}

_INTRODUCTION: Final = (
    "# Permissions in Kubernetes\n\n"
    "All that the operator may do. The operator of the tests runs with exactly these rules, so a missing one shows "
    "there. `python -m vso.controllers.rbac` prints them as manifests; `--watch-namespaces=team-a,team-b` prints those "
    "of an operator that serves these namespaces alone.\n\n"
    "What tokens need in Vault is in [Policies in Vault](../vault-policies.md).\n\n"
)


def page() -> str:
    """The page."""
    parts = [
        generated("src/vso/controllers/permission.py"),
        _INTRODUCTION,
    ]
    for where in Where:
        title, text = _WHERE[where]
        rows = [_row(one) for one in PERMISSIONS if one.where is where]
        parts += [f"## {title}\n\n{text}\n\n", table(("API group", "Resources", "Verbs", "Why"), rows)]
    return "".join(parts).rstrip() + "\n"


def _row(one: Permission) -> tuple[str, str, str, str]:
    resources = ", ".join(map(code, one.resources))
    return code(one.group) or "core", resources, ", ".join(one.verbs), sentence(one.why)


def write(folder: Path) -> None:
    """Write the page into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "README.md").write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    write(Path(sys.argv[1]))
