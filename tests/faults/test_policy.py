"""What an administrator permits, and what the owners of connections and logins do (operations.md section 7).

Each refusal names the switch, in condition and event, and nothing of it reaches OpenBao.
"""

from pathlib import Path
from typing import Final

import pytest

from testenv import OpenBao
from tests.faults.lab import ALONE, in_sync, items, logins, settle
from tests.support import operator as harness
from tests.support.evidence import Watch
from tests.support.operator import NAMESPACE
from tests.support.tenant import Json, Tenant

STRAY: Final = {
    "VAULT_SKIP_VERIFY": "true",
    "VAULT_CACERT": "/nowhere",
    "VAULT_NAMESPACE": "elsewhere",
    "VAULT_CLIENT_TIMEOUT": "1ms",
}
"""Variables that the original takes for every connection; what holds is the VaultConnection alone."""
KEYS: Final = {"access_key_id": "AKIDEXAMPLE", "secret_access_key": "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"}


def login_of(team: Tenant, **kubernetes: object) -> Json:
    """A VaultAuth's spec with these settings of the method kubernetes."""
    return team.auth_spec(kubernetes={"role": team.namespace, "serviceAccount": "default", **kubernetes})


@pytest.mark.parametrize(
    ("flag", "spec", "named"),
    [
        ("--allowed-auth-methods=jwt,appRole", {}, "--allowed-auth-methods: jwt, appRole"),
        ("--allowed-vault-addresses=https://vault.corp:8200", {}, "--allowed-vault-addresses"),
        ("--forbidden-token-audiences=vault", {}, "'vault', which is not permitted (--forbidden-token-audiences)"),
        (
            "--forbidden-token-audiences=https://kubernetes.default.svc",
            {"audiences": []},
            "audiences is empty, so the token would be valid at the API server itself",
        ),
    ],
)
def test_what_the_administrator_forbids_is_refused_and_reaches_nobody(
    team: Tenant, tmp_path: Path, flag: str, spec: Json, named: str
) -> None:
    """No token is requested and nothing sent; the resource and the object at fault both say why."""
    team.put("app", {"user": "alice"})
    since, audit = team.bao.mark(), team.cluster.audit_mark()
    with harness.running(team.cluster, tmp_path, *ALONE, flag) as operator:
        team.create("VaultConnection", "vault", spec={"address": team.bao.address})
        team.create("VaultAuth", "vault", spec=login_of(team, **{"audiences": ["vault"], **spec}))
        team.sync("app")
        team.wait_failed("app", named)
        team.wait(lambda: any(named in one["message"] for one in team.events("app")), "an event that says so")
        at_fault = "VaultConnection" if "addresses" in flag else "VaultAuth"
        team.wait(lambda: named in str(team.status(at_fault, "vault")), f"the status of the {at_fault}")
        assert team.status(at_fault, "vault")["valid"] is False
        tokens = [one for one in operator.requests(audit) if one.subresource == "token"]
        assert [one for one in tokens if one.namespace == team.namespace] == []
    assert [one for one in team.bao.requests(since=since) if team.namespace in one.path or "login" in one.path] == []


def test_what_the_administrator_allows_goes_on_as_ever(team: Tenant, tmp_path: Path) -> None:
    """With every switch set so that this login is permitted."""
    flags = (
        "--allowed-auth-methods=kubernetes",
        f"--allowed-vault-addresses=https://vault.corp,{team.bao.address}",
        "--forbidden-token-audiences=https://kubernetes.default.svc",
    )
    with harness.running(team.cluster, tmp_path, *ALONE, *flags):
        team.connect()
        team.put("app", {"user": "alice"})
        team.sync("app")
        team.wait_data("app", user="alice")


@pytest.mark.parametrize("permitted", [False, True])
def test_the_operators_own_cloud_identity_is_for_those_named(team: Tenant, tmp_path: Path, permitted: bool) -> None:
    """Elsewhere nothing is signed with it; where it is permitted, the signed request goes to OpenBao."""
    mount = f"aws-{team.namespace}"
    flags = (f"--ambient-identity-namespaces={team.namespace}",) if permitted else ()
    environ = {"AWS_ACCESS_KEY_ID": KEYS["access_key_id"], "AWS_SECRET_ACCESS_KEY": KEYS["secret_access_key"]}
    since = team.bao.mark()
    with harness.running(team.cluster, tmp_path, *ALONE, *flags, **environ):
        team.create("VaultConnection", "vault", spec={"address": team.bao.address})
        spec = {"vaultConnectionRef": "vault", "method": "aws", "mount": mount, "aws": {"role": "app"}}
        team.create("VaultAuth", "vault", spec=spec)
        team.sync("app")
        # OpenBao has no such engine: its refusal shows that it was asked.
        team.wait_failed("app", f"auth/{mount}/login" if permitted else "--ambient-identity-namespaces")
    assert bool(logins(team.bao, mount, since)) is permitted


