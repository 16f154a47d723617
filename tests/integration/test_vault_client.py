"""The Vault client against a real OpenBao, and against what may stand before one."""

import asyncio
import base64
import contextlib
import json
import ssl
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from testenv import OpenBao
from testenv.certificates import Authority
from testenv.port import free_port
from tests.support.forward import forward_proxy
from vso.base import Sensitive, SystemClock
from vso.vault import (
    BadAnswer,
    Call,
    Connection,
    Deleted,
    Denied,
    Invalid,
    InvalidConnection,
    KvRequest,
    KvSecret,
    KvType,
    LoginRefused,
    LoginRequest,
    Mounted,
    NoData,
    NotFound,
    RateLimited,
    RedirectRefused,
    Refusal,
    Sealed,
    ServerFault,
    Standby,
    TimedOut,
    TLSFailed,
    TokenLife,
    Transport,
    Unreachable,
    VaultRequestSeen,
    WrongEngine,
    capabilities_self,
    login,
    lookup_self,
    mounted_at,
    read_kv,
    renew_self,
    revoke_self,
    seal_status,
    takes_logins,
)

CLOCK = SystemClock()
ROOT = Sensitive("root")
HOST = "vault.test.internal"


@pytest.fixture(scope="module")
def bao() -> Iterator[OpenBao]:
    """One server for the module; each test makes mounts of its own."""
    with OpenBao() as server:
        server.admin.enable_kv("one", version=1)
        server.admin.enable_kv("two", version=2)
        yield server


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """A private CA."""
    return Authority.create(tmp_path_factory.mktemp("pki"), name="vault-client")


def transport_to(address: str, **fields: Any) -> Transport:
    """Open a transport without proxies; `fields` are those of the connection."""
    return Transport(Connection(address=address, **fields), user_agent="vso/test", clock=CLOCK, environ={})


@pytest.fixture
async def transport(bao: OpenBao) -> AsyncIterator[Transport]:
    """A transport straight to the server."""
    async with transport_to(bao.address) as straight:
        yield straight


async def read(transport: Transport, path: str, **fields: Any) -> KvSecret:
    """Read ``one/...`` as kv-v1 and ``two/...`` as kv-v2 unless `type` says otherwise."""
    mount, _, rest = path.partition("/")
    type_ = fields.pop("type", KvType.V1 if mount == "one" else KvType.V2)
    token, namespace = fields.pop("token", ROOT), fields.pop("namespace", "")
    request = KvRequest(mount=mount, path=rest, type=type_, **fields)
    return await read_kv(transport, request, token=token, namespace=namespace)


@dataclass
class Front:
    """A server before OpenBao: records each request and answers from `script`, then passes on."""

    upstream: str
    url: str = ""
    script: list[web.Response] = field(default_factory=list)
    seen: list[web.BaseRequest] = field(default_factory=list)
    names: list[str] = field(default_factory=list)

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        self.seen.append(request)
        body = await request.read()
        if self.script:
            return self.script.pop(0)
        async with (
            aiohttp.ClientSession(trust_env=False) as session,
            session.request(
                request.method, self.upstream + request.raw_path, headers=request.headers, data=body or None
            ) as answer,
        ):
            return web.Response(status=answer.status, body=await answer.read())

    def header(self, name: str) -> list[str | None]:
        """The values of one header, over all requests."""
        return [request.headers.get(name) for request in self.seen]


@contextlib.asynccontextmanager
async def front(upstream: str, tls: ssl.SSLContext | None = None) -> AsyncIterator[Front]:
    """Run a `Front` on a free port."""
    it = Front(upstream)
    runner = web.ServerRunner(web.Server(it.handle))
    await runner.setup()
    port = free_port()
    if tls is not None:
        tls.sni_callback = lambda _sock, name, _context: it.names.append(name or "")
    await web.TCPSite(runner, "127.0.0.1", port, ssl_context=tls).start()
    it.url = f"{'https' if tls else 'http'}://127.0.0.1:{port}"
    try:
        yield it
    finally:
        await runner.cleanup()


