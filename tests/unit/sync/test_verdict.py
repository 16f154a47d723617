"""Which failures of a request are those of the whole server (R11): one table."""

import pytest

from vso.sync.verdict import Known, Verdict, is_proper, judge
from vso.vault import (
    BadAnswer,
    Denied,
    Invalid,
    NotFound,
    RateLimited,
    Sealed,
    ServerFault,
    Stale,
    Standby,
    TimedOut,
    TLSFailed,
    Unreachable,
    VaultError,
)

BEGUN = 100.0
NOTHING = Known()
BEFORE = Known(answered=BEGUN - 0.5)
LONG_BEFORE = Known(answered=BEGUN - 2)
MEANWHILE = Known(answered=BEGUN)
VOUCHED = Known(answered=BEGUN - 4, vouched=BEGUN - 4)
STALE_WORD = Known(answered=BEGUN - 6, vouched=BEGUN - 6)
DOWN = Known(down=True, answered=BEGUN - 60)


@pytest.mark.parametrize("status", [500, 502, 503, 504, 599])
@pytest.mark.parametrize(
    ("known", "verdict"),
    [
        pytest.param(NOTHING, Verdict.OPEN, id="the first request of all"),
        pytest.param(BEFORE, Verdict.OPEN, id="others were answered before"),
        pytest.param(MEANWHILE, Verdict.OWN, id="others are answered"),
        pytest.param(VOUCHED, Verdict.OWN, id="a witness vouched for the server"),
        pytest.param(STALE_WORD, Verdict.OPEN, id="too long ago"),
        pytest.param(DOWN, Verdict.OUTAGE, id="in an outage"),
    ],
)
def test_a_status_of_5xx_alone_does_not_tell_whose_failure_it_is(status: int, known: Known, verdict: Verdict) -> None:
    """An engine whose database is down answers as a server does whose storage is."""
    assert judge(ServerFault("failed", status=status), BEGUN, known) is verdict


@pytest.mark.parametrize(
    ("error", "known", "verdict"),
    [
        (TimedOut("no answer"), LONG_BEFORE, Verdict.OUTAGE),
        (TimedOut("no answer"), MEANWHILE, Verdict.OWN),
        (RateLimited("quota", status=429), NOTHING, Verdict.OUTAGE),
        (RateLimited("quota", status=429), LONG_BEFORE, Verdict.OUTAGE),
        (RateLimited("quota", status=429), BEFORE, Verdict.OWN),
        (Unreachable("refused"), MEANWHILE, Verdict.OUTAGE),
        (TLSFailed("no trust"), MEANWHILE, Verdict.OUTAGE),
        (Sealed("sealed", status=503), MEANWHILE, Verdict.OUTAGE),
        (Standby("no active node", status=500), MEANWHILE, Verdict.OUTAGE),
        (Stale("lags behind", status=412), NOTHING, Verdict.OWN),
        (Denied("refused", status=403), NOTHING, Verdict.OWN),
        (NotFound("nothing", status=404), NOTHING, Verdict.OWN),
        (Invalid("nothing was sent"), NOTHING, Verdict.OWN),
        (BadAnswer("half of it"), NOTHING, Verdict.OWN),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, VaultError) else "",
)
def test_other_failures_tell_by_themselves_or_by_who_else_is_answered(
    error: VaultError, known: Known, verdict: Verdict
) -> None:
    """What only a server out of order says is an outage whoever else was answered."""
    assert judge(error, BEGUN, known) is verdict


@pytest.mark.parametrize(
    ("error", "proper"),
    [
        (None, True),
        (Denied("refused", status=403), True),
        (NotFound("nothing", status=404), True),
        (Invalid("wrong", status=400), True),
        (Invalid("nothing was sent"), False),
        (ServerFault("failed", status=500), False),
        (Sealed("sealed", status=503), False),
        (RateLimited("quota", status=429), False),
        (TimedOut("no answer"), False),
        (BadAnswer("half of it"), False),
    ],
)
def test_a_refusal_shows_that_a_server_is_in_order_and_a_failure_does_not(
    error: VaultError | None, proper: bool
) -> None:
    """A witness whose token died meanwhile is as good as one that lives."""
    assert is_proper(error) is proper
