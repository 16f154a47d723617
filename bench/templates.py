"""What rendering templates costs a process: time of one rendering, and memory once the engine is loaded.

In a process of its own, which has nothing else in its memory: ``python -m bench.templates`` prints its figures.
"""

import asyncio
import json
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import psutil

from testenv.waiting import seconds
from vso.base import Sensitive
from vso.sync import Budget, Template, TemplateEngine, TemplateInput

_ROUNDS: Final = 500
_NOW: Final = datetime(2026, 1, 1, tzinfo=UTC)
_SECRETS: Final = json.dumps({"user": "alice", "password": "x" * 24, "host": "db.example.com", "port": 5432}).encode()
_SMALL: Final = "{{ .Secrets.user }}:{{ .Secrets.password }}"
_LINE: Final = (
    "{{ .Secrets.host | quote }} {{ .Secrets.port }} {{ .Secrets.user | upper }} {{ .Secrets.password | b64enc }}\n"
)
_LARGE: Final = "".join(f"line {number}: {_LINE}" for number in range(10))


def figures() -> dict[str, float]:
    """Measure in a new process: milliseconds and MB by the names of `bench.result.ROWS`."""
    root = Path(__file__).parents[1]
    done = subprocess.run(
        [sys.executable, "-m", "bench.templates"], capture_output=True, text=True, check=True, cwd=root
    )
    found: dict[str, float] = json.loads(done.stdout)
    return found


async def measure() -> dict[str, float]:
    """The figures of this process."""
    before = psutil.Process().memory_info().rss
    async with TemplateEngine(budget=Budget()) as engine:
        begun = seconds()
        await _render(engine, _SMALL)
        first = seconds() - begun
        small, large = await _mean(engine, _SMALL), await _mean(engine, _LARGE)
        grown = psutil.Process().memory_info().rss - before
    return {
        "templates.first": first * 1000,
        "templates.small": small * 1000,
        "templates.large": large * 1000,
        "templates.memory": grown / 1e6,
    }


async def _mean(engine: TemplateEngine, text: str) -> float:
    begun = seconds()
    for _ in range(_ROUNDS):
        await _render(engine, text)
    return (seconds() - begun) / _ROUNDS


async def _render(engine: TemplateEngine, text: str) -> None:
    data = TemplateInput(secrets=Sensitive(_SECRETS))
    await engine.render([Template(name="t", text=text, key="k")], data, seed=b"seed", now=_NOW)


if __name__ == "__main__":
    print(json.dumps(asyncio.run(measure())))
