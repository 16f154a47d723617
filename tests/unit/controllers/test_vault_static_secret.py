"""What the controller of VaultStaticSecrets does when others interfere: on a cluster and a Vault in memory."""

import asyncio
from time import perf_counter
from typing import Any

import msgspec
import pytest

from tests.unit.controllers.bench import Bench
from vso.apis import core
from vso.apis.kinds import VAULT_STATIC_SECRET, definition_of
from vso.sync import Deferred

STATUS = "patch VaultStaticSecret/status"
SLOW = Deferred("Vault is slow", retry_in=1.0, waits_for="vault", cause=TimeoutError())


async def synced(bench: Bench) -> None:
    """The first sync, told by the watches; requests are counted from here on."""
    await bench.reconcile()
    bench.tell()
    bench.cluster.asked.clear()
    bench.vault.reads = 0


async def fight(bench: Bench, *, seconds: float, **members: Any) -> int:
    """Have somebody change the Secret whenever it was repaired; how often it was."""
    repairs, until = 0, bench.clock.monotonic() + seconds
    bench.cluster.change("Secret", "web", **members)
    while bench.clock.monotonic() < until:
        bench.tell()
        answer = await bench.reconcile()
        if answer.why == "contested":
            await bench.clock.advance(answer.delay or 0.0)
            continue
        repairs += 1
        bench.tell()
        await bench.clock.advance(0.01)
        bench.cluster.change("Secret", "web", **members)
    return repairs


async def test_a_refresh_that_finds_nothing_new_sends_nothing_to_the_cluster() -> None:
    """One read of Vault is all."""
    async with Bench.opened() as bench:
        await synced(bench)
        await bench.clock.advance(3600)
        await bench.reconcile()
        assert (bench.vault.reads, bench.cluster.asked) == (1, [])
        assert bench.cluster.read(core.SECRET).data == {"user": b"alice"}


async def test_r34_an_interval_of_two_hours_keeps_to_its_bounds_for_ten_days() -> None:
    """Each wait is 80 to 90 % of it, so are the reads as many as that gives, and the cluster is not asked."""
    interval, span = 7200.0, 10 * 86_400.0
    async with Bench.opened(refreshAfter="2h") as bench:
        await synced(bench)
        begun, waits = bench.clock.monotonic(), []
        while bench.clock.monotonic() - begun < span:
            answer = await bench.reconcile()
            bench.tell()
            assert answer.delay is not None
            waits.append(answer.delay)
            await bench.clock.advance(answer.delay)
        elapsed = bench.clock.monotonic() - begun
        assert all(0.8 * interval <= one <= 0.9 * interval for one in waits)
        assert elapsed / (0.9 * interval) - 1 <= bench.vault.reads <= elapsed / (0.8 * interval) + 1
        assert bench.cluster.asked == []


async def test_who_goes_first_is_looked_at_again_after_vault_has_answered() -> None:
    """An older claimant that shows up while Vault is asked is not overwritten."""
    async with Bench.opened() as bench:
        await synced(bench)

        def come() -> None:
            spec = msgspec.to_builtins(bench.web().spec)
            bench.cluster.put("VaultStaticSecret", "older", {"metadata": {"uid": "0"}, "spec": spec})
            bench.world.static.apply(bench.cluster.read(VAULT_STATIC_SECRET, "older"))

        bench.vault.meanwhile = come
        bench.vault.fields = {"user": "bob"}
        await bench.clock.advance(3600)
        await bench.reconcile()
        assert bench.vault.reads == 1
        assert [one for one in bench.cluster.asked if "Secret" in one and "Static" not in one] == []
        assert bench.cluster.read(core.SECRET).data == {"user": b"alice"}
        assert bench.condition("SecretSynced").startswith("False")


async def test_a_schema_without_our_members_of_status_costs_no_write_for_each_refresh() -> None:
    """That of the original drops them; a change of substance is written as ever."""
    async with Bench.opened() as bench:
        bench.cluster.unknown = ("extensions",)
        await bench.reconcile()
        bench.tell()
        await bench.clock.advance(3600)
        await bench.reconcile()
        bench.cluster.asked.clear()
        for _ in range(3):
            bench.tell()
            await bench.clock.advance(3600)
            await bench.reconcile()
        assert STATUS not in bench.cluster.asked
        bench.vault.fields = {"user": "bob"}
        await bench.clock.advance(3600)
        await bench.reconcile()
        assert STATUS in bench.cluster.asked


