"""The Deployment, and the Jobs of the hooks, for values as users of the original's chart have them."""

from typing import Any, Final

import pytest

from tests.support.chart import MISSING, F, Refused, at, render

POD: Final = "spec template spec"
TOLERATIONS: Final = [{"key": "key1", "operator": "Equal", "value": "value1", "effect": "NoSchedule"}]
AFFINITY: Final = {"podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [{"topologyKey": "zone"}]}}
ALIASES: Final = [{"ip": "127.0.0.1", "hostnames": ["foo.local"]}]
STRATEGY: Final = {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}}
RESOURCES: Final = {"requests": {"cpu": "100m"}, "limits": {"memory": "1Gi"}}
PROXY: Final = {"controller.kubeRbacProxy.enabled": True}


@pytest.mark.parametrize(
    ("values", "path", "expected"),
    [
        ({}, "spec replicas", 1),
        ({"controller.replicas": 3}, "spec replicas", 3),
        ({}, "spec strategy", MISSING),
        ({"controller.strategy": STRATEGY}, "spec strategy", STRATEGY),
        ({}, f"{POD} priorityClassName", MISSING),
        ({"controller.priorityClassName": "high"}, f"{POD} priorityClassName", "high"),
        ({}, f"{POD} terminationGracePeriodSeconds", 120),
        ({"controller.terminationGracePeriodSeconds": 5}, f"{POD} terminationGracePeriodSeconds", 5),
        ({}, f"{POD} nodeSelector", MISSING),
        ({"controller.nodeSelector": {"os": "linux"}}, f"{POD} nodeSelector", {"os": "linux"}),
        ({}, f"{POD} tolerations", MISSING),
        ({"controller.tolerations": TOLERATIONS}, f"{POD} tolerations", TOLERATIONS),
        ({}, f"{POD} affinity", MISSING),
        ({"controller.affinity": AFFINITY}, f"{POD} affinity", AFFINITY),
        ({}, f"{POD} hostAliases", MISSING),
        ({"controller.hostAliases": ALIASES}, f"{POD} hostAliases", ALIASES),
        ({}, f"{POD} topologySpreadConstraints", MISSING),
        ({}, f"{POD} serviceAccountName", f"{F}-controller-manager"),
        ({}, "spec template metadata annotations", {"kubectl.kubernetes.io/default-container": "manager"}),
        (
            {"controller.annotations": {"a": "b"}},
            "spec template metadata annotations",
            {"kubectl.kubernetes.io/default-container": "manager", "a": "b"},
        ),
        ({"controller.podSecurityContext": {"fsGroup": 1}}, f"{POD} securityContext fsGroup", 1),
        ({"controller.podSecurityContext": {"fsGroup": 1}}, f"{POD} securityContext runAsNonRoot", True),
        ({}, f"{POD} containers manager command", ["/vault-secrets-operator"]),
        ({}, f"{POD} containers manager imagePullPolicy", "IfNotPresent"),
        ({"controller.manager.image.pullPolicy": "Always"}, f"{POD} containers manager imagePullPolicy", "Always"),
        ({"controller.manager.resources": RESOURCES}, f"{POD} containers manager resources requests cpu", "100m"),
        ({"controller.manager.resources": RESOURCES}, f"{POD} containers manager resources limits memory", "1Gi"),
        ({}, f"{POD} containers manager livenessProbe initialDelaySeconds", 15),
        ({}, f"{POD} containers manager livenessProbe periodSeconds", 20),
        ({}, f"{POD} containers manager livenessProbe httpGet", {"path": "/healthz", "port": 8081}),
        ({}, f"{POD} containers manager readinessProbe httpGet", {"path": "/readyz", "port": 8081}),
        ({}, f"{POD} containers manager readinessProbe initialDelaySeconds", 5),
        ({}, f"{POD} containers manager readinessProbe periodSeconds", 10),
        ({"controller.securityContext": {"runAsUser": 5}}, f"{POD} containers manager securityContext runAsUser", 5),
        (
            {**PROXY, "controller.securityContext": {"runAsUser": 5}},
            f"{POD} containers kube-rbac-proxy securityContext runAsUser",
            5,
        ),
        (PROXY, f"{POD} containers 0 name", "kube-rbac-proxy"),
        (PROXY, f"{POD} containers 1 name", "manager"),
        (PROXY, f"{POD} containers 0 image", "quay.io/brancz/kube-rbac-proxy:v0.18.1"),
        (PROXY, f"{POD} containers 0 imagePullPolicy", "IfNotPresent"),
        (PROXY, f"{POD} containers 0 resources limits", {"cpu": "500m", "memory": "128Mi"}),
        (PROXY, f"{POD} containers 0 env KUBERNETES_CLUSTER_DOMAIN value", "cluster.local"),
        (
            PROXY,
            f"{POD} containers 0 args",
            [
                "--secure-listen-address=0.0.0.0:8443",
                "--upstream=http://127.0.0.1:8080/",
                "--logtostderr=true",
                "--v=0",
            ],
        ),
        (
            {**PROXY, "controller.kubeRbacProxy.image.pullPolicy": "Always"},
            f"{POD} containers 0 imagePullPolicy",
            "Always",
        ),
        (
            {**PROXY, "controller.kubeRbacProxy.resources": RESOURCES},
            f"{POD} containers 0 resources requests cpu",
            "100m",
        ),
    ],
)
def test_the_deployment_is_as_the_values_say(values: dict[str, Any], path: str, expected: Any) -> None:
    """Defaults, and what each value changes."""
    assert at(render(values).get("Deployment"), path) == expected


