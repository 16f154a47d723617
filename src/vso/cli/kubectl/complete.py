"""`kubectl_complete-vso`: what kubectl asks to complete the words after ``kubectl vso``.

It is called with these words, the last one unfinished, and prints one proposal per line and a last line of
instructions to the shell. Source: https://kubernetes.io/docs/tasks/extend-kubectl/kubectl-plugins/.
"""

import sys
from typing import Final

import click
from click.shell_completion import ShellComplete

from vso.cli.kubectl.exit_code import printable
from vso.cli.kubectl.main import main as group

_NO_FILES: Final = ":4"
"""Propose no names of files where there is nothing else to propose."""


def main() -> None:
    """Print the proposals."""
    *words, unfinished = sys.argv[1:] or [""]
    found = ShellComplete(group, {}, "kubectl vso", "").get_completions(words, unfinished)
    for one in found:
        click.echo("\t".join(printable(text) for text in (one.value, one.help) if text))
    click.echo(_NO_FILES)


if __name__ == "__main__":
    main()
