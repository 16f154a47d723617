"""Failures that do not multiply."""

from random import Random

from vso.base import BackOff
from vso.sync.breaker import Breaker, LoginGate

DOWN = ConnectionError("down")


def test_a_closed_breaker_lets_everything_through() -> None:
    """As long as nothing failed."""
    breaker = Breaker()
    assert all(breaker.admit(now, trial_seconds=5) for now in range(10))


def opened() -> Breaker:
    """A breaker that a request opened, after a good probe."""
    breaker = Breaker()
    breaker.failed(DOWN, by_request=True)
    breaker.allow_trial(0.0)
    return breaker


def test_an_open_breaker_lets_nothing_through_until_a_probe_succeeds() -> None:
    """However much time passes."""
    breaker = Breaker()
    assert breaker.failed(DOWN, by_request=True)
    assert not breaker.failed(DOWN, by_request=True), "the second failure is no news"
    assert not any(breaker.admit(now, trial_seconds=5) for now in range(1000))
    assert breaker.allow_trial(0.0)
    assert not breaker.allow_trial(0.0), "nor is the second good probe"
    assert breaker.admit(1000, trial_seconds=5)


def test_an_outage_that_only_probes_saw_needs_no_trial() -> None:
    """A request that ran into it does, whoever saw it first."""
    breaker = Breaker()
    breaker.failed(DOWN, by_request=False)
    seen = [breaker.needs_trial]
    breaker.failed(DOWN, by_request=True)
    breaker.failed(DOWN, by_request=False)
    seen.append(breaker.needs_trial)
    breaker.answered()
    seen.append(breaker.needs_trial)
    assert seen == [False, True, False]


def test_one_trial_goes_out_and_its_answer_closes_the_breaker() -> None:
    """Not all who wait at once."""
    breaker = opened()
    assert [breaker.admit(1, trial_seconds=5) for _ in range(3)] == [True, False, False]
    assert breaker.answered()
    assert breaker.outage is None
    assert breaker.admit(1, trial_seconds=5)


def test_no_trial_goes_out_before_the_server_wants_to_be_asked() -> None:
    """A 429 says when; a later failure without such a wish does not shorten it."""
    breaker = Breaker()
    breaker.failed(DOWN, by_request=True, retry_at=30)
    breaker.failed(DOWN, by_request=True, retry_at=5)
    assert not breaker.allow_trial(29)
    assert not breaker.may_try(29)
    assert breaker.allow_trial(30)
    assert breaker.may_try(30)
    breaker.answered()
    breaker.failed(DOWN, by_request=True)
    assert breaker.allow_trial(1)


def test_a_trial_that_nobody_takes_shows_that_nobody_waits() -> None:
    """The resource that ran into the outage may have been deleted."""
    breaker = opened()
    assert not breaker.trial_is_ignored(60)
    assert breaker.trial_is_ignored(61)
    breaker.admit(61, trial_seconds=5)
    assert not breaker.trial_is_ignored(100)


def test_a_failed_trial_opens_the_breaker_again() -> None:
    """Until the next good probe."""
    breaker = opened()
    breaker.admit(1, trial_seconds=5)
    breaker.failed(DOWN, by_request=True)
    assert not breaker.may_try(100)
    assert breaker.allow_trial(0.0)


def test_a_trial_that_never_reports_back_is_followed_by_another() -> None:
    """Its caller may have been cancelled."""
    breaker = opened()
    assert breaker.admit(1, trial_seconds=5)
    assert not breaker.may_try(5.9)
    assert breaker.admit(6, trial_seconds=5)


def test_a_gate_refuses_with_the_last_error_until_the_next_attempt_is_due() -> None:
    """And each failure makes the wait longer."""
    gate = LoginGate(BackOff(randomization=0), Random(1))
    assert gate.refusal(0) is None
    assert gate.failed(DOWN, 0) == 5
    assert gate.refusal(1) == (DOWN, 4)
    assert gate.refusal(5) is None
    assert gate.failed(DOWN, 5) == 7.5
    assert gate.succeeded()
    assert not gate.succeeded()
    assert gate.failed(DOWN, 20) == 5
