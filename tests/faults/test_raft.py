"""R11 on a cluster of three OpenBao servers behind a load balancer: the leader steps down, and the leader dies.

Connections go to all servers in turn, as those of a Kubernetes Service do; a standby hands on what it is asked.
"""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from typing import Final

import pytest

from testenv import Cluster, InThread, OpenBao, Postgres, wait_for
from testenv.waiting import seconds
from tests.faults.lab import STEP, TRUE, items, many, wait_slowly
from tests.support.database import KIND, Database, new_database, remove_database
from tests.support.operator import Operator
from tests.support.tenant import Tenant, new_tenant, remove

STATIC: Final = 20
LEASES: Final = 5
CERTIFICATES: Final = 2
TTL: Final = 24
PROBE: Final = 6.0
"""Longest time between two looks at a server that is down."""
KINDS: Final = ("VaultStaticSecret", KIND, "VaultPKISecret")


@dataclass(frozen=True)
class Trio:
    """Three servers of one cluster, and the balancer before them."""

    nodes: Sequence[OpenBao]
    balancer: InThread

    @property
    def leader(self) -> OpenBao | None:
        """Who leads now; None in an election."""
        return next((one for one in self.nodes if one.leads), None)

    @property
    def serves(self) -> bool:
        """Whether every server that lives has its answer for who asks it."""
        return all(one.serves for one in self.nodes if one.server.alive)


@pytest.fixture(scope="module")
def trio(cluster: Cluster) -> Iterator[Trio]:
    """Three servers, each of which may lead."""
    with ExitStack() as stack:
        first = stack.enter_context(OpenBao(durable=True))
        nodes = [first, *(stack.enter_context(OpenBao(joins=first)) for _ in range(2))]
        first.admin.enable_kubernetes_auth("kubernetes", cluster)
        # Who joined may vote after a second already, not after ten.
        first.admin.write("sys/storage/raft/autopilot/configuration", {"server_stabilization_time": "1s"})
        wait_for(lambda: voters(first) == len(nodes), what="three voters", timeout=60)
        yield Trio(nodes, stack.enter_context(InThread(*(one.address for one in nodes))))


def voters(node: OpenBao) -> int:
    """How many servers may elect a leader: one that has just joined may not."""
    servers = node.admin.read("sys/storage/raft/configuration")["data"]["config"]["servers"]
    return sum(bool(one["voter"]) for one in servers)


@pytest.fixture(scope="module")
def database(operator: Operator, trio: Trio, cluster: Cluster, postgres: Postgres) -> Iterator[Database]:
    """Resources of all kinds in sync through the balancer; leases and certificates fall due every few seconds."""
    tenant = new_tenant(cluster, trio.nodes[0])
    database = new_database(tenant, postgres)
    pki = f"pki-{tenant.namespace}"
    tenant.bao.admin.enable_pki(pki, "Test CA")
    tenant.bao.admin.pki_role(pki, "web")
    policy = tenant.bao.admin.read(f"sys/policies/acl/{tenant.namespace}")["data"]["policy"]
    tenant.bao.admin.policy(tenant.namespace, f'{policy}\npath "{pki}/*" {{ capabilities = ["update"] }}')
    tenant.connect(address=trio.balancer.url, timeout="3s")
    tenant.put("app", {"user": "alice"})
    many(tenant, STATIC)
    for name in leases():
        database.role(name, ttl=f"{TTL}s", max_ttl="1h")
        tenant.deployment(name)
        targets = [{"kind": "Deployment", "name": name}]
        database.ask(name, role=name, renewalPercent=20, rolloutRestartTargets=targets)
    for number in range(CERTIFICATES):
        tenant.certify(f"cert{number}", mount=pki, role="web", ttl="40s", expiryOffset="34s")
    wait_slowly(lambda: all_ready(tenant), "all to be in sync")
    yield database
    last = through(trio, database)
    remove_database(last)
    remove(last.tenant)


def leases() -> list[str]:
    """The names of the resources with leases."""
    return [f"d{number}" for number in range(LEASES)]


def all_ready(tenant: Tenant) -> bool:
    """Whether all resources say that they are in order."""
    found = [one for kind in KINDS for one in items(tenant, kind)]
    states = [one.get("status", {}).get("conditions", []) for one in found]
    ready = [{one["type"] for one in state if one["status"] == "True"} >= TRUE for state in states]
    return len(ready) == STATIC + LEASES + CERTIFICATES and all(ready)


def through(trio: Trio, database: Database) -> Database:
    """The same by way of a server that lives, for the test's own questions."""
    alive = next(one for one in trio.nodes if one.server.alive)
    return replace(database, tenant=replace(database.tenant, bao=alive))


@pytest.mark.parametrize("how", ["steps down", "dies"])
def test_r11_another_leader_costs_no_lease_no_restart_and_no_data(
    trio: Trio, database: Database, operator: Operator, how: str
) -> None:
    """All are in order within a step of the first good answer, by the same process, with the leases that they had."""
    assert operator.process is not None
    process, tenant = operator.process.pid, database.tenant
    names = [one["metadata"]["name"] for one in items(tenant)]
    wait_for(lambda: trio.serves and trio.leader is not None, what="a leader", timeout=60)
    wait_slowly(lambda: all_ready(tenant), "all to be in sync")
    leader = trio.leader
    assert leader is not None
    before = {name: (database.lease_id(name), database.credentials(name)) for name in leases()}
    versions = {name: version(tenant, name) for name in names}
    renewed = {name: database.status(name)["lastRenewalTime"] for name in leases()}
    begun, asked = seconds(), len(trio.balancer.requests)
    if how == "dies":
        leader.kill()
    else:
        leader.step_down()
    wait_for(lambda: trio.leader not in {None, leader} and trio.serves, what="another leader", timeout=60)
    served = seconds()
    print(f"{how}: led again after {served - begun:.1f} s, {len(trio.balancer.requests) - asked} requests meanwhile")
    wait_slowly(lambda: all_ready(tenant), "all to be in sync", PROBE + STEP)
    for name in leases():
        tenant.wait(partial(since, database, name, renewed[name]), f"{name} to be renewed", timeout=TTL)
    wait_slowly(lambda: all_ready(tenant), "all to be in sync", PROBE + STEP)
    now = through(trio, database)
    for name, (lease, credentials) in before.items():
        assert (now.lease_id(name), now.leases(name), now.credentials(name)) == (lease, [lease], credentials)
        assert now.works(name)
        assert (tenant.get("Deployment", name) or {})["metadata"]["generation"] == 1
    assert {name: version(tenant, name) for name in names} == versions
    assert (operator.process.pid, operator.process.poll()) == (process, None)
    if how == "dies":
        leader.start()


def version(tenant: Tenant, name: str) -> str:
    """Of Secret `name`, which changes with every write."""
    return str((tenant.get("Secret", name) or {})["metadata"]["resourceVersion"])


def since(database: Database, name: str, earlier: int) -> bool:
    """Whether a lease was renewed after `earlier`."""
    return bool(database.status(name)["lastRenewalTime"] > earlier)
