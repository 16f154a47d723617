"""Who may scrape metrics: whoever the cluster lets `get` the path, as told by its token (operations.md section 1.8).

Asks the API server with a TokenReview and a SubjectAccessReview, and remembers the verdict for a minute.
"""

import asyncio
import hashlib
from collections import OrderedDict
from enum import Enum
from http import HTTPStatus
from typing import Final

import structlog

from vso.apis import core
from vso.base import Clock, Sensitive
from vso.kube import Client, KubeError

_VALID: Final = 60.0
"""Seconds for which a verdict holds; whoever loses the right to scrape keeps it so much longer."""
_REMEMBERED: Final = 1000
_AT_A_TIME: Final = 4
"""Questions under way; whoever has no token that is known waits behind them."""
_SCHEME: Final = "bearer "
log = structlog.get_logger("metrics")


class Verdict(Enum):
    """What becomes of a request; the values are HTTP statuses."""

    ADMITTED = HTTPStatus.OK
    UNKNOWN = HTTPStatus.UNAUTHORIZED
    REFUSED = HTTPStatus.FORBIDDEN
    UNDECIDED = HTTPStatus.SERVICE_UNAVAILABLE
    """The API server could not be asked."""


class Guard:
    """Judges requests to `path`."""

    def __init__(self, client: Client, *, path: str, clock: Clock) -> None:
        self._client = client
        self._path = path
        self._clock = clock
        self._known: OrderedDict[bytes, tuple[Verdict, float]] = OrderedDict()
        self._turns = asyncio.Semaphore(_AT_A_TIME)

    async def judge(self, authorization: str) -> Verdict:
        """What becomes of a request with the header ``Authorization: <authorization>``; "" for none."""
        if not authorization.lower().startswith(_SCHEME):
            return Verdict.UNKNOWN
        token = Sensitive(authorization[len(_SCHEME) :].strip())
        name = hashlib.sha256(token.reveal().encode()).digest()
        if verdict := self._remembered(name):
            return verdict
        async with self._turns:
            if verdict := self._remembered(name):
                return verdict
            try:
                verdict = await self._ask(token)
            except KubeError as exc:
                log.warning("cannot ask who may scrape metrics", error=str(exc))
                return Verdict.UNDECIDED
        self._known[name] = verdict, self._clock.monotonic() + _VALID
        while len(self._known) > _REMEMBERED:
            self._known.popitem(last=False)
        return verdict

    def _remembered(self, name: bytes) -> Verdict | None:
        verdict, until = self._known.get(name, (None, 0.0))
        return verdict if self._clock.monotonic() < until else None

    async def _ask(self, token: Sensitive[str]) -> Verdict:
        review = core.TokenReview(spec=core.TokenReviewSpec(token=token.reveal()))
        answer = await self._client.create(core.TOKEN_REVIEW, review)
        if not answer.status.authenticated:
            return Verdict.UNKNOWN
        user = answer.status.user
        access = core.SubjectAccessReview(
            spec=core.SubjectAccessReviewSpec(
                user=user.username,
                uid=user.uid,
                groups=user.groups,
                extra=user.extra,
                non_resource_attributes=core.NonResourceAttributes(path=self._path, verb="get"),
            )
        )
        allowed = (await self._client.create(core.SUBJECT_ACCESS_REVIEW, access)).status.allowed
        return Verdict.ADMITTED if allowed else Verdict.REFUSED
