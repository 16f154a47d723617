"""A TCP proxy on loopback that stands before a server and misbehaves on demand.

It understands HTTP when it sees plain text: before an http:// target, and before an https:// target whose
`authority` it is given, for then it ends TLS with a certificate of its own. Otherwise bytes are bytes. What it
can do to them is in `fault`; `InThread` runs it for blocking tests.
"""

import asyncio
import contextlib
import socket
import ssl
import struct
import threading
from collections import deque
from collections.abc import Coroutine
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

from testenv.certificates import Authority
from testenv.fault import Answer, Cut, Delay, Fault, Pass, Refuse, Reset, Silence, Split
from testenv.framing import Request, encode_response, read_request
from testenv.port import LOOPBACK, free_port

_LIMIT = 4 * 1024 * 1024
_PIECE = 64 * 1024


class _Over(Exception):
    """The connection is over."""


@dataclass(eq=False)
class _Link:
    """A client's connection, the server's that belongs to it, and what has passed since the mode was set."""

    client: asyncio.StreamWriter
    task: asyncio.Task[Any]
    server: asyncio.StreamWriter | None = None
    passed: int = 0
    swallowed: bool = False


@dataclass
class _Seen:
    connections: int = 0
    answered: int = 0
    requests: list[Request] = field(default_factory=list)


class FaultProxy:
    """`async with FaultProxy("http://127.0.0.1:8200") as proxy: ...`; clients use `proxy.url`.

    With `others` it balances: connections go to all of them in turn, past those that refuse. `connections` counts
    those that were accepted, `requests` are those that were seen (HTTP only), `answered` counts the answers in the
    server's stead since the mode was set.
    """

    def __init__(self, target: str, *others: str, authority: Authority | None = None) -> None:
        self._upstreams = deque(_address(one) for one in (target, *others))
        parts = urlsplit(target)
        self._port = free_port()
        self.url = f"{parts.scheme}://{LOOPBACK}:{self._port}"
        self._authority = authority if parts.scheme == "https" else None
        self._http = parts.scheme == "http" or self._authority is not None
        self._tls = _contexts(self._authority)
        self._mode: Fault = Pass()
        self._seen = _Seen()
        self._links: set[_Link] = set()
        self._listener: asyncio.Server | None = None

    async def __aenter__(self) -> Self:
        await self._listen()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop_listening()
        tasks = [link.task for link in self._links]
        for link in list(self._links):
            _abort(link)
            link.task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.sleep(0)  # an aborted connection is closed in the loop's next round

    @property
    def mode(self) -> Fault:
        """What happens to the traffic now; change it with `set`."""
        return self._mode

    @property
    def connections(self) -> int:
        """How many connections were accepted so far."""
        return self._seen.connections

    @property
    def answered(self) -> int:
        """How many requests were answered in the server's stead since the mode was set."""
        return self._seen.answered

    @property
    def requests(self) -> list[Request]:
        """The requests seen so far, whether handed on or not."""
        return list(self._seen.requests)

    async def set(self, mode: Fault) -> None:
        """Change what happens to the traffic, that of existing connections included."""
        self._mode = mode
        self._seen.answered = 0
        at_once = isinstance(mode, Refuse) or (isinstance(mode, Cut | Reset) and mode.after == 0)
        for link in list(self._links):
            link.passed = 0
            if at_once or (link.swallowed and mode != Silence()):
                _end(link, mode)
        if isinstance(mode, Refuse):
            self._stop_listening()
        elif self._listener is None:
            await self._listen()

    async def _listen(self) -> None:
        context = self._tls[0] if self._tls else None
        self._listener = await asyncio.start_server(
            self._accept, LOOPBACK, self._port, ssl=context, limit=_LIMIT, reuse_address=True
        )

    def _stop_listening(self) -> None:
        if self._listener is not None:
            self._listener.close()
            self._listener = None

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 -- asyncio runs this in a task
        link = _Link(writer, task)
        self._links.add(link)
        self._seen.connections += 1
        try:
            await _until_over(self._serve(link, reader))
            _end(link, Pass())
            # Over TLS the end takes a moment: until then the link counts, or the loop could stop in the middle of it.
            await _until_over(_closed(link))
        except asyncio.CancelledError:
            _abort(link)  # asyncio would report a cancelled handler
        finally:
            self._links.discard(link)

    async def _serve(self, link: _Link, reader: asyncio.StreamReader) -> None:
        answers, link.server = await self._connect()
        upwards = self._upwards_http if self._http else self._upwards
        async with asyncio.TaskGroup() as group:
            pumps = [
                group.create_task(_until_over(upwards(link, reader)), name="upwards"),
                group.create_task(_until_over(self._downwards(link, answers)), name="downwards"),
            ]
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
            for pump in pumps:
                pump.cancel()

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        context = self._tls[1] if self._tls else None
        for left in range(len(self._upstreams) - 1, -1, -1):
            host, port = self._upstreams[0]
            self._upstreams.rotate(-1)
            try:
                return await asyncio.open_connection(host, port, ssl=context, limit=_LIMIT)
            except OSError:
                if not left:
                    raise
        raise AssertionError("unreachable")

    async def _upwards(self, link: _Link, reader: asyncio.StreamReader) -> None:
        while data := await reader.read(_PIECE):
            await self._hand_up(link, data)

    async def _upwards_http(self, link: _Link, reader: asyncio.StreamReader) -> None:
        while True:
            request = await read_request(reader)
            self._seen.requests.append(request)
            mode = self._mode
            if isinstance(mode, Answer) and self._takes(mode, request):
                self._seen.answered += 1
                link.client.write(encode_response(mode.status, mode.headers, mode.body))
                await link.client.drain()
                continue
            await self._hand_up(link, request.head + request.body)
            if "upgrade" in request.headers:
                await self._upwards(link, reader)
                return

    def _takes(self, mode: Answer, request: Request) -> bool:
        left = mode.times is None or self._seen.answered < mode.times
        spared = bool(mode.spare) and mode.spare in request.target
        return left and not spared and mode.path in request.target and mode.method in {"", request.method}

    async def _hand_up(self, link: _Link, data: bytes) -> None:
        assert link.server is not None  # noqa: S101 -- connected before the pumps start
        match self._mode:
            case Silence():
                link.swallowed = True
                return
            case Delay(seconds):
                await asyncio.sleep(seconds)
            case _:
                pass
        link.server.write(data)
        await link.server.drain()

    async def _downwards(self, link: _Link, reader: asyncio.StreamReader) -> None:
        while data := await reader.read(_PIECE):
            await self._hand_down(link, data)

    async def _hand_down(self, link: _Link, data: bytes) -> None:
        size = len(data)
        match self._mode:
            case Silence():
                link.swallowed = True
                return
            case Delay(seconds):
                await asyncio.sleep(seconds)
            case Split(few):
                size = few
            case (Cut(after) | Reset(after)) as mode:
                left = after - link.passed
                link.passed += len(data)
                if len(data) >= left:
                    await _write(link.client, data[:left], size=size)
                    _end(link, mode)
                    raise _Over
            case _:
                pass
        await _write(link.client, data, size=size)


