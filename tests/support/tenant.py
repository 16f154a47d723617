"""A namespace of its own for one test: a team with a KV mount, a Vault role and the objects that lead there."""

import itertools
import json
import os
from base64 import b64decode
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from testenv import Cluster, OpenBao, wait_for
from testenv.web import RequestFailed
from tests.support import canary

GROUP: Final = "/apis/secrets.hashicorp.com/v1beta1"
_PLURALS: Final = {
    "VaultConnection": "vaultconnections",
    "VaultAuth": "vaultauths",
    "VaultAuthGlobal": "vaultauthglobals",
    "VaultStaticSecret": "vaultstaticsecrets",
    "VaultDynamicSecret": "vaultdynamicsecrets",
    "VaultPKISecret": "vaultpkisecrets",
    "SecretTransformation": "secrettransformations",
    "HCPAuth": "hcpauths",
    "HCPVaultSecretsApp": "hcpvaultsecretsapps",
}
_CORE: Final = {"Secret": "secrets", "Event": "events", "ServiceAccount": "serviceaccounts"}
_APPS: Final = {"Deployment": "deployments", "StatefulSet": "statefulsets", "DaemonSet": "daemonsets"}
_numbers = itertools.count(1)

Json = dict[str, Any]


@dataclass
class Tenant:
    """Names and shortcuts; `mount` is a kv-v2 (or kv-v1) engine that the role of the same name may read."""

    cluster: Cluster
    bao: OpenBao
    namespace: str
    mount: str
    begun: int = field(default_factory=lambda: len(canary.SESSION.logs))
    """How many operators had ended by then; for `canary`."""
    seen: dict[tuple[str, str], Json] = field(default_factory=dict)
    """Secrets as the test saw them, by name and version, for `canary`: what is gone must show nowhere either."""

    # Kubernetes

    def path(self, kind: str, name: str = "") -> str:
        """API path of an object, or of the collection."""
        if kind in _PLURALS:
            base = f"{GROUP}/namespaces/{self.namespace}/{_PLURALS[kind]}"
        elif kind in _APPS:
            base = f"/apis/apps/v1/namespaces/{self.namespace}/{_APPS[kind]}"
        else:
            base = f"/api/v1/namespaces/{self.namespace}/{_CORE[kind]}"
        return f"{base}/{name}" if name else base

    def create(self, kind: str, name: str, *, metadata: Json | None = None, **members: Any) -> Json:
        """Create an object; `members` are spec, data, type, ..."""
        version = "secrets.hashicorp.com/v1beta1" if kind in _PLURALS else "apps/v1" if kind in _APPS else "v1"
        body = {"apiVersion": version, "kind": kind, "metadata": {"name": name, **(metadata or {})}, **members}
        answer: Json = self.cluster.request("POST", self.path(kind), body)
        return answer

    def get(self, kind: str, name: str) -> Json | None:
        """The object, None if there is none."""
        try:
            answer: Json = self.cluster.request("GET", self.path(kind, name))
        except RequestFailed as exc:
            if exc.status == 404:
                return None
            raise
        return answer

    def patch(self, kind: str, name: str, body: Json) -> Json:
        """Merge patch."""
        answer: Json = self.cluster.request(
            "PATCH", self.path(kind, name), body, content_type="application/merge-patch+json"
        )
        return answer

    def patch_status(self, kind: str, name: str, status: Json) -> Json:
        """Merge patch of the status."""
        answer: Json = self.cluster.request(
            "PATCH",
            f"{self.path(kind, name)}/status",
            {"status": status},
            content_type="application/merge-patch+json",
        )
        return answer

    def delete(self, kind: str, name: str) -> None:
        """Delete the object."""
        self.cluster.request("DELETE", self.path(kind, name))

    def data(self, name: str) -> dict[str, bytes] | None:
        """The data of Secret `name`, None if it does not exist."""
        secret = self.get("Secret", name)
        if secret is None:
            return None
        self.seen[name, secret["metadata"]["resourceVersion"]] = secret
        return {key: b64decode(value) for key, value in secret.get("data", {}).items()}

    def condition(self, kind: str, name: str, type_: str) -> Json | None:
        """One condition of an object, None if it is absent."""
        status = (self.get(kind, name) or {}).get("status", {})
        return next((one for one in status.get("conditions", []) if one["type"] == type_), None)

    def events(self, name: str, reason: str = "") -> list[Json]:
        """Events about `name`, oldest first."""
        items: list[Json] = self.cluster.request("GET", self.path("Event"))["items"]
        found = [one for one in items if one["involvedObject"]["name"] == name]
        return [one for one in found if not reason or one["reason"] == reason]

    # Vault

    def put(self, path: str, data: Json) -> int:
        """Write a secret into the mount; the version."""
        return self.bao.admin.put_kv(self.mount, path, data)

    # The operator's kinds

    def connect(self, *, address: str = "", **spec: Any) -> None:
        """A VaultConnection and a VaultAuth, both called ``vault``."""
        self.create("VaultConnection", "vault", spec={"address": address or self.bao.address, **spec})
        self.create("VaultAuth", "vault", spec=self.auth_spec())

    def auth_spec(self, **more: Any) -> Json:
        """The spec of a VaultAuth that works."""
        kubernetes = {"role": self.namespace, "serviceAccount": "default", "audiences": ["vault"]}
        return {
            "vaultConnectionRef": "vault",
            "method": "kubernetes",
            "mount": "kubernetes",
            "kubernetes": kubernetes,
            **more,
        }

    def sync(self, name: str, *, path: str = "", destination: Json | None = None, **spec: Any) -> Json:
        """A VaultStaticSecret that writes the Secret of the same name, refreshed every second."""
        return self.create(
            "VaultStaticSecret",
            name,
            spec={
                "vaultAuthRef": "vault",
                "mount": self.mount,
                "path": path or name,
                "type": "kv-v2",
                "refreshAfter": "1s",
                "destination": {"name": name, "create": True, **(destination or {})},
                **spec,
            },
        )

    def lease(
        self,
        name: str,
        *,
        path: str,
        mount: str = "",
        destination: Json | None = None,
        metadata: Json | None = None,
        **spec: Any,
    ) -> Json:
        """A VaultDynamicSecret that writes the Secret of the same name."""
        return self.create(
            "VaultDynamicSecret",
            name,
            metadata=metadata,
            spec={
                "vaultAuthRef": "vault",
                "mount": mount or self.mount,
                "path": path,
                "destination": {"name": name, "create": True, **(destination or {})},
                **spec,
            },
        )

    def certify(self, name: str, *, mount: str, role: str, destination: Json | None = None, **spec: Any) -> Json:
        """A VaultPKISecret that writes the Secret of the same name."""
        return self.create(
            "VaultPKISecret",
            name,
            spec={
                "vaultAuthRef": "vault",
                "mount": mount,
                "role": role,
                "commonName": f"{name}.example.com",
                "destination": {"name": name, "create": True, **(destination or {})},
                **spec,
            },
        )

    def status(self, kind: str, name: str) -> Json:
        """The status of an object, empty if there is none."""
        found: Json = (self.get(kind, name) or {}).get("status", {})
        return found

    def deployment(self, name: str, *, kind: str = "Deployment", **spec: Any) -> Json:
        """A workload without pods."""
        labels = {"app": name}
        template = {
            "metadata": {"labels": labels},
            "spec": {"containers": [{"name": "main", "image": "registry.invalid/none"}]},
        }
        more: Json = {"serviceName": name} if kind == "StatefulSet" else {}
        replicas: Json = {} if kind == "DaemonSet" else {"replicas": 0}
        body = {"selector": {"matchLabels": labels}, "template": template, **replicas, **more, **spec}
        return self.create(kind, name, spec=body)

    # Waiting

    def wait(self, condition: Callable[[], Any], what: str, timeout: float = 30) -> Any:
        """Wait until `condition` returns something true, and return that."""
        return wait_for(condition, what=what, timeout=timeout)

    def wait_gone(self, kind: str, name: str) -> None:
        """Wait until the object does not exist any more."""
        self.wait(lambda: self.get(kind, name) is None, f"{kind} {name} to be gone")

    def wait_synced(self, name: str, timeout: float = 30, *, kind: str = "VaultStaticSecret") -> Json:
        """Wait until the resource `name` is in sync with its present generation."""

        def synced() -> Json | None:
            resource = self.get(kind, name)
            status = (resource or {}).get("status", {})
            true = {one["type"] for one in status.get("conditions", []) if one["status"] == "True"}
            fresh = resource and status.get("lastGeneration") == resource["metadata"]["generation"]
            return resource if fresh and {"SecretSynced", "Ready"} <= true else None

        found: Json = self.wait(synced, f"{kind} {name} to be in sync", timeout)
        return found

    def wait_failed(self, name: str, text: str, timeout: float = 30, *, kind: str = "VaultStaticSecret") -> Json:
        """Wait until `SecretSynced` of the resource `name` is False with `text` in its message."""

        def failed() -> Json | None:
            found = self.condition(kind, name, "SecretSynced")
            return found if found and found["status"] == "False" and text in found["message"] else None

        found: Json = self.wait(failed, f"{kind} {name} to fail with {text!r}", timeout)
        return found

    def wait_data(self, name: str, /, **expected: str) -> None:
        """Wait until Secret `name` holds these values."""
        wanted = {key: value.encode() for key, value in expected.items()}
        what = f"Secret {name} to hold {list(wanted)}"
        self.wait(lambda: wanted.items() <= (self.data(name) or {}).items(), what, timeout=60)


