"""Requests for leases and certificates, and what the resources that hold them follow (R07, R18, R27, R36, D24)."""

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any, Final

import pytest
from cryptography import x509

from testenv import Cluster, InThread, OpenBao, Postgres
from testenv.waiting import seconds
from tests.faults.gateway import Gateway, Reply, Rule, Where
from tests.faults.lab import ALONE, settle
from tests.support import operator as harness
from tests.support import stored
from tests.support.database import KIND, Database, new_database, remove_database
from tests.support.evidence import MOST_ABSENT, Watch, absences, conditions, timed
from tests.support.operator import NAMESPACE
from tests.support.tenant import Json, Tenant

PKI: Final = "VaultPKISecret"
REFRESH: Final = "vault-secrets-operator.github.io/refresh"
REPAIR: Final = 5.0
PERSISTENT: Final = "--client-cache-persistence-model=direct-encrypted"


@pytest.fixture
def base(team: Tenant, postgres: Postgres) -> Iterator[Database]:
    """A database and a PKI engine of the team in the arena; nothing is connected yet."""
    base = with_pki(new_database(team, postgres))
    yield base
    remove_database(base)


def with_pki(base: Database) -> Database:
    """A PKI engine beside the database, and a role for each."""
    team = base.tenant
    mount = f"pki-{team.namespace}"
    team.bao.admin.enable_pki(mount, "Test CA")
    team.bao.admin.pki_role(mount, "web")
    team.bao.admin.policy(
        team.namespace,
        f'path "{team.mount}/*" {{ capabilities = ["read"] }}\n'
        f'path "{base.mount}/*" {{ capabilities = ["read", "update"] }}\n'
        f'path "{mount}/*" {{ capabilities = ["read", "update"] }}\n'
        f'path "transit-{team.namespace}/*" {{ capabilities = ["update"] }}\n'
        'path "sys/leases/revoke" { capabilities = ["update"] }',
    )
    base.role("app", ttl="1h")
    return base


def both(base: Database, **spec: Any) -> None:
    """Credentials and a certificate in sync, each with a workload."""
    team = base.tenant
    for name in ("creds", "pair"):
        team.deployment(name)
    base.ask("creds", rolloutRestartTargets=[{"kind": "Deployment", "name": "creds"}], **spec)
    certify(team, "pair", rolloutRestartTargets=[{"kind": "Deployment", "name": "pair"}], **spec)
    base.wait_synced("creds")
    team.wait_synced("pair", kind=PKI)


def certify(team: Tenant, name: str, **spec: object) -> None:
    """A certificate of the team's own engine."""
    team.certify(name, mount=f"pki-{team.namespace}", role="web", **{"ttl": "1h", **spec})  # type: ignore[arg-type]


def held(base: Database) -> tuple[str, bytes]:
    """What must not be made anew: the lease, and the serial number of the certificate."""
    return base.lease_id("creds"), (base.tenant.data("pair") or {}).get("serial_number", b"")


def restarts(team: Tenant) -> list[int]:
    """Generations of the two workloads."""
    found = [team.get("Deployment", name) or {} for name in ("creds", "pair")]
    return [one["metadata"]["generation"] for one in found]


def asked(team: Tenant, base: Database, since: int) -> list[str]:
    """Requests for new credentials or certificates."""
    paths = (f"{base.mount}/creds/", f"pki-{team.namespace}/issue/")
    return [one.path for one in team.bao.requests(since=since) if one.path.startswith(paths)]


def test_r27_labels_annotations_and_type_of_leases_and_certificates_follow_without_a_new_one(
    base: Database, arena: Cluster, tmp_path: Path
) -> None:
    """Within five seconds, without a restart, a lease or a certificate; for a new type the Secret is absent briefly."""
    team = base.tenant
    with harness.running(arena, tmp_path, *ALONE), ExitStack() as stack:
        team.connect()
        both(base)
        gaps = {name: stack.enter_context(absences(team, name)) for name in ("creds", "pair")}
        kept, before, since = held(base), restarts(team), team.bao.mark()
        for change, there in CHANGES:
            for kind, name in ((KIND, "creds"), (PKI, "pair")):
                team.patch(kind, name, {"spec": {"destination": change}})
                shows = partial(team.wait, partial(shown, team, name, there), f"{change} on {name}")
                timed(f"{kind} {change}", shows, limit=REPAIR)
                team.wait_synced(name, kind=kind)
        for name, seen in gaps.items():
            team.wait(lambda seen=seen: bool(seen), f"the watch to show the new {name}")  # type: ignore[misc]
            print(f"{name} absent: {seen}")
            assert len(seen) == 1
            assert seen[0] < MOST_ABSENT
        assert asked(team, base, since) == []
        assert (held(base), restarts(team)) == (kept, before)
        assert base.works("creds")


