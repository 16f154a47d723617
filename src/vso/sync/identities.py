"""All identities that somebody logs in with, at most so many, the one asked for longest ago being the first to go."""

from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from vso.sync.resolve import ClientSpec, LoginId, ServerId
from vso.sync.session import Identity


@dataclass(slots=True)
class CacheCounts:
    """What became of look-ups so far.

    A login that was there served (`hits`), even in a Vault namespace other than its own (`elsewhere`), or had to be
    made (`misses`); `evictions` are identities that had to make room.
    """

    hits: int = 0
    misses: int = 0
    elsewhere: int = 0
    evictions: int = 0


class Identities:
    """Finds and keeps; `make` makes one that is not known yet, `lasts` tells whether it is worth keeping."""

    def __init__(
        self, size: int, *, make: Callable[[ClientSpec], Identity], lasts: Callable[[ClientSpec], bool]
    ) -> None:
        self.size = size
        self.counts = CacheCounts()
        self._make = make
        self._lasts = lasts
        self._known: OrderedDict[LoginId, Identity] = OrderedDict()

    def __iter__(self) -> Iterator[Identity]:
        return iter(tuple(self._known.values()))

    def __len__(self) -> int:
        """Identities that are logged in."""
        return sum(one.current is not None for one in self._known.values())

    def get(self, spec: ClientSpec) -> Identity:
        """The identity of `spec`, kept from now on if it lasts."""
        identity = self._known.get(spec.login)
        if identity is None:
            identity = self._make(spec)
            if not self._lasts(spec):
                return identity
            self._known[spec.login] = identity
        self._known.move_to_end(spec.login)
        while len(self._known) > self.size:
            self._known.popitem(last=False)
            self.counts.evictions += 1
        return identity

    def count(self, identity: Identity, now: float) -> None:
        """Count a look-up: whether `identity` is logged in."""
        if identity.current is not None and identity.current.usable(now):
            self.counts.hits += 1
        else:
            self.counts.misses += 1

    def drop(self, servers: Iterable[ServerId]) -> None:
        """Forget who logs in at one of `servers`."""
        gone = frozenset(servers)
        for login in [login for login in self._known if login.server in gone]:
            del self._known[login]
