"""How the story looks: headings, sentences, commands and their output; colour on a terminal, plain elsewhere."""

import contextlib
import os
import textwrap
from collections.abc import Iterator

from rich.console import Console
from rich.status import Status
from rich.text import Text

from testenv.waiting import seconds

_WIDEST = 100
_LINES = 12


def terminal() -> Console:
    """Standard output; without any style if it is no terminal, or if NO_COLOR is set."""
    # By itself, rich takes NO_COLOR for "no colour" and keeps bold and dim.
    plain = bool(os.environ.get("NO_COLOR"))
    console = Console(
        color_system=None if plain else "auto",
        force_terminal=False if plain else None,
        highlight=False,
        markup=False,
        emoji=False,
    )
    console.width = min(console.width, _WIDEST)
    return console


class Narrator:
    """Prints to one console; knows the number of the step and the seconds since the start."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._start = seconds()
        self._steps = 0
        self._status: Status | None = None

    @property
    def elapsed(self) -> float:
        """Seconds since the start."""
        return seconds() - self._start

    def title(self, text: str) -> None:
        """The name of the whole."""
        self._console.print(Text(text, style="bold magenta"))

    def step(self, title: str, text: str) -> None:
        """Begin a step: a numbered heading, and a sentence on what happens and why."""
        self._steps += 1
        self.heading(f"{self._steps}. {title}")
        self.say(text)

    def heading(self, text: str) -> None:
        """A heading without a number."""
        self._console.print()
        self._console.print(Text(text, style="bold yellow"))

    def say(self, text: str) -> None:
        """Prose, wrapped to the width."""
        # Not wrapped by rich, which leaves a blank at the end of each line.
        self._line(textwrap.fill(text, self._console.width, break_long_words=False, break_on_hyphens=False))

    def command(self, text: str) -> None:
        """A command as it is typed; its output is to follow."""
        self._line(f"  $ {text}", style="bold cyan")

    def output(self, text: str, *, lines: int = _LINES) -> None:
        """What a command printed; of more than `lines` lines the first ones, and how many are missing."""
        every = text.rstrip("\n").splitlines()
        for line in every[:lines]:
            self._line(f"    {line}")
        if len(every) > lines:
            self._line(f"    ({len(every) - lines} more lines)", style="dim")

    def progress(self, text: str) -> None:
        """A line about something that takes long; within `waiting`, on a terminal, beside the spinner."""
        if self._status is not None and self._console.is_terminal:
            self._status.update(Text(text, style="dim"))
        else:
            self._line(f"    {text}", style="dim")

    def verified(self, text: str) -> None:
        """Something that was true when it was looked at."""
        self._line(f"  ✓ {text}" if self._console.encoding.startswith("utf") else f"  ok: {text}", style="green")

    def failure(self, text: str) -> None:
        """What went wrong, and what may help."""
        self._console.print()
        self._line(text, style="bold red")

    @contextlib.contextmanager
    def waiting(self, text: str) -> Iterator[None]:
        """Turn a spinner on a terminal; elsewhere nothing is printed."""
        with self._console.status(Text(text, style="dim")) as status:
            self._status = status
            try:
                yield
            finally:
                self._status = None

    def _line(self, text: str, *, style: str = "") -> None:
        # Commands and output are never broken, so that they can be copied.
        self._console.print(Text(text, style=style), soft_wrap=True)
