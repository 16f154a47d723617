"""What HashiCorp's chart gets wrong, one test for each defect; and what a wrong value is answered with."""

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from tests.support.chart import CHART, MISSING, F, Refused, at, helm, render, template
from vso.cli.manager import read_flags

POD: Final = "spec template spec"
MANAGER: Final = "controller.manager"
CACHE: Final = f"{MANAGER}.clientCache"
DIGEST: Final = f"sha256:{'0' * 64}"


def test_budget_and_spread_do_not_count_the_pods_of_the_csi_driver() -> None:
    """Which have the same name and instance."""
    spread = [{"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule"}]
    values = {"controller.replicas": 2, "controller.topologySpreadConstraints": spread, "csi.enabled": True}
    rendered = render({**values, "controller.podDisruptionBudget.enabled": True})
    driver = at(rendered.get("DaemonSet"), "spec template metadata labels")
    for selector in (
        at(rendered.get("PodDisruptionBudget"), "spec selector matchLabels"),
        at(rendered.pod("topologySpreadConstraints"), "0 labelSelector matchLabels"),
        at(rendered.get("Service"), "spec selector"),
    ):
        assert selector.items() <= at(rendered.get("Deployment"), "spec template metadata labels").items()
        assert not selector.items() <= driver.items()


def test_default_globals_can_be_switched_off() -> None:
    """The operator's default is on, so leaving the flag out would switch nothing off."""
    args = render({f"{MANAGER}.globalVaultAuthOptions.allowDefaultGlobals": False}).args()
    assert "--global-vault-auth-options=" in args


def test_a_spread_of_zero_is_passed_on() -> None:
    """It switches jitter off, and is not the same as none given."""
    backoff = f"{MANAGER}.backoffOnSecretSourceError.randomizationFactor"
    assert "--backoff-randomization-factor=0.00" in render({backoff: 0}).args()
    assert not [one for one in render({backoff: None}).args() if "randomization" in one]


@pytest.mark.parametrize("number", [0, -1, 500])
def test_the_number_of_locks_may_come_from_a_file(number: int) -> None:
    """Where YAML makes it another type of number than --set does."""
    assert f"--client-cache-num-locks={number}" in render({f"{CACHE}.numLocks": number}).args()
    assert f"--client-cache-num-locks={number}" in render({}, f"--set={CACHE}.numLocks={number}").args()


@pytest.mark.parametrize(
    ("value", "flag"),
    [
        (f"{CACHE}.cacheSize", "client-cache-size"),
        (f"{CACHE}.numLocks", "client-cache-num-locks"),
        (f"{MANAGER}.maxConcurrentReconciles", "max-concurrent-reconciles"),
        (f"{MANAGER}.kubeClient.qps", "kube-client-qps"),
        (f"{MANAGER}.kubeClient.burst", "kube-client-burst"),
        (f"{MANAGER}.templates.memoryLimit", "template-memory-limit"),
        ("controller.preDeleteHookTimeoutSeconds", "pre-delete-hook-timeout-seconds"),
    ],
)
def test_great_numbers_are_written_out(value: str, flag: str) -> None:
    """And not as 1e+06, which the operator refuses."""
    rendered = render({value: 1_000_000})
    assert f"--{flag}=1000000" in [*rendered.args(), *rendered.job("pdcc", f"{POD} containers 0 args")]


def test_a_variable_may_come_from_elsewhere() -> None:
    """From a Secret, say, such as the password of a proxy."""
    source = {"secretKeyRef": {"name": "proxy", "key": "url"}}
    item = {"name": "HTTPS_PROXY", "valueFrom": source}
    assert render({f"{MANAGER}.extraEnv": [item]}).manager("env")[3:] == [item]


