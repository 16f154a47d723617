"""Nothing that is secret leaves the process by any other way than the Secret it belongs to.

Every test of the suite is searched in the same places when it ends, see `tests.support.canary`.
"""

import json
from base64 import b64encode
from pathlib import Path
from typing import Final

import pytest

from testenv import Cluster, Postgres
from testenv.port import free_port
from testenv.web import Site
from tests.faults.lab import FLAGS
from tests.support import canary, stored
from tests.support import operator as harness
from tests.support.database import Database, new_database, remove_database
from tests.support.logins import PASSWORD, approle_auth, secret_id, userpass
from tests.support.tenant import Json, Tenant

CANARY: Final = "canary-3f9c1e7b"
NAMED: Final = f"{CANARY}-in-a-value"
HOLDERS: Final = ("app", "approle", "by-approle", "by-userpass", "db", "gone", "login", "wrong")
"""The destinations, and the Secrets that the test made to log in with."""
_SECRETS: Final = "/registry/secrets/"


def test_nothing_secret_shows_in_logs_or_metrics_or_is_stored_elsewhere(
    team: Tenant, arena: Cluster, postgres: Postgres, transit: Tenant, tmp_path: Path
) -> None:
    """A sync, a restart and a failure of each sort, at the most talkative log level; then everything is searched.

    Events, statuses, annotations, stored logins: whatever the API server stores is asked of etcd itself.
    """
    base, address = new_database(team, postgres), f"127.0.0.1:{free_port()}"
    told = (f"--metrics-bind-address={address}", "--per-object-metrics", "--zap-log-level=6")
    kept = ("--leader-elect=false", "--client-cache-persistence-model=direct-encrypted", *FLAGS)
    with harness.running(arena, tmp_path, *told, *kept) as operator:
        team.connect()
        credentials = {*logged_in(team), *leased(base)}
        team.deployment("web")
        team.put("app", {"user": NAMED, "json": {"deep": NAMED}})
        team.sync("app", rolloutRestartTargets=[{"kind": "Deployment", "name": "web"}])
        team.wait_synced("app")
        team.put("app", {"user": f"{NAMED}-2"})
        team.wait_data("app", user=f"{NAMED}-2")
        team.wait_synced("app")
        mistaken(team)
        credentials |= tokens(team, transit)
        metrics = Site(base=f"http://{address}").ask("GET", "/metrics").text
        log, places = operator.log.read_text(), arena.stored()
    remove_database(base)
    assert len(log.splitlines()) > 10
    assert f'namespace="{team.namespace}"' in metrics
    for place, text in {"log": log, "metrics": metrics}.items():
        assert CANARY not in text, place
        assert [one[:3] for one in credentials if one in text] == [], f"a credential in {place}"
        assert not canary.token_in(text), f"a token in {place}"
    secret = [one.encode() for one in (CANARY, *credentials)]
    holders = {place for place, value in places.items() if any(one in value for one in secret)}
    assert {one for one in holders if not foreign(one, team)} == {f"{_SECRETS}{team.namespace}/{n}" for n in HOLDERS}
    open_places = {place: value.decode("latin-1") for place, value in places.items() if not place.startswith(_SECRETS)}
    assert {place for place, text in open_places.items() if canary.token_in(text)} == set()


@pytest.mark.parametrize("log_first", [True, False])
def test_a_credential_in_a_log_is_found_whichever_ends_first(tmp_path: Path, *, log_first: bool) -> None:
    """The search itself: of the namespace and of the operator either may be the one that is left."""
    session, log = canary.Session(), tmp_path / "operator.log"
    log.write_text(json.dumps({"msg": "login", "with": NAMED}))
    secrets = [{"data": {"password": b64encode(NAMED.encode()).decode(), "user": b64encode(b"a" * 20).decode()}}]
    if log_first:
        session.log_ended(log, begun=0)
        with pytest.raises(AssertionError, match=r"a credential in operator\.log"):
            session.tenant_removed(secrets, begun=0)
        session.tenant_removed(secrets, begun=1)
    else:
        session.tenant_removed(secrets, begun=0)
        with pytest.raises(AssertionError, match=r"a credential in operator\.log"):
            session.log_ended(log, begun=0)
        session.log_ended(log, begun=1)


