"""What the controllers may do in Kubernetes; the RBAC manifests are generated from this table.

Source: operations.md sections 5.1 and 5.2, without what is superfluous there.
"""

from dataclasses import dataclass
from enum import Enum
from typing import Final

from vso.apis.kinds import KINDS
from vso.apis.names import GROUP


class Where(Enum):
    """Where a permission is needed."""

    SERVED = "the namespaces that are served"
    OWN = "the operator's own namespace"
    OWN_TOO = "the operator's own namespace, where it is not served like the others"
    CLUSTER = "objects outside of all namespaces"
    SELECTOR = "the namespaces themselves, where a selector chooses among them"
    METRICS = "reviews, where metrics are protected"
    UPGRADE = "objects outside of all namespaces, for the upgrade of the CRDs alone"


class Switch(Enum):
    """What an administrator may withhold; the value is the chart's value for it, below ``rbac``."""

    RESTART = "rolloutRestart"
    ARGO = "argoRollouts"
    TOKENS = "serviceAccountTokens"


@dataclass(frozen=True, slots=True)
class Permission:
    """One rule: verbs on resources of one API group, and the reason for it.

    Without `switch` the operator cannot do without it.
    """

    group: str
    resources: tuple[str, ...]
    verbs: tuple[str, ...]
    why: str
    where: Where = Where.SERVED
    switch: Switch | None = None


_HANDLED: Final = tuple(one.kind.resource.plural for one in KINDS if one.name != "CSISecrets")
SHARED: Final = ("vaultconnections", "vaultauths", "vaultauthglobals", "hcpauths")
"""Kinds of which the operator's own namespace has objects for all."""


def _statuses(plurals: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(f"{one}/status" for one in plurals)


PERMISSIONS: Final = (
    Permission(GROUP, _HANDLED, ("get", "list", "watch", "patch"), "read our kinds, remove finalizers"),
    Permission(GROUP, _statuses(_HANDLED), ("patch",), "report in status"),
    Permission(
        "",
        ("secrets",),
        ("get", "list", "watch", "create", "patch", "delete"),
        "write destinations, watch them by label, read CA certificates",
    ),
    Permission(
        "",
        ("serviceaccounts/token",),
        ("create",),
        "log in to Vault on behalf of ServiceAccounts",
        switch=Switch.TOKENS,
    ),
    Permission("", ("serviceaccounts",), ("get",), "read their annotations and UIDs"),
    Permission("", ("configmaps",), ("get",), "read CA certificates, and the UID of the cluster's own"),
    Permission("", ("events",), ("create", "patch"), "tell what happened"),
    Permission(
        "apps",
        ("deployments", "statefulsets", "daemonsets"),
        ("get", "patch"),
        "restart workloads",
        switch=Switch.RESTART,
    ),
    Permission("argoproj.io", ("rollouts",), ("get", "patch"), "restart Argo Rollouts", switch=Switch.ARGO),
    Permission("certificates.k8s.io", ("clustertrustbundles",), ("get",), "read CA certificates", Where.CLUSTER),
    Permission("", ("namespaces",), ("get", "list", "watch"), "read their labels", Where.SELECTOR),
    Permission("authentication.k8s.io", ("tokenreviews",), ("create",), "ask who scrapes metrics", Where.METRICS),
    Permission("authorization.k8s.io", ("subjectaccessreviews",), ("create",), "ask who may", Where.METRICS),
    Permission("coordination.k8s.io", ("leases",), ("get", "create", "update"), "leader election", Where.OWN),
    Permission(GROUP, SHARED, ("get", "list", "watch", "patch"), "read what is there for all", Where.OWN_TOO),
    Permission(GROUP, _statuses(SHARED), ("patch",), "report in status", Where.OWN_TOO),
    Permission(
        "",
        ("secrets",),
        ("get", "list", "create", "delete"),
        "keep the HMAC key and stored logins, read CA certificates",
        Where.OWN_TOO,
    ),
    Permission(
        "",
        ("serviceaccounts/token",),
        ("create",),
        "log in for the encryption of logins",
        Where.OWN_TOO,
        Switch.TOKENS,
    ),
    Permission("", ("serviceaccounts", "configmaps"), ("get",), "read UIDs and CA certificates", Where.OWN_TOO),
    Permission("", ("events",), ("create", "patch"), "tell what happened", Where.OWN_TOO),
    Permission(
        "apiextensions.k8s.io",
        ("customresourcedefinitions",),
        ("get", "create", "patch"),
        "bring the CRDs up to date",
        Where.UPGRADE,
    ),
)
