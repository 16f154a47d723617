"""What was measured, how it compares with the budgets, and what was counted; as a table and as JSON.

A `Figure` depends on the machine and on who shares it: it is shown beside its budget and never fails a run.
A `Count` does not: one that differs from what is expected does.
"""

import os
import platform
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

import msgspec
from rich.console import Console
from rich.table import Table

_FEW: Final = 1_000
_MANY: Final = 10_000
_PLACES: Final = 10.0
"""Values from here on are shown without decimals beyond one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """A limit at 1,000 and at 10,000 resources, and the original's figures there; `least` turns the limit around.

    Between and beyond the two numbers the limit is on the straight line through them, but never below the first.
    """

    few: float
    many: float
    original: tuple[float, float] | None = None
    least: bool = False

    def limit(self, number: int) -> float:
        """The limit at `number` resources."""
        slope = (self.many - self.few) / (_MANY - _FEW)
        return self.few + slope * max(0, number - _FEW)

    def met(self, value: float, number: int) -> bool:
        """Whether `value` keeps to it."""
        return value >= self.limit(number) if self.least else value <= self.limit(number)


def same(limit: float, *, original: tuple[float, float] | None = None, least: bool = False) -> Budget:
    """A budget that does not depend on the number of resources."""
    return Budget(few=limit, many=limit, original=original, least=least)


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """How a figure is shown; `unit` follows its value."""

    title: str
    unit: str = ""
    budget: Budget | None = None


# Section 4 of the design gives the limits; the original's figures were measured there, in other runs.
ROWS: Final[Mapping[str, Row]] = {
    "bare.rate": Row(title="bare API server: create a Secret, patch a status", unit="pairs/s"),
    "bare.cpu": Row(title="bare client: CPU per pair", unit="ms"),
    "cold.rate": Row(title="cold sync", unit="CR/s", budget=same(4 * 63, original=(63, 47), least=True)),
    "cold.ratio": Row(title="cold sync against the bare server", unit="%", budget=same(70, least=True)),
    "cold.seconds": Row(title="cold sync, from the start of the process", unit="s"),
    "cold.events": Row(title="cold sync, until the last event is posted as well", unit="s"),
    "cold.cpu": Row(title="CPU per cold sync", unit="ms", budget=same(1.5, original=(5.6, 7.1))),
    "refresh.rate": Row(title="unchanged refreshes", unit="reads/s"),
    "refresh.cpu": Row(title="CPU per unchanged refresh", unit="ms", budget=same(0.4, original=(3.2, 3.2))),
    "restart.ready": Row(title="restart: stores filled after", unit="s"),
    "restart.seconds": Row(
        title="restart: last resource looked at after", unit="s", budget=Budget(few=10, many=10, original=(57, 57))
    ),
    "restart.cpu": Row(title="restart: CPU", unit="s", budget=None),
    "idle.memory": Row(title="memory without resources", unit="MB"),
    "idle.cpu": Row(title="CPU without resources, per second", unit="ms"),
    "cold.memory": Row(
        title="memory after the cold sync", unit="MB", budget=Budget(few=70, many=130, original=(101, 253))
    ),
    "cold.peak": Row(title="memory at its peak during the cold sync", unit="MB"),
    "refresh.memory": Row(title="memory while refreshing", unit="MB", budget=Budget(few=70, many=130)),
    "restart.memory": Row(title="memory after a restart", unit="MB", budget=Budget(few=70, many=130)),
    "latency.p50": Row(title="edit to Secret while all refresh, median", unit="s"),
    "latency.p99": Row(title="edit to Secret while all refresh, p99", unit="s", budget=same(1.0)),
    "latency.max": Row(title="edit to Secret while all refresh, longest", unit="s"),
    "scrape.median": Row(title="scrape with series of each resource, median", unit="ms"),
    "scrape.max": Row(title="scrape with series of each resource, longest", unit="ms"),
    "scrape.lines": Row(title="lines of a scrape"),
}


@dataclass(frozen=True, slots=True)
class Count:
    """Something that was counted, and what it had to be."""

    title: str
    expected: int
    counted: int

    @property
    def right(self) -> bool:
        """Whether it is as it must be."""
        return self.expected == self.counted


@dataclass(slots=True)
class Result:
    """Of one run with `number` resources."""

    number: int
    settings: Mapping[str, Any]
    figures: dict[str, float] = field(default_factory=dict)
    counts: list[Count] = field(default_factory=list)

    def figure(self, name: str, value: float) -> None:
        """Note a figure that has its row in `ROWS`."""
        self.figures[name] = value
        ROWS[name]

    def count(self, title: str, *, expected: int, counted: int) -> None:
        """Note a count."""
        self.counts.append(Count(title, expected, counted))

    @property
    def right(self) -> bool:
        """Whether all counts are."""
        return all(count.right for count in self.counts)

    def show(self, console: Console) -> None:
        """Print both tables."""
        console.print(self._figures())
        if self.counts:
            console.print(self._counts())

    def write(self, file: Path) -> None:
        """Write all of it as JSON, creating folders."""
        file.parent.mkdir(parents=True, exist_ok=True)
        document = {
            "number": self.number,
            "settings": self.settings,
            "machine": machine(),
            "figures": {name: self._json(name) for name in self.figures},
            "counts": [asdict(count) | {"right": count.right} for count in self.counts],
        }
        file.write_bytes(msgspec.json.format(msgspec.json.encode(document), indent=2) + b"\n")

    def _json(self, name: str) -> dict[str, Any]:
        row = ROWS[name]
        budget = None if row.budget is None else row.budget.limit(self.number)
        return {"value": round(self.figures[name], 4), "unit": row.unit, "title": row.title, "budget": budget}

    def _figures(self) -> Table:
        table = Table("", title=f"{self.number} VaultStaticSecrets", title_justify="left")
        for heading in ("measured", "budget", "", "the original"):
            table.add_column(heading, justify="right")
        for name, row in ROWS.items():
            if name in self.figures:
                table.add_row(row.title, *self._cells(row, self.figures[name]))
        return table

    def _cells(self, row: Row, value: float) -> tuple[str, str, str, str]:
        shown = _number(value, row.unit)
        budget = row.budget
        if budget is None:
            return shown, "", "", ""
        limit = f"{'≥' if budget.least else '≤'} {_number(budget.limit(self.number), row.unit)}"
        verdict = "[green]kept[/]" if budget.met(value, self.number) else "[yellow]missed[/]"
        many = self.number > (_FEW + _MANY) / 2
        original = _number(budget.original[many], row.unit) if budget.original else ""
        return shown, limit, verdict, original

    def _counts(self) -> Table:
        table = Table("counted", title="requests", title_justify="left")
        for heading in ("expected", "counted", ""):
            table.add_column(heading, justify="right")
        for count in self.counts:
            verdict = "[green]right[/]" if count.right else "[red]WRONG[/]"
            table.add_row(count.title, str(count.expected), str(count.counted), verdict)
        return table


def machine() -> dict[str, Any]:
    """Where this was measured."""
    return {
        "cores": len(os.sched_getaffinity(0)),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "python": platform.python_version(),
        "load": round(os.getloadavg()[0], 1),
    }


def _number(value: float, unit: str) -> str:
    text = f"{value:,.1f}" if abs(value) >= _PLACES else f"{value:.2f}"
    return f"{text.removesuffix('.0') if abs(value) >= _PLACES else text} {unit}"
