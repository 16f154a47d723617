"""All resources are read again and nothing has changed: CPU per read, and no request to Kubernetes at all."""

from bench.idle import Idle
from bench.process import OperatorProcess
from bench.stage import MOUNT, Stage, name_of
from testenv.waiting import seconds


async def measure(stage: Stage, operator: OperatorProcess, idle: Idle) -> None:
    """Watch until every resource was read once at least."""
    number, result = stage.plan.number, stage.result
    stage.report(f"refresh: every resource is read within {stage.plan.refresh} s")
    stage.open_ledgers()
    spent, begun = operator.cpu(), seconds()

    def all_read() -> bool:
        stage.reads.update()
        return len(stage.reads.below(f"{MOUNT}/data/")) >= number

    await stage.wait(all_read, what="refresh", patience=60 + 3 * stage.plan.refresh)
    used, took = operator.cpu() - spent, seconds() - begun
    stage.reads.update()
    reads = stage.reads.below(f"{MOUNT}/data/")
    result.figure("refresh.rate", reads.total() / took)
    result.figure("refresh.cpu", max(0.0, used - idle.rate * took) / reads.total() * 1000)
    result.figure("refresh.memory", operator.memory().now)
    result.count("refresh: requests to the API server", expected=0, counted=stage.requests.update().total())
    # A resource is read again after 0.8 of its interval at the earliest.
    most = 1 + int(took / (0.8 * stage.plan.refresh))
    above = sum(reads[f"{MOUNT}/data/{name_of(index)}"] not in range(1, most + 1) for index in range(number))
    result.count("refresh: resources not read once per interval", expected=0, counted=above)
    result.count("refresh: other requests to OpenBao", expected=0, counted=stage.reads.counts.total() - reads.total())
