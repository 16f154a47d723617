"""Logins: few of them whatever fails, renewed by themselves, with the headers and namespaces they were given."""

from collections.abc import Iterator
from functools import partial
from typing import Final

import pytest

from testenv import Cluster, InThread, OpenBao, Postgres, Silence, VaultAdmin, VaultRequest
from testenv.waiting import seconds
from tests.faults.lab import (
    STEP,
    gaps,
    items,
    logins,
    many,
    message,
    most_attempts,
    own_mount,
    reads,
    settle,
    shortest_gap,
    wait_all_failed,
    wait_all_synced,
)
from tests.support.database import Database
from tests.support.evidence import wait_quiet
from tests.support.operator import Operator
from tests.support.tenant import Tenant, new_tenant, remove


def reads_in(tenant: Tenant, place: str, since: int) -> list[VaultRequest]:
    """Reads of the secret in one Vault namespace."""
    return [one for one in seen(tenant, "kv/data/app", since) if one.namespace == place]


SLACK: Final = 0.05
"""Seconds by which the server's audit log may see two requests closer than they were sent."""
PERIOD: Final = 10
"""Seconds that a token lives unless it is renewed."""
ALL_BACK: Final = 3.0
"""Seconds after the login of a step in which everybody comes back whom it helps: one, and two for a busy machine."""
BUSY: Final = 0.5
"""Seconds that a busy machine may take from a read that is due to the next wait."""


def test_r08_a_policy_that_is_attached_after_a_403_is_picked_up_by_one_login_for_fifty_resources(
    operator: Operator, tenant: Tenant
) -> None:
    """Fifty refused resources share one back-off of extra logins, and one login heals all of them."""
    tenant.put("app", {"user": "alice"})
    mark, started = tenant.bao.mark(), seconds()
    mount = own_mount(tenant, policies=["default"], audience="vault")
    many(tenant, 50)
    wait_all_failed(tenant, "permission denied")
    tenant.wait(lambda: len(reads(tenant.bao, tenant.mount, mark)) >= 150, "everybody to have tried again")
    assert len(logins(tenant.bao, mount, mark)) <= 1 + most_attempts(seconds() - started)
    before, repaired = tenant.bao.mark(), seconds()
    tenant.bao.admin.kubernetes_role(
        mount, tenant.namespace, policies=[tenant.mount], namespaces=[tenant.namespace], audience="vault"
    )
    wait_all_synced(tenant)
    assert seconds() - repaired < STEP + ALL_BACK
    assert len(logins(tenant.bao, mount, before)) == 1


def test_r08_an_attached_policy_reaches_other_namespaces_and_costs_leases_nothing(
    operator: Operator, tenant: Tenant, cluster: Cluster, postgres: Postgres
) -> None:
    """One identity with the policy of a lease alone: the secrets it may not read are there within a step of a change.

    One of them is in another Vault namespace than the login. The token that the lease hangs on lives on beside its
    successor, renewed.
    """
    bao, name, place = tenant.bao, tenant.namespace, f"{tenant.namespace}-team"
    outer = two_namespaces(bao, place)
    outer.enable_database("db", postgres)
    outer.database_role("db", "app")
    outer.policy("a", 'path "db/creds/app" { capabilities = ["read"] }')
    outer.policy("b", 'path "kv/data/*" { capabilities = ["read"] }\npath "inner/kv/*" { capabilities = ["read"] }')
    outer.enable_kubernetes_auth("kubernetes", cluster)
    role = {"namespaces": [name], "audience": "vault", "token_period": f"{PERIOD}s"}
    outer.kubernetes_role("kubernetes", name, policies=["a"], **role)
    tenant.create("VaultConnection", "vault", spec={"address": bao.address})
    tenant.create("VaultAuth", "vault", spec=tenant.auth_spec(namespace=place))
    database = Database(tenant, postgres, "db")
    mark = bao.mark()
    database.ask("lease")
    database.wait_synced("lease")
    lease = database.lease_id("lease")
    tenant.sync("outer", path="app", mount="kv")
    tenant.sync("inner", path="app", mount="kv", namespace=f"{place}/inner")
    wait_all_failed(tenant, "permission denied")
    tenant.wait(lambda: len(seen(tenant, "kv/data/app", mark)) >= 8, "both to have tried again and again")
    before, repaired = bao.mark(), seconds()
    outer.kubernetes_role("kubernetes", name, policies=["a", "b"], **role)
    wait_all_synced(tenant)
    assert seconds() - repaired < STEP + ALL_BACK
    tenant.wait_data("outer", user="alice")
    tenant.wait_data("inner", user="bob")
    assert [one.namespace for one in seen(tenant, "auth/kubernetes/login", before)] == [place]
    healed = bao.mark()
    # The new token is renewed at two thirds of its life, the one below the lease at a half.
    renewals = partial(seen, tenant, "auth/token/renew-self", healed)
    tenant.wait(lambda: len(renewals()) >= 5, "renewals for longer than a token lives", timeout=6 * PERIOD)
    assert [one.error for one in renewals() if one.error] == []
    assert outer.leases("db/creds/app") == [lease]
    assert database.lease_id("lease") == lease
    assert database.works("lease")
    assert len(seen(tenant, "db/creds/app", mark)) == 1
    outer.delete("sys/mounts/db")


