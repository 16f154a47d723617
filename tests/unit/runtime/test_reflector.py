"""How a reflector behaves when the server refuses, stalls, forgets or floods."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from random import Random

import pytest
from structlog.testing import capture_logs

from tests.support.clock import FakeClock, settle
from tests.unit.runtime.doubles import Collection, key_of, refusal, same
from vso.apis.meta import PartialObject
from vso.kube import ConnectionFailed, Forbidden, Gone, NotFound, TooManyRequests
from vso.runtime import Change, Reflector, Store


@dataclass
class Bench:
    clock: FakeClock
    server: Collection
    store: Store[PartialObject]
    reflector: Reflector[PartialObject, PartialObject]
    changes: list[Change[PartialObject]] = field(default_factory=list)


@pytest.fixture
def bench() -> Bench:
    """A reflector that is not running yet, and what surrounds it."""
    clock = FakeClock()
    server = Collection(clock)
    store: Store[PartialObject] = Store()
    reflector = Reflector(server, store, project=same, clock=clock, rng=Random(3), page_size=2)
    made = Bench(clock, server, store, reflector)
    reflector.subscribe(made.changes.append)
    return made


@asynccontextmanager
async def _running(bench: Bench) -> AsyncIterator[None]:
    async with asyncio.TaskGroup() as group:
        task = group.create_task(bench.reflector.run())
        await settle()
        yield
        task.cancel()


async def test_pages_are_put_together_before_anything_is_announced(bench: Bench) -> None:
    """Five objects in pages of two are one list, and the watch goes on from there."""
    for name in "abcde":
        bench.server.put(name)
    async with _running(bench):
        await bench.reflector.wait_synced()
        assert (bench.server.lists, len(bench.store)) == (3, 5)
        assert all(change.listed and change.old is None for change in bench.changes)
        bench.server.put("f")
        await settle()
        assert bench.changes[-1] == Change(None, bench.server.objects[key_of("f")])


async def test_what_vanished_during_a_gap_is_announced(bench: Bench) -> None:
    """After a 410 the list is compared with the store; nothing is listed twice."""
    bench.server.put("a")
    async with _running(bench):
        bench.server.silent = True
        bench.server.drop("a")
        bench.server.put("b")
        bench.server.silent = False
        bench.server.compact()
        bench.server.cut()
        await bench.clock.advance(5)
        assert bench.server.lists == 2
        assert {(change.key.name, change.new is None) for change in bench.changes[1:]} == {
            ("a", True),
            ("b", False),
        }


async def test_a_cut_stream_is_taken_up_again_without_a_list(bench: Bench) -> None:
    """Transport errors do not cause list requests."""
    async with _running(bench):
        bench.server.put("a")
        await settle()
        bench.server.errors += [ConnectionFailed("refused")] * 3
        bench.server.cut()
        bench.server.put("b")
        await bench.clock.advance(10)
        assert len(bench.store) == 2
        assert bench.server.lists == 1


async def test_a_stalled_stream_is_replaced_within_90_seconds(bench: Bench) -> None:
    """D49: something between swallows the stream without closing it, five times in a row."""
    async with _running(bench):
        bench.server.silent = True
        watches = bench.server.watches
        for _ in range(5):
            await bench.clock.advance(90)
            assert bench.server.watches > watches
            watches = bench.server.watches
        assert "stalls" in bench.reflector.problem
        bench.server.put("a")
        bench.server.silent = False
        await bench.clock.advance(90)
        assert len(bench.store) == 1
        assert bench.server.lists == 1
        assert bench.reflector.problem == ""


async def test_quiet_watches_end_without_complaint(bench: Bench) -> None:
    """The server ends each watch after its time; a quiet hour is no failure and costs less than a watch a minute."""
    with capture_logs() as logs:
        async with _running(bench):
            await bench.clock.advance(3600)
    assert logs == []
    assert 45 <= bench.server.watches <= 57
    assert bench.server.lists == 1


@pytest.mark.parametrize(("error", "advice"), [(Forbidden, "grant it with RBAC"), (NotFound, "install the CRD")])
async def test_a_refused_list_says_what_to_do_and_heals(bench: Bench, error: type[Exception], advice: str) -> None:
    """One log line while it lasts, backing off to half a minute, and one when it is over."""
    bench.server.errors += [refusal(error) for _ in range(12)]
    with capture_logs() as logs:
        async with _running(bench):
            await bench.clock.advance(60)
            assert not bench.reflector.synced
            assert advice in bench.reflector.problem
            assert 5 <= bench.server.lists <= 10
            await bench.clock.advance(300)
            await bench.reflector.wait_synced()
            assert not bench.reflector.problem
    assert [line["event"] for line in logs] == ["cannot read", "reading again"]


async def test_the_store_survives_a_time_without_permission(bench: Bench) -> None:
    """What was known stays known, and `synced` with it."""
    bench.server.put("a")
    async with _running(bench):
        bench.server.errors += [refusal(Forbidden) for _ in range(5)]
        bench.server.cut()
        await bench.clock.advance(5)
        assert "RBAC" in bench.reflector.problem
        assert (len(bench.store), bench.reflector.synced) == (1, True)


async def test_pages_that_expire_are_read_in_larger_pieces(bench: Bench) -> None:
    """A list slower than the server's memory would never end otherwise; in one piece it could fill ours."""
    for name in "abcdefghijklmnopqrst":
        bench.server.put(name)
    bench.server.errors.append(refusal(Gone))
    async with _running(bench):
        await bench.clock.advance(2)
        assert (bench.server.lists, len(bench.store)) == (1 + 3, 20)
        assert bench.server.limits == [2, 8, 8, 8]


