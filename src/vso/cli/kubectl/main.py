"""The commands of `kubectl vso`, in one table.

A command is a module with a click command called ``command``, imported only when it is asked for.
"""

from collections.abc import Mapping
from importlib import import_module
from typing import Final

import click

COMMANDS: Final[Mapping[str, str]] = {}
"""Name of a command -> module in this package."""


class Commands(click.Group):
    """Finds commands in `COMMANDS`."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """All names, in the order of the table."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click's
        """The command, None if there is none of that name."""
        if cmd_name not in COMMANDS:
            return None
        found: click.Command = import_module(f"vso.cli.kubectl.{COMMANDS[cmd_name]}").command
        return found


@click.group(cls=Commands, name="kubectl vso", context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Explain what the Vault Secrets Operator does with your resources."""


if __name__ == "__main__":
    main()