def test_r08_a_token_revoked_out_of_band_costs_one_login_and_nothing_else(operator: Operator, tenant: Tenant) -> None:
    """No failure is shown, nothing is written, nobody is restarted."""
    tenant.put("app", {"user": "alice"})
    tenant.deployment("web")
    mount = own_mount(tenant, policies=[tenant.mount], audience="vault")
    tenant.sync("app", rolloutRestartTargets=[{"kind": "Deployment", "name": "web"}])
    synced = tenant.wait_synced("app")
    wait_quiet(tenant)
    mark, audit = tenant.bao.mark(), tenant.cluster.audit_mark()
    tenant.bao.admin.write(f"sys/leases/revoke-prefix/auth/{mount}/login")
    tenant.wait(lambda: logins(tenant.bao, mount, mark), "a new login")
    after = tenant.bao.mark()
    tenant.wait(lambda: len(reads(tenant.bao, tenant.mount, after)) >= 3, "three more reads")
    assert len(logins(tenant.bao, mount, mark)) == 1
    assert [one for one in reads(tenant.bao, tenant.mount, after) if one.error] == []
    mine = [one for one in operator.requests(audit) if one.namespace == tenant.namespace and one.resource != "events"]
    assert [(one.verb, one.resource, one.subresource) for one in mine] == [("create", "serviceaccounts", "token")]
    assert (tenant.get("VaultStaticSecret", "app") or {})["status"] == synced["status"]
    assert [one for one in tenant.events("app") if one["type"] == "Warning"] == []
    assert (tenant.get("Deployment", "web") or {})["metadata"]["generation"] == 1


def test_r10_five_hundred_resources_of_a_broken_login_make_one_attempt_per_step(
    operator: Operator, tenant: Tenant, cluster: Cluster, bao: OpenBao
) -> None:
    """Back-off belongs to the identity; others are not held up; the repair reaches everybody within a step."""
    tenant.put("app", {"user": "alice"})
    mark, started = bao.mark(), seconds()
    mount = own_mount(tenant)
    many(tenant, 500, refreshAfter="1h")
    wait_all_failed(tenant, "was refused")
    tenant.wait(lambda: len(logins(bao, mount, mark)) >= 6, "six attempts")
    seen = logins(bao, mount, mark)
    assert len(seen) <= most_attempts(seconds() - started)
    assert [one for one in enumerate(gaps(seen)) if one[1] < shortest_gap(one[0]) - SLACK] == []
    assert_others_sync(cluster, bao)
    repaired, before = seconds(), bao.mark()
    bao.admin.kubernetes_role(
        mount, tenant.namespace, policies=[tenant.mount], namespaces=[tenant.namespace], audience="vault"
    )
    wait_all_synced(tenant)
    assert seconds() - repaired < STEP + 30
    assert len([one for one in logins(bao, mount, before) if not one.error]) == 1


def assert_others_sync(cluster: Cluster, bao: OpenBao) -> None:
    """A resource of another identity is in sync within five seconds; one of three, if the machine is held up."""
    for more in (True, True, False):
        other = new_tenant(cluster, bao)
        try:
            other.connect()
            other.put("app", {"user": "bob"})
            other.sync("app")
            other.wait_synced("app", timeout=5)
        except TimeoutError:
            if not more:
                raise
        else:
            return
        finally:
            remove(other)


