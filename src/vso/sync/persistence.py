"""Keeps logins over a restart of the operator: stored behind each login, restored at the first need.

Nothing waits for it: a login that cannot be stored is tried again later, and one that cannot be restored is made
anew. Source: behaviour.md section 4; regressions R01, R14. The form of an entry: `stored_login`.
"""

from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from random import Random
from typing import Final, NoReturn, Protocol

import structlog

from vso.base import Clock, Sensitive, jitter
from vso.sync.errors import SyncError
from vso.sync.mac import Signer
from vso.sync.resolve import ClientSpec
from vso.sync.server import Server
from vso.sync.stored_login import (
    Entry,
    EntryInvalid,
    Origin,
    check,
    ciphertext_of,
    from_json,
    name_of,
    origin_of,
    seal,
    to_json,
)
from vso.vault import Auth, Denied, Invalid, VaultError, renew_self

_PAUSE: Final = 0.5
"""Seconds between two looks for logins to store."""
_RETRY: Final = 30.0
_PRUNE: Final = 3600.0
_log = structlog.get_logger("client-cache")


class Storage(Protocol):
    """Where entries are; `vso.controllers` implements it on Secrets. Raises the cluster's errors, and no others."""

    async def read(self, key: str) -> Entry | None:
        """The entry of the cache key `key`, None if there is none."""

    async def write(self, entry: Entry) -> None:
        """Store an entry in the place of what is there."""

    async def delete(self, name: str) -> None:
        """Remove an entry by its name; one that is gone is no error."""

    async def labels(self) -> Iterable[tuple[str, Mapping[str, str]]]:
        """Names and labels of all entries, without their content."""

    def passing(self, error: Exception) -> bool:
        """Whether `error` is one of the cluster's."""


class Cipher(Protocol):
    """Encrypts entries. Raises SyncError or VaultError if it cannot, with nothing said about the entry."""

    @property
    def name(self) -> str:
        """What the label of encrypted entries says; raises SyncError if that is not known."""

    def is_own(self, spec: ClientSpec) -> bool:
        """Whether this is the login that the cipher itself uses: it is never stored."""

    async def encrypt(self, plain: Sensitive[bytes]) -> Sensitive[bytes]:
        """The content of an encrypted entry."""

    async def decrypt(self, ciphertext: str) -> Sensitive[bytes]:
        """What was encrypted. Raises EntryInvalid if the key did not make it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Restored:
    """A login of an earlier process, renewed at the monotonic instant `issued` or a little later."""

    auth: Auth
    issued: float


@dataclass(frozen=True, slots=True)
class _Waiting:
    spec: ClientSpec
    provider_uid: str
    auth: Auth
    due: float


class Persistence:
    """Stores and restores logins; `run` does what nobody waits for."""

    def __init__(self, storage: Storage, *, signer: Signer, cipher: Cipher | None, clock: Clock, rng: Random) -> None:
        self._storage = storage
        self._signer = signer
        self._cipher = cipher
        self._clock = clock
        self._rng = rng
        self._waiting: OrderedDict[str, _Waiting] = OrderedDict()

    def keep(self, key: str, spec: ClientSpec, provider_uid: str, auth: Auth) -> None:
        """Store a fresh login soon, if it can be renewed: another would be dead before it is needed."""
        if auth.renewable and key and not (self._cipher is not None and self._cipher.is_own(spec)):
            self._waiting[key] = _Waiting(spec, provider_uid, auth, self._clock.monotonic())

    async def restore(self, key: str, spec: ClientSpec, server: Server) -> Restored | None:
        """The stored login of `key`, renewed; None if there is none that can be used.

        Raises what says that the server is out of order: then a new login would fail as well.
        """
        try:
            entry = await self._storage.read(key)
            if entry is None:
                return None
            auth = await self._open(entry)
        except EntryInvalid as exc:
            await self._drop(key, str(exc))
            return None
        except Exception as exc:
            # Whatever is wrong with the store or its encryption, logging in works without it.
            if not isinstance(exc, SyncError | VaultError) and not self._storage.passing(exc):
                raise
            _log.warning("stored login not readable, logging in", entry=name_of(key), error=str(exc))
            return None
        issued = self._clock.monotonic()
        try:
            renewed = await server.call(
                lambda transport: renew_self(transport, auth.client_token, namespace=spec.merged.namespace)
            )
        except (Denied, Invalid):
            await self._drop(key, "its token has ended")
            return None
        return Restored(auth=renewed, issued=issued)

    async def forget(self, key: str) -> None:
        """Remove the entry of a login that is of no use any more."""
        self._waiting.pop(key, None)
        await self._guarded(lambda: self._storage.delete(name_of(key)))

    async def run(self, origins: Callable[[], Iterable[Origin]]) -> NoReturn:
        """Store what waits, and prune what has lost its VaultAuth or VaultConnection, for ever."""
        prune_at = self._clock.monotonic() + jitter(_RETRY, self._rng)
        while True:
            await self._clock.sleep(_PAUSE + jitter(_PAUSE, self._rng))
            await self._store_due()
            if self._clock.monotonic() >= prune_at:
                prune_at = self._clock.monotonic() + _PRUNE * (1 + jitter(0.2, self._rng))
                await self.prune(origins())

    async def prune(self, origins: Iterable[Origin]) -> None:
        """Remove entries of objects that are none of `origins`; all of them if there are none."""
        known = set(origins)
        await self._guarded(lambda: self._prune(known))

    async def _prune(self, known: set[Origin]) -> None:
        stale = [name for name, labels in await self._storage.labels() if origin_of(labels) not in known]
        for name in stale:
            await self._storage.delete(name)
        if stale:
            _log.info("stored logins removed", count=len(stale))

    async def _store_due(self) -> None:
        now = self._clock.monotonic()
        for key in [key for key, one in self._waiting.items() if one.due <= now]:
            one = self._waiting.pop(key)
            if not await self._guarded(lambda key=key, one=one: self._store(key, one)):
                due = now + _RETRY * (1 + jitter(0.5, self._rng))
                self._waiting.setdefault(key, _Waiting(one.spec, one.provider_uid, one.auth, due))

    async def _store(self, key: str, one: _Waiting) -> None:
        content, transit = to_json(one.auth), ""
        if self._cipher is not None:
            transit, content = self._cipher.name, await self._cipher.encrypt(content)
        entry = seal(key, one.spec, one.provider_uid, content, signer=self._signer, transit=transit)
        await self._storage.write(entry)

    async def _open(self, entry: Entry) -> Auth:
        check(entry, signer=self._signer, transit=self._cipher.name if self._cipher is not None else "")
        if self._cipher is None:
            return from_json(entry.content)
        return from_json(await self._cipher.decrypt(ciphertext_of(entry.content)))

    async def _drop(self, key: str, why: str) -> None:
        _log.warning("stored login dropped", entry=name_of(key), reason=why)
        await self.forget(key)

    async def _guarded(self, work: Callable[[], Awaitable[None]]) -> bool:
        """Do `work`; False, with a line in the log, if the cluster or Vault would not."""
        try:
            await work()
        except Exception as exc:
            if not isinstance(exc, SyncError | VaultError) and not self._storage.passing(exc):
                raise
            _log.warning("stored logins: trying again later", error=str(exc))
            return False
        return True
