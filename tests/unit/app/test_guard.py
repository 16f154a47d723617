"""Who may scrape metrics, when the cluster is asked, and what strangers can do to others."""

import asyncio
from typing import Any

import pytest

from tests.support.clock import FakeClock
from vso.apis import core
from vso.app.guard import Guard, Verdict
from vso.kube import Client, ClientConfig, ConnectionFailed

READER = "Bearer reader"


class Reviews(Client):
    """An API server that knows the tokens reader and other, of which the first may read; `asked` are the tokens."""

    def __init__(self) -> None:
        super().__init__(ClientConfig(server="http://127.0.0.1:1"), user_agent="test")
        self.asked: list[str] = []
        self.away = False
        self.gate = asyncio.Event()
        self.gate.set()

    async def create(self, kind: Any, obj: Any, *, dry_run: bool = False) -> Any:
        await self.gate.wait()
        if self.away:
            raise ConnectionFailed("away")
        if isinstance(obj, core.SubjectAccessReview):
            attributes = obj.spec.non_resource_attributes
            assert attributes == core.NonResourceAttributes(path="/metrics", verb="get")
            return core.SubjectAccessReview(status=core.SubjectAccessReviewStatus(allowed=obj.spec.user == "reader"))
        self.asked.append(obj.spec.token)
        user = core.UserInfo(username=obj.spec.token)
        known = obj.spec.token in {"reader", "other"}
        return core.TokenReview(status=core.TokenReviewStatus(authenticated=known, user=user))


@pytest.fixture
def clock() -> FakeClock:
    """Stands still until moved."""
    return FakeClock()


@pytest.fixture
async def reviews() -> Reviews:
    """Who is asked."""
    return Reviews()


@pytest.fixture
def guard(reviews: Reviews, clock: FakeClock) -> Guard:
    """The guard of /metrics."""
    return Guard(reviews, path="/metrics", clock=clock)


@pytest.mark.parametrize(
    ("header", "verdict"),
    [
        ("Bearer reader", Verdict.ADMITTED),
        ("bearer  reader ", Verdict.ADMITTED),
        ("Bearer other", Verdict.REFUSED),
        ("Bearer made-up", Verdict.UNKNOWN),
        ("Bearer ", Verdict.UNKNOWN),
        ("Bearer \udcff", Verdict.UNKNOWN),
        ("Basic reader", Verdict.UNKNOWN),
        ("", Verdict.UNKNOWN),
    ],
)
async def test_the_cluster_decides(guard: Guard, header: str, verdict: Verdict) -> None:
    """By the token alone; what is none is not asked about."""
    assert await guard.judge(header) is verdict


async def test_a_verdict_holds_for_a_minute(guard: Guard, reviews: Reviews, clock: FakeClock) -> None:
    """Scrapes in between cost no request."""
    for _ in range(5):
        assert await guard.judge(READER) is Verdict.ADMITTED
    assert reviews.asked == ["reader"]
    await clock.advance(61)
    assert await guard.judge(READER) is Verdict.ADMITTED
    assert reviews.asked == ["reader", "reader"]


async def test_made_up_tokens_do_not_push_out_that_of_the_scraper(guard: Guard, reviews: Reviews) -> None:
    """However many there are."""
    await guard.judge(READER)
    for number in range(1500):
        await guard.judge(f"Bearer {number}")
    reviews.asked.clear()
    assert await guard.judge(READER) is Verdict.ADMITTED
    assert reviews.asked == []


async def test_a_crowd_of_strangers_is_turned_away(guard: Guard, reviews: Reviews) -> None:
    """Whoever is known gets in meanwhile, and the rest does not pile up."""
    await guard.judge(READER)
    reviews.gate.clear()
    async with asyncio.TaskGroup() as group:
        crowd = [group.create_task(guard.judge(f"Bearer {number}")) for number in range(100)]
        await asyncio.sleep(0)
        assert await guard.judge(READER) is Verdict.ADMITTED
        reviews.gate.set()
    turned_away = sum(one.result() is Verdict.UNDECIDED for one in crowd)
    assert turned_away == 80


async def test_while_the_cluster_cannot_be_asked_nobody_new_gets_in(guard: Guard, reviews: Reviews) -> None:
    """And nothing is remembered of it."""
    reviews.away = True
    assert await guard.judge(READER) is Verdict.UNDECIDED
    reviews.away = False
    assert await guard.judge(READER) is Verdict.ADMITTED
