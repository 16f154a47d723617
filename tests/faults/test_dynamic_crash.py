"""Kill -9 at every step between "credentials issued" and "status written", and what the next start makes of it.

One operator stands still at many steps at once, each with a resource of its own, before it is killed. PostgreSQL
and OpenBao are the judges: an account without a Secret is a leak, a Secret without an account is an outage.
"""

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

from testenv import Cluster, OpenBao, Postgres
from testenv.waiting import attempts
from tests.faults.gateway import Gateway, Rule, Where
from tests.faults.lab import FLAGS, changes
from tests.support import operator as harness
from tests.support.database import KIND, Database, new_database, remove_database
from tests.support.operator import Operator
from tests.support.tenant import Tenant

ALONE: Final = ("--leader-elect=false", *FLAGS)
PERIOD: Final = 16
"""Seconds that a token lives unless it is renewed: so long a lease that nobody knows of can last."""
ROTATE: Final = {"metadata": {"annotations": {"vault-secrets-operator.github.io/rotate": "1"}}}


@dataclass(frozen=True)
class Step:
    """One request of a sync; `{name}` is the resource's own. `vault` tells to which server it goes."""

    method: str
    target: str
    body: str = ""
    vault: bool = False


FIRST: Final = {
    "ask": Step("GET", "/creds/{name}", vault=True),
    "note": Step("PATCH", "/vaultdynamicsecrets/{name}/status", '"pending":{'),
    "put": Step("POST", "/secrets", '"name":"{name}"'),
    "tell": Step("PATCH", "/vaultdynamicsecrets/{name}/status", '"secretLease":{'),
}
AGAIN: Final = {
    "ask": FIRST["ask"],
    "note": FIRST["note"],
    "put": Step("PATCH", "/secrets/{name}"),
    "roll": Step("PATCH", "/deployments/{name}"),
    "tell": Step("PATCH", "/vaultdynamicsecrets/{name}/status", '"pending":null'),
}
KNOWN: Final = "note-after", "put-before", "put-after", "roll-before", "roll-after", "tell-before", "tell-after"
"""Where the lease is on record: there nothing may be lost, not even until the token ends."""


@dataclass
class Stage:
    """A team with a database, an operator behind gateways, and a gateway before each server."""

    database: Database
    kube: Gateway
    vault: Gateway
    operator: Operator

    @property
    def tenant(self) -> Tenant:
        """The team."""
        return self.database.tenant

    def stall(self, steps: dict[str, Step]) -> dict[str, Rule]:
        """Hold each step on either side of its server, for the resource named after both."""
        rules = {}
        for where in Where:
            for word, step in steps.items():
                name = f"{word}-{where.name.lower()}"
                gate = self.vault if step.vault else self.kube
                target, body = step.target.format(name=name), step.body.replace("{name}", name)
                rules[name] = gate.add(Rule(step.method, target, body, hold=where))
        return rules

    def crash(self, rules: dict[str, Rule]) -> None:
        """Wait until every step is reached, and kill -9 the operator."""
        for rule in rules.values():
            rule.wait()
        self.operator.kill()
        self.kube.heal()
        self.vault.heal()

    def ask(self, name: str, **spec: object) -> None:
        """A resource with a role, a Secret and a workload of its own."""
        self.database.role(name, ttl="1h")
        self.tenant.deployment(name)
        targets = [{"kind": "Deployment", "name": name}]
        self.database.ask(name, role=name, rolloutRestartTargets=targets, **spec)

    def accounts(self, name: str) -> list[str]:
        """The accounts in PostgreSQL that were made for a resource."""
        rows = f"SELECT rolname FROM pg_roles WHERE rolname LIKE '%-{name[:8]}-%' ORDER BY rolname"
        return self.database.postgres.psql(rows).splitlines()


@pytest.fixture
def stage(arena: Cluster, arena_bao: OpenBao, team: Tenant, tmp_path: Path) -> Iterator[Stage]:
    """All of it, ready for resources; PostgreSQL is the test's own, so that accounts can be counted."""
    with ExitStack() as stack:
        postgres = stack.enter_context(Postgres())
        database = new_database(team, postgres)
        stack.callback(remove_database, database)
        kube = stack.enter_context(Gateway(arena.server, authority=arena.authority))
        vault = stack.enter_context(Gateway(arena_bao.address))
        team.connect(address=vault.url)
        operator = stack.enter_context(harness.running(arena, tmp_path, *ALONE, server=kube.url))
        yield Stage(database, kube, vault, operator)


