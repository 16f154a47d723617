"""When the transport of a server that is no longer wanted is closed."""

import asyncio

from tests.support.clock import FakeClock, settle
from vso.sync import Server
from vso.vault import Call, Response, Transport


class Line(Transport):
    """Answers once it is told to; knows whether it was closed."""

    def __init__(self) -> None:
        self.released = asyncio.Event()
        self.closed = False

    async def request(self, method: str, path: str, call: Call = Call()) -> Response:  # noqa: B008 - frozen
        await self.released.wait()
        return Response()

    async def close(self) -> None:
        self.closed = True


def _server(line: Line) -> Server:
    return Server("vault", line, timeout=30.0, clock=FakeClock(), observer=lambda *_: None)


async def test_a_server_that_nobody_asks_is_closed_at_once() -> None:
    """Nothing is waited for."""
    line = Line()
    await _server(line).close()
    assert line.closed


async def test_a_server_is_closed_by_the_last_answer_under_way() -> None:
    """R14: to forget a connection fails no request, of those that wait for a slot neither; nobody waits for them."""
    line = Line()
    server = _server(line)
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(_ask(server)) for _ in range(9)]
        await settle()
        await server.close()
        before = line.closed
        line.released.set()
    assert (before, line.closed) == (False, True)
    assert [task.result() for task in tasks] == [Response()] * 9


async def test_a_cancelled_request_does_not_keep_a_server_open() -> None:
    """As at the end of the process."""
    line = Line()
    server = _server(line)
    async with asyncio.TaskGroup() as group:
        task = group.create_task(_ask(server))
        await settle()
        await server.close()
        task.cancel()
    assert task.cancelled()
    assert line.closed


async def _ask(server: Server) -> Response:
    return await server.call(lambda transport: transport.request("GET", "kv/app"))
