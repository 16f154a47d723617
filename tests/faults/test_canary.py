"""Nothing that is secret leaves the process by any other way than the Secret it belongs to."""

import json
from base64 import b64encode
from pathlib import Path
from typing import Final

import pytest

from testenv import Cluster, Postgres
from testenv.port import free_port
from testenv.web import Site
from tests.faults.lab import FLAGS
from tests.support import canary
from tests.support import operator as harness
from tests.support.database import Database, new_database, remove_database
from tests.support.logins import PASSWORD, approle_auth, secret_id, userpass
from tests.support.tenant import Tenant

CANARY: Final = "canary-3f9c1e7b"
NAMED: Final = f"{CANARY}-in-a-value"


def test_no_value_shows_in_logs_events_statuses_annotations_or_metrics(
    team: Tenant, arena: Cluster, postgres: Postgres, tmp_path: Path
) -> None:
    """A sync, a restart and a failure of each sort, at the most talkative log level; then everything is searched."""
    base, address = new_database(team, postgres), f"127.0.0.1:{free_port()}"
    told = (f"--metrics-bind-address={address}", "--per-object-metrics", "--zap-log-level=6")
    with harness.running(arena, tmp_path, "--leader-elect=false", *told, *FLAGS) as operator:
        team.connect()
        credentials = {*logged_in(team), *leased(base)}
        team.deployment("web")
        team.put("app", {"user": NAMED, "json": {"deep": NAMED}})
        team.sync("app", rolloutRestartTargets=[{"kind": "Deployment", "name": "web"}])
        team.wait_synced("app")
        team.put("app", {"user": f"{NAMED}-2"})
        team.wait_data("app", user=f"{NAMED}-2")
        team.wait_synced("app")

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
        team.create(
            "VaultAuth",
            "refused",
            spec=team.auth_spec(
                mount="kubernetes", kubernetes={"role": "nobody", "serviceAccount": "default", "audiences": ["vault"]}
            ),
        )
        team.sync("refused", path="app", vaultAuthRef="refused")
        team.wait_failed("refused", "login")
        version = team.put("gone", {"user": NAMED})
        team.sync("gone")
        team.wait_synced("gone")
        team.bao.admin.write(f"{team.mount}/destroy/gone", {"versions": [version]})
        team.wait_failed("gone", "destroyed")
        metrics = Site(base=f"http://{address}").ask("GET", "/metrics").text
        log = operator.log.read_text()
    remove_database(base)
    assert len(log.splitlines()) > 10
    assert f'namespace="{team.namespace}"' in metrics
    for place, text in {"log": log, "metrics": metrics, **objects(team)}.items():
        assert CANARY not in text, place
        assert [one[:3] for one in credentials if one in text] == [], f"a credential in {place}"
        assert "eyJhbGciOi" not in text, f"a token in {place}"
        assert "hvs." not in text, f"a Vault token in {place}"


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


def objects(team: Tenant) -> dict[str, str]:
    """All that is told of the team in the cluster, but for what Secrets hold, by place."""
    kinds = ("Event", "VaultStaticSecret", "VaultDynamicSecret", "VaultAuth", "VaultConnection", "Deployment")
    places = {kind: json.dumps(team.cluster.request("GET", team.path(kind))) for kind in kinds}
    for secret in team.cluster.request("GET", team.path("Secret"))["items"]:
        places[f"marks of {secret['metadata']['name']}"] = json.dumps(secret["metadata"])
    return places


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
