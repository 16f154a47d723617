"""VaultDynamicSecret on real servers: OpenBao's database engine over PostgreSQL."""

from functools import partial
from typing import Final

from testenv.waiting import seconds
from tests.support.database import KIND, Database
from tests.support.evidence import Watch, timed
from tests.support.operator import POD_UID, Operator
from tests.support.tenant import Tenant


def test_credentials_work_and_their_lease_is_renewed(operator: Operator, database: Database) -> None:
    """Requested once, renewed in place: neither the Secret nor the lease changes (behaviour.md section 6.3)."""
    tenant = database.tenant
    database.role(ttl="4s", max_ttl="1h")
    watch = Watch(operator, tenant)
    database.ask("app", revoke=True)
    database.wait_synced("app")
    assert database.works("app")
    assert database.status("app")["lastRuntimePodUID"] == POD_UID
    first, lease = database.credentials("app"), database.lease_id("app")
    watch.again()
    begun = database.status("app")["lastRenewalTime"]
    tenant.wait(lambda: database.status("app")["lastRenewalTime"] >= begun + 6, "two renewals", timeout=30)
    assert database.credentials("app") == first
    assert database.lease_id("app") == lease
    assert database.works("app")
    assert set(watch.writes()) == {"patch vaultdynamicsecrets/status"}
    assert database.leases() == [lease]
    tenant.delete(KIND, "app")
    tenant.wait(lambda: database.leases() == [], "the lease to be revoked")
    tenant.wait_gone(KIND, "app")
    assert first[0] not in database.postgres.roles()


def test_near_the_maximum_life_new_credentials_replace_the_old(operator: Operator, database: Database) -> None:
    """A renewal that grants less leads to new credentials at once, and to no gap (regressions R20)."""
    tenant = database.tenant
    database.role(ttl="4s", max_ttl="8s")
    tenant.deployment("web")
    database.ask("app", rolloutRestartTargets=[{"kind": "Deployment", "name": "web"}])
    database.wait_synced("app")
    first = database.credentials("app")
    tenant.wait(lambda: database.credentials("app") != first, "new credentials", timeout=30)
    assert database.works("app")
    tenant.wait(lambda: generation(database, "web") == 2, "one restart")


def test_a_rotated_password_arrives_within_seconds_and_times_alone_write_nothing(
    operator: Operator, database: Database
) -> None:
    """Static roles: `last_vault_rotation` decides, the ttl does not (regressions R03, R15 to R17)."""
    tenant = database.tenant
    account = database.static_role("app", rotation_period="6s")
    tenant.deployment("web")
    watch = Watch(operator, tenant)
    database.ask_static("app", role="app", rolloutRestartTargets=[{"kind": "Deployment", "name": "web"}])
    database.wait_synced("app")
    assert database.credentials("app")[0] == account
    assert database.works("app")
    for _ in range(2):
        before = database.credentials("app")
        tenant.wait(partial(changed, database, before), "a rotation", timeout=30)
        assert database.works("app")
    tenant.wait(lambda: generation(database, "web") == 3, "one restart per rotation")
    assert watch.writes("secrets") == ["create secrets", "patch secrets", "patch secrets"]
    status = database.status("app")
    assert status["staticCredsMetaData"]["lastVaultRotation"] > 0
    assert status["staticCredsMetaData"]["rotationPeriod"] == 6
    assert status["secretMAC"]


def test_r18_a_rotation_by_hand_is_noticed_within_the_poll_ceiling(operator: Operator, database: Database) -> None:
    """With maxPollInterval; reads in between write no Secret (D18)."""
    tenant = database.tenant
    database.static_role("app", rotation_period="24h")
    database.ask_static("app", role="app", extensions={"maxPollInterval": "2s"})
    database.wait_synced("app")
    watch = Watch(operator, tenant)
    before = database.credentials("app")
    tenant.bao.admin.rotate_static_role(database.mount, "app")
    tenant.wait(lambda: database.credentials("app") != before, "the new password", timeout=7)
    assert database.works("app")
    assert watch.writes("secrets") == ["patch secrets"]


