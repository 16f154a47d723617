"""The life of a token."""

from math import inf

import pytest

from vso.base import Sensitive
from vso.vault import Auth, TokenLife


def test_a_renewable_token_is_renewed_at_two_thirds_and_dead_at_its_end() -> None:
    """The end itself counts as dead."""
    life = TokenLife(issued=100.0, ttl=60.0, renewable=True)
    assert life.renew_at == pytest.approx(140.0)
    assert life.expires_at == 160.0
    assert not life.expired(159.9)
    assert life.expired(160.0)
    assert (life.remaining(130.0), life.remaining(200.0)) == (30.0, 0.0)


def test_a_token_without_ttl_never_ends() -> None:
    """Unlike the reference, which takes it for expired and logs in at each reconcile."""
    life = TokenLife(issued=100.0, ttl=0.0, renewable=True)
    assert life.renew_at is None
    assert life.expires_at == inf
    assert not life.expired(1e12)
    assert life.remaining(1e12) == inf


def test_a_token_that_cannot_be_renewed_has_no_renewal() -> None:
    """It expires all the same."""
    life = TokenLife.of(Auth(client_token=Sensitive("t"), lease_duration=30, renewable=False), 5.0)
    assert life.renew_at is None
    assert life.expires_at == 35.0