def serving(authority: Authority, name: str = HOST) -> ssl.SSLContext:
    """A server's TLS context with a certificate for loopback and `name`."""
    pair = authority.serving(name, hosts=[name])
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(pair.certificate, pair.key)
    return context


@contextlib.asynccontextmanager
async def raw_server(answer: bytes, *, close: bool) -> AsyncIterator[tuple[str, list[bytes]]]:
    """Listen, read a request, write `answer`, then close or stay silent; yields URL and requests."""
    seen: list[bytes] = []
    stop = asyncio.Event()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            seen.append(await reader.readuntil(b"\r\n\r\n"))
            writer.write(answer)
            await writer.drain()
            if not close:
                await stop.wait()
        writer.close()

    port = free_port()
    server = await asyncio.start_server(handle, "127.0.0.1", port)
    try:
        yield f"http://127.0.0.1:{port}", seen
    finally:
        stop.set()
        server.close()
        await server.wait_closed()


async def test_kv_v1_is_read_with_its_number_literals(bao: OpenBao, transport: Transport) -> None:
    """What comes out is what was written, byte for byte."""
    bao.admin.put_kv("one", "literals", {"big": 12345678901234567890123, "float": 1.0})
    secret = await read(transport, "one/literals")
    assert secret.data.reveal() == b'{"big":12345678901234567890123,"float":1.0}'
    assert secret.raw == secret.data
    assert secret.metadata is None


async def test_kv_v2_is_read_with_its_metadata(bao: OpenBao, transport: Transport) -> None:
    """`raw` holds fields and metadata, `data` the fields alone."""
    bao.admin.put_kv("two", "a%20b/c%3Fd%25", {"x": "1"})
    secret = await read(transport, "two/a b//c?d%/")
    assert secret.data.reveal() == b'{"x":"1"}'
    assert secret.raw.reveal().startswith(b'{"data":{"x":"1"},"metadata":{')
    assert secret.metadata is not None
    assert secret.version == 1


async def test_a_pinned_version_is_read(bao: OpenBao, transport: Transport) -> None:
    """And a version that does not exist is named."""
    for value in "12":
        bao.admin.put_kv("two", "pinned", {"x": value})
    assert (await read(transport, "two/pinned", version=1)).data.reveal() == b'{"x":"1"}'
    assert (await read(transport, "two/pinned")).version == 2
    with pytest.raises(NotFound, match='version 9 of "two/data/pinned" does not exist'):
        await read(transport, "two/pinned", version=9)


async def test_deleted_and_destroyed_versions_are_told_apart_from_missing_ones(
    bao: OpenBao, transport: Transport
) -> None:
    """R22: never a success with nothing in it."""
    for value in "12":
        bao.admin.put_kv("two", "gone", {"x": value})
    bao.admin.delete("two/data/gone")
    with pytest.raises(Deleted, match='version 2 of "two/data/gone" was deleted at 20') as deleted:
        await read(transport, "two/gone")
    assert (deleted.value.version, deleted.value.destroyed) == (2, False)
    bao.admin.write("two/destroy/gone", {"versions": [2]})
    with pytest.raises(Deleted, match="was destroyed") as destroyed:
        await read(transport, "two/gone", version=2)
    assert destroyed.value.destroyed
    bao.admin.delete("two/metadata/gone")
    with pytest.raises(NotFound) as missing:
        await read(transport, "two/gone")
    assert type(missing.value) is NotFound


async def test_an_empty_secret_is_a_secret(bao: OpenBao, transport: Transport) -> None:
    """R23(b): `data: {}` syncs."""
    bao.admin.put_kv("two", "empty", {})
    assert (await read(transport, "two/empty")).data.reveal() == b"{}"