def test_r21_a_deleted_destination_is_back_with_credentials_that_work(operator: Operator, database: Database) -> None:
    """At 10 % and at 90 % of the lease (regressions R21 b)."""
    tenant = database.tenant
    database.role(ttl=f"{LEASE}s", max_ttl="1h")
    names = {"early": 0.1 * LEASE, "late": 0.9 * LEASE}
    for name in names:
        database.ask(name, renewalPercent=90)
    for name in names:
        database.wait_synced(name)
    before, begun = {name: database.credentials(name) for name in names}, seconds()
    for name, after in names.items():
        tenant.wait(partial(passed, begun + after), f"the time to delete {name}")
        tenant.delete("Secret", name)
        timed(f"{name}, deleted", partial(wait_replaced, database, name, before[name]), limit=5)


LEASE: Final = 8.0


def passed(instant: float) -> bool:
    """Whether it is that late."""
    return seconds() >= instant


def wait_replaced(database: Database, name: str, before: tuple[str, str]) -> None:
    """Wait until Secret `name` has credentials that log in and are not those before."""
    database.tenant.wait(
        lambda: database.credentials(name) not in {before, ("", "")} and database.works(name), f"{name} to be back"
    )


def test_r21_the_lease_of_a_deleted_destination_is_revoked_if_that_is_asked_for(
    operator: Operator, database: Database
) -> None:
    """With `revoke` once the new Secret is stored; without, it is left to run out (regressions R21 c)."""
    tenant = database.tenant
    for name in ("revoked", "left"):
        database.role(name)
        database.ask(name, role=name, revoke=name == "revoked")
    leases, before = {}, {}
    for name in ("revoked", "left"):
        database.wait_synced(name)
        leases[name], before[name] = database.lease_id(name), database.credentials(name)
        tenant.delete("Secret", name)
    for name in ("revoked", "left"):
        wait_replaced(database, name, before[name])
    tenant.wait(partial(only_the_new_one, database, leases["revoked"]), "the old lease to go")
    tenant.wait(lambda: database.lease_id("left") != leases["left"], "the status to name the new lease")
    database.wait_synced("left")
    assert sorted(database.leases("left")) == sorted([leases["left"], database.lease_id("left")])
    assert not database.status("left").get("extensions", {}).get("toRevoke")
    assert database.postgres.can_login(*before["left"])


def only_the_new_one(database: Database, old: str) -> bool:
    """Whether the lease in status is the only one, and another than `old`."""
    return database.leases("revoked") == [database.lease_id("revoked")] != [old]


def test_r06_two_leases_of_one_workload_that_are_revoked_together_are_both_seen(
    operator: Operator, database: Database
) -> None:
    """Each round writes both Secrets; the last restart follows the last of the writes, by the API server's log."""
    tenant = database.tenant
    database.role(ttl="1h")
    tenant.deployment("web")
    names = ("one", "two")
    for name in names:
        database.ask(name, rolloutRestartTargets=[{"kind": "Deployment", "name": "web"}])
    for name in names:
        database.wait_synced(name)
    for number in range(3):
        before, mark = {name: database.credentials(name) for name in names}, tenant.cluster.audit_mark()
        count = generation(database, "web")
        for name in names:
            tenant.bao.admin.revoke(database.lease_id(name))
        for name in names:
            refresh = {"vault-secrets-operator.github.io/refresh": f"{number}"}
            tenant.patch(KIND, name, {"metadata": {"annotations": refresh}})
        for name in names:
            wait_replaced(database, name, before[name])
        tenant.wait(partial(restarted_last, operator, tenant, mark), f"the last restart of round {number}")
        for name in names:
            database.wait_synced(name)
        assert generation(database, "web") > count


def restarted_last(operator: Operator, tenant: Tenant, since: int) -> bool:
    """Whether both Secrets were written, and a restart came in after the last of them was answered."""
    found = [one for one in operator.requests(since) if one.namespace == tenant.namespace and one.verb == "patch"]
    writes = [one.answered for one in found if one.resource == "secrets"]
    restarts = [one.received for one in found if one.resource == "deployments" and one.code < 400]
    return len(writes) == 2 and bool(restarts) and max(restarts) >= max(writes)


