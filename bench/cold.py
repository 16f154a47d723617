"""N resources meet an operator that sees them for the first time: rate, CPU, memory, and every request counted."""

from bench.idle import Idle
from bench.process import OperatorProcess
from bench.stage import EVENT_CREATED, MOUNT, SECRET_CREATED, STATUS_PATCHED, Stage


async def measure(stage: Stage, operator: OperatorProcess, idle: Idle) -> None:
    """From the start of the process, which the caller has just made, until the last status and event are there.

    `stage.open_ledgers` was called before that start.
    """
    number, result = stage.plan.number, stage.result
    ready = operator.wait_ready()
    stage.report(f"cold sync: {number} resources")
    await stage.wait(
        lambda: stage.requests.update()[STATUS_PATCHED] >= number, what="cold sync", patience=60 + number * 0.2
    )
    memory = operator.memory()
    last = stage.requests.last
    took = (last[STATUS_PATCHED] - ready).total_seconds()
    result.figure("cold.rate", number / took)
    if bare := result.figures.get("bare.rate"):
        result.figure("cold.ratio", number / took / bare * 100)
    result.figure("cold.seconds", (last[STATUS_PATCHED] - operator.started).total_seconds())
    result.figure("cold.memory", memory.now)
    result.figure("cold.peak", memory.peak)
    await _events(stage)
    if EVENT_CREATED in last:
        result.figure("cold.events", (last[EVENT_CREATED] - operator.started).total_seconds())
    result.figure("cold.cpu", max(0.0, operator.cpu() - idle.start) / number * 1000)
    _count(stage)


async def _events(stage: Stage) -> None:
    """Wait for the events, which are posted behind the work, or until no more come."""
    posted, patience = -1, 0

    def done() -> bool:
        nonlocal posted, patience
        now = stage.requests.update()[EVENT_CREATED]
        patience = patience + 1 if now == posted else 0
        posted = now
        return now >= stage.plan.number or patience > 20  # noqa: PLR2004 - looks, four a second

    await stage.wait(done, what="events", patience=60 + stage.plan.number * 0.2)


def _count(stage: Stage) -> None:
    number, result = stage.plan.number, stage.result
    counts, reads = stage.requests.update(), stage.reads
    reads.update()
    for what in (SECRET_CREATED, STATUS_PATCHED, EVENT_CREATED):
        result.count(f"cold sync: {what}", expected=number, counted=counts[what])
    result.count("cold sync: create serviceaccounts/token", expected=1, counted=counts["create serviceaccounts/token"])
    result.count("cold sync: other writes", expected=0, counted=stage.requests.writes() - 3 * number - 1)
    result.count("cold sync: logins at OpenBao", expected=1, counted=reads.counts["auth/kubernetes/login"])
    result.count("cold sync: reads of secrets", expected=number, counted=reads.below(f"{MOUNT}/data/").total())
