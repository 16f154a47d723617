"""Logins that outlive the operator (behaviour.md section 4; regressions R01 and R14)."""

import http.client
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Final
from uuid import uuid4

import pytest

from testenv import Cluster, Postgres
from testenv.port import free_port
from testenv.web import RequestFailed, Site
from tests.faults.lab import ALONE, logins, own_mount
from tests.support import operator as harness
from tests.support import stored
from tests.support.database import Database, new_database, remove_database
from tests.support.evidence import Watch, timed
from tests.support.operator import Operator
from tests.support.tenant import Json, Tenant, new_tenant, remove

PLAIN: Final = (*ALONE, "--client-cache-persistence-model=direct-unencrypted")
ENCRYPTED: Final = (*ALONE, "--client-cache-persistence-model=direct-encrypted")
NAMES: Final = [f"s{number}" for number in range(5)]
MOST_MEMORY: Final = 256 * 1024 * 1024
PERIOD: Final = 20
"""Seconds that a token lives unless it is renewed."""
STORED_AGAIN: Final = 60.0
"""Seconds within which a login is stored that could not be: 30 s and a half, and the time to do it."""


@pytest.fixture
def base(team: Tenant, postgres: Postgres) -> Iterator[Database]:
    """A database of the team in the arena; nothing is connected yet."""
    base = new_database(team, postgres)
    yield base
    remove_database(base)


@pytest.fixture
def guest(team: Tenant) -> Iterator[Tenant]:
    """Another team with a namespace and a login of its own."""
    guest = new_tenant(team.cluster, team.bao)
    yield guest
    remove(guest)


def prepare(base: Database) -> None:
    """Static and leased secrets with a workload each, all on one login of the team's own auth mount."""
    team = base.tenant
    own_mount(
        team, policies=[team.namespace], service_accounts=["default"], audience="vault", token_period=f"{PERIOD}s"
    )
    base.role("app", ttl="1h")
    for name in NAMES:
        team.put(name, {"user": "alice"})
        team.deployment(name)
        team.deployment(f"{name}-db")
        team.sync(name, rolloutRestartTargets=[{"kind": "Deployment", "name": name}])
        base.ask(f"{name}-db", rolloutRestartTargets=[{"kind": "Deployment", "name": f"{name}-db"}])
    for name in NAMES:
        team.wait_synced(name)
        base.wait_synced(f"{name}-db")


def generations(team: Tenant) -> set[int]:
    """Of all workloads: each restart makes one more."""
    found = team.cluster.request("GET", team.path("Deployment"))["items"]
    return {one["metadata"]["generation"] for one in found}


def wait_stored(team: Tenant, timeout: float = 30) -> Json:
    """The team's stored login, once it is there."""
    entry: Json = team.wait(lambda: stored.entry_of(team), "the login to be stored", timeout)
    return entry


@pytest.mark.parametrize("flags", [PLAIN, ENCRYPTED], ids=["plain", "encrypted"])
@pytest.mark.parametrize("end", ["stop", "kill"])
def test_r01_a_successor_goes_on_with_the_stored_login_and_the_leases_that_hang_on_it(
    base: Database, transit: Tenant, tmp_path: Path, flags: tuple[str, ...], end: str
) -> None:
    """No login, no new lease, no write, no restart; a token life later the same credentials work, renewed."""
    team = base.tenant
    with harness.running(team.cluster, tmp_path, *flags) as operator:
        prepare(base)
        entry = wait_stored(team)
        assert ("ciphertext" in stored.content_of(entry)) is (flags is ENCRYPTED)
        watch, leases, restarts = Watch(operator, team), sorted(base.leases()), generations(team)
        getattr(operator, end)()
        since = team.bao.mark()
        operator.start()
        for name in NAMES:
            watch.wait_reads(name, 2)
        renewed_again = "auth/token/renew-self"
        team.wait(
            lambda: sum(one.path == renewed_again for one in team.bao.requests(since=since)) >= 4,
            "two renewals by the successor",
            timeout=2 * PERIOD,
        )
        for name in NAMES:
            team.patch("VaultDynamicSecret", f"{name}-db", {"metadata": {"annotations": REFRESH}})
        team.wait(lambda: all(refreshed(base, f"{name}-db") for name in NAMES), "each lease to be renewed")
        assert logins(team.bao, team.namespace, since) == []
        assert sorted(base.leases()) == leases
        assert generations(team) == restarts
        assert watch.writes("secrets") == []
        assert all(base.works(f"{name}-db") for name in NAMES)


