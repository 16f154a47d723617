"""Figures of stored logins."""

from collections.abc import Iterable, Mapping

import pytest

from tests.unit.app.metrics.reading import samples
from vso.app.metrics.family import Families
from vso.app.metrics.storage import MeasuredStorage
from vso.base import Sensitive
from vso.sync import Entry, StorageFailed

PREFIX = "vso_client_cache_storage"


class Kept:
    """Entries in memory; `broken` refuses everything."""

    def __init__(self) -> None:
        self.entries: dict[str, Entry] = {}
        self.broken = False

    def _check(self) -> None:
        if self.broken:
            raise StorageFailed("no")

    async def read(self, key: str) -> Entry | None:
        self._check()
        return next((one for one in self.entries.values() if one.key == key), None)

    async def write(self, entry: Entry) -> None:
        self._check()
        self.entries[entry.name] = entry

    async def delete(self, name: str) -> None:
        self._check()
        self.entries.pop(name, None)

    async def labels(self) -> Iterable[tuple[str, Mapping[str, str]]]:
        self._check()
        return [(one.name, one.labels) for one in self.entries.values()]


def entry(key: str) -> Entry:
    """An entry of the cache key `key`."""
    return Entry(key=key, labels={}, content=Sensitive(b""), mac=b"")


@pytest.fixture
def kept() -> Kept:
    """What is measured."""
    return Kept()


@pytest.fixture
def families() -> Families:
    """Where it is counted."""
    return Families()


def count(families: Families, name: str, operation: str) -> float:
    """One counter."""
    return samples(families.scrape().collect())[f"{PREFIX}_{name}{{operation={operation}}}"]


async def test_requests_count_by_operation_and_outcome(kept: Kept, families: Families) -> None:
    """Nothing to restore counts as a failure, as in the original, and is none for the caller."""
    storage = MeasuredStorage(kept, families, lasting=True)
    await storage.write(entry("a"))
    assert await storage.read("a") == entry("a")
    assert await storage.read("b") is None
    await storage.labels()
    await storage.delete(entry("a").name)
    for operation in ("store", "restore", "prune", "delete"):
        assert count(families, "requests_total", operation) == 1
    assert count(families, "requests_errors_total", "restore") == 1
    assert count(families, "operations_total", "restore") == 1
    assert count(families, "operations_errors_total", "restore") == 1


async def test_failures_count_and_reach_the_caller(kept: Kept, families: Families) -> None:
    """What cannot be stored is lost, and said to be."""
    storage = MeasuredStorage(kept, families, lasting=True)
    kept.broken = True
    with pytest.raises(StorageFailed):
        await storage.write(entry("a"))
    assert count(families, "requests_errors_total", "store") == 1
    assert count(families, "operations_errors_total", "store") == 1
    assert count(families, "requests_total", "store") == 0


async def test_the_number_of_entries_is_known_without_asking_again(kept: Kept, families: Families) -> None:
    """-1 until somebody has looked; a scrape asks nobody."""
    storage = MeasuredStorage(kept, families, lasting=False)

    def length() -> float:
        return samples(families.scrape().collect())[f"{PREFIX}_length{{}}"]

    assert length() == -1
    await kept.write(entry("a"))
    await storage.labels()
    await storage.write(entry("b"))
    assert length() == 2
    await storage.delete(entry("a").name)
    assert length() == 1
    assert count(families, "requests_total", "purge") == 1
