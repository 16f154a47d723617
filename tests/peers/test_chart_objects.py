"""The chart's other objects for values as users of the original's chart have them: names, defaults, metrics, rights."""

from typing import Any, Final

import pytest
import yaml

from tests.support.chart import MISSING, NAMESPACE, F, Refused, at, render

ROLES: Final = (
    *("csisecrets", "hcpauth", "hcpsecretsapp", "secrettransformation", "vaultauth", "vaultauthglobal"),
    *("vaultconnection", "vaultdynamicsecret", "vaultpki", "vaultstaticsecret"),
)


def test_objects_have_the_names_of_the_original() -> None:
    """So that an upgrade from it changes its objects instead of making others."""
    assert render().named() == {
        f"ServiceAccount {F}-controller-manager",
        f"Deployment {F}-controller-manager",
        f"Job pdcc-{F}",
        f"ClusterRole {F}-manager-role",
        f"ClusterRoleBinding {F}-manager-rolebinding",
        f"Role {F}-leader-election-role",
        f"RoleBinding {F}-leader-election-rolebinding",
        f"ClusterRole {F}-proxy-role",
        f"ClusterRoleBinding {F}-proxy-rolebinding",
        f"ClusterRole {F}-metrics-reader",
        f"Service {F}-metrics-service",
        f"ConfigMap {F}-manager-config",
        f"ServiceAccount {F}-upgrade-crds",
        f"ClusterRole {F}-upgrade-crds",
        f"ClusterRoleBinding {F}-upgrade-crds",
        f"Job upgrade-crds-{F}",
        f"Pod {F}-test",
        *(f"ClusterRole {F}-{role}-{sort}-role" for role in ROLES for sort in ("editor", "viewer")),
    }


LONG: Final = "a" * 62


@pytest.mark.parametrize(
    ("values", "release", "full"),
    [
        ({}, "release-name", "release-name-vault-secrets-operator"),
        ({}, "my-vault-secrets-operator", "my-vault-secrets-operator"),
        ({"nameOverride": "vso"}, "release-name", "release-name-vso"),
        ({"nameOverride": "release"}, "release-name", "release-name"),
        ({"fullnameOverride": "full"}, "release-name", "full"),
        ({"fullnameOverride": "a" * 70}, "release-name", "a" * 63),
        ({"fullnameOverride": f"{LONG}-b"}, "release-name", LONG),
    ],
)
def test_names_begin_with_the_full_name(values: dict[str, Any], release: str, full: str) -> None:
    """That of the release and the chart, or another one, within what a label may hold."""
    rendered = render(values, release=release)
    assert rendered.get("Deployment")["metadata"]["name"] == f"{full}-controller-manager"
    jobs = {one["metadata"]["name"] for one in rendered.all("Job")}
    assert jobs == {f"pdcc-{full}"[:63].rstrip("-"), f"upgrade-crds-{full}"[:63].rstrip("-")}


EVERYTHING: Final[dict[str, Any]] = {
    "controller.replicas": 2,
    "controller.podDisruptionBudget.enabled": True,
    "controller.rbac.clusterRoleAggregation.viewerRoles": ["*"],
    "controller.rbac.clusterRoleAggregation.editorRoles": ["*"],
    "controller.manager.clientCache.persistenceModel": "direct-encrypted",
    "controller.manager.clientCache.storageEncryption": {
        "keyName": "key",
        "transitMount": "transit",
        "kubernetes": {"role": "role"},
    },
    "defaultVaultConnection": {"enabled": True, "address": "https://vault.example:8200"},
    "defaultAuthMethod": {"enabled": True, "kubernetes": {"role": "role"}},
    "telemetry.serviceMonitor.enabled": True,
    "telemetry.podMonitor": {"enabled": True, "tokenSecret": "token"},
    "networkPolicy.enabled": True,
    "csi.enabled": True,
}
CLUSTER_WIDE: Final = {"ClusterRole", "ClusterRoleBinding", "CSIDriver"}