def test_pods_have_three_labels_and_those_of_extra_labels() -> None:
    """The three are the selector too, which can never change: an upgrade from the original keeps its Deployment."""
    own = {
        "control-plane": "controller-manager",
        "app.kubernetes.io/name": "vault-secrets-operator",
        "app.kubernetes.io/instance": "release-name",
    }
    assert at(render().get("Deployment"), "spec template metadata labels") == own
    assert at(render().get("Deployment"), "spec selector matchLabels") == own
    more = render({"controller.extraLabels": {"a": "1", "b": "2"}}).get("Deployment")
    assert at(more, "spec template metadata labels") == own | {"a": "1", "b": "2"}
    assert at(more, "spec selector matchLabels") == own


FIRST: Final = ["--health-probe-bind-address=:8081", "--metrics-bind-address=127.0.0.1:8080", "--leader-elect"]
GLOBALS: Final = ["--global-vault-auth-options=allow-default-globals"]
BACKOFF: Final = [
    "--backoff-initial-interval=5s",
    "--backoff-max-interval=60s",
    "--backoff-max-elapsed-time=0s",
    "--backoff-multiplier=1.50",
    "--backoff-randomization-factor=0.50",
]
LOGGING: Final = ["--zap-log-level=info", "--zap-time-encoding=rfc3339", "--zap-stacktrace-level=panic"]
SECURE: Final = ["--metrics-secure-bind-address=:8443"]
MANAGER: Final = "controller.manager"


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({}, [*FIRST, *GLOBALS, *BACKOFF, *LOGGING, *SECURE]),
        (
            {f"{MANAGER}.extraArgs": ["--foo=baz", "--bar=qux"]},
            [*FIRST, *GLOBALS, *BACKOFF, *LOGGING, "--foo=baz", "--bar=qux", *SECURE],
        ),
        (
            {f"{MANAGER}.kubeClient.qps": 1000, f"{MANAGER}.kubeClient.burst": 500, f"{MANAGER}.extraArgs": ["-a"]},
            [
                *(*FIRST, *GLOBALS, *BACKOFF, *LOGGING, "-a"),
                *("--kube-client-qps=1000", "--kube-client-burst=500", *SECURE),
            ],
        ),
        (
            {f"{MANAGER}.globalTransformationOptions.excludeRaw": True},
            [*FIRST, "--global-transformation-options=exclude-raw", *GLOBALS, *BACKOFF, *LOGGING, *SECURE],
        ),
        (
            {f"{MANAGER}.clientCache.cacheSize": 22, f"{MANAGER}.clientCache.persistenceModel": "direct-unencrypted"},
            [
                *(*FIRST, "--client-cache-persistence-model=direct-unencrypted", "--client-cache-size=22"),
                *(*GLOBALS, *BACKOFF, *LOGGING, *SECURE),
            ],
        ),
        (
            {f"{MANAGER}.clientCache.numLocks": 500},
            [*FIRST, "--client-cache-num-locks=500", *GLOBALS, *BACKOFF, *LOGGING, *SECURE],
        ),
        (
            {f"{MANAGER}.clientCache.numLocks": -1},
            [*FIRST, "--client-cache-num-locks=-1", *GLOBALS, *BACKOFF, *LOGGING, *SECURE],
        ),
        (
            {f"{MANAGER}.maxConcurrentReconciles": 5},
            [*FIRST, "--max-concurrent-reconciles=5", *GLOBALS, *BACKOFF, *LOGGING, *SECURE],
        ),
        (
            {
                f"{MANAGER}.backoffOnSecretSourceError": {
                    "initialInterval": "30s",
                    "maxInterval": "300s",
                    "maxElapsedTime": "24h",
                    "multiplier": 2.5,
                    "randomizationFactor": 0.7361,
                }
            },
            [
                *(*FIRST, *GLOBALS),
                *("--backoff-initial-interval=30s", "--backoff-max-interval=300s", "--backoff-max-elapsed-time=24h"),
                *("--backoff-multiplier=2.50", "--backoff-randomization-factor=0.74", *LOGGING, *SECURE),
            ],
        ),
        (
            {f"{MANAGER}.logging": {"level": "debug", "timeEncoding": "millis", "stacktraceLevel": "error"}},
            [
                *(*FIRST, *GLOBALS, *BACKOFF),
                *("--zap-log-level=debug", "--zap-time-encoding=millis", "--zap-stacktrace-level=error", *SECURE),
            ],
        ),
        (
            {f"{MANAGER}.logging.level": "debug-extended"},
            [*FIRST, *GLOBALS, *BACKOFF, "--zap-log-level=5", *LOGGING[1:], *SECURE],
        ),
        (
            {f"{MANAGER}.logging.level": "trace"},
            [*FIRST, *GLOBALS, *BACKOFF, "--zap-log-level=6", *LOGGING[1:], *SECURE],
        ),
        (
            {f"{MANAGER}.extraArgs": ["--zap-log-level=9"]},
            [*FIRST, *GLOBALS, *BACKOFF, *LOGGING[1:], "--zap-log-level=9", *SECURE],
        ),
        (
            {f"{MANAGER}.extraArgs": ["-zap-time-encoding=epoch"]},
            [*FIRST, *GLOBALS, *BACKOFF, LOGGING[0], LOGGING[2], "-zap-time-encoding=epoch", *SECURE],
        ),
        (
            {f"{MANAGER}.extraArgs": ["--zap-stacktrace-level", "info"]},
            [*FIRST, *GLOBALS, *BACKOFF, *LOGGING[:2], "--zap-stacktrace-level", "info", *SECURE],
        ),
        (
            {f"{MANAGER}.extraArgs": ["--zap-log-level=1", "-zap-time-encoding=epoch", "--zap-stacktrace-level=info"]},
            [
                *(*FIRST, *GLOBALS, *BACKOFF),
                *("--zap-log-level=1", "-zap-time-encoding=epoch", "--zap-stacktrace-level=info", *SECURE),
            ],
        ),
    ],
)
def test_arguments_are_those_of_the_original_in_its_order(values: dict[str, Any], expected: list[str]) -> None:
    """Twelve by default, extraArgs after them, and what it does not have at the end."""
    assert render(values).args() == expected


