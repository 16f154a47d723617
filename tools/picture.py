"""Draws the dashboard's panels from what a real Prometheus recorded: ``python -m tools.picture FILE.png``.

Starts the servers, provokes the trouble that the tests of the metrics provoke, changes secrets for two minutes, and
asks Prometheus for every panel's query, as Grafana would. The picture in the guide is made so.
"""

import io
import math
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import matplotlib as mpl
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter
from PIL import Image

from testenv import Postgres, Prometheus, Series
from testenv.waiting import attempts
from tests.support.watched import Watched, watched
from tools.panels import ROWS, Panel

_LASTS: Final = 120.0
"""Seconds that are recorded."""
_CHANGES: Final = 5.0
"""Seconds between two changes in Vault."""
_COLUMNS: Final = 4
_COLOURS: Final = 48
_MOST: Final = 7
"""Lines of a legend or rows of a table that are shown."""
_INK: Final = "#24292f"
mpl.use("agg")


@dataclass(frozen=True)
class Recorded:
    """A panel with what was recorded for it: label of each series, and its points."""

    panel: Panel
    lines: Sequence[tuple[str, Series]]


def main(arguments: list[str]) -> None:
    """Record and draw."""
    with tempfile.TemporaryDirectory() as folder, Postgres() as postgres, watched(postgres, Path(folder)) as scene:
        _keep_busy(scene)
        picture = draw([(row.question, [_record(scene.prometheus, one) for one in row.panels]) for row in ROWS])
    Path(arguments[0]).write_bytes(picture)
    print(f"picture: {arguments[0]}, {len(picture) // 1000} kB", file=sys.stderr)


def draw(rows: Sequence[tuple[str, Sequence[Recorded]]]) -> bytes:
    """A PNG with a row of panels, or two, under each question."""
    heights = [height for _, panels in rows for height in [0.16, *[1.0] * math.ceil(len(panels) / _COLUMNS)]]
    figure = Figure(figsize=(15, 1.9 * sum(heights)), dpi=96, layout="constrained")
    grid = figure.add_gridspec(len(heights), _COLUMNS, height_ratios=heights)
    at = 0
    for question, panels in rows:
        heading = figure.add_subplot(grid[at, :])
        heading.axis("off")
        heading.text(0, 0.2, question, fontsize=13, fontweight="bold", color=_INK)
        for number, one in enumerate(panels):
            line, column = divmod(number, _COLUMNS)
            _draw(figure.add_subplot(grid[at + 1 + line, column]), one)
        at += 1 + math.ceil(len(panels) / _COLUMNS)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", facecolor="white")
    # A palette is enough, and a quarter of the size.
    small = io.BytesIO()
    Image.open(buffer).convert("RGB").quantize(_COLOURS).save(small, format="png", optimize=True)
    return small.getvalue()


def _keep_busy(scene: Watched) -> None:
    """Change a secret every few seconds, and let a new one come now and then."""
    done = 0
    for waited in attempts(_LASTS, interval=0.5):
        if waited >= done * _CHANGES:
            done += 1
            scene.team.put("app", {"user": f"user{done}"})
            if done % 4 == 0:
                scene.team.sync(f"late{done}", path="app")


def _record(prometheus: Prometheus, panel: Panel) -> Recorded:
    end = prometheus.value("time()")
    lines: list[tuple[str, Series]] = []
    for expression, legend in panel.queries:
        query = expression.replace("$__rate_interval", "15s").replace("$namespace", ".*")
        found = prometheus.query_range(query, start=end - _LASTS, end=end)
        lines += [(_label(legend, series), series) for series in found]
    return Recorded(panel, lines)


def _label(legend: str, series: Series) -> str:
    labels = {name: value for name, value in series.labels.items() if name not in {"job", "instance", "__name__"}}
    for name, value in series.labels.items():
        legend = legend.replace(f"{{{{{name}}}}}", value)
    return legend or " ".join(labels.values())


def _draw(axes: Any, one: Recorded) -> None:
    axes.set_title(one.panel.title, fontsize=10, loc="left", color=_INK)
    match one.panel.form:
        case "stat":
            _draw_number(axes, one)
        case "table":
            _draw_table(axes, one)
        case _:
            _draw_lines(axes, one)


def _draw_number(axes: Any, one: Recorded) -> None:
    value = _last(one.lines[0][1])
    bad = value != one.panel.expect if one.panel.expect is not None else value >= (one.panel.warn_from or math.inf)
    axes.axis("off")
    axes.text(0.5, 0.5, f"{value:g}", fontsize=30, ha="center", va="center", color="#c4162a" if bad else "#37872d")


def _draw_table(axes: Any, one: Recorded) -> None:
    axes.axis("off")
    rows = sorted(((label, _last(series)) for label, series in one.lines), key=lambda row: row[1])[:_MOST]
    for number, (label, value) in enumerate(rows):
        height = 0.92 - number / _MOST
        axes.text(0, height, label[:52], fontsize=7.5, transform=axes.transAxes, color=_INK)
        axes.text(1, height, f"{value:,.0f}", fontsize=7.5, ha="right", transform=axes.transAxes, color=_INK)


def _draw_lines(axes: Any, one: Recorded) -> None:
    busiest = sorted(one.lines, key=lambda line: -max(value for _, value in line[1].points))
    for label, series in busiest:
        end = series.points[-1][0]
        times = [at - end for at, _ in series.points]
        axes.plot(times, [value for _, value in series.points], linewidth=1, label=label[:32])
    axes.set_xlim(-_LASTS, 0)
    if not one.panel.may_be_negative:
        axes.set_ylim(bottom=0)
    axes.yaxis.set_major_formatter(EngFormatter(sep=""))
    axes.tick_params(labelsize=7, colors=_INK)
    axes.grid(visible=True, linewidth=0.3)
    axes.spines[["top", "right"]].set_visible(False)
    handles, labels = axes.get_legend_handles_labels()
    axes.legend(handles[:_MOST], labels[:_MOST], fontsize=7, loc="best", framealpha=0.5, borderpad=0.2, handlelength=1)


def _last(series: Series) -> float:
    return series.points[-1][1]


if __name__ == "__main__":
    main(sys.argv[1:])
