"""The health script for Argo CD in the how-to guide, run by Lua 5.1, whose language Argo CD speaks."""

import re
import shutil
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import msgspec
import pytest
import yaml

from tests.support.page import blocks
from vso.apis.conditions import ConditionType, NewCondition, Reason, health, update_conditions

PAGE: Final = Path(__file__).parents[2] / "docs/how-to/use-gitops.md"
LUA: Final = shutil.which("lua5.1")
GENERATION: Final = 3
pytestmark = pytest.mark.skipif(LUA is None, reason="no Lua: apt-get install lua5.1")


def script() -> str:
    """What the ConfigMap of the page has."""
    (manifest,) = (one.text for one in blocks(PAGE.read_text()) if one.title == "argocd-cm.yaml")
    (text,) = yaml.safe_load(manifest)["data"].values()
    return str(text)


def status(*, synced: bool, message: str, generation: int = GENERATION) -> dict[str, Any]:
    """A status as the operator writes it."""
    told = NewCondition(type=ConditionType.SECRET_SYNCED, status=synced, reason=Reason.SYNCED, message=message)
    conditions = update_conditions(
        (),
        [told, *health("VaultStaticSecret", healthy=synced)],
        now=datetime(2026, 1, 1, tzinfo=UTC),
        generation=generation,
    )
    return {"conditions": msgspec.to_builtins(conditions)}


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (None, "Progressing|Waiting for the operator"),
        ({}, "Progressing|Waiting for the operator"),
        (status(synced=True, message="Secret synced"), "Healthy|In sync with Vault"),
        (status(synced=False, message="permission denied"), "Degraded|permission denied"),
        (status(synced=True, message="Secret synced", generation=2), "Progressing|Waiting for the operator"),
    ],
    ids=["new", "empty", "synced", "failed", "edited since"],
)
def test_argo_cd_shows_the_health_that_the_conditions_tell(given: dict[str, Any] | None, expected: str) -> None:
    """A failure with the operator's own words; an edit that was not looked at yet is no health."""
    assert LUA is not None
    body = {"metadata": {"generation": GENERATION}, **({} if given is None else {"status": given})}
    program = f"obj = {literal(body)}\nlocal function look()\n{script()}\nend\n"
    program += 'local hs = look()\nio.write(hs.status .. "|" .. hs.message)'
    done = subprocess.run((LUA, "-"), input=program, capture_output=True, text=True, check=False, timeout=30)
    assert done.returncode == 0, done.stderr
    assert done.stdout == expected


def literal(value: Any) -> str:
    """A JSON-like value in Lua."""
    match value:
        case dict():
            return "{" + ", ".join(f"[{literal(key)}] = {literal(one)}" for key, one in value.items()) + "}"
        case list() | tuple():
            return "{" + ", ".join(map(literal, value)) + "}"
        case str():
            return '"' + re.sub(r'(["\\])', r"\\\1", value).replace("\n", "\\n") + '"'
        case _:
            return str(value).lower()
