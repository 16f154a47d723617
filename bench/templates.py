"""What templates cost: ``python -m bench.templates`` prints a table; nothing but the engine is needed.

The first load compiles the module into an empty cache, as on a fresh machine; later ones read that cache.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Final

import psutil
from rich.console import Console
from rich.table import Table

from testenv.waiting import seconds
from vso.base import Sensitive
from vso.sync import Budget, Template, TemplateEngine, TemplateError, TemplateInput

_NOW: Final = datetime(2026, 1, 1, tzinfo=UTC)
_MIB: Final = 1024 * 1024
_RENDERS: Final = 2000
_SMALL: Final = "postgresql://{{ .Secrets.user }}:{{ .Secrets.password | urlquery }}@{{ .Secrets.host }}/app"
_LARGE: Final = (
    '{"auths": { {{- range $i, $host := splitList "," .Secrets.hosts }}{{ if $i }},{{ end }}{{ $host | toJson }}:'
    '{"username":{{ $.Secrets.user | toJson }},"password":{{ $.Secrets.password | toJson }},'
    '"auth":{{ printf "%s:%s" $.Secrets.user $.Secrets.password | b64enc | toJson }}}{{ end }} } }'
)
_SECRETS: Final = {
    "user": "app",
    "password": "p@ss:w0rd/" * 3,
    "host": "db.example.com:5432",
    "hosts": ",".join(f"registry-{at}.example.com" for at in range(7)),
}
_DATA: Final = TemplateInput(secrets=Sensitive(json.dumps(_SECRETS).encode()))
_ENDLESS: Final = "{{ range 1000000000000 }}{{ end }}"
_HUGE: Final = '{{ repeat 1000000000 "x" }}'


@dataclass(frozen=True)
class _Row:
    what: str
    figure: str


async def _render(engine: TemplateEngine, text: str) -> int:
    template = Template(name="bench", text=text, key="key")
    made = await engine.render([template], _DATA, seed=b"seed", now=_NOW)
    return len(made.reveal()["key"])


async def _took(work: Callable[[], Awaitable[object]]) -> float:
    began = seconds()
    await work()
    return seconds() - began


def _resident() -> float:
    return float(psutil.Process().memory_info().rss) / _MIB


def _size(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.iterdir())


async def _loads(cache: Path) -> Sequence[_Row]:
    before = _resident()
    async with TemplateEngine(budget=Budget(), cache=cache) as engine:
        cold = await _took(lambda: engine.parse([]))
    kept = _size(cache) / _MIB
    warm = []
    for _ in range(5):
        async with TemplateEngine(budget=Budget(), cache=cache) as engine:
            warm.append(await _took(lambda: engine.parse([])))
    return (
        _Row("first load: compile and keep", f"{cold:.1f} s, {kept:.1f} MiB kept"),
        _Row("load from the cache, first instance", f"{median(warm) * 1000:.0f} ms"),
        _Row("resident memory after that, with compiler", f"+{_resident() - before:.0f} MiB"),
    )


async def _renders(engine: TemplateEngine) -> Sequence[_Row]:
    rows = []
    for name, text in (("small", _SMALL), ("large", _LARGE)):
        size = await _render(engine, text)
        times = [await _took(lambda: _render(engine, text)) for _ in range(_RENDERS)]  # noqa: B023 -- as above
        rows.append(_Row(f"render, {name} ({size} bytes), median", f"{median(times) * 1e6:.0f} µs"))
    return rows


async def _bounds(engine: TemplateEngine) -> Sequence[_Row]:
    rows = []
    for name, text in (("an endless range", _ENDLESS), ("repeat 1000000000", _HUGE)):

        async def stopped(text: str = text) -> None:
            try:
                await _render(engine, text)
            except TemplateError:
                return
            raise AssertionError(f"{text} was not stopped")

        rows.append(_Row(f"{name} is stopped after", f"{await _took(stopped):.2f} s"))
        again = await _took(lambda: _render(engine, _SMALL))
        rows.append(_Row("  and the next one, in a fresh instance, takes", f"{again * 1000:.1f} ms"))
    return rows


async def _measured() -> Sequence[_Row]:
    with TemporaryDirectory() as folder:
        cache = Path(folder)
        rows = list(await _loads(cache))
        before = _resident()
        async with TemplateEngine(budget=Budget(), cache=cache) as engine:
            rows += await _renders(engine)
            rows.append(_Row(f"resident memory after {2 * _RENDERS} renders", f"+{_resident() - before:.0f} MiB"))
            rows += await _bounds(engine)
        return rows


def main() -> None:
    """Measure and print."""
    table = Table("what", "figure", title="templates")
    for row in asyncio.run(_measured()):
        table.add_row(row.what, row.figure)
    Console().print(table)


if __name__ == "__main__":
    main()