def foreign(place: str, team: Tenant) -> bool:
    """Whether this is a Secret of a namespace that an earlier test had."""
    return place.startswith(_SECRETS) and place.split("/")[3] not in {team.namespace, harness.NAMESPACE}


def tokens(team: Tenant, transit: Tenant) -> set[str]:
    """The tokens of the team's three logins, as they are stored, encrypted."""

    def found() -> list[Json]:
        entries = stored.entries(team.cluster).values()
        return [one for one in entries if one["metadata"]["labels"].get("provider/namespace") == team.namespace]

    team.wait(lambda: len(found()) == 3, "three stored logins")
    contents = [stored.opened(team.bao, transit.mount, stored.content_of(one)) for one in found()]
    return {str(one["auth"]["client_token"]) for one in contents}


def logged_in(team: Tenant) -> tuple[str, ...]:
    """Syncs by a secret id and by a user's password, and refused ones: what they are."""
    mount, role_id = approle_auth(team)
    held = secret_id(team)
    logins = {
        "approle": {"method": "appRole", "mount": mount, "appRole": {"roleId": role_id, "secretRef": "approle"}},
        "userpass": userpass(team),
    }
    team.create("Secret", "approle", stringData={"id": held})
    team.put("behind", {"user": NAMED})
    for name, spec in logins.items():
        team.create("VaultAuth", name, spec={"vaultConnectionRef": "vault", **spec})
        team.sync(f"by-{name}", path="behind", vaultAuthRef=name)
        team.wait_synced(f"by-{name}")
    team.create("Secret", "wrong", stringData={"id": NAMED, "username": "web", "password": NAMED})
    wrong = {
        "no-approle": {**logins["approle"], "appRole": {"roleId": role_id, "secretRef": "wrong"}},
        "no-userpass": {
            **logins["userpass"],
            "extensions": {"login": {"method": "userpass", "userpass": {"secretRef": "wrong"}}},
        },
    }
    for name, spec in wrong.items():
        team.create("VaultAuth", name, spec={"vaultConnectionRef": "vault", **spec})
        team.sync(name, path="behind", vaultAuthRef=name)
        team.wait_failed(name, "login")
    return held, PASSWORD


def mistaken(team: Tenant) -> None:
    """A failure of each sort, with the value in what failed."""
    team.put("badkey", {"with space": NAMED})
    team.sync("badkey")
    team.wait_failed("badkey", "does not allow these key names")
    team.put("big", {"blob": NAMED * 50_000})
    team.sync("big")
    team.wait_failed("big", "Kubernetes allows 1048576")
    team.put("raw", {"_raw": NAMED})
    team.sync("raw")
    team.wait_failed("raw", "_raw")
    team.put("tls", {"tls.crt": NAMED})
    team.sync("tls", destination={"type": "kubernetes.io/tls"})
    team.wait_failed("tls", "tls.key")
    team.create("Secret", "taken", data={})
    team.put("taken", {"user": NAMED})
    team.sync("taken")
    team.wait_failed("taken", "not the owner")
    team.sync("missing", path="nothing-here")
    team.wait_failed("missing", "does not exist")
    nobody = {"role": "nobody", "serviceAccount": "default", "audiences": ["vault"]}
    team.create("VaultAuth", "refused", spec=team.auth_spec(kubernetes=nobody))
    team.sync("refused", path="app", vaultAuthRef="refused")
    team.wait_failed("refused", "login")
    version = team.put("gone", {"user": NAMED})
    team.sync("gone")
    team.wait_synced("gone")
    team.bao.admin.write(f"{team.mount}/destroy/gone", {"versions": [version]})
    team.wait_failed("gone", "destroyed")


def leased(base: Database) -> tuple[str, ...]:
    """The passwords of a lease and of its successor."""
    base.role("app", ttl="1h")
    base.ask("db")
    base.wait_synced("db")
    first, lease = base.credentials("db")[1], base.lease_id("db")
    base.role("second", ttl="1h")
    base.tenant.patch("VaultDynamicSecret", "db", {"spec": {"path": "creds/second"}})
    base.tenant.wait(lambda: base.lease_id("db") not in {"", lease}, "another lease")
    base.wait_synced("db")
    second = base.credentials("db")[1]
    assert first != second
    return first, second
