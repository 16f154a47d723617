"""The guides to `lint`, `render` and `migrate`: their commands are run, and print what the pages show."""

import re
import shlex
from pathlib import Path
from typing import Final

import pytest

from tests.support.command_line import invoke
from vso.apis import names
from vso.apis.merge import GlobalOptions
from vso.cli.kubectl.lint import bundle_of
from vso.cli.kubectl.linting import RULES, Severity, findings
from vso.cli.kubectl.manifest import parse
from vso.cli.kubectl.subject import subjects_of

ROOT: Final = Path(__file__).parents[4]
GUIDES: Final = ROOT / "docs" / "how-to"
OPTIONS: Final = GlobalOptions(operator_namespace="vault-secrets-operator-system")
_BLOCK: Final = re.compile(r"^(?:<!-- ([^\n]*?) -->\n\n)?```(\w*)([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_TITLE: Final = re.compile(r'title="([^"]+)"')
_RUN: Final = "run without a cluster"


def lines(text: str) -> list[str]:
    """Lines without the space at their ends, which pads columns."""
    return [line.rstrip() for line in text.strip().splitlines()]


@pytest.mark.parametrize("page", ["lint-in-ci.md", "migrate-from-others.md"])
def test_commands_of_the_guides_print_what_they_show(
    page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Blocks with a title are files; output of a command whose exit code is not 0 counts, too."""
    monkeypatch.chdir(tmp_path)
    output, ran = "", 0
    for mark, _, head, text in _BLOCK.findall((GUIDES / page).read_text()):
        title = _TITLE.search(head)
        if title:
            Path(title[1]).write_text(text)
        elif mark == _RUN:
            command, _, file = text.strip().partition(" > ")
            result = invoke(*shlex.split(command.removeprefix("kubectl vso ")))
            output, ran = result.output, ran + 1
            if file:
                Path(file).write_text(result.stdout)
                output = result.stderr
        elif mark == "prints":
            assert lines(output) == lines(text)
    assert ran


def test_examples_in_the_documentation_lint_without_an_error() -> None:
    """All of them but that of the page about `lint`, which has mistakes on purpose."""
    looked_at = 0
    for page in [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]:
        for _, language, head, text in _BLOCK.findall(page.read_text()):
            if language != "yaml" or names.GROUP not in text or (page.name == "lint-in-ci.md" and "app.yaml" in head):
                continue
            bundle = bundle_of(subjects_of(parse(text), namespace="default"), options=OPTIONS)
            looked_at += len(bundle.subjects)
            errors = [one for one in findings(bundle) if one.severity is Severity.ERROR]
            assert errors == [], page
    assert looked_at


def test_the_table_of_rules_is_complete() -> None:
    """Name, severity and the first line of what each rule says of itself."""
    rows = [
        f"| `{rule.name}` | {rule.severity.value} | {(rule.check.__doc__ or '').splitlines()[0].rstrip('.')} |"
        for rule in RULES
    ]
    table = (GUIDES / "lint-in-ci.md").read_text().partition("## Rules")[2].strip().splitlines()
    assert table[2:] == rows
