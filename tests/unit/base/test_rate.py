"""The brake on requests."""

import pytest

from vso.base import RateLimit, TokenBucket


def test_without_a_rate_nobody_waits() -> None:
    """The default is no limit, whatever the burst says."""
    bucket = TokenBucket(RateLimit(burst=1), now=0.0)
    assert [bucket.reserve(0.0) for _ in range(100)] == [0.0] * 100


def test_after_the_burst_permits_come_at_the_rate() -> None:
    """Two at once, then one each half second, in the order of asking."""
    bucket = TokenBucket(RateLimit(qps=2.0, burst=2), now=5.0)
    assert [bucket.reserve(5.0) for _ in range(5)] == pytest.approx([0.0, 0.0, 0.5, 1.0, 1.5])


def test_idle_time_refills_up_to_the_burst_only() -> None:
    """An hour of silence does not allow more than a burst."""
    bucket = TokenBucket(RateLimit(qps=10.0, burst=3), now=0.0)
    for _ in range(3):
        bucket.reserve(0.0)
    assert [bucket.reserve(3600.0) for _ in range(4)] == pytest.approx([0.0, 0.0, 0.0, 0.1])


def test_a_permit_given_back_serves_the_next() -> None:
    """Who was cancelled while waiting does not slow the others down."""
    bucket = TokenBucket(RateLimit(qps=1.0, burst=1), now=0.0)
    assert [bucket.reserve(0.0), bucket.reserve(0.0)] == pytest.approx([0.0, 1.0])
    bucket.give_back()
    assert bucket.reserve(0.0) == pytest.approx(1.0)


def test_the_default_burst_is_ten() -> None:
    """A rate without a burst does not block the first requests."""
    bucket = TokenBucket(RateLimit(qps=1.0), now=0.0)
    assert [bucket.reserve(0.0) for _ in range(11)] == pytest.approx([0.0] * 10 + [1.0])