REFRESH: Final = {"vault-secrets-operator.github.io/refresh": "1"}


def refreshed(base: Database, name: str) -> bool:
    """Whether what the annotation asks for is done."""
    return bool(base.status(name).get("extensions", {}).get("refreshed") == "1")


@pytest.mark.parametrize("flags", [PLAIN, ENCRYPTED], ids=["plain", "encrypted"])
def test_an_entry_has_the_form_that_the_original_reads(
    team: Tenant, transit: Tenant, tmp_path: Path, flags: tuple[str, ...]
) -> None:
    """Name, labels, MAC and content, computed independently; the encrypted one is opened with the Transit key."""
    with harness.running(team.cluster, tmp_path, *flags):
        team.connect()
        team.put("app", {"user": "alice"})
        team.sync("app")
        team.wait_synced("app")
        entry, key = wait_stored(team), stored.cache_key(team)
        assert entry["metadata"]["name"] == f"vso-cc-{key}"
        more = sealed_by(transit) if flags is ENCRYPTED else {}
        assert entry["metadata"]["labels"] == {**stored.labels_of(team, key), **more}
        assert "ownerReferences" not in entry["metadata"]
        assert entry["immutable"] is True
        assert set(entry["data"]) == {"secret", "messageMAC"}
        assert stored.is_sealed(team.cluster, key, entry)
        content = stored.content_of(entry)
        if flags is ENCRYPTED:
            assert content["key_version"] == 1
            content = stored.opened(transit.bao, transit.mount, content)
        assert {"request_id", "lease_id", "lease_duration", "renewable", "data", "warnings"} <= set(content)
        accessor = content["auth"]["accessor"]
        own = team.bao.admin.write("auth/token/lookup-accessor", {"accessor": accessor})["data"]
        assert own["meta"]["service_account_namespace"] == team.namespace


@pytest.mark.parametrize("flags", [PLAIN, ENCRYPTED], ids=["plain", "encrypted"])
def test_an_entry_that_the_original_stored_is_used(
    team: Tenant, transit: Tenant, tmp_path: Path, flags: tuple[str, ...]
) -> None:
    """Its token reads the secret, and there is no login, which would be refused."""
    with harness.running(team.cluster, tmp_path, *flags) as operator:
        operator.kill()  # the key of the MACs is there now
        mount = own_mount(team)
        made = team.bao.admin.write("auth/token/create", {"policies": [team.namespace], "period": "1h"})["auth"]
        key = stored.cache_key(team)
        answer, labels = stored.answer_for(made["client_token"], made["accessor"]), stored.labels_of(team, key)
        if flags is ENCRYPTED:
            answer = stored.closed(transit.bao, transit.mount, answer)
            labels.update(sealed_by(transit))
        stored.store(team.cluster, key, labels, answer)
        since = team.bao.mark()
        operator.start()
        team.put("app", {"user": "alice"})
        team.sync("app")
        team.wait_data("app", user="alice")
        assert logins(team.bao, mount, since) == []


def sealed_by(transit: Tenant) -> dict[str, str]:
    """The labels that an encrypted entry has beside those of a plain one."""
    return {"encrypted": "true", "vaultTransitRef": transit.mount}