REQUIRED: Final[list[tuple[dict[str, Any], str]]] = [
    ({"defaultVaultConnection.enabled": True}, "defaultVaultConnection.address is needed"),
    ({"defaultAuthMethod.enabled": True}, "defaultAuthMethod.kubernetes.role is needed"),
    ({"defaultAuthMethod": {"enabled": True, "method": "jwt"}}, "defaultAuthMethod.jwt.role is needed"),
    ({"defaultAuthMethod": {"enabled": True, "method": "appRole"}}, "defaultAuthMethod.appRole.roleId is needed"),
    ({"defaultAuthMethod": {"enabled": True, "method": "aws"}}, "defaultAuthMethod.aws.role is needed"),
    (
        {"defaultAuthMethod": {"enabled": True, "method": "gcp", "gcp": {"role": "r"}}},
        "defaultAuthMethod.gcp.workloadIdentityServiceAccount is needed",
    ),
    (
        {f"{CACHE}.persistenceModel": "direct-encrypted", f"{CACHE}.storageEncryption.kubernetes.role": "r"},
        "storageEncryption.keyName is needed",
    ),
    (
        {
            f"{CACHE}.persistenceModel": "direct-encrypted",
            f"{CACHE}.storageEncryption": {"keyName": "k", "kubernetes": {"role": "r"}},
        },
        "storageEncryption.transitMount is needed",
    ),
    ({f"{CACHE}.persistenceModel": "direct-encrypted"}, "storageEncryption.kubernetes.role is needed"),
    ({"telemetry.podMonitor.enabled": True}, "telemetry.podMonitor.tokenSecret is needed"),
    ({"controller.rbac.clusterRoleAggregation.viewerRoles": ["Vault"]}, 'there is no kind "Vault"'),
    (
        {"controller.watchNamespaces": ["a"], "controller.namespaceSelector": "a=b"},
        "watchNamespaces and controller.namespaceSelector exclude each other",
    ),
    (
        {f"{MANAGER}.revokeOnShutdown": True, f"{CACHE}.persistenceModel": "direct-unencrypted"},
        "set only one of them",
    ),
    ({"metrics.mode": "off", "telemetry.serviceMonitor.enabled": True}, "there is nothing to monitor"),
    ({"metrics.mode": "off", "telemetry.prometheusRule.enabled": True}, "there is nothing to monitor"),
    ({f"{MANAGER}.image.repository": "docker.io/hashicorp/vault-secrets-operator"}, "--reset-then-reuse-values"),
]


@pytest.mark.parametrize(("values", "text"), REQUIRED)
def test_what_cannot_work_is_refused_with_what_to_do(values: dict[str, Any], text: str) -> None:
    """Before anything is installed, and with the name of the value."""
    with pytest.raises(Refused, match=re.escape(text)):
        render(values)


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ({"controller.watchNamespace": ["a"]}, "at '/controller': additional properties 'watchNamespace' not allowed"),
        ({"controller.replicas": "two"}, "at '/controller/replicas': got string, want integer"),
        ({"controller.replicas": -1}, "at '/controller/replicas': minimum: got -1, want 0"),
        ({"controller.watchNamespaces": "a,b"}, "at '/controller/watchNamespaces': got string, want array"),
        ({"controller.watchNamespaces": ["A_b"]}, "at '/controller/watchNamespaces/0'"),
        ({f"{CACHE}.persistenceModel": "encrypted"}, "value must be one of '', 'none', 'direct-unencrypted'"),
        ({f"{MANAGER}.logging.level": "verbose"}, "at '/controller/manager/logging/level'"),
        ({f"{MANAGER}.image.digest": "sha256:12"}, "at '/controller/manager/image/digest'"),
        ({f"{MANAGER}.policy.allowedAuthMethods": ["password"]}, "policy/allowedAuthMethods/0': value must be one of"),
        ({f"{MANAGER}.policy.allowedVaultAddresses": ["vault:8200"]}, "policy/allowedVaultAddresses/0'"),
        ({f"{MANAGER}.credentialsDirectory": "etc"}, "at '/controller/manager/credentialsDirectory'"),
        ({f"{MANAGER}.refresh.minInterval": "5"}, "at '/controller/manager/refresh/minInterval'"),
        ({f"{MANAGER}.backoffOnSecretSourceError.initialInterval": 5}, "got number, want string"),
        ({f"{MANAGER}.extraArgs": "--a"}, "at '/controller/manager/extraArgs': got string, want array"),
        ({f"{MANAGER}.volumes": [{"mountPath": "/a"}]}, "missing property 'name'"),
        ({"controller.podDisruptionBudget.minAvailable": "half"}, "podDisruptionBudget/minAvailable'"),
        ({"metrics.mode": "open"}, "value must be one of 'protected', 'plain', 'off'"),
        ({"defaultAuthMethod.method": "token"}, "at '/defaultAuthMethod/method'"),
        ({"defaultAuthMethod.vaultAuthGlobalRef.mergeStrategy.headers": "merge"}, "one of '', 'union', 'replace'"),
        ({"networkPolicy.egressPorts": [0]}, "at '/networkPolicy/egressPorts/0'"),
        ({"hooks.upgradeCRDs.executionTimeout": "soon"}, "at '/hooks/upgradeCRDs/executionTimeout'"),
    ],
)
def test_the_schema_refuses_wrong_values(values: dict[str, Any], text: str) -> None:
    """With place and allowed values. A mistyped name is an error too, since it could widen what is served."""
    with pytest.raises(Refused, match=re.escape(text)):
        render(values)


