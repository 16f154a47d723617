"""Bearer tokens that change beneath the operator: kept for a while, then read again.

Where they come from is the business of `config` (files) and `kubeconfig` (files, plugins, OIDC).
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import structlog

from vso.base import Clock
from vso.kube.errors import ConfigError, ConnectionFailed

log = structlog.get_logger("kube.token")

REREAD_AFTER: Final = 60.0
"""Seconds after which a token without a known end is read again (operations.md section 1.4)."""


@dataclass(frozen=True, slots=True)
class Fresh:
    """A token that was just read (None: none is needed), and for how many seconds to use it."""

    token: str | None
    seconds: float

    def __repr__(self) -> str:
        return f"Fresh(token=***, seconds={self.seconds})"


class TokenCache:
    """Calls `load` when the last token is used up or was refused, once for all who ask meanwhile.

    `first` spares the first call. `load` raises ConfigError or ConnectionFailed if there is no token to be had.
    """

    def __init__(self, load: Callable[[], Awaitable[Fresh]], *, clock: Clock, first: Fresh | None = None) -> None:
        self._load = load
        self._clock = clock
        self._token: str | None = None
        self._loaded = False
        self._stale_at = 0.0
        self._loading = asyncio.Lock()
        if first is not None:
            self._keep(first)

    def forget(self, refused: str | None) -> None:
        """Have the next `read` load, unless another token than `refused` is here already."""
        if refused == self._token:
            self._stale_at = self._clock.monotonic()

    async def read(self) -> str | None:
        """The token of now; while loading fails the last one goes on.

        Raises what `load` raises if there is no last one.
        """
        if not self._fresh():
            async with self._loading:
                if not self._fresh():
                    await self._renew()
        return self._token

    def _fresh(self) -> bool:
        return self._loaded and self._clock.monotonic() < self._stale_at

    async def _renew(self) -> None:
        try:
            fresh = await self._load()
        except (ConfigError, ConnectionFailed) as exc:
            if not self._loaded:
                raise
            log.warning("credentials cannot be renewed, keeping the last ones", error=str(exc))
            fresh = Fresh(self._token, REREAD_AFTER)
        self._keep(fresh)

    def _keep(self, fresh: Fresh) -> None:
        self._token = fresh.token
        self._loaded = True
        self._stale_at = self._clock.monotonic() + fresh.seconds


def token_file(path: Path, *, clock: Clock, alongside: Callable[[], None] = lambda: None) -> TokenCache:
    """The token in a file that others replace from time to time, such as the kubelet.

    `alongside` is called whenever the file is read, for what rotates beside it.
    """

    async def load() -> Fresh:
        alongside()
        # In no thread: those may all be busy for a minute with names that do not resolve, and a lease cannot wait.
        return Fresh(_read(path), REREAD_AFTER)

    return TokenCache(load, clock=clock)


def _read(path: Path) -> str:
    try:
        token = path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as exc:
        reason = exc.strerror if isinstance(exc, OSError) else "it is no text"
        # The text of a UnicodeDecodeError may show what is in the file.
        raise ConfigError(f"cannot read the token file {path}: {reason}") from None
    if not token:
        raise ConfigError(f"the token file {path} is empty")
    return token
