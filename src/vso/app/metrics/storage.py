"""Figures of stored logins (operations.md section 2.1): a `vso.sync.Storage` around another one."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Final

from vso.app.metrics.family import Families
from vso.sync import Entry, Storage, StorageFailed

_UNKNOWN: Final = -1.0
_OPERATIONS: Final = ("store", "restore", "prune", "delete", "purge")
_ON_ENTRIES: Final = ("store", "restore")


class MeasuredStorage:
    """Passes everything on to `storage`, and counts.

    `lasting` tells whether logins are kept at all; without it a look at all entries is the begin of their removal.
    `stored` is told whether a login could be stored.
    """

    def __init__(
        self, storage: Storage, families: Families, *, lasting: bool, stored: Callable[[bool], None] = lambda _: None
    ) -> None:
        self._storage = storage
        self._stored = stored
        self._listing = "prune" if lasting else "purge"
        self._names: set[str] | None = None
        prefix = "vso_client_cache_storage"
        self._total: Final = families.counter(
            f"{prefix}_requests_total", "Requests to the store of logins that succeeded.", "operation"
        )
        self._errors: Final = families.counter(
            f"{prefix}_requests_errors_total",
            "Requests to the store of logins that failed, or found nothing to restore.",
            "operation",
        )
        self._entries: Final = families.counter(f"{prefix}_operations_total", "Logins stored or restored.", "operation")
        self._lost: Final = families.counter(
            f"{prefix}_operations_errors_total", "Logins that could not be stored or restored.", "operation"
        )
        families.read(f"{prefix}_length", "Logins in the store; -1 while unknown.", self._length)
        for operation in _OPERATIONS:
            self._total.labels(operation)
            self._errors.labels(operation)
        for operation in _ON_ENTRIES:
            self._entries.labels(operation)
            self._lost.labels(operation)

    async def read(self, key: str) -> Entry | None:
        """See `vso.sync.Storage`."""
        entry: Entry | None = None
        with self._counted("restore"):
            entry = await self._storage.read(key)
            if entry is None:
                raise _NothingThereError
        return entry

    async def write(self, entry: Entry) -> None:
        """See `vso.sync.Storage`."""
        ok = False
        try:
            with self._counted("store"):
                await self._storage.write(entry)
            ok = True
        finally:
            self._stored(ok)
        if self._names is not None:
            self._names.add(entry.name)

    async def delete(self, name: str) -> None:
        """See `vso.sync.Storage`."""
        with self._counted("delete"):
            await self._storage.delete(name)
        if self._names is not None:
            self._names.discard(name)

    async def labels(self) -> Iterable[tuple[str, Mapping[str, str]]]:
        """See `vso.sync.Storage`."""
        with self._counted(self._listing):
            found = tuple(await self._storage.labels())
        self._names = {name for name, _ in found}
        return found

    def _length(self) -> float:
        return _UNKNOWN if self._names is None else len(self._names)

    @contextmanager
    def _counted(self, operation: str) -> Iterator[None]:
        try:
            yield
        except _NothingThereError:
            self._failed(operation)
        except StorageFailed:
            self._failed(operation)
            raise
        else:
            self._total.labels(operation).inc()
            if operation in _ON_ENTRIES:
                self._entries.labels(operation).inc()

    def _failed(self, operation: str) -> None:
        self._errors.labels(operation).inc()
        if operation in _ON_ENTRIES:
            self._lost.labels(operation).inc()


class _NothingThereError(Exception):
    """There is no entry to restore; to the original that is a failure."""
