"""VaultStaticSecret end to end: a value in OpenBao, a Secret on a real API server, a restarted workload."""

from tests.support.operator import Operator
from tests.support.tenant import Tenant


def test_a_value_in_vault_becomes_a_secret_and_follows_every_change(operator: Operator, tenant: Tenant) -> None:
    """The reason of the whole project, in five lines."""
    tenant.connect()
    tenant.put("app", {"user": "alice", "port": 5432})
    tenant.sync("app")
    tenant.wait_synced("app")
    tenant.wait_data("app", user="alice", port="5432")
    tenant.put("app", {"user": "bob"})
    tenant.wait_data("app", user="bob")
    assert "port" not in (tenant.data("app") or {})


def test_the_first_sync_costs_three_requests_and_one_read(operator: Operator, tenant: Tenant) -> None:
    """Budget of the design: create the Secret, patch the status, one event; one read of Vault."""
    tenant.connect()
    tenant.put("first", {"a": "1"})
    tenant.sync("first")
    tenant.wait_synced("first")
    kube, vault = tenant.cluster.audit_mark(), tenant.bao.mark()
    tenant.put("second", {"a": "1"})
    tenant.sync("second", refreshAfter="1h")
    tenant.wait_synced("second")
    tenant.wait(lambda: tenant.events("second"), "an event about it")
    asked = [one for one in operator.requests(kube) if "second" in one.name]
    assert sorted((one.verb, one.resource, one.subresource) for one in asked) == [
        ("create", "events", ""),
        ("create", "secrets", ""),
        ("patch", "vaultstaticsecrets", "status"),
    ]
    reads = [one for one in tenant.bao.requests(since=vault) if one.operation == "read" and "second" in one.path]
    assert len(reads) == 1
