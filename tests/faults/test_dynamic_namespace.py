"""Vault namespaces of leases and certificates: who asks where (regressions R38)."""

from testenv import Cluster, Postgres
from tests.support.operator import Operator
from tests.support.tenant import Tenant

DYNAMIC, PKI = "VaultDynamicSecret", "VaultPKISecret"


def test_r38_leases_and_certificates_are_asked_for_where_the_resource_says(
    operator: Operator, tenant: Tenant, cluster: Cluster, postgres: Postgres
) -> None:
    """Requests, renewals and revocations go to the namespace of the resource, logins to that of the VaultAuth."""
    bao, name, team = tenant.bao, tenant.namespace, f"{tenant.namespace}-team"
    inner = f"{team}/inner"
    outer_admin = bao.admin.create_namespace(team)
    inner_admin = outer_admin.create_namespace("inner")
    inner_admin.enable_database("db", postgres)
    inner_admin.database_role("db", "app", ttl="4s", max_ttl="1h")
    inner_admin.enable_pki("pki", "Test CA")
    inner_admin.pki_role("pki", "web")
    outer_admin.policy("all", 'path "inner/*" { capabilities = ["read", "update"] }')
    outer_admin.enable_kubernetes_auth("kubernetes", cluster)
    outer_admin.kubernetes_role("kubernetes", name, policies=["all"], namespaces=[name], audience="vault")
    tenant.create("VaultConnection", "vault", spec={"address": bao.address})
    tenant.create("VaultAuth", "vault", spec=tenant.auth_spec(namespace=team))
    mark = bao.mark()
    tenant.lease("app", mount="db", path="creds/app", namespace=inner, revoke=True)
    tenant.certify("web", mount="pki", role="web", namespace=inner, revoke=True)
    tenant.wait_synced("app", kind=DYNAMIC)
    tenant.wait_synced("web", kind=PKI)

    def asked(path: str) -> set[str]:
        """The namespaces of the requests that this team's operator login sent to `path`."""
        return {one.namespace for one in bao.requests(since=mark) if one.path == path and name in one.user}

    tenant.wait(lambda: asked("sys/leases/renew"), "a renewal")
    tenant.delete(DYNAMIC, "app")
    tenant.delete(PKI, "web")
    tenant.wait_gone(DYNAMIC, "app")
    tenant.wait_gone(PKI, "web")
    logins = {one.namespace for one in bao.requests(since=mark) if one.path == "auth/kubernetes/login"}
    assert logins == {team}
    for path in ("db/creds/app", "sys/leases/renew", "sys/leases/revoke", "pki/issue/web", "pki/revoke"):
        assert asked(path) == {inner}, path
