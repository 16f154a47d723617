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
"""Questions under way."""
_WAITING: Final = 20
"""Requests that wait for their turn to be asked about; those beyond are turned away."""
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
        # Apart from each other, so that made-up tokens do not push out those of accounts.
        self._accounts, self._strangers = _Memory(clock), _Memory(clock)
        self._turns = asyncio.Semaphore(_AT_A_TIME)
        self._waiting = 0
        self._trouble = ""

    async def judge(self, authorization: str) -> Verdict:
        """What becomes of a request with the header ``Authorization: <authorization>``; "" for none."""
        if not authorization.lower().startswith(_SCHEME):
            return Verdict.UNKNOWN
        token = Sensitive(authorization[len(_SCHEME) :].strip())
        if not token.reveal() or not token.reveal().isascii():
            return Verdict.UNKNOWN
        name = hashlib.sha256(token.reveal().encode()).digest()
        if verdict := self._remembered(name):
            return verdict
        if self._waiting >= _WAITING:
            return Verdict.UNDECIDED
        self._waiting += 1
        try:
            async with self._turns:
                return self._remembered(name) or await self._decide(name, token)
        finally:
            self._waiting -= 1

    def _remembered(self, name: bytes) -> Verdict | None:
        return self._accounts.get(name) or self._strangers.get(name)

    async def _decide(self, name: bytes, token: Sensitive[str]) -> Verdict:
        try:
            verdict = await self._ask(token)
        except KubeError as exc:
            if str(exc) != self._trouble:
                self._trouble = str(exc)
                log.warning("cannot ask who may scrape metrics", error=self._trouble)
            return Verdict.UNDECIDED
        self._trouble = ""
        (self._strangers if verdict is Verdict.UNKNOWN else self._accounts).put(name, verdict)
        return verdict

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


class _Memory:
    """Verdicts by the hash of a token, for a while; the one used longest ago goes first."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._known: OrderedDict[bytes, tuple[Verdict, float]] = OrderedDict()

    def get(self, name: bytes) -> Verdict | None:
        verdict, until = self._known.get(name, (None, 0.0))
        if verdict is None or self._clock.monotonic() >= until:
            self._known.pop(name, None)
            return None
        self._known.move_to_end(name)
        return verdict

    def put(self, name: bytes, verdict: Verdict) -> None:
        self._known[name] = verdict, self._clock.monotonic() + _VALID
        while len(self._known) > _REMEMBERED:
            self._known.popitem(last=False)
