"""How commands end, for scripts: the codes, and the errors that stand for them."""

from enum import IntEnum
from typing import Final

import click


class ExitCode(IntEnum):
    """What the process returns."""

    WELL = 0
    WRONG = 1
    USAGE = 2
    UNREACHABLE = 3
    FORBIDDEN = 4
    TIMEOUT = 5


EXIT_CODES: Final = """\b
Exit codes:
  0  all is well
  1  something is wrong with what was asked about, or it does not exist
  2  the command line is wrong
  3  the cluster cannot be reached, or does not know you
  4  you may not do that in the cluster
  5  it did not happen within --timeout
"""
"""Ends the help of each command that talks to a cluster."""


def printable(text: str) -> str:
    """`text` on one line, without characters that a terminal would obey instead of showing them."""
    return "".join(char if char.isprintable() else " " for char in text)


class Failed(click.ClickException):
    """Ends the command with a message for people: what is wrong, where, and what to do."""

    exit_code = int(ExitCode.WRONG)

    def format_message(self) -> str:
        """The message, which may quote what others wrote, without what would command a terminal."""
        return printable(self.message)


class OutOfReach(Failed):
    """The cluster gives no answer, or none to this user."""

    exit_code = int(ExitCode.UNREACHABLE)


class NotPermitted(Failed):
    """The cluster does not let this user do it."""

    exit_code = int(ExitCode.FORBIDDEN)


class TookTooLong(Failed):
    """What was waited for did not happen in time."""

    exit_code = int(ExitCode.TIMEOUT)