@pytest.mark.parametrize(
    ("path", "status", "body"),
    [
        ("one/x", 200, '{"request_id":"1","data":null}'),
        ("two/x", 200, '{"request_id":"1","data":null}'),
        ("two/x", 200, '{"request_id":"1","data":{"data":null,"metadata":{"version":1}}}'),
        ("two/x", 200, ""),
        ("one/x", 204, ""),
    ],
)
async def test_a_success_without_data_is_an_error(bao: OpenBao, path: str, status: int, body: str) -> None:
    """R23(b): null data and no body keep the last good data."""
    async with front(bao.address) as before, transport_to(before.url) as through:
        before.script = [web.Response(status=status, text=body)]
        with pytest.raises(NoData, match="empty response from Vault, path="):
            await read(through, path)


async def test_the_wrong_engine_version_is_explained(bao: OpenBao, transport: Transport) -> None:
    """Corrections I4: no Secret with nothing but `_raw` = null."""
    bao.admin.put_kv("two", "engine", {"x": "1"})
    bao.admin.put_kv("one", "engine", {"x": "1"})
    bao.admin.put_kv("one", "data/shadow", {"x": "1"})
    with pytest.raises(WrongEngine, match="set the type to kv-v2"):
        await read(transport, "two/engine", type=KvType.V1)
    with pytest.raises(NotFound, match="set the type to kv-v1"):
        await read(transport, "one/engine", type=KvType.V2)
    with pytest.raises(WrongEngine, match="set the type to kv-v1"):
        await read(transport, "one/shadow", type=KvType.V2)


async def test_what_is_missing_is_named(transport: Transport) -> None:
    """A missing mount is another fault than a missing secret."""
    with pytest.raises(NotFound, match="mount and namespace"):
        await read(transport, "nomount/x")
    with pytest.raises(NotFound, match='"one/missing"'):
        await read(transport, "one/missing")
    with pytest.raises(NotFound, match=r'namespace "nowhere".*check the Vault namespace'):
        await read(transport, "one/missing", namespace="nowhere")


async def test_the_namespace_of_each_call_counts(bao: OpenBao, transport: Transport) -> None:
    """R38: the same path in three namespaces is three secrets."""
    outer = bao.admin.create_namespace("a")
    inner = outer.create_namespace("b")
    for admin, value in ((outer, "outer"), (inner, "inner")):
        admin.enable_kv("one", version=1)
        admin.put_kv("one", "where", {"x": value})
    bao.admin.put_kv("one", "where", {"x": "root"})
    read_in = {ns: (await read(transport, "one/where", namespace=ns)).data.reveal() for ns in ("", "a", "a/b", "/a/b/")}
    assert list(read_in.values()) == [b'{"x":"root"}', b'{"x":"outer"}', b'{"x":"inner"}', b'{"x":"inner"}']


async def test_a_token_without_policy_is_denied(bao: OpenBao, transport: Transport) -> None:
    """And so is one that is not known; neither is shown."""
    token = bao.admin.create_token("default")
    for bad in (token, "s.000000000000000000000000"):
        with pytest.raises(Denied, match="permission denied") as caught:
            await read(transport, "two/denied", token=Sensitive(bad))
        assert bad not in str(caught.value)
        assert not caught.value.transient


async def test_what_a_token_may_do_and_see_is_told(bao: OpenBao, transport: Transport) -> None:
    """Capabilities at a path, and the mount there; what it may not see looks like what is not there."""
    bao.admin.enable_kv("seen", version=2)
    bao.admin.policy("seer", 'path "seen/data/*" { capabilities = ["read", "update"] }')
    token = Sensitive(bao.admin.create_token("seer"))
    assert set(await capabilities_self(transport, "seen/data/x", token=token)) == {"read", "update"}
    assert await capabilities_self(transport, "secret/data/x", token=token) == ("deny",)
    assert await mounted_at(transport, "seen/data/x", token=token) == Mounted("seen/", "kv", "2")
    assert await mounted_at(transport, "hidden/data/x", token=token) is None


async def test_whether_a_mount_takes_logins_shows_without_a_token(bao: OpenBao, transport: Transport) -> None:
    """By how it refuses to be read."""
    bao.admin.enable("auth", "doors", engine="kubernetes")
    assert await takes_logins(transport, "doors")
    assert not await takes_logins(transport, "walls")


