"""The values that HashiCorp's chart does not have: scope, rights, policy, metrics, network."""

import json
import re
from typing import Any, Final

import pytest
import yaml

from tests.support.chart import CHART, MISSING, NAMESPACE, F, Rendered, at, render, template
from vso import __version__
from vso.app.options import OPTIONS
from vso.cli.manager import read_flags
from vso.controllers.permission import PERMISSIONS, Switch, Where
from vso.controllers.rbac import rule

POD: Final = "spec template spec"
MANAGER: Final = "controller.manager"


def rules_of(rendered: Rendered, kind: str, name: str, namespace: str = "") -> list[dict[str, Any]]:
    """The rules of a role."""
    found = [
        one
        for one in rendered.all(kind)
        if one["metadata"]["name"] == name and one["metadata"].get("namespace", "") == namespace
    ]
    assert len(found) == 1, (kind, name, namespace)
    rules: list[dict[str, Any]] = found[0]["rules"]
    return rules


def table(*places: Where, without: tuple[Switch, ...] = ()) -> list[dict[str, Any]]:
    """The rules that the permissions table has."""
    return [rule(one) for one in PERMISSIONS if one.where in places and one.switch not in without]


def test_the_chart_is_of_the_operator_s_version() -> None:
    """And installs the image of that version."""
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    assert (chart["version"], chart["appVersion"]) == (__version__, __version__)
    assert render().manager("image").endswith(f":{__version__}")


def test_alerts_and_dashboard_come_with_the_chart_if_asked() -> None:
    """Byte for byte those of deploy/: what stands in braces there is Prometheus' and Grafana's, and not Helm's."""
    kinds = {"telemetry.prometheusRule.enabled": True, "telemetry.dashboard.enabled": True}
    assert not render().all("PrometheusRule")
    rendered = render({**kinds, "telemetry.prometheusRule.selectors": {"release": "prometheus"}})
    (rules,), root = rendered.all("PrometheusRule"), CHART.parent
    assert rules["spec"] == yaml.safe_load((root / "alerts" / "rules.yaml").read_text())
    assert rules["metadata"]["labels"]["release"] == "prometheus"
    (board,) = [one for one in rendered.all("ConfigMap") if one["metadata"]["name"].endswith("-dashboard")]
    assert board["metadata"]["labels"]["grafana_dashboard"] == "1"
    text = (root / "dashboards" / "vault-secrets-operator.json").read_text()
    assert json.loads(board["data"]["vault-secrets-operator.json"]) == json.loads(text)


def test_the_chart_has_the_ten_crds() -> None:
    """Helm installs what is in that folder, at the first installation."""
    assert len(list((CHART / "crds").iterdir())) == 10


@pytest.mark.parametrize(
    ("values", "flag"),
    [
        ({"controller.watchNamespaces": ["a", "b"]}, "--watch-namespaces=a,b"),
        ({"controller.namespaceSelector": "team in (web,mobile)"}, "--namespace-selector=team in (web,mobile)"),
        ({"controller.operatorClass": "blue"}, "--operator-class=blue"),
        ({f"{MANAGER}.policy.allowedAuthMethods": ["jwt", "cert"]}, "--allowed-auth-methods=jwt,cert"),
        (
            {f"{MANAGER}.policy.allowedVaultAddresses": ["https://a", "https://b"]},
            "--allowed-vault-addresses=https://a,https://b",
        ),
        ({f"{MANAGER}.policy.forbiddenTokenAudiences": ["k8s"]}, "--forbidden-token-audiences=k8s"),
        ({f"{MANAGER}.policy.ambientIdentityNamespaces": ["*"]}, "--ambient-identity-namespaces=*"),
        ({f"{MANAGER}.policy.allowOwnCredentials": True}, "--allow-own-credentials=true"),
        (
            {f"{MANAGER}.policy.enforceDefaultAllowedNamespaces": False},
            "--enforce-default-allowed-namespaces=false",
        ),
        ({f"{MANAGER}.credentialsDirectory": "/etc/c"}, "--credentials-directory=/etc/c"),
        ({f"{MANAGER}.refresh.minInterval": "30s"}, "--min-refresh-interval=30s"),
        ({f"{MANAGER}.refresh.defaultInterval": "5m"}, "--default-refresh-interval=5m"),
        ({f"{MANAGER}.refresh.staticCredsMaxPollInterval": "1h"}, "--static-creds-max-poll-interval=1h"),
        ({f"{MANAGER}.templates.timeout": "500ms"}, "--template-timeout=500ms"),
        ({f"{MANAGER}.templates.memoryLimit": 128}, "--template-memory-limit=128"),
        ({f"{MANAGER}.revokeOnShutdown": True}, "--revoke-on-shutdown=true"),
        ({"metrics.perObject": True}, "--per-object-metrics=true"),
        ({"metrics.certificateSecret": "cert"}, "--metrics-cert-directory=/var/run/metrics-certificate"),
    ],
)
def test_a_value_becomes_a_flag(values: dict[str, Any], flag: str) -> None:
    """One argument more, at the end, unless extraArgs has the same flag."""
    args = render(values).args()
    assert flag in args
    assert len(args) == len(render().args()) + 1
    mine = f"-{flag.partition('=')[0].removeprefix('--')}=mine"
    assert [one for one in render({**values, f"{MANAGER}.extraArgs": [mine]}).args() if mine[1:-4] in one] == [mine]