class InThread:
    """A `FaultProxy` in a thread of its own: `with InThread("http://127.0.0.1:8200") as proxy: ...`.

    `url`, `mode`, `connections`, `answered` and `requests` are those of the proxy, `set` blocks until it is done.
    """

    def __init__(self, target: str, *others: str, authority: Authority | None = None) -> None:
        self._proxy = FaultProxy(target, *others, authority=authority)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="fault-proxy", daemon=True)
        self.url = self._proxy.url

    def __enter__(self) -> Self:
        self._thread.start()
        self._run(self._proxy.__aenter__())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._run(self._proxy.__aexit__(kind, error, trace))
        self._run(self._loop.shutdown_asyncgens())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    @property
    def mode(self) -> Fault:
        """As that of `FaultProxy`."""
        return self._proxy.mode

    @property
    def connections(self) -> int:
        """As that of `FaultProxy`."""
        return self._proxy.connections

    @property
    def answered(self) -> int:
        """As that of `FaultProxy`."""
        return self._proxy.answered

    @property
    def requests(self) -> list[Request]:
        """As those of `FaultProxy`."""
        return self._proxy.requests

    def set(self, mode: Fault) -> None:
        """As that of `FaultProxy`."""
        self._run(self._proxy.set(mode))

    def _run(self, work: Coroutine[Any, Any, Any]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result()


def _address(target: str) -> tuple[str, int]:
    parts = urlsplit(target)
    if parts.hostname is None or parts.port is None:
        raise ValueError(f"{target!r} is no URL with a port")
    return parts.hostname, parts.port


def _contexts(authority: Authority | None) -> tuple[ssl.SSLContext, ssl.SSLContext] | None:
    """How to be the server towards clients, and a client towards the server."""
    if authority is None:
        return None
    pair = authority.serving("fault-proxy")
    ours = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    ours.load_cert_chain(pair.certificate, pair.key)
    return ours, authority.context()


async def _until_over(work: Coroutine[Any, Any, None]) -> None:
    """Do it until the connection ends, in whichever way."""
    with contextlib.suppress(_Over, OSError, EOFError, asyncio.LimitOverrunError, ValueError):
        await work


async def _write(writer: asyncio.StreamWriter, data: bytes, *, size: int) -> None:
    for start in range(0, len(data), max(size, 1)):
        writer.write(data[start : start + size])
        await writer.drain()
        await asyncio.sleep(0)  # let the reader see this segment alone


def _end(link: _Link, mode: Fault) -> None:
    if isinstance(mode, Reset):
        with contextlib.suppress(OSError):
            # Lingering for no time at all makes the kernel send a reset.
            link.client.get_extra_info("socket").setsockopt(
                socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
            )
        _abort(link)
        return
    link.client.close()
    if link.server is not None:
        link.server.close()


async def _closed(link: _Link) -> None:
    for writer in (link.client, link.server):
        if writer is not None:
            await writer.wait_closed()


def _abort(link: _Link) -> None:
    for writer in (link.client, link.server):
        if writer is not None:
            writer.transport.abort()
