"""A team in all the trouble that metrics have to tell of, two replicas of the operator, and a Prometheus that watches.

Everything is provoked for real, in a cluster of its own, so that no other operator mends or doubles it.
"""

import contextlib
import http.client
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from testenv import Cluster, OpenBao, Postgres, Prometheus, Target, wait_for
from testenv.certificates import Authority
from testenv.port import free_port, host_port
from testenv.web import RequestFailed, Site
from tests.support import operator as harness
from tests.support.database import Database, new_database
from tests.support.tenant import Json, Tenant, new_tenant

RULES: Final = harness.ROOT / "deploy" / "alerts" / "rules.yaml"
_READER: Final = "prometheus"
_SCRAPED_WITHIN: Final = 60.0


@dataclass(frozen=True)
class Watched:
    """`team` has all kinds of secrets and of trouble; `full` a policy that forbids Secrets; `guest` no rights at all.

    `leader` and `standby` answer with their metrics as text; `trust` verifies the leader's other, protected address.
    """

    cluster: Cluster
    bao: OpenBao
    prometheus: Prometheus
    team: Tenant
    full: Tenant
    guest: Tenant
    leader: Site
    standby: Site
    trust: ssl.SSLContext

    def value(self, expression: str) -> float:
        """What an expression amounts to now; NaN without a series."""
        return self.prometheus.value(expression)

    def wait(self, expression: str) -> None:
        """Wait until a comparison in PromQL holds, which then has a series."""
        wait_for(lambda: self.prometheus.query(expression), what=expression, timeout=_SCRAPED_WITHIN)


@contextlib.contextmanager
def watched(postgres: Postgres, folder: Path) -> Iterator[Watched]:
    """All of it, in trouble; whoever gets it still has to wait for what it asks for."""
    with Cluster() as cluster, OpenBao() as bao, contextlib.ExitStack() as stack:
        bao.admin.enable_kubernetes_auth("kubernetes", cluster)
        harness.install(cluster)
        plain, waiting, secure = (host_port(free_port()) for _ in range(3))
        authority = Authority.create(folder / "pki", name="metrics")
        authority.serving("tls")
        flags = ("--per-object-metrics", "--backoff-initial-interval=1s", "--backoff-max-interval=5s")
        served = (f"--metrics-secure-bind-address={secure}", f"--metrics-cert-directory={folder / 'pki'}")
        for name, more in (("first", (f"--metrics-bind-address={plain}", *served)), ("second", ())):
            (folder / name).mkdir()
            address = () if more else (f"--metrics-bind-address={waiting}",)
            stack.enter_context(harness.running(cluster, folder / name, *flags, *more, *address))
            if more:
                _wait_leading(Site(base=f"http://{plain}"))
        prometheus = stack.enter_context(Prometheus())
        prometheus.scrape(
            Target(job="operator", url=f"https://{secure}/metrics", token=_token(cluster), ca=authority.ca),
            Target(job="operator", url=f"http://{waiting}/metrics"),
            rules=[RULES],
        )
        team, full, guest = (new_tenant(cluster, bao) for _ in range(3))
        sites = Site(base=f"http://{plain}"), Site(base=f"http://{waiting}")
        scene = Watched(cluster, bao, prometheus, team, full, guest, *sites, authority.context())
        _work(team, new_database(team, postgres))
        _trouble(scene)
        yield scene


def text(site: Site) -> str:
    """A replica's metrics, scraped now."""
    reply = site.ask("GET", "/metrics")
    assert reply.status == 200, reply.text
    return reply.text


def _wait_leading(site: Site) -> None:
    def leads() -> bool:
        with contextlib.suppress(OSError):
            return 'leader_election_master_status{name="b0d477c0.hashicorp.com"} 1.0' in text(site)
        return False

    wait_for(leads, what="the first replica to lead")


def _token(cluster: Cluster) -> str:
    """Of an account that may get /metrics, as one sets it up for Prometheus."""
    name = f"{harness.NAMESPACE}/{_READER}"
    for command in (
        ("create", "serviceaccount", _READER, f"--namespace={harness.NAMESPACE}"),
        ("create", "clusterrole", _READER, "--verb=get", "--non-resource-url=/metrics"),
        (
            "create",
            "clusterrolebinding",
            _READER,
            f"--clusterrole={_READER}",
            f"--serviceaccount={name.replace('/', ':')}",
        ),
    ):
        done = cluster.kubectl(*command)
        assert done.returncode == 0, done.stderr
    return cluster.token_for(name)


