"""Three replicas around one Lease, with networks that fail: never two of them at work."""

import asyncio
from random import Random

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from tests.support.clock import FakeClock, settle
from tests.unit.runtime.doubles import Leases
from vso.apis.meta import Key
from vso.kube import ConnectionFailed
from vso.runtime import LeaderElector, LeaseConfig

REPLICAS = ("one", "two", "three")
replicas = st.sampled_from(REPLICAS)


class ElectionModel(RuleBasedStateMachine):
    """Any replica may lose the API server at any time, and be stopped and started."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.clock = FakeClock()
        self.leases = Leases()
        self.leases.failure = lambda who: ConnectionFailed("refused") if who in self.cut_off else None
        self.cut_off: set[str] = set()
        self.working: list[str] = []
        self.most = 0
        self.aborted: list[str] = []
        self.electors: dict[str, LeaderElector] = {}
        self.tasks: dict[str, asyncio.Task[None]] = {}
        for who in REPLICAS:
            self.start(who)

    def start(self, who: str) -> None:
        if who in self.tasks:
            return

        async def work() -> None:
            self.working.append(who)
            self.most = max(self.most, len(self.working))
            try:
                while True:
                    assert self.electors[who].leading
                    await self.clock.sleep(0.25)
            finally:
                self.working.remove(who)

        self.electors[who] = LeaderElector(
            self.leases.client(who),
            LeaseConfig(key=Key("ops", "lock"), identity=who),
            clock=self.clock,
            rng=Random(who),
            abort=lambda: self.aborted.append(who),
        )
        self.tasks[who] = self.loop.create_task(self.electors[who].run(work))

    def teardown(self) -> None:
        # Who is stopped while it is cut off cannot release; with nobody left the Lease then runs out by itself.
        somebody = bool(self.tasks)
        try:
            self.heal()
        finally:
            for who in REPLICAS:
                self.stop(who)
            self.loop.close()
        if somebody:
            assert self.leases.stored is not None
            assert self.leases.stored.spec.holder_identity == ""

    @rule(who=replicas)
    def start_again(self, who: str) -> None:
        self.start(who)

    @rule(who=replicas)
    def stop(self, who: str) -> None:
        task = self.tasks.pop(who, None)
        if task is not None:
            task.cancel()
            self.loop.run_until_complete(asyncio.wait({task}))

    @rule(who=replicas)
    def lose_the_server(self, who: str) -> None:
        self.cut_off.add(who)

    @rule(who=replicas)
    def find_the_server(self, who: str) -> None:
        self.cut_off.discard(who)

    @rule(seconds=st.sampled_from([0.3, 1.0, 2.0, 6.0, 9.0, 14.0]))
    def time_passes(self, seconds: float) -> None:
        self.loop.run_until_complete(self.clock.advance(seconds))

    @rule()
    def heal(self) -> None:
        """With the server in reach somebody leads within the life of a Lease and two attempts."""
        self.cut_off.clear()
        self.loop.run_until_complete(self.clock.advance(20.0))
        assert len(self.working) == (1 if self.tasks else 0)

    @invariant()
    def never_two_at_work(self) -> None:
        self.loop.run_until_complete(settle())
        assert self.most <= 1
        assert not self.aborted


TestElectionModel = ElectionModel.TestCase
TestElectionModel.settings = settings(max_examples=60, stateful_step_count=25, deadline=None)