async def test_a_token_is_looked_up_renewed_and_revoked(bao: OpenBao, transport: Transport) -> None:
    """The three calls that a token makes for itself."""
    token = Sensitive(bao.admin.create_token("default", ttl="60s"))
    status = await lookup_self(transport, token)
    assert status.renewable
    assert 50 < status.ttl <= 60
    issued = CLOCK.monotonic()
    auth = await renew_self(transport, token)
    life = TokenLife.of(auth, issued)
    assert life.renew_at == pytest.approx(issued + 40)
    await revoke_self(transport, token)
    with pytest.raises(Denied):
        await lookup_self(transport, token)
    with pytest.raises(Denied):
        await renew_self(transport, token)


async def test_the_root_token_never_ends(transport: Transport) -> None:
    """A ttl of 0; and its renewal is refused as invalid, not as denied."""
    assert (await lookup_self(transport, ROOT)).ttl == 0
    with pytest.raises(Invalid, match="not renewable"):
        await renew_self(transport, ROOT)


async def test_a_refused_login_says_what_was_sent(bao: OpenBao, transport: Transport) -> None:
    """D37: the claims of the token, never the token."""
    claims = {"aud": ["other"], "iss": "https://issuer", "sub": "system:serviceaccount:ns:sa", "exp": 1}
    body = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
    jwt = f"eyJhbGciOiJub25lIn0.{body}.c2lnbmF0dXJl"
    payload = LoginRequest(body={"role": "nobody", "jwt": Sensitive(jwt)})
    with pytest.raises(LoginRefused) as missing:
        await login(transport, "nomount", payload)
    assert missing.value.reason in {Refusal.MOUNT, Refusal.PERMISSION, Refusal.EXPIRED}
    bao.admin.enable("auth", "kubernetes", engine="kubernetes")
    with pytest.raises(LoginRefused, match="nobody") as caught:
        await login(transport, "kubernetes", payload)
    assert caught.value.reason is Refusal.ROLE
    assert 'audience "other", issuer "https://issuer"' in str(caught.value)
    assert "expired at 1970-01-01T00:00:01Z" in caught.value.hint
    assert body not in str(caught.value)


async def test_a_login_that_brings_no_token_is_refused(bao: OpenBao) -> None:
    """An answer of another shape is no success."""
    async with front(bao.address) as before, transport_to(before.url) as through:
        before.script = [web.json_response({"request_id": "1", "auth": None, "data": {"x": 1}})]
        with pytest.raises(LoginRefused, match="without a token"):
            await login(through, "kubernetes", LoginRequest())


async def test_every_call_carries_what_the_connection_says(bao: OpenBao, authority: Authority) -> None:
    """R36: headers, User-Agent, CA and server name on login, renewal, look-up, read and seal status."""
    bao.admin.enable("auth", "front", engine="userpass")
    bao.admin.write("auth/front/users/login", {"password": "hunter2hunter2", "token_policies": "default"})
    bao.admin.put_kv("one", "front", {"x": "1"})
    async with front(bao.address, serving(authority)) as before:
        connection = Connection(
            address=f"{before.url}/",
            headers={"X-Gateway": "key", "x-vault-token": "of the connection", "user-agent": "theirs"},
            ca_pem=f"# Grüße\n{authority.pem}",
            tls_server_name=HOST,
        )
        async with Transport(connection, user_agent="vso/9", clock=CLOCK, environ={}) as through:
            path, login_headers = "auth/front/login/login", {"X-Only-Login": "1"}
            call = Call(body={"password": Sensitive("hunter2hunter2")}, headers=login_headers)
            auth = (await through.request("PUT", path, call)).auth
            assert auth is not None
            token = auth.client_token
            await renew_self(through, token)
            await lookup_self(through, token)
            await read(through, "one/front")
            await seal_status(through)
            await revoke_self(through, token)
    assert before.header("X-Gateway") == ["key"] * 6
    assert before.header("User-Agent") == ["vso/9"] * 6
    assert before.header("X-Vault-Request") == ["true"] * 6
    assert before.header("X-Only-Login") == ["1", None, None, None, None, None]
    mine = token.reveal()
    theirs = "of the connection"
    assert before.header("X-Vault-Token") == [theirs, mine, mine, "root", theirs, mine]
    assert before.header("X-Vault-Namespace") == [None] * 6
    assert [request.method for request in before.seen] == ["PUT", "PUT", "GET", "GET", "GET", "PUT"]
    assert set(before.names) == {HOST}


