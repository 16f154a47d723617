"""R13, R19, R20 and R23: what status says of a lease is true, and each lease is seen to."""

from functools import partial
from random import Random
from typing import Final

import msgspec

from testenv.waiting import seconds
from tests.faults.gateway import Gateway, Reply, Rule
from tests.faults.lab import STEP
from tests.support.database import KIND, Database
from tests.support.evidence import Watch
from tests.support.operator import Operator
from tests.support.tenant import Json, Tenant

ROUNDS: Final = 7
"""Each makes two leases at most; status has room for 16 that are still to be revoked."""


def test_r13_the_lease_in_status_is_that_of_the_secret_after_a_storm_of_changes(
    operator: Operator, database: Database
) -> None:
    """VaultAuth, resource and labels change together: in the end one lease, one account, and they belong together."""
    tenant, rng = database.tenant, Random(13)
    for name in ("one", "two"):
        database.role(name, ttl="1h")
    database.ask("app", role="one", extensions={"revokeSupersededAfter": "1s"})
    database.wait_synced("app")
    for number in range(ROUNDS):
        path = f"creds/{('one', 'two')[number % 2]}"
        audiences = ["vault", f"other{number}"]
        tenant.patch("VaultAuth", "vault", {"spec": {"kubernetes": {"audiences": audiences}}})
        tenant.patch(KIND, "app", {"spec": {"path": path}, "metadata": {"labels": {"round": f"{number}"}}})
        begun, pause = seconds(), rng.uniform(0.0, 0.3)
        while seconds() - begun < pause:
            tenant.patch(KIND, "app", {"metadata": {"labels": {"at": f"{seconds():.3f}"}}})
    database.wait_synced("app")
    tenant.wait(partial(only_one, database), "the superseded leases to be revoked", timeout=25)
    user = database.credentials("app")[0]
    assert database.works("app")
    before = set(database.postgres.roles())
    tenant.bao.admin.revoke(database.lease_id("app"))
    assert before - set(database.postgres.roles()) == {user}


def only_one(database: Database) -> bool:
    """Whether the lease in status is the only one."""
    return [*database.leases("one"), *database.leases("two")] == [database.lease_id("app")]


def not_renewable(reply: Reply) -> Reply:
    """A lease that cannot be renewed any more."""
    answer: Json = msgspec.json.decode(reply.body)
    return Reply(reply.status, msgspec.json.encode({**answer, "renewable": False}))


def test_r19_r20_what_cannot_be_renewed_is_replaced_in_its_window_over_and_over(
    operator: Operator, database: Database
) -> None:
    """Not renewable from the start, not renewable any more, without a lease, and near the maximum life."""
    tenant = database.tenant
    mount = f"pki-{tenant.namespace}"
    tenant.bao.admin.enable_pki(mount, "Test CA")
    tenant.bao.admin.pki_role(mount, "web", generate_lease=True)
    policy = tenant.bao.admin.read(f"sys/policies/acl/{tenant.namespace}")["data"]["policy"]
    tenant.bao.admin.policy(tenant.namespace, f'{policy}\npath "{mount}/*" {{ capabilities = ["update"] }}')
    tenant.put("kv", {"user": "alice"})
    for name, longest in (("turns", "1h"), ("short", "9s")):
        database.role(name, ttl="6s", max_ttl=longest)
    with Gateway(tenant.bao.address) as gate:
        gate.add(Rule("PUT", "/sys/leases/renew", "/creds/turns/", change=not_renewable))
        tenant.patch("VaultConnection", "vault", {"spec": {"address": gate.url}})
        watch = Watch(operator, tenant)
        for name in ("turns", "short"):
            database.ask(name, role=name)
        tenant.lease("cert", mount=mount, path="issue/web", params={"common_name": "a", "ttl": "6s"})
        tenant.lease("plain", path="data/kv", refreshAfter="6s")
        tenant.lease("once", path="data/kv")
        for name in ("turns", "short", "cert", "plain", "once"):
            database.wait_synced(name)
        begun = seconds()
        while seconds() - begun < 20:
            for name in ("turns", "short"):
                assert database.works(name) or database.works(name), database.status(name)
        asked = {name: len(gate.seen("GET", f"/creds/{name}")) for name in ("turns", "short")}
        asked["cert"] = len(gate.seen("PUT", "/issue/web"))
    assert 2 <= asked["turns"] <= 5
    assert 3 <= asked["short"] <= 6
    assert 4 <= asked["cert"] <= 6
    assert watch.reads("kv") - 1 in range(3, 7)
    found = tenant.condition(KIND, "once", "SecretSynced")
    assert found is not None
    assert "no refresh is planned" in found["message"]
    warnings = [one for one in tenant.events("short") if one["type"] == "Warning"]
    assert warnings == []


