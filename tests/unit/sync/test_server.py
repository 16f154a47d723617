"""When the transport of a server is closed, and which failures are the server's own."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from tests.support.clock import FakeClock, settle
from vso.base import Sensitive
from vso.sync import ConnectionSuspended, Deferred, Server, Turn
from vso.vault import (
    BadAnswer,
    Call,
    Denied,
    Invalid,
    RateLimited,
    Response,
    Sealed,
    ServerFault,
    TimedOut,
    Transport,
    VaultError,
)


class Line(Transport):
    """Answers once it is told to; knows whether it was closed."""

    def __init__(self) -> None:
        self.released = asyncio.Event()
        self.closed = False
        self.asked = 0
        self.answer = Response()
        self.error: VaultError | None = None

    async def request(self, method: str, path: str, call: Call = Call()) -> Response:  # noqa: B008 - frozen
        self.asked += 1
        await self.released.wait()
        if self.error is not None:
            raise self.error
        return self.answer

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


class Bench:
    """A server that answers as it is told, path by path, and the turns that it told."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.turns: list[Turn] = []
        self.line = Line()
        self.line.released.set()
        self.witness: VaultError | None = None
        self.heard = 0
        self.logged_in = False
        self.server = Server(
            "vault",
            self.line,
            timeout=60.0,
            clock=self.clock,
            observer=lambda _, turn: self.turns.append(turn),
            witness=lambda: self._hear if self.logged_in else None,
        )

    async def _hear(self, _: Transport) -> None:
        self.heard += 1
        if self.witness is not None:
            raise self.witness

    async def good(self) -> None:
        """A request that is answered."""
        await _ask(self.server)

    async def bad(self, error: BaseException, *, after: Callable[[], Awaitable[None]] | None = None) -> None:
        """A request that fails with `error`, at once or after something else."""

        async def fail(_: Transport) -> Response:
            if after is not None:
                await after()
            raise error

        with pytest.raises(type(error)):
            await self.server.call(fail)

    async def probe(self) -> None:
        """A look at the seal status, which is good."""
        status = Response(data=Sensitive(b'{"initialized":true,"sealed":false}'))
        self.line.answer = status
        await self.server.probe()
        self.line.answer = Response()


@pytest.mark.parametrize("error", [TimedOut("no answer"), ServerFault("bad gateway", status=504)])
async def test_one_path_without_an_answer_is_no_outage_while_others_are_answered(error: VaultError) -> None:
    """An engine that hangs, or a gateway that gives up on it."""
    bench = Bench()
    await bench.bad(error, after=bench.good)
    assert bench.turns == []
    await bench.clock.advance(1)
    await bench.bad(error)
    assert bench.turns == [Turn.DOWN]


FAULT = ServerFault("internal error", status=500)


async def test_r11_an_engine_that_fails_alone_suspends_nobody() -> None:
    """Its database is down, say: somebody who is logged in is answered, and is asked every five seconds at most."""
    bench = Bench()
    bench.logged_in = True
    for _ in range(20):
        await bench.bad(FAULT)
        await bench.clock.advance(1)
    assert (bench.turns, bench.server.outage) == ([], None)
    assert 3 <= bench.heard <= 4
    assert not FAULT.outage


@pytest.mark.parametrize("word", [FAULT, TimedOut("no answer"), Sealed("sealed", status=503)])
async def test_r11_a_server_that_fails_whoever_asks_is_out_of_order(word: VaultError) -> None:
    """All hold back as soon as a witness fails too, and come back when one is answered."""
    bench = Bench()
    bench.logged_in, bench.witness = True, word
    fault = ServerFault("internal error", status=500)
    await bench.bad(fault)
    assert fault.outage
    with pytest.raises(ConnectionSuspended):
        await bench.good()
    assert (bench.turns, bench.heard) == ([Turn.DOWN], 1)


async def test_r11_while_a_server_fails_whoever_asks_only_the_witness_does() -> None:
    """Its seal status tells nothing, and no resource makes a trial in vain: one request at a time."""
    bench = Bench()
    bench.logged_in, bench.witness = True, FAULT
    await bench.bad(FAULT)
    for number in range(2, 12):
        with pytest.raises(ServerFault):
            await bench.probe()
        assert (bench.heard, bench.line.asked) == (number, 0)
    bench.witness = Denied("the token ended meanwhile", status=403)
    await bench.probe()
    await bench.good()
    assert bench.turns == [Turn.DOWN, Turn.UP]


@pytest.mark.parametrize("status", [500, 502, 503])
async def test_r11_a_seal_status_that_fails_is_an_outage_before_any_request_runs_into_it(status: int) -> None:
    """It depends on no engine; as only a probe saw it, a good one ends it."""
    bench = Bench()
    bench.line.error = ServerFault("failed", status=status)
    with pytest.raises(ServerFault):
        await bench.probe()
    with pytest.raises(ConnectionSuspended):
        await bench.good()
    bench.line.error = None
    await bench.probe()
    assert bench.turns == [Turn.DOWN, Turn.UP]


