"""Manifests of the documentation, looked at by our own linter."""

import subprocess
import sys
from pathlib import Path
from typing import Final

from tests.support.page import blocks

DOCS: Final = Path(__file__).parents[2] / "docs"
_ON_PURPOSE: Final = "lint-in-ci"
"""This page shows mistakes."""


def test_no_manifest_of_the_documentation_has_a_mistake(tmp_path: Path) -> None:
    """All whole objects of ours, also of pages whose commands are not run: fields, durations, templates, logins."""
    pages = [page for page in DOCS.glob("*/*.md") if page.stem != _ON_PURPOSE]
    count = 0
    for page in pages:
        for block in blocks(page.read_text()):
            if block.language == "yaml" and "apiVersion: secrets.hashicorp.com" in block.text:
                (tmp_path / f"{page.stem}-{block.line}.yaml").write_text(block.text)
                count += 1
    assert count > 10
    # Pages do not belong together, so several have an object of the same name.
    apart = ("--skip", "same-object", "--skip", "same-destination")
    command = (sys.executable, "-m", "vso.cli.kubectl.main", "lint", "-f", str(tmp_path), *apart)
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, f"{done.stdout}{done.stderr}"
