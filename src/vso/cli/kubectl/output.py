"""What commands print: tables for people, JSON and YAML for programs. Colours on terminals only.

Results go to stdout; progress and all that is no result to stderr.
"""

import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from enum import StrEnum
from typing import Any, Final

import click
import msgspec
import yaml
from rich.console import Console
from rich.table import Table
from rich.text import Text

from vso.apis import meta
from vso.cli.kubectl.exit_code import printable

_PATIENCE: Final = 2.0
_WIDEST: Final = 10_000
_GAP: Final = " " * 3
_MINUTE, _HOUR, _DAY = 60, 3600, 86400


class Format(StrEnum):
    """Values of -o."""

    TABLE = "table"
    WIDE = "wide"
    JSON = "json"
    YAML = "yaml"

    @property
    def for_programs(self) -> bool:
        """Whether a program reads it."""
        return self in {Format.JSON, Format.YAML}


output_option: Final = click.option(
    "-o",
    "--output",
    "output",
    type=click.Choice(["wide", "json", "yaml"]),
    callback=lambda _ctx, _param, value: Format(value) if value else Format.TABLE,
    help="More columns, or a form for programs, whose fields stay as they are from release to release.",
)


def console(*, stderr: bool = False) -> Console:
    """Where to print: as wide as the terminal, or as the longest line needs if it is none."""
    stream = sys.stderr if stderr else sys.stdout
    width = None if stream.isatty() else _WIDEST
    # Square brackets are text: what others wrote must not choose colours or links.
    return Console(file=stream, width=width, highlight=False, markup=False, soft_wrap=False)


def tell_of(text: str, *, err: bool = True) -> None:
    """Print one line, by itself to stderr, in which others may be quoted."""
    click.echo(printable(text), err=err)


def print_structured(value: Any, form: Format) -> None:
    """Print plain values, or structs, as JSON or YAML."""
    plain = msgspec.json.decode(meta.encode(value))
    if form is Format.YAML:
        click.echo(yaml.safe_dump(plain, sort_keys=False, allow_unicode=True), nl=False)
    else:
        click.echo(msgspec.json.format(meta.encode(plain), indent=2).decode())


def table(
    columns: Sequence[str], rows: Iterable[Sequence[str | Text]], *, header: bool = True, one_line: bool = False
) -> Table:
    """Columns as kubectl prints them: no lines between them, the last one as wide as there is room.

    With `one_line` what does not fit is cut instead of folded.
    """
    made = Table(box=None, pad_edge=False, padding=(0, len(_GAP), 0, 0), header_style="", show_header=header)
    last = len(columns) - 1
    for number, name in enumerate(columns):
        # What does not fit is taken from columns that may wrap: the last one alone.
        made.add_column(name, no_wrap=number != last, overflow="fold")
    for row in rows:
        *cells, tail = map(_cell, row)
        if one_line:
            tail.no_wrap, tail.overflow = True, "ellipsis"
        made.add_row(*cells, tail)
    return made


def _cell(cell: str | Text) -> Text:
    """A cell as it may be shown: statuses quote what others wrote."""
    if isinstance(cell, str):
        return Text(printable(cell))
    return Text(printable(cell.plain), style=cell.style)


def print_table(columns: Sequence[str], rows: Iterable[Sequence[str | Text]], *, header: bool = True) -> None:
    """Print a table to stdout; where that is no terminal, one line per row, however long."""
    screen = console()
    if screen.is_terminal:
        screen.print(table(columns, rows, header=header))
        return
    for line in plain_lines(columns, rows, header=header):
        click.echo(line)


def plain_lines(columns: Sequence[str], rows: Iterable[Sequence[str | Text]], *, header: bool = True) -> Iterator[str]:
    """The table as text for grep and awk."""
    cells = [[_cell(one).plain for one in row] for row in rows]
    lines = [list(columns), *cells]
    widths = [max(len(line[at]) for line in lines) for at in range(len(columns))]
    for line in lines if header else cells:
        text = _GAP.join(cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        yield text.rstrip()


def show_age(age: timedelta | None) -> str:
    """A span of time as kubectl shows ages: ``42s``, ``5m10s``, ``3h``, ``12d``; ``-`` if it is not known."""
    if age is None:
        return "-"
    seconds = max(int(age.total_seconds()), 0)
    if seconds < 2 * _MINUTE:
        return f"{seconds}s"
    if seconds < 10 * _MINUTE:
        rest = seconds % _MINUTE
        return f"{seconds // _MINUTE}m{rest}s" if rest else f"{seconds // _MINUTE}m"
    if seconds < 3 * _HOUR:
        return f"{seconds // _MINUTE}m"
    return f"{seconds // _HOUR}h" if seconds < 2 * _DAY else f"{seconds // _DAY}d"


@contextmanager
def progress(what: str) -> Iterator[Callable[[str], None]]:
    """Say on stderr what is being waited for, if it takes longer than two seconds.

    On a terminal, what the caller tells in between takes its place.
    """
    shown = console(stderr=True).status(Text(printable(what))) if sys.stderr.isatty() else None

    def update(now: str) -> None:
        if shown is not None:
            shown.update(Text(printable(now)))

    def show() -> None:
        if shown is None:
            tell_of(f"{what} ...")
        else:
            shown.start()

    timer = threading.Timer(_PATIENCE, show)
    timer.daemon = True
    timer.start()
    try:
        yield update
    finally:
        timer.cancel()
        if shown is not None:
            shown.stop()
