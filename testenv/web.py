"""Blocking HTTP for setting up tests: one request, one connection, no proxies, no retries."""

import http.client
import json
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit


class RequestFailed(RuntimeError):
    """The server answered with a status of 400 or above."""

    def __init__(self, status: int, text: str, *, what: str) -> None:
        super().__init__(f"{what}: {status} {text[:2000]}")
        self.status = status
        self.text = text


@dataclass(frozen=True)
class Reply:
    """A server's answer."""

    status: int
    body: bytes

    @property
    def text(self) -> str:
        """The body as text."""
        return self.body.decode(errors="replace")

    def json(self) -> Any:
        """The body, which must be JSON; an empty one is an empty object."""
        return json.loads(self.body or b"{}")


@dataclass(frozen=True, kw_only=True)
class Site:
    """A server to talk to: its base URL, headers of every request, and how to trust it.

    `base` starts with http:// or https://; `timeout` is in seconds.
    """

    base: str
    headers: Mapping[str, str] = field(default_factory=dict)
    context: ssl.SSLContext | None = None
    timeout: float = 30.0

    def ask(self, method: str, path: str, body: Any = None, *, content_type: str = "application/json") -> Reply:
        """Send one request, a JSON `body` if not None; answers with whatever comes back.

        Raises OSError or http.client.HTTPException if no answer comes.
        """
        target = urlsplit(self.base)
        connection = _connect(target.netloc, context=self.context if target.scheme == "https" else None, site=self)
        try:
            headers = dict(self.headers) if body is None else {**self.headers, "Content-Type": content_type}
            content = None if body is None else json.dumps(body).encode()
            connection.request(method, target.path + path, body=content, headers=headers)
            response = connection.getresponse()
            return Reply(response.status, response.read())
        finally:
            connection.close()

    def call(self, method: str, path: str, body: Any = None, *, content_type: str = "application/json") -> Any:
        """As `ask`, answering with the parsed JSON; raises `RequestFailed` for a status of 400 and above."""
        reply = self.ask(method, path, body, content_type=content_type)
        if reply.status >= http.client.BAD_REQUEST:
            raise RequestFailed(reply.status, reply.text, what=f"{method} {path}")
        return reply.json()

    def answers(self, path: str, *, status: int = http.client.OK) -> bool:
        """Whether a GET of `path` is answered with `status` now; no answer is False."""
        try:
            return self.ask("GET", path).status == status
        except (OSError, http.client.HTTPException):
            return False


def _connect(netloc: str, *, context: ssl.SSLContext | None, site: Site) -> http.client.HTTPConnection:
    if context is None:
        return http.client.HTTPConnection(netloc, timeout=site.timeout)
    return http.client.HTTPSConnection(netloc, timeout=site.timeout, context=context)
