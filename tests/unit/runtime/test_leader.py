"""Taking, keeping, losing and releasing the Lease."""

import asyncio
from datetime import UTC, datetime
from random import Random

import msgspec
import pytest
from structlog.testing import capture_logs

from tests.support.clock import FakeClock, settle
from tests.unit.runtime.doubles import Leases, refusal
from vso.apis.core import Lease, LeaseSpec
from vso.apis.meta import Key, decode, encode
from vso.kube import ConnectionFailed, Forbidden
from vso.runtime import LeaderElector, LeaseConfig, Silent, Unelected, make_identity

KEY = Key("ops", "b0d477c0.hashicorp.com")

# As client-go writes it.
FOREIGN = b"""{"apiVersion":"coordination.k8s.io/v1","kind":"Lease",
 "metadata":{"name":"b0d477c0.hashicorp.com","namespace":"ops","resourceVersion":"7","uid":"u"},
 "spec":{"holderIdentity":"theirs_1","leaseDurationSeconds":15,"acquireTime":"2026-01-01T00:00:00.000000Z",
 "renewTime":"2019-01-01T00:00:00.123456Z","leaseTransitions":3}}"""


class Replica(Silent):
    """An elector and what it does."""

    def __init__(self, leases: Leases, clock: FakeClock, who: str) -> None:
        self.clock = clock
        self._working = False
        self.told: list[bool] = []
        self.slow = 0
        self.gave_up = False
        self.stubborn = False
        self.over = asyncio.Event()
        self.elector = LeaderElector(
            leases.client(who),
            LeaseConfig(key=KEY, identity=who),
            clock=clock,
            rng=Random(who),
            observer=self,
            abort=self.abort,
        )

    async def run(self) -> None:
        await self.elector.run(self.work)

    async def work(self) -> None:
        self._working = True
        try:
            await self.over.wait()
        finally:
            if self.stubborn:
                await self.clock.sleep(60)
            self._working = False

    def at_work(self) -> bool:
        return self._working

    def has_given_up(self) -> bool:
        return self.gave_up

    def abort(self) -> None:
        self.gave_up = True

    def leading(self, *, now: bool) -> None:
        self.told.append(now)

    def slow_path(self) -> None:
        self.slow += 1


@pytest.fixture
def clock() -> FakeClock:
    """Stands still until moved."""
    return FakeClock()


@pytest.fixture
def leases() -> Leases:
    """No Lease exists yet."""
    return Leases()


def _spec(leases: Leases) -> LeaseSpec:
    assert leases.stored is not None
    return leases.stored.spec


async def test_the_first_replica_leads_and_renews(leases: Leases, clock: FakeClock) -> None:
    """15 s on the Lease, a renewal every 2 s, released at the end."""
    one = Replica(leases, clock, "one")
    async with asyncio.TaskGroup() as group:
        group.create_task(one.run())
        await settle()
        assert (one.at_work(), one.elector.leading) == (True, True)
        assert _spec(leases) == LeaseSpec(
            holder_identity="one",
            lease_duration_seconds=15,
            acquire_time=datetime(2026, 1, 1, microsecond=1, tzinfo=UTC),
            renew_time=datetime(2026, 1, 1, microsecond=1, tzinfo=UTC),
            lease_transitions=0,
        )
        await clock.advance(60)
        assert leases.writes == 31
        one.over.set()
    assert (_spec(leases).holder_identity, _spec(leases).lease_duration_seconds) == ("", 1)
    assert one.told == [False, True, False]
    assert one.slow == 0


async def test_a_release_hands_over_within_three_seconds(leases: Leases, clock: FakeClock) -> None:
    """Instead of the 15 s that the original takes."""
    one, two = Replica(leases, clock, "one"), Replica(leases, clock, "two")
    async with asyncio.TaskGroup() as group:
        first = group.create_task(one.run())
        await settle()
        second = group.create_task(two.run())
        await clock.advance(30)
        assert not two.at_work()
        first.cancel()
        await settle()
        assert not one.at_work()
        await clock.advance(3)
        assert two.at_work()
        assert _spec(leases).lease_transitions == 1
        second.cancel()


async def test_a_foreign_lease_is_watched_on_our_own_clock(leases: Leases, clock: FakeClock) -> None:
    """However old its timestamps are: only 15 s without a renewal, as seen by us, make it free."""
    leases.stored = decode(FOREIGN, Lease)
    one = Replica(leases, clock, "one")
    async with asyncio.TaskGroup() as group:
        task = group.create_task(one.run())
        await clock.advance(14)
        assert not one.at_work()
        # The original renews.
        assert leases.stored is not None
        leases.version = 8
        leases.stored = msgspec.structs.replace(
            leases.stored,
            metadata=msgspec.structs.replace(leases.stored.metadata, resource_version="8"),
            spec=msgspec.structs.replace(leases.stored.spec, renew_time=clock.now()),
        )
        await clock.advance(14)
        assert not one.at_work()
        await clock.advance(5)
        assert one.at_work()
        assert _spec(leases).lease_transitions == 4
        task.cancel()


@pytest.mark.parametrize("cut", [0.1 * tenth for tenth in range(40, 60)])
async def test_a_lease_that_nobody_renews_is_taken_as_it_ends(leases: Leases, clock: FakeClock, cut: float) -> None:
    """15 s after the waiting replica saw its last renewal, and it looks every 2.4 s at the latest."""
    one, two = Replica(leases, clock, "one"), Replica(leases, clock, "two")
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(one.run()), group.create_task(two.run())]
        await clock.advance(cut)
        leases.failure = lambda who: ConnectionFailed("refused") if who == "one" else None
        renewed = _spec(leases).renew_time
        await clock.advance(20)
        acquired = _spec(leases).acquire_time
        assert (two.at_work(), one.at_work()) == (True, False)
        assert renewed is not None
        assert acquired is not None
        assert 15 < (acquired - renewed).total_seconds() < 15 + 2.4 + 0.1
        for task in tasks:
            task.cancel()


