"""A forward proxy on loopback, as companies put one between a cluster and the world: tunnels, and plain HTTP."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from urllib.parse import urlsplit, urlunsplit

from testenv.port import LOOPBACK, free_port

_PIECE = 64 * 1024
_HEAD_END = b"\r\n\r\n"


@dataclass
class ForwardProxy:
    """Connects wherever it is asked to; each connection is for one server.

    `asked` has the first line of each connection, `passed` all that clients sent through.
    """

    url: str
    asked: list[str] = field(default_factory=list)
    passed: bytearray = field(default_factory=bytearray)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, to its end."""
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            head = await reader.readuntil(_HEAD_END)
            line, _, rest = head.partition(b"\r\n")
            self.asked.append(line.decode())
            method, target, version = line.decode().split(" ")
            tunnel = method == "CONNECT"
            parts = urlsplit(f"//{target}" if tunnel else target)
            upstream, server = await asyncio.open_connection(parts.hostname, parts.port)
            if tunnel:
                writer.write(b"HTTP/1.1 200 Connection established" + _HEAD_END)
            else:
                path = urlunsplit(("", "", parts.path, parts.query, ""))
                first = f"{method} {path} {version}\r\n".encode() + rest
                self.passed += first
                server.write(first)
            async with asyncio.TaskGroup() as ways:
                ways.create_task(self._up(reader, server), name="up")
                ways.create_task(_down(upstream, writer), name="down")
        writer.close()

    async def _up(self, reader: asyncio.StreamReader, server: asyncio.StreamWriter) -> None:
        while piece := await _piece(reader):
            self.passed += piece
            server.write(piece)
        server.close()


async def _down(upstream: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while piece := await _piece(upstream):
        writer.write(piece)
    writer.close()


async def _piece(reader: asyncio.StreamReader) -> bytes:
    """What comes next, nothing if the connection is over."""
    try:
        return await reader.read(_PIECE)
    except ConnectionError:
        return b""


@contextlib.asynccontextmanager
async def forward_proxy() -> AsyncIterator[ForwardProxy]:
    """One on a free port."""
    port = free_port()
    proxy = ForwardProxy(f"http://{LOOPBACK}:{port}")
    listener = await asyncio.start_server(proxy.serve, LOOPBACK, port)
    try:
        yield proxy
    finally:
        listener.close()
        await listener.wait_closed()
