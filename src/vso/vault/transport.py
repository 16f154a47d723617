"""The HTTP side of one connection: one call, one request, and one redirect at most.

Not for retries, back-off, limits or breakers: the operator owns them, above this layer, and decides by the
type of the error. What the answers mean is in `answer` (HTTP) and `failure` (none). Source: behaviour.md
section 2.3, regressions.md R36. VAULT_* variables of the environment have no effect; proxy variables have.
"""

import asyncio
import os
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass, field
from enum import Enum
from types import TracebackType
from typing import Any, Final, Self
from urllib.parse import urljoin, urlsplit

import aiohttp
import msgspec
from yarl import URL

from vso.base import Clock, Sensitive, proxy_for
from vso.vault.answer import Answer, Asked, judge, retry_after
from vso.vault.auth.method import ClientCertificate
from vso.vault.connection import Connection, check_header, is_within, tls_context
from vso.vault.errors import BadAnswer, RedirectRefused, Standby, Unreachable, VaultError
from vso.vault.failure import Lost, failure_of
from vso.vault.path import encode_target, normal_path
from vso.vault.response import Response

_REDIRECTS: Final = frozenset({301, 302, 307, 308})
_CONNECT_SECONDS: Final = 10.0  # TCP and TLS handshake; the reference allows 10 s for the latter
_IDLE_SECONDS: Final = 50.0  # below the 60 s after which common load balancers drop idle connections
_LARGEST: Final = 8 * 1024 * 1024  # bytes of an answer: a Secret holds 1 MiB, and JSON may escape each byte as six
_CHUNK: Final = 64 * 1024
_OK: Final = 200


class Null(Enum):
    """A body that is not absent, but JSON's ``null``: a write without parameters."""

    BODY = "null"


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """What goes with one request only.

    `namespace` is the Vault namespace, "" for none. `body` becomes JSON, None sends none; values may be
    `Sensitive`, which are sent in the clear and shown nowhere. `headers` never replace those of token and namespace.
    With `raw_key`, an answer that is no JSON of Vault's, such as a CA chain, counts as data with that one field.
    """

    token: Sensitive[str] | None = None
    namespace: str = ""
    body: Mapping[str, Any] | Null | None = field(default=None, repr=False)
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    raw_key: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class VaultRequestSeen:
    """One request as metrics see it: `status` is 0 and `error` the name of its type if no answer came."""

    method: str
    path: str
    status: int
    error: str
    seconds: float


_PLAIN: Final = Call()

_SCHEMES: Final = frozenset({("http", "http"), ("http", "https"), ("https", "https")})


class Transport:
    """Sends requests over one `Connection`; holds its pool of TCP connections until `close`.

    Creating one opens nothing, and raises InvalidConnection if the CA of `connection` is unusable.
    `observe` is told of each request once it is over, and must not raise. `environ` is read for proxies.
    `certificate` is shown to servers that ask for one.
    """

    def __init__(
        self,
        connection: Connection,
        *,
        user_agent: str,
        clock: Clock,
        observe: Callable[[VaultRequestSeen], None] | None = None,
        environ: Mapping[str, str] = os.environ,
        certificate: ClientCertificate | None = None,
    ) -> None:
        self._connection = connection
        self._user_agent = user_agent
        self._clock = clock
        self._observe = observe
        self._environ = environ
        # A plain address may redirect to https; without a CA of its own aiohttp's default context serves.
        secure = urlsplit(connection.base).scheme == "https" or connection.ca_pem != ""
        self._tls = tls_context(connection, certificate) if secure else None
        self._session: aiohttp.ClientSession | None = None
        self._closed = False

    @property
    def connection(self) -> Connection:
        """What it was made for."""
        return self._connection

    @property
    def clock(self) -> Clock:
        """Time, for those who reckon with what it fetched."""
        return self._clock

    def showing(self, certificate: ClientCertificate | None) -> AbstractAsyncContextManager["Transport"]:
        """A transport like this one that shows `certificate`, closed at the end; without one it is this very one.

        Raises MissingCredential if the certificate cannot be used.
        """
        if certificate is None:
            return nullcontext(self)
        return Transport(
            self._connection,
            user_agent=self._user_agent,
            clock=self._clock,
            observe=self._observe,
            environ=self._environ,
            certificate=certificate,
        )

    async def request(self, method: str, path: str, call: Call = _PLAIN) -> Response:
        """Send one request to ``/v1/<path>`` and return the answer; `path` is plain, not percent-encoded.

        Writes use ``PUT``. Raises InvalidPath before anything is sent, and else what `errors` draws: each
        HTTP status from 300 on is an error, and so is no complete answer within the connection's timeout.
        """
        path = normal_path(path)
        asked = Asked(method=method, path=path, namespace=call.namespace, secrets=_secrets(call))
        begun = self._clock.monotonic()
        status, error = 0, ""
        try:
            answer = await self._exchange(asked, call)
            status = answer.status
            return (call.raw_key and _raw(answer, asked, call.raw_key)) or judge(answer, asked)
        except VaultError as exc:
            error = type(exc).__name__
            raise
        finally:
            if self._observe is not None:
                seconds = self._clock.monotonic() - begun
                self._observe(VaultRequestSeen(method=method, path=path, status=status, error=error, seconds=seconds))

    async def close(self) -> None:
        """Close the connections; idempotent. Requests made later, or still under way, raise Unreachable."""
        self._closed = True
        if self._session is not None:
            await self._session.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def _exchange(self, asked: Asked, call: Call) -> Answer:
        """Send the request, and once more to where the answer redirects, all within one timeout."""
        if self._closed:
            raise Unreachable(f"{asked}: the connection to Vault has been closed", path=asked.path)
        headers, body = self._headers(call), _body(call)
        url = f"{self._connection.base}/v1/{encode_target(asked.path, call.query)}"
        try:
            async with asyncio.timeout(self._connection.timeout):
                answer = await self._send(asked, url, headers, body)
                if isinstance(answer, str):
                    target = _redirect(url, answer, asked, self._connection.permitted)
                    answer = await self._send(asked, target, headers, body)
        except (aiohttp.ClientError, OSError, UnicodeError) as exc:  # TimeoutError is an OSError
            raise failure_of(exc, self._connection, asked) from exc
        if isinstance(answer, str):
            raise Standby(f"{asked} was redirected more than once: no active node serves it", path=asked.path)
        return answer

    async def _send(self, asked: Asked, url: str, headers: Mapping[str, str], body: bytes | None) -> Answer | str:
        """Return the answer, or the Location of a redirect."""
        async with self._open(asked.method, url, headers, body) as response:
            location = response.headers.get("Location", "")
            if response.status in _REDIRECTS and location:
                return location
            return Answer(
                status=response.status,
                body=await _read(response, asked),
                retry_after=retry_after(response.headers.get("Retry-After"), self._clock.now()),
            )

    def _open(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes | None
    ) -> AbstractAsyncContextManager[aiohttp.ClientResponse]:
        if self._session is None:
            self._session = _session()
        return self._session.request(
            method,
            URL(url, encoded=True),
            headers=headers,
            data=body,
            allow_redirects=False,
            proxy=self._proxy(url),
            ssl=self._tls if self._tls is not None else True,
            server_hostname=self._connection.tls_server_name or None,
        )

    def _proxy(self, url: str) -> str | None:
        match self._connection.proxy:
            case "":
                return proxy_for(url, self._environ)
            case "none":
                return None
            case own:
                return own

    def _headers(self, call: Call) -> dict[str, str]:
        """Merge headers without regard to case: the connection's, the call's, then those that are ours."""
        ours = {"X-Vault-Request": "true", "User-Agent": self._user_agent}
        if call.token is not None:
            ours["X-Vault-Token"] = call.token.reveal()
        if call.namespace:
            ours["X-Vault-Namespace"] = call.namespace.strip("/")
        if call.body is not None:
            ours["Content-Type"] = "application/json"
        merged: dict[str, tuple[str, str]] = {}
        for layer in (self._connection.headers, call.headers, ours):
            merged.update({name.lower(): (name, value) for name, value in layer.items()})
        headers = dict(merged.values())
        for name, value in headers.items():
            check_header(name, value)
        return headers