EVERY: Final[dict[str, Any]] = {
    "controller.operatorClass": "blue",
    "controller.namespaceSelector": "a=b",
    f"{MANAGER}.clientCache": {"cacheSize": 5, "numLocks": 5, "persistenceModel": "direct-unencrypted"},
    f"{MANAGER}.maxConcurrentReconciles": 5,
    f"{MANAGER}.globalTransformationOptions.excludeRaw": True,
    f"{MANAGER}.kubeClient": {"qps": 2.5, "burst": 5},
    f"{MANAGER}.logging": {"level": "trace", "timeEncoding": "nano"},
    f"{MANAGER}.policy": {
        "allowedAuthMethods": ["jwt"],
        "allowedVaultAddresses": ["https://a"],
        "forbiddenTokenAudiences": ["k8s"],
        "ambientIdentityNamespaces": ["*"],
        "allowOwnCredentials": True,
        "enforceDefaultAllowedNamespaces": False,
    },
    f"{MANAGER}.credentialsDirectory": "/etc/c",
    f"{MANAGER}.refresh": {"minInterval": "30s", "defaultInterval": "5m", "staticCredsMaxPollInterval": "1h"},
    f"{MANAGER}.templates": {"timeout": "1s", "memoryLimit": 5},
    "metrics": {"perObject": True, "certificateSecret": "cert"},
}


def test_the_operator_understands_every_argument() -> None:
    """By its own parser: a flag that it does not know would end it with exit code 2."""
    for values in ({}, EVERY, {"metrics.mode": "off"}, {"controller.watchNamespaces": ["a"]}):
        rendered = render(values)
        assert len(read_flags(rendered.args())) == len(rendered.args())
    uninstall = render({"controller.revokeOnUninstall": True}).job("pdcc", f"{POD} containers 0 args")
    assert len(read_flags(uninstall)) == len(uninstall)


LEFT_TO_ARGS: Final = {
    *("--kubeconfig", "--version", "--output", "--dry-run-takeover"),  # for use by hand
    *("--zap-devel", "--zap-encoder"),  # for eyes that read logs by hand
    *("--max-concurrent-reconciles-vds", "--min-refresh-after-hvsa"),  # deprecated, and without effect
}
"""Flags without a value of the chart."""


def test_every_flag_can_be_set_by_a_value() -> None:
    """Whatever is added to the table of options is added to the chart too."""
    text = "".join((CHART / "templates" / name).read_text() for name in ("_args.tpl", "hook-uninstall.yaml"))
    switches = {one.switch for one in OPTIONS} - LEFT_TO_ARGS
    assert {one for one in switches if f"- {one}" not in text and f'"{one[2:]}"' not in text} == set()


