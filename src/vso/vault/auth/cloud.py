"""What the login methods of the clouds share: time limits, threads for their libraries, and words for a refusal.

The libraries are optional, imported at the first login that needs them, and block; so they run in threads. These are
not those of the event loop, in which host names are resolved: a cloud that hangs must not stop that.
"""

import asyncio
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Final, TypeVar

from vso.vault.auth.method import MissingCredential
from vso.vault.errors import CloudRefused, CloudUnavailable
from vso.vault.mask import safe_text

R = TypeVar("R")

TIME_LIMIT: Final = 10.0
"""Seconds for one exchange with a cloud's service."""

_THREADS: Final = ThreadPoolExecutor(max_workers=8, thread_name_prefix="cloud")
_TOO_MANY: Final = 429
_SERVER_FAULT: Final = 500


@contextmanager
def optional(extra: str, package: str) -> Iterator[None]:
    """Around the import of `package`; raises MissingCredential with the name of the `extra` that has it."""
    try:
        yield
    except ImportError as exc:
        raise MissingCredential(
            f'the login method "{extra}" needs the Python package {package}, which is not installed: '
            f"use an image that has it, or install vault-secrets-operator[{extra}]"
        ) from exc


async def in_thread(service: str, work: Callable[[], R]) -> R:
    """Run `work`, which speaks to `service`, beside the event loop.

    Raises CloudUnavailable after `TIME_LIMIT`; the thread goes on until the limits that `work` has itself.
    """
    try:
        async with asyncio.timeout(TIME_LIMIT):
            return await asyncio.get_running_loop().run_in_executor(_THREADS, work)
    except TimeoutError as exc:
        raise unreachable(service, f"no answer within {TIME_LIMIT:g} s") from exc


def refusal(service: str, said: str, *, advice: str, status: int = 0, secrets: Iterable[str] = ()) -> CloudRefused:
    """The error for a refusal: `said` is what the service answered, with `secrets` in it starred out.

    It is CloudUnavailable for the statuses 429 and 5xx, which say nothing about the request.
    """
    passing = status == _TOO_MANY or status >= _SERVER_FAULT
    detail = safe_text(said, secrets)
    answer = ", ".join(filter(None, [f"status {status}" if status else "", detail]))
    message = f"{service} refused the exchange that the login needs: {answer or 'no reason given'}; {advice}"
    type_ = CloudUnavailable if passing else CloudRefused
    error = type_(message, status=status)
    error.detail = detail
    return error


def unreachable(service: str, why: str, secrets: Iterable[str] = ()) -> CloudUnavailable:
    """The error for no usable answer."""
    return CloudUnavailable(f"{service}, which the login needs, cannot be used: {safe_text(why, secrets)}")