CHANGES: Final[list[tuple[Json, Callable[[Json], bool]]]] = [
    ({"labels": {"a": "1"}}, lambda one: one["metadata"]["labels"].get("a") == "1"),
    ({"labels": {"a": None}}, lambda one: "a" not in one["metadata"]["labels"]),
    ({"annotations": {"x": "1"}}, lambda one: one["metadata"].get("annotations", {}).get("x") == "1"),
    ({"type": "example.com/one"}, lambda one: one["type"] == "example.com/one"),
]


@pytest.mark.parametrize(("kind", "name"), [(KIND, "creds"), (PKI, "pair")])
def test_r27_a_type_change_of_a_lease_or_a_certificate_that_breaks_off_in_the_gap_is_repaired(
    base: Database, arena: Cluster, tmp_path: Path, kind: str, name: str
) -> None:
    """Killed when the Secret is deleted and not yet made: back within five seconds of the next start."""
    team = base.tenant
    with (
        Gateway(arena.server, authority=arena.authority) as gate,
        harness.running(arena, tmp_path, *ALONE, server=gate.url) as operator,
    ):
        team.connect()
        both(base)
        made = f"/namespaces/{team.namespace}/secrets"
        dry = gate.add(Rule("POST", f"{made}?dryRun", change=lambda reply: reply))
        rule = gate.add(Rule("POST", made, f'"{name}"', hold=Where.BEFORE))
        team.patch(kind, name, {"spec": {"destination": {"type": "example.com/one"}}})
        rule.wait()
        assert team.get("Secret", name) is None
        operator.kill()
        gate.heal()
        operator.start()
        back = partial(
            team.wait, partial(shown, team, name, lambda one: one["type"] == "example.com/one"), "the Secret"
        )
        timed(f"{kind} lost in the gap", back, limit=REPAIR)
        team.wait_synced(name, kind=kind)
        assert dry.caught, "the type was tried before the Secret was deleted"
        assert kind != KIND or base.works(name)


def shown(team: Tenant, name: str, there: Callable[[Json], bool]) -> bool:
    """Whether the Secret is there, and as wanted."""
    secret = team.get("Secret", name)
    return secret is not None and there(secret)


def test_r07_old_statuses_of_leases_and_certificates_become_whole_in_one_pass(
    base: Database, arena: Cluster, tmp_path: Path
) -> None:
    """Without conditions, as earlier releases left them: no new lease, certificate, write or restart.

    That is one write of each status; another look afterwards finds nothing more to do than to renew the lease.
    """
    team = base.tenant
    role = {"policies": [team.namespace], "namespaces": [team.namespace], "service_accounts": ["default"]}
    team.bao.admin.kubernetes_role("kubernetes", team.namespace, **role, audience="vault", token_period="1h")
    with harness.running(arena, tmp_path, *ALONE, "--client-cache-persistence-model=direct-unencrypted") as operator:
        team.connect()
        both(base)
        team.wait(lambda: stored.entry_of(team), "the login to be stored")
        kept, before, watch = held(base), restarts(team), Watch(operator, team)
        operator.kill()
        for kind, name in ((KIND, "creds"), (PKI, "pair")):
            team.patch_status(kind, name, {"conditions": None})
        watch.again()
        operator.start()
        for kind, name in ((KIND, "creds"), (PKI, "pair")):
            team.wait(partial(whole, team, kind, name), f"conditions of {name}", timeout=REPAIR)
        assert sorted(watch.writes()) == ["patch vaultdynamicsecrets/status", "patch vaultpkisecrets/status"]
        for kind, name in ((KIND, "creds"), (PKI, "pair")):
            team.patch(kind, name, {"metadata": {"annotations": {REFRESH: "1"}}})
            team.wait(partial(refreshed, team, kind, name), f"another look at {name}")
            assert whole(team, kind, name)
        assert watch.writes("secrets") == []
        assert (held(base), restarts(team)) == (kept, before)
        assert asked(team, base, watch.vault) == []
        assert base.works("creds")


def whole(team: Tenant, kind: str, name: str) -> bool:
    """Whether all conditions are there, of the present generation, and true where they must be."""
    found = team.get(kind, name) or {}
    current = {one["observedGeneration"] for one in found["status"].get("conditions", [])}
    true = {one for one, status in conditions(found).items() if status == "True"}
    return {"SecretSynced", "Ready", "Healthy"} <= true and current == {found["metadata"]["generation"]}


