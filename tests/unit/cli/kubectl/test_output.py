"""How results are printed."""

import io
from datetime import timedelta
from typing import Final

import pytest
from rich.console import Console
from rich.text import Text

from vso.apis.v1beta1 import VaultConnection, VaultConnectionSpec
from vso.cli.kubectl.checks import Result, Verdict
from vso.cli.kubectl.doctor import Report, show
from vso.cli.kubectl.exit_code import Failed
from vso.cli.kubectl.finding import Finding
from vso.cli.kubectl.lint import print_findings
from vso.cli.kubectl.linting import Finding as Remark
from vso.cli.kubectl.linting import Severity
from vso.cli.kubectl.migrate import print_notes
from vso.cli.kubectl.migration import Note, Weight
from vso.cli.kubectl.output import console, plain_lines, show_age, table, tell_of
from vso.cli.kubectl.tree import Node, drawn, server_of


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, "-"),
        (-1, "0s"),
        (119, "119s"),
        (120, "2m"),
        (310, "5m10s"),
        (3599, "59m"),
        (3 * 3600, "3h"),
        (47 * 3600, "47h"),
        (48 * 3600, "2d"),
    ],
)
def test_ages_are_as_short_as_those_of_kubectl(seconds: int | None, text: str) -> None:
    """Two units at most."""
    assert show_age(None if seconds is None else timedelta(seconds=seconds)) == text


def test_where_there_is_no_terminal_each_row_is_one_line() -> None:
    """For grep and awk: whatever its length, without colours, without spaces at its end."""
    rows: list[tuple[str | Text, ...]] = [
        ("a", Text("Synced", style="green"), "x" * 500),
        ("bbb", "Failing", "two\nlines"),
    ]
    assert list(plain_lines(("NAME", "STATE", "MESSAGE"), rows)) == [
        "NAME   STATE     MESSAGE",
        "a      Synced    " + "x" * 500,
        "bbb    Failing   two lines",
    ]


def test_what_others_wrote_does_not_command_the_terminal() -> None:
    """A status may quote anything."""
    hostile = "fine\x1b[2J\x1b]0;title\x07\r\nsecond"
    assert list(plain_lines(("A", "B"), [("x", hostile)]))[1] == "x   fine [2J ]0;title   second"
    assert "\x1b" not in Failed(hostile).format_message()
    node = Node(kind="Secret", name=hostile, note=hostile, problem=hostile)
    screen = Console(file=io.StringIO(), width=200)
    screen.print(drawn(node))
    screen.print(table(("A", "B"), [("x", Text(hostile))]))
    assert "\x1b" not in screen.file.getvalue()  # type: ignore[attr-defined]


HOSTILE: Final = "x\x1b[1A\x1b]52;c;cm0K\x07\u202e"
REMARK: Final = Remark(
    severity=Severity.ERROR,
    rule="r",
    file=HOSTILE,
    line=1,
    kind="K",
    namespace=HOSTILE,
    name=HOSTILE,
    member="m",
    problem=HOSTILE,
    remedy=HOSTILE,
)


def test_no_finding_note_or_remark_commands_the_terminal(capfd: pytest.CaptureFixture[str]) -> None:
    """Whatever command shows it."""
    screen = Console(file=io.StringIO(), width=200)
    finding = Finding(what=HOSTILE, why=HOSTILE, todo=HOSTILE)
    verdict = Verdict(check="dns", question="q", result=Result.PROBLEM, findings=(finding,), because=HOSTILE)
    show(screen, Report(kind="K", namespace="n", name=HOSTILE, healthy=False, checks=(verdict,)), whole=True)
    tell_of(HOSTILE)
    print_findings([REMARK], objects=1)
    print_notes([Note(weight=Weight.LOST, source=HOSTILE, member=HOSTILE, text=HOSTILE)], sources=1, objects=1)
    out, err = capfd.readouterr()
    shown = screen.file.getvalue() + out + err  # type: ignore[attr-defined]
    assert shown.count("]52;c;cm0K") >= 12
    assert not [char for char in shown if char != "\n" and not char.isprintable()]


def test_square_brackets_are_text(capfd: pytest.CaptureFixture[str]) -> None:
    """They choose no colours and no links, and may stand alone."""
    for text in ("team[/]x", "[bold red]fake[/bold red]", "[link=http://x]y[/link]"):
        console().print(text)
        console().print(table(("A", "B"), [(text, "b")], header=False))
    lines = capfd.readouterr().out.splitlines()
    assert lines[:2] == ["team[/]x", "team[/]x   b"]
    assert lines[2] == "[bold red]fake[/bold red]"
    assert lines[4] == "[link=http://x]y[/link]"


@pytest.mark.parametrize("one_line", [True, False])
def test_a_narrow_terminal_cuts_or_folds_the_last_column_alone(one_line: bool) -> None:
    """Names stay whole, so that they can be copied."""
    rows = [("a-name-of-some-length", Text("Failing"), "word " * 40)]
    screen = Console(file=io.StringIO(), width=60)
    screen.print(table(("NAME", "STATE", "MESSAGE"), rows, one_line=one_line))
    lines = screen.file.getvalue().splitlines()  # type: ignore[attr-defined]
    assert lines[1].startswith("a-name-of-some-length   Failing   word")
    assert (len(lines) == 2, "…" in lines[1]) == (one_line, one_line)
    assert max(len(line) for line in lines) <= 60


def test_a_tree_shows_no_password_of_an_address() -> None:
    """As no message of the operator does."""
    connection = VaultConnection(spec=VaultConnectionSpec(address="https://web:p4ss@vault:8200"))
    assert server_of(connection).name == "https://***@vault:8200"
