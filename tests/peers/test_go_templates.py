"""Our sandboxed engine beside a native Go program with the same functions: equal to the byte, errors included."""

import base64
import json
import os
import re
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.peers.templates import CASES, NUMBERS, REALISTIC, SECRETS, UNARY
from vso.base import Sensitive
from vso.sync import Budget, Template, TemplateEngine, TemplateError, TemplateInput

ROOT = Path(__file__).parents[2]
NOW = datetime(2026, 1, 1, tzinfo=UTC)
SEED = bytes(range(32))
METADATA = b'{"version":3,"custom_metadata":{"owner":"team-a"}}'
LABELS = {"app": "web", "tier": "db"}
ANNOTATIONS = {"team": "a"}
INPUT = (json.dumps(SECRETS, ensure_ascii=False)[:-1] + "," + NUMBERS + "}").encode()


@pytest.fixture(scope="module")
def go() -> Iterator["subprocess.Popen[bytes]"]:
    """The native program."""
    built = subprocess.run(
        [sys.executable, str(ROOT / "tools" / "engine.py"), "--native"],
        check=True,
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'src'}"},
    )
    # The sandbox knows no time zone; a native program takes that of the machine.
    utc = {**os.environ, "TZ": "UTC"}
    with subprocess.Popen([built.stdout.strip()], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=utc) as program:
        yield program
        assert program.stdin is not None
        program.stdin.close()


@pytest.fixture
async def engine() -> AsyncIterator[TemplateEngine]:
    """Our engine."""
    async with TemplateEngine(budget=Budget(seconds=20)) as engine:
        yield engine


def native(go: "subprocess.Popen[bytes]", text: str) -> bytes | str:
    """What Go makes of a template: bytes, or the text of its error."""
    request: dict[str, Any] = {
        "seed": base64.b64encode(SEED).decode(),
        "now": NOW.isoformat(),
        "templates": [{"name": "ns/app/key", "text": text, "key": "key"}],
        "maxOutput": 1024 * 1024,
    }
    given = {"metadata": json.loads(METADATA), "labels": LABELS, "annotations": ANNOTATIONS}
    encoded = (
        json.dumps(request)[:-1] + ', "input": ' + json.dumps(given)[:-1] + ', "secrets": ' + INPUT.decode() + "}}"
    )
    assert go.stdin is not None
    assert go.stdout is not None
    go.stdin.write(encoded.encode() + b"\n")
    go.stdin.flush()
    answer = json.loads(go.stdout.readline())
    if error := answer.get("error"):
        return str(error["message"])
    return base64.b64decode(answer["rendered"]["key"])


async def ours(engine: TemplateEngine, text: str) -> bytes | str:
    """What our engine makes of it, likewise."""
    data = TemplateInput(secrets=Sensitive(INPUT), metadata=METADATA, labels=LABELS, annotations=ANNOTATIONS)
    template = Template(name="ns/app/key", text=text, key="key")
    try:
        return (await engine.render([template], data, seed=SEED, now=NOW)).reveal()["key"]
    except TemplateError as error:
        return str(error)


async def test_more_than_300_templates_come_out_as_in_go(go: "subprocess.Popen[bytes]", engine: TemplateEngine) -> None:
    """Byte for byte, texts of errors included."""
    assert len(CASES) > 1000
    different = {}
    for name, text in CASES.items():
        theirs, mine = native(go, text), await ours(engine, text)
        if theirs != mine:
            different[name] = (theirs, mine)
    assert different == {}


async def test_what_people_write_renders(engine: TemplateEngine) -> None:
    """None of the realistic ones is an error, or the comparison would compare errors."""
    results = {name: await ours(engine, text) for name, text in REALISTIC.items()}
    assert {name: result for name, result in results.items() if isinstance(result, str)} == {}
    assert results["binary"] == base64.b64decode(SECRETS["b64"])
    assert results["numbers as they came"] == b"5432 1.0 1e3 12345678901234567890"


async def test_no_error_tells_a_value(engine: TemplateEngine) -> None:
    """Whatever fails, what Vault sent stays out of the text (behaviour.md section 9.3)."""
    errors = [result for text in CASES.values() if isinstance(result := await ours(engine, text), str)]
    assert len(errors) > 100
    values = [one for one in SECRETS.values() if isinstance(one, str) and len(one) > 3] + ["5432", "1234567890"]
    told = {error for error in errors for value in values if value in error}
    assert told == set()


def test_every_allowed_function_is_used() -> None:
    """The table of cases names each of the 179 (behaviour.md section 9.4)."""
    source = (ROOT / "template-engine" / "engine" / "functions.go").read_text()
    found = re.search(r"strings\.Fields\(`([^`]*)`\)", source)
    assert found is not None
    allowed = set(found[1].split())
    assert len(allowed) == 179
    text = " ".join([*UNARY, *CASES.values()])
    assert allowed - set(re.findall(r"\w+", text)) == set()
