"""HTTP for those who watch the operator: health in the form of the original's probes, and metrics.

Source: operations.md section 1.8.
"""

import ssl
from collections.abc import Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

from aiohttp import web

from vso.app.guard import Guard, Verdict

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

Check = Callable[[], str]
"""Says what is wrong; empty if nothing is."""
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

METRICS_PATH: Final = "/metrics"
_PATIENCE: Final = 1.0
"""Seconds that a request under way is waited for at the end."""
OFF: Final = frozenset({"0", ""})
"""Addresses that serve nothing."""


@asynccontextmanager
async def health_server(
    address: str, *, live: Mapping[str, Check], ready: Mapping[str, Check]
) -> "AsyncIterator[None]":
    """Serve both probes on `address` (``host:port``, the host may be empty) while the context is open.

    Address ``0`` serves nothing. Raises OSError if the port is taken.
    """
    routes: dict[str, Handler] = {}
    for path, checks in (("healthz", live), ("readyz", ready)):
        routes |= dict.fromkeys((f"/{path}", f"/{path}/", f"/{path}/{path}"), _probe(path, checks))
    async with _served(address, routes):
        yield


@asynccontextmanager
async def metrics_server(
    address: str,
    text: Callable[[], Awaitable[bytes]],
    *,
    content_type: str,
    guard: Guard | None = None,
    tls: ssl.SSLContext | None = None,
) -> "AsyncIterator[None]":
    """Serve what `text` gives on `address`, with `tls` if there is one, to those whom `guard` admits, if there is one.

    Address ``0`` serves nothing. Raises OSError if the port is taken.
    """

    async def handle(request: web.Request) -> web.StreamResponse:
        verdict = Verdict.ADMITTED
        if guard is not None:
            verdict = await guard.judge(request.headers.get("Authorization", ""))
        if verdict is not Verdict.ADMITTED:
            return web.Response(status=verdict.value, text=_REFUSALS[verdict])
        return web.Response(body=await text(), headers={"Content-Type": content_type})

    async with _served(address, {METRICS_PATH: handle}, tls=tls):
        yield


_REFUSALS: Final = {
    Verdict.UNKNOWN: "Send the token of a ServiceAccount: Authorization: Bearer <token>\n",
    Verdict.REFUSED: "This account may not get /metrics: bind it to a ClusterRole that permits the nonResourceURL\n",
    Verdict.UNDECIDED: "The API server could not be asked who you are\n",
}


@asynccontextmanager
async def _served(
    address: str, routes: Mapping[str, Handler], *, tls: ssl.SSLContext | None = None
) -> "AsyncIterator[None]":
    if address in OFF:
        yield
        return
    app = web.Application()
    for path, handler in routes.items():
        app.router.add_get(path, handler)
    # A scrape that waits for the API server must not hold up the end of the process.
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=_PATIENCE)
    await runner.setup()
    host, _, port = address.rpartition(":")
    try:
        await web.TCPSite(runner, host.strip("[]") or None, int(port), ssl_context=tls).start()
        yield
    finally:
        await runner.cleanup()


def _probe(path: str, checks: Mapping[str, Check]) -> Handler:
    async def handle(request: web.Request) -> web.StreamResponse:
        excluded = set(request.query.getall("exclude", []))
        found = {name: check() for name, check in checks.items() if name not in excluded}
        failed = any(found.values())
        lines = [f"[-]{name} failed: {why}" if why else f"[+]{name} ok" for name, why in found.items()]
        if failed:
            return web.Response(status=500, text="\n".join([*lines, f"{path} check failed", ""]))
        verbose = "verbose" in request.query
        return web.Response(text="\n".join([*lines, f"{path} check passed", ""]) if verbose else "ok")

    return handle
