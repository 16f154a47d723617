"""HTTP to one API server: connections, credentials, time limits, and errors in the terms of `errors`.

Knows no verbs of Kubernetes; those are in `client`.
"""

import asyncio
import base64
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from io import BytesIO
from typing import Final

import aiohttp
from yarl import URL

from vso.base import Clock, RateLimit, TokenBucket
from vso.kube.client_config import ClientConfig
from vso.kube.errors import ConnectionFailed, from_answer

CONNECTIONS: Final = 100
_UNLIMITED: Final = 0
# The API server drops idle connections after 90 s; with more patience than that a write meets a closed one.
KEEP_ALIVE: Final = 60.0
CONNECT_TIMEOUT: Final = 10.0
_REDIRECTION: Final = 300
_UNAUTHORIZED: Final = 401
_LARGE_BODY: Final = 2**20
NO_ANSWER: Final = "<error>"
"""Stands for the status of a request that got none, as dashboards for client-go know it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestSeen:
    """One request as metrics count it.

    `seconds` count to the head of the answer, `code` is `NO_ANSWER` if none came.
    """

    method: str
    verb: str
    resource: str
    code: str
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One request. `target` is path and query, encoded; `what` names it in errors.

    With `about_secret` the answer may echo what must not be seen.
    """

    method: str
    verb: str
    resource: str
    target: str
    what: str
    about_secret: bool = False
    accept: str = "application/json"
    body: bytes | None = None
    content_type: str = "application/json"

    @property
    def queues(self) -> bool:
        """Whether it may have to wait for a connection.

        A watch keeps its own for as long as it lasts, and leadership must not be lost to slow requests.
        """
        return self.verb != "watch" and self.resource != "leases"


class Transport:
    """Sends calls over a pool of at most `CONNECTIONS` connections, which opens at the first call.

    Calls that do not queue have connections beside it. Cancelling a call frees its connection. `close` may be called
    more than once; no call may follow it.
    """

    def __init__(
        self,
        config: ClientConfig,
        *,
        user_agent: str,
        clock: Clock,
        observe: Callable[[RequestSeen], None] | None,
        limit: RateLimit,
    ) -> None:
        self._config = config
        self._proxy, self._proxy_headers = _proxy(config.proxy)
        self._user_agent = user_agent
        self._clock = clock
        self._observe = observe
        self._bucket = TokenBucket(limit, now=clock.monotonic())
        self._sessions: dict[bool, aiohttp.ClientSession] = {}
        self._closed = False

    async def close(self) -> None:
        """Close all connections."""
        self._closed = True
        while self._sessions:
            _, session = self._sessions.popitem()
            await session.close()

    async def fetch(self, call: Call) -> bytes:
        """The whole body of a successful answer, within the time limit of the configuration.

        Raises ConnectionFailed and the family of ApiError.
        """
        limits = aiohttp.ClientTimeout(total=self._config.timeout, sock_connect=CONNECT_TIMEOUT)
        async with self.open(call, limits) as response:
            with _translated(call, self._config.server):
                return await response.read()

    async def stream(self, call: Call, *, seconds: float) -> AsyncGenerator[bytes, None]:
        """The body of a successful answer in chunks, as they come.

        Raises as `fetch` does; ConnectionFailed as well if the server has not ended the body after `seconds`.
        """
        limits = aiohttp.ClientTimeout(total=seconds, sock_connect=CONNECT_TIMEOUT, sock_read=seconds)
        async with self.open(call, limits) as response:
            chunks = response.content.iter_any()
            while True:
                with _translated(call, self._config.server):
                    chunk = await anext(chunks, b"")
                if not chunk:
                    return
                yield chunk

    @asynccontextmanager
    async def open(self, call: Call, limits: aiohttp.ClientTimeout) -> AsyncIterator[aiohttp.ClientResponse]:
        """A successful answer, its body unread.

        A 401 means that nothing was executed: credentials are read anew and the call is repeated once.
        """
        token = await self._config.token()
        response = await self._attempt(call, token, limits)
        if response.status == _UNAUTHORIZED:
            response.close()
            self._config.forget_token(token)
            response = await self._attempt(call, await self._config.token(), limits)
        async with response:
            if response.status >= _REDIRECTION:
                with _translated(call, self._config.server):
                    body = await response.read()
                raise from_answer(
                    response.status,
                    body,
                    what=call.what,
                    about_secret=call.about_secret,
                    retry_after=response.headers.get("Retry-After"),
                )
            yield response

    async def _attempt(self, call: Call, token: str | None, limits: aiohttp.ClientTimeout) -> aiohttp.ClientResponse:
        await self._take_turn(call)
        headers = {"Accept": call.accept}
        if call.body is not None:
            headers["Content-Type"] = call.content_type
        if token:
            headers["Authorization"] = f"Bearer {token}"
        started = self._clock.monotonic()
        code = NO_ANSWER
        try:
            with _translated(call, self._config.server):
                response = await self._pool(call).request(
                    call.method,
                    # Encoded already: names must reach the server as `Resource.path` wrote them.
                    URL(self._config.server + call.target, encoded=True),
                    headers=headers,
                    data=_payload(call.body),
                    timeout=limits,
                    proxy=self._proxy,
                    proxy_headers=self._proxy_headers,
                    # A redirect would carry the token to whoever is named there.
                    allow_redirects=False,
                )
            code = str(response.status)
        finally:
            self._report(call, code, started)
        return response

    async def _take_turn(self, call: Call) -> None:
        # Leadership must not be lost to a brake of our own.
        delay = 0.0 if call.resource == "leases" else self._bucket.reserve(self._clock.monotonic())
        if delay:
            try:
                await self._clock.sleep(delay)
            except asyncio.CancelledError:
                self._bucket.give_back()
                raise

    def _report(self, call: Call, code: str, started: float) -> None:
        if self._observe is not None:
            seconds = self._clock.monotonic() - started
            seen = RequestSeen(method=call.method, verb=call.verb, resource=call.resource, code=code, seconds=seconds)
            self._observe(seen)

    def _pool(self, call: Call) -> aiohttp.ClientSession:
        if self._closed:
            raise RuntimeError("the Kubernetes client is closed")
        if call.queues not in self._sessions:
            limit = CONNECTIONS if call.queues else _UNLIMITED
            self._sessions[call.queues] = _open_session(self._config, self._user_agent, limit=limit)
        return self._sessions[call.queues]


