"""Chart and kustomize layout on a real API server: every object is accepted, and the operator can do its work."""

import itertools
import json
import os
import ssl
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from testenv import Cluster, OpenBao, wait_for
from testenv.cluster import find_kubectl
from testenv.port import free_port
from testenv.web import Site
from tests.support import operator as harness
from tests.support.chart import CHART, NAMESPACE, helm, nested, render
from tests.support.tenant import Tenant, new_tenant, remove
from vso.apis.kinds import KINDS

RELEASE: Final = "it"
F: Final = "it-vault-secrets-operator"
CLASS: Final = "vault-secrets-operator.github.io/class"
RESTRICTED: Final = {"pod-security.kubernetes.io/enforce": "restricted"}
ROOT: Final = Path(__file__).parents[2]
MANAGER: Final = "controller.manager"
MONITORING: Final = "monitoring.coreos.com/v1"
_numbers = itertools.count(1)
Json = dict[str, Any]


@dataclass(frozen=True)
class Home:
    """A namespace with a release of the chart, called `RELEASE`."""

    cluster: Cluster
    namespace: str

    @property
    def account(self) -> str:
        """The operator's ServiceAccount."""
        return f"{F}-controller-manager"

    def helm(self, *arguments: str, **values: Any) -> str:
        """What Helm says; hooks are left out, since nobody runs their Pods here."""
        hooks = () if arguments[0] == "get" else ("--no-hooks",)
        where = (f"--namespace={self.namespace}", f"--kubeconfig={self.cluster.admin_kubeconfig}")
        done = helm(*arguments, *where, *hooks, values=json.dumps(nested(values)))
        assert done.returncode == 0, done.stderr
        return done.stdout

    def install(self, values: Json) -> str:
        """Install the chart."""
        return self.helm("install", RELEASE, str(CHART), "--values=-", **values)

    def objects(self) -> list[Json]:
        """What is installed, hooks and tests apart."""
        return [one for one in yaml.safe_load_all(self.helm("get", "manifest", RELEASE)) if one]

    def args(self) -> list[str]:
        """The arguments of the installed operator."""
        (deployment,) = [one for one in self.objects() if one["kind"] == "Deployment"]
        (container,) = deployment["spec"]["template"]["spec"]["containers"]
        found: list[str] = container["args"]
        return found

    def get(self, kind: str, name: str) -> Json:
        """An object of its namespace."""
        done = self.cluster.kubectl("get", kind, name, "-n", self.namespace, "-o", "json")
        assert done.returncode == 0, done.stderr
        found: Json = json.loads(done.stdout)
        return found


@pytest.fixture
def home(cluster: Cluster) -> Iterator[Home]:
    """A namespace for a release, which admits only Pods of the strictest security standard."""
    home = Home(cluster, f"chart{next(_numbers)}-{os.getpid()}")
    cluster.create_namespace(home.namespace)
    label(cluster, home.namespace, RESTRICTED)
    yield home
    if helm("status", RELEASE, f"--namespace={home.namespace}", f"--kubeconfig={cluster.admin_kubeconfig}").stdout:
        home.helm("uninstall", RELEASE)
    cluster.request("DELETE", f"/api/v1/namespaces/{home.namespace}")


def label(cluster: Cluster, namespace: str, labels: dict[str, str]) -> None:
    """Label a namespace."""
    path = f"/api/v1/namespaces/{namespace}"
    cluster.request("PATCH", path, {"metadata": {"labels": labels}}, content_type="application/merge-patch+json")


@pytest.fixture(scope="module")
def places(cluster: Cluster) -> Iterator[None]:
    """The namespaces that rendered objects are in."""
    names = [NAMESPACE, "team-a", "team-b"]
    for name in names:
        cluster.create_namespace(name)
    yield
    for name in names:
        cluster.request("DELETE", f"/api/v1/namespaces/{name}")


