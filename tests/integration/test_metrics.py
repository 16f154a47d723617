"""The signals of operations.md section 2.3, provoked for real and read back from a real Prometheus by PromQL."""

import json
import math
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from string import Template
from typing import Final

import pytest

from testenv import Postgres, Site, promtool, wait_for
from testenv.prometheus import find_prometheus
from testenv.waiting import attempts
from tests.support import operator as harness
from tests.support.tenant import GROUP, Tenant, new_tenant
from tests.support.watched import Watched, text, watched

DASHBOARD: Final = harness.ROOT / "deploy" / "dashboards" / "vault-secrets-operator.json"
_GONE_WITHIN: Final = 5.0
"""Seconds, R37."""
_EACH: Final = 100
"""Objects of each kind that are deleted at once."""
_MAY_BE_ZERO: Final = {"Due and waiting", "Wait for a worker, 99 of 100", "Longest under way"}

SIGNALS: Final = {
    "01 managed Secrets": [
        'vso_managed_secrets{namespace="$team",kind="VaultDynamicSecret",create="true"} == 2',
        'vso_managed_secrets{namespace="$team",kind="VaultPKISecret"} == 1',
        'vso_managed_secrets{namespace="$team",kind="VaultStaticSecret"} == 3',
    ],
    "02 Vault request timings": [
        'histogram_quantile(0.5, sum by (le) (vso_vault_request_duration_seconds_bucket{operation="read"})) > 0',
        'vso_client_operations_time_seconds_count{operation="login",vault_connection="$team/vault"} > 0',
        'vso_vault_requests_total{vault_connection="$team/vault",operation="login",code="200"} > 0',
        'vso_vault_requests_total{vault_connection="$team/vault",operation="renew_lease",code="200"} > 0',
        'vso_vault_requests_total{vault_connection="$team/down",code="error"} > 0',
        'vso_vault_token_renewals_total{vault_connection="$team/vault",result="success"} > 0',
    ],
    "03 secrets by type": [
        'vso_vault_secrets{namespace="$team",secret_type="kv-v1"} == 1',
        'vso_vault_secrets{namespace="$team",secret_type="kv-v2"} == 12',
        'vso_vault_secrets{namespace="$team",secret_type="dynamic"} == 1',
        'vso_vault_secrets{namespace="$team",secret_type="static-creds"} == 1',
        'vso_vault_secrets{namespace="$team",secret_type="pki"} == 1',
        'vso_vault_secrets{namespace="$team",secret_type="hvs"} == 1',
    ],
    "04 secret resources": [
        'vso_custom_resources{namespace="$team",kind="VaultStaticSecret"} == 13',
        'vso_custom_resources{namespace="$team",kind="HCPVaultSecretsApp"} == 1',
        'vso_secret_last_sync_timestamp_seconds{namespace="$team",name="app"} > time() - 60',
        'vso_secret_expiry_timestamp_seconds{namespace="$team",name="web"} > time()',
    ],
    "05 Vault connections": [
        'vso_custom_resources{namespace="$team",kind="VaultConnection"} == 2',
        'sum(vso_vault_connections{status="healthy"}) >= 2',
        'sum(vso_vault_connections{status="unhealthy"}) == 1',
        'controller_resource_status{controller="vaultconnection",namespace="$team",name="down"} == 0',
    ],
    "06 VaultAuths": ['vso_custom_resources{namespace="$team",kind="VaultAuth"} == 6'],
    "07 auth methods in use": [
        'sum(vso_vault_auth_methods{method="kubernetes"}) >= 5',
        'sum(vso_vault_auth_methods{method="appRole"}) == 1',
    ],
    "08 namespaces serviced": ["sum(vso_serviced_namespaces) >= 3"],
    "09 sync operations": [
        'vso_secret_syncs_total{namespace="$team",kind="VaultPKISecret",result="success",reason="InitialSync"} == 1',
        'sum(vso_secret_syncs_total{namespace="$team",result="success"}) >= 6',
        'sum(vso_secret_syncs_total{namespace="$team",result="unchanged"}) > 0',
        'sum(vso_secret_syncs_total{namespace="$team",result="failure"}) > 0',
        'vso_secret_sync_duration_seconds_count{kind="VaultPKISecret",result="success"} >= 1',
        'vso_rollout_restarts_total{namespace="$team",kind="Deployment",result="success"} == 1',
        'controller_runtime_reconcile_total{controller="vaultstaticsecret",result="requeue_after"} > 0',
    ],
    "10 version": ['count(vso_build_info{git_version!="",platform!=""}) == 2', "count(vso_runtime_config) == 2"],
    "11 sync failures": [
        *(
            f'sum(vso_secret_sync_failures_total{{namespace="$team",cause="{cause}"}}) > 0'
            for cause in ("auth", "ownership", "transformation", "vault")
        ),
        'sum(vso_secret_sync_failures_total{namespace="$full",cause="kubernetes"}) > 0',
        'vso_secrets_failing{namespace="$team",kind="VaultStaticSecret"} >= 8',
        'vso_secrets_failing{namespace="$team",kind="VaultPKISecret"} == 0',
    ],
    "12 login failures": [
        'vso_vault_auth_failures_total{vault_auth="$team/refused",method="kubernetes",cause="denied"} > 1',
        'vso_vault_auth_failures_total{vault_auth="$team/unnamed",cause="credentials"} > 1',
        'vso_vault_auth_failures_total{vault_auth="$team/approle",method="appRole",cause="credentials"} > 1',
        'vso_client_operations_errors_total{operation="login",vault_connection="$team/vault"} > 0',
    ],
    "13 VaultAuths without their connection": [
        'vso_orphaned_resources{namespace="$team",kind="VaultAuth",missing="VaultConnection",reason="not_found"} == 1',
    ],
    "14 Kubernetes failures": [
        'vso_kubernetes_api_failures_total{verb="create",resource="secrets",code="403"} > 1',
        'sum(rest_client_requests_total{code="201"}) > 0',
    ],
    "15 secrets without their VaultAuth": [
        'sum by (kind) (vso_orphaned_resources{namespace="$team",missing="VaultAuth",reason="not_found"}) == 1',
        'sum by (kind) (vso_orphaned_resources{namespace="$guest",missing="VaultAuth",reason="not_allowed"}) == 1',
        'vso_orphaned_resources{kind="HCPVaultSecretsApp",namespace="$team",missing="HCPAuth"} == 1',
    ],
    "16 duplicate destinations": ['vso_duplicate_destinations{namespace="$team"} == 1'],
    "leadership": [
        "sum(leader_election_master_status) == 1",
        "count(leader_election_master_status) == 2",
        'count(vso_secrets_failing{namespace="$team",kind="VaultStaticSecret"}) == 1',
    ],
}
"""Each has to hold at some time; $team, $full and $guest are namespaces."""

