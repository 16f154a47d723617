"""An HTTP server on loopback that hands requests on to a real server, and can stop or change single ones.

`FaultProxy` disturbs a server as a whole; here one request among many is held before the server sees it, loses
its answer, or gets another one. Requests are told apart by method, by words of their target and of their body.
"""

import contextlib
import http.client
import http.server
import select
import ssl
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from types import TracebackType
from typing import Any, Final, Self
from urllib.parse import urlsplit

from testenv.certificates import Authority
from testenv.waiting import seconds, wait_for

_HOP: Final = {"connection", "transfer-encoding", "content-length", "keep-alive"}
_PATIENCE: Final = 60.0


@dataclass(frozen=True)
class Seen:
    """A request as it came; header names in lower case."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True)
class Reply:
    """An answer to a request; JSON unless told otherwise."""

    status: int
    body: bytes
    kind: str = "application/json"


class Where(Enum):
    """On which side of the server a request is held."""

    BEFORE = "the server does not see it"
    AFTER = "the server has done it, and its answer is lost"


@dataclass(eq=False)
class Rule:
    """What happens to the requests that match, of any method if it is "*"; `caught` are those it happened to.

    `given_up` tells for those held before the server after how many seconds the client let go.
    """

    method: str
    target: str
    body: str = ""
    times: int | None = None
    hold: Where | None = None
    answer: Reply | None = None
    change: Callable[[Reply], Reply] | None = None
    cut: bool = False
    caught: list[Seen] = field(default_factory=list)
    given_up: list[float] = field(default_factory=list)
    over: threading.Event = field(default_factory=threading.Event)

    def takes(self, seen: Seen) -> bool:
        """Whether it is for this request."""
        if self.over.is_set() or (self.times is not None and len(self.caught) >= self.times):
            return False
        return self.method in {"*", seen.method} and self.target in seen.target and self.body.encode() in seen.body

    def wait(self, timeout: float = 30) -> None:
        """Wait until a request was caught."""
        wait_for(lambda: bool(self.caught), what=f"{self.method} {self.target} to be caught", timeout=timeout)


class _Lost(Exception):
    """The client is to see a broken connection."""


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128
    gateway: "Gateway"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: broken connections are what this is for."""


class Gateway:
    """`with Gateway("http://127.0.0.1:8200") as gate: ...`; clients use `gate.url`.

    An https:// target needs its `authority`; towards clients it has a certificate of the same. `requests` are
    those that were seen so far.
    """

    def __init__(self, target: str, *, authority: Authority | None = None) -> None:
        parts = urlsplit(target)
        self.upstream = (parts.hostname or "", parts.port or 0)
        self.context = authority.context() if authority is not None else None
        self.requests: list[Seen] = []
        self._rules: list[Rule] = []
        self._lock = threading.Lock()
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.gateway = self
        if authority is not None:
            pair = authority.serving("gateway")
            ours = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
            ours.load_cert_chain(pair.certificate, pair.key)
            self._server.socket = ours.wrap_socket(self._server.socket, server_side=True, do_handshake_on_connect=False)
        self.url = f"{parts.scheme}://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.heal()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def add(self, rule: Rule) -> Rule:
        """Let `rule` apply from now on; the first that takes a request is the only one."""
        with self._lock:
            self._rules.append(rule)
        return rule

    def heal(self) -> None:
        """End all rules; the connections of held requests break."""
        with self._lock:
            rules, self._rules = self._rules, []
        for rule in rules:
            rule.over.set()

    def seen(self, method: str, target: str) -> list[Seen]:
        """The requests so far with this method and these words in their target."""
        return [one for one in list(self.requests) if one.method == method and target in one.target]

    def judge(self, seen: Seen) -> Rule | None:
        """Note a request; the rule for it."""
        with self._lock:
            self.requests.append(seen)
            found = next((one for one in self._rules if one.takes(seen)), None)
            if found is not None:
                found.caught.append(seen)
        return found


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def log_message(self, *_: Any) -> None:
        """Say nothing."""

    def _serve(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", "0")))
        seen = Seen(self.command, self.path, {name.lower(): value for name, value in self.headers.items()}, body)
        rule = self.server.gateway.judge(seen)
        try:
            self._apply(seen, rule)
        except (_Lost, OSError, http.client.HTTPException):
            self.close_connection = True
            with contextlib.suppress(OSError):
                self.connection.close()

    do_GET = do_PUT = do_POST = do_PATCH = do_DELETE = do_HEAD = _serve  # noqa: N815 -- names of the library

    def _apply(self, seen: Seen, rule: Rule | None) -> None:
        if rule is not None and rule.hold is Where.BEFORE:
            self._hold(rule)
            raise _Lost
        if rule is not None and rule.answer is not None:
            self._reply(rule.answer)
            return
        host, port = self.server.gateway.upstream
        context = self.server.gateway.context
        upstream = (
            http.client.HTTPSConnection(host, port, context=context)
            if context is not None
            else http.client.HTTPConnection(host, port)
        )
        with contextlib.closing(upstream):
            upstream.request(seen.method, seen.target, seen.body, dict(self.headers.items()))
            answer = upstream.getresponse()
            if rule is None and answer.chunked:
                self._stream(answer)
                return
            reply = Reply(answer.status, answer.read(), answer.getheader("content-type", "application/json"))
        if rule is not None and rule.hold is Where.AFTER:
            rule.over.wait(_PATIENCE)
            raise _Lost
        if rule is not None and rule.change is not None:
            reply = rule.change(reply)
        self._reply(reply, cut=rule is not None and rule.cut)

    def _hold(self, rule: Rule) -> None:
        begun = seconds()
        while seconds() - begun < _PATIENCE and not rule.over.is_set():
            # Who waits for an answer sends nothing, so what can be read is the end of the connection.
            if select.select([self.connection], [], [], 0.05)[0]:
                rule.given_up.append(seconds() - begun)
                return

    def _reply(self, reply: Reply, *, cut: bool = False) -> None:
        self.send_response(reply.status)
        self.send_header("Content-Type", reply.kind)
        self.send_header("Content-Length", str(len(reply.body)))
        self.end_headers()
        self.wfile.write(reply.body[: len(reply.body) // 2] if cut else reply.body)
        self.wfile.flush()
        if cut:
            raise _Lost

    def _stream(self, answer: http.client.HTTPResponse) -> None:
        self.send_response(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in _HOP:
                self.send_header(name, value)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        while data := answer.read1(65536):
            self.wfile.write(b"%x\r\n%b\r\n" % (len(data), data))
            self.wfile.flush()
        self.wfile.write(b"0\r\n\r\n")
        self.wfile.flush()
