"""When a resource is tried again."""

from random import Random

import pytest

from tests.support.clock import FakeClock
from vso.apis.meta import Key
from vso.base import BackOff
from vso.controllers.outcome import Attempts, Expected
from vso.sync import AuthNotFound, InvalidSpec, TransformationInvalid
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


@pytest.mark.parametrize("error", [AuthNotFound("none"), TransformationInvalid("not checked yet")], ids=str)
async def test_what_a_resource_refers_to_may_arrive_two_seconds_later(
    error: AuthNotFound | TransformationInvalid,
) -> None:
    """Objects of one manifest come in any order: until then nothing is told, however often it is looked at."""
    clock = FakeClock()
    attempts = Attempts(BackOff(), max_elapsed=0, clock=clock, rng=Random(1))
    assert delay(attempts, error) == 2
    await clock.advance(1.5)
    assert delay(attempts, error) == 0.5
    await clock.advance(0.5)
    assert delay(attempts, error) is None
    await clock.advance(60)
    assert delay(attempts, error) is None


@pytest.mark.parametrize("end", ["success", "another failure"])
async def test_a_reference_that_was_good_again_gets_its_two_seconds_anew(end: str) -> None:
    """So an object that is replaced, deleted first and then made again, is missed by nobody."""
    clock = FakeClock()
    attempts = Attempts(BackOff(), max_elapsed=0, clock=clock, rng=Random(1))
    delay(attempts, AuthNotFound("none"))
    await clock.advance(10)
    if end == "success":
        attempts.succeeded(KEY)
    else:
        assert delay(attempts, Denied("permission denied", status=403)) is None
    assert delay(attempts, AuthNotFound("none")) == 2


def test_a_mistake_of_the_resource_itself_is_told_at_once() -> None:
    """No other object can mend it."""
    attempts = Attempts(BackOff(), max_elapsed=0, clock=FakeClock(), rng=Random(1))
    assert delay(attempts, InvalidSpec("no such type")) is None


def delay(attempts: Attempts, error: Expected) -> float | None:
    """Seconds for which `error` is kept quiet, None if it is told."""
    later = attempts.put_off(KEY, error)
    return None if later is None else later.delay