@pytest.mark.parametrize("values", [{}, EVERYTHING, {"controller.watchNamespaces": ["a", "b"]}])
def test_every_object_says_where_it_is_and_what_it_is_part_of(values: dict[str, Any]) -> None:
    """Namespace and component, and the labels that Helm's users select by."""
    for one in render(values).objects:
        labels = one["metadata"]["labels"]
        place = one["metadata"].get("namespace")
        assert (place is None) == (one["kind"] in CLUSTER_WIDE), one["metadata"]["name"]
        assert labels["app.kubernetes.io/component"] in {"controller-manager", "rbac", "csi-driver"}
        assert labels["helm.sh/chart"].startswith("vault-secrets-operator-")
        assert labels["app.kubernetes.io/name"] == "vault-secrets-operator"
        assert labels["app.kubernetes.io/instance"] == "release-name"
        assert labels["app.kubernetes.io/managed-by"] == "Helm"
        assert isinstance(labels["app.kubernetes.io/version"], str)


CONNECTION: Final = {"defaultVaultConnection.enabled": True, "defaultVaultConnection.address": "https://v:8200"}


@pytest.mark.parametrize(
    ("values", "spec"),
    [
        ({}, {"address": "https://v:8200", "skipTLSVerify": False}),
        (
            {
                "defaultVaultConnection.caCertSecret": "ca",
                "defaultVaultConnection.tlsServerName": "vault",
                "defaultVaultConnection.skipTLSVerify": True,
                "defaultVaultConnection.headers": {"foo": "bar", "number": 1000000},
            },
            {
                "address": "https://v:8200",
                "skipTLSVerify": True,
                "caCertSecretRef": "ca",
                "tlsServerName": "vault",
                "headers": {"foo": "bar", "number": "1000000"},
            },
        ),
        (
            {"defaultVaultConnection.caCertPath": "/etc/ca.crt"},
            {"address": "https://v:8200", "skipTLSVerify": False, "caCertPath": "/etc/ca.crt"},
        ),
    ],
)
def test_the_default_connection(values: dict[str, Any], spec: dict[str, Any]) -> None:
    """Only what is set, but for the verification of certificates, which is always said."""
    found = render(CONNECTION | values).get("VaultConnection")
    assert found["metadata"]["name"] == "default"
    assert found["spec"] == spec
    assert not render().all("VaultConnection")