def test_a_lease_revoked_in_vault_is_replaced_at_its_next_renewal(operator: Operator, database: Database) -> None:
    """Lease not found means new credentials, at once (regressions R21 a)."""
    tenant = database.tenant
    database.role(ttl="5s", max_ttl="1h")
    database.ask("app")
    database.wait_synced("app")
    lease = database.lease_id("app")
    tenant.bao.admin.revoke(lease)
    tenant.wait(lambda: database.lease_id("app") not in {lease, ""}, "a new lease", timeout=12)
    tenant.wait(lambda: database.works("app"), "credentials that work")


def test_r12_credentials_are_replaced_before_their_token_ends(operator: Operator, database: Database) -> None:
    """The token lives for 20 s at most, the lease for an hour: the credentials work at every look (regressions R12)."""
    tenant = database.tenant
    database.role(ttl="1h")
    tenant.bao.admin.kubernetes_role(
        "kubernetes",
        tenant.namespace,
        policies=[tenant.namespace],
        namespaces=[tenant.namespace],
        service_accounts=["default"],
        audience="vault",
        token_max_ttl="20s",
    )
    database.ask("app")
    database.wait_synced("app")
    seen = {database.lease_id("app")}

    def three_leases() -> bool:
        assert database.works("app") or database.works("app")  # once more, for the moment of the swap
        seen.add(database.lease_id("app"))
        return len(seen) >= 3

    tenant.wait(three_leases, "three leases", timeout=60)


def test_d23_what_enters_no_request_fetches_no_lease(operator: Operator, database: Database) -> None:
    """Labels, type, renewalPercent and targets change what is around the credentials only (R27, D23)."""
    tenant = database.tenant
    database.role()
    database.ask("app")
    database.wait_synced("app")
    lease, first = database.lease_id("app"), database.credentials("app")
    tenant.patch(KIND, "app", {"spec": {"renewalPercent": 50, "destination": {"labels": {"team": "a"}}}})
    tenant.wait(lambda: (tenant.get("Secret", "app") or {})["metadata"]["labels"].get("team") == "a", "the label")
    database.wait_synced("app")
    tenant.patch(KIND, "app", {"spec": {"destination": {"type": "example.com/login"}}})
    tenant.wait(lambda: (tenant.get("Secret", "app") or {}).get("type") == "example.com/login", "the type")
    database.wait_synced("app")
    tenant.patch(KIND, "app", {"metadata": {"annotations": {"note": "nothing"}}})
    assert (database.lease_id("app"), database.credentials("app")) == (lease, first)
    tenant.patch(KIND, "app", {"metadata": {"annotations": {"vault-secrets-operator.github.io/rotate": "1"}}})
    tenant.wait(lambda: database.lease_id("app") != lease, "a lease on demand")


def test_d22_superseded_leases_are_revoked_after_a_time(operator: Operator, database: Database) -> None:
    """With `revokeSupersededAfter`; without it they run out by themselves."""
    tenant = database.tenant
    database.role()
    database.ask("app", extensions={"revokeSupersededAfter": "1s"})
    database.ask("kept")
    for name in ("app", "kept"):
        database.wait_synced(name)
    before = {name: database.lease_id(name) for name in ("app", "kept")}
    for name in before:
        tenant.patch(KIND, name, {"metadata": {"annotations": {"vault-secrets-operator.github.io/rotate": "1"}}})
    tenant.wait(lambda: before["app"] not in database.leases(), "the superseded lease to go")
    assert before["kept"] in database.leases()
    assert database.works("app")
    assert before["app"] != database.lease_id("app")


def changed(database: Database, before: tuple[str, str]) -> bool:
    """Whether Secret ``app`` has other credentials than `before`."""
    return database.credentials("app") not in {before, ("", "")}


def generation(database: Database, workload: str) -> int:
    """How often the Deployment was changed, its creation included."""
    found = database.tenant.get("Deployment", workload)
    assert found is not None
    return int(found["metadata"]["generation"])