def refreshed(team: Tenant, kind: str, name: str) -> bool:
    """Whether what the annotation asks for is done."""
    return bool(team.status(kind, name).get("extensions", {}).get("refreshed") == "1")


def test_d24_a_certificate_is_replaced_at_the_share_of_its_life_that_is_asked_for(
    base: Database, arena: Cluster, tmp_path: Path
) -> None:
    """At half of thirty seconds; the one before is valid until then."""
    team = base.tenant
    # Otherwise engines date certificates back by 30 s.
    team.bao.admin.pki_role(f"pki-{team.namespace}", "web", not_before_duration="1s")
    with harness.running(arena, tmp_path, *ALONE):
        team.connect()
        certify(team, "pair", ttl="30s", extensions={"renewAtPercent": 50})
        team.wait_synced("pair", kind=PKI)
        first = certificate(team, "pair")
        team.wait(lambda: certificate(team, "pair").serial_number != first.serial_number, "the next one", timeout=30)
        second = certificate(team, "pair")
    assert 13 <= (second.not_valid_after_utc - first.not_valid_after_utc).total_seconds() <= 20


def certificate(team: Tenant, name: str) -> x509.Certificate:
    """The certificate in Secret `name`."""
    return x509.load_pem_x509_certificate((team.data(name) or {})["certificate"])


def test_r18_a_rotation_by_hand_in_another_engine_is_noticed_within_the_poll_ceiling(
    team: Tenant, arena: Cluster, tmp_path: Path
) -> None:
    """An LDAP-like static role: no more reads than the ceiling asks for, one write, one restart."""
    passwords, times = ["first-password", "second-password"], ["2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z"]
    turn = 0

    def answer(_: Reply) -> Reply:
        data = {
            "username": "web",
            "password": passwords[turn],
            "last_password": "",
            "dn": "cn=web",
            "rotation_period": 86400,
            "ttl": 80000,
            "last_vault_rotation": times[turn],
        }
        body = {"request_id": "r", "lease_id": "", "lease_duration": 0, "renewable": False, "data": data}
        return Reply(200, json.dumps(body).encode())

    with Gateway(team.bao.address) as gate, harness.running(arena, tmp_path, *ALONE) as operator:
        rule = gate.add(Rule("GET", "/v1/ldap/static-cred/web", change=answer))
        team.connect(address=gate.url)
        team.deployment("web")
        team.lease(
            "web",
            mount="ldap",
            path="static-cred/web",
            allowStaticCreds=True,
            extensions={"maxPollInterval": "2s"},
            rolloutRestartTargets=[{"kind": "Deployment", "name": "web"}],
        )
        team.wait_synced("web", kind=KIND)
        team.wait(lambda: len(rule.caught) >= 3, "three reads")
        watch = Watch(operator, team)
        begun, reads = seconds(), len(rule.caught)
        turn = 1
        found = partial(team.wait, lambda: (team.data("web") or {})["password"] == passwords[1].encode(), "the other")
        timed("a rotation by hand", found, limit=2 + 5)
        team.wait(lambda: len(rule.caught) >= reads + 4, "more reads")
        assert len(rule.caught) - reads <= (seconds() - begun) / (0.8 * 2) + 1
        assert watch.writes("secrets") == ["patch secrets"]
        assert watch.writes("deployments") == ["patch deployments"]


def test_r36_settings_of_the_connection_act_on_every_request_for_leases_certificates_and_encryption(
    team: Tenant, arena: Cluster, postgres: Postgres, tmp_path: Path
) -> None:
    """As a recording TLS proxy sees them, whose certificate is checked for the name that the connection asks for."""
    with OpenBao(tls=True) as tls:
        tls.admin.enable_kubernetes_auth("kubernetes", arena)
        own = settle(team, tls)
        base = with_pki(new_database(own, postgres))
        tls.admin.enable_transit(f"transit-{own.namespace}", "logins")
        token = {"token_ttl": "12s", "token_max_ttl": "1h"}
        names = {"namespaces": [own.namespace, NAMESPACE], "service_accounts": ["default"], "audience": "vault"}
        tls.admin.kubernetes_role("kubernetes", own.namespace, policies=[own.namespace], **names, **token)
        with (
            InThread(tls.address, authority=tls.authority) as proxy,
            harness.running(arena, tmp_path, *ALONE, PERSISTENT) as operator,
        ):
            connect(own, proxy.url, tls.ca_pem)
            sort_of = everything(own, base)
            both(base, revoke=True)
            own.put("app", {"user": "alice"})
            own.sync("app")
            own.wait_synced("app")
            own.patch(KIND, "creds", {"metadata": {"annotations": {REFRESH: "1"}}})
            own.wait(lambda: sort_of["renewal"] in targets(proxy), "a renewal")
            for kind, name in ((KIND, "creds"), (PKI, "pair")):
                own.delete(kind, name)
                own.wait_gone(kind, name)
            wanted = set(sort_of.values())
            own.wait(lambda: targets(proxy) >= wanted, f"a request of each sort, {wanted - targets(proxy)}", timeout=60)
            seen = proxy.requests
            own.delete("VaultStaticSecret", "app")
            operator.stop()
        for kind in ("VaultAuth", "VaultConnection"):
            shared(own).delete(kind, f"c-{own.namespace}")
        remove_database(base)
    assert {one.headers.get("x-team") for one in seen} == {"blue"}
    assert {one.headers.get("x-vault-request") for one in seen} == {"true"}
    assert all(one.headers["user-agent"].startswith("vso/") for one in seen)