LOGINS: Final[list[tuple[dict[str, Any], dict[str, Any]]]] = [
    (
        {"kubernetes": {"role": "r", "serviceAccount": "sa", "tokenAudiences": ["vault"]}},
        {"method": "kubernetes", "kubernetes": {"role": "r", "serviceAccount": "sa", "audiences": ["vault"]}},
    ),
    (
        {"kubernetes": {"role": "r", "serviceAccount": "sa"}, "namespace": "ns1", "mount": "m"},
        {"namespace": "ns1", "mount": "m", "kubernetes": {"role": "r", "serviceAccount": "sa"}},
    ),
    (
        {"kubernetes": {"role": "r", "serviceAccount": "sa"}, "headers": {"h": "1"}, "params": {"p": 2}},
        {"kubernetes": {"role": "r", "serviceAccount": "sa"}, "headers": {"h": "1"}, "params": {"p": "2"}},
    ),
    ({"method": "jwt", "jwt": {"role": "r"}}, {"method": "jwt", "jwt": {"role": "r", "serviceAccount": "default"}}),
    (
        {"method": "jwt", "jwt": {"role": "r", "serviceAccount": "sa", "tokenAudiences": ["a", "b"]}},
        {"method": "jwt", "jwt": {"role": "r", "serviceAccount": "sa", "audiences": ["a", "b"]}},
    ),
    (
        {"method": "jwt", "jwt": {"role": "r", "secretRef": "s", "serviceAccount": "sa", "tokenAudiences": ["a"]}},
        {"method": "jwt", "jwt": {"role": "r", "secretRef": "s"}},
    ),
    (
        {"method": "appRole", "appRole": {"roleId": "r", "secretRef": "s"}},
        {"method": "appRole", "appRole": {"roleId": "r", "secretRef": "s"}},
    ),
    (
        {"method": "appRole", "appRole": {"roleId": "r", "secretIDPath": "/etc/credentials/id"}},
        {"method": "appRole", "appRole": {"roleId": "r", "secretIDPath": "/etc/credentials/id"}},
    ),
    ({"method": "aws", "aws": {"role": "r"}}, {"method": "aws", "aws": {"role": "r"}}),
    (
        {
            "method": "aws",
            "aws": {
                "role": "r",
                "region": "us-test-2",
                "headerValue": "h",
                "sessionName": "s",
                "stsEndpoint": "t",
                "iamEndpoint": "i",
                "secretRef": "x",
                "irsaServiceAccount": "a",
            },
            "params": {"p": "1"},
        },
        {
            "method": "aws",
            "aws": {
                "role": "r",
                "region": "us-test-2",
                "headerValue": "h",
                "sessionName": "s",
                "stsEndpoint": "t",
                "iamEndpoint": "i",
                "secretRef": "x",
                "irsaServiceAccount": "a",
            },
            "params": {"p": "1"},
        },
    ),
    (
        {"method": "gcp", "gcp": {"role": "r", "workloadIdentityServiceAccount": "sa"}},
        {"method": "gcp", "gcp": {"role": "r", "workloadIdentityServiceAccount": "sa"}},
    ),
    (
        {
            "method": "gcp",
            "gcp": {
                "role": "r",
                "workloadIdentityServiceAccount": "sa",
                "region": "x",
                "clusterName": "c",
                "projectID": "p",
            },
            "params": {"p": "1"},
        },
        {
            "method": "gcp",
            "gcp": {
                "role": "r",
                "workloadIdentityServiceAccount": "sa",
                "region": "x",
                "clusterName": "c",
                "projectID": "p",
            },
            "params": {"p": "1"},
        },
    ),
]


@pytest.mark.parametrize(("block", "spec"), LOGINS)
def test_the_default_login(block: dict[str, Any], spec: dict[str, Any]) -> None:
    """The block of the chosen method alone; params never make it vanish, as they do for two methods of the original."""
    found = render({"defaultAuthMethod": {"enabled": True, **block}}).get("VaultAuth")
    assert found["metadata"]["name"] == "default"
    assert found["spec"] == {"method": "kubernetes", "mount": "kubernetes"} | spec


@pytest.mark.parametrize(("block", "spec"), LOGINS)
def test_the_login_that_encrypts(block: dict[str, Any], spec: dict[str, Any]) -> None:
    """The same methods, with key and connection; the operator finds it by its label."""
    cache = "controller.manager.clientCache"
    encryption = {"keyName": "key", "transitMount": "transit", **block}
    values = {f"{cache}.persistenceModel": "direct-encrypted", f"{cache}.storageEncryption": encryption}
    found = render(values).get("VaultAuth")
    assert found["metadata"]["name"] == f"{F}-default-transit-auth"
    assert found["metadata"]["labels"]["cacheStorageEncryption"] == "true"
    own = {"vaultConnectionRef": "default", "storageEncryption": {"keyName": "key", "mount": "transit"}}
    assert found["spec"] == {"method": "kubernetes", "mount": "kubernetes"} | own | spec


def test_the_login_that_encrypts_is_the_operator_s_own_unless_it_is_told() -> None:
    """Its ServiceAccount, which is there anyway."""
    cache = "controller.manager.clientCache"
    encryption = {"keyName": "key", "transitMount": "transit", "kubernetes": {"role": "r"}, "vaultConnectionRef": "v"}
    values = {f"{cache}.persistenceModel": "direct-encrypted", f"{cache}.storageEncryption": encryption}
    spec = render(values).get("VaultAuth")["spec"]
    assert spec["kubernetes"] == {"role": "r", "serviceAccount": f"{F}-controller-manager"}
    assert spec["vaultConnectionRef"] == "v"