def _proxy(address: str | None) -> tuple[URL | None, dict[str, str] | None]:
    """The proxy without user and password, and the header that carries them."""
    if not address:
        return None, None
    url = URL(address)
    if not url.user:
        return url, None
    login = base64.b64encode(f"{url.user}:{url.password or ''}".encode()).decode()
    return url.with_user(None), {"Proxy-Authorization": f"Basic {login}"}


def _payload(body: bytes | None) -> bytes | BytesIO | None:
    # A large body goes out in pieces, so that the event loop lives on.
    return BytesIO(body) if body is not None and len(body) > _LARGE_BODY else body


def _open_session(config: ClientConfig, user_agent: str, *, limit: int) -> aiohttp.ClientSession:
    tls = config.ssl if config.ssl is not None else True
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=limit, keepalive_timeout=KEEP_ALIVE, ssl=tls),
        headers={"User-Agent": user_agent},
        cookie_jar=aiohttp.DummyCookieJar(),
        # The environment was read by `config`; aiohttp would look into ~/.netrc for passwords as well.
        trust_env=False,
    )


@contextmanager
def _translated(call: Call, server: str) -> Iterator[None]:
    try:
        yield
    except (aiohttp.ClientError, OSError) as exc:
        # Some of aiohttp's errors carry the request's headers, and thus the token: only the text goes on.
        raise ConnectionFailed(f"{call.what}: {_explain(exc)} (API server {server})") from None


# The first that fits counts, so the narrower classes come first.
_EXPLANATIONS: Final[tuple[tuple[type[Exception], str], ...]] = (
    (aiohttp.ClientConnectorCertificateError, "the certificate of the server is not trusted"),
    (aiohttp.ClientHttpProxyError, "the proxy refused"),
    (aiohttp.ClientProxyConnectionError, "cannot reach the proxy"),
    (aiohttp.ClientConnectorDNSError, "cannot resolve the host name"),
    (aiohttp.ClientSSLError, "TLS failed"),
    (aiohttp.ClientConnectorError, "cannot connect"),
    (TimeoutError, "no answer in time"),
    (aiohttp.ServerDisconnectedError, "the connection was cut before an answer came"),
    (aiohttp.ClientPayloadError, "the connection was cut in the middle of the answer"),
    (aiohttp.ClientResponseError, "the answer is no HTTP"),
    (OSError, "the connection failed"),
)


def _explain(exc: Exception) -> str:
    text = next((text for type_, text in _EXPLANATIONS if isinstance(exc, type_)), "the request failed")
    detail = _detail(exc)
    return f"{text}: {detail}" if detail else text


def _detail(exc: Exception) -> str:
    match exc:
        case aiohttp.ClientConnectorCertificateError():
            return getattr(exc.certificate_error, "verify_message", "") or str(exc.certificate_error)
        case aiohttp.ClientResponseError():
            return f"HTTP {exc.status}"
        case aiohttp.ClientConnectorError():
            return exc.os_error.strerror or str(exc.os_error)
        case OSError():
            return exc.strerror or ""
        case _:
            return ""