def test_for_the_whole_cluster_there_is_one_cluster_role() -> None:
    """With exactly the rules of the table; elections need a Role beside it."""
    rendered = render()
    assert rules_of(rendered, "ClusterRole", f"{F}-manager-role") == table(Where.SERVED, Where.CLUSTER)
    assert rules_of(rendered, "Role", f"{F}-leader-election-role", NAMESPACE) == table(Where.OWN)
    selects = render({"controller.namespaceSelector": "a=b"})
    expected = table(Where.SERVED, Where.CLUSTER) + table(Where.SELECTOR)
    assert rules_of(selects, "ClusterRole", f"{F}-manager-role") == expected


def test_for_some_namespaces_there_are_roles_alone() -> None:
    """One in each, and those of its own namespace; nothing binds the operator to a rule of the whole cluster."""
    rendered = render({"controller.watchNamespaces": ["team-a", "team-b"], "metrics.mode": "plain"})
    for namespace in ("team-a", "team-b"):
        assert rules_of(rendered, "Role", f"{F}-manager-role", namespace) == table(Where.SERVED)
    assert rules_of(rendered, "Role", f"{F}-operator-role", NAMESPACE) == table(Where.OWN_TOO)
    assert rules_of(rendered, "Role", f"{F}-leader-election-role", NAMESPACE) == table(Where.OWN)
    account = {"kind": "ServiceAccount", "name": f"{F}-controller-manager", "namespace": NAMESPACE}
    assert [one for one in rendered.all("ClusterRoleBinding") if account in one["subjects"]] == []
    assert all(one["subjects"] == [account] for one in rendered.all("RoleBinding"))
    assert len(rendered.all("RoleBinding")) == 4


def test_with_roles_alone_nothing_of_the_chart_is_cluster_wide_if_that_is_wanted() -> None:
    """For those who may not make cluster-wide objects."""
    values = {"controller.watchNamespaces": ["a"], "metrics.mode": "plain", "rbac.userRoles": False}
    rendered = render({**values, "hooks.upgradeCRDs.enabled": False})
    assert [one for one in rendered.named() if one.startswith("Cluster")] == []


def test_with_protected_metrics_the_operator_may_ask_who_somebody_is() -> None:
    """That and no more, where it serves some namespaces."""
    rendered = render({"controller.watchNamespaces": ["a"]})
    account = f"{F}-controller-manager"
    bound = [one for one in rendered.all("ClusterRoleBinding") if one["subjects"][0]["name"] == account]
    assert [one["roleRef"]["name"] for one in bound] == [f"{F}-proxy-role"]
    assert rules_of(rendered, "ClusterRole", f"{F}-proxy-role") == table(Where.METRICS)


SCOPED: Final = {"controller.watchNamespaces": ["a"]}


@pytest.mark.parametrize(
    ("values", "switch"),
    [
        ({"rbac.rolloutRestart": False}, Switch.RESTART),
        ({"rbac.argoRollouts": False}, Switch.ARGO),
        ({"rbac.serviceAccountTokens.enabled": False}, Switch.TOKENS),
    ],
)
def test_a_right_that_is_not_needed_can_be_withheld(values: dict[str, Any], switch: Switch) -> None:
    """The others stay; in Roles as well."""
    wide = rules_of(render(values), "ClusterRole", f"{F}-manager-role")
    assert wide == table(Where.SERVED, Where.CLUSTER, without=(switch,))
    scoped = render({**SCOPED, **values})
    assert rules_of(scoped, "Role", f"{F}-manager-role", "a") == table(Where.SERVED, without=(switch,))
    assert rules_of(scoped, "Role", f"{F}-operator-role", NAMESPACE) == table(Where.OWN_TOO, without=(switch,))


def test_tokens_can_be_limited_to_some_service_accounts() -> None:
    """By name; the one that encrypts stored logins is among them."""
    names = {"rbac.serviceAccountTokens.resourceNames": ["vault", "app"]}
    assert token_accounts(render(names)) == ["vault", "app"]
    assert token_accounts(render()) is None
    cache = f"{MANAGER}.clientCache"
    encryption = {"keyName": "k", "transitMount": "t", "kubernetes": {"role": "r"}}
    encrypted = {f"{cache}.persistenceModel": "direct-encrypted", f"{cache}.storageEncryption": encryption}
    assert token_accounts(render({**names, **encrypted})) == ["vault", "app", f"{F}-controller-manager"]


