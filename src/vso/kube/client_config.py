"""How one API server is talked to: the value that `config` finds and `client` uses."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from ssl import SSLContext


async def no_token() -> str | None:
    """The token of those who show a client certificate, or nothing at all."""
    return None


def nothing_to_forget(refused: str | None) -> None:
    """For tokens that cannot be renewed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientConfig:
    """How to talk to one API server.

    `server` is its URL without a slash at the end, `namespace` the one to work in by default, `proxy` the
    URL of an HTTP proxy, `timeout` the seconds for one request. `token` is asked before each request, so it
    must be cheap; `forget_token` tells which token was refused, so that the next is read or minted anew.
    """

    server: str
    ssl: SSLContext | None = None
    token: Callable[[], Awaitable[str | None]] = no_token
    forget_token: Callable[[str | None], None] = nothing_to_forget
    namespace: str = "default"
    proxy: str | None = field(default=None, repr=False)  # may hold a password
    timeout: float = 30.0