async def test_an_answer_that_fits_no_secret_is_refused_before_templates_see_it() -> None:
    """With a condition that says what to do."""
    templates = {"x": {"text": "{{ .Secrets.user }}"}}
    destination = {"name": "web", "create": True, "transformation": {"templates": templates}}
    async with Bench.opened(destination=destination) as bench:
        bench.vault.fields = {"user": "x" * 7_000_000}
        await bench.reconcile()
        message = next(one.message for one in bench.web().status.conditions if one.type == "SecretSynced")
        assert "split it in Vault" in message


async def test_a_fight_over_an_annotation_slows_down_and_is_told_once() -> None:
    """Another controller puts it back each time it is taken away; the first repairs are done at once."""
    async with Bench.opened() as bench:
        await synced(bench)
        assert await fight(bench, seconds=0.05, metadata={"annotations": {"other": "mine"}}) == 5
        assert 10 < await fight(bench, seconds=600, metadata={"annotations": {"other": "mine"}}) < 15
        assert bench.condition("DestinationConflict") == "True ChangedByOthers"
        assert bench.condition("Ready") == "True Ready"
        assert len(await bench.told("DestinationConflict")) == 1
        assert (bench.vault.reads, bench.cluster.asked.count(STATUS)) == (0, 2)


async def test_a_fight_over_data_costs_one_read_for_each_repair() -> None:
    """And no event for each."""
    async with Bench.opened() as bench:
        await synced(bench)
        repairs = await fight(bench, seconds=600, data={"user": "bWFsbG9yeQ=="})
        assert 15 < repairs < 20
        assert bench.vault.reads == repairs
        assert len(await bench.told("SecretSynced")) == 1 + repairs


async def test_after_a_fight_the_condition_goes_by_itself() -> None:
    """Two minutes after the last change, whatever the refresh interval."""
    async with Bench.opened() as bench:
        await synced(bench)
        await fight(bench, seconds=60, metadata={"annotations": {"other": "mine"}})
        answers = []
        for _ in range(2):
            bench.tell()
            answers.append(await bench.reconcile())
            await bench.clock.advance(answers[-1].delay or 0.0)
        assert [one.why for one in answers] == ["refresh", "refresh"]
        assert 119 < (answers[0].delay or 0.0) <= 120
        assert bench.condition("DestinationConflict") == ""


async def test_a_request_that_is_put_off_is_no_failure_unless_that_goes_on() -> None:
    """A server that is slow just when everybody asks must not turn all conditions."""
    async with Bench.opened() as bench:
        await synced(bench)
        await bench.clock.advance(3600)
        bench.vault.error = SLOW
        for _ in range(20):
            answer = await bench.reconcile()
            assert answer.delay is not None
            assert 1 <= answer.delay < 2
            await bench.clock.advance(answer.delay)
        assert (bench.cluster.asked, bench.condition("Ready")) == ([], "True Ready")
        for _ in range(60):
            answer = await bench.reconcile()
            await bench.clock.advance(answer.delay or 0.0)
        assert bench.condition("Ready") == "False Ready"
        assert await bench.told("VaultClientError") == ["Failed to read Vault secret: Vault is slow"]
        bench.vault.error = None
        bench.tell()
        await bench.reconcile()
        assert bench.condition("Ready") == "True Ready"


async def test_a_change_asked_for_while_a_request_is_put_off_is_not_forgotten() -> None:
    """The data is read anew although status and Secret agree."""
    async with Bench.opened() as bench:
        await synced(bench)
        annotation = {"metadata": {"annotations": {"example.com/unrelated": "1"}}}
        bench.cluster.change("VaultAuth", "vault", spec={"mount": "other"}, metadata={"generation": 2})
        bench.cluster.change("VaultStaticSecret", "web", **annotation)
        bench.tell()
        bench.vault.error = SLOW
        await bench.reconcile()
        bench.vault.error = None
        await bench.reconcile()
        assert bench.vault.reads == 2