def short_tokens(team: Tenant) -> None:
    """Tokens of the team last for `PERIOD`, and as long as they are renewed."""
    names = {"policies": [team.namespace], "namespaces": [team.namespace], "service_accounts": ["default"]}
    role = {**names, "audience": "vault", "token_period": f"{PERIOD}s"}
    team.bao.admin.kubernetes_role("kubernetes", team.namespace, **role)


def test_killed_at_each_step_of_a_first_sync_it_leaves_no_account_behind(stage: Stage) -> None:
    """In the end each Secret has the only account there is; a lease that nobody knows of ends with its token."""
    short_tokens(stage.tenant)
    rules = stage.stall(FIRST)
    for name in rules:
        stage.ask(name, revoke=True)
    stage.crash(rules)
    stage.operator.start()
    settled(stage, list(rules))
    one_each(stage, list(rules), PERIOD + 30)


def test_killed_at_each_step_of_a_replacement_no_secret_dies(stage: Stage) -> None:
    """What is in a Secret logs in at every look; every lease on record is ended, and every workload restarted."""
    names = [f"{word}-{where.name.lower()}" for where in Where for word in AGAIN]
    for name in names:
        stage.ask(name, extensions={"revokeSupersededAfter": "1s"})
    for name in names:
        stage.database.wait_synced(name)
    mark = stage.tenant.cluster.audit_mark()
    rules = stage.stall(AGAIN)
    for name in names:
        stage.tenant.patch(KIND, name, ROTATE)
    stage.crash(rules)
    stage.operator.start()
    settled(stage, names)
    one_each(stage, list(KNOWN), 30)
    for name in names:
        assert len(stage.database.leases(name)) <= 2, state(stage, name)
        assert changes(stage.operator, stage.tenant, name, mark)[-1] == "deployments", name
        workload = stage.tenant.get("Deployment", name)
        assert workload is not None
        assert workload["metadata"]["generation"] == 2, name


def test_killed_while_it_clears_up_after_a_kill_it_clears_up_all_the_same(stage: Stage) -> None:
    """The revocation of what was pending, and the note that it is done, are interrupted too."""
    names = ["end-before", "end-after", "done-before", "done-after"]
    rules = {name: stage.kube.add(Rule("POST", "/secrets", f'"name":"{name}"', hold=Where.BEFORE)) for name in names}
    for name in names:
        stage.ask(name)
    stage.crash(rules)
    lost = {name: stage.database.leases(name)[0] for name in names}
    steps = {
        "end": Step("PUT", "/sys/leases/revoke", "/creds/{name}/", vault=True),
        "done": Step("PATCH", "/vaultdynamicsecrets/{name}/status", '"pending":null'),
    }
    rules = stage.stall(steps)
    stage.operator.start()
    stage.crash(rules)
    stage.operator.start()
    settled(stage, names)
    one_each(stage, names, 30)
    assert not {name for name in names if stage.database.lease_id(name) == lost[name]}


def settled(stage: Stage, names: list[str]) -> None:
    """Wait until all are in sync; until then what is in a Secret logs in."""
    for _ in attempts(30):
        open_ = [name for name in names if not in_sync(stage, name)]
        alive(stage, names)
        if not open_:
            return
    raise AssertionError(open_)


def one_each(stage: Stage, names: list[str], timeout: float) -> None:
    """Wait until each resource has one lease and one account, those of its Secret."""
    for _ in attempts(timeout):
        alive(stage, names)
        open_ = [name for name in names if not alone(stage, name)]
        if not open_:
            return
    raise AssertionError({name: state(stage, name) for name in open_})


def alive(stage: Stage, names: list[str]) -> None:
    """Assert that what is in the Secrets logs in; once more, for the moment of a swap."""
    dead = [name for name in names if stage.tenant.data(name) and not stage.database.works(name)]
    dead = [name for name in dead if not stage.database.works(name)]
    assert not dead, {name: state(stage, name) for name in dead}


def alone(stage: Stage, name: str) -> bool:
    """Whether there is nothing but the lease in status and the account in the Secret."""
    leases, accounts = stage.database.leases(name), stage.accounts(name)
    return leases == [stage.database.lease_id(name)] and accounts == [stage.database.credentials(name)[0]]


def in_sync(stage: Stage, name: str) -> bool:
    """Whether the resource says so, of its present generation."""
    status = stage.database.status(name)
    true = {one["type"] for one in status.get("conditions", []) if one["status"] == "True"}
    return "SecretSynced" in true and not status.get("extensions", {}).get("pending")


def state(stage: Stage, name: str) -> tuple[object, ...]:
    """For failure messages; without the password."""
    user = stage.database.credentials(name)[0]
    return user, stage.accounts(name), stage.database.leases(name), stage.database.status(name)
