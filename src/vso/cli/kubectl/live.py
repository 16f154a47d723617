"""`kubectl vso status --watch`: one watch per kind keeps the rows, a table on the terminal shows them.

Nothing is polled: the API server tells of changes. The table is drawn anew at most a few times a second however much
changes, and of many rows only those are formatted that fit the screen, what is not well first.
"""

import asyncio
import signal
import sys
from collections import Counter
from collections.abc import Iterable
from contextlib import suppress
from random import SystemRandom
from typing import Any, Final

from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from vso.apis.meta import Kind, Ref
from vso.base import Clock
from vso.cli.kubectl.exit_code import printable
from vso.cli.kubectl.output import console, print_table, table
from vso.cli.kubectl.secret_kind import SECRET_KINDS
from vso.cli.kubectl.summary import State, Summary, in_order, summarize
from vso.cli.kubectl.summary_table import View
from vso.cli.kubectl.target import Cluster
from vso.controllers import Claimant
from vso.runtime import Change, KubeSource, Reflector, Store

SHORTEST_PAUSE: Final = 0.3
"""Seconds between two drawings, at least."""
_LONGEST_PAUSE: Final = 1.0
"""Seconds after which the ages in the table are brought up to date."""
_MARGIN: Final = 4
"""Lines of the screen that are no rows."""


class Board:
    """The rows as the watches tell of them; `changed` is set when some are to be shown anew."""

    def __init__(self) -> None:
        self.changed = asyncio.Event()
        self.rows: dict[Ref, Summary] = {}
        self._news: dict[Ref, Summary] = {}

    def take(self, change: Change[Claimant]) -> None:
        """Note one change."""
        latest = change.latest
        ref = Ref(latest.kind, latest.key)
        if change.new is None:
            self.rows.pop(ref, None)
            self._news.pop(ref, None)
        else:
            self.rows[ref] = self._news[ref] = summarize(change.new)
        self.changed.set()

    def news(self) -> list[Summary]:
        """The rows that changed since this was last asked."""
        found, self._news = in_order(self._news.values()), {}
        return found

    def most_urgent(self, count: int) -> list[Summary]:
        """At most `count` rows, those first that are not well."""
        return sorted(in_order(self.rows.values()), key=lambda one: one.well)[:count]

    def headline(self) -> str:
        """How many there are, by state."""
        states = Counter(one.state for one in self.rows.values())
        parts = [f"{states[one]} {one.lower()}" for one in State if states[one]]
        return f"{len(self.rows)} secrets: {', '.join(parts)}" if parts else "There are no secrets here yet."


async def show(cluster: Cluster, view: View, *, clock: Clock) -> None:
    """Show the rows until the user interrupts; what is no terminal gets a line for each change."""
    board, stop = Board(), asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGINT, stop.set)
    try:
        async with asyncio.TaskGroup() as group:
            reflectors = [_reflector(cluster, kind, board, clock) for kind in SECRET_KINDS]
            tasks = [group.create_task(one.run(), name=one.name) for one in reflectors]
            screen = console()
            draw = _draw_table if screen.is_terminal else _draw_lines
            drawing = group.create_task(draw(screen, board, view, reflectors, clock), name="draw")
            await stop.wait()
            for task in (*tasks, drawing):
                task.cancel()
    except ExceptionGroup as failed:
        # It is the drawing alone that fails, as when `head` has seen enough: click knows that error by itself.
        raise failed.exceptions[0] from None


def _reflector(cluster: Cluster, kind: Kind[Any], board: Board, clock: Clock) -> Reflector[Any, Any]:
    source = KubeSource(cluster.client, kind, namespace=cluster.namespace, labels=cluster.labels)
    reflector: Reflector[Any, Any] = Reflector(
        source, Store(), project=lambda one: one, clock=clock, rng=SystemRandom()
    )
    reflector.subscribe(board.take)
    return reflector


async def _draw_table(
    screen: Console, board: Board, view: View, reflectors: Iterable[Reflector[Any, Any]], clock: Clock
) -> None:
    with Live(console=screen, auto_refresh=False, screen=True) as shown:
        while True:
            board.changed.clear()
            shown.update(_page(screen, board, view, reflectors, clock), refresh=True)
            await clock.sleep(SHORTEST_PAUSE)
            with suppress(TimeoutError):
                async with asyncio.timeout(_LONGEST_PAUSE - SHORTEST_PAUSE):
                    await board.changed.wait()


def _page(screen: Console, board: Board, view: View, reflectors: Iterable[Reflector[Any, Any]], clock: Clock) -> Group:
    rows = board.most_urgent(max(screen.height - _MARGIN, 1))
    problems = {one.problem for one in reflectors if one.problem}
    return Group(
        Text(f"{board.headline()}   (Ctrl-C ends)", style="bold"),
        *(Text(printable(one), style="bold red") for one in sorted(problems)),
        Text(),
        table(view.columns, view.rows(rows, clock.now()), one_line=True),
    )


async def _draw_lines(
    _: Console, board: Board, view: View, reflectors: Iterable[Reflector[Any, Any]], clock: Clock
) -> None:
    for one in reflectors:
        await one.wait_synced()
    first = True
    while True:
        await board.changed.wait()
        board.changed.clear()
        print_table(view.columns, view.rows(board.news(), clock.now()), header=first)
        first = False
        sys.stdout.flush()
        await clock.sleep(SHORTEST_PAUSE)
