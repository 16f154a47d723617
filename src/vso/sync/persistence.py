"""Keeps logins over a restart of the operator: stored behind each login, restored at the first need.

Nothing waits for it: a login that cannot be stored is tried again later, and one that cannot be restored is made
anew. Source: behaviour.md section 4; regressions R01, R14. The form of an entry: `stored_login`.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import replace
from functools import partial
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
    Login,
    Version,
    check,
    ciphertext_of,
    from_json,
    name_of,
    origin_of,
    seal,
    to_json,
)
from vso.vault import (
    Auth,
    Denied,
    Invalid,
    RateLimited,
    ServerFault,
    TimedOut,
    Transport,
    VaultError,
    lookup_self,
    renew_self,
)

_PAUSE: Final = 0.2
"""Seconds between two looks for logins to store; a look costs nothing."""
_RETRY: Final = 30.0
_PRUNE: Final = 60.0
"""Seconds between two looks for objects that are gone; the cluster is asked only if there are some."""
_PATIENCE: Final = 10.0
"""Seconds that a login waits for the store and for decryption, before it goes on without."""
_log = structlog.get_logger("client-cache")


class Storage(Protocol):
    """Where entries are; `vso.controllers` implements it on Secrets. Raises StorageFailed, and no other error."""

    async def read(self, key: str) -> Entry | None:
        """The entry of the cache key `key`, None if there is none. Raises EntryInvalid if it is not one."""

    async def write(self, entry: Entry) -> None:
        """Store an entry in the place of what is there."""

    async def delete(self, name: str) -> None:
        """Remove an entry by its name; one that is gone is no error."""

    async def labels(self) -> Iterable[tuple[str, Mapping[str, str]]]:
        """Names and labels of all entries."""


class Cipher(Protocol):
    """Encrypts entries. Raises SyncError or VaultError if it cannot, with nothing said about the content."""

    @property
    def name(self) -> str:
        """What the label of encrypted entries says; raises SyncError if that is not known."""

    def is_own(self, spec: ClientSpec) -> bool:
        """Whether this is the login that the cipher itself uses: it is never stored."""

    async def encrypt(self, plain: Sensitive[bytes]) -> Sensitive[bytes]:
        """The content of an encrypted entry."""

    async def decrypt(self, ciphertext: str) -> Sensitive[bytes]:
        """What was encrypted."""


class Persistence:
    """Stores and restores logins; `run` does what nobody waits for."""

    def __init__(self, storage: Storage, *, signer: Signer, cipher: Cipher | None, clock: Clock, rng: Random) -> None:
        self._storage = storage
        self._signer = signer
        self._cipher = cipher
        self._clock = clock
        self._rng = rng
        self._waiting: OrderedDict[str, Login] = OrderedDict()
        self._not_before = 0.0

    def keep(self, login: Login) -> None:
        """Store a login soon, if it can be renewed: another would be dead before it is needed."""
        if login.auth.renewable and login.key and not self._is_own(login.spec):
            self._waiting[login.key] = login

    async def restore(self, key: str, spec: ClientSpec, server: Server) -> Auth | None:
        """The stored login of `key`, renewed just now; None if there is none that can be used.

        Raises what says that the server is out of order, when a new login would fail as well, or has no answer for this
        one just now.
        """
        if not key or self._is_own(spec):
            return None
        try:
            async with asyncio.timeout(_PATIENCE):
                stored = await self.read(key)
        except EntryInvalid as exc:
            await self._drop(key, str(exc))
            return None
        except (SyncError, VaultError, TimeoutError) as exc:
            # Whatever is wrong with the store or its encryption, logging in works without it.
            reason = str(exc) or f"no answer within {_PATIENCE:g} s"
            _log.warning("stored login not readable, logging in", entry=name_of(key), reason=reason)
            return None
        if stored is None:
            return None
        namespace = spec.merged.namespace
        try:
            renewed = await server.call(
                lambda transport: _renewed(transport, stored.client_token, namespace=namespace), urgent=True
            )
        except VaultError as exc:
            if exc.outage or isinstance(exc, RateLimited | TimedOut):
                raise
            # Whatever it is, it may last as long as the token, and a new login may work all the same.
            await self._drop(key, "its token has ended" if isinstance(exc, Denied) else f"it cannot be renewed: {exc}")
            return None
        return replace(renewed, client_token=stored.client_token, accessor=renewed.accessor or stored.accessor)

    async def read(self, key: str) -> Auth | None:
        """The stored login of `key` as it was stored, None if there is none.

        Raises EntryInvalid for one that must not be used, and what keeps it from being read or decrypted.
        """
        entry = await self._storage.read(key)
        if entry is None:
            return None
        check(entry, signer=self._signer, transit=self._cipher.name if self._cipher is not None else "")
        if self._cipher is None:
            return from_json(entry.content)
        return from_json(await self._cipher.decrypt(ciphertext_of(entry.content)))

    async def forget(self, key: str) -> None:
        """Remove the entry of a login that is of no use any more."""
        self._waiting.pop(key, None)
        if key:
            await _tried(partial(self._storage.delete, name_of(key)))

    async def run(self, existing: Callable[[], frozenset[Version]]) -> NoReturn:
        """Store what waits, and remove entries of objects that `existing` does not name any more; for ever."""
        pruned: frozenset[Version] | None = None
        prune_at = self._clock.monotonic() + jitter(_RETRY, self._rng)
        while True:
            await self._clock.sleep(_PAUSE + jitter(_PAUSE / 4, self._rng))
            now = self._clock.monotonic()
            if self._waiting and now >= self._not_before and not await self._store_waiting(existing()):
                self._not_before = now + _RETRY * (1 + jitter(0.5, self._rng))
            if now >= prune_at:
                known = existing()
                prune_at = now + _PRUNE * (1 + jitter(0.2, self._rng))
                if (pruned is None or pruned - known) and await _tried(partial(prune, self._storage, existing)):
                    pruned = known

    async def _store_waiting(self, known: frozenset[Version]) -> bool:
        """Store each login that waits, if its objects are `known` still; False as soon as one could not be."""
        for key in tuple(self._waiting):
            login = self._waiting.pop(key, None)
            if login is None:
                continue  # forgotten while another was stored
            if not login.origin <= known:
                continue  # nobody would ask for it, and entries of these objects have been removed already
            if not await _tried(partial(self._store, login)):
                self._waiting.setdefault(key, login)
                return False
        return True

    async def _store(self, login: Login) -> None:
        content, transit = to_json(login.auth), ""
        if self._cipher is not None:
            transit, content = self._cipher.name, await self._cipher.encrypt(content)
        await self._storage.write(seal(login, content, signer=self._signer, transit=transit))

    async def _drop(self, key: str, why: str) -> None:
        _log.warning("stored login dropped", entry=name_of(key), reason=why)
        await self.forget(key)

    def _is_own(self, spec: ClientSpec) -> bool:
        return self._cipher is not None and self._cipher.is_own(spec)


async def _renewed(transport: Transport, token: Sensitive[str], *, namespace: str) -> Auth:
    """Renew `token`. Raises what `renew_self` does, and Invalid if it alone fails at a server that is in order."""
    try:
        return await renew_self(transport, token, namespace=namespace)
    except ServerFault as exc:
        # Also the word of an auth method that will not renew: the policies of a user have changed, say.
        await lookup_self(transport, token, namespace=namespace)
        raise Invalid(exc.message, path=exc.path, status=exc.status) from exc


async def discard_all(storage: Storage, *, clock: Clock, rng: Random) -> None:
    """Remove every entry: logins are not kept over a restart any more."""
    while not await _tried(partial(prune, storage, frozenset)):
        await clock.sleep(_RETRY * (1 + jitter(0.5, rng)))


async def prune(storage: Storage, existing: Callable[[], frozenset[Version]]) -> None:
    """Remove entries that were made from objects, or states of objects, that do not exist. Raises StorageFailed."""
    found = list(await storage.labels())
    known = existing()  # only now: whatever was stored before was made from these, or is stale
    stale = [name for name, labels in found if not origin_of(labels) <= known]
    for name in stale:
        await storage.delete(name)
    if stale:
        _log.info("stored logins removed", count=len(stale))


async def _tried(work: Callable[[], Awaitable[None]]) -> bool:
    """Do `work`; False, with a line in the log, if the cluster or Vault would not."""
    try:
        await work()
    except (SyncError, VaultError) as exc:
        _log.warning("stored logins: trying again later", reason=str(exc))
        return False
    return True
