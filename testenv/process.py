"""Server processes that cannot outlive us, with their output in a file.

`Server` starts one program in its own session, tied to our life by the kernel (see `child`), and only ever
signals the process that it started. Not for short commands: those use `subprocess.run`.
"""

import contextlib
import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

import psutil

from testenv.port import lost_race
from testenv.waiting import attempts

_CHILD = Path(__file__).with_name("child.py")
_STOPS_WITHIN = 2.0
_STARTS = 3


class ServerDied(RuntimeError):
    """A server ended or stayed silent during its start; the message ends with its log's last lines."""


@dataclass(frozen=True, kw_only=True)
class Program:
    """What to run.

    `user` is a (uid, gid) to become; `death_signal` is what the kernel sends when our process dies, which for
    most servers is SIGKILL, since nothing is left to wait for them.
    """

    name: str
    command: Sequence[str]
    environ: Mapping[str, str] = field(default_factory=dict)
    user: tuple[int, int] | None = None
    death_signal: signal.Signals = signal.SIGKILL


class Server:
    """One running program. A context manager: leaving it stops the program.

    `log` is the file with both its output streams; a restart appends to it.
    """

    def __init__(self, program: Program, folder: Path) -> None:
        self.program = program
        self.log = folder / f"{program.name}.log"
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.terminate()

    def start(self) -> None:
        """Start the program; returns as soon as the process exists."""
        if self.alive:
            raise RuntimeError(f"{self.program.name} runs already")
        uid, gid = self.program.user or (os.geteuid(), os.getegid())
        arguments = [str(os.getpid()), str(int(self.program.death_signal)), str(uid), str(gid)]
        command = [sys.executable, "-I", "-S", str(_CHILD), *arguments, *self.program.command]
        self._process = _spawner().popen(command, {**os.environ, **self.program.environ}, self.log)

    @property
    def alive(self) -> bool:
        """Whether the process runs (a paused one does)."""
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int:
        """The process id; RuntimeError before the first start."""
        if self._process is None:
            raise RuntimeError(f"{self.program.name} was not started")
        return self._process.pid

    @property
    def exit_code(self) -> int | None:
        """What the process ended with, negative for a signal; None while it runs."""
        return None if self._process is None else self._process.poll()

    def terminate(self, request: signal.Signals = signal.SIGTERM, *, grace: float = 10.0) -> None:
        """Ask the program to end, kill it after `grace` seconds; nothing happens if it has ended."""
        self._signal(request)
        self._signal(signal.SIGCONT)
        if self._process is not None:
            try:
                self._process.wait(grace)
            except subprocess.TimeoutExpired:
                self.kill()

    def kill(self) -> None:
        """End the program the hard way, as a crash would."""
        self._signal(signal.SIGKILL)
        if self._process is not None:
            self._process.wait()

    def pause(self) -> None:
        """Stop the program's time (SIGSTOP): connections stay open and nobody answers."""
        self._signal(signal.SIGSTOP)
        # The signal is on its way only: threads of the program may still answer somebody.
        process = psutil.Process(self.pid)
        for _ in attempts(_STOPS_WITHIN, interval=0.005):
            if process.status() == psutil.STATUS_STOPPED:
                return

    def resume(self) -> None:
        """Undo `pause`."""
        self._signal(signal.SIGCONT)

    def tail(self, lines: int = 25) -> str:
        """The last lines of the log."""
        with contextlib.suppress(FileNotFoundError):
            return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])
        return ""

    def wait_until(self, ready: Callable[[], bool], *, timeout: float = 60.0) -> None:
        """Block until `ready()`; raises `ServerDied` when the process ends or `timeout` seconds are over."""
        for _ in attempts(timeout):
            if ready():
                return
            if not self.alive:
                raise ServerDied(f"{self.program.name} ended during its start; its log ends:\n{self.tail()}")
        raise ServerDied(f"{self.program.name} not ready after {timeout:g} s; its log ends:\n{self.tail()}")

    def _signal(self, number: signal.Signals) -> None:
        # Popen checks under a lock that the process was not reaped, so the pid cannot be somebody else's.
        if self._process is not None:
            self._process.send_signal(number)


@dataclass(frozen=True)
class _Order:
    command: list[str]
    environ: Mapping[str, str]
    log: Path
    answer: "queue.SimpleQueue[subprocess.Popen[bytes] | OSError]"


class _Spawner:
    """A thread that starts processes and never ends.

    The kernel sends the death signal when the *thread* that forked ends; a worker thread of asyncio's pool
    or of a test would take its servers along.
    """

    def __init__(self) -> None:
        self.pid = os.getpid()
        self._orders: queue.SimpleQueue[_Order] = queue.SimpleQueue()
        threading.Thread(target=self._run, name="testenv-spawner", daemon=True).start()

    def popen(self, command: list[str], environ: Mapping[str, str], log: Path) -> subprocess.Popen[bytes]:
        order = _Order(command, environ, log, queue.SimpleQueue())
        self._orders.put(order)
        answer = order.answer.get()
        if isinstance(answer, OSError):
            raise answer
        return answer

    def _run(self) -> None:
        while True:
            order = self._orders.get()
            try:
                with order.log.open("ab") as log:
                    process = subprocess.Popen(
                        order.command,
                        env=order.environ,
                        stdin=subprocess.DEVNULL,
                        stdout=log,
                        stderr=subprocess.STDOUT,
                        start_new_session=True,
                    )
            except OSError as error:
                order.answer.put(error)
            else:
                order.answer.put(process)


_lock = threading.Lock()
_spawners: list[_Spawner] = []


def _spawner() -> _Spawner:
    with _lock:
        # A forked copy of us has no threads: it needs a spawner of its own.
        if not _spawners or _spawners[-1].pid != os.getpid():
            _spawners.append(_Spawner())
        return _spawners[-1]


def start_retrying(make: Callable[[], Server], ready: Callable[[], bool], *, timeout: float = 60.0) -> Server:
    """Start what `make` makes and wait for it; anew, on the next `make`'s port, if somebody took the port.

    Raises `ServerDied`; then the process is gone.
    """
    for attempt in range(_STARTS):
        server = make()
        server.start()
        try:
            server.wait_until(ready, timeout=timeout)
        except BaseException:
            server.kill()
            if attempt + 1 == _STARTS or not lost_race(server.tail()):
                raise
            server.log.unlink()
        else:
            return server
    raise AssertionError("unreachable")