def test_a_connection_serves_the_namespaces_that_it_names(team: Tenant, tmp_path: Path) -> None:
    """Others are told so by the connection's own list; once they are on it, they sync."""
    shared = Tenant(team.cluster, team.bao, NAMESPACE, team.mount)
    name = f"shared-{team.namespace}"
    shared.create(
        "VaultConnection",
        name,
        spec={"address": team.bao.address, "extensions": {"allowedNamespaces": ["elsewhere"]}},
    )
    with harness.running(team.cluster, tmp_path, *ALONE):
        team.put("app", {"user": "alice"})
        team.create("VaultAuth", "vault", spec=team.auth_spec(vaultConnectionRef=f"{NAMESPACE}/{name}"))
        team.sync("app")
        team.wait_failed("app", "spec.extensions.allowedNamespaces is elsewhere")
        shared.patch(
            "VaultConnection", name, {"spec": {"extensions": {"allowedNamespaces": ["elsewhere", team.namespace]}}}
        )
        team.wait_synced("app", timeout=5)
        shared.delete("VaultConnection", name)


@pytest.mark.parametrize("enforced", [True, False])
def test_a_default_login_serves_the_namespaces_that_it_names(team: Tenant, tmp_path: Path, enforced: bool) -> None:
    """Unless the administrator wants the original's rule, by which it serves all."""
    shared = Tenant(team.cluster, team.bao, NAMESPACE, team.mount)
    shared.create("VaultConnection", "default", spec={"address": team.bao.address})
    spec = team.auth_spec(vaultConnectionRef="default", allowedNamespaces=["elsewhere"])
    shared.create("VaultAuth", "default", spec=spec)
    flags = () if enforced else ("--enforce-default-allowed-namespaces=false",)
    try:
        with harness.running(team.cluster, tmp_path, *ALONE, *flags):
            team.put("app", {"user": "alice"})
            team.sync("app", vaultAuthRef="")
            if enforced:
                team.wait_failed("app", "spec.allowedNamespaces is elsewhere")
            else:
                team.wait_synced("app")
    finally:
        for kind in ("VaultAuth", "VaultConnection"):
            shared.patch(kind, "default", {"metadata": {"finalizers": None}})
            shared.delete(kind, "default")


@pytest.mark.parametrize("default", [False, True], ids=["named", "default"])
def test_r31_lending_credentials_needs_the_administrators_permission(
    team: Tenant, tmp_path: Path, *, default: bool
) -> None:
    """For a VaultAuth that is named as for the default one: no token is requested, and nothing sent (D35)."""
    shared = Tenant(team.cluster, team.bao, NAMESPACE, team.mount)
    name = "default" if default else f"own-{team.namespace}"
    own = {"extensions": {"credentialsNamespace": "Own"}, "allowedNamespaces": [team.namespace]}
    team.put("app", {"user": "alice"})
    shared.create("VaultConnection", name, spec={"address": team.bao.address})
    shared.create("VaultAuth", name, spec=team.auth_spec(vaultConnectionRef=name, **own))
    since, audit = team.bao.mark(), team.cluster.audit_mark()
    named = "spec.extensions.credentialsNamespace is Own, which this operator does not permit (--allow-own-credentials)"
    try:
        with harness.running(team.cluster, tmp_path, *ALONE) as operator:
            team.sync("app", vaultAuthRef="" if default else f"{NAMESPACE}/{name}")
            assert f"VaultAuth {NAMESPACE}/{name}" in team.wait_failed("app", named)["message"]
            team.wait(lambda: any(named in one["message"] for one in team.events("app")), "an event that says so")
            team.wait(lambda: named in str(shared.status("VaultAuth", name)), "the status of the VaultAuth")
            tokens = [one for one in operator.requests(audit) if one.subresource == "token"]
            assert [one for one in tokens if one.namespace in {team.namespace, NAMESPACE}] == []
    finally:
        for kind in ("VaultAuth", "VaultConnection"):
            shared.patch(kind, name, {"metadata": {"finalizers": None}})
            shared.delete(kind, name)
    assert [one for one in team.bao.requests(since=since) if team.namespace in one.path or "login" in one.path] == []


def test_intervals_of_the_administrator_come_before_those_of_resources(team: Tenant, tmp_path: Path) -> None:
    """A shorter one counts as the shortest that is allowed, a missing one as the default."""
    flags = ("--min-refresh-interval=3s", "--default-refresh-interval=4s")
    with harness.running(team.cluster, tmp_path, *ALONE, *flags) as operator:
        team.connect()
        for name, refresh in (("eager", "1s"), ("silent", None)):
            team.put(name, {"user": "alice"})
            team.sync(name, refreshAfter=refresh)
            team.wait_synced(name)
        watch = Watch(operator, team)
        watch.wait_reads("silent", 4)
        eager, silent = watch.reads("eager"), watch.reads("silent")
        # Every 2.4 to 2.7 s against every 3.2 to 3.6 s.
        assert silent <= eager <= silent * 1.6 + 1


