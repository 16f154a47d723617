"""One Vault server as all its users see it: a transport, a bound on requests in flight, and a breaker.

A server that does not answer must not hold more than a few of the operator's workers, and must not be asked by
hundreds of resources at once when it comes back (regressions R10, R11, R29).
"""

from asyncio import Lock
from collections.abc import AsyncIterator, Awaitable, Callable, Hashable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from enum import Enum
from typing import Final, TypeVar

from vso.base import Clock, RateLimit
from vso.sync.breaker import PROBE_INTERVAL, Breaker
from vso.sync.errors import ConnectionSuspended, Deferred, Throttled
from vso.sync.flight import Slots
from vso.sync.pace import Pace
from vso.sync.verdict import Known, Verdict, is_proper, judge
from vso.vault import RateLimited, Sealed, SealStatus, ServerFault, Transport, VaultError, seal_status

R = TypeVar("R")

FIRST_REQUESTS: Final = 4
"""Requests in flight until the server has answered once: a black hole costs no more workers than this."""
MAX_IN_FLIGHT: Final = 32
_PATIENCE: Final = 2.0
"""Seconds that a request waits for its turn before the resource is put off instead."""
_BUSY_RETRY: Final = 1.0
_SLOW: Final = 5.0


class Turn(Enum):
    """A change in what can be had from a server or a login."""

    DOWN = "down"
    TRIAL = "trial"
    """The server says that it is in order again: one request may prove it."""
    UP = "up"
    FADING = "fading"
    """The token that leases of the identity hang on ends, and cannot be kept."""
    DATED = "dated"
    """It is known until when that what the login was made with can be used."""


Witness = Callable[[Transport], Awaitable[object]]
"""A request that depends on no mount; its answer is not looked at."""
Observer = Callable[[Hashable, Turn], None]
"""Told the identity of the server, login or owner of leases, and what became of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What all requests to one server together may take (D28); a `rate` of 0 per second is none."""

    rate: RateLimit = field(default_factory=RateLimit)
    in_flight: int = MAX_IN_FLIGHT