def test_a_value_may_be_reset_by_null() -> None:
    """As Helm's users do to drop a default; the schema has nothing against it."""
    context = render({"controller.podSecurityContext": {"runAsUser": None, "runAsGroup": None}})
    assert context.pod("securityContext") == {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
    assert render({f"{MANAGER}.logging.level": None}).args()[9] == "--zap-time-encoding=rfc3339"


@pytest.mark.parametrize(
    "name",
    [
        *(
            f"{MANAGER}.backoffOnSecretSourceError.{one}"
            for one in ("initialInterval", "maxInterval", "maxElapsedTime")
        ),
        *(f"{MANAGER}.policy.{one}" for one in ("allowedAuthMethods", "enforceDefaultAllowedNamespaces")),
        *(f"{MANAGER}.kubeClient.qps", f"{MANAGER}.refresh.minInterval", f"{MANAGER}.logging.stacktraceLevel"),
    ],
)
def test_a_value_that_is_reset_leaves_its_flag_out(name: str) -> None:
    """So that the operator's default counts: an empty duration would not start, an empty policy would not protect."""
    ours, args = render().args(), render({name: None}).args()
    assert set(args) <= set(ours)
    assert len(read_flags(args)) == len(args)


def test_default_globals_stay_allowed_where_the_value_is_reset() -> None:
    """As in the original, which leaves the flag out then."""
    value = f"{MANAGER}.globalVaultAuthOptions.allowDefaultGlobals"
    assert render({value: None}).args() == render().args()


@pytest.mark.parametrize("name", ["nodeSelector", "tolerations", "driver.securityContext", "driver.logging.level"])
def test_the_csi_driver_can_do_without(name: str) -> None:
    """What is reset is the same as empty."""
    assert render({"csi.enabled": True, f"csi.{name}": None}).all("DaemonSet")


def test_logins_may_be_revoked_where_the_model_of_their_cache_is_reset() -> None:
    """Which is the same as `none`."""
    assert (
        "--revoke-on-shutdown=true"
        in render({f"{MANAGER}.revokeOnShutdown": True, f"{CACHE}.persistenceModel": None}).args()
    )


@pytest.mark.parametrize(("missing", "there"), [(None, 1), (2, None)])
def test_one_bound_of_the_budget_may_be_reset(missing: int | None, there: int | None) -> None:
    """Beside the other."""
    budget = {"enabled": True, "maxUnavailable": missing, "minAvailable": there}
    spec = render({"controller.replicas": 3, "controller.podDisruptionBudget": budget}).get("PodDisruptionBudget")[
        "spec"
    ]
    assert (spec.get("maxUnavailable"), spec.get("minAvailable")) == (missing, there)


def test_a_duration_may_be_the_number_zero() -> None:
    """The one that Go takes without a unit, and the original's chart as well."""
    values = {f"{MANAGER}.backoffOnSecretSourceError.maxElapsedTime": 0}
    assert "--backoff-max-elapsed-time=0" in render(values).args()


@pytest.mark.parametrize(("value", "flag"), [("qps", "--kube-client-qps"), ("burst", "--kube-client-burst")])
def test_an_extra_argument_wins_over_the_same_flag_of_a_value(value: str, flag: str) -> None:
    """Of two, the operator takes the last."""
    args = render({f"{MANAGER}.kubeClient.{value}": 10, f"{MANAGER}.extraArgs": [f"{flag}=20"]}).args()
    assert read_flags(args)[flag] == "20"


def test_names_fit_where_the_release_has_a_long_one() -> None:
    """A Service, and a Job's Pods, have 63 characters; monitors expect the Service's name in the certificate."""
    release = "a-release-with-a-name-of-some-length-and-of-forty-ni"
    rendered = render({"telemetry.serviceMonitor.enabled": True, "metrics.certificateSecret": "c"}, release=release)
    service = rendered.get("Service")["metadata"]["name"]
    assert service.endswith("-metrics-service")
    assert len(service) <= 63
    tls = at(rendered.get("ServiceMonitor"), "spec endpoints 0 tlsConfig")
    assert tls["serverName"] == f"{service}.vault-system.svc"


@pytest.mark.parametrize(
    ("method", "login", "added"),
    [
        ("kubernetes", {"role": "r", "serviceAccount": "transit"}, ["transit"]),
        ("jwt", {"role": "r"}, ["default"]),
        ("jwt", {"role": "r", "secretRef": "token"}, []),
        ("aws", {"role": "r", "irsaServiceAccount": "irsa"}, ["irsa"]),
        ("gcp", {"role": "r", "workloadIdentityServiceAccount": "wi"}, ["wi"]),
        ("appRole", {"roleId": "r"}, []),
    ],
)
def test_the_account_that_encrypts_logins_may_have_tokens(method: str, login: dict[str, str], added: list[str]) -> None:
    """Whatever it logs in by; and no other."""
    encryption = {"keyName": "k", "transitMount": "t", "method": method, method: login}
    names = {"rbac.serviceAccountTokens.resourceNames": ["app"]}
    rendered = render(
        {**names, f"{CACHE}.persistenceModel": "direct-encrypted", f"{CACHE}.storageEncryption": encryption}
    )
    rules = rendered.get("ClusterRole", f"{F}-manager-role")["rules"]
    (found,) = [one for one in rules if one["resources"] == ["serviceaccounts/token"]]
    assert found["resourceNames"] == ["app", *added]


@pytest.mark.parametrize("name", ["2026", "on"])
def test_names_that_yaml_reads_as_something_else_stay_text(name: str) -> None:
    """All of them are names that Kubernetes allows; a number or a boolean in their place is refused."""
    volume = {"name": name, "mountPath": "/data", "emptyDir": {}}
    monitors = {
        f"telemetry.{one}.enabled": True for one in ("serviceMonitor", "podMonitor", "prometheusRule", "dashboard")
    }
    values = {
        **monitors,
        "telemetry.podMonitor.tokenSecret": name,
        "metrics.certificateSecret": name,
        "nameOverride": name,
        "controller.watchNamespaces": [name],
        f"{MANAGER}.volumes": [volume],
        "controller.priorityClassName": name,
        "controller.replicas": 2,
        "controller.podDisruptionBudget.enabled": True,
        "networkPolicy.enabled": True,
        "csi.enabled": True,
        "controller.revokeOnUninstall": True,
    }
    for one in render(values, release=name, namespace=name).objects:
        found = {where: value for where, value in scalars(one) if where.split()[-1] in NAMED}
        mistaken = {where: value for where, value in found.items() if not isinstance(value, str)}
        assert not mistaken, one["kind"]


NAMED: Final = frozenset(
    {"name", "namespace", "secretName", "priorityClassName", "app.kubernetes.io/name", "app.kubernetes.io/instance"}
)
"""Fields that names stand in."""


def scalars(value: Any, where: str = "") -> Iterator[tuple[str, Any]]:
    """Everything in an object that is no map and no list, with the words of the way to it."""
    if isinstance(value, dict | list):
        for key, part in value.items() if isinstance(value, dict) else enumerate(value):
            yield from scalars(part, f"{where} {key}")
    else:
        yield where, value


def test_parameters_and_headers_may_have_any_name() -> None:
    """One with a colon, and one that YAML would take for a boolean."""
    texts = {"no": "yes", "a: b": "c"}
    connection = {"enabled": True, "address": "https://vault", "headers": texts}
    login = {"enabled": True, "kubernetes": {"role": "r"}, "headers": texts, "params": texts}
    rendered = render({"defaultVaultConnection": connection, "defaultAuthMethod": login})
    assert rendered.get("VaultConnection")["spec"]["headers"] == texts
    assert rendered.get("VaultAuth")["spec"]["headers"] == texts
    assert rendered.get("VaultAuth")["spec"]["params"] == texts


def test_hooks_keep_to_the_affinity_of_the_operator() -> None:
    """The nodes that it may run on are those that they may run on."""
    affinity = {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"a": "b"}}}
    rendered = render({"controller.affinity": affinity})
    for job in ("pdcc", "upgrade-crds"):
        assert rendered.job(job, f"{POD} affinity") == affinity
        assert render().job(job, f"{POD} affinity") == MISSING


