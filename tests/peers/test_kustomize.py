"""The kustomize layout as kubectl builds it."""

import functools
import subprocess
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from testenv.cluster import find_kubectl
from tests.support.chart import MISSING, at, render
from tests.support.command_line import invoke
from vso import __version__
from vso.apis.kinds import KINDS
from vso.cli.manager import read_flags

ROOT: Final = Path(__file__).parents[2] / "deploy" / "kustomize"
OVERLAYS: Final = (
    *("default", "default-openshift", "persistence-encrypted", "persistence-encrypted-test"),
    *("persistence-unencrypted", "prometheus"),
)
NAMESPACE: Final = "vault-secrets-operator-system"
F: Final = "vault-secrets-operator"
CONTAINER: Final = "spec template spec containers manager"


@functools.cache
def build(overlay: str) -> list[dict[str, Any]]:
    """The objects of an overlay; kubectl must have nothing to warn of, such as deprecated fields."""
    command = [find_kubectl(), "kustomize", str(ROOT / overlay)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    return list(yaml.load_all(done.stdout, Loader=yaml.CSafeLoader))


def deployment(overlay: str) -> dict[str, Any]:
    """Its Deployment."""
    (found,) = [one for one in build(overlay) if one["kind"] == "Deployment"]
    return found


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_no_overlay_opens_the_metrics(overlay: str) -> None:
    """In the original's, every overlay that sets arguments loses those that protect them."""
    args = at(deployment(overlay), f"{CONTAINER} args")
    assert args[:4] == [
        "--health-probe-bind-address=:8081",
        "--metrics-bind-address=127.0.0.1:8080",
        "--metrics-secure-bind-address=:8443",
        "--leader-elect",
    ]
    assert len(read_flags(args)) == len(args)


@pytest.mark.parametrize(
    ("overlay", "added"),
    [
        ("default", []),
        ("default-openshift", []),
        ("prometheus", []),
        ("persistence-unencrypted", ["--client-cache-persistence-model=direct-unencrypted"]),
        ("persistence-encrypted", ["--client-cache-persistence-model=direct-encrypted"]),
        (
            "persistence-encrypted-test",
            ["--client-cache-persistence-model=direct-encrypted", "--zap-log-level=6"],
        ),
    ],
)
def test_overlays_append_arguments(overlay: str, added: list[str]) -> None:
    """And so add up."""
    assert at(deployment(overlay), f"{CONTAINER} args")[4:] == added


def test_objects_have_the_names_of_the_original() -> None:
    """Prefix and namespace as there."""
    named = {f"{one['kind']} {one['metadata']['name']}" for one in build("default")}
    assert {one for one in named if not one.startswith("CustomResourceDefinition")} == {
        f"Namespace {NAMESPACE}",
        f"ServiceAccount {F}-controller-manager",
        f"Role {F}-leader-election-role",
        f"RoleBinding {F}-leader-election-rolebinding",
        f"ClusterRole {F}-manager-role",
        f"ClusterRoleBinding {F}-manager-rolebinding",
        f"ClusterRole {F}-proxy-role",
        f"ClusterRoleBinding {F}-proxy-rolebinding",
        f"ClusterRole {F}-metrics-reader",
        f"Service {F}-controller-manager-metrics-service",
        f"Deployment {F}-controller-manager",
    }
    assert len([one for one in named if one.startswith("CustomResourceDefinition")]) == 10


def test_bindings_lead_to_the_roles_and_the_account_of_the_overlay() -> None:
    """Kustomize follows references only where it knows them."""
    named = {(one["kind"], one["metadata"]["name"]) for one in build("default")}
    bindings = [one for one in build("default") if one["kind"].endswith("Binding")]
    assert len(bindings) == 3
    for one in bindings:
        assert (one["roleRef"]["kind"], one["roleRef"]["name"]) in named
        assert one["subjects"] == [
            {"kind": "ServiceAccount", "name": f"{F}-controller-manager", "namespace": NAMESPACE}
        ]


def test_the_deployment_is_that_of_the_chart() -> None:
    """The same probes, resources, volumes and security, the same image."""
    chart = render().get("Deployment")
    for path in (
        *("spec template spec securityContext", "spec template spec volumes"),
        *(f"{CONTAINER} {part}" for part in ("resources", "securityContext", "livenessProbe", "readinessProbe")),
        *(f"{CONTAINER} {part}" for part in ("volumeMounts", "ports", "command", "image")),
    ):
        assert at(deployment("default"), path) == at(chart, path), path
    assert at(deployment("default"), f"{CONTAINER} image").endswith(f":{__version__}")


def test_rights_are_those_of_the_chart() -> None:
    """Both are made from one table."""
    rendered = render()
    for kind, name in (
        *(("ClusterRole", f"{role}-role") for role in ("manager", "proxy")),
        *(("Role", "leader-election-role"), ("ClusterRole", "metrics-reader")),
    ):
        (found,) = [one for one in build("default") if (one["kind"], one["metadata"]["name"]) == (kind, f"{F}-{name}")]
        assert found["rules"] == rendered.get(kind, f"release-name-{F}-{name}")["rules"]


def test_the_samples_show_each_kind_that_is_of_use() -> None:
    """Those of the service that was shut down are left out; all others are there once, and refer to each other."""
    kinds = [one["kind"] for one in build("samples")]
    assert sorted(kinds) == sorted({one.name for one in KINDS} - {"HCPAuth", "HCPVaultSecretsApp"})
    assert {(one["metadata"]["namespace"], one["metadata"]["name"]) for one in build("samples")} == {
        ("default", "sample")
    }
    result = invoke("lint", str(ROOT / "samples"))
    assert result.exit_code == 0, result.output
    assert "0 errors" in result.output


def test_openshift_chooses_the_user() -> None:
    """Of a range that it gives to the namespace; a fixed one would be refused."""
    context = at(deployment("default-openshift"), "spec template spec securityContext")
    assert context == {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}


def test_the_monitor_finds_the_service() -> None:
    """By labels, in the same namespace; none is there by default."""
    (monitor,) = [one for one in build("prometheus") if one["kind"] == "ServiceMonitor"]
    (service,) = [one for one in build("prometheus") if one["kind"] == "Service"]
    selector = monitor["spec"]["selector"]["matchLabels"]
    assert selector.items() <= service["metadata"]["labels"].items()
    assert monitor["metadata"]["namespace"] == service["metadata"]["namespace"] == NAMESPACE
    assert monitor["spec"]["endpoints"][0]["port"] == service["spec"]["ports"][0]["name"]
    assert at(monitor, "spec endpoints 0 tlsConfig insecureSkipVerify") is not MISSING
    assert at(monitor, "spec endpoints 0 honorLabels") is True
    assert not [one for one in build("default") if one["kind"] == "ServiceMonitor"]


@pytest.mark.parametrize(
    ("file", "kind", "labels", "ports"),
    [
        ("service-monitor.yaml", "Service", "metadata labels", "spec ports"),
        ("pod-monitor.yaml", "Deployment", "spec template metadata labels", f"{CONTAINER} ports"),
    ],
)
def test_the_monitors_without_the_chart_find_what_they_scrape(file: str, kind: str, labels: str, ports: str) -> None:
    """In this layout, for which they are there, and in the chart's."""
    spec = yaml.safe_load((ROOT.parent / "alerts" / file).read_text())["spec"]
    (endpoint,) = spec.get("endpoints") or spec["podMetricsEndpoints"]
    (ours,) = [one for one in build("default") if one["kind"] == kind]
    for target in (ours, render().get(kind)):
        assert spec["selector"]["matchLabels"].items() <= at(target, labels).items()
        assert endpoint["port"] in [one["name"] for one in at(target, ports)]
