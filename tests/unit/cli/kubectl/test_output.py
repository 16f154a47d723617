"""How results are printed."""

import io
from datetime import timedelta

import pytest
from rich.console import Console
from rich.text import Text

from vso.cli.kubectl.exit_code import Failed
from vso.cli.kubectl.output import plain_lines, show_age, table
from vso.cli.kubectl.tree import Node, drawn


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