def test_images_may_be_named_by_digest() -> None:
    """Which wins over the tag, for every container of the image."""
    tag = render({f"{MANAGER}.image.tag": "1.2.3"})
    assert tag.manager("image").endswith("/vault-secrets-operator:1.2.3")
    values = {f"{MANAGER}.image.digest": DIGEST, "controller.kubeRbacProxy": {"enabled": True}}
    rendered = render({**values, "controller.kubeRbacProxy.image.digest": DIGEST})
    image = rendered.manager("image")
    assert image.endswith(f"/vault-secrets-operator@{DIGEST}")
    assert rendered.pod("containers kube-rbac-proxy image") == f"quay.io/brancz/kube-rbac-proxy@{DIGEST}"
    others = [rendered.job(job, f"{POD} containers 0 image") for job in ("pdcc", "upgrade-crds")]
    assert {image} == {*others, rendered.get("Pod")["spec"]["containers"][0]["image"]}


@pytest.mark.parametrize("values", [{}, {"controller.kubeRbacProxy.enabled": True}])
def test_every_pod_keeps_to_the_restricted_security_standard(values: dict[str, Any]) -> None:
    """Deployment, hooks and test: no root, no capability, no escalation, a read-only root file system."""
    rendered = render(values)
    workloads = [rendered.get("Deployment"), *rendered.all("Job")]
    pods = [at(one, POD) for one in workloads] + [one["spec"] for one in rendered.all("Pod")]
    assert len(pods) == 4
    for pod in pods:
        assert pod["securityContext"] == {
            "runAsNonRoot": True,
            "runAsUser": 65532,
            "runAsGroup": 65532,
            "seccompProfile": {"type": "RuntimeDefault"},
        }
        for container in pod["containers"]:
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }


