"""The operator with nothing to do: what it costs to be there, to be taken off what work costs."""

import asyncio
from dataclasses import dataclass
from typing import Final

from bench.stage import Stage, is_ready
from testenv.waiting import seconds

_SETTLE: Final = 2.0
_WATCHED: Final = 8.0
_PATIENCE: Final = 60.0


@dataclass(frozen=True, slots=True)
class Idle:
    """Seconds of CPU: until it has settled after a start, and per second from then on."""

    start: float
    rate: float


async def measure(stage: Stage) -> Idle:
    """Run it without a resource; afterwards VaultConnection and VaultAuth are in order."""
    stage.report("idle: starting the operator without resources")
    with stage.launcher.running() as operator:
        operator.wait_ready()
        await stage.wait(lambda: is_ready(stage.cluster), what="VaultAuth ready", patience=_PATIENCE)
        await asyncio.sleep(_SETTLE)
        spent, begun = operator.cpu(), seconds()
        await asyncio.sleep(_WATCHED)
        rate = (operator.cpu() - spent) / (seconds() - begun)
        stage.result.figure("idle.memory", operator.memory().now)
        stage.result.figure("idle.cpu", rate * 1000)
    return Idle(start=spent, rate=rate)
