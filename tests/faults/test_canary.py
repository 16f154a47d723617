"""Nothing that is secret leaves the process by any other way than the Secret it belongs to."""

import json
from pathlib import Path
from typing import Final

from testenv import Cluster
from tests.faults.lab import FLAGS
from tests.support import operator as harness
from tests.support.tenant import Tenant

CANARY: Final = "canary-3f9c1e7b"
NAMED: Final = f"{CANARY}-in-a-value"


def test_no_value_shows_in_logs_events_statuses_or_annotations(team: Tenant, arena: Cluster, tmp_path: Path) -> None:
    """A sync, a restart and a failure of each sort, at the most talkative log level; then everything is searched."""
    with harness.running(arena, tmp_path, "--leader-elect=false", "--zap-log-level=6", *FLAGS) as operator:
        team.connect()
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
        log = operator.log.read_text()
    assert len(log.splitlines()) > 10
    places = {"log": log}
    for kind in ("Event", "VaultStaticSecret", "VaultAuth", "VaultConnection", "Deployment"):
        places[kind] = json.dumps(arena.request("GET", team.path(kind)))
    for secret in arena.request("GET", team.path("Secret"))["items"]:
        places[f"marks of {secret['metadata']['name']}"] = json.dumps(secret["metadata"])
    for place, text in places.items():
        assert CANARY not in text, place
        assert "eyJhbGciOi" not in text, f"a token in {place}"
        assert "hvs." not in text, f"a Vault token in {place}"