def test_metrics_are_protected_by_the_operator_itself() -> None:
    """Without a side-car: HTTPS, with rights to ask who it is; the plain address is for the Pod itself."""
    rendered = render()
    assert [one["name"] for one in rendered.pod("containers")] == ["manager"]
    assert "--metrics-bind-address=127.0.0.1:8080" in rendered.args()
    assert "--metrics-secure-bind-address=:8443" in rendered.args()
    assert at(rendered.manager("ports"), "https containerPort") == 8443
    rules = rendered.get("ClusterRole", f"{F}-proxy-role")["rules"]
    assert [(one["resources"], one["verbs"]) for one in rules] == [
        (["tokenreviews"], ["create"]),
        (["subjectaccessreviews"], ["create"]),
    ]


def test_the_side_car_is_an_option() -> None:
    """Then the operator itself serves no HTTPS."""
    rendered = render({"controller.kubeRbacProxy.enabled": True})
    assert [one["name"] for one in rendered.pod("containers")] == ["kube-rbac-proxy", "manager"]
    assert len(rendered.args()) == 12
    assert at(rendered.manager("ports"), "https") == MISSING
    assert f"ClusterRole {F}-proxy-role" in rendered.named()


@pytest.mark.parametrize("monitor", ["serviceMonitor", "podMonitor"])
def test_monitors_verify_a_certificate_that_is_not_self_signed(monitor: str) -> None:
    """That of the Secret; or as the values say."""
    values = {"telemetry": {monitor: {"enabled": True}}, "telemetry.podMonitor.tokenSecret": "token"}
    assert tls(values) == {"insecureSkipVerify": True}
    assert tls({**values, "metrics.certificateSecret": "cert"}) == {
        "serverName": f"{F}-metrics-service.vault-system.svc",
        "ca": {"secret": {"name": "cert", "key": "ca.crt"}},
    }
    own = {"caFile": "/etc/ca"}
    assert tls({**values, f"telemetry.{monitor}.tlsConfig": own}) == own


