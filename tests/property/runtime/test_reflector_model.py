"""The reflector against a server in memory that cuts streams, forgets versions and repeats old events."""

import asyncio
from random import Random

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from tests.support.clock import FakeClock, settle
from tests.unit.runtime.doubles import Collection, refusal, same
from vso.apis.meta import Key, PartialObject
from vso.kube import ConnectionFailed, Forbidden, ServerFault
from vso.runtime import Change, Reflector, Store

names = st.sampled_from("abcd")


class ReflectorModel(RuleBasedStateMachine):
    """Whatever happens, once there is quiet the store is what the server has."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.clock = FakeClock()
        self.server = Collection(self.clock)
        self.store: Store[PartialObject] = Store({"team": lambda obj: obj.metadata.labels.values()})
        self.mirror: dict[Key, PartialObject] = {}
        self.reflector = self.loop.run_until_complete(self._started())
        self.task = self.loop.create_task(self.reflector.run())
        self.loop.run_until_complete(settle())

    async def _started(self) -> Reflector[PartialObject, PartialObject]:
        reflector = Reflector(self.server, self.store, project=same, clock=self.clock, rng=Random(7), page_size=2)
        reflector.subscribe(self.follow)
        return reflector

    def teardown(self) -> None:
        try:
            self.quiet()
        finally:
            self.task.cancel()
            self.loop.run_until_complete(asyncio.wait({self.task}))
            self.loop.run_until_complete(self.loop.shutdown_asyncgens())
            self.loop.close()

    def follow(self, change: Change[PartialObject]) -> None:
        """Apply an announced change; it must start from the state announced before, and never go back."""
        assert self.mirror.get(change.key) == change.old
        if change.new is None:
            del self.mirror[change.key]
            return
        if change.old is not None:
            assert change.old.metadata.uid == change.new.metadata.uid
            assert int(change.old.metadata.resource_version) <= int(change.new.metadata.resource_version)
        self.mirror[change.key] = change.new

    @rule(name=names, team=st.sampled_from(["red", "blue"]))
    def write(self, name: str, team: str) -> None:
        self.server.put(name, labels={"team": team})

    @rule(name=names)
    def delete(self, name: str) -> None:
        self.server.drop(name)

    @rule(name=names)
    def write_and_observe_the_answer(self, name: str) -> None:
        obj = self.server.put(name, labels={"team": "ours"})
        self.store.observe(obj)
        assert self.store.get(obj.key) == obj

    @rule(name=names)
    def observe_late(self, name: str) -> None:
        """An answer that comes in after the object is gone does not bring it back for ever."""
        obj = self.server.put(name)
        self.server.drop(name)
        self.store.observe(obj)

    @rule()
    def bookmark(self) -> None:
        self.server.bookmark()

    @rule()
    def compact_and_cut(self) -> None:
        self.server.compact()
        self.server.cut()

    @rule(events=st.integers(0, 5))
    def cut_and_repeat_old_events(self, events: int) -> None:
        self.server.replay = events
        self.server.cut()

    @rule(kind=st.sampled_from([ServerFault, Forbidden, None]), times=st.integers(1, 4))
    def refuse(self, kind: type[Exception] | None, times: int) -> None:
        for _ in range(times):
            self.server.errors.append(refusal(kind) if kind else ConnectionFailed("refused"))
        self.server.cut()

    @rule()
    def restart_the_reflector(self) -> None:
        self.task.cancel()
        self.loop.run_until_complete(asyncio.wait({self.task}))
        self.task = self.loop.create_task(self.reflector.run())

    @rule(seconds=st.sampled_from([0.0, 0.2, 3.0, 70.0]))
    def time_passes(self, seconds: float) -> None:
        self.loop.run_until_complete(self.clock.advance(seconds))

    @rule()
    def quiet(self) -> None:
        """After at most a few back-offs all three agree."""
        self.server.replay = 0
        self.server.errors.clear()
        for _ in range(3):
            self.loop.run_until_complete(self.clock.advance(45.0))
        self.server.bookmark()
        self.loop.run_until_complete(self.clock.advance(1.0))
        assert {obj.key: obj for obj in self.store.values()} == self.server.objects
        assert self.mirror == self.server.objects
        assert self.reflector.synced
        assert not self.reflector.problem

    @invariant()
    def keeps_running(self) -> None:
        assert not self.task.done()

    @invariant()
    def indexes_fit_the_objects(self) -> None:
        for team in ("red", "blue", "ours"):
            indexed = {obj.key for obj in self.store.by_index("team", team)}
            assert indexed == {obj.key for obj in self.store.values() if obj.metadata.labels.get("team") == team}


TestReflectorModel = ReflectorModel.TestCase
TestReflectorModel.settings = settings(max_examples=100, stateful_step_count=30, deadline=None)