def test_d28_a_connection_takes_no_more_requests_than_its_limits_say(team: Tenant, tmp_path: Path) -> None:
    """Thirty resources at two requests in a second are all served, one after the other."""
    limits = {"requestsPerSecond": 2, "burst": 2, "maxInFlight": 1}
    with harness.running(team.cluster, tmp_path, *ALONE):
        team.create("VaultConnection", "vault", spec={"address": team.bao.address, "extensions": {"limits": limits}})
        team.create("VaultAuth", "vault", spec=team.auth_spec())
        for number in range(30):
            team.put(f"s{number}", {"user": "alice"})
        since = team.bao.mark()
        for number in range(30):
            team.sync(f"s{number}", refreshAfter="1h")
        team.wait(lambda: all(map(in_sync, items(team))), "all to be in sync", timeout=60)
        asked = [one for one in team.bao.requests(since=since) if one.path.startswith(f"{team.mount}/data/s")]
    assert len(asked) == 30
    assert most_in_a_second([one.time for one in asked]) <= 2 + 2 + 1


def most_in_a_second(times: list[str]) -> int:
    """The largest number of instants within one second."""
    instants = sorted(seconds_of(one) for one in times)
    return max(sum(start <= one < start + 1 for one in instants) for start in instants)


def seconds_of(text: str) -> float:
    """Of an RFC 3339 instant with nanoseconds, within its day."""
    hours, minutes, seconds = text.split("T")[1].rstrip("Z").split(":")
    return int(hours) * 3600 + int(minutes) * 60 + float(seconds)


def test_a_ca_file_is_read_below_the_administrators_directory_alone(team: Tenant, tmp_path: Path) -> None:
    """For a connection of the operator's namespace; a path or a link that leads out is not followed."""
    opened, name = tmp_path / "open", f"file-{team.namespace}"
    opened.mkdir()
    shared = Tenant(team.cluster, team.bao, NAMESPACE, team.mount)
    with (
        OpenBao(tls=True) as tls,
        harness.running(team.cluster, tmp_path, *ALONE, f"--credentials-directory={opened}"),
    ):
        tls.admin.enable_kubernetes_auth("kubernetes", team.cluster)
        own = settle(team, tls)
        own.put("app", {"user": "alice"})
        (opened / "ca.pem").write_text(tls.ca_pem)
        (tmp_path / "outside.pem").write_text(tls.ca_pem)
        (opened / "link.pem").symlink_to(tmp_path / "outside.pem")
        shared.create("VaultConnection", name, spec={"address": tls.address, "caCertPath": f"{opened}/link.pem"})
        own.create("VaultAuth", "vault", spec=own.auth_spec(vaultConnectionRef=f"{NAMESPACE}/{name}"))
        own.sync("app")
        own.wait_failed("app", "is not below")
        shared.patch("VaultConnection", name, {"spec": {"caCertPath": f"{opened}/ca.pem"}})
        own.wait_data("app", user="alice")
        own.delete("VaultStaticSecret", "app")
        shared.delete("VaultConnection", name)


@pytest.mark.parametrize("source", ["ConfigMap", "ClusterTrustBundle"])
def test_d39_the_ca_may_stand_in_another_object_and_be_exchanged_there(
    team: Tenant, tmp_path: Path, source: str
) -> None:
    """One that is missing is named, a wrong one gives a condition about the certificate; corrected, all is well.

    No variable of the operator's Pod comes in between.
    """
    with OpenBao(tls=True) as first, harness.running(team.cluster, tmp_path, *ALONE, **STRAY):
        first.admin.enable_kubernetes_auth("kubernetes", team.cluster)
        own = settle(team, first)
        own.put("app", {"user": "alice"})
        name = f"ca-{team.namespace}"
        shared = source == "ClusterTrustBundle"
        ca: Json = {"clusterTrustBundle": name} if shared else {"configMapRef": {"name": name, "key": "bundle"}}
        own.create("VaultConnection", "vault", spec={"address": first.address, "extensions": {"ca": ca}})
        own.create("VaultAuth", "vault", spec=own.auth_spec())
        own.sync("app")
        own.wait_failed("app", f"{source} {name if shared else f'{own.namespace}/{name}'}, which does not exist")
        other = team.cluster.request("GET", f"/api/v1/namespaces/{team.namespace}/configmaps/kube-root-ca.crt")
        place = bundle(team, source, name, other["data"]["ca.crt"])
        own.wait_failed("app", "certificate")
        right: Json = {"spec": {"trustBundle": first.ca_pem}} if shared else {"data": {"bundle": first.ca_pem}}
        team.cluster.request("PATCH", place, right, content_type="application/merge-patch+json")
        own.wait_data("app", user="alice")
        team.cluster.request("DELETE", place)


def bundle(team: Tenant, source: str, name: str, pem: str) -> str:
    """Create an object that holds a CA; its path."""
    if source == "ConfigMap":
        path, version = f"/api/v1/namespaces/{team.namespace}/configmaps", "v1"
        member: Json = {"data": {"bundle": pem}}
    else:
        path, version = "/apis/certificates.k8s.io/v1beta1/clustertrustbundles", "certificates.k8s.io/v1beta1"
        member = {"spec": {"trustBundle": pem}}
    body = {"apiVersion": version, "kind": source, "metadata": {"name": name}, **member}
    team.cluster.request("POST", path, body)
    return f"{path}/{name}"
