"""Figures of queues, controllers and requests to the API server."""

import asyncio

import pytest

from tests.support.clock import FakeClock, settle
from tests.unit.app.metrics.reading import samples
from vso.apis.meta import Key
from vso.app.metrics.family import Families
from vso.app.metrics.runtime import RuntimeMetrics
from vso.kube import RequestSeen
from vso.runtime import Controller, Lane, Next, WorkQueue

ON = "controller=vaultauth,name=vaultauth"


@pytest.fixture
def clock() -> FakeClock:
    """Stands still."""
    return FakeClock()


@pytest.fixture
def families() -> Families:
    """An empty registry."""
    return Families()


@pytest.fixture
def metrics(families: Families, clock: FakeClock) -> RuntimeMetrics:
    """Figures in it."""
    return RuntimeMetrics(families, clock=clock, server="https://10.0.0.1:6443/prefix")


async def test_a_queue_tells_what_waits_and_what_is_worked_on(
    metrics: RuntimeMetrics, families: Families, clock: FakeClock
) -> None:
    """By lane, under the original's priorities; unfinished work is asked for at a scrape."""
    queue = WorkQueue(clock=clock, name="vaultauth", observer=metrics.queue("vaultauth"))
    metrics.controller("vaultauth", queue, workers=3)
    queue.add(Key("a", "1"))
    queue.add(Key("a", "2"), Lane.STEADY)
    queue.add_after(Key("a", "3"), 60)
    await queue.get()
    await clock.advance(5)
    found = samples(families.scrape().collect())
    assert found[f"workqueue_depth{{{ON},priority=0}}"] == 0
    assert found[f"workqueue_depth{{{ON},priority=-100}}"] == 1
    assert found[f"workqueue_adds_total{{{ON}}}"] == 2
    assert found[f"workqueue_retries_total{{{ON}}}"] == 1
    assert found[f"workqueue_longest_running_processor_seconds{{{ON}}}"] == 5
    assert found["controller_runtime_max_concurrent_reconciles{controller=vaultauth}"] == 3


async def test_a_controller_tells_how_reconciles_end(
    metrics: RuntimeMetrics, families: Families, clock: FakeClock
) -> None:
    """All results are there at 0 before the first; a bug counts as a panic and as an error."""
    queue = WorkQueue(clock=clock, name="vaultauth")
    answers: list[Next | Exception] = [Next.on_change(), Next.after(60, "later"), ZeroDivisionError()]

    async def reconcile(_: Key) -> Next:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    observer = metrics.controller("vaultauth", queue, workers=1)
    controller = Controller("vaultauth", reconcile, queue=queue, workers=1, clock=clock, observer=observer)

    def total(name: str, more: str = "") -> float:
        return samples(families.scrape().collect())[f"controller_runtime_{name}{{controller=vaultauth{more}}}"]

    assert total("reconcile_total", ",result=requeue") == 0
    task = asyncio.ensure_future(controller.run())  # noqa: TID251 - owned by this test
    for number in range(3):
        queue.add(Key("a", str(number)))
        await settle()
    task.cancel()
    for result in ("success", "requeue_after", "error"):
        assert total("reconcile_total", f",result={result}") == 1
    assert total("reconcile_errors_total") == total("reconcile_panics_total") == 1
    assert total("active_workers") == 0


@pytest.mark.parametrize(
    ("verb", "code", "fails"),
    [
        ("get", "200", False),
        ("get", "404", False),
        ("delete", "404", False),
        ("patch", "404", True),
        ("patch", "409", False),
        ("create", "409", False),
        ("watch", "410", False),
        ("get", "410", True),
        ("list", "403", True),
        ("create", "500", True),
        ("list", "<error>", True),
    ],
)
def test_answers_that_belong_to_the_job_are_no_failures(
    metrics: RuntimeMetrics, families: Families, verb: str, code: str, fails: bool
) -> None:
    """Signal 14; every request counts under the original's name."""
    metrics.requested(RequestSeen(method="GET", verb=verb, resource="secrets", code=code, seconds=0.1))
    found = samples(families.scrape().collect())
    assert found[f"rest_client_requests_total{{code={code},host=10.0.0.1:6443,method=GET}}"] == 1
    failures = f"vso_kubernetes_api_failures_total{{code={code},resource=secrets,verb={verb}}}"
    assert (failures in found) is fails


def test_who_leads_shows(metrics: RuntimeMetrics, families: Families) -> None:
    """1 on the leader, and 0 before and after."""
    observer = metrics.leader("lease")
    for leads in (True, False):
        observer.leading(now=leads)
        assert samples(families.scrape().collect())["leader_election_master_status{name=lease}"] == leads
