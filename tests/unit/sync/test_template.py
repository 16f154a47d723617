"""The template engine: the data it sees, its bounds, and that everything else goes on meanwhile."""

import asyncio
import gc
import json
import sys
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from vso.base import Sensitive
from vso.sync import Budget, RenderError, Template, TemplateEngine, TemplateError, TemplateInput
from vso.sync.template import MODULE

NOW = datetime(2026, 1, 1, tzinfo=UTC)
BRIEF = 2.0
PATIENT = 30.0
"""Seconds after which only a machine out of order would not have come to another bound."""
SECRETS = b'{"user":"alice","int":1,"float":1.0,"exp":1e3,"long":12345678901234567890,"null":null}'


@pytest.fixture
async def engine() -> AsyncIterator[TemplateEngine]:
    """An engine with little memory and much time."""
    async with engine_with(PATIENT) as engine:
        yield engine


def engine_with(seconds: float) -> TemplateEngine:
    """An engine whose templates have so much time."""
    return TemplateEngine(budget=Budget(seconds=seconds, memory=64 * 1024 * 1024))


async def rendered(
    engine: TemplateEngine, *texts: str, seed: bytes = b"seed", now: datetime = NOW, secrets: bytes = SECRETS
) -> str:
    """What the last of `texts` makes; the others are sources."""
    *sources, last = texts
    templates = [Template(name=f"source {at}", text=text) for at, text in enumerate(sources)]
    data = TemplateInput(secrets=Sensitive(secrets))
    made = await engine.render(
        [*templates, Template(name="ns/app/key", text=last, key="key")], data, seed=seed, now=now
    )
    assert list(made.reveal()) == ["key"]
    return made.reveal()["key"].decode()


@pytest.mark.parametrize(
    ("text", "result"),
    [
        (
            "{{ .Secrets.int }} {{ .Secrets.float }} {{ .Secrets.exp }} {{ .Secrets.long }}",
            "1 1.0 1e3 12345678901234567890",
        ),
        ("{{ typeOf .Secrets.int }} {{ kindOf .Secrets.int }}", "json.Number string"),
        ("{{ .Secrets.null }} {{ toString .Secrets.null }} {{ quote .Secrets.null }}", "<no value> <nil> "),
        ('{{ .Secrets.none }} {{ .Secrets.none.deeper }} {{ get .Secrets "none" }}', "<no value> <no value> "),
        ("{{ .WrapData }} {{ len .Labels }} {{ .Annotations.none }} {{ .Labels | toJson }}", "map[] 0 <no value> null"),
        ('{{ trunc 3 "Grün" | b64enc }}', "R3LD"),
        ("{{ keys .Secrets | first }}", "exp"),
        ('{{ ago (mustToDate "2006-01-02" "2025-12-31") }}', "24h0m0s"),
    ],
)
async def test_templates_see_what_vault_sent(engine: TemplateEngine, text: str, result: str) -> None:
    """Numbers as literals, null, absent keys and bytes (behaviour.md 9.1, corrections.md E6 and I10)."""
    assert await rendered(engine, text) == result


async def test_the_whole_input_has_lower_case_keys(engine: TemplateEngine) -> None:
    """As JSON; wrapData is left out when there is none (corrections.md E6)."""
    found = json.loads(await rendered(engine, "{{ . | toJson }}", secrets=b'{"a":1}'))
    assert found == {"secrets": {"a": 1}, "metadata": {}, "annotations": None, "labels": None}


async def test_sources_define_what_others_include(engine: TemplateEngine) -> None:
    """A template without a key renders nothing of its own; a later definition of a name goes first."""
    sources = '{{ define "part" }}one{{ end }}', '{{ define "part" }}two{{ end }}'
    assert await rendered(engine, *sources, '[{{ template "part" }}]') == "[two]"


async def test_equal_input_gives_equal_results_whatever_chance_they_use(engine: TemplateEngine) -> None:
    """Salted hashes and random numbers follow from the seed, so that a steady state is steady (behaviour.md 9.4)."""
    text = '{{ randInt 0 1000000 }} {{ shuffle "abcdefghij" }} {{ htpasswd "u" .Secrets.user }}'
    first = await rendered(engine, text)
    assert await rendered(engine, text) == first
    assert await rendered(engine, text, seed=b"another") != first


