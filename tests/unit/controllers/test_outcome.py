"""When a resource is tried again."""

from random import Random

import pytest

from tests.support.clock import FakeClock
from vso.apis.meta import Key
from vso.base import BackOff
from vso.controllers.outcome import Attempts
from vso.vault import Denied

KEY = Key("app", "web")


@pytest.mark.parametrize(
    ("login_in", "least", "most"), [(None, 60, 60), (2.0, 2, 3), (90.0, 60, 60)], ids=["unknown", "sooner", "later"]
)
def test_after_a_403_the_next_login_is_not_missed_by_a_step(login_in: float | None, least: float, most: float) -> None:
    """The resource comes back right after it; its own back-off stays the upper bound (regressions R08)."""
    backoff = BackOff(initial=60, maximum=60, randomization=0)
    attempts = Attempts(backoff, max_elapsed=0, clock=FakeClock(), rng=Random(1))
    refused = Denied("permission denied", status=403)
    refused.login_in = login_in
    seconds = attempts.failed(KEY, refused).seconds
    assert seconds is not None
    assert least <= seconds <= most
