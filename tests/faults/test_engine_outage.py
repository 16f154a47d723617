"""R11, the other half: one engine whose database is down is no outage of the server."""

from collections.abc import Iterator
from functools import partial
from typing import Final

import pytest

from testenv import InThread, Postgres
from testenv.waiting import attempts, seconds
from tests.faults.lab import STEP, in_sync, items, many, message, wait_all_synced, wait_slowly
from tests.support.database import KIND, Database, new_database, remove_database
from tests.support.operator import Operator
from tests.support.tenant import Tenant

LEASES: Final = 6
OTHERS: Final = 4
LOOKED: Final = 12.0
VOUCH: Final = 5.0
"""Seconds between two requests that ask whether the server is in order."""


@pytest.fixture
def wire(operator: Operator, tenant: Tenant) -> Iterator[InThread]:
    """A proxy before OpenBao; the tenant is connected through it."""
    with InThread(tenant.bao.address) as wire:
        tenant.connect(address=wire.url)
        yield wire


@pytest.fixture
def lone(wire: InThread, tenant: Tenant) -> Iterator[Database]:
    """A database engine on a PostgreSQL that the test may stop."""
    with Postgres() as postgres:
        lone = new_database(tenant, postgres)
        yield lone
        remove_database(lone)


def test_r11_an_engine_whose_database_is_down_holds_up_nobody_else(lone: Database, wire: InThread) -> None:
    """Six resources get 500 from it; all else on the connection goes on, and the server is asked little about it."""
    tenant = lone.tenant
    tenant.put("app", {"user": "alice"})
    many(tenant, OTHERS)
    wait_all_synced(tenant)
    lone.role(ttl="1h")
    lone.postgres.stop()
    for number in range(LEASES):
        lone.ask(f"d{number}")
    wait_slowly(lambda: all("status 500" in message(one) for one in items(tenant, KIND)), "all leases to fail")
    begun, asked = seconds(), len(wire.requests)
    for _ in attempts(LOOKED, interval=0.2):
        assert [message(one) for one in items(tenant)] == [""] * OTHERS
        found = tenant.condition("VaultConnection", "vault", "Ready")
        assert found is not None
        assert found["status"] == "True", found
    seen = [one.target for one in wire.requests[asked:]]
    assert sum("/creds/" in one for one in seen) >= LEASES, "they are tried again"
    assert sum("/data/app" in one for one in seen) >= OTHERS * 5, "the others are read every second"
    assert sum("lookup-self" in one for one in seen) <= (seconds() - begun) / VOUCH + 1
    lone.postgres.server.start()
    tenant.wait(lone.postgres.answers, "PostgreSQL to be back")
    wait_slowly(lambda: all(map(in_sync, items(tenant, KIND))), "all leases to be in sync", STEP + 10)
    tenant.wait(partial(lone.works, "d0"), "the credentials to work")