@pytest.mark.parametrize("values", [{}, {"controller.manager.clientCache.persistenceModel": "direct-unencrypted"}])
def test_without_being_asked_for_there_is_no_login(values: dict[str, Any]) -> None:
    """Neither a default one nor one that encrypts."""
    assert not render(values).all("VaultAuth")


REF: Final = "defaultAuthMethod.vaultAuthGlobalRef"


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({}, MISSING),
        ({f"{REF}.enabled": True}, {"mergeStrategy": {"headers": "none", "params": "none"}}),
        (
            {f"{REF}.enabled": True, f"{REF}.name": "g", f"{REF}.namespace": "n"},
            {"name": "g", "namespace": "n", "mergeStrategy": {"headers": "none", "params": "none"}},
        ),
        ({f"{REF}.enabled": True, f"{REF}.mergeStrategy.params": ""}, {"mergeStrategy": {"headers": "none"}}),
        ({f"{REF}.enabled": True, f"{REF}.mergeStrategy.headers": ""}, {"mergeStrategy": {"params": "none"}}),
        (
            {f"{REF}.enabled": True, f"{REF}.allowDefault": True},
            {"allowDefault": True, "mergeStrategy": {"headers": "none", "params": "none"}},
        ),
        (
            {f"{REF}.enabled": True, f"{REF}.allowDefault": False},
            {"allowDefault": False, "mergeStrategy": {"headers": "none", "params": "none"}},
        ),
        (
            {f"{REF}.enabled": True, f"{REF}.mergeStrategy": {"headers": "union", "params": "replace"}},
            {"mergeStrategy": {"headers": "union", "params": "replace"}},
        ),
    ],
)
def test_the_default_login_may_inherit(values: dict[str, Any], expected: Any) -> None:
    """From a VaultAuthGlobal; what is needed may come from there then."""
    role = {} if values else {"defaultAuthMethod.kubernetes.role": "r"}
    spec = render({"defaultAuthMethod.enabled": True} | values | role).get("VaultAuth")["spec"]
    assert spec.get("vaultAuthGlobalRef", MISSING) == expected


def test_the_default_login_may_be_for_some_namespaces() -> None:
    """As a list."""
    values = {"defaultAuthMethod.enabled": True, "defaultAuthMethod.kubernetes.role": "r"}
    assert "allowedNamespaces" not in render(values).get("VaultAuth")["spec"]
    some = render({**values, "defaultAuthMethod.allowedNamespaces": ["a", "b"]})
    assert some.get("VaultAuth")["spec"]["allowedNamespaces"] == ["a", "b"]


def test_the_config_map_has_the_text_of_the_values() -> None:
    """Nothing reads it; it is there for those who upgrade."""
    text = render().get("ConfigMap")["data"]["controller_manager_config.yaml"]
    assert yaml.safe_load(text) == {
        "apiVersion": "controller-runtime.sigs.k8s.io/v1alpha1",
        "kind": "ControllerManagerConfig",
        "health": {"healthProbeBindAddress": ":8081"},
        "leaderElection": {"leaderElect": True, "resourceName": "b0d477c0.hashicorp.com"},
        "metrics": {"bindAddress": "127.0.0.1:8080"},
        "webhook": {"port": 9443},
    }
    other = render({"controller.controllerConfigMapYaml": {"health": {"healthProbeBindAddress": ":18081"}}})
    text = other.get("ConfigMap")["data"]["controller_manager_config.yaml"]
    assert yaml.safe_load(text)["health"] == {"healthProbeBindAddress": ":18081"}


def test_the_service_has_the_ports_of_the_values() -> None:
    """And finds the operator's Pods alone."""
    service = render().get("Service")
    assert service["spec"]["type"] == "ClusterIP"
    assert service["spec"]["ports"] == [{"name": "https", "port": 8443, "protocol": "TCP", "targetPort": "https"}]
    assert service["spec"]["selector"] == at(render().get("Deployment"), "spec selector matchLabels")
    assert service["metadata"]["labels"]["control-plane"] == "controller-manager"
    ports = [{"name": "m", "port": 9443, "protocol": "TCP", "targetPort": "https"}]
    other = render({"metricsService": {"type": "NodePort", "ports": ports}}).get("Service")
    assert (other["spec"]["type"], other["spec"]["ports"]) == ("NodePort", ports)


