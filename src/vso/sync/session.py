"""One login and its life: what `clients` keeps of an identity. No I/O.

Source: behaviour.md sections 2.4 and 6.9, regressions R08 and R12. Times are monotonic instants.
"""

from collections.abc import Hashable, Iterable
from dataclasses import dataclass, field
from math import inf
from typing import Final

from vso.base import Sensitive
from vso.sync.authenticator import LoggedIn
from vso.sync.breaker import LoginGate
from vso.sync.resolve import ClientSpec, ServerId
from vso.vault import Lifetime, TokenLife

_EARLY: Final = 2.0
"""Seconds before its end from which on a token is not used for another request."""
_GRANTED: Final = 0.9
"""Share of its first life below which a renewal shows that the token nears its maximum."""
_MARGIN: Final = 0.1
_LEAST_MARGIN: Final = 5.0
"""Credentials are replaced a tenth of the token's life, but at least this long, before the token ends."""
_WINDOW: Final = 0.25
"""Share of a token's life, before the margin, over which the replacements of its leases are spread."""
_HELD: Final = 1 / 2
"""Share of its life after which a token that leases hang on is renewed; others at two thirds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """What a request to Vault is sent with."""

    token: Sensitive[str]
    namespace: str


@dataclass(slots=True, kw_only=True)
class Session:
    """A token and its life; `serial` tells a login from the one that replaced it.

    `retired` tells that its token is to be revoked, unless somebody still needs it: `requests` are under way with it,
    the last one was over at `answered`, and `holders` are the owners of leases that hang on it, which die with it.
    `found` is what the login gave.
    """

    found: LoggedIn
    life: TokenLife
    cache_key: str
    serial: int
    used: bool = True
    retired: bool = False
    requests: int = 0
    answered: float = -inf
    holders: set[Hashable] = field(default_factory=set)
    born: float = field(init=False)
    final_since: float | None = field(init=False)
    """Since when the end of the token is settled: no renewal will move it. None while one may."""
    _first_ttl: float = field(init=False)
    _not_before: float = -inf
    _told: bool = False

    def __post_init__(self) -> None:
        self.born = self.life.issued
        self._first_ttl = self.life.ttl
        self.final_since = self.born if self.life.ttl > 0 and not self.life.renewable else None

    @property
    def token(self) -> Sensitive[str]:
        """The token itself."""
        return self.found.auth.client_token

    @property
    def accessor(self) -> str:
        """Names the token in Vault without being one."""
        return self.found.auth.accessor

    @property
    def ends(self) -> float | None:
        """When the token ends as things are, None if it never does."""
        return None if self.life.expires_at == inf else self.life.expires_at

    def usable(self, now: float) -> bool:
        """Whether another request may be sent with it."""
        return self.life.remaining(now) > _EARLY

    def wants_care(self, now: float) -> bool:
        """Whether it is to be renewed now, or its holders are to be told that it ended."""
        if self.life.expired(now):
            return bool(self.holders) and not self._told
        renew_at = self.life.renew_at
        if (
            renew_at is None
            or self.final_since is not None
            or now < self._not_before
            or not (self.used or self.holders)
        ):
            return False
        return now >= (self.life.issued + self.life.ttl * _HELD if self.holders else renew_at)

    def renewed(self, life: TokenLife) -> None:
        """Take what a renewal granted."""
        if life.ttl > 0 and (life.ttl < self._first_ttl * _GRANTED or not life.renewable):
            self.final_since = life.issued
        self.life = life

    def not_renewed(self, now: float, *, for_ever: bool) -> None:
        """Note a failed renewal; `for_ever`: the token is dead.

        Close to the end of the token no more renewals are hoped for: leases can still move to another in time.
        """
        if for_ever:
            self.final_since = now
            self.life = TokenLife(issued=now, ttl=_EARLY, renewable=False)
        elif self.life.remaining(now) <= 2 * _margin(self.life.ttl):
            self.final_since = now
        self._not_before = now + max(1.0, self.life.remaining(now) * _MARGIN)

    def ends_soon(self, now: float) -> bool:
        """Whether leases must move to another token."""
        return self.final_since is not None or self.life.expired(now)

    def bereave(self) -> tuple[Hashable, ...]:
        """Those who are to be told that the token ends; each once."""
        if self._told:
            return ()
        self._told = True
        return tuple(self.holders)

    def is_fading(self, now: float) -> bool:
        """Whether more than half of the life of a token that cannot be renewed is over."""
        return self.final_since is not None and now >= self._middle

    @property
    def _middle(self) -> float:
        return (self.born + self.life.expires_at) / 2

    def replace_at(self, share: float) -> float | None:
        """When to replace what hangs on the token, None while it can be kept; `share` (0 to 1) spreads the owners.

        Never before it fades, since then the same token would do for the new leases.
        """
        if self.final_since is None:
            return None
        end, life = self.life.expires_at, self.life.expires_at - self.born
        latest = max(end - _margin(life), self._middle)
        earliest = max(self.final_since, latest - life * _WINDOW, self._middle)
        return earliest + max(latest - earliest, 0.0) * share * 0.9


def _margin(life: float) -> float:
    """Seconds before its end at which a token with a life of `life` seconds must have no leases any more."""
    return max(life * _MARGIN, _LEAST_MARGIN)


@dataclass(slots=True)
class Identity:
    """All that is known of one identity, whether it is logged in or not."""

    spec: ClientSpec
    gate: LoginGate
    denied: LoginGate
    current: Session | None = None
    serials: int = 0

    @property
    def server(self) -> ServerId:
        """The server it logs in at."""
        return self.spec.login.server

    def login_in(self, now: float) -> float:
        """Seconds until a 403 may lead to another login."""
        waits = (one.refusal(now) for one in (self.gate, self.denied))
        return max((one[1] for one in waits if one is not None), default=0.0)


def first_to_end(identities: Iterable[Identity]) -> Lifetime | None:
    """Of what the present logins of `identities` were made with, the life that ends first; None if none is known to."""
    lives = [one.current.found.credential for one in identities if one.current is not None]
    return min((one for one in lives if one is not None), key=lambda one: one.ends, default=None)