LOGIN: Final = {"keyName": "key", "transitMount": "transit", "kubernetes": {"role": "role"}}
SPREAD: Final = {"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule"}
TERM: Final = {"matchExpressions": [{"key": "os", "operator": "In", "values": ["linux"]}]}
AFFINITY: Final = {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [TERM]}}}
VOLUME: Final = {"name": "c", "mountPath": "/etc/c", "readOnly": True, "secret": {"secretName": "c"}}
VALUES: Final[tuple[Json, ...]] = (
    {},
    {"controller.watchNamespaces": ["team-a", "team-b"]},
    {
        "controller.watchNamespaces": ["team-a"],
        "rbac.userRoles": False,
        "metrics.mode": "plain",
        "hooks.upgradeCRDs.enabled": False,
    },
    {"controller.namespaceSelector": "a=b", "controller.operatorClass": "blue", "rbac.argoRollouts": False},
    {"controller.replicas": 2, "controller.podDisruptionBudget": {"enabled": True, "minAvailable": "50%"}},
    {"controller.replicas": 2, "controller.podDisruptionBudget.enabled": True},
    {
        "controller.topologySpreadConstraints": [SPREAD],
        "controller.strategy": {"type": "Recreate"},
        "controller.affinity": AFFINITY,
        "controller.tolerations": [{"operator": "Exists"}],
        "controller.nodeSelector": {"os": "linux"},
        "controller.hostAliases": [{"ip": "127.0.0.1", "hostnames": ["vault"]}],
        "controller.priorityClassName": "system-cluster-critical",
        "controller.imagePullSecrets": ["a", {"name": "b"}],
        "controller.extraLabels": {"a": "b"},
        "controller.annotations": {"a": "b"},
    },
    {
        f"{MANAGER}.extraEnv": [{"name": "N", "value": 20000}, {"name": "B", "value": True}],
        f"{MANAGER}.volumes": [VOLUME],
        f"{MANAGER}.image.digest": f"sha256:{'0' * 64}",
        "controller.revokeOnUninstall": True,
    },
    {
        f"{MANAGER}.clientCache": {"persistenceModel": "direct-encrypted", "storageEncryption": LOGIN},
        "defaultVaultConnection": {"enabled": True, "address": "https://v", "headers": {"a": 1}},
        "defaultAuthMethod": {"enabled": True, "vaultAuthGlobalRef": {"enabled": True, "name": "g"}},
        "rbac.serviceAccountTokens.resourceNames": ["a"],
    },
    {"defaultAuthMethod": {"enabled": True, "method": "aws", "aws": {"role": "r"}, "params": {"a": "b"}}},
    {"defaultAuthMethod": {"enabled": True, "method": "appRole", "appRole": {"roleId": "r", "secretRef": "s"}}},
    {"networkPolicy": {"enabled": True, "metricsFrom": [{"podSelector": {}}]}, "metrics.certificateSecret": "cert"},
    {"controller.kubeRbacProxy.enabled": True, "csi.enabled": True, "csi.imagePullSecrets": ["a"]},
    {
        "controller.rbac.clusterRoleAggregation": {"viewerRoles": ["*"], "editorRoles": ["VaultAuth"]},
        "telemetry.serviceMonitor.enabled": True,
        "telemetry.podMonitor": {"enabled": True, "tokenSecret": "token"},
        "telemetry.dashboard.enabled": True,
        "telemetry.prometheusRule.enabled": True,
    },
    {
        "telemetry.serviceMonitor.enabled": True,
        "telemetry.podMonitor": {"enabled": True, "tokenSecret": "token"},
        "metrics.certificateSecret": "cert",
    },
    {"telemetry.serviceMonitor.enabled": True, "telemetry.podMonitor.enabled": True, "metrics.mode": "plain"},
)


def an(**properties: Json) -> Json:
    """The schema of an object with these fields."""
    return {"type": "object", "properties": properties}


def each(items: Json) -> Json:
    """The schema of a list."""
    return {"type": "array", "items": items}


TEXT: Final = {"type": "string"}
FLAG: Final = {"type": "boolean"}
TEXTS: Final = {"type": "object", "additionalProperties": TEXT}
DURATION: Final = {"type": "string", "pattern": "^[0-9]+(ms|[smhdwy])$"}
KEY: Final = an(name=TEXT, key=TEXT)
SELECTOR: Final = {**an(matchLabels=TEXTS), "required": ["matchLabels"]}
SCRAPED: Final[Json] = {
    "port": TEXT,
    "scheme": {"enum": ["http", "https"], "type": "string"},
    "path": TEXT,
    "honorLabels": FLAG,
    "interval": DURATION,
    "scrapeTimeout": DURATION,
    "params": {"type": "object", "additionalProperties": each(TEXT)},
    "tlsConfig": an(insecureSkipVerify=FLAG, serverName=TEXT, ca=an(secret=KEY)),
}
ENDPOINT: Final = {
    "ServiceMonitor": an(**SCRAPED, bearerTokenFile=TEXT),
    "PodMonitor": an(**SCRAPED, authorization=an(credentials=KEY)),
}
RULE: Final = an(alert=TEXT, expr=TEXT, labels=TEXTS, annotations=TEXTS, **{"for": DURATION})
MONITORED: Final[Json] = {
    "ServiceMonitor": an(selector=SELECTOR, endpoints=each(ENDPOINT["ServiceMonitor"])),
    "PodMonitor": an(selector=SELECTOR, podMetricsEndpoints=each(ENDPOINT["PodMonitor"])),
    "PrometheusRule": an(groups=each(an(name=TEXT, rules=each(RULE)))),
}
"""The fields that are rendered, and no others, of the kinds of the Prometheus operator, by their kind."""