def _session() -> aiohttp.ClientSession:
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(keepalive_timeout=_IDLE_SECONDS),
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_SECONDS),
        middlewares=(_send_once,),
        trust_env=False,
    )


async def _send_once(request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
    """Keep aiohttp from sending a PUT again after a lost connection: the first may have made a lease."""
    try:
        return await handler(request)
    except aiohttp.ClientConnectorError:
        raise
    except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as exc:
        raise Lost from exc


async def _read(response: aiohttp.ClientResponse, asked: Asked) -> bytes:
    body = bytearray()
    async for chunk in response.content.iter_chunked(_CHUNK):
        body += chunk
        if len(body) > _LARGEST:
            raise BadAnswer(f"the answer to {asked} is larger than {_LARGEST} bytes", path=asked.path)
    return bytes(body)


def _raw(answer: Answer, asked: Asked, key: str) -> Response | None:
    """The body of a good answer that is no JSON, as data with the one field `key`; else None."""
    if answer.status != _OK or not answer.body.strip() or answer.body.lstrip().startswith(b"{"):
        return None
    try:
        return Response(status=answer.status, data=Sensitive(msgspec.json.encode({key: answer.body.decode()})))
    except UnicodeDecodeError:
        raise BadAnswer(f"the answer to {asked} is no text: ask for the form in PEM", path=asked.path) from None


def _redirect(url: str, location: str, asked: Asked, permitted: tuple[str, ...]) -> str:
    """Return where to send the request again: it carries the token, so never from https to plain http."""
    try:
        target = urljoin(url, location)
        old, new = urlsplit(url), urlsplit(target)
        _ = new.port, URL(target, encoded=True)
    except ValueError as exc:
        raise RedirectRefused(f"{asked} is redirected to something that is no address", path=asked.path) from exc
    if (old.scheme, new.scheme) not in _SCHEMES or not new.hostname:
        raise RedirectRefused(
            f"{asked} is redirected from {old.scheme} to {new.scheme or 'nowhere'}, which is not followed: "
            "check the address of the connection and the server's api_addr",
            path=asked.path,
        )
    if permitted and not any(is_within(target, one) for one in permitted):
        raise RedirectRefused(
            f"{asked} is redirected to {new.scheme}://{new.hostname}, which is none of the addresses that this "
            "operator may reach (--allowed-vault-addresses)",
            path=asked.path,
        )
    return target


def _body(call: Call) -> bytes | None:
    match call.body:
        case None:
            return None
        case Null.BODY:
            return b"null"
        case body:
            return msgspec.json.encode(body, enc_hook=_reveal)


def _reveal(value: object) -> object:
    if isinstance(value, Sensitive):
        return value.reveal()
    raise NotImplementedError(f"{type(value).__name__} cannot be sent as JSON")


def _secrets(call: Call) -> tuple[str, ...]:
    """Texts that the server may echo and nobody may see: the token and the sensitive values of the body."""
    fields = {} if call.body is None or isinstance(call.body, Null) else call.body
    values = [call.token, *fields.values()]
    revealed = (value.reveal() for value in values if isinstance(value, Sensitive))
    return tuple(value for value in revealed if isinstance(value, str))