def test_r23_an_answer_without_data_is_an_error_and_keeps_the_secret(operator: Operator, database: Database) -> None:
    """Null data, no body, no JSON: the old Secret stays, and all heals by back-off."""
    tenant = database.tenant
    bodies = (b"", b'{"lease_id":"","data":null}', b"<html>")
    with Gateway(tenant.bao.address) as gate:
        tenant.patch("VaultConnection", "vault", {"spec": {"address": gate.url}})
        for number in range(len(bodies)):
            database.role(f"r{number}")
            database.ask(f"r{number}", role=f"r{number}")
        before = {}
        for number in range(len(bodies)):
            database.wait_synced(f"r{number}")
            before[number] = database.credentials(f"r{number}")
        for number, body in enumerate(bodies):
            gate.add(Rule("GET", f"/creds/r{number}", answer=Reply(200, body)))
            rotate = {"metadata": {"annotations": {"vault-secrets-operator.github.io/rotate": "1"}}}
            tenant.patch(KIND, f"r{number}", rotate)
        for number in range(len(bodies)):
            tenant.wait_failed(f"r{number}", "", kind=KIND)
            assert database.credentials(f"r{number}") == before[number]
        gate.heal()
        for number in range(len(bodies)):
            database.wait_synced(f"r{number}", timeout=STEP + 5)
            assert database.credentials(f"r{number}") != before[number]


def test_the_budget_of_a_renewal_is_one_request_to_either_side(operator: Operator, database: Database) -> None:
    """One status patch and one request to Vault; a certificate outside its window costs nothing (design section 4)."""
    tenant = database.tenant
    mount = f"pki-{tenant.namespace}"
    tenant.bao.admin.enable_pki(mount, "Test CA")
    tenant.bao.admin.pki_role(mount, "web")
    policy = tenant.bao.admin.read(f"sys/policies/acl/{tenant.namespace}")["data"]["policy"]
    tenant.bao.admin.policy(tenant.namespace, f'{policy}\npath "{mount}/*" {{ capabilities = ["update"] }}')
    database.role(ttl="4s", max_ttl="1h")
    with Gateway(tenant.bao.address) as gate:
        tenant.patch("VaultConnection", "vault", {"spec": {"address": gate.url}})
        database.ask("app")
        tenant.certify("cert", mount=mount, role="web")
        database.wait_synced("app")
        tenant.wait_synced("cert", kind="VaultPKISecret")
        renewals = len(gate.seen("PUT", "/sys/leases/renew"))
        tenant.wait(lambda: len(gate.seen("PUT", "/sys/leases/renew")) > renewals, "the first renewal")
        tenant.wait(partial(renewal_told, tenant), "its record")
        watch, mark = Watch(operator, tenant), len(gate.requests)
        tenant.wait(lambda: len(gate.seen("PUT", "/sys/leases/renew")) >= renewals + 3, "two renewals")
        seen = [one.target for one in gate.requests[mark:] if "seal-status" not in one.target]
        tenant.wait(lambda: len(watch.requests()) >= 2, "their record")
    assert set(seen) == {"/v1/sys/leases/renew"}
    assert set(watch.requests()) == {"patch vaultdynamicsecrets/status"}
    assert len(watch.requests()) in {2, 3}


def renewal_told(tenant: Tenant) -> bool:
    """Whether the status tells of a renewal."""
    return tenant.condition(KIND, "app", "LeaseRenewal") is not None
