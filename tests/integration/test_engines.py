"""VaultDynamicSecret with engines other than databases: whatever answers, with a lease or without."""

import json
from base64 import b64decode, urlsafe_b64decode

from tests.support.database import KIND
from tests.support.operator import Operator
from tests.support.tenant import Tenant


def allow(tenant: Tenant, path: str) -> None:
    """Let the tenant's role read and write below `path`, and connect the tenant."""
    tenant.bao.admin.policy(tenant.namespace, f'path "{path}" {{ capabilities = ["read", "update"] }}')
    tenant.connect()


def test_a_write_with_params_brings_a_data_key(operator: Operator, tenant: Tenant) -> None:
    """Transit: params make the request a PUT; the answer has no lease, so it is fetched once (behaviour.md 6.2)."""
    mount = f"transit-{tenant.namespace}"
    tenant.bao.admin.enable_transit(mount, "app")
    allow(tenant, f"{mount}/*")
    tenant.lease("key", mount=mount, path="datakey/plaintext/app", params={"bits": "256"})
    tenant.wait_synced("key", kind=KIND)
    data = tenant.data("key")
    assert data is not None
    assert len(b64decode(data["plaintext"])) == 32
    assert data["ciphertext"].startswith(b"vault:v1:")
    synced = tenant.condition(KIND, "key", "SecretSynced")
    assert synced is not None
    assert "no refresh is planned" in synced["message"]


def test_r19_without_a_lease_refreshafter_counts(operator: Operator, tenant: Tenant) -> None:
    """It takes the place of the lease's duration (regressions R19)."""
    mount = f"transit-{tenant.namespace}"
    tenant.bao.admin.enable_transit(mount, "app")
    allow(tenant, f"{mount}/*")
    tenant.lease("key", mount=mount, path="datakey/plaintext/app", requestHTTPMethod="POST", refreshAfter="2s")
    tenant.wait_synced("key", kind=KIND)
    first = (tenant.data("key") or {})["plaintext"]
    tenant.wait(lambda: (tenant.data("key") or {}).get("plaintext") not in {first, None}, "another key", timeout=10)


def test_the_kubernetes_engine_gives_tokens_with_a_lease(operator: Operator, tenant: Tenant) -> None:
    """A token of a ServiceAccount, which ends with its lease."""
    mount = f"kubernetes-{tenant.namespace}"
    tenant.bao.admin.enable_kubernetes_engine(mount, tenant.cluster, role="app")
    allow(tenant, f"{mount}/*")
    params = {"kubernetes_namespace": tenant.namespace, "ttl": "10m"}
    tenant.lease("token", mount=mount, path="creds/app", params=params)
    tenant.wait_synced("token", kind=KIND)
    data = tenant.data("token")
    assert data is not None
    claims = data["service_account_token"].split(b".")[1]
    subject = json.loads(urlsafe_b64decode(claims + b"=" * (-len(claims) % 4)))["sub"]
    assert subject == f"system:serviceaccount:{tenant.namespace}:default"
    assert tenant.status(KIND, "token")["secretLease"]["id"].startswith(f"{mount}/creds/app/")


def test_d04_an_answer_without_json_is_kept_as_it_is(operator: Operator, tenant: Tenant) -> None:
    """The chain of a CA, with `rawResponse`; without it the answer is an error that says so (D04)."""
    mount = f"pki-{tenant.namespace}"
    root = tenant.bao.admin.enable_pki(mount, "Test CA")
    allow(tenant, f"{mount}/*")
    tenant.lease("ca", mount=mount, path="ca/pem", extensions={"rawResponse": {"key": "ca.pem"}})
    tenant.wait_synced("ca", kind=KIND)
    assert (tenant.data("ca") or {})["ca.pem"].decode().strip() == root.strip()
    tenant.lease("bad", mount=mount, path="ca/pem")
    tenant.wait_failed("bad", "is not what a Vault server sends", kind=KIND)
    assert tenant.data("bad") is None
