"""What tests, demo and benchmarks set up in OpenBao or Vault: a few blocking calls with one token.

Paths are without "v1/". Each method does one thing to the server at once; nothing is cached.
"""

import http.client
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, Self

from testenv.waiting import wait_for
from testenv.web import RequestFailed, Site

if TYPE_CHECKING:
    from testenv.cluster import Cluster

Json = Mapping[str, Any]
_REVIEWER = "vault-token-reviewer"


@dataclass(frozen=True)
class VaultAdmin:
    """Calls to one server with one token, in one namespace.

    All methods raise `RequestFailed` (with its `status`) for an answer of 400 and above.
    """

    site: Site
    token: str
    namespace: str = ""

    def within(self, namespace: str) -> Self:
        """The same in another namespace, such as "team-a/web"; `create_namespace` makes one."""
        return replace(self, namespace=namespace)

    def with_token(self, token: str) -> Self:
        """The same with another token."""
        return replace(self, token=token)

    def create_namespace(self, name: str) -> Self:
        """Make a namespace below this one; answers with the admin of it."""
        self.write(f"sys/namespaces/{name}")
        return self.within(f"{self.namespace}/{name}".strip("/"))

    def write(self, path: str, body: Json | None = None) -> dict[str, Any]:
        """PUT; answers with the whole response, {} if it is empty."""
        return self.request("PUT", path, body or {})

    def read(self, path: str) -> dict[str, Any]:
        """GET; answers with the whole response."""
        return self.request("GET", path)

    def list(self, path: str) -> list[str]:
        """The keys below a path, none if there is nothing."""
        try:
            return list(self.request("LIST", path)["data"]["keys"])
        except RequestFailed as error:
            if error.status == http.client.NOT_FOUND:
                return []
            raise

    def delete(self, path: str) -> None:
        """DELETE."""
        self.request("DELETE", path)

    def request(self, method: str, path: str, body: Json | None = None) -> dict[str, Any]:
        """Any request; answers with the parsed response."""
        headers = {"X-Vault-Token": self.token, "X-Vault-Request": "true"}
        if self.namespace:
            headers["X-Vault-Namespace"] = self.namespace
        site = replace(self.site, headers={name: value for name, value in headers.items() if value})
        answer: dict[str, Any] = site.call(method, f"/v1/{path}", body)
        return answer

    def enable(self, kind: Literal["mounts", "auth"], mount: str, *, engine: str, **settings: Any) -> None:
        """Mount a secrets engine or an auth method, such as `enable("mounts", "pki", engine="pki")`."""
        self.write(f"sys/{kind}/{mount}", {"type": engine, **settings})

    def enable_kv(self, mount: str, *, version: Literal[1, 2] = 2) -> None:
        """Mount a key/value engine and wait until it takes writes."""
        self.enable("mounts", mount, engine="kv", options={"version": str(version)})
        if version == 2:  # noqa: PLR2004
            wait_for(lambda: self._succeeds(f"{mount}/config"), what=f"{mount} upgraded to version 2")

    def put_kv(self, mount: str, path: str, data: Json) -> int:
        """Write to a key/value mount of either version; answers with the new version, 0 for kv-v1."""
        settings = self.read(f"sys/internal/ui/mounts/{mount}")["data"]
        if (settings.get("options") or {}).get("version") != "2":
            self.write(f"{mount}/{path}", data)
            return 0
        return int(self.write(f"{mount}/data/{path}", {"data": data})["data"]["version"])

    def policy(self, name: str, text: str) -> None:
        """Write an ACL policy."""
        self.write(f"sys/policies/acl/{name}", {"policy": text})

    def create_token(self, *policies: str, **settings: Any) -> str:
        """A new token with these policies; settings are those of auth/token/create (ttl, period, ...)."""
        answer = self.write("auth/token/create", {"policies": list(policies), **settings})
        return str(answer["auth"]["client_token"])

    def enable_kubernetes_auth(self, mount: str, cluster: "Cluster", *, reviewer: bool = True) -> None:
        """Mount Kubernetes auth for a cluster.

        A ServiceAccount of kube-system with the right to review tokens is made for it; without `reviewer` the
        logins' own tokens must have that right.
        """
        config = {"kubernetes_host": cluster.server, "kubernetes_ca_cert": cluster.ca_pem}
        jwt = {"token_reviewer_jwt": _reviewer_token(cluster)} if reviewer else {}
        self.enable("auth", mount, engine="kubernetes")
        self.write(f"auth/{mount}/config", {**config, **jwt, "disable_local_ca_jwt": True})

    def kubernetes_role(
        self,
        mount: str,
        role: str,
        *,
        policies: Sequence[str] = (),
        namespaces: Sequence[str] = ("*",),
        service_accounts: Sequence[str] = ("*",),
        **settings: Any,
    ) -> None:
        """Write a role; further settings are those of the API (audience, token_ttl, token_period, ...).

        Not both of namespaces and service accounts may be "*".
        """
        bound = {
            "bound_service_account_names": list(service_accounts),
            "bound_service_account_namespaces": list(namespaces),
        }
        self.write(f"auth/{mount}/role/{role}", {**bound, "token_policies": list(policies), **settings})

    def login(self, mount: str, body: Json) -> dict[str, Any]:
        """Log in without our token; answers with the response's `auth`."""
        answer: dict[str, Any] = self.with_token("").write(f"auth/{mount}/login", body)["auth"]
        return answer

    def _succeeds(self, path: str) -> bool:
        try:
            self.read(path)
        except RequestFailed as error:
            if error.status != http.client.BAD_REQUEST:
                raise
            return False
        return True


def _reviewer_token(cluster: "Cluster") -> str:
    base = "/api/v1/namespaces/kube-system/serviceaccounts"
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "system:auth-delegator"}
    subject = {"kind": "ServiceAccount", "name": _REVIEWER, "namespace": "kube-system"}
    binding = {"metadata": {"name": _REVIEWER}, "roleRef": role, "subjects": [subject]}
    wanted = {
        base: {"metadata": {"name": _REVIEWER}},
        "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings": binding,
    }
    for path, body in wanted.items():
        try:
            cluster.request("POST", path, body)
        except RequestFailed as error:
            if error.status != http.client.CONFLICT:  # another mount's reviewer is ours too
                raise
    return cluster.token_for(f"kube-system/{_REVIEWER}")