@pytest.mark.parametrize(
    ("item", "text"),
    [
        ({"name": "A", "value": "text"}, "text"),
        ({"name": "A", "value": 20000}, "20000"),
        ({"name": "A", "value": 2000000}, "2000000"),
        ({"name": "A", "value": 0.25}, "0.25"),
        ({"name": "A", "value": "20000"}, "20000"),
        ({"name": "A", "value": " with blanks "}, " with blanks "),
        ({"name": "A", "value": True}, "true"),
        ({"name": "A", "value": ""}, ""),
    ],
)
def test_extra_variables_are_texts_after_the_three_of_the_chart(item: dict[str, Any], text: str) -> None:
    """Whatever YAML makes of their values; the API server refuses a number."""
    names = [one["name"] for one in render().manager("env")]
    assert names == ["OPERATOR_POD_NAME", "OPERATOR_POD_UID", "KUBERNETES_CLUSTER_DOMAIN"]
    env = render({"controller.manager.extraEnv": [item]}).manager("env")
    assert env[3:] == [{"name": "A", "value": text}]


def test_the_cluster_domain_reaches_both_containers() -> None:
    """As in the original."""
    deployment = render({**PROXY, "controller.kubernetesClusterDomain": "foo.bar"}).get("Deployment")
    for container in ("kube-rbac-proxy", "manager"):
        assert at(deployment, f"{POD} containers {container} env KUBERNETES_CLUSTER_DOMAIN value") == "foo.bar"


