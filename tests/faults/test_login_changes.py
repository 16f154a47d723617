"""R09: a change of what a login is made of reaches those who depend on it, once, and nobody else."""

from pathlib import Path
from typing import Final

import pytest

from testenv import Cluster, Postgres
from tests.faults.lab import ALONE, logins, many, own_mount, wait_all_failed, wait_all_synced
from tests.support import operator as harness
from tests.support.database import new_database, remove_database
from tests.support.evidence import Watch
from tests.support.operator import Operator
from tests.support.tenant import Tenant

SOON: Final = 5.0
LEASED_ANEW: Final = 120.0


def role(tenant: Tenant, mount: str, name: str, *, audience: str = "vault") -> None:
    """A role of an auth mount for the tenant."""
    tenant.bao.admin.kubernetes_role(
        mount,
        name,
        policies=[tenant.namespace],
        namespaces=[tenant.namespace],
        service_accounts=["default"],
        audience=audience,
    )


@pytest.mark.parametrize("wrong", [{"role": "nobody"}, {"audiences": ["elsewhere"]}])
def test_r09_a_corrected_login_reaches_twenty_failing_dependants_at_once(
    operator: Operator, tenant: Tenant, wrong: dict[str, object]
) -> None:
    """Role or audience, corrected in the VaultAuth: all are in sync within seconds, and the wrong one is not tried."""
    tenant.put("app", {"user": "alice"})
    mount = own_mount(tenant)
    role(tenant, mount, tenant.namespace)
    right = {"role": tenant.namespace, "serviceAccount": "default", "audiences": ["vault"]}
    tenant.patch("VaultAuth", "vault", {"spec": {"kubernetes": {**right, **wrong}}})
    many(tenant, 20, refreshAfter="1h")
    wait_all_failed(tenant, "login")
    since = tenant.bao.mark()
    tenant.patch("VaultAuth", "vault", {"spec": {"kubernetes": right}})
    wait_all_synced(tenant, SOON)
    assert len([one for one in logins(tenant.bao, mount, since) if not one.error]) == 1
    assert len([one for one in logins(tenant.bao, mount, since) if one.error]) <= 1


def test_r09_a_reference_that_leads_elsewhere_is_followed_at_once(operator: Operator, tenant: Tenant) -> None:
    """The resource reads by the other login, and the first one is not used for it again."""
    tenant.put("app", {"user": "alice"})
    mount = own_mount(tenant)
    tenant.create("VaultAuth", "other", spec=tenant.auth_spec())
    tenant.sync("app", refreshAfter="1h")
    tenant.wait_failed("app", "login")
    tenant.patch("VaultStaticSecret", "app", {"spec": {"vaultAuthRef": "other"}})
    tenant.wait_synced("app", timeout=SOON)
    before = tenant.bao.mark()
    tenant.put("probe", {"user": "alice"})
    tenant.sync("probe", vaultAuthRef="other")
    watch = Watch(operator, tenant)
    watch.wait_reads("probe", 5)
    assert logins(tenant.bao, mount, before) == []


def test_r09_a_changed_role_costs_each_lease_one_successor_and_each_reader_one_look(
    team: Tenant, arena: Cluster, postgres: Postgres, tmp_path: Path
) -> None:
    """Credentials move to the new login, static secrets are read once more, nothing is written twice.

    Those of another VaultAuth are not woken.
    """
    base = new_database(team, postgres)
    mount = own_mount(team)
    for name in (team.namespace, "second"):
        role(team, mount, name)
    base.role("app", ttl="1h")
    team.put("app", {"user": "alice"})
    with harness.running(arena, tmp_path, *ALONE) as operator:
        team.sync("app", refreshAfter="1h")
        names = [f"db{number}" for number in range(5)]
        for name in names:
            base.ask(name)
        team.create("VaultAuth", "other", spec=team.auth_spec())
        team.put("bystander", {"user": "bob"})
        team.sync("bystander", vaultAuthRef="other", refreshAfter="1h")
        base.ask("db-bystander", vaultAuthRef="other")
        team.wait_synced("app")
        team.wait_synced("bystander")
        for name in (*names, "db-bystander"):
            base.wait_synced(name)
        old = {name: base.lease_id(name) for name in names}
        watch = Watch(operator, team)
        team.patch("VaultAuth", "vault", {"spec": {"kubernetes": {"role": "second"}}})
        team.wait(lambda: all(base.lease_id(name) != old[name] for name in names), "new leases", LEASED_ANEW)
        for name in names:
            base.wait_synced(name)
            assert base.works(name)
        asked = [one for one in team.bao.requests(since=watch.vault) if one.path == f"{base.mount}/creds/app"]
        assert len(asked) == len(names)
        assert watch.reads("app") <= 1
        assert watch.reads("bystander") == 0
        assert logins(team.bao, "kubernetes", watch.vault) == []
        assert watch.writes("secrets", "app") == []
        assert len(logins(team.bao, mount, watch.vault)) == 1
    remove_database(base)