PLURALS: Final = (
    *("vaultstaticsecrets", "vaultdynamicsecrets", "vaultpkisecrets", "hcpvaultsecretsapps", "hcpauths"),
    *("secrettransformations", "vaultauths", "vaultauthglobals", "vaultconnections"),
)
BOUND_TO_NAMES: Final = {
    "vso_client_cache_hits",
    "vso_client_cache_misses",
    "vso_client_clone_cache_hits",
    "vso_client_clone_cache_misses",
    "vso_runtime_config",
}
"""What promtool would name otherwise, and the original named so."""


@pytest.fixture(scope="module")
def scene(postgres: Postgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    """The team in trouble, and who watches it."""
    try:
        find_prometheus()
    except FileNotFoundError as exc:
        pytest.skip(str(exc))
    with watched(postgres, tmp_path_factory.mktemp("metrics")) as scene:
        yield scene


@pytest.mark.parametrize("signal", SIGNALS)
def test_prometheus_sees(scene: Watched, signal: str) -> None:
    """Every signal of operations.md section 2.3, scraped over TLS with a token that may."""
    places = {name: getattr(scene, name).namespace for name in ("team", "full", "guest")}
    for expression in SIGNALS[signal]:
        scene.wait(Template(expression).substitute(places))


def test_two_resources_on_one_destination_name_each_other(scene: Watched) -> None:
    """What the metric counts stands in both conditions too."""
    for name, other in (("elder", "younger"), ("younger", "elder")):

        def conflict(name: str = name, other: str = other) -> bool:
            found = scene.team.condition("VaultStaticSecret", name, "DestinationConflict")
            return found is not None and found["status"] == "True" and other in found["message"]

        wait_for(conflict, what=f"{name} to name {other}")


def test_the_dashboard_has_no_empty_panel(scene: Watched) -> None:
    """Every query of every panel answers with a number, and hardly any with zeros alone."""
    panels = [panel for panel in json.loads(DASHBOARD.read_text())["panels"] if panel["type"] != "row"]
    assert len(panels) > 25
    for panel in panels:
        for target in panel["targets"]:
            query = target["expr"].replace("$__rate_interval", "30s").replace("$namespace", ".*")

            def shown(query: str = query, *, zeros: bool = panel["title"] in _MAY_BE_ZERO) -> bool:
                values = [one.value for one in scene.prometheus.query(query)]
                return any(not math.isnan(one) and (zeros or one != 0) for one in values)

            wait_for(shown, what=f"panel {panel['title']}: {query}", timeout=60)


def test_a_failing_login_raises_its_alert(scene: Watched) -> None:
    """The rule that waits for nothing fires on the real series."""
    wait_for(lambda: "VaultLoginsFailing" in scene.prometheus.firing(), what="the alert", timeout=60)


def test_promtool_complains_of_names_alone_that_are_given(scene: Watched) -> None:
    """Types, help texts, suffixes: all is as Prometheus asks for, but for names that dashboards rely on."""
    done = promtool("check", "metrics", input=text(scene.leader))
    complaints = (done.stdout + done.stderr).splitlines()
    assert {line.split()[0] for line in complaints} <= BOUND_TO_NAMES, done.stderr


def test_the_protected_address_serves_nobody_without_a_token(scene: Watched) -> None:
    """Prometheus' own target is the one with TLS; who has no token or no right learns nothing."""
    [url] = {one["scrapeUrl"] for one in scene.prometheus.targets() if one["scrapeUrl"].startswith("https")}
    base, context = url.removesuffix("/metrics"), scene.trust
    assert Site(base=base, context=context).ask("GET", "/metrics").status == 401
    stranger = scene.cluster.token_for(f"{scene.team.namespace}/default")
    refused = Site(base=base, context=context, headers={"Authorization": f"Bearer {stranger}"})
    assert refused.ask("GET", "/metrics").status == 403


def test_r37_series_of_deleted_objects_are_gone_within_seconds(scene: Watched) -> None:
    """Of every kind, on both replicas and in Prometheus; one of the same name begins at zero."""
    tenant = new_tenant(scene.cluster, scene.bao)
    namespace = tenant.namespace
    crowd(tenant)
    for kind in ("VaultStaticSecret", "VaultDynamicSecret", "VaultPKISecret", "VaultAuth", "VaultConnection"):
        scene.wait(f'vso_custom_resources{{namespace="{namespace}",kind="{kind}"}} == {_EACH}')
    scene.wait(f'vso_vault_auth_failures_total{{vault_auth="{namespace}/a0"}} >= 5')
    assert namespace in text(scene.leader)

    done = scene.cluster.kubectl("delete", ",".join(PLURALS), "--all", f"--namespace={namespace}", "--wait=false")
    assert done.returncode == 0, done.stderr
    places = [f"{GROUP}/namespaces/{namespace}/{plural}" for plural in PLURALS]
    wait_for(lambda: not any(scene.cluster.request("GET", path)["items"] for path in places), what="all to be gone")
    assert_forgotten(scene, namespace)

    refused = {"kubernetes": {"role": "nobody", "serviceAccount": "default", "audiences": ["vault"]}}
    tenant.create("VaultConnection", "c0", spec={"address": scene.bao.address})
    tenant.create("VaultAuth", "a0", spec=tenant.auth_spec(vaultConnectionRef="c0", **refused))
    tenant.sync("s0", vaultAuthRef="a0")
    first = wait_for(lambda: failed_logins(scene.leader, f"{namespace}/a0"), what="a failure of the new login")
    assert first < 5


def test_r37_series_of_a_deleted_namespace_are_gone_within_seconds(scene: Watched) -> None:
    """As its objects go, so do counters that name the namespace alone."""
    tenant = new_tenant(scene.cluster, scene.bao)
    tenant.connect()
    tenant.put("app", {"user": "alice"})
    tenant.sync("app")
    scene.wait(f'vso_secret_syncs_total{{namespace="{tenant.namespace}",result="success"}} >= 1')
    done = scene.cluster.kubectl("delete", "namespace", tenant.namespace, "--timeout=60s")
    assert done.returncode == 0, done.stderr
    assert_forgotten(scene, tenant.namespace)


def crowd(tenant: Tenant) -> None:
    """Many objects of every kind; the logins are refused, so nothing is written."""
    refused = {"kubernetes": {"role": "nobody", "serviceAccount": "default", "audiences": ["vault"]}}

    def one(number: int) -> None:
        auth, connection = f"a{number}", f"c{number}"
        tenant.create("VaultConnection", connection, spec={"address": tenant.bao.address})
        tenant.create("VaultAuth", auth, spec=tenant.auth_spec(vaultConnectionRef=connection, **refused))
        tenant.create("VaultAuthGlobal", f"g{number}", spec={"defaultAuthMethod": "kubernetes"})
        tenant.create("SecretTransformation", f"t{number}", spec={"excludes": ["^_raw$"]})
        tenant.create("HCPAuth", f"h{number}", spec={"organizationID": "o", "projectID": "p"})
        app = {"appName": "a", "destination": {"name": f"hvs{number}"}}
        tenant.create("HCPVaultSecretsApp", f"h{number}", spec=app)
        tenant.sync(f"s{number}", vaultAuthRef=auth)
        tenant.lease(f"d{number}", path="creds/app", vaultAuthRef=auth)
        tenant.certify(f"p{number}", mount="pki", role="web", vaultAuthRef=auth)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(one, range(_EACH)))


def assert_forgotten(scene: Watched, namespace: str) -> None:
    """No series of either replica names the namespace, from five seconds after this call at the latest."""
    named = re.compile(rf'"{namespace}[/"]')
    left: list[str] = []
    for _ in attempts(_GONE_WITHIN):
        left = [
            line for site in (scene.leader, scene.standby) for line in text(site).splitlines() if named.search(line)
        ]
        if not left:
            break
    assert not left, left[:5]
    scene.wait(f'absent({{job="operator",namespace="{namespace}"}})')
    scene.wait(f'absent({{job="operator",vault_connection=~"{namespace}/.*"}})')


def failed_logins(site: Site, auth: str) -> float:
    """What a replica has counted for a VaultAuth; 0 if there is no series."""
    lines = [line for line in text(site).splitlines() if line.startswith("vso_vault_auth_failures_total{")]
    return sum(float(line.rpartition(" ")[2]) for line in lines if f'vault_auth="{auth}"' in line)
