"""The program ``upgrade-crds``: applies the CRDs in the folder ``crds`` beside it (operations.md section 1.10).

It is the operator's own program under another name, or ``python -m vso.cli.upgrade_crds``. It reads no flags;
VSO_UPGRADE_CRDS_TIMEOUT limits its time. Exit codes: 0 all CRDs are in force, 1 with one line on stderr that says why
not.
"""

import os
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import uvloop

from vso.app import (
    Logging,
    UpgradeFailed,
    build_facts,
    configure_logging,
    read_folder,
    read_stamp,
    upgrade_crds,
)
from vso.base import SystemClock, parse_duration
from vso.kube import Client, KubeError, load_config

NAME: Final = "upgrade-crds"
_VARIABLE: Final = "VSO_UPGRADE_CRDS_TIMEOUT"
_DEFAULT: Final = "30s"


def main() -> int:
    """Run the program; the exit code."""
    configure_logging(Logging())
    try:
        seconds = time_allowed(os.environ)
        uvloop.run(_upgrade(folder_beside(sys.argv[0]), seconds))
    except (UpgradeFailed, KubeError, ValueError, OSError) as exc:
        print(f"failed to upgrade CRDs: {' '.join(str(exc).split())}", file=sys.stderr)
        return 1
    return 0


def time_allowed(environ: Mapping[str, str]) -> float:
    """Seconds. Raises ValueError for a variable that is no duration above 0."""
    text = environ.get(_VARIABLE) or _DEFAULT
    try:
        seconds = parse_duration(text).total_seconds()
    except ValueError as exc:
        raise ValueError(f"{_VARIABLE}: {exc}") from exc
    if seconds <= 0:
        raise ValueError(f"{_VARIABLE}: {text!r} must be greater than 0")
    return seconds


def folder_beside(called: str) -> Path:
    """Where the CRDs are if the program was called as `called`; a symlink counts where it stands."""
    path = called if os.sep in called else shutil.which(called) or called
    return Path(path).parent / "crds"


async def _upgrade(folder: Path, seconds: float) -> None:
    manifests, clock = read_folder(folder), SystemClock()
    config = await load_config(environ=os.environ)
    agent = f"vso/{build_facts(read_stamp())['gitVersion']}"
    async with Client(config, user_agent=agent, clock=clock) as client:
        await upgrade_crds(client, manifests, clock=clock, seconds=seconds)


if __name__ == "__main__":
    sys.exit(main())