def test_r10_refused_reads_back_off_for_each_resource(operator: Operator, tenant: Tenant) -> None:
    """A path that the policy does not cover is asked for less and less often, the others as ever."""
    tenant.put("app", {"user": "alice"})
    tenant.bao.admin.policy(tenant.mount, f'path "{tenant.mount}/data/app" {{ capabilities = ["read"] }}')
    tenant.connect()
    mark, started = tenant.bao.mark(), seconds()
    tenant.sync("app")
    names = [f"closed{number}" for number in range(5)]
    for name in names:
        tenant.sync(name)
    for name in names:
        tenant.wait_failed(name, "permission denied")
    data = f"{tenant.mount}/data"
    tenant.wait(lambda: len(seen(tenant, f"{data}/app", mark)) >= 12, "twelve reads of the open one")
    most = most_attempts(seconds() - started)
    for name in names:
        refused = seen(tenant, f"{data}/{name}", mark)
        # Beside its own steps each comes back with the extra logins of the identity, and these repeat a read.
        assert 2 <= len(refused) <= 3 * most
    tenant.wait_synced("app")


def test_r05_reads_keep_to_the_interval_and_cause_no_further_ones(operator: Operator, tenant: Tenant) -> None:
    """In a steady state each resource is read once per 80 to 90 % of `refreshAfter`, and nothing is written.

    Beside them three that fail keep to their back-off: no VaultAuth, no ServiceAccount, a path that is closed.
    """
    tenant.bao.admin.policy(tenant.mount, f'path "{tenant.mount}/data/app*" {{ capabilities = ["read"] }}')
    tenant.connect()
    absent = {"role": tenant.namespace, "serviceAccount": "absent", "audiences": ["vault"]}
    tenant.create("VaultAuth", "absent", spec=tenant.auth_spec(kubernetes=absent))
    names = [f"app{number}" for number in range(10)]
    for name in names:
        tenant.put(name, {"user": name})
        tenant.sync(name, refreshAfter="2s")
    wait_all_synced(tenant)
    first, begun, failing = tenant.bao.mark(), seconds(), tenant.cluster.audit_mark()
    for name, auth, text in (
        ("lost", "nowhere", "VaultAuth"),
        ("nobody", "absent", f"ServiceAccount {tenant.namespace}/absent"),
        ("closed", "vault", "permission denied"),
    ):
        tenant.sync(name, vaultAuthRef=auth)
        tenant.wait_failed(name, text)
    wait_quiet(tenant)
    mark, audit, started = tenant.bao.mark(), tenant.cluster.audit_mark(), seconds()
    healthy = {f"{tenant.mount}/data/{name}": name for name in names}
    tenant.wait(
        lambda: len([one for one in reads(tenant.bao, tenant.mount, mark) if one.path in healthy]) >= 70,
        "seven rounds of reads",
    )
    elapsed = seconds() - started
    for name in names:
        count = len(seen(tenant, f"{tenant.mount}/data/{name}", mark))
        # One more than the interval gives, if a token was exchanged for another while a read was under way.
        assert elapsed / (0.9 * 2 + BUSY) - 1 <= count <= elapsed / (0.8 * 2) + 2
    mine = [one for one in operator.requests(audit) if one.namespace == tenant.namespace]
    assert [one for one in mine if one.subresource != "token"] == []
    most = most_attempts(seconds() - begun)
    tokens = [one for one in operator.requests(failing) if one.namespace == tenant.namespace]
    assert 2 <= len([one for one in tokens if one.subresource == "token" and one.name == "absent"]) <= most
    # Beside its own steps it comes back with the extra logins of the identity, and these repeat a read.
    assert 2 <= len(seen(tenant, f"{tenant.mount}/data/closed", first)) <= 3 * most
    assert seen(tenant, f"{tenant.mount}/data/lost", first) == []


@pytest.fixture(scope="module")
def tls(cluster: Cluster) -> Iterator[OpenBao]:
    """A server with a certificate of a CA of its own."""
    with OpenBao(tls=True) as bao:
        bao.admin.enable_kubernetes_auth("kubernetes", cluster)
        yield bao


