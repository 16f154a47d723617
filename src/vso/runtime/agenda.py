"""Keys ordered by the instant they are due, one wish per key: the data structure inside `queue`.

Pure: knows no clock and wakes nobody. Removal is lazy, so every operation costs O(log n).
"""

import heapq
from typing import Final, NamedTuple

from vso.apis.meta import Key
from vso.runtime.next import Lane

_SLACK: Final = 64


class Wish(NamedTuple):
    """That `key` be worked on at `due` (monotonic, seconds). Sorts by due time, then by `order`."""

    due: float
    order: int
    key: Key
    lane: Lane


class Agenda:
    """Wishes by due time. A second wish for a key replaces the first."""

    def __init__(self) -> None:
        self._live: dict[Key, Wish] = {}
        self._heap: list[Wish] = []

    def __len__(self) -> int:
        return len(self._live)

    def __contains__(self, key: Key) -> bool:
        return key in self._live

    def get(self, key: Key) -> Wish | None:
        """The wish for `key`."""
        return self._live.get(key)

    def put(self, wish: Wish) -> None:
        """Add `wish`; an earlier one for its key is forgotten."""
        self._live[wish.key] = wish
        heapq.heappush(self._heap, wish)
        if len(self._heap) > 2 * len(self._live) + _SLACK:
            self._compact()

    def pop(self, key: Key) -> Wish | None:
        """Take the wish for `key` out."""
        return self._live.pop(key, None)

    def first(self) -> Wish | None:
        """The wish that is due first; it stays."""
        while self._heap:
            wish = self._heap[0]
            if self._live.get(wish.key) is wish:
                return wish
            heapq.heappop(self._heap)
        return None

    def _compact(self) -> None:
        self._heap = list(self._live.values())
        heapq.heapify(self._heap)
