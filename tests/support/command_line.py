"""Runs commands of `kubectl vso` within the process of the tests."""

import structlog
from click.testing import CliRunner, Result

from vso.cli.kubectl.main import main


def invoke(*args: str, text: str | bytes | None = None) -> Result:
    """What a command prints, given `text` on stdin; logging is afterwards as it was before."""
    before = structlog.get_config() if structlog.is_configured() else None
    try:
        return CliRunner().invoke(main, args, input=text)
    finally:
        if before is None:
            structlog.reset_defaults()
        else:
            structlog.configure(**before)