@pytest.mark.parametrize(
    ("text", "begin"),
    [
        ("a\n{{ if }}", "parse error: template: ns/app/key:2:"),
        ("{{ nope 1 }}", 'parse error: template: ns/app/key:1: function "nope" not defined'),
        ("{{ env 1 }}", 'parse error: template: ns/app/key:1: function "env" not defined'),
        ("\n\n{{ .Secrets.user.deep }}", "template: ns/app/key:3:"),
        ("{{ range .Secrets.user }}{{ end }}", "template: ns/app/key:1:17: "),
        ("{{ fail .Secrets.user }}", "template: ns/app/key:1:3: "),
        ("{{ index .Secrets.user 99 }}", "template: ns/app/key:1:3: "),
        ("{{ .Secrets.user | semver }}", "template: ns/app/key:1:"),
        ("{{ fromJson .Secrets.user | mustToJson | mustFromJson | index .Secrets }}", "template: ns/app/key:1:"),
    ],
)
async def test_an_error_names_template_and_line_and_no_value(engine: TemplateEngine, text: str, begin: str) -> None:
    """Where, and what as far as it is no secret (behaviour.md section 9.3)."""
    with pytest.raises(TemplateError) as caught:
        await rendered(engine, text)
    assert str(caught.value).startswith(begin)
    assert "alice" not in str(caught.value)


@pytest.mark.parametrize(
    "shape",
    [
        "%s",
        "error calling %s",
        'template \\"%s\\" not defined',
        "can't evaluate field %s in type int",
        'template: x:1:1: executing \\"x\\" at <%s>: index of untyped nil',
        "error calling fail: %s",
        "len of type %s",
    ],
)
async def test_fail_does_not_carry_values_out_in_the_shape_of_a_harmless_error(
    engine: TemplateEngine, shape: str
) -> None:
    """Who may write templates need not be allowed to read the Secret; statuses and events are open to many."""
    with pytest.raises(TemplateError) as caught:
        await rendered(engine, f'{{{{ fail (printf "{shape}" .Secrets.user) }}}}')
    assert "alice" not in str(caught.value)
    assert str(caught.value).endswith("<redacted>")


async def test_a_text_that_fail_has_from_the_template_is_told(engine: TemplateEngine) -> None:
    """It is the message of the template's author to its users."""
    with pytest.raises(TemplateError, match=r"error calling fail: set a user first$"):
        await rendered(engine, '{{ fail "set a user first" }}')


@pytest.mark.parametrize(
    ("seconds", "text", "what"),
    [
        (
            BRIEF,
            "{{ range 1000000000000 }}{{ end }}",
            r"took more than 2 s: look for an endless loop \(templates 'ns/app/key'\)",
        ),
        (PATIENT, '{{ repeat 1000000000 "x" }}', "needed more than 64 MiB of memory"),
        (PATIENT, '{{ $d := dict }}{{ set $d "self" $d }}', "nested too deep"),
        (PATIENT, "{{ range 1000000000 }}0123456789{{ end }}", "makes more than 1048576 bytes"),
        (
            PATIENT,
            '{{ define "a" }}{{ template "a" . }}{{ end }}{{ template "a" . }}',
            "exceeded maximum template depth",
        ),
    ],
)
async def test_a_template_without_end_is_stopped_and_the_next_one_works(seconds: float, text: str, what: str) -> None:
    """Time, memory and output have bounds; after a bound was hit the engine starts anew."""
    async with engine_with(seconds) as engine:
        with pytest.raises(TemplateError, match=what):
            await rendered(engine, text)
        assert await rendered(engine, "{{ .Secrets.user }}") == "alice"