def test_r36_headers_and_ca_of_the_connection_act_on_every_request_those_of_the_login_on_the_login_alone(
    operator: Operator, tenant: Tenant, tls: OpenBao
) -> None:
    """Login, read, token renewal and seal status, as a recording TLS proxy sees them."""
    own = settle(tenant, tls, token_ttl="8s", token_max_ttl="1h")
    own.put("app", {"user": "alice"})
    with InThread(tls.address, authority=tls.authority) as proxy:
        own.create("Secret", "ca", stringData={"ca.crt": tls.ca_pem})
        own.create(
            "VaultConnection",
            "vault",
            spec={"address": proxy.url, "caCertSecretRef": "ca", "headers": {"X-Team": "blue"}},
        )
        own.create("VaultAuth", "vault", spec=own.auth_spec(headers={"X-Login": "yes"}))
        own.sync("app")
        own.wait_synced("app")

        def targets() -> set[str]:
            return {one.target.partition("?")[0] for one in proxy.requests}

        wanted = {
            "/v1/auth/kubernetes/login",
            f"/v1/{own.mount}/data/app",
            "/v1/auth/token/renew-self",
            "/v1/sys/seal-status",
        }
        own.wait(lambda: targets() >= wanted, "a request of each sort")
        seen = proxy.requests
        own.delete("VaultStaticSecret", "app")
    assert {one.headers.get("x-team") for one in seen} == {"blue"}
    assert {one.headers.get("x-vault-request") for one in seen} == {"true"}
    assert all(one.headers["user-agent"].startswith("vso/") for one in seen)
    with_login = [one.target for one in seen if "x-login" in one.headers]
    assert with_login == [one.target for one in seen if one.target.endswith("/login")]


def test_r36_a_stalled_answer_is_given_up_after_the_timeout_of_the_connection(
    operator: Operator, tenant: Tenant
) -> None:
    """The failure names the timeout, and is there when it is over: nothing is sent a second time before that.

    How soon after that is told in `test_stalls`, by the proxy's own clock.
    """
    with InThread(tenant.bao.address) as proxy:
        proxy.set(Silence())
        tenant.put("app", {"user": "alice"})
        tenant.connect(address=proxy.url, timeout="3s")
        started = seconds()
        tenant.sync("app")
        tenant.wait_failed("app", "no answer within the timeout of 3 s")
        assert seconds() - started > 2
        assert [one.target for one in proxy.requests if "login" in one.target] == ["/v1/auth/kubernetes/login"]


def test_r38_logins_carry_the_namespace_of_the_vaultauth_and_reads_that_of_the_resource(
    operator: Operator, tenant: Tenant, cluster: Cluster
) -> None:
    """Also after the token was revoked, which heals for both by one login."""
    bao, name, team = tenant.bao, tenant.namespace, f"{tenant.namespace}-team"
    outer = two_namespaces(bao, team)
    outer.policy("all", 'path "+/data/*" { capabilities = ["read"] }\npath "inner/kv/*" { capabilities = ["read"] }')
    outer.enable_kubernetes_auth("kubernetes", cluster)
    outer.kubernetes_role("kubernetes", name, policies=["all"], namespaces=[name], audience="vault")
    tenant.create("VaultConnection", "vault", spec={"address": bao.address})
    tenant.create("VaultAuth", "vault", spec=tenant.auth_spec(namespace=team))
    mark = bao.mark()
    tenant.sync("outer", path="app", mount="kv")
    tenant.sync("inner", path="app", mount="kv", namespace=f"{team}/inner")
    tenant.wait_data("outer", user="alice")
    tenant.wait_data("inner", user="bob")
    wait_all_synced(tenant)
    again = bao.mark()
    outer.write("sys/leases/revoke-prefix/auth/kubernetes/login")
    tenant.wait(lambda: seen(tenant, "auth/kubernetes/login", again), "a new login")
    healed = bao.mark()
    for place in (team, f"{team}/inner"):
        tenant.wait(partial(reads_in, tenant, place, healed), f"a read in {place}")
    assert [one.namespace for one in seen(tenant, "auth/kubernetes/login", again)] == [team]
    assert {one.namespace for one in seen(tenant, "kv/data/app", mark)} == {team, f"{team}/inner"}
    assert [message(one) for one in items(tenant)] == ["", ""]


def two_namespaces(bao: OpenBao, place: str) -> VaultAdmin:
    """The Vault namespace `place`, and ``inner`` in it, with a secret ``kv/app`` each: alice's and bob's."""
    outer = bao.admin.create_namespace(place)
    for admin, user in ((outer, "alice"), (outer.create_namespace("inner"), "bob")):
        admin.enable_kv("kv")
        admin.put_kv("kv", "app", {"user": user})
    return outer


def seen(tenant: Tenant, path: str, since: int) -> list[VaultRequest]:
    """Requests of one path of the tenant, by its mount or Vault namespace: an earlier test's may not be over yet."""
    asked = [one for one in tenant.bao.requests(since=since) if one.path == path]
    return [one for one in asked if tenant.namespace in f"{one.namespace}/{path}"]
