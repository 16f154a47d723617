"""What 200 resources cost a server that fails, in minutes of a virtual clock at the default back-off (R11)."""

import asyncio
from contextlib import suppress
from random import Random
from typing import Final

import pytest

from tests.support.clock import FakeClock
from vso.apis.meta import Key
from vso.base import BackOff, Sensitive
from vso.controllers.outcome import EXPECTED, Attempts
from vso.sync import Server
from vso.vault import Call, Response, ServerFault, Transport, VaultError

RESOURCES: Final = 200
REFRESH: Final = 60.0
PER_MINUTE: Final = 15
SETTLED: Final = 30.0
"""Seconds from the beginning of an outage from which on the rate counts."""


class Failing(Transport):
    """Answers requests for paths that begin with `bad` with 500, and notes when it was asked for what."""

    def __init__(self, clock: FakeClock, *, bad: tuple[str, ...]) -> None:
        self._time = clock
        self.bad = bad
        self.asked: list[tuple[float, str]] = []

    async def request(self, method: str, path: str, call: Call = Call()) -> Response:  # noqa: B008 - frozen
        self.asked.append((self._time.monotonic(), path))
        await self._time.sleep(0.01)
        if path.startswith(self.bad):
            raise ServerFault("internal error", path=path, status=500)
        return Response(data=Sensitive(b'{"initialized":true,"sealed":false}'))


class Bench:
    """Resources that read their paths, a probe, and the server of both."""

    def __init__(self, *, bad: tuple[str, ...], logged_in: bool) -> None:
        self.clock = FakeClock()
        self.line = Failing(self.clock, bad=())
        self.rng = Random(1)
        self._bad = bad
        self._attempts = Attempts(BackOff(), max_elapsed=0.0, clock=self.clock, rng=self.rng)
        self.failed: set[str] = set()
        self.server = Server(
            "vault",
            self.line,
            timeout=30.0,
            clock=self.clock,
            observer=lambda *_: None,
            witness=lambda: self._look_up if logged_in else None,
        )

    async def run(self, minutes: int) -> None:
        """A quiet minute, then so many of an outage."""
        async with asyncio.TaskGroup() as group:
            paths = [f"{'db' if number % 2 else 'kv'}/{number}" for number in range(RESOURCES)]
            tasks = [group.create_task(self._refresh(one)) for one in paths]
            tasks.append(group.create_task(self._probe()))
            await self.clock.advance(2 * REFRESH)
            self.line.asked.clear()
            self.line.bad = self._bad
            self.begun = self.clock.monotonic()
            await self.clock.advance(60.0 * minutes)
            for task in tasks:
                task.cancel()

    def busiest(self, words: str = "") -> int:
        """The most requests in any minute of the settled outage, of paths that begin with `words`."""
        times = [at for at, path in self.line.asked if path.startswith(words) and at >= self.begun + SETTLED]
        return max(sum(one <= at < one + 60 for at in times) for one in times)

    async def _look_up(self, transport: Transport) -> object:
        return await transport.request("GET", "auth/token/lookup-self")

    async def _refresh(self, path: str) -> None:
        key = Key("app", path)
        await self.clock.sleep(self.rng.random() * REFRESH)
        while True:
            try:
                await self.server.call(lambda transport: transport.request("GET", path))
                self._attempts.succeeded(key)
                await self.clock.sleep(REFRESH)
            except EXPECTED as error:
                self.failed.add(path)
                await self.clock.sleep(self._attempts.failed(key, error).seconds or REFRESH)

    async def _probe(self) -> None:
        while True:
            down = self.server.outage is not None
            await self.clock.sleep(5.0 + self.rng.random() if down else 1.0)
            if self.server.outage is not None:
                with suppress(VaultError):
                    await self.server.probe()


@pytest.mark.parametrize("logged_in", [True, False])
@pytest.mark.parametrize("bad", [("",), ("kv", "db", "auth")], ids=["everything fails", "only the seal status answers"])
async def test_r11_a_server_that_fails_everybody_is_asked_a_dozen_times_a_minute(
    bad: tuple[str, ...], *, logged_in: bool
) -> None:
    """Whether somebody is logged in or not, and whatever the seal status says."""
    bench = Bench(bad=bad, logged_in=logged_in)
    await bench.run(minutes=10)
    assert bench.busiest() <= PER_MINUTE


async def test_r11_an_engine_that_fails_alone_is_backed_off_from_and_the_rest_goes_on() -> None:
    """Half of the resources fail, at their own back-off; the other half is read each minute, and never fails."""
    bench = Bench(bad=("db",), logged_in=True)
    await bench.run(minutes=10)
    assert {one[:2] for one in bench.failed} == {"db"}
    assert len(bench.failed) == RESOURCES / 2
    assert bench.busiest("auth") <= 60 / 5 + 1
    assert 95 <= bench.busiest("kv") <= 105
