"""How long a person waits: from sending an edit of one resource until a watch shows its Secret changed.

All other resources go on refreshing meanwhile.
"""

import asyncio
import math
from collections.abc import AsyncIterator, Sequence
from typing import Any, Final

from bench.stage import NAMESPACE, RESOURCES, SECRETS, Stage, name_of
from testenv.waiting import seconds

_PATIENCE: Final = 30.0
_PAUSE: Final = 0.3


async def measure(stage: Stage) -> None:
    """Edit the first resource again and again: its path, back and forth between two secrets of the same Vault."""
    stage.report(f"latency: {stage.plan.edits} edits, one after the other")
    name = name_of(0)
    taken: list[float] = []
    query = f"?watch=true&fieldSelector=metadata.name%3D{name}"
    async with stage.kube.watch(SECRETS + query) as events:
        before = await _data(events)
        for number in range(stage.plan.edits):
            await asyncio.sleep(_PAUSE)
            path = name_of(1 - number % 2)
            begun = seconds()
            await stage.kube.patch(f"{RESOURCES}/{name}", {"spec": {"path": path}})
            async with asyncio.timeout(_PATIENCE):
                while (after := await _data(events)) == before:
                    pass
            taken.append(seconds() - begun)
            before = after
    stage.result.figure("latency.p50", quantile(taken, 0.5))
    stage.result.figure("latency.p99", quantile(taken, 0.99))
    stage.result.figure("latency.max", max(taken))


def quantile(values: Sequence[float], share: float) -> float:
    """The smallest of `values` that `share` of them do not exceed."""
    return sorted(values)[max(0, math.ceil(share * len(values)) - 1)]


async def _data(events: AsyncIterator[dict[str, Any]]) -> object:
    event = await anext(events)
    if event["type"] not in {"ADDED", "MODIFIED"}:
        raise RuntimeError(f"unexpected {event['type']} of a Secret in namespace {NAMESPACE}")
    return event["object"]["data"]
