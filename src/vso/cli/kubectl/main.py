"""The commands of `kubectl vso`, in one table.

A command is a module with a click command called ``command``, imported only when it is asked for.
"""

import re
import sys
from collections.abc import Mapping
from importlib import import_module
from typing import Final

import click
import structlog

from vso import __version__

COMMANDS: Final[Mapping[str, str]] = {
    "status": "status",
    "doctor": "doctor",
    "tree": "tree",
    "refresh": "refresh",
    "restart-plan": "restart_plan",
    "bundle": "bundle",
    "render": "render",
    "lint": "lint",
    "migrate": "migrate",
}
"""Name of a command -> module in this package."""

_WARNING: Final = 30

HELP: Final = """Explain what the Vault Secrets Operator does with your resources, and what keeps it from doing it.

\b
The same program is called vso; found on the PATH as kubectl-vso, kubectl runs it:
  kubectl vso status              how all secrets of the namespace are
  kubectl vso doctor NAME         what is wrong with one of them, and what to do
  kubectl vso tree NAME           where it comes from, and who uses it
  kubectl vso render NAME         what the Secret would look like, for given data
  kubectl vso lint FILE           mistakes in manifests, without a cluster
  kubectl vso migrate FILE        resources of other programs, converted

It works with your own rights in the cluster, and prints no secret value, unless render is asked to with --reveal.

\b
Completion of commands and options in your shell:
  vso:          eval "$(_VSO_COMPLETE=bash_source vso)"       (zsh_source, fish_source)
  kubectl vso:  put kubectl_complete-vso on the PATH, as installing this package does
"""


_SHORT_WITH_VALUE: Final = re.compile(r"(-[A-Za-z])=(.*)", re.DOTALL)


class Commands(click.Group):
    """Finds commands in `COMMANDS`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Take ``-n=team`` as ``-n team``, as kubectl does."""
        return super().parse_args(ctx, [part for one in args for part in _split(one)])

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """All names, in the order of the table."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click's
        """The command, None if there is none of that name."""
        if cmd_name not in COMMANDS:
            return None
        found: click.Command = import_module(f"vso.cli.kubectl.{COMMANDS[cmd_name]}").command
        return found


@click.group(cls=Commands, name="kubectl vso", help=HELP, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="kubectl vso")
def main() -> None:
    """Set up what all commands need."""
    # The layers below log; here only what is alarming counts, and never between the lines of a result.
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(_WARNING),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )


def _split(word: str) -> tuple[str, ...]:
    found = _SHORT_WITH_VALUE.fullmatch(word)
    return found.groups() if found else (word,)


def plugin() -> None:
    """The program under the name by which kubectl calls it."""
    main(prog_name="kubectl vso")


if __name__ == "__main__":
    main()