def tls(values: dict[str, Any]) -> Any:
    """The tlsConfig of the only monitor."""
    (monitor,) = render(values).all("ServiceMonitor") or render(values).all("PodMonitor")
    (endpoint,) = monitor["spec"].get("endpoints") or monitor["spec"]["podMetricsEndpoints"]
    return endpoint["tlsConfig"]


@pytest.mark.parametrize(
    ("listed", "role"),
    [
        ("HCPVaultSecretsApp", "hcpsecretsapp"),
        ("hcpsecretsapp", "hcpsecretsapp"),
        ("VaultPKISecret", "vaultpki"),
        ("VaultPKI", "vaultpki"),
        ("vaultpkisecrets", "vaultpki"),
    ],
)
def test_roles_are_found_by_kind_and_by_the_name_of_the_role(listed: str, role: str) -> None:
    """Two roles are not called after their kind, and the kinds are what the original documents."""
    rendered = render({"controller.rbac.clusterRoleAggregation.viewerRoles": [listed]})
    found = rendered.get("ClusterRole", f"{F}-aggregate-role-viewer")["aggregationRule"]["clusterRoleSelectors"]
    assert found == [{"matchLabels": {"vso.hashicorp.com/role-instance": f"{role}-viewer-role"}}]
    assert f"ClusterRole {F}-{role}-viewer-role" in rendered.named()


@pytest.mark.parametrize("values", ["{}", '{"csi": {"enabled": true}, "controller": {"watchNamespaces": ["b", "a"]}}'])
def test_rendering_twice_gives_the_same_bytes(values: str) -> None:
    """A GitOps tool sees no difference where there is none."""
    assert template(values) == template(values)


def test_it_may_be_a_dependency_of_another_chart(tmp_path: Path) -> None:
    """Helm then adds `global` to the values, and the condition is one of them by custom."""
    name = "vault-secrets-operator"
    dependency = {"name": name, "version": "*", "condition": f"{name}.enabled"}
    parent = {"apiVersion": "v2", "name": "platform", "version": "1.0.0", "dependencies": [dependency]}
    (tmp_path / "Chart.yaml").write_text(json.dumps(parent))
    shutil.copytree(CHART, tmp_path / "charts" / name)
    for values in ({}, {name: {"enabled": True}, "global": {"region": "north"}}):
        done = helm("template", "r", str(tmp_path), "--values=-", values=json.dumps(values))
        assert done.returncode == 0, done.stderr
        kinds = [one["kind"] for one in yaml.load_all(done.stdout, Loader=yaml.CSafeLoader) if one]
        assert kinds.count("Deployment") == 1