class Server:
    """Sends requests through one transport; knows whether the server is in order.

    `witness` finds a request that depends on no mount, None if nobody is logged in to send it (see `verdict`).
    """

    def __init__(
        self,
        identity: Hashable,
        transport: Transport,
        *,
        timeout: float,
        clock: Clock,
        observer: Observer,
        limits: Limits = Limits(),
        witness: Callable[[], Witness | None] = lambda: None,
    ) -> None:
        self.identity = identity
        self.transport = transport
        self._timeout = timeout
        self._clock = clock
        self._observer = observer
        self._breaker = Breaker()
        self._most = limits.in_flight
        self._pace = Pace(limits.rate, now=clock.monotonic())
        self._slots = Slots(self._fewest)
        self._witness = witness
        self._questioning = Lock()
        self._vouched = self._last_answer = float("-inf")
        self._good: SealStatus | None = None
        self._fails_all_the_same = False
        """Whether the trial that followed the last good seal status was answered with a failure."""
        self._slow_until = float("-inf")
        self._users = 0
        self._retired = False
        self.closed = False
        """Whether its transport is closed, and requests are in vain."""

    @property
    def outage(self) -> Exception | None:
        """What is wrong with the server; None if nothing is known to be."""
        return self._breaker.outage

    def answered_since(self, instant: float) -> bool:
        """Whether the server gave a proper answer after the monotonic `instant`."""
        return self._last_answer >= instant

    def check(self) -> None:
        """Raise ConnectionSuspended if a request would not be let through now."""
        outage = self._breaker.outage
        if outage is None or self._breaker.may_try(self._clock.monotonic()):
            return
        raise ConnectionSuspended(str(outage), retry_in=PROBE_INTERVAL * 4, waits_for=self.identity, cause=outage)

    async def call(self, request: Callable[[Transport], Awaitable[R]], *, urgent: bool = False) -> R:
        """Run `request` as soon as there is a slot; one that is `urgent` does not count against the rate.

        Raises ConnectionSuspended while the server is out of order and Deferred while it is too slow to take more,
        both without sending anything; otherwise whatever `request` raises.
        """
        self.check()
        if not urgent:
            await self._take_turn()
        async with self.in_use():
            return await self._queued(request)

    @property
    def _fewest(self) -> int:
        return min(FIRST_REQUESTS, self._most)

    async def _take_turn(self) -> None:
        """Keep to the rate: a short wait is waited for, a longer one is the resource's own."""
        wait = self._pace.reserve(self._clock.monotonic(), patience=_PATIENCE)
        if wait > _PATIENCE:
            raise Throttled(
                "the connection's limit on requests per second is used up; this one is put off",
                retry_in=wait,
                waits_for=None,
                cause=TimeoutError(),
            )
        if wait > 0:
            await self._clock.sleep(wait)

    async def _queued(self, request: Callable[[Transport], Awaitable[R]]) -> R:
        if not await self._slots.acquire(_PATIENCE):
            raise Deferred(
                "Vault is slow to answer and has no room for another request; this one is put off",
                retry_in=_BUSY_RETRY,
                waits_for=self.identity,
                cause=TimeoutError(),
            )
        try:
            if not self._breaker.admit(self._clock.monotonic(), trial_seconds=self._timeout):
                self.check()
            return await self._judged(request)
        finally:
            self._slots.release()

    async def probe(self) -> SealStatus:
        """Ask for the seal status, past the breaker.

        A good answer ends an outage that only probes saw, and else lets one trial request through. While a server
        says that it is in order and fails all the same, the witness or the trial is all that it is asked. Raises
        VaultError if there is no answer; a sealed server is an answer.
        """
        status = self._good if self._fails_all_the_same else None
        self._fails_all_the_same = False
        async with self.in_use():
            if isinstance(self._breaker.outage, ServerFault) and (witness := self._witness()) is not None:
                if (error := await self._heard(witness)) is not None:
                    raise error
                status = None
            try:
                status = status or await seal_status(self.transport)
            except VaultError as exc:
                if exc.outage or isinstance(exc, ServerFault):
                    self._outage_began(exc, by_request=False)
                raise
        if not status.sealed and status.initialized:
            self._in_order(status)
        return status

    def inherit(self, other: "Server") -> None:
        """Take over what is known of the server from `other`, which reached it in another way."""
        self._breaker = other._breaker  # noqa: SLF001 - of the same class

    def retire(self) -> None:
        """Have the transport closed by the next user that ends while there is no other."""
        self._retired = True

    async def close(self) -> None:
        """Close the transport, but not before its users have done; idempotent.

        Does not wait for these: the last of them closes it. Requests made after that raise Unreachable.
        """
        self.retire()
        await self._close_if_idle()

    @asynccontextmanager
    async def in_use(self) -> AsyncIterator[None]:
        """Keep the transport open for the length of the context; a request is one by itself."""
        self._users += 1
        try:
            yield
        finally:
            self._users -= 1
            await self._close_if_idle()

    async def _close_if_idle(self) -> None:
        if self._retired and self._users == 0:
            self.closed = True
            await self.transport.close()

    async def _judged(self, request: Callable[[Transport], Awaitable[R]]) -> R:
        begun, trial = self._clock.monotonic(), self._breaker.outage is not None
        try:
            result = await request(self.transport)
        except VaultError as exc:
            if await self._is_outage(exc, begun):
                self._outage_began(exc, by_request=True)
                self._fails_all_the_same = trial and bool(exc.status) and not isinstance(exc, Sealed)
            elif is_proper(exc):
                self._answered()
            else:
                self._breaker.void_trial()
            raise
        except BaseException:
            self._breaker.void_trial()  # nothing was learned of the server
            raise
        self._answered()
        return result

    async def _is_outage(self, error: VaultError, begun: float) -> bool:
        """Whether `error`, of a request sent at `begun`, is the server's; noted in it, since only we can tell."""
        verdict = judge(error, begun, self._known)
        if verdict is Verdict.OPEN:
            async with self._questioning:
                verdict = judge(error, begun, self._known)
                if verdict is Verdict.OPEN:
                    verdict = await self._question()
        error.outage = verdict is Verdict.OUTAGE
        if isinstance(error, RateLimited) and not error.outage:
            # The quota may be that of one mount; if it is everybody's, fewer requests at a time keep to it.
            self._slots.limit = self._fewest
            self._slow_until = self._clock.monotonic() + max(_SLOW, _asked(error))
        return verdict is Verdict.OUTAGE

    @property
    def _known(self) -> Known:
        down = self._breaker.outage is not None
        return Known(down=down, answered=self._last_answer, vouched=self._vouched)

    async def _question(self) -> Verdict:
        """Have the witness tell; with nobody logged in there is none, and nobody who would be held back for nothing."""
        witness = self._witness()
        if witness is None:
            return Verdict.OUTAGE
        return Verdict.OWN if await self._heard(witness) is None else Verdict.OUTAGE

    async def _heard(self, witness: Witness) -> VaultError | None:
        """Ask `witness`; what it failed with, None after an answer as only a server in order gives."""
        try:
            await witness(self.transport)
        except VaultError as exc:
            if not is_proper(exc):
                self._outage_began(exc, by_request=True)
                return exc
        self._vouched = self._clock.monotonic()
        self._answered()
        return None

    def _answered(self) -> None:
        now = self._last_answer = self._clock.monotonic()
        if self._slots.limit < self._most and now >= self._slow_until:
            self._slots.limit = self._most
            self._slots.admit()
        if self._breaker.answered():
            self._observer(self.identity, Turn.UP)

    def _in_order(self, status: SealStatus) -> None:
        self._good = status
        if not self._breaker.needs_trial:
            if self._breaker.answered():
                self._observer(self.identity, Turn.UP)
        elif self._breaker.allow_trial(self._clock.monotonic()):
            self._observer(self.identity, Turn.TRIAL)
        elif self._breaker.trial_is_ignored(self._clock.monotonic()) and self._breaker.answered():
            self._observer(self.identity, Turn.UP)

    def _outage_began(self, error: VaultError, *, by_request: bool) -> None:
        self._slots.limit = self._fewest
        if self._breaker.failed(error, by_request=by_request, retry_at=self._clock.monotonic() + _asked(error)):
            self._observer(self.identity, Turn.DOWN)


def _asked(error: VaultError) -> float:
    """Seconds that the server asked to wait."""
    return error.retry_after or 0.0
