"""What a scrape of the metrics costs, while all refresh: with series of each resource too, the most there can be."""

import asyncio
import statistics
from typing import Final

from bench.process import OperatorProcess
from bench.stage import Stage
from testenv.waiting import seconds
from testenv.web import Site

_SCRAPES: Final = 10
_PAUSE: Final = 0.5


async def measure(stage: Stage, operator: OperatorProcess) -> None:
    """Scrape again and again. Raises RuntimeError unless every resource has its series."""
    stage.report(f"scrape: {_SCRAPES} scrapes, one after the other")
    site, taken, text = Site(base=operator.metrics), [], ""
    for _ in range(_SCRAPES):
        await asyncio.sleep(_PAUSE)
        begun = seconds()
        text = (await asyncio.to_thread(site.ask, "GET", "/metrics")).text
        taken.append(seconds() - begun)
    named = text.count("\nvso_secret_last_sync_timestamp_seconds{")
    if named != stage.plan.number:
        raise RuntimeError(f"{named} resources have a series, and not {stage.plan.number}")
    stage.result.figure("scrape.median", statistics.median(taken) * 1000)
    stage.result.figure("scrape.max", max(taken) * 1000)
    stage.result.figure("scrape.lines", text.count("\n"))
