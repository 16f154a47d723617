"""R11, R21 and R29 for leases and certificates: servers that are away, lie, or lose what they gave."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Final

import pytest

from testenv import Cluster, InThread, OpenBao, Pass, Postgres, Silence
from testenv.waiting import seconds
from tests.faults.gateway import Gateway, Reply, Rule
from tests.faults.lab import FLAGS, STEP, items, message, rates, wait_slowly
from tests.support import operator as harness
from tests.support.database import KIND, Database, new_database, remove_database
from tests.support.operator import Operator
from tests.support.tenant import Tenant, new_tenant

TTL: Final = 24
OUTAGE: Final = 11.0
FAILURES: Final = {
    "500": Rule("*", "/v1/", answer=Reply(500, b'{"errors":["internal error"]}')),
    "403": Rule("*", "/v1/", answer=Reply(403, b'{"errors":["permission denied"]}')),
    "cut": Rule("*", "/v1/", cut=True),
    "leaderless": Rule("*", "/v1/", answer=Reply(503, b'{"errors":["no active node"]}')),
}
AWAY: Final = ("sealed", "500", "cut", "leaderless")
"""Those that the whole server is known by; after a refusal each resource backs off for itself."""
MORE: Final = range(3)
PER_MINUTE: Final = 15
"""Requests to a server that is away, both kinds together; two more may be under way when all have noticed."""


@pytest.fixture(scope="module")
def durable(cluster: Cluster) -> Iterator[OpenBao]:
    """A server that can be sealed and killed."""
    with OpenBao(durable=True) as durable:
        durable.admin.enable_kubernetes_auth("kubernetes", cluster)
        yield durable


def prepare(database: Database, name: str, *, ttl: int = TTL, percent: int = 20) -> str:
    """A lease that is renewed within the outage and a certificate that falls due in it; the lease."""
    tenant = database.tenant
    mount = f"pki-{tenant.namespace}"
    tenant.bao.admin.enable_pki(mount, "Test CA")
    tenant.bao.admin.pki_role(mount, "web")
    policy = tenant.bao.admin.read(f"sys/policies/acl/{tenant.namespace}")["data"]["policy"]
    tenant.bao.admin.policy(tenant.namespace, f'{policy}\npath "{mount}/*" {{ capabilities = ["update"] }}')
    database.role(name, ttl=f"{ttl}s", max_ttl="1h")
    tenant.deployment(name)
    database.ask(name, role=name, renewalPercent=percent, rolloutRestartTargets=[{"kind": "Deployment", "name": name}])
    tenant.certify("cert", mount=mount, role="web", ttl="40s", expiryOffset="34s")
    database.wait_synced(name)
    tenant.wait_synced("cert", kind="VaultPKISecret")
    return database.lease_id(name)


def recovered(database: Database, name: str, lease: str) -> None:
    """Wait until all is well: the same lease, the same workload, a certificate that is new."""
    tenant = database.tenant
    for kind, one in ((KIND, name), ("VaultPKISecret", "cert")):
        tenant.wait_synced(one, kind=kind, timeout=2 * STEP + 6)
        conditions = {c["type"]: c["status"] for c in tenant.status(kind, one)["conditions"]}
        assert {"SecretSynced", "Ready", "Healthy"} <= {one for one, is_so in conditions.items() if is_so == "True"}
    assert database.lease_id(name) == lease
    assert database.leases(name) == [lease]
    assert database.works(name)
    workload = tenant.get("Deployment", name)
    assert workload is not None
    assert workload["metadata"]["generation"] == 1


def test_r11_leases_outlive_sealed_failing_refusing_and_broken_off_servers(
    operator: Operator, cluster: Cluster, bao: OpenBao, durable: OpenBao, postgres: Postgres
) -> None:
    """Side by side: no new lease, no restart, no lost data, few requests; all are in sync a step after the end."""
    with ExitStack() as stack:
        databases, gates = {}, {}
        for name in ("sealed", *FAILURES):
            tenant = new_tenant(cluster, durable if name == "sealed" else bao)
            databases[name] = new_database(tenant, postgres)
            stack.callback(remove_database, databases[name])
            gates[name] = stack.enter_context(Gateway(tenant.bao.address))
            tenant.connect(address=gates[name].url, timeout="3s")
        leases = {name: prepare(one, name) for name, one in databases.items()}
        before = {name: one.credentials(name) for name, one in databases.items()}
        durable.seal()
        for name, rule in FAILURES.items():
            gates[name].add(rule)
        begun = seconds()
        for name, one in databases.items():
            one.tenant.wait(partial(failed, one, name), f"{name} to notice", timeout=OUTAGE)
        marks = {name: len(gate.requests) for name, gate in gates.items()}
        noticed = seconds()
        while seconds() - begun < OUTAGE:
            for name, one in databases.items():
                assert one.credentials(name) == before[name]
        most = 2 + (seconds() - noticed) * PER_MINUTE / 60
        counts = {name: len(gate.requests) - marks[name] for name, gate in gates.items()}
        print(f"requests in {seconds() - noticed:.1f} s: {counts}")
        assert {name: counts[name] for name in AWAY if counts[name] > most} == {}
        durable.unseal()
        for gate in gates.values():
            gate.heal()
        for name, one in databases.items():
            recovered(one, name, leases[name])


def test_r11_leases_outlive_a_server_that_is_killed_and_one_whose_packets_are_swallowed(
    operator: Operator, cluster: Cluster, bao: OpenBao, durable: OpenBao, postgres: Postgres
) -> None:
    """As above: after kill -9 and a start, and after silence on the wire, each goes on with the lease that it has.

    Meanwhile leases, certificates and passwords that are polled together cost no more than 15 attempts a minute.
    """
    with ExitStack() as stack:
        databases, wires = {}, {}
        for name, server in (("killed", durable), ("swallowed", bao)):
            tenant = new_tenant(cluster, server)
            databases[name] = new_database(tenant, postgres)
            stack.callback(remove_database, databases[name])
            wires[name] = stack.enter_context(InThread(server.address))
            tenant.connect(address=wires[name].url, timeout="3s")
        leases = {name: prepare(one, name, ttl=60, percent=10) for name, one in databases.items()}
        for name, one in databases.items():
            poll(one, name)
        before = {name: one.credentials(name) for name, one in databases.items()}
        durable.kill()
        wires["swallowed"].set(Silence())
        for name, one in databases.items():
            one.tenant.wait(partial(all_failed, one), f"{name} to notice", timeout=30)
        # What reaches a proxy whose server is gone ends before it is read.
        killed, swallowed = wires["killed"], wires["swallowed"]
        found = rates({"killed": lambda: killed.connections, "swallowed": lambda: len(swallowed.requests)}, 3)
        print(f"attempts per minute: {found}")
        assert {name: one.credentials(name) for name, one in databases.items()} == before
        durable.start()
        wires["swallowed"].set(Pass())
        assert max(found.values()) <= PER_MINUTE
        for name, one in databases.items():
            recovered(one, name, leases[name])
            assert len(one.leases("more")) == len(MORE)
            for more in MORE:
                assert one.works(f"{name}-p{more}")
                one.tenant.wait_synced(f"{name}-l{more}", kind=KIND, timeout=2 * STEP + 6)


def poll(database: Database, name: str) -> None:
    """Three more leases, and three accounts whose passwords are read every two seconds (R18)."""
    database.role("more", ttl="60s", max_ttl="1h")
    for number in MORE:
        database.ask(f"{name}-l{number}", role="more", renewalPercent=10)
        database.static_role(f"p{number}", rotation_period="24h")
        polled = {"maxPollInterval": "2s"}
        database.ask_static(f"{name}-p{number}", role=f"p{number}", extensions=polled)
    for number in MORE:
        database.wait_synced(f"{name}-l{number}")
        database.wait_synced(f"{name}-p{number}")


def all_failed(database: Database) -> bool:
    """Whether all dynamic secrets say that they are out of sync."""
    return all(message(one) for one in items(database.tenant, KIND))


def failed(database: Database, name: str) -> bool:
    """Whether the resource says that it is out of sync."""
    found = database.tenant.condition(KIND, name, "SecretSynced")
    return found is not None and found["status"] == "False"


def test_r21_a_secret_that_cannot_be_read_is_not_taken_for_missing(
    team: Tenant, arena: Cluster, postgres: Postgres, tmp_path: Path
) -> None:
    """GET of the Secret answers 500, 403, or breaks off: no new lease, and none when it can be read again."""
    database, tenant = new_database(team, postgres), team
    tenant.connect()
    with (
        Gateway(arena.server, authority=arena.authority) as gate,
        harness.running(arena, tmp_path, "--leader-elect=false", *FLAGS, server=gate.url) as operator,
    ):
        database.role("app", ttl="1h")
        tenant.create("Secret", "app")
        database.ask("app", destination={"create": False})
        database.wait_synced("app")
        lease = database.lease_id("app")
        path = f"/namespaces/{tenant.namespace}/secrets/app"
        for number, rule in enumerate(
            (
                Rule("GET", path, answer=Reply(500, b'{"kind":"Status","code":500,"message":"no"}')),
                Rule("GET", path, answer=Reply(403, b'{"kind":"Status","code":403,"message":"no"}')),
                Rule("GET", path, cut=True),
            )
        ):
            gate.add(rule)
            refresh = {"metadata": {"annotations": {"vault-secrets-operator.github.io/refresh": f"{number}"}}}
            tenant.patch(KIND, "app", refresh)
            rule.wait()
            operator.kill()
            operator.start()
            tenant.wait(partial(often, rule), "more looks in vain")
            gate.heal()
            database.wait_synced("app")
        assert database.lease_id("app") == lease
        assert database.leases() == [lease]
    remove_database(database)


def test_r21_a_secret_out_of_the_watchs_sight_is_asked_for_before_it_is_taken_for_missing(
    team: Tenant, arena: Cluster, postgres: Postgres, tmp_path: Path
) -> None:
    """With `create` it is asked for once its labels are gone: no new lease while that fails, nor afterwards.

    One that is really deleted gets its new lease once the API server says so, and not before.
    """
    database, tenant = new_database(team, postgres), team
    tenant.connect()
    with (
        Gateway(arena.server, authority=arena.authority) as gate,
        harness.running(arena, tmp_path, "--leader-elect=false", *FLAGS, server=gate.url),
    ):
        leases = {}
        for name in ("stripped", "deleted"):
            database.role(name, ttl="1h")
            database.ask(name, role=name)
        for name in ("stripped", "deleted"):
            database.wait_synced(name)
            leases[name] = database.lease_id(name)
        for reply in (Reply(500, NO), Reply(403, NO), None):
            path = f"/namespaces/{tenant.namespace}/secrets/"
            rules = [gate.add(Rule("GET", f"{path}{name}", answer=reply, cut=reply is None)) for name in leases]
            labels = (tenant.get("Secret", "stripped") or {})["metadata"]["labels"]
            tenant.patch("Secret", "stripped", {"metadata": {"labels": None}})
            tenant.delete("Secret", "deleted")
            for name, rule in zip(leases, rules, strict=True):
                tenant.wait(partial(often, rule), f"more looks at {name} in vain")
                tenant.wait_failed(name, "", kind=KIND)
                assert database.leases(name) == [leases[name]]
            gate.heal()
            for name in leases:
                tenant.wait(lambda name=name: database.works(name), f"{name} to work")  # type: ignore[misc]
                database.wait_synced(name)
            assert (tenant.get("Secret", "stripped") or {})["metadata"]["labels"] == labels
            assert database.leases("stripped") == [leases["stripped"]]
            tenant.bao.admin.revoke(leases["deleted"])
            leases["deleted"] = database.lease_id("deleted")
            assert database.leases("deleted") == [leases["deleted"]]
    remove_database(database)


NO: Final = b'{"kind":"Status","code":500,"message":"no"}'


def often(rule: Rule) -> bool:
    """Whether the rule caught some requests."""
    return len(rule.caught) >= 3


def test_r29_a_namespace_with_100_leases_goes_while_vault_swallows_packets(
    operator: Operator, cluster: Cluster, bao: OpenBao, postgres: Postgres
) -> None:
    """All are to be revoked and none can be: within a minute the namespace is gone all the same."""
    tenant = new_tenant(cluster, bao)
    with InThread(bao.address) as proxy:
        database = new_database(tenant, postgres)
        tenant.connect(address=proxy.url, timeout="3s")
        database.role(ttl="1h")
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda number: database.ask(f"d{number}", revoke=True), range(100)))
        wait_slowly(lambda: all(map(is_synced, items(tenant, KIND))), "all to be in sync", 60)
        proxy.set(Silence())
        begun = seconds()
        tenant.cluster.request("DELETE", f"/api/v1/namespaces/{tenant.namespace}")
        gone = f"/api/v1/namespaces?fieldSelector=metadata.name={tenant.namespace}"
        wait_slowly(lambda: not tenant.cluster.request("GET", gone)["items"], "the namespace to be gone", 60)
        print(f"gone after {seconds() - begun:.1f} s")
    remove_database(database)


def is_synced(resource: dict[str, dict[str, list[dict[str, str]]]]) -> bool:
    """Whether a resource says that it is in sync."""
    conditions = resource.get("status", {}).get("conditions", [])
    return any(one["type"] == "SecretSynced" and one["status"] == "True" for one in conditions)
