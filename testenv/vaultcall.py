"""Blocking calls to OpenBao or Vault with one token, in one namespace; what they set up is in `vaultadmin`.

Paths are without "v1/".
"""

import http.client
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, Self

from testenv.web import RequestFailed, Site

Json = Mapping[str, Any]


@dataclass(frozen=True)
class VaultCalls:
    """Calls to one server. All methods raise `RequestFailed` (with its `status`) for an answer of 400 and above."""

    site: Site
    token: str
    namespace: str = ""

    def within(self, namespace: str) -> Self:
        """The same in another namespace, such as "team-a/web"; `create_namespace` makes one."""
        return replace(self, namespace=namespace)

    def with_token(self, token: str) -> Self:
        """The same with another token."""
        return replace(self, token=token)

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