@pytest.mark.parametrize("fault", ["a wrong MAC", "another content", "no JSON", "a dead token", "another encryption"])
def test_r14b_an_entry_of_no_use_is_replaced_by_a_fresh_login_in_the_same_attempt(
    team: Tenant, tmp_path: Path, fault: str
) -> None:
    """The resource syncs at once, and what is stored afterwards is good."""
    with harness.running(team.cluster, tmp_path, *PLAIN) as operator:
        operator.kill()
        team.connect()
        key = stored.cache_key(team)
        answer, labels = stored.answer_for("s.gone", "gone"), stored.labels_of(team, key)
        mac = None
        if fault == "a wrong MAC":
            mac = bytes(32)
        elif fault == "another content":
            mac = stored.mac_of(team.cluster, key, b"{}")
        elif fault == "no JSON":
            answer = {"auth": 1}
        elif fault == "another encryption":
            labels["vaultTransitRef"] = "elsewhere"
        stored.store(team.cluster, key, labels, answer, mac=mac)
        team.put("app", {"user": "alice"})
        team.sync("app")
        operator.start()
        team.wait_synced("app", timeout=5)
        team.wait(lambda: "vaultTransitRef" not in wait_stored(team)["metadata"]["labels"], "another entry")
        team.wait(lambda: is_good(team), "a login that works to be stored")


def is_good(team: Tenant) -> bool:
    """Whether the stored token is alive and its MAC fits."""
    entry = wait_stored(team)
    try:
        accessor = stored.content_of(entry)["auth"]["accessor"]
        team.bao.admin.write("auth/token/lookup-accessor", {"accessor": accessor})
    except (RequestFailed, KeyError, TypeError):
        return False
    return stored.is_sealed(team.cluster, stored.cache_key(team), entry)


def test_r14b_entries_go_with_the_objects_they_were_made_from(team: Tenant, guest: Tenant, tmp_path: Path) -> None:
    """Deleted while no operator runs: gone soon after the next start; edited: stored anew without another login.

    The team loses its VaultAuth, the guest its VaultConnection alone.
    """
    with harness.running(team.cluster, tmp_path, *PLAIN) as operator:
        for one in (team, guest):
            one.connect()
            one.put("app", {"user": "alice"})
            one.sync("app")
            one.wait_synced("app")
        guests = wait_stored(guest)["metadata"]["name"]
        first, since = wait_stored(team)["metadata"]["name"], team.bao.mark()
        team.patch("VaultAuth", "vault", {"spec": {"allowedNamespaces": ["elsewhere"]}})
        moved = f"vso-cc-{stored.cache_key(team)}"
        assert moved != first
        team.wait(lambda: moved in stored.entries(team.cluster), "the entry under its new name")
        assert logins(team.bao, "kubernetes", since) == []
        operator.kill()
        for one, kind in ((team, "VaultAuth"), (guest, "VaultConnection")):
            one.delete("VaultStaticSecret", "app")
            one.patch(kind, "vault", {"metadata": {"finalizers": None}})
            one.delete(kind, "vault")
        operator.start()
        gone = {first, moved, guests}
        team.wait(lambda: not gone & set(stored.entries(team.cluster)), "the entries to go", timeout=60)
        assert guest.get("VaultAuth", "vault") is not None


def test_r14d_without_transit_logins_go_on_and_nothing_stored_is_lost(
    team: Tenant, transit: Tenant, tmp_path: Path
) -> None:
    """A dead encryption token is replaced; while the policy is missing, nothing is stored; then it is, by itself."""
    with harness.running(team.cluster, tmp_path, *ENCRYPTED) as operator:
        team.connect()
        team.put("app", {"user": "alice"})
        team.sync("app")
        team.wait_synced("app")
        first = identity(wait_stored(team))
        end_tokens(transit.mount, team)
        follow(team, "bob")
        team.wait(lambda: identity(wait_stored(team)) != first, "the new login to be stored", STORED_AGAIN)
        kept = identity(wait_stored(team))
        stored.allow_transit(team, encrypt=False)
        end_tokens(transit.mount, team)
        follow(team, "carol")
        attempts = partial(refusals, operator)
        team.wait(attempts, "an attempt to store")
        operator.kill()
        before = attempts()
        operator.start()
        follow(team, "dave")
        team.wait(lambda: attempts() > before, "an attempt to store by the next process")
        assert identity(wait_stored(team)) == kept
        stored.allow_transit(team)
        team.wait(lambda: identity(wait_stored(team)) != kept, "the new login to be stored", STORED_AGAIN)
        content = stored.opened(team.bao, transit.mount, stored.content_of(wait_stored(team)))
        team.bao.admin.write("auth/token/lookup-accessor", {"accessor": content["auth"]["accessor"]})