MONITOR: Final = {"telemetry.serviceMonitor.enabled": True}


@pytest.mark.parametrize(
    ("values", "path", "expected"),
    [
        ({}, "metadata namespace", NAMESPACE),
        ({}, "spec selector matchLabels control-plane", "controller-manager"),
        ({}, "spec endpoints 0 port", "https"),
        ({}, "spec endpoints 0 scheme", "https"),
        ({}, "spec endpoints 0 path", "/metrics"),
        ({}, "spec endpoints 0 interval", "30s"),
        ({}, "spec endpoints 0 scrapeTimeout", "10s"),
        ({}, "spec endpoints 0 params format", ["prometheus"]),
        ({}, "spec endpoints 0 bearerTokenFile", "/var/run/secrets/kubernetes.io/serviceaccount/token"),
        ({"telemetry.serviceMonitor.interval": "5m"}, "spec endpoints 0 interval", "5m"),
        ({"telemetry.serviceMonitor.scrapeTimeout": "2m"}, "spec endpoints 0 scrapeTimeout", "2m"),
        ({"telemetry.serviceMonitor.port": "foo"}, "spec endpoints 0 port", "foo"),
        ({"telemetry.serviceMonitor.path": "/foo"}, "spec endpoints 0 path", "/foo"),
        ({"telemetry.serviceMonitor.scheme": "http"}, "spec endpoints 0 scheme", "http"),
        ({"telemetry.serviceMonitor.bearerTokenFile": "/t"}, "spec endpoints 0 bearerTokenFile", "/t"),
    ],
)
def test_the_service_monitor(values: dict[str, Any], path: str, expected: Any) -> None:
    """What Prometheus does with it."""
    assert at(render(MONITOR | values).get("ServiceMonitor"), path) == expected


def test_the_service_monitor_is_found_by_its_labels() -> None:
    """Seven, and what the values add; none is made by default."""
    assert not render().all("ServiceMonitor")
    labels = render(MONITOR).get("ServiceMonitor")["metadata"]["labels"]
    assert len(labels) == 7
    more = render({**MONITOR, "telemetry.serviceMonitor.selectors": {"release": "prometheus", "a": "b"}})
    assert more.get("ServiceMonitor")["metadata"]["labels"] == labels | {"release": "prometheus", "a": "b"}


def test_the_test_prints_the_version_of_the_installed_image() -> None:
    """The original's starts the manager without a tag and without a command."""
    pod = render().get("Pod")
    assert pod["metadata"]["annotations"]["helm.sh/hook"] == "test"
    assert pod["spec"]["containers"][0]["image"] == render().manager("image")
    assert pod["spec"]["containers"][0]["args"] == ["--version"]
    assert not render({"tests.enabled": False}).all("Pod")


VIEWER: Final = "controller.rbac.clusterRoleAggregation.viewerRoles"
EDITOR: Final = "controller.rbac.clusterRoleAggregation.editorRoles"
FACING: Final = "controller.rbac.clusterRoleAggregation.userFacingRoles"