async def test_a_prefix_in_the_address_is_honoured(bao: OpenBao) -> None:
    """Before the ``/v1``, as for gateways."""
    async with front(bao.address) as before, transport_to(f"{before.url}/team/vault/") as through:
        before.script = [web.json_response({"data": {"x": 1}})]
        await read(through, "one/a b")
    assert before.seen[0].raw_path == "/team/vault/v1/one/a%20b"


async def test_a_certificate_that_is_not_trusted_is_named(bao: OpenBao, authority: Authority, tmp_path: Path) -> None:
    """Another CA, another name: each says what to check; skipping verification helps against both."""
    other = Authority.create(tmp_path / "other", name="other")
    async with front(bao.address, serving(authority)) as before:
        async with transport_to(before.url, ca_pem=other.pem) as through:
            with pytest.raises(TLSFailed, match=r"not trusted: .*check the CA certificate") as caught:
                await seal_status(through)
            assert caught.value.outage
        async with transport_to(before.url) as through:
            with pytest.raises(TLSFailed, match="check the CA certificate"):
                await seal_status(through)
        async with transport_to(before.url, ca_pem=authority.pem, tls_server_name="wrong.name") as through:
            with pytest.raises(TLSFailed, match=r"another name: .*wrong\.name.*TLS server name"):
                await seal_status(through)
        async with transport_to(before.url, ca_pem=other.pem + authority.pem) as through:
            assert not (await seal_status(through)).sealed
        async with transport_to(before.url, skip_tls_verify=True, tls_server_name="wrong.name") as through:
            assert not (await seal_status(through)).sealed
    assert before.names[-1] == "wrong.name"


async def test_the_server_s_own_certificate_can_be_the_anchor(bao: OpenBao, authority: Authority) -> None:
    """As with Go's clients, any certificate given is trusted."""
    pair = authority.serving("anchor")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(pair.certificate, pair.key)
    async with (
        front(bao.address, context) as before,
        transport_to(before.url, ca_pem=pair.certificate.read_text()) as through,
    ):
        assert (await seal_status(through)).initialized


async def test_old_tls_is_refused(bao: OpenBao, authority: Authority) -> None:
    """TLS 1.2 is the least."""
    context = serving(authority)
    context.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        context.minimum_version = ssl.TLSVersion.TLSv1_1
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    async with (
        front(bao.address, context) as before,
        transport_to(before.url, ca_pem=authority.pem) as through,
    ):
        with pytest.raises(Unreachable, match="TLS handshake"):
            await seal_status(through)


async def test_mixed_up_schemes_are_explained(bao: OpenBao, authority: Authority) -> None:
    """HTTPS to a plain port, and HTTP to a TLS port of a real server."""
    async with transport_to(bao.address.replace("http:", "https:"), ca_pem=authority.pem) as through:
        with pytest.raises(TLSFailed, match="does the server speak TLS"):
            await seal_status(through)
    with OpenBao(tls=True) as secured:
        async with transport_to(secured.address.replace("https:", "http:")) as through:
            with pytest.raises(TLSFailed, match="must begin with https://"):
                await seal_status(through)
        async with transport_to(secured.address, ca_pem=secured.ca_pem) as through:
            assert (await seal_status(through)).initialized


