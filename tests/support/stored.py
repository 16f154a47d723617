"""Stored logins, read and made without the operator's code: format of behaviour.md section 4.2, api.md section 8.7."""

import contextlib
import hashlib
import hmac
import json
from base64 import b64decode, b64encode
from collections.abc import Iterator
from typing import Any, Final

from testenv import Cluster, OpenBao
from tests.support.evidence import hmac_key
from tests.support.operator import NAMESPACE
from tests.support.tenant import Json, Tenant

SECRETS: Final = f"/api/v1/namespaces/{NAMESPACE}/secrets"
LABELS: Final = {
    "app.kubernetes.io/name": "vault-secrets-operator",
    "app.kubernetes.io/managed-by": "vso",
    "app.kubernetes.io/component": "client-cache-storage",
}
SELECTOR: Final = "%2C".join(f"{name}%3D{value}" for name, value in LABELS.items()).replace("/", "%2F")


@contextlib.contextmanager
def encrypting(team: Tenant, *, address: str = "", **connection: Any) -> Iterator[Tenant]:
    """The operator's own VaultAuth with a Transit key, in its namespace; all named as the `mount` of what is given.

    `address` is another way to the team's server, `connection` more of the VaultConnection's spec.
    """
    name = f"transit-{team.namespace}"
    admin = team.bao.admin
    admin.enable_transit(name, "logins")
    allow_transit(team)
    admin.kubernetes_role(
        "kubernetes", name, policies=[name], namespaces=[NAMESPACE], service_accounts=["default"], audience="vault"
    )
    own = Tenant(team.cluster, team.bao, NAMESPACE, name)
    own.create("VaultConnection", name, spec={"address": address or team.bao.address, **connection})
    kubernetes = {"role": name, "serviceAccount": "default", "audiences": ["vault"]}
    own.create(
        "VaultAuth",
        name,
        metadata={"labels": {"cacheStorageEncryption": "true"}},
        spec=own.auth_spec(
            vaultConnectionRef=name, kubernetes=kubernetes, storageEncryption={"mount": name, "keyName": "logins"}
        ),
    )
    yield own
    for kind in ("VaultAuth", "VaultConnection"):
        own.patch(kind, name, {"metadata": {"finalizers": None}})
        own.delete(kind, name)
    admin.delete(f"sys/mounts/{name}")


def allow_transit(team: Tenant, *, encrypt: bool = True) -> None:
    """What the operator may do with the Transit key."""
    name = f"transit-{team.namespace}"
    rule = (
        f'path "{name}/*" {{ capabilities = ["update"] }}' if encrypt else f'path "{name}/no" {{ capabilities = [] }}'
    )
    team.bao.admin.policy(name, rule)


def entries(cluster: Cluster) -> dict[str, Json]:
    """The stored logins by name."""
    found: list[Json] = cluster.request("GET", f"{SECRETS}?labelSelector={SELECTOR}")["items"]
    return {one["metadata"]["name"]: one for one in found}


def entry_of(tenant: Tenant) -> Json | None:
    """The stored login of the tenant's namespace, if there is one."""
    found = entries_of(tenant)
    assert len(found) <= 1, found
    return found[0] if found else None


def entries_of(tenant: Tenant) -> list[Json]:
    """The stored logins of the tenant's namespace."""
    found = entries(tenant.cluster).values()
    return [one for one in found if one["metadata"]["labels"].get("provider/namespace") == tenant.namespace]


def cache_key(tenant: Tenant) -> str:
    """What names the login by the VaultAuth ``vault`` with the ServiceAccount ``default`` (behaviour.md 2.1)."""
    auth, connection = (tenant.get(kind, "vault") for kind in ("VaultAuth", "VaultConnection"))
    account = tenant.get("ServiceAccount", "default")
    assert auth is not None
    assert connection is not None
    assert account is not None
    parts = [f"{one['metadata']['uid']}-{one['metadata']['generation']}" for one in (auth, connection)]
    digest = hashlib.sha256(".".join([*parts, account["metadata"]["uid"]]).encode()).hexdigest()
    return f"kubernetes-{digest[:14]}{digest[-8:]}"