def token_accounts(rendered: Rendered) -> list[str] | None:
    """Whose tokens the operator may request; None for all."""
    rules = rules_of(rendered, "ClusterRole", f"{F}-manager-role")
    (found,) = [one for one in rules if one["resources"] == ["serviceaccounts/token"]]
    names: list[str] | None = found.get("resourceNames")
    return names


def test_roles_can_be_left_to_somebody_else() -> None:
    """Those of the operator, or those for people alone."""
    kinds = {one["kind"] for one in render({"rbac.create": False, "csi.enabled": True}).objects}
    assert not {"Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding"} & kinds
    named = render({"rbac.userRoles": False}).named()
    assert not [one for one in named if "editor-role" in one or "viewer-role" in one]
    assert f"ClusterRole {F}-manager-role" in named


def test_an_uninstall_keeps_to_the_scope_and_may_revoke() -> None:
    """Where it revokes it talks to Vault, so it has the variables and volumes of the operator."""
    assert args_of_uninstall({"controller.watchNamespaces": ["a", "b"]})[2:] == ["--watch-namespaces=a,b"]
    assert args_of_uninstall({"controller.operatorClass": "blue"})[2:] == ["--operator-class=blue"]
    assert args_of_uninstall({"controller.namespaceSelector": "a=b"})[2:] == ["--namespace-selector=a=b"]
    env = [{"name": "HTTPS_PROXY", "value": "http://proxy"}]
    volume = {"name": "c", "mountPath": "/etc/c", "secret": {"secretName": "c"}}
    own = {f"{MANAGER}.extraEnv": env, f"{MANAGER}.volumes": [volume], f"{MANAGER}.credentialsDirectory": "/etc/c"}
    cache = {f"{MANAGER}.clientCache.persistenceModel": "direct-unencrypted"}
    values = {**own, **cache, "controller.revokeOnUninstall": True}
    assert args_of_uninstall(values)[2:] == [
        "--revoke-on-uninstall",
        "--client-cache-persistence-model=direct-unencrypted",
        "--credentials-directory=/etc/c",
    ]
    container = render(values).job("pdcc", f"{POD} containers 0")
    assert container["env"] == env
    assert {"name": "c", "mountPath": "/etc/c"} in container["volumeMounts"]
    assert len(args_of_uninstall(own)) == 2
    assert at(render(own).job("pdcc"), f"{POD} volumes") == MISSING


@pytest.mark.parametrize(
    ("extra", "kept"),
    [
        (["--operator-class=blue", "--zap-log-level=5"], ["--operator-class=blue"]),
        (["-watch-namespaces", "a,b", "--unknown", "c"], ["-watch-namespaces", "a,b"]),
        (
            ["--namespace-selector", "a=b", "--operator-class", "x"],
            ["--namespace-selector", "a=b", "--operator-class", "x"],
        ),
    ],
)
def test_an_uninstall_keeps_to_a_scope_of_extra_arguments(extra: list[str], kept: list[str]) -> None:
    """Or it would free the resources of another installation; no other argument, good or bad, is of use to it."""
    values = {"controller.operatorClass": "red", f"{MANAGER}.extraArgs": extra}
    args = [one for one in args_of_uninstall(values)[2:] if one != "--operator-class=red"]
    assert args == kept
    assert ("--operator-class=red" in args_of_uninstall(values)) == ("operator-class" not in "".join(extra))


def test_an_uninstall_has_the_variables_of_the_operator() -> None:
    """They may narrow its scope too, or tell the way to the API server."""
    env = [{"name": "VSO_WATCH_NAMESPACES", "value": "a"}]
    assert render({f"{MANAGER}.extraEnv": env}).job("pdcc", f"{POD} containers 0 env") == env