def everything(team: Tenant, base: Database) -> dict[str, str]:
    """Each sort of request, and where it goes."""
    return {
        "login": "/v1/auth/kubernetes/login",
        "renewal of the token": "/v1/auth/token/renew-self",
        "read": f"/v1/{team.mount}/data/app",
        "credentials": f"/v1/{base.mount}/creds/app",
        "renewal": "/v1/sys/leases/renew",
        "revocation": "/v1/sys/leases/revoke",
        "certificate": f"/v1/pki-{team.namespace}/issue/web",
        "its revocation": f"/v1/pki-{team.namespace}/revoke",
        "encryption": f"/v1/transit-{team.namespace}/encrypt/logins",
        "health": "/v1/sys/seal-status",
    }


def targets(proxy: InThread) -> set[str]:
    """Where requests went so far."""
    return {one.target.partition("?")[0] for one in proxy.requests}


def shared(team: Tenant) -> Tenant:
    """The operator's namespace."""
    return Tenant(team.cluster, team.bao, NAMESPACE, team.mount)


def connect(team: Tenant, url: str, ca: str) -> None:
    """A connection with everything set, for the team and for the encryption of logins."""
    port = url.rpartition(":")[2]
    spec = {"address": f"https://127.0.0.1:{port}", "tlsServerName": "localhost", "headers": {"X-Team": "blue"}}
    own, name = shared(team), f"c-{team.namespace}"
    team.create("Secret", "ca", stringData={"ca.crt": ca})
    team.create("VaultConnection", "vault", spec={**spec, "caCertSecretRef": "ca"})
    team.create("VaultAuth", "vault", spec=team.auth_spec())
    own.create("Secret", name, stringData={"ca.crt": ca})
    own.create("VaultConnection", name, spec={**spec, "caCertSecretRef": name})
    own.create(
        "VaultAuth",
        name,
        metadata={"labels": {"cacheStorageEncryption": "true"}},
        spec=team.auth_spec(
            vaultConnectionRef=name,
            storageEncryption={"mount": f"transit-{team.namespace}", "keyName": "logins"},
        ),
    )


@pytest.mark.parametrize("sort", ["credentials", "renewal", "certificate"])
def test_r36_a_stalled_answer_for_a_lease_or_a_certificate_is_given_up_after_the_timeout(
    base: Database, arena: Cluster, tmp_path: Path, sort: str
) -> None:
    """The failure names the timeout, and is there when it is over; afterwards all is well again."""
    team = base.tenant
    method, target = {
        "credentials": ("GET", "/creds/app"),
        "renewal": ("PUT", "/sys/leases/renew"),
        "certificate": ("PUT", "/issue/web"),
    }[sort]
    kind, name = (PKI, "pair") if sort == "certificate" else (KIND, "creds")
    with Gateway(team.bao.address) as gate, harness.running(arena, tmp_path, *ALONE):
        team.connect(address=gate.url, timeout="2s")
        if sort == "renewal":
            base.ask(name)
            base.wait_synced(name)
        rule = gate.add(Rule(method, target, hold=Where.BEFORE))
        begin(base, sort)
        rule.wait()
        begun = seconds()
        team.wait_failed(name, "no answer within the timeout of 2 s", timeout=10, kind=kind)
        assert seconds() - begun < 2 + 1 + 1
        gate.heal()
        team.wait_synced(name, kind=kind)


def begin(base: Database, sort: str) -> None:
    """Provoke one request of the sort."""
    if sort == "certificate":
        certify(base.tenant, "pair")
    elif sort == "credentials":
        base.ask("creds")
    else:
        base.tenant.patch(KIND, "creds", {"metadata": {"annotations": {REFRESH: "1"}}})
