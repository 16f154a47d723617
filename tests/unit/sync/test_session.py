"""The life of one token and of the leases that hang on it, by a virtual clock (regressions R08, R12)."""

from dataclasses import dataclass, field
from math import inf
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vso.base import Sensitive
from vso.sync.authenticator import LoggedIn
from vso.sync.session import Session
from vso.vault import Auth, TokenLife

DAY = 86400.0


def session(ttl: float, *, renewable: bool = True, born: float = 0.0) -> Session:
    """A token that was issued at `born`."""
    return Session(
        found=LoggedIn(auth=Auth(client_token=Sensitive("t"), accessor="a"), issued=born, provider_uid=""),
        life=TokenLife(issued=born, ttl=ttl, renewable=renewable),
        cache_key="",
        serial=1,
    )


@dataclass
class Tokens:
    """A server that gives tokens of `ttl` seconds which can be renewed until `maximum` seconds after their birth."""

    ttl: float
    maximum: float = inf
    renewable: bool = True
    logins: int = 0

    def login(self, now: float) -> Session:
        self.logins += 1
        return session(min(self.ttl, self.maximum), renewable=self.renewable, born=now)

    def renew(self, one: Session, now: float) -> None:
        granted = min(self.ttl, one.born + self.maximum - now)
        one.renewed(TokenLife(issued=now, ttl=granted, renewable=True))


@dataclass
class Owner:
    """Whoever holds a lease, and the instants at which it got new ones."""

    share: float
    token: Session
    moved: list[float] = field(default_factory=list)


def live(tokens: Tokens, owners: int, until: float, step: float) -> list[Owner]:
    """What `Clients.run` and the controller do, second by second, in virtual time."""
    rng, now = Random(5), 0.0
    current = tokens.login(now)
    held = [Owner(rng.random(), current, [now]) for _ in range(owners)]
    for one in held:
        current.holders.add(id(one))
    while now < until:
        now += step
        for token in {id(one.token): one.token for one in held}.values():
            if token.wants_care(now) and not token.life.expired(now):
                tokens.renew(token, now)
        for one in held:
            assert not one.token.life.expired(now), "a lease died with its token"
            due = one.token.replace_at(one.share)
            if due is not None and now >= due:
                if current.is_fading(now) or not current.usable(now):
                    current = tokens.login(now)
                one.token.holders.discard(id(one))
                one.token, one.share = current, rng.random()
                one.token.holders.add(id(one))
                one.moved.append(now)
    return held


@pytest.mark.parametrize(
    ("tokens", "life"),
    [
        (Tokens(60), inf),
        (Tokens(30, maximum=60), 60.0),
        (Tokens(60, maximum=60), 60.0),
        (Tokens(60, maximum=61), 61.0),
        (Tokens(60, renewable=False), 60.0),
        (Tokens(3600, maximum=DAY), DAY),
        (Tokens(21, renewable=False), 21.0),
        (Tokens(12, renewable=False), 12.0),
        (Tokens(8, renewable=False), 8.0),
        (Tokens(0, renewable=False), inf),
    ],
    ids=str,
)
def test_each_owner_gets_about_one_lease_per_life_of_the_token_and_never_a_dead_one(
    tokens: Tokens, life: float
) -> None:
    """The same tokens serve all: owners move once per token, well before it ends (R12 a)."""
    until = 20 * (life if life < inf else 3600.0)
    owners = live(tokens, 20, until, step=min(tokens.ttl or 60, tokens.maximum) / 80)
    for one in owners:
        if life == inf:
            assert one.moved == [0.0]
            continue
        assert len(one.moved) <= tokens.logins
    assert tokens.logins <= (1 if life == inf else until / (life / 2) + 1)


def test_owners_of_a_token_are_spread_and_done_a_tenth_before_its_end() -> None:
    """Not all at the same moment (R12)."""
    one = session(1000, renewable=False)
    due = sorted(one.replace_at(share / 100) or 0.0 for share in range(101))
    assert due[0] >= 650
    assert due[-1] <= 900
    assert due[-1] - due[0] > 200


@given(st.floats(0.5, 1e7), st.booleans(), st.floats(0, 1), st.floats(-1e6, 1e6))
def test_what_is_replaced_is_replaced_on_a_token_that_fades_and_before_the_end(
    ttl: float, renewable: bool, share: float, born: float
) -> None:
    """Otherwise the new lease would be due at once, on the same token."""
    one = session(ttl, renewable=renewable, born=born)
    due = one.replace_at(share)
    if renewable:
        assert due is None
        one.not_renewed(born + ttl * 0.96, for_ever=False)
        due = one.replace_at(share)
    assert due is not None
    assert one.is_fading(due)
    assert due <= one.life.expires_at


def test_a_token_whose_renewal_fails_is_given_up_in_time_but_not_at_once() -> None:
    """An outage in mid-life costs no lease (R11); one that lasts until the margin does, before the token is dead."""
    one = session(600)
    one.holders.add("owner")
    assert one.wants_care(300)
    one.not_renewed(300, for_ever=False)
    assert not one.ends_soon(300)
    assert not one.wants_care(301)
    assert one.wants_care(331)
    one.not_renewed(331, for_ever=False)
    one.renewed(TokenLife(issued=400, ttl=600, renewable=True))
    assert one.replace_at(0.5) is None
    one.not_renewed(890, for_ever=False)
    assert one.ends_soon(890)
    due = one.replace_at(1.0)
    assert due is not None
    assert due <= 940


def test_a_token_that_was_revoked_has_its_leases_replaced_at_once_and_is_not_used_again() -> None:
    """A 403 at the renewal: it is dead, whatever its ttl said (R12 b)."""
    one = session(3600)
    one.holders.add("owner")
    one.not_renewed(1800, for_ever=True)
    assert one.bereave() == ("owner",)
    assert one.bereave() == ()
    assert not one.usable(1800)
    due = one.replace_at(0.0)
    assert due is not None
    assert due <= 1802


def test_a_token_that_nobody_uses_is_not_renewed() -> None:
    """Neither requests nor leases: let it go."""
    one = session(60)
    one.used = False
    assert not one.wants_care(59)
    one.holders.add("owner")
    assert one.wants_care(30)
