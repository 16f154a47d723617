"""What tests, demo and benchmarks set up in OpenBao or Vault: a few blocking calls with one token.

Each method does one thing to the server at once; nothing is cached. Here are namespaces, key/value engines,
policies and logins; other engines are in `vaultengine`, the calls themselves in `vaultcall`.
"""

import http.client
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Self

from testenv.vaultcall import Json
from testenv.vaultengine import VaultEngines, account_token
from testenv.waiting import wait_for
from testenv.web import RequestFailed

if TYPE_CHECKING:
    from testenv.cluster import Cluster

_REVIEWER = "vault-token-reviewer"


@dataclass(frozen=True)
class VaultAdmin(VaultEngines):
    """Calls to one server with one token, in one namespace.

    All methods raise `RequestFailed` (with its `status`) for an answer of 400 and above.
    """

    def create_namespace(self, name: str) -> Self:
        """Make a namespace below this one; answers with the admin of it."""
        self.write(f"sys/namespaces/{name}")
        return self.within(f"{self.namespace}/{name}".strip("/"))

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
        jwt = (
            {"token_reviewer_jwt": account_token(cluster, _REVIEWER, role="system:auth-delegator")} if reviewer else {}
        )
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