async def test_a_closed_port_and_an_unknown_name_are_outages() -> None:
    """And the messages name the address."""
    for address, text in [
        (f"http://127.0.0.1:{free_port()}", "cannot connect: .*refused"),
        ("http://vault.invalid:8200", 'host name "vault.invalid" is not known'),
    ]:
        async with transport_to(address) as through:
            with pytest.raises(Unreachable, match=text) as caught:
                await seal_status(through)
        assert (caught.value.transient, caught.value.outage) == (True, True)
        assert address in str(caught.value)


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"])
async def test_a_silent_server_is_given_up_after_the_timeout(answer: bytes) -> None:
    """R36: the timeout covers the whole answer, also one that has begun."""
    async with raw_server(answer, close=False) as (url, seen), transport_to(url, timeout=0.5) as through:
        begun = CLOCK.monotonic()
        with pytest.raises(TimedOut, match=r"no answer within the timeout of 0\.5 s") as caught:
            await seal_status(through)
        assert 0.4 < CLOCK.monotonic() - begun < 1.5
        assert caught.value.outage
        assert len(seen) == 1


@pytest.mark.parametrize("method", ["GET", "PUT"])
async def test_a_cut_connection_is_reported_and_nothing_is_sent_again(method: str) -> None:
    """A second PUT could make a second lease; retries are the operator's."""
    async with raw_server(b"", close=True) as (url, seen), transport_to(url) as through:
        with pytest.raises(Unreachable, match="lost before the answer"):
            await through.request(method, "database/creds/x", Call(body={"a": 1} if method == "PUT" else None))
        assert len(seen) == 1