def _work(team: Tenant, database: Database) -> None:
    """Every type of secret, and a workload that is restarted when one changes."""
    admin, name = team.bao.admin, team.namespace
    admin.enable_kv(f"{name}-v1", version=1)
    admin.enable_pki(f"{name}-pki", "Test CA")
    admin.pki_role(f"{name}-pki", "web")
    admin.policy(
        name,
        f'path "{name}/*" {{ capabilities = ["read"] }}\npath "{name}-v1/*" {{ capabilities = ["read"] }}\n'
        f'path "{name}-pki/*" {{ capabilities = ["update"] }}\n'
        f'path "{database.mount}/*" {{ capabilities = ["read", "update"] }}\n'
        'path "sys/leases/revoke" { capabilities = ["update"] }',
    )
    # Tokens so short that they are renewed all the time.
    settings: dict[str, Any] = {"policies": [name], "namespaces": [name], "audience": "vault", "token_ttl": "8s"}
    admin.kubernetes_role("kubernetes", name, **settings)
    team.connect()
    team.put("app", {"user": "alice"})
    admin.put_kv(f"{name}-v1", "old", {"user": "alice"})
    database.role(ttl="12s", max_ttl="1h")
    database.static_role("fixed")
    team.deployment("web")
    team.sync("app", rolloutRestartTargets=[{"kind": "Deployment", "name": "web"}])
    team.sync("old", mount=f"{name}-v1", type="kv-v1")
    database.ask("lease", revoke=True)
    database.ask_static("fixed", role="fixed")
    team.certify("web", mount=f"{name}-pki", role="web", ttl="1h")
    team.create("VaultAuthGlobal", "shared", spec={"allowedNamespaces": ["*"], "defaultAuthMethod": "kubernetes"})
    team.create("SecretTransformation", "plain", spec={"excludes": ["^_raw$"]})
    team.create("HCPAuth", "cloud", spec={"organizationID": "o", "projectID": "p"})
    team.create(
        "HCPVaultSecretsApp", "app", spec={"appName": "a", "hcpAuthRef": "gone", "destination": {"name": "hvs"}}
    )
    for kind, one in (("VaultDynamicSecret", "lease"), ("VaultStaticSecret", "app"), ("VaultPKISecret", "web")):
        team.wait_synced(one, kind=kind)
    team.put("app", {"user": "bob"})


def _trouble(scene: Watched) -> None:
    """One of each kind that the metrics tell apart."""
    team = scene.team
    closed = f"http://{host_port(free_port())}"
    team.create("VaultConnection", "down", spec={"address": closed})
    logins: dict[str, Json] = {
        "down": {"vaultConnectionRef": "down"},
        "lost": {"vaultConnectionRef": "gone"},
        "refused": {"kubernetes": {"role": "nobody", "serviceAccount": "default", "audiences": ["vault"]}},
        "unnamed": {"kubernetes": {"role": team.namespace, "serviceAccount": "gone", "audiences": ["vault"]}},
    }
    for name, changes in logins.items():
        team.create("VaultAuth", name, spec=team.auth_spec(**changes))
        team.sync(name, path="app", vaultAuthRef=name)
    role = {"roleId": "r", "secretRef": "gone"}
    approle = {"vaultConnectionRef": "vault", "method": "appRole", "mount": "approle", "appRole": role}
    team.create("VaultAuth", "approle", spec=approle)
    team.sync("approle", path="app", vaultAuthRef="approle")
    team.sync("orphan", path="app", vaultAuthRef="gone")
    team.sync("absent", path="nowhere")
    team.create("Secret", "foreign", stringData={"a": "b"})
    team.sync("foreign", path="app")
    broken = {"excludeRaw": True, "templates": {"a": {"text": "{{ .Nope.x }}"}}}
    team.sync("broken", path="app", destination={"transformation": broken})
    for name in ("elder", "younger"):
        team.sync(name, path="app", destination={"name": "twin"})
    scene.guest.sync("guest", path="app", vaultAuthRef=f"{team.namespace}/vault")
    _forbid_secrets(scene.full)
    scene.full.put("app", {"user": "alice"})
    scene.full.connect()
    scene.full.sync("app")


def _forbid_secrets(tenant: Tenant) -> None:
    """An administrator's policy, by which the API server refuses new Secrets of the tenant; in force on return."""
    name, group = tenant.namespace, "/apis/admissionregistration.k8s.io/v1"
    rule = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["secrets"]}
    chosen = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": name}}}
    policy = {
        "failurePolicy": "Fail",
        "matchConstraints": {"resourceRules": [rule], **chosen},
        "validations": [{"expression": "false", "message": "no Secrets here", "reason": "Forbidden"}],
    }
    binding = {"policyName": name, "validationActions": ["Deny"]}
    for plural, spec in (("validatingadmissionpolicies", policy), ("validatingadmissionpolicybindings", binding)):
        tenant.cluster.request("POST", f"{group}/{plural}", {"metadata": {"name": name}, "spec": spec})

    def refused() -> bool:
        try:
            tenant.cluster.request("POST", f"{tenant.path('Secret')}?dryRun=All", {"metadata": {"name": "probe"}})
        except RequestFailed as exc:
            return exc.status == http.client.FORBIDDEN
        return False

    wait_for(refused, what="the policy to be in force")