async def test_everything_else_goes_on_while_a_template_runs() -> None:
    """The sandbox gives the interpreter lock back while it runs: the event loop keeps turning."""
    ticks = 0

    async def tick() -> None:
        nonlocal ticks
        while True:
            await asyncio.sleep(0.01)
            ticks += 1

    async with engine_with(BRIEF) as engine, asyncio.TaskGroup() as group:
        await rendered(engine, "warm")
        ticker = group.create_task(tick(), name="ticker")
        with pytest.raises(TemplateError):
            await rendered(engine, "{{ range 1000000000000 }}{{ end }}")
        ticker.cancel()
    assert ticks > 20


@pytest.mark.parametrize("turns", [0, 1, 2, 50])
async def test_a_caller_that_is_cancelled_leaves_the_engine_free(engine: TemplateEngine, turns: int) -> None:
    """What it had running, or was about to run, is stopped at once, and nobody hears of its failure."""
    await rendered(engine, "warm")
    heard: list[object] = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _loop, what: heard.append(what))
    try:
        async with asyncio.TaskGroup() as group:
            endless = group.create_task(rendered(engine, "{{ range 1000000000000 }}{{ end }}"), name="endless")
            for _ in range(turns):
                await asyncio.sleep(0)
            endless.cancel()
        assert await rendered(engine, "{{ .Secrets.user }}") == "alice"
        gc.collect()
    finally:
        loop.set_exception_handler(None)
    assert heard == []


async def test_a_budget_that_ends_before_the_start_ends_the_template_too() -> None:
    """On a machine so slow that the sandbox gets going late, an endless template must not go on for ever."""
    async with TemplateEngine(budget=Budget(seconds=0)) as engine:
        for _ in range(3):
            with pytest.raises(TemplateError, match="took more than 0 s"):
                await rendered(engine, "{{ range 1000000000000 }}{{ end }}")


async def test_a_damaged_module_is_an_error_that_says_what_to_do(tmp_path: Path) -> None:
    """It is the resource's condition, not the operator's end."""
    (tmp_path / "damaged.wasm").write_bytes(b"\0asm")
    async with TemplateEngine(budget=Budget(), module=tmp_path / "damaged.wasm") as engine:
        with pytest.raises(RenderError, match="make engine"):
            await rendered(engine, "x")


async def test_an_engine_that_could_not_be_loaded_is_tried_again_after_a_while(tmp_path: Path) -> None:
    """Compiling takes seconds and 300 MB, so not at each attempt of each resource."""
    module = tmp_path / "module.wasm"
    module.write_bytes(b"\0asm")
    async with TemplateEngine(budget=Budget(seconds=PATIENT), module=module, pause=PATIENT) as engine:
        for _ in range(2):
            with pytest.raises(RenderError, match="make engine"):
                await rendered(engine, "x")
            module.write_bytes(MODULE.read_bytes())
    module.write_bytes(b"\0asm")
    async with TemplateEngine(budget=Budget(seconds=PATIENT), module=module, pause=0) as engine:
        with pytest.raises(RenderError, match="make engine"):
            await rendered(engine, "x")
        module.write_bytes(MODULE.read_bytes())
        assert await rendered(engine, "x") == "x"


async def test_a_compiler_that_cannot_be_started_is_an_error_that_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where the limit of processes or of memory is reached."""
    monkeypatch.setattr(sys, "executable", str(tmp_path / "none"))
    async with TemplateEngine(budget=Budget(), cache=tmp_path) as engine:
        with pytest.raises(RenderError, match="cannot be started"):
            await rendered(engine, "x")


async def test_without_the_module_the_error_says_what_to_do(tmp_path: Path) -> None:
    """A resource with templates then has a condition; others do not care."""
    async with TemplateEngine(budget=Budget(), module=tmp_path / "none.wasm") as engine:
        with pytest.raises(RenderError, match="make engine"):
            await rendered(engine, "x")


async def test_time_moves_what_depends_on_time_only(engine: TemplateEngine) -> None:
    """`now` is an argument."""
    text = '{{ ago (mustToDate "2006-01-02" "2025-12-31") }} {{ durationRound (mustToDate "2006" "2025") }}'
    assert await rendered(engine, text) == "24h0m0s 12mo"
    assert await rendered(engine, text, now=NOW + timedelta(days=366, hours=1)) == "8809h0m0s 2y"
