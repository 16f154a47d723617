"""R01 and R12: leases whose token ends, be it with the operator's process, by its own life, or by force."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any, Final

import msgspec
import pytest

from testenv import Cluster, Postgres
from testenv.waiting import attempts, seconds
from tests.faults.gateway import Gateway, Reply, Rule
from tests.faults.lab import FLAGS, STEP
from tests.support import operator as harness
from tests.support.database import KIND, Database, new_database, remove_database
from tests.support.evidence import Watch
from tests.support.tenant import Json, Tenant

ALONE: Final = ("--leader-elect=false", *FLAGS)
LIFE: Final = 20.0
MARGIN: Final = 5.0
MANY: Final = 12


@pytest.fixture
def base(team: Tenant, postgres: Postgres) -> Iterator[Database]:
    """A database of the team in the arena; nothing is connected yet."""
    base = new_database(team, postgres)
    yield base
    remove_database(base)


def auth_role(team: Tenant, name: str, **token: object) -> None:
    """A Kubernetes auth role of the team whose tokens have these settings."""
    settings: dict[str, Any] = {"policies": [team.namespace], "audience": "vault", **token}
    team.bao.admin.kubernetes_role(
        "kubernetes", name, namespaces=[team.namespace], service_accounts=["default"], **settings
    )


def login_as(team: Tenant, name: str, *, connection: str = "vault") -> None:
    """A VaultAuth for the auth role of the same name."""
    kubernetes = {"role": f"{team.namespace}-{name}", "serviceAccount": "default", "audiences": ["vault"]}
    team.create("VaultAuth", name, spec=team.auth_spec(kubernetes=kubernetes, vaultConnectionRef=connection))


def leases_asked(gate: Gateway, role: str) -> int:
    """How many credentials of a role were asked for."""
    return sum(one.target.endswith(f"/creds/{role}") for one in gate.seen("GET", "/creds/"))


def not_renewable(reply: Reply) -> Reply:
    """The answer to a login, as a role without renewable tokens gives it."""
    answer: Json = msgspec.json.decode(reply.body)
    answer["auth"]["renewable"] = False
    return Reply(reply.status, msgspec.json.encode(answer))


def test_r12_a_lease_moves_to_a_new_token_in_time_whatever_the_token(
    base: Database, arena: Cluster, tmp_path: Path
) -> None:
    """Tokens that near their maximum, that cannot be renewed, batch tokens: one lease per token, never a dead one."""
    team, kinds = base.tenant, ("maximum", "fixed", "batch")
    with Gateway(team.bao.address) as gate, harness.running(arena, tmp_path, *ALONE):
        gate.add(Rule("PUT", "/login", f'"{team.namespace}-fixed"', change=not_renewable))
        team.connect(address=gate.url)
        auth_role(team, f"{team.namespace}-maximum", token_ttl="10s", token_max_ttl=f"{LIFE:g}s")
        auth_role(team, f"{team.namespace}-fixed", token_ttl=f"{LIFE:g}s", token_max_ttl=f"{LIFE:g}s")
        auth_role(team, f"{team.namespace}-batch", token_ttl=f"{LIFE:g}s", token_type="batch")
        for kind in kinds:
            login_as(team, kind)
            base.role(kind, ttl="1h")
            base.ask(kind, role=kind, vaultAuthRef=kind)
        for kind in kinds:
            base.wait_synced(kind)
        begun = seconds()
        while seconds() - begun < 2 * LIFE - MARGIN:
            alive(base, kinds)
        asked = {kind: leases_asked(gate, kind) for kind in kinds}
        logins = len(gate.seen("PUT", "/login"))
    print(asked, logins)
    assert all(2 <= count <= 4 for count in asked.values()), asked
    assert logins <= sum(asked.values())


def test_r12_short_lived_tokens_do_not_make_a_stream_of_leases(base: Database, arena: Cluster, tmp_path: Path) -> None:
    """A token that lives hardly longer than the margin: still about one lease per token."""
    team, life = base.tenant, 9.0
    with Gateway(team.bao.address) as gate, harness.running(arena, tmp_path, *ALONE):
        team.connect(address=gate.url)
        auth_role(team, team.namespace, token_ttl=f"{life:g}s", token_max_ttl=f"{life:g}s")
        base.role("app", ttl="1h")
        base.ask("app")
        base.wait_synced("app")
        begun = seconds()
        while seconds() - begun < 2 * life:
            alive(base, ["app"])
        asked, logins = leases_asked(gate, "app"), len(gate.seen("PUT", "/login"))
    assert 2 <= asked <= 5, asked
    assert abs(logins - asked) <= 1  # the last login may have been for a lease that came after the look


def test_r12_while_logins_fail_a_fading_token_is_not_asked_for_more_leases(
    base: Database, arena: Cluster, tmp_path: Path
) -> None:
    """The role is gone when the token nears its end: nothing is leased in vain, and all heals with the role."""
    team = base.tenant
    with Gateway(team.bao.address) as gate, harness.running(arena, tmp_path, *ALONE):
        team.connect(address=gate.url)
        auth_role(team, team.namespace, token_ttl=f"{LIFE:g}s", token_max_ttl=f"{LIFE:g}s")
        base.role("app", ttl="1h")
        base.ask("app")
        base.wait_synced("app")
        team.bao.admin.delete(f"auth/kubernetes/role/{team.namespace}")
        team.wait_failed("app", "Failed to get Vault auth login", timeout=LIFE, kind=KIND)
        attempted = len(gate.seen("PUT", "/login"))
        team.wait(lambda: len(gate.seen("PUT", "/login")) >= attempted + 2, "two more logins", timeout=20)
        team.wait(lambda: not base.works("app"), "the token to end, and the lease with it", timeout=LIFE)
        attempted = len(gate.seen("PUT", "/login"))
        team.wait(lambda: len(gate.seen("PUT", "/login")) > attempted, "another login", timeout=20)
        assert leases_asked(gate, "app") == 1
        condition = team.condition(KIND, "app", "SecretSynced")
        assert condition is not None
        assert condition["status"] == "False"  # nobody says that dead credentials are in sync
        auth_role(team, team.namespace)
        base.wait_synced("app")
        team.wait(lambda: base.works("app"), "credentials that work", timeout=STEP + 5)
        assert leases_asked(gate, "app") == 2


def test_r12_a_token_revoked_by_hand_is_noticed_at_its_next_renewal(
    base: Database, arena: Cluster, tmp_path: Path
) -> None:
    """Its leases went with it; the new credentials come one step after the renewal that fails, at the latest."""
    team, period = base.tenant, 12
    with harness.running(arena, tmp_path, *ALONE):
        team.connect()
        auth_role(team, team.namespace, token_period=f"{period}s")
        base.role("app", ttl="1h")
        base.ask("app")
        base.wait_synced("app")
        first = base.credentials("app")
        for accessor in team.bao.admin.accessors(policy=team.namespace):
            team.bao.admin.revoke_accessor(accessor)
        team.wait(lambda: not base.postgres.can_login(*first), "the first credentials to die")
        team.wait(lambda: base.credentials("app") != first and base.works("app"), "others", timeout=period + STEP)
        base.wait_synced("app")


def test_r01_a_successor_leases_anew_once_spread_and_before_the_old_token_ends(
    base: Database, arena: Cluster, tmp_path: Path
) -> None:
    """Without persisted clients: one lease and one restart for each; the rest sees no write and no restart."""
    team, period = base.tenant, 30
    with Gateway(team.bao.address) as gate, harness.running(arena, tmp_path, *ALONE) as operator:
        auth_role(team, team.namespace, token_period=f"{period}s")
        leased = furnish(base, gate)
        quiet = ["static", "cert", "kv"]
        ends = {name: base.status(name)["extensions"]["parentExpires"] for name in leased}
        operator.kill()
        watch = Watch(operator, team)
        asked = {name: leases_asked(gate, name) for name in leased}
        before = {name: base.lease_id(name) for name in leased}
        operator.start()
        moved: dict[str, float] = {}
        started = seconds()
        for _ in attempts(period):
            alive(base, leased)
            now = seconds()
            for name in [one for one in leased if one not in moved and base.lease_id(one) != before[one]]:
                moved[name] = now
                assert base.status(name)["lastRenewalTime"] < ends[name]
            if len(moved) == len(leased):
                break
        print("moved after", sorted(round(one - started, 1) for one in moved.values()))
        assert len(moved) == len(leased)
        tenths = [int(10 * (one - started) / (period - MARGIN)) for one in moved.values()]
        assert max(tenths.count(one) for one in tenths) <= MANY / 2
        for name in leased:
            team.wait(partial(restarts, team, name), f"{name} to be restarted")
            base.wait_synced(name)
        assert {name: leases_asked(gate, name) - asked[name] for name in leased} == dict.fromkeys(leased, 1)
        assert [restarts(team, name) for name in leased] == [1] * MANY
        for name in quiet:
            assert watch.writes(name=name) == [], name
            assert restarts(team, name) == 0


def test_r01_leases_of_a_token_that_may_be_dead_are_replaced_at_once(
    base: Database, arena: Cluster, tmp_path: Path
) -> None:
    """The recorded end of the token is past, though it was renewed: no time is lost, and nothing dies."""
    team, period = base.tenant, 12
    with harness.running(arena, tmp_path, *ALONE) as operator:
        team.connect()
        auth_role(team, team.namespace, token_period=f"{period}s")
        base.role("app", ttl="1h")
        base.ask("app")
        base.wait_synced("app")
        lease, begun = base.lease_id("app"), seconds()
        while seconds() - begun < period + 2:
            alive(base, ["app"])
        assert base.lease_id("app") == lease
        operator.kill()
        operator.start()
        team.wait(lambda: base.lease_id("app") not in {"", lease}, "a new lease", timeout=4)
        alive(base, ["app"])


def furnish(base: Database, gate: Gateway) -> list[str]:
    """Resources of all kinds with a workload each, in sync; the names of those with leases."""
    team = base.tenant
    mount = f"pki-{team.namespace}"
    team.bao.admin.enable_pki(mount, "Test CA")
    team.bao.admin.pki_role(mount, "web")
    policy = team.bao.admin.read(f"sys/policies/acl/{team.namespace}")["data"]["policy"]
    team.bao.admin.policy(team.namespace, f'{policy}\npath "{mount}/*" {{ capabilities = ["read", "update"] }}')
    team.connect(address=gate.url)
    names = [f"d{number}" for number in range(MANY)]
    target = {name: [{"kind": "Deployment", "name": name}] for name in [*names, "static", "cert", "kv"]}
    for name in target:
        team.deployment(name)
    for name in names:
        base.role(name, ttl="1h")
        base.ask(name, role=name, rolloutRestartTargets=target[name])
    base.static_role("static", rotation_period="24h")
    base.ask_static("static", role="static", rolloutRestartTargets=target["static"])
    team.certify("cert", mount=mount, role="web", rolloutRestartTargets=target["cert"])
    team.put("kv", {"user": "alice"})
    team.sync("kv", rolloutRestartTargets=target["kv"])
    for name in [*names, "static"]:
        base.wait_synced(name)
    team.wait_synced("cert", kind="VaultPKISecret")
    team.wait_synced("kv")
    return names


def alive(base: Database, names: list[str] | tuple[str, ...]) -> None:
    """Assert that what is in the Secrets logs in, at the latest a second later: the moment of a swap may pass."""
    dead = list(names)
    for _ in attempts(1.5, interval=0.25):
        dead = [name for name in dead if not base.works(name)]
        if not dead:
            return
    raise AssertionError({name: base.status(name) for name in dead})


def restarts(team: Tenant, workload: str) -> int:
    """How often a Deployment was changed since its creation."""
    found = team.get("Deployment", workload)
    assert found is not None
    return int(found["metadata"]["generation"]) - 1