def new_tenant(cluster: Cluster, bao: OpenBao) -> Tenant:
    """A fresh namespace with everything in Vault that its VaultStaticSecrets need."""
    name = f"t{next(_numbers)}-{os.getpid()}"
    cluster.create_namespace(name)
    bao.admin.enable_kv(name, version=2)
    bao.admin.policy(name, f'path "{name}/*" {{ capabilities = ["read"] }}')
    bao.admin.kubernetes_role(
        "kubernetes", name, policies=[name], namespaces=[name], service_accounts=["default"], audience="vault"
    )
    return Tenant(cluster, bao, name, name)


def remove(tenant: Tenant) -> None:
    """Delete the namespace (in the background) and the mount, after a look for secrets that show."""
    assert_nothing_leaked(tenant)
    tenant.cluster.request("DELETE", f"/api/v1/namespaces/{tenant.namespace}")
    tenant.bao.admin.delete(f"sys/mounts/{tenant.mount}")


def assert_nothing_leaked(tenant: Tenant) -> None:
    """No event, status, label or annotation has a value of a Secret of the tenant, or a token; no log a credential."""
    objects = {kind: tenant.cluster.request("GET", tenant.path(kind))["items"] for kind in ("Event", *_PLURALS, *_APPS)}
    told = json.dumps([one.get("message") for one in objects["Event"]])
    for one in objects["VaultDynamicSecret"]:
        lease = one.get("status", {}).get("secretLease", {}).get("id")
        assert not lease or lease not in told, "the id of a lease in an event"
    text = canary.shown(one for found in objects.values() for one in found)
    secrets = tenant.cluster.request("GET", tenant.path("Secret"))["items"]
    text += canary.shown(secrets)
    held = [*secrets, *tenant.seen.values()]
    canary.SESSION.tenant_removed(held, begun=tenant.begun)
    leak = canary.token_in(text)
    assert not leak, f"a token in an event, a status or a mark: {leak}"
    for value in canary.values_of(held):
        written = json.dumps(value)[1:-1]
        assert written not in text, f"a value of a Secret shows: {written[:3]}… ({len(written)} characters)"


def dump(value: Any) -> str:
    """For failure messages."""
    return json.dumps(value, indent=2)
