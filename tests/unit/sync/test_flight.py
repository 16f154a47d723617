"""Shared work and bounded slots, cancelled at every await."""

import asyncio
import traceback
from contextlib import suppress

import pytest

from vso.sync.flight import SingleFlight, Slots


async def test_callers_of_one_key_share_one_flight() -> None:
    """One start, one result for all."""
    started = 0
    gate = asyncio.Event()

    async def work() -> int:
        nonlocal started
        started += 1
        await gate.wait()
        return started

    async with SingleFlight() as flights, asyncio.TaskGroup() as group:
        callers = [group.create_task(flights.run("key", work)) for _ in range(5)]
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        gate.set()
    assert [one.result() for one in callers] == [1] * 5


async def test_an_error_tells_where_it_began_however_many_callers_it_reached() -> None:
    """Hundreds of callers would else make a traceback of hundreds of parts, each time it is logged."""
    async with SingleFlight() as flights:

        async def fail() -> int:
            await asyncio.sleep(0)
            raise LookupError

        errors = await asyncio.gather(*(flights.run(1, fail) for _ in range(50)), return_exceptions=True)
        lengths = [len(traceback.extract_tb(one.__traceback__)) for one in errors if isinstance(one, LookupError)]
    assert len(lengths) == 50
    assert max(lengths) < 6


async def test_an_error_reaches_every_caller_and_the_next_caller_starts_anew() -> None:
    """A failure is not remembered."""
    async with SingleFlight() as flights:

        async def fail() -> int:
            await asyncio.sleep(0)
            raise LookupError

        results = await asyncio.gather(*(flights.run(1, fail) for _ in range(3)), return_exceptions=True)
        assert [type(one) for one in results] == [LookupError] * 3

        async def work() -> int:
            await asyncio.sleep(0)
            return 7

        assert await flights.run(1, work) == 7


@pytest.mark.parametrize("steps", range(6))
async def test_a_cancelled_caller_leaves_the_flight_to_the_others(steps: int) -> None:
    """At whatever point the cancellation comes."""
    async with SingleFlight() as flights, asyncio.TaskGroup() as group:

        async def work() -> str:
            for _ in range(4):
                await asyncio.sleep(0)
            return "done"

        first = group.create_task(flights.run("key", work))
        second = group.create_task(flights.run("key", work))
        for _ in range(steps):
            await asyncio.sleep(0)
        first.cancel()
        assert await second == "done"


async def test_leaving_the_context_cancels_what_is_under_way() -> None:
    """No task is left behind."""
    never = asyncio.Event()
    async with SingleFlight() as flights:
        with suppress(TimeoutError):
            async with asyncio.timeout(0.01):
                await flights.run("key", never.wait)
    assert len(asyncio.all_tasks()) == 1


async def test_no_more_slots_are_given_than_there_are() -> None:
    """And a caller who waits too long is told."""
    slots = Slots(2)
    assert await slots.acquire(1)
    assert await slots.acquire(1)
    assert not await slots.acquire(0.01)
    slots.release()
    assert await slots.acquire(0.01)
    assert slots.busy == 2


async def test_a_raised_limit_lets_waiting_callers_in() -> None:
    """In the order in which they came."""
    slots = Slots(0)
    async with asyncio.TaskGroup() as group:
        waiting = [group.create_task(slots.acquire(5)) for _ in range(3)]
        await asyncio.sleep(0)
        slots.limit = 3
        slots.admit()
    assert [one.result() for one in waiting] == [True] * 3


@pytest.mark.parametrize("steps", range(5))
async def test_a_cancelled_wait_loses_no_slot(steps: int) -> None:
    """Whether it had been given the slot already or not."""
    slots = Slots(1)
    assert await slots.acquire(1)
    async with asyncio.TaskGroup() as group:
        waiting = group.create_task(slots.acquire(5))
        await asyncio.sleep(0)
        slots.release()
        for _ in range(steps):
            await asyncio.sleep(0)
        waiting.cancel()
        with suppress(asyncio.CancelledError):
            if await waiting:
                slots.release()
    assert slots.busy == 0
    assert await slots.acquire(0.01)