@pytest.fixture(scope="module")
def monitored(cluster: Cluster) -> Iterator[None]:
    """The server knows the kinds of the Prometheus operator, as far as the chart uses them."""
    definitions = [definition(kind, spec) for kind, spec in MONITORED.items()]
    text = "\n---\n".join(map(json.dumps, definitions))
    done = cluster.kubectl("apply", "--server-side", "-f", "-", input=text)
    assert done.returncode == 0, done.stderr
    names = [f"crd/{one['metadata']['name']}" for one in definitions]
    done = cluster.kubectl("wait", "--for=condition=Established", *names, "--timeout=30s")
    assert done.returncode == 0, done.stderr
    yield
    cluster.kubectl("delete", *names)


def definition(kind: str, spec: Json) -> Json:
    """A CustomResourceDefinition of the Prometheus operator's group."""
    group, version = MONITORING.split("/")
    plural = f"{kind.lower()}s"
    schema = {"openAPIV3Schema": an(spec=spec)}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{group}"},
        "spec": {
            "group": group,
            "scope": "Namespaced",
            "names": {"kind": kind, "plural": plural, "singular": kind.lower()},
            "versions": [{"name": version, "served": True, "storage": True, "schema": schema}],
        },
    }


@pytest.mark.usefixtures("places", "monitored")
def test_every_object_of_the_chart_is_accepted(cluster: Cluster) -> None:
    """Each that differs once, by a server that refuses unknown fields."""
    objects = [one for values in VALUES for one in render(values).objects]
    assert {one["kind"] for one in objects} >= MONITORED.keys()
    assert_accepted(cluster, objects)


@pytest.mark.usefixtures("operator", "monitored")
def test_every_object_of_the_overlays_is_accepted(cluster: Cluster) -> None:
    """In the namespace that they make; and the samples, in the one that they name."""
    objects: list[Json] = []
    for overlay in sorted(path.parent for path in (ROOT / "deploy" / "kustomize").glob("*/kustomization.yaml")):
        if overlay.name in {"crd", "manager", "rbac"}:
            continue
        built = subprocess.run([find_kubectl(), "kustomize", overlay], capture_output=True, text=True, check=True)
        objects += yaml.load_all(built.stdout, Loader=yaml.CSafeLoader)
    assert_accepted(cluster, objects)


def assert_accepted(cluster: Cluster, objects: list[Json]) -> None:
    """Let the server say what it would do with each; a Pod needs its ServiceAccount, so those have another test."""
    known = [one for one in objects if one["kind"] != "Pod"]
    distinct = {json.dumps(one, sort_keys=True) for one in known}
    assert len(distinct) > 15
    options = ("--server-side", "--dry-run=server", "--validate=strict", "--force-conflicts", "-f", "-")
    done = cluster.kubectl("apply", *options, input="\n---\n".join(distinct))
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == len(distinct)


def test_a_release_is_installed_changed_and_removed(home: Home) -> None:
    """With objects that stay the same ones, Pods that the strictest standard admits, and nothing left in the end."""
    cache = f"{MANAGER}.clientCache"
    old = {f"{cache}.storageEncryption.enabled": True, "controller.controllerConfigMapYaml.webhook.port": 1}
    said = home.install(old)
    assert "storageEncryption.enabled has no effect" in said
    assert "controllerConfigMapYaml has no effect" in said
    before = home.get("deployment", f"{F}-controller-manager")
    wait_for(lambda: pods(home), what="a Pod to be admitted")
    said = home.helm("upgrade", RELEASE, str(CHART), "--values=-", **{"controller.replicas": 2, "metrics.mode": "off"})
    assert "DEPRECATED" not in said
    after = home.get("deployment", f"{F}-controller-manager")
    assert after["metadata"]["uid"] == before["metadata"]["uid"]
    assert after["spec"]["selector"] == before["spec"]["selector"]
    assert after["spec"]["replicas"] == 2
    made = home.objects()
    home.helm("uninstall", RELEASE)
    assert {one["kind"] for one in made} >= {"Deployment", "ClusterRole", "Role", "ConfigMap"}
    found = home.cluster.kubectl("get", "--ignore-not-found", "-f", "-", input=yaml.safe_dump_all(made))
    assert (found.returncode, found.stdout) == (0, "")


