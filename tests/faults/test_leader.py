"""Two replicas: one works, the other takes over, and never do both."""

from pathlib import Path

from testenv import Cluster, InThread, Pass, Silence, wait_for
from testenv.waiting import seconds
from tests.faults.lab import (
    FLAGS,
    holder,
    identity,
    many,
    replicas,
    turns,
    wait_all_synced,
    wait_leading,
    wait_taken_over,
)
from tests.support import operator as harness
from tests.support.operator import Operator
from tests.support.tenant import Tenant


def test_a_clean_stop_hands_over_within_seconds(team: Tenant, arena: Cluster, tmp_path: Path) -> None:
    """The Lease is released after the work, so that nobody waits for its end."""
    with replicas(arena, tmp_path) as (first, second):
        team.connect()
        team.put("app", {"user": "alice"})
        many(team, 10)
        wait_all_synced(team)
        started, mark = seconds(), arena.audit_mark()
        assert first.stop() == 0
        wait_leading(arena, second)
        assert seconds() - started < 12  # a Lease that was not released would last for 15 s
        team.put("app", {"user": "bob"})
        team.wait_data("s0", user="bob")
        early = [one for one in arena.audit(user=harness.USER, since=mark) if one.resource == "secrets"]
        assert {one.name for one in early if one.verb == "patch"} <= {f"s{number}" for number in range(10)}


def test_a_killed_leader_is_replaced_and_no_change_is_missed(team: Tenant, arena: Cluster, tmp_path: Path) -> None:
    """What changed while nobody worked is in the Secrets soon after; what did not change is not written."""
    with replicas(arena, tmp_path) as (first, second):
        team.connect()
        team.put("app", {"user": "alice"})
        team.put("same", {"user": "same"})
        many(team, 5)
        team.sync("same", refreshAfter="1h")
        wait_all_synced(team)
        first.kill()
        mark = arena.audit_mark()
        team.put("app", {"user": "bob"})
        team.sync("new", path="app")
        wait_taken_over(arena, second)
        team.wait_data("s0", user="bob")
        team.wait_data("new", user="bob")
        wait_all_synced(team)
        asked = second.requests(mark)
        assert not [one for one in asked if one.name == "same" and one.verb != "get"]


def test_a_leader_that_was_stopped_writes_nothing_when_it_wakes(team: Tenant, arena: Cluster, tmp_path: Path) -> None:
    """SIGSTOP past the end of the lease: the other leads, and the sleeper waits in line or ends."""
    with replicas(arena, tmp_path) as (first, second):
        team.connect()
        team.put("app", {"user": "alice"})
        many(team, 5)
        wait_all_synced(team)
        with first.paused():
            mark = arena.audit_mark()
            wait_taken_over(arena, second)
            written = len(synced_lines(first))
        team.put("app", {"user": "bob"})
        for number in range(5):
            team.wait_data(f"s{number}", user="bob")
        assert holder(arena) == identity(second)
        assert len(synced_lines(first)) == written
        assert len(synced_lines(second)) >= 5
        assert len(turns(arena, mark)) == 1
        assert first.process is not None
        if first.process.poll() is None:
            assert first.stop() == 0


def test_a_leader_without_the_api_server_stops_before_the_other_begins_and_waits_when_it_is_back(
    team: Tenant, arena: Cluster, tmp_path: Path
) -> None:
    """Its packets are swallowed: by the API server's log the two write in turns, and no change is missed."""
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    mark = arena.audit_mark()
    with (
        InThread(arena.server, authority=arena.authority) as api,
        harness.running(arena, tmp_path / "one", *FLAGS, server=api.url) as first,
    ):
        wait_leading(arena, first)
        with harness.running(arena, tmp_path / "two", *FLAGS) as second:
            team.connect()
            team.put("app", {"user": "alice"})
            many(team, 5)
            wait_all_synced(team)
            api.set(Silence())
            team.put("app", {"user": "bob"})
            team.sync("new", path="app")
            wait_taken_over(arena, second)
            for name in ("s0", "s4", "new"):
                team.wait_data(name, user="bob")
            wait_for(lambda: has(first, "leadership lost"), what="the first to notice")
            api.set(Pass())
            wait_for(lambda: count(first, "waiting for leadership") >= 2, what="the first to wait in line")
            team.put("app", {"user": "carol"})
            team.wait_data("s0", user="carol")
            team.wait_data("new", user="carol")
            assert holder(arena) == identity(second)
            assert len(turns(arena, mark)) == 2
            assert second.stop() == 0
            wait_leading(arena, first)
            team.put("app", {"user": "dave"})
            team.wait_data("s0", user="dave")


def has(operator: Operator, message: str) -> bool:
    """Whether its log has such a line."""
    return count(operator, message) > 0


def count(operator: Operator, message: str) -> int:
    """How many such lines its log has."""
    return sum(one["msg"] == message for one in operator.lines())


def synced_lines(operator: Operator) -> list[str]:
    """What its log tells of written Secrets."""
    return [str(one["name"]) for one in operator.lines() if one["msg"] == "secret synced"]
