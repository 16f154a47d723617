"""Secrets engines other than key/value, and leases: database, PKI, transit and Kubernetes, each mounted in one call.

What is set up is small and real: accounts of a PostgreSQL server, certificates of a CA that the engine makes.
"""

import contextlib
import http.client
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from testenv.postgres import Postgres
from testenv.vaultcall import VaultCalls
from testenv.web import RequestFailed

if TYPE_CHECKING:
    from testenv.cluster import Cluster

_CREATE = ("CREATE ROLE \"{{name}}\" LOGIN PASSWORD '{{password}}' VALID UNTIL '{{expiration}}'",)
_ROTATE = ("ALTER ROLE \"{{name}}\" WITH PASSWORD '{{password}}'",)
_CONNECTION = "main"
_LONG = "87600h"
_TOKEN_MAKER = "vault-token-maker"  # noqa: S105 -- the name of an account


@dataclass(frozen=True)
class VaultEngines(VaultCalls):
    """Set-up of secrets engines; durations are as the API takes them, such as "90s" or 90."""

    def enable_database(self, mount: str, postgres: Postgres, *, url: str = "") -> None:
        """Mount a database engine that uses the superuser's account.

        `url` is another way to the server, see `Postgres.connection_through`.
        """
        self.enable("mounts", mount, engine="database")
        body = {
            "plugin_name": "postgresql-database-plugin",
            "connection_url": url or postgres.connection_url,
            "username": postgres.user,
            "password": postgres.password,
            "allowed_roles": "*",
        }
        self.write(f"{mount}/config/{_CONNECTION}", body)

    def database_role(
        self,
        mount: str,
        name: str,
        *,
        ttl: str | int = "1h",
        max_ttl: str | int = "24h",
        statements: Sequence[str] = _CREATE,
    ) -> None:
        """A role whose every read of `<mount>/creds/<name>` makes an account with a lease."""
        body = {"db_name": _CONNECTION, "creation_statements": list(statements)}
        self.write(f"{mount}/roles/{name}", {**body, "default_ttl": ttl, "max_ttl": max_ttl})

    def database_static_role(
        self,
        mount: str,
        name: str,
        *,
        username: str,
        rotation_period: str | int = "1h",
        statements: Sequence[str] = _ROTATE,
    ) -> None:
        """A role that owns the account `username`, which must exist; its password changes at once."""
        body = {"db_name": _CONNECTION, "username": username, "rotation_statements": list(statements)}
        self.write(f"{mount}/static-roles/{name}", {**body, "rotation_period": rotation_period})

    def rotate_static_role(self, mount: str, name: str) -> None:
        """Change the password of a static role now."""
        self.write(f"{mount}/rotate-role/{name}")

    def enable_pki(self, mount: str, common_name: str, *, intermediate: bool = False) -> str:
        """Mount a PKI engine with a CA of its own; answers with the root's certificate (PEM).

        With `intermediate` the root is in the mount "<mount>-root" and this one's CA is signed by it, so that
        certificates come with a chain.
        """
        top = f"{mount}-root" if intermediate else mount
        self._mount_pki(top)
        answer = self.write(f"{top}/root/generate/internal", {"common_name": common_name, "ttl": _LONG})
        root = str(answer["data"]["certificate"])
        if intermediate:
            self._mount_pki(mount)
            name = {"common_name": f"{common_name} intermediate"}
            request = self.write(f"{mount}/intermediate/generate/internal", name)["data"]["csr"]
            body = {**name, "csr": request, "ttl": "43800h", "format": "pem"}
            signed = self.write(f"{top}/root/sign-intermediate", body)["data"]["certificate"]
            self.write(f"{mount}/intermediate/set-signed", {"certificate": f"{signed}\n{root}"})
        return root

    def pki_role(self, mount: str, name: str, *, max_ttl: str | int = "72h", **settings: Any) -> None:
        """A role that allows any name and small quick keys; settings are those of the API and come first."""
        body = {"allow_any_name": True, "enforce_hostnames": False, "key_type": "ec", "key_bits": 256}
        self.write(f"{mount}/roles/{name}", {**body, "max_ttl": max_ttl, **settings})

    def enable_transit(self, mount: str, key: str, **settings: Any) -> None:
        """Mount a transit engine with one key; settings are those of the API (type, derived, ...)."""
        self.enable("mounts", mount, engine="transit")
        self.write(f"{mount}/keys/{key}", settings)

    def enable_kubernetes_engine(self, mount: str, cluster: "Cluster", *, role: str, account: str = "default") -> None:
        """Mount the engine that makes ServiceAccount tokens, with one role for `account` of any namespace."""
        self.enable("mounts", mount, engine="kubernetes")
        jwt = account_token(cluster, _TOKEN_MAKER, role="cluster-admin")
        config = {"kubernetes_host": cluster.server, "kubernetes_ca_cert": cluster.ca_pem}
        self.write(f"{mount}/config", {**config, "service_account_jwt": jwt, "disable_local_ca_jwt": True})
        body = {"allowed_kubernetes_namespaces": ["*"], "service_account_name": account}
        self.write(f"{mount}/roles/{role}", body)

    def leases(self, prefix: str) -> list[str]:
        """The ids of the leases below a prefix such as "database/creds/app", none if there are none."""
        found: list[str] = []
        base = prefix.rstrip("/")
        for key in self.list(f"sys/leases/lookup/{base}"):
            found += self.leases(f"{base}/{key}") if key.endswith("/") else [f"{base}/{key}"]
        return found

    def revoke(self, lease_id: str) -> None:
        """End a lease; its account is gone on return. An unknown one is not an error."""
        self.write("sys/leases/revoke", {"lease_id": lease_id, "sync": True})

    def accessors(self, *, policy: str) -> list[str]:
        """Accessors of the living tokens that have `policy`; others may end while they are looked up."""
        found = []
        for accessor in self.list("auth/token/accessors"):
            with contextlib.suppress(RequestFailed):
                token = self.write("auth/token/lookup-accessor", {"accessor": accessor})["data"]
                if policy in token["policies"]:
                    found.append(accessor)
        return found

    def revoke_accessor(self, accessor: str) -> None:
        """End the token of an accessor, and its leases soon after."""
        self.write("auth/token/revoke-accessor", {"accessor": accessor})

    def _mount_pki(self, mount: str) -> None:
        self.enable("mounts", mount, engine="pki", config={"max_lease_ttl": _LONG})


def account_token(cluster: "Cluster", name: str, *, role: str) -> str:
    """A token of the ServiceAccount `name` of kube-system, made if need be, with a ClusterRole's rights."""
    base = "/api/v1/namespaces/kube-system/serviceaccounts"
    ref = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role}
    subject = {"kind": "ServiceAccount", "name": name, "namespace": "kube-system"}
    binding = {"metadata": {"name": name}, "roleRef": ref, "subjects": [subject]}
    wanted = {
        base: {"metadata": {"name": name}},
        "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings": binding,
    }
    for path, body in wanted.items():
        try:
            cluster.request("POST", path, body)
        except RequestFailed as error:
            if error.status != http.client.CONFLICT:  # another mount's account is ours too
                raise
    return cluster.token_for(f"kube-system/{name}")
