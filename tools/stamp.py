"""Stamps the package with what git knows of it, for ``--version``: writes src/vso/stamp.json.

Run as ``python tools/stamp.py [VERSION]`` from the root of the repository, before a build; VERSION replaces the
package's own. SOURCE_DATE_EPOCH, else the time of the commit, becomes the build date, so that a build can be repeated.
"""

import json
import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

STAMP: Final = Path("src/vso/stamp.json")


def stamp(version: str) -> dict[str, str]:
    """What is stamped. Raises subprocess.CalledProcessError outside a git repository."""
    built = int(os.environ.get("SOURCE_DATE_EPOCH") or _git("log", "-1", "--format=%ct"))
    return {
        "gitVersion": version,
        "gitCommit": _git("rev-parse", "HEAD"),
        "gitTreeState": "dirty" if _git("status", "--porcelain") else "clean",
        "buildDate": datetime.fromtimestamp(built, UTC).strftime("%Y-%m-%dT%H:%M:%S+0000"),
    }


def _git(*arguments: str) -> str:
    done = subprocess.run(["git", *arguments], check=True, capture_output=True, text=True)  # noqa: S607 - that in the PATH
    return done.stdout.strip()


if __name__ == "__main__":
    STAMP.write_text(json.dumps(stamp(sys.argv[1] if len(sys.argv) > 1 else ""), indent=2) + "\n")
