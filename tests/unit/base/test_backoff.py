"""Delays after failures."""

from random import Random

import pytest

from vso.base import BackOff, Sensitive, jitter


@pytest.mark.parametrize(
    ("failures", "base"), [(1, 5), (2, 7.5), (3, 11.25), (4, 16.875), (7, 56.95), (8, 60), (50, 60), (10**6, 60)]
)
def test_delays_grow_to_their_maximum_and_stay_within_the_spread(failures: int, base: float) -> None:
    """Behaviour.md section 11: 5, 7.5, 11.3, ... 60, each plus or minus half."""
    delays = [BackOff().delay(failures, Random(seed)) for seed in range(200)]
    assert base * 0.5 <= min(delays) < max(delays) < base * 1.5 + 0.01


def test_without_randomization_delays_are_exact() -> None:
    """Factor 0 switches the spread off."""
    assert BackOff(initial=1, multiplier=2, maximum=8, randomization=0).delay(3, Random(1)) == 4


def test_the_step_is_the_longest_wait() -> None:
    """Maximum times one plus the spread."""
    assert BackOff().step == 90


@pytest.mark.parametrize("limit", [0, -1])
def test_nothing_is_drawn_from_an_empty_range(limit: float) -> None:
    """No negative delays."""
    assert jitter(limit, Random(1)) == 0


def test_a_sensitive_value_is_shown_nowhere() -> None:
    """Not by repr, str, formatting, or as part of a container; but it compares and reveals."""
    secret = Sensitive("hunter2")
    assert "hunter2" not in f"{secret} {secret!r} {[secret]} {{1: secret}}"
    assert secret == Sensitive("hunter2")
    assert secret != Sensitive("other")
    assert secret.reveal() == "hunter2"
