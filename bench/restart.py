"""The operator comes back to N resources in sync: how soon it has looked at all of them, and what it writes.

One edit was made while it was down, of the resource that is looked at last: when its Secret changes, all others
have been looked at. Its own two writes and event are the only ones.
"""

from typing import Final

from bench.process import OperatorProcess
from bench.stage import EVENT_CREATED, RESOURCES, SECRET_PATCHED, STATUS_PATCHED, Stage, name_of

_PATIENCE: Final = 300.0


async def edit_the_last(stage: Stage) -> None:
    """Make the edit; to be called while the operator is down."""
    last = name_of(stage.plan.number - 1)
    await stage.kube.patch(f"{RESOURCES}/{last}", {"spec": {"path": name_of(0)}})


async def measure(stage: Stage, operator: OperatorProcess) -> None:
    """From the start of the process, which the caller has just made, after `edit_the_last` and `open_ledgers`."""
    stage.report(f"restart: {stage.plan.number} resources in sync, one edited meanwhile")
    result, requests = stage.result, stage.requests
    ready = operator.wait_ready()
    await stage.wait(lambda: requests.update()[EVENT_CREATED] > 0, what="restart", patience=_PATIENCE)
    result.figure("restart.cpu", operator.cpu())
    result.figure("restart.ready", (ready - operator.started).total_seconds())
    result.figure("restart.seconds", (requests.last[SECRET_PATCHED] - operator.started).total_seconds())
    result.figure("restart.memory", operator.memory().now)
    for what in (SECRET_PATCHED, STATUS_PATCHED, EVENT_CREATED):
        result.count(f"restart: {what} (the edited one)", expected=1, counted=requests.counts[what])
    tokens = requests.counts["create serviceaccounts/token"]
    result.count("restart: create serviceaccounts/token", expected=1, counted=tokens)
    result.count("restart: writes for those in sync", expected=0, counted=requests.writes() - 4)
