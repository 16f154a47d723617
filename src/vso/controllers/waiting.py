"""Who waits for a login or a server to recover, and how they come back without a stampede."""

from collections.abc import Hashable
from random import Random
from typing import Final

from vso.apis.meta import Key
from vso.base import jitter
from vso.runtime import Lane, WorkQueue
from vso.sync import Turn

_PER_SECOND: Final = 200.0
"""Resources that come back in a second after a recovery."""


class Waiting:
    """Keys by what they wait for; a key waits for one thing at a time."""

    def __init__(self, queue: WorkQueue, rng: Random) -> None:
        self._queue = queue
        self._rng = rng
        self._keys: dict[Hashable, set[Key]] = {}
        self._reasons: dict[Key, Hashable] = {}
        self._suspects: set[Key] = set()

    def add(self, key: Key, identity: Hashable | None, *, suspect: bool = False) -> None:
        """Note that `key` waits for `identity`; None: for nothing that could recover.

        A `suspect` is one whose own request failed: it may be the cause, and is the last to make a trial.
        """
        self.forget(key)
        if identity is not None:
            if suspect:
                self._suspects.add(key)
            self._keys.setdefault(identity, set()).add(key)
            self._reasons[key] = identity

    def forget(self, key: Key) -> None:
        """Note that `key` waits no longer."""
        self._suspects.discard(key)
        identity = self._reasons.pop(key, None)
        keys = self._keys.get(identity) if identity is not None else None
        if keys is not None:
            keys.discard(key)
            if not keys:
                del self._keys[identity]

    def clear(self) -> None:
        """Note that nobody waits."""
        self._keys.clear()
        self._reasons.clear()
        self._suspects.clear()

    def wake(self, identity: Hashable, turn: Turn) -> None:
        """Bring back one key for a trial, or all of them, spread over time."""
        keys = self._keys.get(identity, set())
        match turn:
            case Turn.DOWN | Turn.FADING | Turn.DATED:
                return
            case Turn.TRIAL:
                # By chance: the same one each time could be the very one that does not get an answer.
                if keys:
                    self._queue.add(self._rng.choice(sorted(keys - self._suspects or keys)), Lane.FRESH)
            case Turn.UP:
                spread = len(keys) / _PER_SECOND
                for key in keys:
                    self._queue.add_after(key, jitter(spread, self._rng), Lane.STEADY)