@pytest.mark.parametrize("given", [["one", "two"], [{"name": "one"}, {"name": "two"}]])
def test_pull_secrets_are_names_or_maps_and_on_the_service_accounts(given: list[Any]) -> None:
    """Of the operator and of the hook."""
    names = [{"name": "one"}, {"name": "two"}]
    rendered = render({"controller.imagePullSecrets": given})
    for account in ("controller-manager", "upgrade-crds"):
        assert rendered.get("ServiceAccount", f"{F}-{account}")["imagePullSecrets"] == names
        assert "imagePullSecrets" not in render().get("ServiceAccount", f"{F}-{account}")


def test_a_constraint_without_selector_gets_that_of_the_pods() -> None:
    """The Pods of the CSI driver, which have the same name and instance, do not count."""
    own = {"matchLabels": {"app": "other"}}
    spread = [
        {"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule"},
        {"maxSkew": 2, "topologyKey": "host", "whenUnsatisfiable": "ScheduleAnyway", "labelSelector": own},
    ]
    rendered = render({"controller.topologySpreadConstraints": spread})
    found = rendered.pod("topologySpreadConstraints")
    assert found[0] == spread[0] | {"labelSelector": at(rendered.get("Deployment"), "spec selector")}
    assert found[1] == spread[1]


VOLUMES: Final[list[dict[str, Any]]] = [
    {"name": "plain", "secret": {"secretName": "s"}},
    {"name": "mounted", "mountPath": "/etc/m", "secret": {"secretName": "s", "items": [{"key": "a", "path": "b"}]}},
    {"name": "closed", "mountPath": "/etc/c", "readOnly": True, "configMap": {"name": "c"}},
    {"name": "scratch", "mountPath": "/scratch", "emptyDir": {}},
]


def test_volumes_are_mounted_where_they_say_so() -> None:
    """The original copies mountPath and readOnly into the volume, which the API server refuses or drops."""
    rendered = render({"controller.manager.volumes": VOLUMES})
    kept = [{key: item for key, item in one.items() if key not in {"mountPath", "readOnly"}} for one in VOLUMES]
    assert rendered.pod("volumes")[-4:] == kept
    assert rendered.manager("volumeMounts")[-3:] == [
        {"name": "mounted", "mountPath": "/etc/m"},
        {"name": "closed", "mountPath": "/etc/c", "readOnly": True},
        {"name": "scratch", "mountPath": "/scratch"},
    ]


def test_without_volumes_there_are_podinfo_and_a_folder_for_temporary_files() -> None:
    """The root file system is read-only; whoever mounts /tmp takes the place of the chart's."""
    assert [one["name"] for one in render().pod("volumes")] == ["podinfo", "tmp"]
    items = render().pod("volumes podinfo downwardAPI items")
    assert {one["path"]: one["fieldRef"]["fieldPath"] for one in items} == {
        "name": "metadata.name",
        "uid": "metadata.uid",
    }
    assert at(render().manager("volumeMounts"), "podinfo mountPath") == "/var/run/podinfo"
    own = [{"name": "mine", "mountPath": "/tmp/", "emptyDir": {}}]
    rendered = render({"controller.manager.volumes": own})
    assert [one["name"] for one in rendered.pod("volumes")] == ["podinfo", "mine"]


@pytest.mark.parametrize(
    "volume",
    [
        {"name": "podinfo", "emptyDir": {}},
        {"name": "podinfo", "mountPath": "/other", "emptyDir": {}},
        {"name": "other", "mountPath": "/var/run/podinfo", "emptyDir": {}},
        {"name": "other", "mountPath": "/var/run/podinfo/", "emptyDir": {}},
    ],
)
def test_podinfo_is_taken(volume: dict[str, Any]) -> None:
    """Neither its name nor its place can be used."""
    with pytest.raises(Refused, match="taken by the chart"):
        render({"controller.manager.volumes": [volume]})


JOBS: Final = ("pdcc", "upgrade-crds")