@pytest.mark.parametrize("answer", [b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{", b"SSH-2.0-OpenSSH_9.6\r\n\r\n"])
async def test_a_broken_answer_is_an_error_of_the_tree(answer: bytes) -> None:
    """Half an answer, or none of HTTP."""
    async with raw_server(answer, close=True) as (url, _), transport_to(url) as through:
        with pytest.raises((Unreachable, BadAnswer)):
            await seal_status(through)


async def test_something_else_at_the_address_is_noticed(bao: OpenBao) -> None:
    """A web server is no Vault, whatever it answers."""
    async with front(bao.address) as before, transport_to(before.url) as through:
        for text in ("<html></html>", "{}", '{"hello":"world"}', ""):
            before.script = [web.Response(text=text)]
            with pytest.raises(BadAnswer):
                await seal_status(through)


@pytest.mark.parametrize(
    ("status", "headers", "type_", "wait"),
    [
        (429, {"Retry-After": "7"}, RateLimited, 7.0),
        (429, {}, RateLimited, None),
        (503, {"Retry-After": "3"}, ServerFault, 3.0),
        (502, {}, ServerFault, None),
    ],
)
async def test_retry_after_is_handed_on(
    bao: OpenBao, status: int, headers: Mapping[str, str], type_: type[ServerFault], wait: float | None
) -> None:
    """Once, without a retry of our own."""
    async with front(bao.address) as before, transport_to(before.url) as through:
        before.script = [web.Response(status=status, headers=headers)]
        with pytest.raises(type_) as caught:
            await read(through, "one/x")
        assert caught.value.retry_after == wait
        assert len(before.seen) == 1


@pytest.mark.parametrize("status", [301, 302, 307, 308])
async def test_one_redirect_is_followed_with_method_body_and_token(bao: OpenBao, status: int) -> None:
    """A standby node sends to the active one."""
    async with front(bao.address) as standby, front(bao.address) as active, transport_to(standby.url) as through:
        target = f"{active.url}/v1/one/redirected"
        standby.script = [web.Response(status=status, headers={"Location": target})]
        await through.request("PUT", "one/redirected", Call(token=ROOT, body={"x": "1"}))
        assert active.header("X-Vault-Token") == ["root"]
        assert [request.method for request in active.seen] == ["PUT"]
    assert bao.admin.read("one/redirected")["data"] == {"x": "1"}


async def test_a_second_redirect_is_not_followed(bao: OpenBao) -> None:
    """Nodes that point at one another have no active one."""
    async with front(bao.address) as before, transport_to(before.url) as through:
        before.script = [web.Response(status=307, headers={"Location": "/v1/one/x"}) for _ in range(2)]
        with pytest.raises(Standby, match="redirected more than once"):
            await read(through, "one/x")
        assert len(before.seen) == 2


async def test_the_token_never_goes_from_https_to_plain_http(bao: OpenBao, authority: Authority) -> None:
    """A redirect that would uncover the token is refused."""
    async with front(bao.address) as plain, front(bao.address, serving(authority)) as secure:
        secure.script = [web.Response(status=307, headers={"Location": f"{plain.url}/v1/one/x"})]
        async with transport_to(secure.url, ca_pem=authority.pem) as through:
            with pytest.raises(RedirectRefused):
                await read(through, "one/x")
        assert plain.seen == []


@pytest.mark.parametrize("location", ["http://[::1", "http://[::1]x/v1/x", "http://vault.invalid:99999/v1/x"])
async def test_a_redirect_to_nonsense_is_refused(bao: OpenBao, location: str) -> None:
    """And not a bug of ours."""
    async with front(bao.address) as before, transport_to(before.url) as through:
        before.script = [web.Response(status=307, headers={"Location": location})]
        with pytest.raises(RedirectRefused, match="no address"):
            await read(through, "one/x")


async def test_a_redirect_from_plain_http_to_https_is_followed(bao: OpenBao, authority: Authority) -> None:
    """As a load balancer does that knows no plain HTTP."""
    bao.admin.write("one/redirected", {"x": "2"})
    async with front(bao.address) as plain, front(bao.address, serving(authority)) as secure:
        plain.script = [web.Response(status=307, headers={"Location": f"{secure.url}/v1/one/redirected"})]
        async with transport_to(plain.url, ca_pem=authority.pem) as through:
            await read(through, "one/redirected")
        assert len(secure.seen) == 1


async def test_a_redirect_counts_towards_the_timeout(bao: OpenBao) -> None:
    """One deadline for both requests."""
    async with (
        raw_server(b"", close=False) as (url, _),
        front(bao.address) as before,
        transport_to(before.url, timeout=0.5) as through,
    ):
        before.script = [web.Response(status=307, headers={"Location": f"{url}/v1/one/x"})]
        with pytest.raises(TimedOut):
            await read(through, "one/x")


async def test_a_proxy_of_the_environment_is_used(bao: OpenBao) -> None:
    """And variables of Vault's own clients are not."""
    async with front("") as proxy:
        proxy.script = [web.json_response({"data": {"x": 1}})]
        connection = Connection(address="http://vault.test.internal:8200")
        environ = {"HTTP_PROXY": proxy.url, "VAULT_NAMESPACE": "ns", "VAULT_ADDR": bao.address, "VAULT_TOKEN": "t"}
        async with Transport(connection, user_agent="vso", clock=CLOCK, environ=environ) as through:
            await through.request("GET", "one/x")
    assert str(proxy.seen[0].url).startswith("http://vault.test.internal:8200/v1/one/x")
    assert proxy.header("X-Vault-Namespace") == [None]
    assert proxy.header("X-Vault-Token") == [None]


def beyond(address: str) -> str:
    """The same server by an address of this machine that proxies of the environment do not exempt, as loopback is."""
    return address.replace("127.0.0.1", "0.0.0.0")


def dead_proxies() -> dict[str, str]:
    """An environment with proxies that nobody runs."""
    dead = f"http://127.0.0.1:{free_port()}"
    return {"HTTP_PROXY": dead, "HTTPS_PROXY": dead}


async def test_d38_the_proxy_of_the_connection_comes_before_that_of_the_environment(
    bao: OpenBao, authority: Authority
) -> None:
    """To https by a tunnel, in which neither token nor path shows; to http as plain requests."""
    bao.admin.put_kv("one", "behind", {"x": "1"})
    async with forward_proxy() as proxy, front(bao.address, serving(authority)) as before:
        secure: dict[str, Any] = {"address": beyond(before.url), "ca_pem": authority.pem, "tls_server_name": HOST}
        plain: dict[str, Any] = {"address": beyond(bao.address)}
        for fields in (secure, plain):
            connection = Connection(**fields, proxy=proxy.url)
            async with Transport(connection, user_agent="vso", clock=CLOCK, environ=dead_proxies()) as through:
                assert (await read(through, "one/behind")).data.reveal() == b'{"x":"1"}'
            if fields is secure:
                assert [word for word in (b"X-Vault-Token", b"one/behind") if word in proxy.passed] == []
    assert proxy.asked == [
        f"CONNECT {beyond(before.url).removeprefix('https://')} HTTP/1.1",
        f"GET {beyond(bao.address)}/v1/one/behind HTTP/1.1",
    ]
    assert len(before.seen) == 1


async def test_d38_a_connection_may_go_without_any_proxy(bao: OpenBao) -> None:
    """By ``none`` it passes by that of the environment, which is dead."""
    bao.admin.put_kv("one", "direct", {"x": "1"})
    straight, default = (Connection(address=beyond(bao.address), proxy=proxy) for proxy in ("none", ""))
    async with Transport(straight, user_agent="vso", clock=CLOCK, environ=dead_proxies()) as through:
        assert (await read(through, "one/direct")).data.reveal() == b'{"x":"1"}'
    async with Transport(default, user_agent="vso", clock=CLOCK, environ=dead_proxies()) as through:
        with pytest.raises(Unreachable, match="proxy cannot be reached"):
            await read(through, "one/direct")


async def test_a_dead_proxy_is_named() -> None:
    """As the reason why nothing comes back."""
    connection = Connection(address="http://vault.test.internal:8200")
    environ = {"HTTP_PROXY": f"http://127.0.0.1:{free_port()}"}
    async with Transport(connection, user_agent="vso", clock=CLOCK, environ=environ) as through:
        with pytest.raises(Unreachable, match="proxy cannot be reached"):
            await seal_status(through)


async def test_a_sealed_server_is_an_outage_and_ends() -> None:
    """R11: sealed for login and read alike; seal status still answers; good again after the unseal."""
    with OpenBao(durable=True) as durable:
        token = Sensitive(durable.token)
        durable.admin.enable_kv("one", version=1)
        durable.admin.put_kv("one", "x", {"y": "1"})
        async with transport_to(durable.address) as through:
            durable.seal()
            assert (await seal_status(through)).sealed
            for attempt in (
                read(through, "one/x", token=token),
                login(through, "kubernetes", LoginRequest(body={"role": "x"})),
            ):
                with pytest.raises(Sealed, match="must be unsealed") as caught:
                    await attempt
                assert (caught.value.transient, caught.value.outage) == (True, True)
            durable.unseal()
            assert (await read(through, "one/x", token=token)).data.reveal() == b'{"y":"1"}'


async def test_each_request_is_observed(bao: OpenBao) -> None:
    """Status, error type and time, for metrics."""
    seen: list[VaultRequestSeen] = []
    connection = Connection(address=bao.address)
    async with Transport(connection, user_agent="vso", clock=CLOCK, observe=seen.append, environ={}) as through:
        await seal_status(through)
        with pytest.raises(NotFound):
            await read(through, "one/unseen")
    async with Transport(
        Connection(address=f"http://127.0.0.1:{free_port()}"),
        user_agent="vso",
        clock=CLOCK,
        observe=seen.append,
        environ={},
    ) as nowhere:
        with pytest.raises(Unreachable):
            await seal_status(nowhere)
    assert [(one.method, one.path, one.status, one.error) for one in seen] == [
        ("GET", "sys/seal-status", 200, ""),
        ("GET", "one/unseen", 404, "NotFound"),
        ("GET", "sys/seal-status", 0, "Unreachable"),
    ]
    assert all(one.seconds >= 0 for one in seen)


async def test_a_closed_transport_refuses(bao: OpenBao) -> None:
    """With an error of the tree; closing twice is fine."""
    through = transport_to(bao.address)
    await seal_status(through)
    await through.close()
    await through.close()
    with pytest.raises(Unreachable, match="has been closed"):
        await seal_status(through)


async def test_a_header_that_cannot_be_sent_is_refused(transport: Transport) -> None:
    """Headers of one call are checked as those of the connection are."""
    with pytest.raises(InvalidConnection, match="control characters"):
        await transport.request("GET", "one/x", Call(headers={"X-A": "a\nb"}))
