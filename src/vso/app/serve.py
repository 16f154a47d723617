"""Health over HTTP: /healthz and /readyz in the form that the original's probes have (operations.md section 1.8)."""

from collections.abc import Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

from aiohttp import web

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

Check = Callable[[], str]
"""Says what is wrong; empty if nothing is."""

_OFF: Final = "0"


@asynccontextmanager
async def health_server(
    address: str, *, live: Mapping[str, Check], ready: Mapping[str, Check]
) -> "AsyncIterator[None]":
    """Serve both probes on `address` (``host:port``, the host may be empty) while the context is open.

    Address ``0`` serves nothing. Raises OSError if the port is taken.
    """
    if address == _OFF:
        yield
        return
    app = web.Application()
    for path, checks in (("healthz", live), ("readyz", ready)):
        for route in (f"/{path}", f"/{path}/", f"/{path}/{path}"):
            app.router.add_get(route, _handler(path, checks))
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    host, _, port = address.rpartition(":")
    try:
        await web.TCPSite(runner, host.strip("[]") or None, int(port)).start()
        yield
    finally:
        await runner.cleanup()


def _handler(path: str, checks: Mapping[str, Check]) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
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
