"""HashiCorp's CSI driver, where it is asked for: a program of its own, of which only the manifests are ours."""

from typing import Any, Final

import pytest

from tests.support.chart import MISSING, NAMESPACE, F, at, render

ON: Final = {"csi.enabled": True}
POD: Final = "spec template spec"
TOLERATION: Final = {"key": "a", "operator": "Exists", "effect": "NoSchedule"}


def test_it_has_to_be_asked_for() -> None:
    """Nothing of it is there by default."""
    assert not [one for one in render().named() if "csi" in one and "csisecrets" not in one]
    assert render(ON).named() - render().named() == {
        "CSIDriver csi.vso.hashicorp.com",
        f"ServiceAccount {F}-csi",
        f"DaemonSet {F}-csi-node",
        f"ClusterRole {F}-csi-driver-role",
        f"ClusterRole {F}-csi-driver-aggregate-role-viewer",
        f"ClusterRoleBinding {F}-csi-driver-rolebinding",
        f"ClusterRoleBinding {F}-csi-driver-auth-delegator",
        f"ClusterRoleBinding {F}-csi-driver-aggregate-role-viewer",
    }


def test_the_driver_gets_a_token_of_the_pod() -> None:
    """Volumes live as long as their Pod."""
    spec = render(ON).get("CSIDriver")["spec"]
    assert (spec["podInfoOnMount"], spec["volumeLifecycleModes"]) == (True, ["Ephemeral"])
    assert spec["tokenRequests"] == [{"audience": "csi.vso.hashicorp.com"}]


@pytest.mark.parametrize(
    ("values", "path", "expected"),
    [
        ({}, "spec updateStrategy", MISSING),
        ({"csi.updateStrategy": {"type": "OnDelete"}}, "spec updateStrategy", {"type": "OnDelete"}),
        ({}, f"{POD} nodeSelector", {"kubernetes.io/os": "linux"}),
        ({"csi.nodeSelector": {"a": "b"}}, f"{POD} nodeSelector", {"kubernetes.io/os": "linux", "a": "b"}),
        ({}, f"{POD} tolerations", [{"operator": "Exists"}]),
        ({"csi.tolerations": [TOLERATION]}, f"{POD} tolerations", [{"operator": "Exists"}, TOLERATION]),
        ({"csi.tolerations": [{"operator": "Exists"}]}, f"{POD} tolerations", [{"operator": "Exists"}]),
        ({}, f"{POD} affinity", MISSING),
        ({"csi.affinity": {"podAffinity": {}}}, f"{POD} affinity", {"podAffinity": {}}),
        ({}, f"{POD} hostAliases", MISSING),
        ({"csi.hostAliases": [{"ip": "1.1.1.1"}]}, f"{POD} hostAliases", [{"ip": "1.1.1.1"}]),
        ({}, f"{POD} securityContext", MISSING),
        ({"csi.securityContext": {"fsGroup": 1}}, f"{POD} securityContext", {"fsGroup": 1}),
        ({}, f"{POD} serviceAccountName", f"{F}-csi"),
        (
            {"csi.annotations": {"a": "b"}},
            "spec template metadata annotations",
            {"kubectl.kubernetes.io/default-container": "secrets-store", "a": "b"},
        ),
        ({"csi.extraLabels": {"a": "b"}}, "spec template metadata labels a", "b"),
        ({}, f"{POD} containers secrets-store image", "hashicorp/vault-secrets-operator-csi:1.0.3"),
        ({"csi.driver.image.repository": "mine"}, f"{POD} containers secrets-store image", "mine:1.0.3"),
        ({}, f"{POD} containers secrets-store securityContext", {"privileged": True}),
        (
            {"csi.driver.securityContext": {"privileged": False, "runAsUser": 0}},
            f"{POD} containers secrets-store securityContext",
            {"privileged": True, "runAsUser": 0},
        ),
        (
            {"csi.driver.extraEnv": [{"name": "A", "value": 1}]},
            f"{POD} containers secrets-store env 2",
            {"name": "A", "value": "1"},
        ),
        ({"csi.driver.extraArgs": ["--a"]}, f"{POD} containers secrets-store args 10", "--a"),
        (
            {"csi.driver.backoffOnSecretSourceError.maxElapsedTime": "24h"},
            f"{POD} containers secrets-store args 4",
            "--backoff-max-elapsed-time=24h",
        ),
        ({"csi.driver.logging.level": "trace"}, f"{POD} containers secrets-store args 7", "--zap-log-level=6"),
        ({"csi.livenessProbe.extraArgs": ["--a"]}, f"{POD} containers liveness-probe args 1", "--a"),
        ({"csi.nodeDriverRegistrar.extraArgs": ["--a"]}, f"{POD} containers node-driver-registrar args 2", "--a"),
    ],
)
def test_the_daemon_set_is_as_the_values_say(values: dict[str, Any], path: str, expected: Any) -> None:
    """Defaults, and what each value changes."""
    assert at(render(ON | values).get("DaemonSet"), path) == expected


def test_each_side_car_has_its_own_pull_policy() -> None:
    """The original takes the registrar's from the liveness probe."""
    values = {"csi.livenessProbe.image.pullPolicy": "Always", "csi.nodeDriverRegistrar.image.pullPolicy": "Never"}
    containers = at(render(ON | values).get("DaemonSet"), f"{POD} containers")
    policies = {one["name"]: one["imagePullPolicy"] for one in containers}
    expected = {"secrets-store": "IfNotPresent", "liveness-probe": "Always", "node-driver-registrar": "Never"}
    assert policies == expected


def test_pull_secrets_are_on_the_pod() -> None:
    """And on its ServiceAccount; the original puts them on the CSIDriver, where they do nothing."""
    rendered = render(ON | {"csi.imagePullSecrets": ["one", {"name": "two"}]})
    names = [{"name": "one"}, {"name": "two"}]
    assert at(rendered.get("DaemonSet"), f"{POD} imagePullSecrets") == names
    assert rendered.get("ServiceAccount", f"{F}-csi")["imagePullSecrets"] == names
    assert "imagePullSecrets" not in rendered.get("CSIDriver")["spec"]


def test_its_roles_are_bound_to_its_account() -> None:
    """Its own, that of a delegated authenticator, and that of a viewer of all kinds."""
    rendered = render(ON)
    account = {"kind": "ServiceAccount", "name": f"{F}-csi", "namespace": NAMESPACE}
    bound = {one["roleRef"]["name"] for one in rendered.all("ClusterRoleBinding") if account in one["subjects"]}
    viewer = f"{F}-csi-driver-aggregate-role-viewer"
    assert bound == {f"{F}-csi-driver-role", "system:auth-delegator", viewer}
    selectors = rendered.get("ClusterRole", viewer)["aggregationRule"]["clusterRoleSelectors"]
    assert selectors == [{"matchLabels": {"vso.hashicorp.com/aggregate-to-viewer": "true"}}]
    for one in rendered.objects:
        if "-csi" in one["metadata"]["name"] and "csisecrets" not in one["metadata"]["name"]:
            assert one["metadata"]["labels"]["app.kubernetes.io/component"] == "csi-driver"