@pytest.mark.parametrize(("sort", "key", "facing"), [("viewer", VIEWER, "view"), ("editor", EDITOR, "edit")])
def test_roles_of_kinds_are_collected(sort: str, key: str, facing: str) -> None:
    """All of them, or some, whose kinds are named in whatever case; for users too, if that is said."""
    name = f"{F}-aggregate-role-{sort}"
    assert f"ClusterRole {name}" not in render().named()
    role = render({key: ["*"]}).get("ClusterRole", name)
    assert role["metadata"]["labels"]["vso.hashicorp.com/role-instance"] == f"aggregate-role-{sort}"
    assert len(role["metadata"]["labels"]) == 7
    assert role["aggregationRule"]["clusterRoleSelectors"] == [
        {"matchLabels": {f"vso.hashicorp.com/aggregate-to-{sort}": "true"}}
    ]
    labels = render({key: ["*"], f"{FACING}.{facing}": True}).get("ClusterRole", name)["metadata"]["labels"]
    assert len(labels) == 8
    assert labels[f"rbac.authorization.k8s.io/aggregate-to-{facing}"] == "true"
    some = render({key: ["VaultAuth", "VAULTCONNECTION", "vaultstaticsecret", "HCPAuth"]}).get("ClusterRole", name)
    assert some["aggregationRule"]["clusterRoleSelectors"] == [
        {"matchLabels": {"vso.hashicorp.com/role-instance": f"{one}-{sort}-role"}}
        for one in ("vaultauth", "vaultconnection", "vaultstaticsecret", "hcpauth")
    ]


@pytest.mark.parametrize("role", ROLES)
def test_each_kind_has_a_viewer_and_an_editor(role: str) -> None:
    """Found by the aggregating roles through their labels."""
    viewer, editor = (render().get("ClusterRole", f"{F}-{role}-{sort}-role") for sort in ("viewer", "editor"))
    assert [one["verbs"] for one in viewer["rules"]] == [["get", "list", "watch"], ["get"]]
    every = ["create", "delete", "get", "list", "patch", "update", "watch"]
    assert [one["verbs"] for one in editor["rules"]] == [every, ["get"]]
    for sort, one in (("viewer", viewer), ("editor", editor)):
        assert one["metadata"]["labels"]["vso.hashicorp.com/role-instance"] == f"{role}-{sort}-role"
        assert one["metadata"]["labels"][f"vso.hashicorp.com/aggregate-to-{sort}"] == "true"
        (resource,) = one["rules"][0]["resources"]
        assert one["rules"][1]["resources"] == [f"{resource}/status"]


BUDGET: Final = "controller.podDisruptionBudget"
ENABLED: Final = {"controller.replicas": 2, f"{BUDGET}.enabled": True}


@pytest.mark.parametrize("values", [{}, {"controller.replicas": 2}, {f"{BUDGET}.enabled": True}])
def test_a_budget_is_for_several_replicas(values: dict[str, Any]) -> None:
    """And has to be asked for."""
    assert not render(values).all("PodDisruptionBudget")


@pytest.mark.parametrize(
    ("values", "limits"),
    [
        ({}, {"maxUnavailable": 1}),
        ({f"{BUDGET}.maxUnavailable": 2}, {"maxUnavailable": 2}),
        ({f"{BUDGET}.maxUnavailable": "2"}, {"maxUnavailable": 2}),
        ({f"{BUDGET}.maxUnavailable": "25%"}, {"maxUnavailable": "25%"}),
        ({f"{BUDGET}.maxUnavailable": "0"}, {"maxUnavailable": 0}),
        ({f"{BUDGET}.minAvailable": 2}, {"minAvailable": 2}),
        ({f"{BUDGET}.minAvailable": "25%"}, {"minAvailable": "25%"}),
        ({f"{BUDGET}.minAvailable": "1", f"{BUDGET}.maxUnavailable": "0"}, {"minAvailable": 1}),
        ({f"{BUDGET}.maxUnavailable": "1", f"{BUDGET}.minAvailable": "0"}, {"maxUnavailable": 1}),
    ],
)
def test_a_budget_has_one_limit(values: dict[str, Any], limits: dict[str, Any]) -> None:
    """The API server refuses two, which is what the original renders unless one is an empty text."""
    found = render(ENABLED | values).get("PodDisruptionBudget")
    assert found["metadata"]["name"] == F
    selector = at(render().get("Deployment"), "spec selector")
    assert found["spec"] == limits | {"selector": selector}


def test_a_budget_with_two_limits_is_refused() -> None:
    """Rather than guessed at."""
    with pytest.raises(Refused, match="maxUnavailable and minAvailable exclude each other"):
        render({**ENABLED, f"{BUDGET}.maxUnavailable": 1, f"{BUDGET}.minAvailable": 1})