async def test_work_stops_before_another_can_begin(leases: Leases, clock: FakeClock) -> None:
    """Cut off from the API server: 10 s after the start of the last renewal, then it competes again."""
    one = Replica(leases, clock, "one")
    async with asyncio.TaskGroup() as group:
        task = group.create_task(one.run())
        await clock.advance(4.5)
        leases.failure = lambda _: ConnectionFailed("refused")
        with capture_logs() as logs:
            await clock.advance(9.4)
            assert one.elector.leading
            await clock.advance(0.2)
        assert (one.at_work(), one.elector.leading) == (False, False)
        assert [line["event"] for line in logs] == [
            "cannot use lease",
            "leadership lost",
            "waiting for leadership",
        ]
        leases.failure = lambda _: None
        await clock.advance(3)
        assert one.at_work()
        assert not one.has_given_up()
        task.cancel()
    assert one.told == [False, True, False, True, False]


async def test_a_request_without_answer_does_not_eat_the_deadline(leases: Leases, clock: FakeClock) -> None:
    """Each attempt is given half of it, so there are two."""
    one = Replica(leases, clock, "one")
    async with asyncio.TaskGroup() as group:
        task = group.create_task(one.run())
        await clock.advance(1)
        leases.silent = True
        requests = leases.requests
        with capture_logs():
            await clock.advance(8.9)
            assert (one.at_work(), leases.requests) == (True, requests + 2)
            await clock.advance(0.2)
        assert not one.at_work()
        task.cancel()


async def test_a_lease_taken_by_another_ends_the_work_at_once(leases: Leases, clock: FakeClock) -> None:
    """As when somebody edits it by hand."""
    one = Replica(leases, clock, "one")
    async with asyncio.TaskGroup() as group:
        task = group.create_task(one.run())
        await settle()
        leases.stored = msgspec.structs.replace(decode(FOREIGN, Lease))
        await clock.advance(2)
        assert (one.at_work(), one.slow) == (False, 1)
        task.cancel()
    assert _spec(leases).holder_identity == "theirs_1"


async def test_a_lease_touched_by_others_is_kept(leases: Leases, clock: FakeClock) -> None:
    """A label on the Lease costs a look, not the leadership."""
    one = Replica(leases, clock, "one")
    async with asyncio.TaskGroup() as group:
        task = group.create_task(one.run())
        await settle()
        assert leases.stored is not None
        metadata = msgspec.structs.replace(leases.stored.metadata, labels={"a": "b"}, resource_version="99")
        leases.stored = msgspec.structs.replace(leases.stored, metadata=metadata)
        await clock.advance(2)
        assert (one.at_work(), one.slow) == (True, 1)
        assert leases.stored.metadata.labels == {"a": "b"}
        leases.stored = None
        await clock.advance(2)
        assert one.at_work()
        task.cancel()
    assert _spec(leases).holder_identity == ""


async def test_work_that_does_not_stop_ends_the_process(leases: Leases, clock: FakeClock) -> None:
    """A second before another may begin."""
    one = Replica(leases, clock, "one")
    one.stubborn = True
    async with asyncio.TaskGroup() as group:
        task = group.create_task(one.run())
        await settle()
        leases.failure = lambda _: ConnectionFailed("refused")
        with capture_logs():
            await clock.advance(13.9)
            assert not one.has_given_up()
            await clock.advance(0.2)
            assert one.has_given_up()
            await clock.advance(60)
        task.cancel()


async def test_a_crash_of_the_work_ends_the_run_and_releases(leases: Leases, clock: FakeClock) -> None:
    """The bug comes out; the next replica need not wait."""
    one = Replica(leases, clock, "one")

    async def work() -> None:
        await clock.sleep(0)
        raise ZeroDivisionError

    with pytest.raises(ExceptionGroup) as caught:
        await one.elector.run(work)
    assert caught.group_contains(ZeroDivisionError)
    assert _spec(leases).holder_identity == ""


async def test_missing_permission_is_told_once(leases: Leases, clock: FakeClock) -> None:
    """And heals by itself."""
    one = Replica(leases, clock, "one")
    leases.failure = lambda _: refusal(Forbidden)
    with capture_logs() as logs:
        async with asyncio.TaskGroup() as group:
            task = group.create_task(one.run())
            await clock.advance(60)
            assert [line["event"] for line in logs].count("cannot use lease") == 1
            leases.failure = lambda _: None
            await clock.advance(3)
            assert one.at_work()
            task.cancel()


async def test_times_are_written_with_microseconds(leases: Leases, clock: FakeClock) -> None:
    """The API server refuses a MicroTime without them, even at an exact second."""
    one = Replica(leases, clock, "one")
    async with asyncio.TaskGroup() as group:
        task = group.create_task(one.run())
        await settle()
        assert leases.stored is not None
        assert b'"renewTime":"2026-01-01T00:00:00.000001Z"' in encode(leases.stored)
        task.cancel()


async def test_without_election_the_work_runs_at_once() -> None:
    """``--leader-elect=false``."""
    done = asyncio.Event()

    async def work() -> None:
        done.set()

    await Unelected().run(work)
    assert done.is_set()
    assert Unelected.leading


def test_an_identity_is_host_and_uuid() -> None:
    """As the original's."""
    host, _, unique = make_identity("pod-1", Random(1)).partition("_")
    assert (host, len(unique), unique[14]) == ("pod-1", 36, "4")
