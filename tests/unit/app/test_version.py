"""What the program says of its build."""

import json

import pytest
import yaml

from vso import __version__
from vso.app import build_facts, show_version
from vso.cli.manager import main

KEYS = [
    "major",
    "minor",
    "gitVersion",
    "gitCommit",
    "gitTreeState",
    "buildDate",
    "goVersion",
    "compiler",
    "platform",
]
STAMP = {
    "gitVersion": "v1.20.3-rc1",
    "gitCommit": "0123456789012345678901234567890123456789",
    "gitTreeState": "clean",
    "buildDate": "2026-06-30T12:00:00+0000",
}


def test_a_stamp_says_what_was_built() -> None:
    """And the version's numbers follow it; the interpreter stands where the original has its compiler."""
    facts = build_facts(STAMP)
    assert list(facts) == KEYS
    assert {name: facts[name] for name in STAMP} == STAMP
    assert (facts["major"], facts["minor"], facts["compiler"]) == ("1", "20", "cpython")
    assert facts["goVersion"].startswith("python3.")
    assert facts["platform"].startswith("linux/")


@pytest.mark.parametrize("stamp", [{}, {"gitVersion": "", "unknown": "x"}])
def test_an_unstamped_build_leaves_empty_what_only_a_stamp_knows(stamp: dict[str, str]) -> None:
    """The version itself is the package's."""
    facts = build_facts(stamp)
    assert list(facts) == KEYS
    assert facts["gitVersion"] == __version__
    assert {facts[name] for name in ("gitCommit", "gitTreeState", "buildDate")} == {""}


def test_json_has_the_originals_order_an_indent_of_two_and_no_newline_at_its_end() -> None:
    """Release pipelines read .gitVersion."""
    text = show_version(build_facts(STAMP), "json")
    assert text.startswith('{\n  "major": "1",\n  "minor": "20",\n  "gitVersion": "v1.20.3-rc1"')
    assert text.endswith("}")
    assert list(json.loads(text)) == KEYS


@pytest.mark.parametrize("stamp", [{}, STAMP, {"gitCommit": "1234567e1", "gitTreeState": "no: yes"}])
def test_yaml_is_sorted_and_reads_back_as_texts(stamp: dict[str, str]) -> None:
    """Numeric-looking values are in quotes, and nothing else needs them."""
    facts = build_facts(stamp)
    text = show_version(facts, "yaml")
    assert [line.partition(":")[0] for line in text.splitlines()] == sorted(KEYS)
    assert yaml.safe_load(text) == facts
    assert f'major: "{facts["major"]}"\n' in text
    assert f"goVersion: {facts['goVersion']}\n" in text


@pytest.mark.parametrize(
    ("output", "start"), [("json", '{\n  "major": '), ("yaml", 'buildDate: ""'), ("", "vault-secrets-operator ")]
)
def test_the_version_is_printed_as_it_is_asked_for(output: str, start: str, capsys: pytest.CaptureFixture[str]) -> None:
    """On stdout; another format is refused with 1 and the names of those that exist."""
    assert main(["--version", f"--output={output}"]) == 0
    assert capsys.readouterr().out.startswith(start)
    assert main(["--version", "--output=xml"]) == 1
    shown = capsys.readouterr()
    assert (shown.out, "json or yaml" in shown.err) == ("", True)
