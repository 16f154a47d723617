"""Waiting for real servers, in real time; the one place of `testenv` that reads a clock."""

import threading
import time
from collections.abc import Callable, Iterator
from typing import TypeVar

T = TypeVar("T")

Report = Callable[[str], None]


def quiet(_message: str) -> None:
    """Report nothing: the default of everything that takes a `Report`."""


def seconds() -> float:
    """The monotonic clock, in seconds."""
    return time.monotonic()  # noqa: TID251 -- real servers live in real time


def attempts(timeout: float, *, interval: float = 0.05) -> Iterator[float]:
    """Yield the seconds waited so far, once at once and then every `interval` until `timeout` is over."""
    start = seconds()
    pause = threading.Event()
    while (waited := seconds() - start) < timeout:
        yield waited
        pause.wait(interval)


def wait_for(condition: Callable[[], T], *, what: str, timeout: float = 30.0) -> T:
    """Block until `condition()` is true and answer with it; TimeoutError naming `what` after `timeout` seconds."""
    for _ in attempts(timeout):
        if found := condition():
            return found
    raise TimeoutError(f"{what}: not so after {timeout:g} s")