def pods(home: Home) -> list[Json]:
    """The Pods of the operator."""
    found: list[Json] = home.cluster.request("GET", f"/api/v1/namespaces/{home.namespace}/pods")["items"]
    return found


def test_pods_of_hooks_and_test_are_admitted_too(home: Home) -> None:
    """By the strictest security standard."""
    home.install({})
    rendered = render({}, release=RELEASE, namespace=home.namespace)
    specs = [one["spec"]["template"]["spec"] for one in rendered.all("Job")]
    specs += [one["spec"] for one in rendered.all("Pod")]
    assert len(specs) == 3
    for spec in specs:
        account = spec["serviceAccountName"]
        home.cluster.kubectl("create", "serviceaccount", account, "-n", home.namespace)
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "it", "namespace": home.namespace}, "spec": spec}
        done = home.cluster.kubectl("create", "--dry-run=server", "-f", "-", input=json.dumps(pod))
        assert done.returncode == 0, done.stderr


@pytest.fixture
def team(cluster: Cluster, bao: OpenBao) -> Iterator[Tenant]:
    """A team that is connected, and is handled by the operator of the class ``chart`` alone."""
    team = new_tenant(cluster, bao)
    team.connect()
    team.put("app", {"user": "alice"})
    team.deployment("app")
    yield team
    remove(team)


def ask(team: Tenant) -> None:
    """A secret that somebody of the class shall sync, with a restart when it changes."""
    spec = {
        "vaultAuthRef": "vault",
        "mount": team.mount,
        "path": "app",
        "type": "kv-v2",
        "refreshAfter": "1s",
        "destination": {"name": "app", "create": True},
        "rolloutRestartTargets": [{"kind": "Deployment", "name": "app"}],
    }
    team.create("VaultStaticSecret", "app", metadata={"labels": {CLASS: "chart"}}, spec=spec)


def assert_serves(team: Tenant) -> None:
    """A secret is synced, follows a change, and restarts its workload."""
    ask(team)
    team.wait_data("app", user="alice")
    team.wait_synced("app")
    team.put("app", {"user": "bob"})
    team.wait_data("app", user="bob")
    team.wait(lambda: (team.get("Deployment", "app") or {})["metadata"]["generation"] == 2, "the restart")


LOCAL: Final = ("--health-probe-bind-address=0", "--metrics-bind-address=0")
"""Addresses that two processes on one machine can have at once."""


def test_under_the_rules_of_the_chart_the_operator_serves_the_cluster(home: Home, team: Tenant, tmp_path: Path) -> None:
    """With the chart's own arguments, an election, and metrics for whom the chart's role admits; nothing is refused."""
    home.install({"controller.operatorClass": "chart"})
    port = free_port()
    flags = (*home.args(), *LOCAL, f"--metrics-secure-bind-address=127.0.0.1:{port}")
    since = home.cluster.audit_mark()
    with harness.running(home.cluster, tmp_path, *flags, namespace=home.namespace, account=home.account) as operator:
        assert_serves(team)
        assert scraped(home, port) == [403, 200]
    everything = home.cluster.audit(user=harness.user_of(home.namespace, home.account), since=since)
    # Where an earlier test's team is just being deleted nothing may be created, which is no matter of the rules.
    asked = [one for one in everything if one.namespace in {"", home.namespace, team.namespace}]
    assert [one for one in asked if one.code == 403] == []
    assert {"leases", "tokenreviews", "subjectaccessreviews"} <= {one.resource for one in asked}
    assert operator.lines()