async def test_an_object_that_changes_while_its_finalizer_is_removed_stays_in_sync() -> None:
    """The original left the finalizer; somebody labels the object just now."""
    async with Bench.opened() as bench:
        finalizer = definition_of(VAULT_STATIC_SECRET).finalizer
        bench.cluster.change("VaultStaticSecret", "web", metadata={"finalizers": [finalizer]})
        bench.tell()
        await synced(bench)
        assert bench.web().metadata.finalizers == ()
        bench.cluster.change("VaultStaticSecret", "web", metadata={"finalizers": [finalizer]})
        bench.tell()
        bench.cluster.change("VaultStaticSecret", "web", metadata={"labels": {"team": "red"}})
        answer = await bench.reconcile()
        assert (answer.why, answer.delay) == ("finalizer", 1.0)
        bench.tell()
        await bench.reconcile()
        assert bench.web().metadata.finalizers == ()
        assert bench.condition("Ready") == "True Ready"
        assert await bench.told("SecretSyncError") == []


async def test_a_new_term_believes_the_status_and_not_its_memory() -> None:
    """Another leader may have worked meanwhile: what was due in the former term is not due now."""
    async with Bench.opened() as bench:
        await synced(bench)
        await bench.clock.advance(7200)
        bench.controller.begin_term()
        answer = await bench.reconcile()
        assert bench.vault.reads == 0
        assert 0 < (answer.delay or 0.0) <= 3600


async def test_a_watch_behind_the_former_leader_does_not_hide_what_that_one_wrote() -> None:
    """Its last status says that the sync failed; what looks equal to an older state would be left out of the patch."""
    async with Bench.opened() as bench:
        await synced(bench)
        failed = [
            {**one, "status": "False"}
            for one in bench.cluster.objects["VaultStaticSecret", "web"]["status"]["conditions"]
        ]
        bench.cluster.change("VaultStaticSecret", "web", status={"conditions": failed})
        bench.controller.begin_term()
        bench.vault.fields = {"user": "bob"}
        await bench.clock.advance(7200)
        for _ in range(4):
            answer = await bench.reconcile()
            await bench.clock.advance(answer.delay or 0.0)
        assert bench.cluster.read(core.SECRET).data == {"user": b"bob"}
        assert bench.condition("Ready") == "True Ready"
        assert bench.condition("SecretSynced") == "True Synced"
        assert await bench.told("SecretSyncError") == []


@pytest.mark.parametrize("compares", [True, False])
async def test_a_watch_that_lags_leads_to_no_spin(*, compares: bool) -> None:
    """It shows a changed annotation, and not yet that the data changed as well: all is repaired at once."""
    async with Bench.opened(hmacSecretData=compares) as bench:
        await synced(bench)
        bench.cluster.change("Secret", "web", metadata={"annotations": {"other": "mine"}})
        bench.tell()
        bench.cluster.change("Secret", "web", data={"user": "bWFsbG9yeQ=="})
        assert (await bench.reconcile()).why == "refresh"
        assert bench.cluster.asked == ["patch Secret", "get Secret", "patch Secret", STATUS]
        assert bench.cluster.read(core.SECRET).data == {"user": b"alice"}


async def test_many_filters_do_not_keep_the_operator_from_its_other_work() -> None:
    """A tenant may write thousands, and keep thousands of fields: that takes seconds, of that resource alone."""
    patterns = [f"zz{at}" for at in range(200)]
    destination = {"name": "web", "create": True, "transformation": {"excludeRaw": True, "excludes": patterns}}
    async with Bench.opened(destination=destination) as bench:
        bench.vault.fields = {f"key-{at}": "v" for at in range(2500)}
        async with asyncio.TaskGroup() as tasks:
            work = tasks.create_task(bench.reconcile())
            started = last = perf_counter()
            longest = 0.0
            while not work.done():
                await asyncio.sleep(0.001)
                longest, last = max(longest, perf_counter() - last), perf_counter()
        assert len(bench.cluster.read(core.SECRET).data or {}) == 2500
        assert longest < (last - started) / 2
