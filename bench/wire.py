"""Many requests at once with as little of a client as possible; the yardstick, so it must cost next to nothing."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final, Self

import aiohttp
import msgspec

from testenv.waiting import Report

CONNECTIONS: Final = 100
"""As many requests in flight as the operator has workers by default."""
_FAILED: Final = 400
_TOLD_EVERY: Final = 10.0

Json = dict[str, Any]


class WireError(RuntimeError):
    """A server refused something that it must not refuse here."""


class Wire:
    """A pool of connections to one server; an async context manager."""

    def __init__(self, base: str, *, headers: Mapping[str, str], ca_pem: str = "") -> None:
        self._base = base
        tls = ssl.create_default_context(cadata=ca_pem) if ca_pem else True
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=CONNECTIONS + 10, ssl=tls),
            headers=headers,
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=120),
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._session.close()

    async def call(self, method: str, path: str, body: Json | None = None, *, content: str = "application/json") -> Any:
        """One request; the decoded answer. Raises WireError for a status of 400 and above."""
        data = None if body is None else msgspec.json.encode(body)
        async with self._session.request(method, self._base + path, data=data, headers={"Content-Type": content}) as at:
            answer = await at.read()
            if at.status >= _FAILED:
                raise WireError(f"{method} {path}: {at.status} {answer[:500]!r}")
        return msgspec.json.decode(answer) if answer else None

    async def patch(self, path: str, body: Json) -> Any:
        """A merge patch."""
        return await self.call("PATCH", path, body, content="application/merge-patch+json")

    @asynccontextmanager
    async def watch(self, path: str) -> AsyncIterator[AsyncIterator[Json]]:
        """The events of a watch, decoded; the first of them come for what exists already."""
        limits = aiohttp.ClientTimeout(total=None)
        async with self._session.get(self._base + path, timeout=limits) as response:
            yield _events(response)


async def _events(response: aiohttp.ClientResponse) -> AsyncIterator[Json]:
    async for line in response.content:
        yield msgspec.json.decode(line)


async def for_each(
    number: int, work: Callable[[int], Awaitable[object]], *, what: str = "", report: Report | None = None
) -> None:
    """Await `work(0)` to `work(number - 1)`, `CONNECTIONS` at a time; the first error ends it all.

    With `report` a line tells every ten seconds how far it is.
    """
    left = iter(range(number))
    done = 0
    errors: list[WireError] = []

    async def drain() -> None:
        nonlocal done
        for index in left:
            try:
                await work(index)
            except WireError as exc:
                errors.append(exc)
            if errors:
                return
            done += 1

    async def tell(to: Report) -> None:
        while True:
            await asyncio.sleep(_TOLD_EVERY)
            to(f"{what}: {done} of {number}")

    async with asyncio.TaskGroup() as group:
        teller = group.create_task(tell(report)) if report else None
        async with asyncio.TaskGroup() as workers:
            for _ in range(min(CONNECTIONS, number)):
                workers.create_task(drain())
        if teller:
            teller.cancel()
    if errors:
        raise errors[0]
