"""Temporary folders that do not stay: removed on exit, on SIGTERM, and after a crash by the next start.

A folder's name tells its owner (process id, start time, and the process-id namespace in which they hold), so
a later run can see that the owner is gone and sweep the folder.
"""

import atexit
import contextlib
import os
import re
import shutil
import signal
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

_PREFIX = "vso-testenv"
_NAME = re.compile(rf"{_PREFIX}-(?P<namespace>\d+)-(?P<pid>\d+)-(?P<started>\d+)-.*")
_STARTED_FIELD = 19  # of what follows the command's name in /proc/PID/stat: field 22 in proc(5)


@contextlib.contextmanager
def workspace() -> Iterator[Path]:
    """Yield a new private folder (mode 0700) and remove it in the end, whatever happens.

    Folders of earlier runs that died are swept first. From the first call on, SIGTERM ends this process by
    SystemExit, if nobody else handles it, so that context managers and exit handlers run.
    """
    sweep()
    exit_on_sigterm()
    # tempfile's randomness separates several folders of one process.
    folder = Path(tempfile.mkdtemp(prefix=f"{_PREFIX}-{_namespace()}-{os.getpid()}-{_started(os.getpid())}-"))
    owner = os.getpid()

    def remove() -> None:
        if os.getpid() == owner:  # a forked copy of us must not take the folder away
            shutil.rmtree(folder, ignore_errors=True)

    atexit.register(remove)
    try:
        yield folder
    finally:
        remove()
        atexit.unregister(remove)


def sweep() -> list[Path]:
    """Remove the folders whose owners are gone; answers with what it removed."""
    swept = []
    for folder in Path(tempfile.gettempdir()).glob(f"{_PREFIX}-*"):
        match = _NAME.fullmatch(folder.name)
        if match is None or int(match["namespace"]) != _namespace() or folder.is_symlink():
            continue
        if _started(int(match["pid"])) != int(match["started"]):
            shutil.rmtree(folder, ignore_errors=True)
            swept.append(folder)
    return swept


def exit_on_sigterm() -> None:
    """Turn SIGTERM into SystemExit(143), unless a handler exists or this is not the main thread."""
    if threading.current_thread() is threading.main_thread() and signal.getsignal(signal.SIGTERM) == signal.SIG_DFL:
        signal.signal(signal.SIGTERM, _exit)


def _exit(number: int, _frame: FrameType | None) -> None:
    sys.exit(128 + number)


def _namespace() -> int:
    return Path("/proc/self/ns/pid").stat().st_ino


def _started(pid: int) -> int:
    """When a process started, in clock ticks since boot; -1 if there is none (a zombie counts as gone)."""
    try:
        after_name = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return -1
    return -1 if after_name[0] == "Z" else int(after_name[_STARTED_FIELD])