def labels_of(tenant: Tenant, key: str) -> dict[str, str]:
    """All labels of a plain entry."""
    auth, connection = (tenant.get(kind, "vault") for kind in ("VaultAuth", "VaultConnection"))
    account = tenant.get("ServiceAccount", "default")
    assert auth is not None
    assert connection is not None
    assert account is not None
    return {
        **LABELS,
        "cacheKey": key,
        "auth/namespace": tenant.namespace,
        "auth/UID": auth["metadata"]["uid"],
        "auth/generation": str(auth["metadata"]["generation"]),
        "connection/namespace": tenant.namespace,
        "connection/UID": connection["metadata"]["uid"],
        "connection/generation": str(connection["metadata"]["generation"]),
        "provider/UID": account["metadata"]["uid"],
        "provider/namespace": tenant.namespace,
    }


def mac_of(cluster: Cluster, key: str, content: bytes) -> bytes:
    """The MAC of an entry."""
    return hmac.new(hmac_key(cluster), f"vso-cc-{key}{key}".encode() + content, hashlib.sha256).digest()


def content_of(entry: Json) -> Any:
    """The JSON in an entry."""
    return json.loads(b64decode(entry["data"]["secret"]))


def is_sealed(cluster: Cluster, key: str, entry: Json) -> bool:
    """Whether the MAC in an entry fits."""
    secret, mac = (b64decode(entry["data"][name]) for name in ("secret", "messageMAC"))
    return mac == mac_of(cluster, key, secret)


def store(cluster: Cluster, key: str, labels: dict[str, str], content: Json, *, mac: bytes | None = None) -> None:
    """Put an entry there, in the place of the one that is."""
    text = json.dumps(content).encode()
    data = {"secret": text, "messageMAC": mac_of(cluster, key, text) if mac is None else mac}
    name = f"vso-cc-{key}"
    if name in entries(cluster):
        cluster.request("DELETE", f"{SECRETS}/{name}")
    body = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name, "labels": labels},
        "immutable": True,
        "data": {name: b64encode(value).decode() for name, value in data.items()},
    }
    cluster.request("POST", SECRETS, body)


def closed(bao: OpenBao, mount: str, content: Json) -> Json:
    """`content` as an encrypted entry has it: the answer of Transit."""
    plain = b64encode(json.dumps(content).encode()).decode()
    answer: Json = bao.admin.write(f"{mount}/encrypt/logins", {"plaintext": plain})["data"]
    return answer


def opened(bao: OpenBao, mount: str, content: Json) -> Json:
    """What is in an encrypted entry with this content."""
    plain = bao.admin.write(f"{mount}/decrypt/logins", {"ciphertext": content["ciphertext"]})["data"]["plaintext"]
    found: Json = json.loads(b64decode(plain))
    return found


def answer_for(token: str, accessor: str) -> Json:
    """Vault's answer to a login, as an entry has it, with members that nobody here reads."""
    return {
        "request_id": "4c5f0b0e-0000-4000-8000-000000000000",
        "lease_id": "",
        "lease_duration": 0,
        "renewable": False,
        "data": None,
        "warnings": None,
        "auth": {
            "client_token": token,
            "accessor": accessor,
            "policies": ["default"],
            "token_policies": ["default"],
            "identity_policies": None,
            "metadata": {"role": "r"},
            "orphan": True,
            "entity_id": "",
            "lease_duration": 3600,
            "renewable": True,
            "mfa_requirement": None,
        },
        "wrap_info": None,
    }


def store_new(cluster: Cluster, key: str, labels: dict[str, str]) -> None:
    """Put an entry of no use there, whose name is not taken."""
    data = {"secret": b64encode(b"{}").decode(), "messageMAC": b64encode(bytes(32)).decode()}
    body = {"metadata": {"name": f"vso-cc-{key}", "labels": labels}, "immutable": True, "data": data}
    cluster.request("POST", SECRETS, {"apiVersion": "v1", "kind": "Secret", **body})