@pytest.mark.parametrize("job", JOBS)
@pytest.mark.parametrize(
    ("values", "path", "expected"),
    [
        ({}, f"{POD} restartPolicy", "Never"),
        ({}, f"{POD} priorityClassName", MISSING),
        ({"controller.priorityClassName": "high"}, f"{POD} priorityClassName", "high"),
        ({"controller.nodeSelector": {"os": "linux"}}, f"{POD} nodeSelector", {"os": "linux"}),
        ({"controller.tolerations": TOLERATIONS}, f"{POD} tolerations", TOLERATIONS),
        ({"controller.podSecurityContext": {"fsGroup": 1}}, f"{POD} securityContext fsGroup", 1),
        ({"controller.securityContext": {"runAsUser": 5}}, f"{POD} containers 0 securityContext runAsUser", 5),
        ({}, f"{POD} containers 0 imagePullPolicy", "IfNotPresent"),
        ({"controller.manager.image.pullPolicy": "Always"}, f"{POD} containers 0 imagePullPolicy", "Always"),
        ({}, f"{POD} containers 0 resources limits", {"cpu": "500m", "memory": "128Mi"}),
        ({}, f"{POD} containers 0 resources requests", {"cpu": "10m", "memory": "64Mi"}),
        ({"hooks.resources": RESOURCES}, f"{POD} containers 0 resources limits memory", "1Gi"),
        ({"controller.annotations": {"a": "b"}}, "metadata annotations a", "b"),
        ({}, "spec backoffLimit", 5),
    ],
)
def test_hooks_run_like_the_operator(job: str, values: dict[str, Any], path: str, expected: Any) -> None:
    """Where it may run, as whom, and with what."""
    assert render(values).job(job, path) == expected


def test_before_an_uninstall_finalizers_are_removed() -> None:
    """By a Job under the operator's own rules; one that failed is replaced at the next try."""
    rendered = render()
    assert rendered.job("pdcc", f"{POD} serviceAccountName") == f"{F}-controller-manager"
    assert len(rendered.job("pdcc", f"{POD} containers")) == 1
    container = rendered.job("pdcc", f"{POD} containers 0")
    assert container["command"] == ["/vault-secrets-operator"]
    assert container["args"] == ["--uninstall", "--pre-delete-hook-timeout-seconds=120"]
    assert rendered.job("pdcc", "metadata annotations") == {
        "helm.sh/hook": "pre-delete",
        "helm.sh/hook-delete-policy": "before-hook-creation,hook-succeeded",
    }
    longer = render({"controller.preDeleteHookTimeoutSeconds": 33})
    assert longer.job("pdcc", f"{POD} containers 0 args 1") == "--pre-delete-hook-timeout-seconds=33"


def test_before_an_upgrade_the_crds_are_brought_up_to_date() -> None:
    """By four objects that vanish again: an account with the rights for it, and a Job."""
    name = f"{F}-upgrade-crds"
    rendered = render()
    hook = [one for one in rendered.objects if at(one, "metadata annotations helm.sh/hook") == "pre-upgrade"]
    assert [(one["kind"], one["metadata"]["annotations"]["helm.sh/hook-weight"]) for one in hook] == [
        ("ServiceAccount", "1"),
        ("ClusterRole", "2"),
        ("ClusterRoleBinding", "2"),
        ("Job", "99"),
    ]
    policies = {one["metadata"]["annotations"]["helm.sh/hook-delete-policy"] for one in hook}
    assert policies == {"hook-succeeded,before-hook-creation"}
    assert rendered.get("ClusterRole", name)["rules"] == [
        {
            "apiGroups": ["apiextensions.k8s.io"],
            "resources": ["customresourcedefinitions"],
            "verbs": ["get", "create", "patch"],
        }
    ]
    assert rendered.get("ClusterRoleBinding", name)["subjects"] == [
        {"kind": "ServiceAccount", "name": name, "namespace": "vault-system"}
    ]
    container = rendered.job("upgrade-crds", f"{POD} containers 0")
    assert rendered.job("upgrade-crds", f"{POD} serviceAccountName") == name
    assert container["command"] == ["/scripts/upgrade-crds"]
    assert container["env"] == [{"name": "VSO_UPGRADE_CRDS_TIMEOUT", "value": "30s"}]
    custom = render({"hooks.upgradeCRDs": {"backoffLimit": 10, "executionTimeout": "1m"}})
    assert custom.job("upgrade-crds", "spec backoffLimit") == 10
    assert custom.job("upgrade-crds", f"{POD} containers 0 env 0 value") == "1m"
    off = render({"hooks.upgradeCRDs.enabled": False})
    assert not [one for one in off.named() if "upgrade-crds" in one]