def end_tokens(encryption: str, team: Tenant) -> None:
    """Revoke the token that encrypts, and that of the team, so that there is a login to store."""
    admin = team.bao.admin
    for policy in (encryption, team.namespace):
        alive = admin.accessors(policy=policy)
        assert alive, policy
        for one in alive:
            admin.revoke_accessor(one)


def follow(team: Tenant, user: str) -> None:
    """Have a change synced."""
    team.put("app", {"user": user})
    team.wait_data("app", user=user)


def refusals(operator: Operator) -> int:
    """How often a login could not be stored."""
    return sum(one["msg"] == "stored logins: trying again later" for one in operator.lines())


def identity(entry: Json) -> tuple[str, str]:
    """Name and UID."""
    return entry["metadata"]["name"], entry["metadata"]["uid"]


@pytest.mark.timeout(600)  # ten thousand Secrets are made and removed
def test_r14c_ten_thousand_stored_logins_do_not_delay_the_start(team: Tenant, tmp_path: Path) -> None:
    """Ready within 10 s of the start of the process; the model none removes them."""
    count, port = 10_000, free_port()
    with harness.running(team.cluster, tmp_path, *PLAIN) as operator:
        operator.stop()
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(partial(store_stray, team.cluster), range(count)))
        operator.flags = (*PLAIN, f"--health-probe-bind-address=127.0.0.1:{port}")
        timed("ready", lambda: ready(team, operator, port), limit=10)
        team.connect()
        team.put("app", {"user": "alice"})
        team.sync("app")
        team.wait_synced("app")
        assert operator.peak() < MOST_MEMORY
        operator.stop()
        operator.flags = ALONE
        operator.start()
        team.wait(lambda: not stored.entries(team.cluster), "all entries to be removed", timeout=240)


def store_stray(cluster: Cluster, number: int) -> None:
    """An entry whose VaultAuth nobody knows."""
    uid = str(uuid4())
    labels = {**stored.LABELS, "auth/UID": uid, "auth/generation": "1", "connection/UID": uid}
    stored.store_new(cluster, f"kubernetes-{number:022x}", labels)


def ready(team: Tenant, operator: Operator, port: int) -> None:
    """Start the process, and wait for its readiness."""
    operator.launch()
    site = Site(base=f"http://127.0.0.1:{port}", timeout=5)

    def answers() -> bool:
        try:
            return site.ask("GET", "/readyz").status == http.client.OK
        except OSError:
            return False

    team.wait(answers, "readiness")


def test_at_a_clean_end_tokens_are_revoked_if_that_is_asked_for_except_under_leases(
    base: Database, tmp_path: Path
) -> None:
    """The token of the static secrets ends with the process, that of the leases does not."""
    team = base.tenant
    with harness.running(team.cluster, tmp_path, *ALONE, "--revoke-on-shutdown") as operator:
        prepare(base)
        admin = team.bao.admin
        mount = f"plain-{team.namespace}"
        admin.enable_kubernetes_auth(mount, team.cluster)
        admin.policy(mount, f'path "{team.mount}/*" {{ capabilities = ["read"] }}')
        admin.kubernetes_role(mount, team.namespace, policies=[mount], namespaces=[team.namespace], audience="vault")
        team.create("VaultAuth", "plain", spec=team.auth_spec(mount=mount))
        team.sync("plain", path=NAMES[0], vaultAuthRef="plain")
        team.wait_synced("plain")
        assert len(admin.accessors(policy=mount)) == 1
        operator.stop()
        assert admin.accessors(policy=mount) == []
        assert all(base.works(f"{name}-db") for name in NAMES)