async def test_retry_after_is_honoured(bench: Bench) -> None:
    """The server says when it wants to be asked again."""
    error = TooManyRequests("slow down", status=429, retry_after=20.0)
    bench.server.errors.append(error)
    async with _running(bench):
        await bench.clock.advance(19)
        assert bench.server.lists == 1
        await bench.clock.advance(2)
        assert bench.reflector.synced


async def test_a_handler_with_a_bug_does_not_blind_the_others(bench: Bench) -> None:
    """It is logged with the key."""
    seen: list[str] = []

    def broken(change: Change[PartialObject]) -> None:
        raise ZeroDivisionError(change.key.name)

    bench.reflector.subscribe(broken)
    bench.reflector.subscribe(lambda change: seen.append(change.key.name))
    bench.server.put("a")
    with capture_logs() as logs:
        async with _running(bench):
            assert seen == ["a"]
    assert [(line["event"], line["key"]) for line in logs] == [("handler failed", "app/a")]


async def test_an_object_that_cannot_be_projected_does_not_blind_the_others(bench: Bench) -> None:
    """It is logged and left out, in a list and in a watch; what was kept of it before goes when it goes."""

    def project(obj: PartialObject) -> PartialObject:
        if obj.metadata.labels:
            raise ZeroDivisionError
        return obj

    bench.reflector = Reflector(bench.server, bench.store, project=project, clock=bench.clock, rng=Random(3))
    bench.server.put("a")
    bench.server.put("b", labels={"odd": ""})
    with capture_logs() as logs:
        async with _running(bench):
            bench.server.put("a", labels={"odd": ""})
            bench.server.put("c")
            await settle()
            assert sorted(one.metadata.name for one in bench.store.values()) == ["a", "c"]
            bench.server.drop("a")
            await settle()
            assert [one.metadata.name for one in bench.store.values()] == ["c"]
            assert (bench.server.lists, bench.reflector.problem) == (1, "")
    assert [(line["event"], line["key"]) for line in logs] == [("object ignored", "app/b"), ("object ignored", "app/a")]


async def test_a_server_that_ends_every_watch_is_not_stormed(bench: Bench) -> None:
    """A hundred seconds of it cost a dozen requests, not thousands."""
    async with _running(bench):
        for _ in range(1000):
            bench.server.cut()
            await bench.clock.advance(0.1)
        assert bench.server.watches + bench.server.lists < 20