@pytest.mark.parametrize("volume", [{"name": "tmp"}, {"name": "scratch", "mountPath": "/tmp/"}])
def test_an_uninstall_takes_no_name_or_place_twice(volume: dict[str, str]) -> None:
    """The API server would refuse the Job, and nobody could uninstall."""
    values = {f"{MANAGER}.volumes": [{**volume, "emptyDir": {}}], "controller.revokeOnUninstall": True}
    rendered = render(values)
    for pod in (rendered.job("pdcc", POD), rendered.pod()):
        names = [one["name"] for one in pod["volumes"]]
        places = [one["mountPath"].rstrip("/") for one in pod["containers"][0].get("volumeMounts") or ()]
        assert len(set(names)) == len(names)
        assert len(set(places)) == len(places)


def args_of_uninstall(values: dict[str, Any]) -> list[str]:
    """Arguments of the Job."""
    found: list[str] = render(values).job("pdcc", f"{POD} containers 0 args")
    return found


def test_metrics_may_be_served_plainly() -> None:
    """Over HTTP to everybody: another port, and no right to ask who somebody is."""
    rendered = render(
        {"metrics.mode": "plain", "telemetry.serviceMonitor.enabled": True, "networkPolicy.enabled": True}
    )
    assert "--metrics-bind-address=:8080" in rendered.args()
    assert not [one for one in rendered.args() if "secure" in one]
    assert at(rendered.manager("ports"), "http containerPort") == 8080
    assert rendered.get("Service")["spec"]["ports"] == [
        {"name": "http", "port": 8080, "protocol": "TCP", "targetPort": "http"}
    ]
    (endpoint,) = rendered.get("ServiceMonitor")["spec"]["endpoints"]
    assert (endpoint["port"], endpoint["scheme"]) == ("http", "http")
    assert not {"bearerTokenFile", "tlsConfig"} & endpoint.keys()
    assert rendered.get("NetworkPolicy")["spec"]["ingress"] == [{"ports": [{"port": 8080, "protocol": "TCP"}]}]
    assert not {f"ClusterRole {F}-proxy-role", f"ClusterRole {F}-metrics-reader"} & rendered.named()


def test_metrics_may_be_switched_off() -> None:
    """Then there is no port, no Service, and no right."""
    rendered = render({"metrics.mode": "off", "networkPolicy.enabled": True})
    assert "--metrics-bind-address=0" in rendered.args()
    assert len(rendered.args()) == 12
    assert [one["name"] for one in rendered.manager("ports")] == ["health"]
    assert not rendered.all("Service")
    assert rendered.get("NetworkPolicy")["spec"].get("ingress") is None
    assert f"ClusterRole {F}-proxy-role" not in rendered.named()


def test_the_certificate_of_the_metrics_comes_from_a_secret() -> None:
    """As a folder that follows its changes."""
    rendered = render({"metrics.certificateSecret": "cert"})
    assert at(rendered.pod("volumes"), "metrics-certificate secret secretName") == "cert"
    mount = at(rendered.manager("volumeMounts"), "metrics-certificate")
    assert (mount["mountPath"], mount["readOnly"]) == ("/var/run/metrics-certificate", True)
    proxied = render({"metrics.certificateSecret": "cert", "controller.kubeRbacProxy.enabled": True})
    assert at(proxied.pod("volumes"), "metrics-certificate") == MISSING


def test_a_pod_monitor_reaches_each_replica() -> None:
    """With a token of a Secret, since it cannot use Prometheus' own."""
    values = {"enabled": True, "tokenSecret": "token", "selectors": {"release": "prometheus"}, "interval": "1m"}
    monitor = render({"telemetry.podMonitor": values}).get("PodMonitor")
    assert monitor["metadata"]["labels"]["release"] == "prometheus"
    assert monitor["spec"]["selector"] == at(render().get("Deployment"), "spec selector")
    (endpoint,) = monitor["spec"]["podMetricsEndpoints"]
    assert (endpoint["port"], endpoint["scheme"], endpoint["interval"]) == ("https", "https", "1m")
    assert endpoint["authorization"] == {"credentials": {"name": "token", "key": "token"}}
    plain = render({"telemetry.podMonitor.enabled": True, "metrics.mode": "plain"}).get("PodMonitor")
    assert "authorization" not in plain["spec"]["podMetricsEndpoints"][0]