async def test_r11_many_that_fail_together_ask_one_witness() -> None:
    """The others take its word."""
    for word in (None, FAULT):
        bench = Bench()
        bench.logged_in, bench.witness = True, word
        async with asyncio.TaskGroup() as group:
            for _ in range(4):
                group.create_task(bench.bad(ServerFault("internal error", status=500), after=settle))
        assert bench.heard == 1
        assert bench.turns == ([] if word is None else [Turn.DOWN])


async def test_r11_a_server_in_order_by_its_own_word_that_fails_all_the_same_gets_one_request_at_a_time() -> None:
    """Nobody is logged in, so a login makes the trial; after one in vain the seal status would say nothing new."""
    bench = Bench()
    await bench.bad(FAULT)
    await bench.probe()
    asked = bench.line.asked
    for _ in range(5):
        await bench.bad(FAULT)
        await bench.probe()
    assert bench.line.asked == asked
    await bench.good()
    assert bench.turns == [Turn.DOWN, *[Turn.TRIAL] * 6, Turn.UP]


async def test_a_trial_that_finds_the_server_sealed_is_followed_by_a_look_at_the_seal() -> None:
    """That tells more, and costs no resource an attempt."""
    bench = Bench()
    await bench.bad(Sealed("sealed", status=503))
    await bench.probe()
    await bench.bad(Sealed("sealed", status=503))
    asked = bench.line.asked
    await bench.probe()
    assert bench.line.asked == asked + 1


async def test_failures_do_not_vouch_for_each_other() -> None:
    """A gateway that refuses everybody is an outage, however many requests overlap."""
    bench = Bench()
    refusal = ServerFault("unavailable", status=503)

    async def another() -> None:
        await bench.clock.advance(1)
        await bench.bad(refusal)

    await bench.bad(refusal, after=bench.good)
    assert bench.turns == []
    await bench.clock.advance(1)
    await bench.bad(refusal, after=another)
    assert bench.turns == [Turn.DOWN]


async def test_a_quota_of_one_mount_slows_down_and_suspends_nobody() -> None:
    """As long as others are answered: fewer requests at a time, until the server has had its pause."""
    bench = Bench()
    await bench.good()
    await bench.bad(RateLimited("too many", status=429, retry_after=7))
    assert (bench.turns, bench.server.outage) == ([], None)
    await bench.good()
    assert await _at_a_time(bench) == 4
    await bench.clock.advance(7)
    await bench.good()
    assert await _at_a_time(bench) == 32


async def test_a_server_over_its_quota_is_asked_again_when_it_wants_to_be() -> None:
    """Not as soon as its seal status is good, for which quotas do not count."""
    bench = Bench()
    await bench.bad(RateLimited("too many", status=429, retry_after=30))
    await bench.probe()
    with pytest.raises(ConnectionSuspended):
        await bench.good()
    await bench.clock.advance(30)
    await bench.probe()
    await bench.good()
    assert bench.turns == [Turn.DOWN, Turn.TRIAL, Turn.UP]


@pytest.mark.parametrize("error", [Invalid("nothing was sent"), BadAnswer("half of it"), asyncio.CancelledError()])
async def test_a_trial_that_tells_nothing_is_followed_by_the_next_request(error: BaseException) -> None:
    """It must not keep everybody waiting for the length of the timeout."""
    bench = Bench()
    await bench.bad(TimedOut("no answer"))
    await bench.probe()
    await bench.bad(error)
    await bench.good()
    assert bench.turns == [Turn.DOWN, Turn.TRIAL, Turn.UP]


async def test_an_outage_that_nobody_waits_for_any_more_ends() -> None:
    """The only resource that ran into it was deleted: a good seal status has the last word."""
    bench = Bench()
    await bench.bad(TimedOut("no answer"))
    for _ in range(13):
        await bench.probe()
        await bench.clock.advance(5)
    assert bench.turns == [Turn.DOWN, Turn.TRIAL]
    await bench.probe()
    assert bench.turns == [Turn.DOWN, Turn.TRIAL, Turn.UP]


async def test_a_request_for_which_there_is_no_room_is_put_off_and_is_no_failure() -> None:
    """The server answers, only slowly."""
    line = Line()
    server = _server(line)
    async with asyncio.TaskGroup() as group:
        busy = [group.create_task(_ask(server)) for _ in range(4)]
        await settle()
        with pytest.raises(Deferred):
            await _ask(server)
        line.released.set()
    assert [task.result() for task in busy] == [Response()] * 4
    assert server.outage is None


async def _at_a_time(bench: Bench) -> int:
    """How many of many requests are under way together."""
    bench.line.released.clear()
    bench.line.asked = 0
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(_ask(bench.server)) for _ in range(50)]
        await settle()
        seen = bench.line.asked
        for task in tasks:
            task.cancel()
    bench.line.released.set()
    return seen


async def _ask(server: Server) -> Response:
    return await server.call(lambda transport: transport.request("GET", "kv/app"))