def scraped(home: Home, port: int) -> list[int]:
    """What two accounts are answered that ask for metrics, the second one bound to the chart's role for that."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    names = [f"{name}-{home.namespace}" for name in ("stranger", "reader")]
    for name in names:
        assert home.cluster.kubectl("create", "serviceaccount", name, "-n", home.namespace).returncode == 0
    subject = f"--serviceaccount={home.namespace}:{names[1]}"
    role = f"--clusterrole={F}-metrics-reader"
    made = home.cluster.kubectl("create", "clusterrolebinding", names[1], role, subject)
    assert made.returncode == 0, made.stderr
    codes = []
    for name in names:
        headers = {"Authorization": f"Bearer {home.cluster.token_for(f'{home.namespace}/{name}')}"}
        site = Site(base=f"https://127.0.0.1:{port}", context=context, headers=headers)
        codes.append(site.ask("GET", "/metrics").status)
    home.cluster.kubectl("delete", "clusterrolebinding", names[1])
    return codes


FINALIZED: Final = {"VaultStaticSecret": "app", "VaultDynamicSecret": "lease"}
"""Resources with finalizers, as HashiCorp's operator leaves them on all of these kinds."""


def test_with_roles_alone_the_operator_serves_its_namespaces(home: Home, team: Tenant, tmp_path: Path) -> None:
    """Nothing cluster-wide is granted to it, nothing it asks is refused, and its uninstall removes finalizers there."""
    scope = {"controller.watchNamespaces": [team.namespace], "controller.operatorClass": "chart"}
    home.install({**scope, "metrics.mode": "off", "rbac.userRoles": False})
    kinds = {one["kind"] for one in home.objects()}
    assert not {"ClusterRole", "ClusterRoleBinding"} & kinds
    user = harness.user_of(home.namespace, home.account)
    since = home.cluster.audit_mark()
    where = {"namespace": home.namespace, "account": home.account}
    with harness.running(home.cluster, tmp_path, *home.args(), *LOCAL, **where):
        assert_serves(team)
        team.lease("lease", path="data/app", metadata={"labels": {CLASS: "chart"}})
        team.wait_synced("lease", kind="VaultDynamicSecret")
    for kind, name in FINALIZED.items():
        (finalizer,) = (one.finalizer for one in KINDS if one.name == kind)
        team.patch(kind, name, {"metadata": {"finalizers": [finalizer]}})
    job = render(scope, release=RELEASE, namespace=home.namespace).get("Job", f"pdcc-{F}")
    (container,) = job["spec"]["template"]["spec"]["containers"]
    done = run(home, home.account, "-m", "vso", *container["args"])
    assert done.returncode == 0, done.stderr
    for kind, name in FINALIZED.items():
        assert "finalizers" not in (team.get(kind, name) or {})["metadata"], kind
    asked = home.cluster.audit(user=user, since=since)
    assert [one for one in asked if one.code == 403] == []
    assert {one.namespace for one in asked} <= {home.namespace, team.namespace}


def test_under_the_rules_of_its_hook_the_upgrade_of_the_crds_works(home: Home, tmp_path: Path) -> None:
    """Three verbs are enough, and they are all that it has."""
    name = f"{F}-upgrade-crds"
    objects = render({}, release=RELEASE, namespace=home.namespace).objects
    hook = [one for one in objects if one["metadata"]["name"] == name]
    assert [one["kind"] for one in hook] == ["ServiceAccount", "ClusterRole", "ClusterRoleBinding"]
    done = home.cluster.kubectl("apply", "--server-side", "-f", "-", input=yaml.safe_dump_all(hook))
    assert done.returncode == 0, done.stderr
    (tmp_path / "crds").symlink_to(CHART / "crds")
    call = f"sys.argv = ['{tmp_path}/upgrade-crds']; sys.exit(upgrade_crds.main())"
    done = run(home, name, "-c", f"import sys; from vso.cli import upgrade_crds; {call}")
    assert done.returncode == 0, done.stderr
    user = f"--as=system:serviceaccount:{home.namespace}:{name}"
    assert home.cluster.kubectl(user, "auth", "can-i", "delete", "crd").stdout.strip() == "no"
    for kind in ("clusterrolebinding", "clusterrole"):
        home.cluster.kubectl("delete", kind, name)


def run(home: Home, account: str, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """A program of ours under an account of the chart, to its end."""
    environ = {
        **os.environ,
        "KUBECONFIG": str(home.cluster.kubeconfig_for(f"{home.namespace}/{account}")),
        "OPERATOR_NAMESPACE": home.namespace,
        "PYTHONPATH": str(ROOT / "src"),
    }
    command = [sys.executable, *arguments]
    return subprocess.run(command, env=environ, capture_output=True, text=True, check=False, timeout=60)