@pytest.mark.parametrize("monitor", ["serviceMonitor", "podMonitor"])
def test_the_namespace_of_a_metric_is_that_of_the_resource(monitor: str) -> None:
    """As alerts and dashboards need it; or as in the original, for who has dashboards for that."""
    values = {f"telemetry.{monitor}.enabled": True, "telemetry.podMonitor.tokenSecret": "token"}
    for honored in (True, False):
        rendered = render(values if honored else {**values, f"telemetry.{monitor}.honorLabels": False})
        (found,) = rendered.all("ServiceMonitor") + rendered.all("PodMonitor")
        (endpoint,) = found["spec"].get("endpoints") or found["spec"]["podMetricsEndpoints"]
        assert endpoint["honorLabels"] is honored


def test_a_network_policy_lets_in_and_out_what_is_needed() -> None:
    """Metrics in; names, API server and Vault out; and what the values add."""
    assert not render().all("NetworkPolicy")
    spec = render({"networkPolicy.enabled": True}).get("NetworkPolicy")["spec"]
    assert spec["policyTypes"] == ["Ingress", "Egress"]
    assert spec["podSelector"] == at(render().get("Deployment"), "spec selector")
    assert spec["ingress"] == [{"ports": [{"port": 8443, "protocol": "TCP"}]}]
    ports = [(one["port"], one["protocol"]) for rule in spec["egress"] for one in rule["ports"]]
    assert ports == [(53, "UDP"), (53, "TCP"), (443, "TCP"), (6443, "TCP"), (8200, "TCP")]
    source = [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}}]
    extra = {"to": [{"ipBlock": {"cidr": "10.0.0.0/8"}}]}
    values = {"enabled": True, "metricsFrom": source, "extraEgress": [extra], "extraIngress": [{}], "egressPorts": []}
    more = render({"networkPolicy": values}).get("NetworkPolicy")["spec"]
    assert more["ingress"][0]["from"] == source
    assert (more["ingress"][1], more["egress"][1]) == ({}, extra)


def test_the_service_account_may_carry_annotations() -> None:
    """Such as those that give the operator an identity of a cloud."""
    rendered = render({"controller.serviceAccount.annotations": {"eks.amazonaws.com/role-arn": "arn"}})
    account = rendered.get("ServiceAccount", f"{F}-controller-manager")
    assert account["metadata"]["annotations"] == {"eks.amazonaws.com/role-arn": "arn"}


def test_the_schema_describes_every_value() -> None:
    """So that editors can show what a value means, and the reference has a row for each."""
    schema = json.loads((CHART / "values.schema.json").read_text())
    reference = (CHART.parents[1] / "docs" / "reference" / "chart-values" / "README.md").read_text()

    def leaves(part: dict[str, Any], path: str) -> list[str]:
        if "properties" not in part or part.get("additionalProperties") is not False:
            return [path]
        return [leaf for name, one in part["properties"].items() for leaf in leaves(one, f"{path}.{name}".lstrip("."))]

    names = leaves(schema, "")
    assert len(names) > 150
    assert [one for one in names if f"| `{one}` |" not in reference] == []


PAGES: Final = sorted(path for path in (CHART.parents[1] / "docs" / "how-to").glob("*.md"))
_VALUES: Final = re.compile(r'^```yaml title="(\S*values\.yaml)"\n(.*?)^```', re.MULTILINE | re.DOTALL)
EXAMPLES: Final = [
    pytest.param(text, id=f"{page.stem}-{title}")
    for page in PAGES
    for title, text in re.findall(
        r'^```yaml title="(\S*values\.yaml)"\n(.*?)^```', page.read_text(), re.MULTILINE | re.DOTALL
    )
]


@pytest.mark.parametrize("values", EXAMPLES)
def test_the_values_of_a_guide_are_values_of_the_chart(values: str) -> None:
    """Each can be installed as it stands, and changes something."""
    assert template(values) != template("{}")


def test_there_are_values_in_the_guides() -> None:
    """Those that the test above looks at."""
    assert len(EXAMPLES) >= 8
