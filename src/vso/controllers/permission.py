"""What the controllers may do in Kubernetes; the RBAC manifests are generated from this table.

Source: operations.md section 5.1, without what is superfluous there.
"""

from dataclasses import dataclass
from typing import Final

from vso.apis.kinds import KINDS
from vso.apis.names import GROUP


@dataclass(frozen=True, slots=True)
class Permission:
    """One rule: verbs on resources of one API group, and the reason for it.

    `operator_only` limits it to the operator's own namespace.
    """

    group: str
    resources: tuple[str, ...]
    verbs: tuple[str, ...]
    why: str
    operator_only: bool = False


_HANDLED: Final = tuple(one.kind.resource.plural for one in KINDS if one.name != "CSISecrets")

PERMISSIONS: Final = (
    Permission(GROUP, _HANDLED, ("get", "list", "watch", "patch"), "read our kinds, remove finalizers"),
    Permission(GROUP, tuple(f"{one}/status" for one in _HANDLED), ("patch",), "report in status"),
    Permission(
        "",
        ("secrets",),
        ("get", "list", "watch", "create", "patch", "delete"),
        "write destinations, watch them by label, read CA certificates",
    ),
    Permission("", ("serviceaccounts/token",), ("create",), "log in to Vault on behalf of ServiceAccounts"),
    Permission("", ("serviceaccounts",), ("get",), "read their annotations and UIDs"),
    Permission("", ("configmaps",), ("get",), "read CA certificates, and the UID of the cluster's own"),
    Permission("certificates.k8s.io", ("clustertrustbundles",), ("get",), "read CA certificates"),
    Permission("", ("events",), ("create", "patch"), "tell what happened"),
    Permission("apps", ("deployments", "statefulsets", "daemonsets"), ("get", "patch"), "restart workloads"),
    Permission("argoproj.io", ("rollouts",), ("get", "patch"), "restart Argo Rollouts"),
    Permission("coordination.k8s.io", ("leases",), ("get", "create", "update"), "leader election", operator_only=True),
)
