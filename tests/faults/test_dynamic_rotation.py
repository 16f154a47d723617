"""R03, R15, R16 and R17: credentials that Vault rotates, read before, during and after the rotation."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from typing import Final

import msgspec
import pytest

from testenv import Postgres
from testenv.waiting import attempts, seconds
from tests.faults.gateway import Gateway, Reply, Rule
from tests.support.database import KIND, Database, new_database, remove_database
from tests.support.evidence import Watch
from tests.support.operator import Operator
from tests.support.tenant import Json, Tenant

SLOW: Final = ("SELECT pg_sleep({pause})", "ALTER ROLE \"{{{{name}}}}\" WITH PASSWORD '{{{{password}}}}'")
LATEST: Final = 6.0
"""Seconds from a rotation until its password is in the Secret (R16)."""


def slow(pause: float) -> tuple[str, ...]:
    """Statements of a rotation that takes `pause` seconds."""
    return tuple(one.format(pause=pause) for one in SLOW)


@dataclass
class Trail:
    """What a Secret of rotated credentials went through, sample by sample."""

    database: Database
    name: str
    passwords: list[str] = field(default_factory=list)
    dead_since: float | None = None
    longest_dead: float = 0.0
    rotations: list[int] = field(default_factory=list)

    def sample(self) -> None:
        """Look once: a password that is new must work, and the resource never says that it failed."""
        meta = self.database.status(self.name).get("staticCredsMetaData", {})
        rotation = meta.get("lastVaultRotation", 0)
        if rotation and rotation not in self.rotations:
            self.rotations.append(rotation)
        user, password = self.database.credentials(self.name)
        if not password:
            return
        works = self.database.postgres.can_login(user, password)
        if password not in self.passwords:
            assert works or self.database.works(self.name), "a password was stored that does not log in"
            self.passwords.append(password)
        assert len(self.rotations) <= len(self.passwords), "the status runs ahead of the Secret"
        now = seconds()
        if works:
            self.dead_since = None
        else:
            self.dead_since = self.dead_since or now
            self.longest_dead = max(self.longest_dead, now - self.dead_since)
        found = self.database.tenant.condition(KIND, self.name, "SecretSynced")
        assert found is None or found["status"] == "True", found


def reads(database: Database, name: str, since: int) -> list[float]:
    """When the credentials of a static role were read, in Unix seconds."""
    path = f"{database.mount}/static-creds/{name}"
    found = [one for one in database.tenant.bao.requests(since=since) if one.path == path]
    return [datetime.fromisoformat(one.time).timestamp() for one in found]


def busiest(times: list[float], window: float) -> int:
    """The most reads within any `window` seconds."""
    return max((sum(start <= one < start + window for one in times) for start in times), default=0)


def generation(tenant: Tenant, workload: str) -> int:
    """How often the Deployment was changed, its creation included."""
    found = tenant.get("Deployment", workload)
    assert found is not None
    return int(found["metadata"]["generation"])


@pytest.fixture
def alone(operator: Operator, tenant: Tenant) -> Iterator[Database]:
    """A database engine on a PostgreSQL that the test may stop."""
    with Postgres() as postgres:
        alone = new_database(tenant, postgres)
        tenant.connect()
        yield alone
        remove_database(alone)


def test_r16_a_database_that_is_down_at_the_rotation_is_waited_for(operator: Operator, alone: Database) -> None:
    """Stopped across a rotation: no failure, few reads, and the new password as soon as there is one."""
    tenant = alone.tenant
    alone.static_role("app", rotation_period="7s")
    alone.ask_static("app", role="app")
    alone.wait_synced("app")
    before, mark = alone.credentials("app"), tenant.bao.mark()
    alone.postgres.stop()
    for _ in attempts(12):
        found = tenant.condition(KIND, "app", "SecretSynced")
        assert found is not None
        assert found["status"] == "True", found
        assert alone.credentials("app") == before
    alone.postgres.server.start()
    tenant.wait(alone.postgres.answers, "PostgreSQL to be back")
    tenant.wait(lambda: not alone.works("app"), "the rotation that was due", timeout=30)
    tenant.wait(lambda: alone.works("app"), "the new password", timeout=LATEST)
    assert busiest(reads(alone, "app", mark), 10) <= 10


def test_r16_a_failure_in_the_middle_of_a_rotation_is_over_with_the_next_good_read(
    operator: Operator, database: Database
) -> None:
    """The password is still the old one and works, so the status says so; further reads of it write nothing."""
    tenant = database.tenant
    database.static_role("app", rotation_period="24h")
    with Gateway(tenant.bao.address) as gate:
        tenant.patch("VaultConnection", "vault", {"spec": {"address": gate.url}})
        database.ask_static("app", role="app")
        database.wait_synced("app")
        before = database.credentials("app")
        overdue = Rule("GET", "/static-creds/app", change=due)
        failing = Rule("GET", "/static-creds/app", answer=Reply(500, b'{"errors":["internal error"]}'), times=2)
        gate.add(overdue)
        watch = Watch(operator, tenant)
        tenant.patch(KIND, "app", {"metadata": {"annotations": {"vault-secrets-operator.github.io/refresh": "1"}}})
        tenant.wait(lambda: len(overdue.caught) >= 2, "some looks for the rotation")
        assert watch.writes() == []
        gate.heal()
        gate.add(failing)
        tenant.wait_failed("app", "internal error", kind=KIND)
        gate.add(again := Rule("GET", "/static-creds/app", change=due))
        again.wait()
        database.wait_synced("app", timeout=5)
        watch.again()
        looked = len(again.caught)
        tenant.wait(lambda: len(again.caught) >= looked + 2, "more looks for the rotation")
        assert watch.writes() == []
        assert database.credentials("app") == before
        assert database.works("app")


def due(reply: Reply) -> Reply:
    """The same credentials, whose rotation is due now."""
    answer: Json = msgspec.json.decode(reply.body)
    answer["data"]["ttl"] = 0
    return Reply(reply.status, msgspec.json.encode(answer))


@dataclass
class Scheduler:
    """Rotates a role at given instants, and answers for it as a server with schedules does.

    The ttl is that of the next instant as soon as one is past, although the password changes only later. Between two
    instants there must be time for the change and for a look at it: who looks only when the next one is past cannot
    know that another change is under way.
    """

    database: Database
    role: str
    intervals: tuple[int, ...]

    def __post_init__(self) -> None:
        self.instants = [seconds() + sum(self.intervals[: number + 1]) for number in range(len(self.intervals))]

    def change(self, reply: Reply) -> Reply:
        """The answer of a period role, as that of one with a schedule."""
        answer: Json = msgspec.json.decode(reply.body)
        ahead = [one - seconds() for one in self.instants if one > seconds()]
        answer["data"].pop("rotation_period")
        answer["data"] |= {"rotation_schedule": "1,2,5,6,12 * * * *", "ttl": int(ahead[0]) if ahead else 3600}
        return Reply(reply.status, msgspec.json.encode(answer))

    def run(self) -> None:
        """Rotate at each instant; for a thread."""
        pause = threading.Event()
        for instant in self.instants:
            pause.wait(max(instant - seconds(), 0.0))
            self.database.tenant.bao.admin.rotate_static_role(self.database.mount, self.role)


def test_r15_r16_the_old_password_is_never_stored_as_the_new_one(operator: Operator, database: Database) -> None:
    """Schedules, even and uneven, whose ttl starts anew three seconds early; a period whose rotation takes seconds.

    While the ttl is over or ahead, nothing is written or reported; status never runs ahead of the Secret.
    """
    tenant = database.tenant
    roles = {name: engine(database, name) for name in ("even", "uneven", "period")}
    roles["period"].static_role("period", rotation_period="9s", statements=slow(5))
    for name in ("even", "uneven"):
        roles[name].static_role(name, rotation_period="24h", statements=slow(3))
    with Gateway(tenant.bao.address) as gate, ThreadPoolExecutor(2) as pool:
        tenant.patch("VaultConnection", "vault", {"spec": {"address": gate.url}})
        watch = Watch(operator, tenant)
        for name in roles:
            tenant.deployment(name)
        schedules = [Scheduler(roles["even"], "even", (8, 8)), Scheduler(roles["uneven"], "uneven", (11, 7, 9))]
        for one in schedules:
            gate.add(Rule("GET", f"/static-creds/{one.role}", change=one.change))
        for name, role in roles.items():
            role.ask_static(name, role=name, rolloutRestartTargets=[{"kind": "Deployment", "name": name}])
        running = [pool.submit(one.run) for one in schedules]
        trails = [Trail(role, name) for name, role in roles.items()]
        expected = {"even": 3, "uneven": 4, "period": 2}
        for _ in attempts(90, interval=0.1):
            for trail in trails:
                trail.sample()
            if all(len(one.passwords) >= expected[one.name] for one in trails):
                break
        for done in running:
            done.result()
    for trail in trails:
        count = len(trail.passwords)
        assert count >= expected[trail.name], (trail.name, trail.rotations)
        assert trail.longest_dead < LATEST, trail.name
        assert watch.writes("secrets", trail.name) == ["create secrets", *["patch secrets"] * (count - 1)]
        tenant.wait(partial(restarted, tenant, trail.name, count - 1), f"{trail.name} to be restarted")
    assert busiest(reads(roles["period"], "period", watch.vault), 10) <= 10


def engine(database: Database, name: str) -> Database:
    """A database engine beside the first: one engine rotates one account at a time."""
    tenant, mount = database.tenant, f"{database.mount}-{name}"
    tenant.bao.admin.enable_database(mount, database.postgres)
    tenant.bao.admin.policy(tenant.namespace, f'path "{database.mount}-*" {{ capabilities = ["read"] }}')
    return replace(database, mount=mount)


def restarted(tenant: Tenant, workload: str, times: int) -> bool:
    """Whether the Deployment was changed that often since its creation."""
    return generation(tenant, workload) == times + 1


def test_r17_a_read_with_equal_data_moves_the_next_one(operator: Operator, database: Database) -> None:
    """A new login reads again in mid-period: the ttl of that answer counts, and nothing is read before it ends."""
    tenant = database.tenant
    database.static_role("app", rotation_period="12s")
    tenant.deployment("web")
    watch = Watch(operator, tenant)
    database.ask_static("app", role="app", rolloutRestartTargets=[{"kind": "Deployment", "name": "web"}])
    database.wait_synced("app")
    first, begun = database.status("app")["staticCredsMetaData"]["ttl"], seconds()
    tenant.wait(lambda: seconds() - begun > 3, "a quarter of the period")
    tenant.patch("VaultAuth", "vault", {"spec": {"kubernetes": {"audiences": ["vault", "other"]}}})
    tenant.wait(lambda: len(reads(database, "app", watch.vault)) == 2, "the read after the new login", timeout=5)
    tenant.wait(lambda: database.status("app")["staticCredsMetaData"]["ttl"] < first - 2, "the status to follow")
    ttl = database.status("app")["staticCredsMetaData"]["ttl"]
    tenant.wait(lambda: len(reads(database, "app", watch.vault)) >= 3, "the next read", timeout=ttl + 3)
    times = reads(database, "app", watch.vault)
    assert -0.1 <= times[2] - times[1] - ttl <= 1.3
    tenant.wait(lambda: generation(tenant, "web") == 2, "the rotation", timeout=10)


def test_r03_times_alone_write_nothing(operator: Operator, database: Database) -> None:
    """ttl, period and last rotation move, the password stays: no write, no restart; a rotation: one of each.

    With `allowStaticCreds` and without, read every second or two.
    """
    tenant, later = database.tenant, [0.0]
    polled = {"maxPollInterval": "1s"}
    specs: dict[str, Json] = {
        "allowed": {"extensions": polled},
        "refreshed": {"allowStaticCreds": False, "refreshAfter": "2s", "renewalPercent": 40},
    }
    with Gateway(tenant.bao.address) as gate:
        gate.add(Rule("GET", "/static-creds/", change=partial(shifted, later=later)))
        tenant.patch("VaultConnection", "vault", {"spec": {"address": gate.url}})
        for name, spec in specs.items():
            database.static_role(name, rotation_period="24h")
            tenant.deployment(name)
            targets = [{"kind": "Deployment", "name": name}]
            database.ask_static(name, role=name, rolloutRestartTargets=targets, **spec)
        for name in specs:
            database.wait_synced(name)
        watch = Watch(operator, tenant)
        wait_reads(tenant, gate, 3)
        for name in specs:
            account = f"{tenant.namespace}-{name}"
            tenant.bao.admin.database_static_role(database.mount, name, username=account, rotation_period="12h")
        wait_reads(tenant, gate, 3)
        later[0] = 3600.0
        wait_reads(tenant, gate, 3)
        later[0] = 0.0
        assert watch.writes("secrets") == []
        assert [generation(tenant, name) for name in specs] == [1, 1]
        for name in specs:
            tenant.bao.admin.rotate_static_role(database.mount, name)
        for name in specs:
            tenant.wait(partial(restarted, tenant, name, 1), f"{name} to be restarted")
        wait_reads(tenant, gate, 3)
        for name in specs:
            assert database.works(name)
            assert watch.writes("secrets", name) == ["patch secrets"]
            assert generation(tenant, name) == 2


def shifted(reply: Reply, later: list[float]) -> Reply:
    """The same credentials, said to be rotated later."""
    answer: Json = msgspec.json.decode(reply.body)
    at = datetime.fromisoformat(answer["data"]["last_vault_rotation"]).timestamp() + later[0]
    answer["data"]["last_vault_rotation"] = datetime.fromtimestamp(at, UTC).isoformat()
    return Reply(reply.status, msgspec.json.encode(answer))


def wait_reads(tenant: Tenant, gate: Gateway, count: int) -> None:
    """Wait for more reads of each static role through the gateway."""
    for role in ("allowed", "refreshed"):
        sofar = many_reads(gate, role)
        tenant.wait(partial(many_reads, gate, role, sofar + count), f"{count} reads of {role}")


def many_reads(gate: Gateway, role: str, least: int = 0) -> int:
    """How often a static role was read; 0 if less than `least`."""
    count = len(gate.seen("GET", f"/static-creds/{role}"))
    return count if count >= least else 0
