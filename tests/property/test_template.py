"""Whatever somebody writes into a template and Vault into a secret: a result or an error, and no value in the error."""

import base64
import json
import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from vso.base import Sensitive
from vso.sync import Budget, Template, TemplateEngine, TemplateError, TemplateInput

ROOT: Final = Path(__file__).parents[2]
NOW: Final = datetime(2026, 1, 1, tzinfo=UTC)
CANARY: Final = "hunter2canary"
VALUES: Final = {"text": CANARY, "list": [CANARY], "map": {CANARY: CANARY}, "number": 7, "yes": True, "null": None}

# Templates that loop are the business of tests with a budget; here it keeps a run short.
several = settings(deadline=None, max_examples=150)
texts = st.text(st.characters(exclude_categories=["Cs"]))


@pytest.fixture(scope="module")
async def engine() -> AsyncIterator[TemplateEngine]:
    """One engine for all examples, as the operator has one for all secrets."""
    async with TemplateEngine(budget=Budget(seconds=1, memory=128 * 1024 * 1024)) as engine:
        yield engine


def functions() -> list[str]:
    """The names that templates may use."""
    source = (ROOT / "template-engine" / "engine" / "functions.go").read_text()
    found = re.search(r"strings\.Fields\(`([^`]*)`\)", source)
    assert found is not None
    return found[1].split()


async def rendered(engine: TemplateEngine, text: str, secrets: object) -> bytes:
    """What one template makes of these secrets."""
    data = TemplateInput(secrets=Sensitive(json.dumps(secrets).encode()))
    made = await engine.render([Template(name="t", text=text, key="k")], data, seed=b"seed", now=NOW)
    return made.reveal()["k"]


@several
@given(value=texts)
@example(value="\0\u2028<&>\ufffd")
async def test_text_survives(engine: TemplateEngine, value: str) -> None:
    """A value comes out as it went in, also through JSON and base64."""
    assert await rendered(engine, "{{ .Secrets.v }}", {"v": value}) == value.encode()
    assert json.loads(await rendered(engine, "{{ .Secrets.v | toJson }}", {"v": value})) == value
    assert base64.b64decode(await rendered(engine, "{{ .Secrets.v | b64enc }}", {"v": value})) == value.encode()


@several
@given(content=st.binary(max_size=300))
async def test_bytes_survive(engine: TemplateEngine, content: bytes) -> None:
    """What is no text comes out of b64dec as it went in."""
    encoded = base64.b64encode(content).decode()
    assert await rendered(engine, "{{ .Secrets.v | b64dec }}", {"v": encoded}) == content


@several
@given(keys=st.lists(texts, unique=True, max_size=10))
async def test_keys_are_visited_in_the_order_of_their_bytes(engine: TemplateEngine, keys: list[str]) -> None:
    """A loop and `keys` agree, so that equal secrets make equal results."""
    secrets = dict.fromkeys(keys, 1)
    ordered = sorted(keys, key=str.encode)
    loop = await rendered(engine, "[{{ range $k, $v := .Secrets }}{{ toJson $k }},{{ end }}0]", secrets)
    assert json.loads(loop) == [*ordered, 0]
    assert json.loads(await rendered(engine, "{{ keys .Secrets | toJson }}", secrets)) == ordered


pieces = st.one_of(
    st.sampled_from(
        ["{{", "}}", "{{-", "-}}", "|", "(", ")", ".", "$", ":=", "=", ",", " ", "\n", '"', "`", "/*", "*/"]
    ),
    st.sampled_from(["if", "else", "end", "range", "with", "define", "template", "block", "break", "continue", "nil"]),
    st.sampled_from([".Secrets", ".Secrets.text", ".Nope", "$x", "1", "1e3", "'c'", "true", '"s"']),
    st.sampled_from([*functions(), "print", "printf", "index", "len", "call", "eq", "and", "not", "html"]),
    st.text(max_size=5),
)


@several
@given(text=st.lists(pieces, max_size=25).map("".join))
@example(text="\ud800")
async def test_any_text_is_a_template_or_an_error(engine: TemplateEngine, text: str) -> None:
    """Nothing but TemplateError comes out, and the engine goes on."""
    try:
        await rendered(engine, text, VALUES)
    except TemplateError as error:
        assert CANARY not in str(error)  # noqa: PT017 -- many examples are no error
    assert await rendered(engine, "{{ .Secrets.number }}", VALUES) == b"7"


ARGUMENTS: Final = """
.Secrets.text|.Secrets.list|.Secrets.map|.Secrets.number|.Secrets.yes|.Secrets.null|.Secrets|0|1|-1|3|""|"a"|"["|"text"|
(list)|(dict)|nil|(int .Secrets.number)
"""
arguments = st.sampled_from(ARGUMENTS.replace("\n", "").split("|"))
calls = st.builds(
    lambda name, given: " ".join([name, *given]), st.sampled_from(functions()), st.lists(arguments, max_size=4)
)
pipes = st.lists(calls, min_size=1, max_size=4).map(lambda steps: "{{ " + " | ".join(steps) + " }}")


@settings(deadline=None, max_examples=600)
@given(text=pipes)
async def test_no_error_tells_a_value(engine: TemplateEngine, text: str) -> None:
    """Any function on any values, right or wrong (behaviour.md section 9.3)."""
    try:
        await rendered(engine, text, VALUES)
    except TemplateError as error:
        assert CANARY not in str(error)  # noqa: PT017 -- most examples are no error
