"""The cache of logged-in clients, on a server that a test scripts request by request."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Hashable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from dataclasses import dataclass, field, replace
from random import Random
from typing import Any, Self

import pytest
from msgspec import structs, to_builtins
from structlog.testing import capture_logs

from tests.support.clock import FakeClock, settle
from vso.apis.merge import GlobalOptions
from vso.apis.meta import Key, ObjectMeta
from vso.apis.v1beta1 import AppRoleAuth, KubernetesAuth, VaultAuth, VaultAuthSpec, VaultConnection, VaultConnectionSpec
from vso.base import BackOff, Sensitive
from vso.sync import (
    Authenticator,
    Clients,
    ClientSpec,
    ConnectionSuspended,
    CredentialMissing,
    Entry,
    LoginSuspended,
    Persistence,
    Policy,
    Signer,
    StorageFailed,
    Turn,
    entry_name,
    resolve,
)
from vso.vault import (
    Auth,
    BadAnswer,
    Call,
    Connection,
    Denied,
    Invalid,
    KvRequest,
    KvType,
    LoginRefused,
    MissingCredential,
    NotFound,
    RateLimited,
    Response,
    Sealed,
    ServerFault,
    Settings,
    TimedOut,
    TLSFailed,
    Transport,
    Unreachable,
    VaultError,
)

UID = "00000000-0000-0000-0000-00000000000{}"
REQUEST = KvRequest(mount="kv", path="app", type=KvType.V1)
LOGIN = "auth/kubernetes/login"
READ = "kv/app"


@dataclass
class Script(Transport):
    """Answers requests from `answers` by path; counts them."""

    clock_: FakeClock
    answers: dict[str, Callable[[Call], Awaitable[Response]]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    closed: bool = False

    @property
    def connection(self) -> Connection:
        return Connection(address="http://127.0.0.1:1")

    @property
    def clock(self) -> FakeClock:
        return self.clock_

    async def request(self, method: str, path: str, call: Call = Call()) -> Response:  # noqa: B008 - frozen
        if self.closed:
            raise Unreachable(f"{path}: closed")
        self.asked.append(path)
        await asyncio.sleep(0)
        return await self.answers[path](call)

    def showing(self, certificate: object) -> AbstractAsyncContextManager[Self]:
        return nullcontext(self)

    async def close(self) -> None:
        self.closed = True


class AtHand:
    """A ServiceAccount's token or a secret id, without asking anybody."""

    def __init__(self, cluster: "OneCluster", settings: Settings) -> None:
        self._cluster = cluster
        self.settings = settings

    async def provider_uid(self) -> str:
        if not self._cluster.vouches:
            raise CredentialMissing("nobody vouches")
        return UID.format(3)

    async def token(self, *, audiences: Sequence[str], seconds: int) -> Sensitive[str]:
        self._cluster.gathered += 1
        await asyncio.sleep(0)
        return Sensitive("jwt")

    async def annotations(self) -> Mapping[str, str]:
        return {}

    async def secret(self, key: str) -> Sensitive[str]:
        return Sensitive("secret-id")

    async def find_secret(self, key: str) -> Sensitive[str] | None:
        return None

    async def file(self) -> Sensitive[str]:
        raise MissingCredential("file")


class OneCluster:
    """Credentials at hand, counted."""

    def __init__(self) -> None:
        self.gathered = 0
        self.current = True
        self.vouches = True

    def is_current(self, connection: VaultConnection) -> bool:
        return self.current

    def credentials(self, spec: ClientSpec) -> AtHand:
        return AtHand(self, Settings(to_builtins(spec.merged.block)))

    async def connection(self, connection: VaultConnection) -> Connection:
        await asyncio.sleep(0)
        return Connection(address=connection.spec.address)


class Shelf:
    """Stored logins, in memory, and the objects that there are to log in with."""

    def __init__(self) -> None:
        self.entries: dict[str, Entry] = {}
        self.full = False
        self.writing = asyncio.Event()
        self.writing.set()
        self.objects = frozenset((UID.format(number), "1") for number in (1, 2))

    async def read(self, key: str) -> Entry | None:
        await asyncio.sleep(0)
        return self.entries.get(entry_name(key))

    async def write(self, entry: Entry) -> None:
        await self.writing.wait()
        if self.full:
            raise StorageFailed("no room")
        self.entries[entry.name] = entry

    async def delete(self, name: str) -> None:
        await asyncio.sleep(0)
        self.entries.pop(name, None)

    async def labels(self) -> list[tuple[str, Mapping[str, str]]]:
        return [(one.name, one.labels) for one in self.entries.values()]


class Bench:
    """Clients around one scripted server; with `shelf` their logins outlive them."""

    def __init__(self, shelf: Shelf | None = None) -> None:
        self.clock = FakeClock()
        self.server = Script(self.clock)
        self.cluster = OneCluster()
        self.turns: list[tuple[Hashable, Turn]] = []
        self.logins = 0
        self.server.answers = {LOGIN: self.log_in, READ: self.read, "auth/token/renew-self": self.log_in}
        self.stored: Persistence | None = None
        if shelf is not None:
            self.stored = Persistence(shelf, signer=Signer(bytes(16)), cipher=None, clock=self.clock, rng=Random(1))
        self.clients = Clients(
            Authenticator(self.cluster, self.clock, self.stored),
            connect=lambda _, __: self.connect(),
            clock=self.clock,
            rng=Random(1),
            backoff=BackOff(initial=5, multiplier=2, maximum=60, randomization=0),
            size=2,
            observer=lambda identity, turn: self.turns.append((identity, turn)),
        )

    def connect(self) -> Script:
        """Another transport with the same answers, which is the one looked at from now on."""
        self.server = replace(self.server, closed=False)
        return self.server

    async def log_in(self, call: Call) -> Response:
        self.logins += 1
        token = Sensitive(f"token-{self.logins}")
        return Response(auth=Auth(client_token=token, accessor="a", lease_duration=600, renewable=True))

    async def read(self, call: Call) -> Response:
        return Response(data=Sensitive(b'{"a":"1"}'))

    def fail(self, path: str, error: Exception) -> None:
        async def answer(call: Call) -> Response:
            raise error

        self.server.answers[path] = answer


def spec_of(consumer: str = "app", **changes: Any) -> ClientSpec:
    """What a consumer in namespace `consumer` resolves to."""
    connection = VaultConnection(
        metadata=ObjectMeta(name="vault", namespace="app", uid=UID.format(1), generation=1),
        spec=VaultConnectionSpec(address="http://127.0.0.1:1"),
    )
    auth = VaultAuth(
        metadata=ObjectMeta(name="vault", namespace="app", uid=UID.format(2), generation=1),
        spec=structs.replace(
            VaultAuthSpec(
                vault_connection_ref="vault",
                method="kubernetes",
                mount="kubernetes",
                kubernetes=KubernetesAuth(role="r", service_account="default"),
                allowed_namespaces=("*",),
            ),
            **changes,
        ),
    )

    class Found:
        def auth(self, key: Key) -> VaultAuth:
            return auth

        def shared(self, key: Key) -> None:
            return None

        def connection(self, key: Key) -> VaultConnection:
            return connection

    options = GlobalOptions(operator_namespace="op")
    return resolve("app/vault", consumer=consumer, references=Found(), options=options, policy=Policy())


@pytest.fixture
async def bench() -> Any:
    """Open clients."""
    bench = Bench()
    async with bench.clients:
        yield bench


async def read(bench: Bench, spec: ClientSpec) -> bytes:
    """Log in if need be, and read."""
    client = await bench.clients.get(spec)
    return (await client.read_kv(REQUEST)).data.reveal()


async def test_all_resources_of_one_identity_share_one_login(bench: Bench) -> None:
    """However many come at once."""
    await asyncio.gather(*(bench.clients.get(spec_of()) for _ in range(50)))
    assert bench.server.asked == [LOGIN]
    assert bench.cluster.gathered == 1


async def test_another_namespace_or_login_is_another_identity(bench: Bench) -> None:
    """Clients are never shared across namespaces (behaviour.md section 2.1)."""
    await bench.clients.get(spec_of())
    await bench.clients.get(spec_of("other"))
    assert bench.logins == 2


async def test_what_does_not_enter_the_login_keeps_the_client(bench: Bench) -> None:
    """An edit of storageEncryption, say (regressions R09)."""
    await bench.clients.get(spec_of())
    await bench.clients.get(spec_of(params={"unused": "1"}))
    assert bench.logins == 1


async def test_equal_reads_at_the_same_time_are_one_request(bench: Bench) -> None:
    """Coalesced, not cached: the next read asks again."""
    await bench.clients.get(spec_of())
    await asyncio.gather(*(read(bench, spec_of()) for _ in range(20)))
    assert bench.server.asked.count(READ) == 1
    await read(bench, spec_of())
    assert bench.server.asked.count(READ) == 2


async def test_a_refused_login_is_tried_again_once_per_step(bench: Bench) -> None:
    """Five hundred resources ask, one login goes out; a success tells who waits (regressions R10)."""
    bench.fail(LOGIN, Invalid("invalid role name", status=400))
    spec = spec_of()
    with pytest.raises(LoginRefused):
        await bench.clients.get(spec)
    for _ in range(500):
        with pytest.raises(LoginSuspended, match=r"login .* refused") as put_off:
            await bench.clients.get(spec)
        assert put_off.value.waits_for == spec.login
    assert bench.server.asked == [LOGIN]
    bench.server.answers[LOGIN] = bench.log_in
    await bench.clock.advance(5)
    await bench.clients.get(spec)
    assert bench.turns == [(spec.login, Turn.UP)]


@pytest.mark.parametrize(
    ("error", "step"),
    [
        (RateLimited("too many", path=LOGIN, status=429), 5),
        (RateLimited("too many", path=LOGIN, status=429, retry_after=40), 40),
        (TimedOut("no answer", path=LOGIN), 5),
    ],
    ids=["quota", "quota with a pause", "no answer"],
)
async def test_r10_a_login_that_alone_fails_at_a_server_in_order_is_tried_again_once_per_step(
    bench: Bench, error: VaultError, step: float
) -> None:
    """The quota of its mount is used up, or its backend hangs: others are answered, so no breaker holds it back."""
    await read(bench, spec_of("other"))

    async def fail(call: Call) -> Response:
        await read(bench, spec_of("other"))
        raise error

    bench.server.answers[LOGIN] = fail
    with pytest.raises(type(error)):
        await bench.clients.get(spec_of())
    for _ in range(50):
        with pytest.raises(LoginSuspended) as put_off:
            await bench.clients.get(spec_of())
        assert put_off.value.retry_in == step
    assert bench.server.asked.count(LOGIN) == 2
    assert (error.outage, bench.turns) == (False, [])


async def test_a_403_leads_to_one_new_login_and_one_more_read(bench: Bench) -> None:
    """A policy may have been added, or the token revoked (regressions R08)."""
    await read(bench, spec_of())

    async def once(call: Call) -> Response:
        bench.server.answers[READ] = bench.read
        raise Denied("permission denied", path=READ, status=403)

    bench.server.answers[READ] = once
    assert await read(bench, spec_of()) == b'{"a":"1"}'
    assert bench.logins == 2


async def test_all_who_met_a_403_wait_for_the_one_new_login(bench: Bench) -> None:
    """The token was revoked while many had requests under way: none of them fails (regressions R08)."""
    spec = spec_of()
    await read(bench, spec)

    async def only_the_second(call: Call) -> Response:
        if call.token == Sensitive("token-1"):
            raise Denied("permission denied", path=READ, status=403)
        return await bench.read(call)

    bench.server.answers[READ] = only_the_second
    clients = [await bench.clients.get(spec, namespace=f"team-{number}") for number in range(10)]
    found = await asyncio.gather(*(client.read_kv(REQUEST) for client in clients))
    assert {one.data.reveal() for one in found} == {b'{"a":"1"}'}
    assert bench.logins == 2


async def test_no_token_is_asked_for_that_nobody_could_be_named_for(bench: Bench) -> None:
    """It would be thrown away, and another with each attempt: the operator may not read a ServiceAccount, say."""
    bench.cluster.vouches = False
    with pytest.raises(CredentialMissing):
        await bench.clients.get(spec_of())
    assert bench.logins == 0


async def test_the_end_of_a_secret_id_that_was_replaced_is_nobody_s_concern(bench: Bench) -> None:
    """The VaultAuth names another Secret since; what counts is that with which each namespace logs in now (D40)."""

    async def log_in(call: Call) -> Response:
        return Response(auth=replace((await bench.log_in(call)).auth or Auth(client_token=Sensitive("")), role="r"))

    async def look_up(call: Call) -> Response:
        year = 2026 + bench.logins
        found = f'{{"creation_time":"2026-01-01T00:00:00Z","expiration_time":"{year}-01-01T00:00:00Z"}}'
        return Response(data=Sensitive(found.encode()))

    bench.server.answers |= {"auth/approle/login": log_in, "auth/approle/role/r/secret-id/lookup": look_up}
    for number in (1, 2):
        block = AppRoleAuth(role_id="r", secret_ref=f"secret-{number}")
        spec = spec_of(method="appRole", mount="approle", kubernetes=None, app_role=block)
        await bench.clients.get(spec)
        life = bench.clients.credential(spec.auth.key)
        assert life is not None
        assert life.ends.year == 2026 + number


async def test_logins_after_403_share_one_back_off(bench: Bench) -> None:
    """Fifty resources that may not read cost one login per step, not fifty; each is told when the next one is due."""
    bench.fail(READ, Denied("permission denied", path=READ, status=403))
    await bench.clock.advance(1)
    for step in (5, 10):
        for _ in range(50):
            with pytest.raises(Denied) as refused:
                await read(bench, spec_of())
            assert refused.value.login_in == step
        assert bench.logins == (2 if step == 5 else 3)
        await bench.clock.advance(step)


async def test_an_outage_stops_requests_until_a_probe_and_a_trial_succeed(bench: Bench) -> None:
    """Nobody asks a sealed server; the recovery is told in two steps (regressions R11)."""
    spec = spec_of()
    await read(bench, spec)
    bench.fail(READ, Sealed("sealed", path=READ, status=503))
    with pytest.raises(Sealed):
        await read(bench, spec)
    for _ in range(20):
        with pytest.raises(ConnectionSuspended):
            await read(bench, spec)
    assert bench.server.asked.count(READ) == 2
    bench.server.answers[READ] = bench.read

    async def unsealed(call: Call) -> Response:
        return Response(data=Sensitive(b'{"initialized":true,"sealed":false}'))

    bench.server.answers["sys/seal-status"] = unsealed
    await bench.clients.probe(spec.connection)
    assert await read(bench, spec) == b'{"a":"1"}'
    assert [turn for _, turn in bench.turns] == [Turn.DOWN, Turn.TRIAL, Turn.UP]


async def test_r11_who_is_logged_in_is_asked_whether_a_failure_is_the_server_s(bench: Bench) -> None:
    """By a look at its own token; a login that fails while nobody is logged in is an outage, and backs nobody off."""
    fault = ServerFault("internal error", path=LOGIN, status=500)
    bench.fail(LOGIN, fault)
    with pytest.raises(ServerFault):
        await bench.clients.get(spec_of())
    with pytest.raises(ConnectionSuspended):
        await bench.clients.get(spec_of("other"))
    bench.server.answers[LOGIN] = bench.log_in

    async def unsealed(call: Call) -> Response:
        return Response(data=Sensitive(b'{"initialized":true,"sealed":false}'))

    bench.server.answers["sys/seal-status"] = unsealed
    await bench.clients.probe(spec_of().connection)
    await bench.clients.get(spec_of())
    tokens: list[Call] = []

    async def alive(call: Call) -> Response:
        tokens.append(call)
        return Response(data=Sensitive(b"{}"))

    bench.server.answers["auth/token/lookup-self"] = alive
    await bench.clock.advance(1)
    bench.fail(READ, ServerFault("internal error", path=READ, status=500))
    for _ in range(3):
        with pytest.raises(ServerFault):
            await read(bench, spec_of())
    assert [one.token.reveal() for one in tokens if one.token is not None] == ["token-1"]
    assert [turn for _, turn in bench.turns] == [Turn.DOWN, Turn.TRIAL, Turn.UP]


async def test_r11_a_batch_token_without_policies_of_its_own_vouches_for_the_server(bench: Bench) -> None:
    """Its look-up has null where others have a list; what it may do comes from the groups of its entity."""
    await bench.clients.get(spec_of())

    async def alive(call: Call) -> Response:
        return Response(data=Sensitive(b'{"accessor":"","policies":null,"meta":null,"expire_time":null,"ttl":3600}'))

    bench.server.answers["auth/token/lookup-self"] = alive
    await bench.clock.advance(1)
    bench.fail(READ, ServerFault("internal error", path=READ, status=500))
    with pytest.raises(ServerFault):
        await read(bench, spec_of())
    assert bench.turns == []


async def test_a_token_in_use_is_renewed_at_two_thirds_of_its_life(bench: Bench) -> None:
    """And one that nobody used since is left to end."""
    async with asyncio.TaskGroup() as group:
        renewals = group.create_task(bench.clients.run())
        await bench.clients.get(spec_of())
        await bench.clock.advance(390)
        assert bench.server.asked == [LOGIN]
        await bench.clock.advance(15)
        assert bench.server.asked == [LOGIN, "auth/token/renew-self"]
        await bench.clock.advance(600)
        assert bench.server.asked == [LOGIN, "auth/token/renew-self"]
        renewals.cancel()


async def test_r12_a_renewal_that_grants_nothing_does_not_make_a_token_last_for_ever(bench: Bench) -> None:
    """In the last second of its maximum life the server answers with a duration of 0: its leases move in time."""

    async def renew(call: Call) -> Response:
        return Response(auth=Auth(client_token=Sensitive("token-1"), accessor="a", lease_duration=0, renewable=True))

    bench.server.answers["auth/token/renew-self"] = renew
    async with asyncio.TaskGroup() as group:
        renewals = group.create_task(bench.clients.run())
        client = await bench.clients.get(spec_of())
        client.hold(Key("app", "lease"))
        await bench.clock.advance(540)
        assert (Key("app", "lease"), Turn.FADING) in bench.turns
        held = bench.clients.held(Key("app", "lease"))
        assert held is not None
        assert held.session is not None
        assert held.session.ends == 600
        renewals.cancel()


async def test_an_ended_token_is_replaced_by_a_login(bench: Bench) -> None:
    """Shortly before its end already."""
    await bench.clients.get(spec_of())
    await bench.clock.advance(599)
    await bench.clients.get(spec_of())
    assert bench.logins == 2


async def test_the_cache_forgets_who_was_not_used_longest(bench: Bench) -> None:
    """Its size is bounded (here by two)."""
    for consumer in ("a", "b", "a", "c", "a"):
        await bench.clients.get(spec_of(consumer))
    assert bench.logins == 3
    await bench.clients.get(spec_of("b"))
    assert bench.logins == 4


@pytest.mark.parametrize("steps", range(12))
async def test_a_caller_cancelled_at_any_await_leaves_a_working_cache(bench: Bench, steps: int) -> None:
    """The next caller gets what it asks for, at the cost of one login in all."""
    async with asyncio.TaskGroup() as group:
        caller = group.create_task(read(bench, spec_of()))
        for _ in range(steps):
            await asyncio.sleep(0)
        caller.cancel()
        await settle()
    assert await read(bench, spec_of()) == b'{"a":"1"}'
    assert bench.logins == 1


async def test_forgetting_a_connection_closes_its_transport(bench: Bench) -> None:
    """Its clients go with it."""
    spec = spec_of()
    await bench.clients.get(spec)
    await bench.clients.forget(spec.connection.key, keep=spec.connection)
    assert [bench.server.closed] == [False]
    await bench.clients.forget(spec.connection.key)
    await settle()
    assert [bench.server.closed] == [True]
    assert len(bench.clients) == 0


def test_names_of_clients_hold_no_secret() -> None:
    """They stand in logs."""
    spec = spec_of()
    described: Mapping[str, Any] = {"login": spec.login, "server": spec.login.server}
    assert str(described["login"]) == "VaultAuth app/vault for namespace app"
    assert str(described["server"]) == "VaultConnection app/vault"


async def test_r14_forgetting_a_connection_lets_its_requests_end(bench: Bench) -> None:
    """The transport is closed when nothing is under way any more (regressions R14 a)."""
    spec = spec_of()
    gate = asyncio.Event()

    async def slow(call: Call) -> Response:
        await gate.wait()
        return Response(data=Sensitive(b'{"a":"1"}'))

    bench.server.answers[READ] = slow
    client = await bench.clients.get(spec)
    async with asyncio.TaskGroup() as group:
        reading = group.create_task(client.read_kv(REQUEST), name="read")
        await settle()
        await bench.clients.forget(spec.connection.key)
        await bench.clock.advance(1.0)
        assert [bench.server.closed] == [False]
        gate.set()
    assert reading.result().data.reveal() == b'{"a":"1"}'
    await bench.clock.advance(1.0)
    assert [bench.server.closed] == [True]


@pytest.mark.parametrize("steps", range(24))
async def test_r14_a_connection_edited_at_any_await_fails_nobody(bench: Bench, steps: int) -> None:
    """Also not between two requests of a login, nor right after the server was reached (regressions R14)."""
    specs = [spec_of(), spec_of(), spec_of("other")]
    async with asyncio.TaskGroup() as group:
        reads = [group.create_task(read(bench, spec), name="read") for spec in specs]
        for _ in range(steps):
            await asyncio.sleep(0)
        bench.cluster.current = False
        await bench.clients.forget(specs[0].connection.key)
    assert {one.result() for one in reads} == {b'{"a":"1"}'}
    assert bench.server.closed


async def test_a_connection_that_was_just_deleted_leaves_nothing_behind(bench: Bench) -> None:
    """A reconcile that began before still gets its answer, but nobody would forget what is kept for it."""
    bench.cluster.current = False
    spec = spec_of()
    assert await read(bench, spec) == b'{"a":"1"}'
    assert bench.clients.server(spec.connection) is None
    assert not bench.clients.in_use(spec.connection)
    assert (len(bench.clients), bench.server.closed) == (0, True)


async def test_a_server_that_does_not_answer_delays_no_renewal_but_its_own(bench: Bench) -> None:
    """Each token is renewed by itself: of two that are due together the second is not held up."""
    asked: list[str] = []

    async def renew(call: Call) -> Response:
        assert call.token is not None
        asked.append(call.token.reveal())
        if len(asked) == 1:
            await asyncio.Event().wait()
        return await bench.log_in(call)

    bench.server.answers["auth/token/renew-self"] = renew
    async with asyncio.TaskGroup() as group:
        renewals = group.create_task(bench.clients.run())
        await bench.clients.get(spec_of("a"))
        await bench.clients.get(spec_of("b"))
        await bench.clock.advance(410)
        renewals.cancel()
    assert sorted(asked) == ["token-1", "token-2"]


async def test_a_bug_in_a_renewal_is_logged_and_ends_nothing(bench: Bench) -> None:
    """The other tokens, and the process, live on."""
    bench.fail("auth/token/renew-self", ZeroDivisionError())
    with capture_logs() as logs:
        async with asyncio.TaskGroup() as group:
            renewals = group.create_task(bench.clients.run())
            await bench.clients.get(spec_of())
            await bench.clock.advance(405)
            assert not renewals.done()
            renewals.cancel()
    assert {(one["event"], one["error"]) for one in logs} == {("background request failed", "ZeroDivisionError")}


async def test_a_new_login_that_is_refused_as_well_replaces_the_old_one(bench: Bench) -> None:
    """Tokens must not pile up for one path that no policy allows: the old one is revoked, once."""
    revoked = revocations(bench)
    bench.fail(READ, Denied("no", path=READ, status=403))
    client = await bench.clients.get(spec_of())
    for _ in range(3):
        with pytest.raises(Denied):
            await client.read_kv(REQUEST)
        await settle()
    await bench.clock.advance(60)
    assert revoked == ["token-1"]
    held = await bench.clients.get(spec_of())
    assert held.session is not None
    assert held.session.token.reveal() == "token-2"


async def test_a_path_that_stays_closed_does_not_keep_another_from_a_policy_that_was_attached(bench: Bench) -> None:
    """The token of the new login serves all, whoever made it necessary (regressions R08)."""
    opened, closed = KvRequest(mount="kv", path="opened", type=KvType.V1), REQUEST

    async def answer(call: Call) -> Response:
        if call.token is not None and call.token.reveal() == "token-1":
            raise Denied("no", path="kv/opened", status=403)
        return await bench.read(call)

    bench.server.answers["kv/opened"] = answer
    revocations(bench)
    bench.fail(READ, Denied("no", path=READ, status=403))
    for _ in range(3):
        with pytest.raises(Denied):
            await (await bench.clients.get(spec_of())).read_kv(closed)
        secret = await (await bench.clients.get(spec_of())).read_kv(opened)
        assert secret.data.reveal() == b'{"a":"1"}'
        await bench.clock.advance(60)


async def test_a_login_that_leases_hang_on_is_not_revoked_for_a_path_that_stays_closed(bench: Bench) -> None:
    """Those leases would die with it (regressions R08)."""
    revoked = revocations(bench)
    client = await bench.clients.get(spec_of())
    client.hold(Key("app", "lease"))
    bench.fail(READ, Denied("no", path=READ, status=403))
    with pytest.raises(Denied):
        await client.read_kv(REQUEST)
    await bench.clock.advance(200)
    assert revoked == []
    held = bench.clients.held(Key("app", "lease"))
    assert held is not None


async def test_r08_a_login_that_makes_a_lease_is_not_revoked_for_a_path_that_stays_closed(bench: Bench) -> None:
    """Neither while the request for the lease is under way, nor before its owner could say that it hangs on it."""
    revoked, answered = revocations(bench), asyncio.Event()

    async def make(call: Call) -> Response:
        await answered.wait()
        return await bench.read(call)

    bench.server.answers["database/creds/app"] = make
    bench.fail(READ, Denied("no", path=READ, status=403))
    owner = await bench.clients.get(spec_of(), lasting=True)
    async with asyncio.TaskGroup() as group:
        group.create_task(
            owner.call(
                lambda transport, access: transport.request("GET", "database/creds/app", Call(token=access.token))
            )
        )
        await settle()
        with pytest.raises(Denied):
            await read(bench, spec_of())
        await bench.clock.advance(119)
        assert (bench.logins, revoked) == (2, [])
        answered.set()
    await bench.clock.advance(59)
    owner.hold(Key("app", "lease"))
    await bench.clock.advance(200)
    assert revoked == []
    held = bench.clients.held(Key("app", "lease"))
    assert held is not None
    assert held.session is not None
    assert held.session.token.reveal() == "token-1"


def revocations(bench: Bench) -> list[str]:
    """The tokens that are revoked from now on."""
    revoked: list[str] = []

    async def revoke(call: Call) -> Response:
        assert call.token is not None
        revoked.append(call.token.reveal())
        return Response(status=204, empty=True)

    bench.server.answers["auth/token/revoke-self"] = revoke
    return revoked


async def test_one_path_that_does_not_answer_is_no_outage_while_others_are_answered(bench: Bench) -> None:
    """An engine that hangs must not take the connection from everybody else."""
    other = KvRequest(mount="kv", path="other", type=KvType.V1)
    answered = asyncio.Event()

    async def hang(call: Call) -> Response:
        await answered.wait()
        raise TimedOut("no answer in time", path="kv/other")

    bench.server.answers["kv/other"] = hang
    client = await bench.clients.get(spec_of())
    async with asyncio.TaskGroup() as group:

        async def read() -> None:
            with pytest.raises(TimedOut):
                await client.read_kv(other)

        group.create_task(read(), name="read")
        await settle()
        await client.read_kv(REQUEST)
        answered.set()
    await client.read_kv(REQUEST)
    assert bench.turns == []


async def test_a_ca_that_was_rotated_is_read_again_after_a_failed_handshake(bench: Bench) -> None:
    """By the probe, without anybody touching the VaultConnection."""
    read: list[str] = []
    addresses = iter(["http://127.0.0.1:1", "http://127.0.0.1:1", "http://127.0.0.1:2"])

    async def connection(connection: VaultConnection) -> Connection:
        read.append("CA")
        return Connection(address=next(addresses))

    async def refuse(call: Call) -> Response:
        raise TLSFailed("unknown authority", path="sys/seal-status")

    bench.cluster.connection = connection  # type: ignore[method-assign]
    bench.server.answers["sys/seal-status"] = refuse
    for _ in range(3):
        with pytest.raises(TLSFailed):
            await bench.clients.probe(spec_of().connection)
    assert len(read) == 3


@asynccontextmanager
async def storing(shelf: Shelf) -> AsyncIterator[Bench]:
    """A process that keeps its logins on `shelf`."""
    bench = Bench(shelf)
    assert bench.stored is not None
    async with bench.clients, asyncio.TaskGroup() as group:
        work = group.create_task(bench.stored.run(lambda: shelf.objects), name="stored logins")
        yield bench
        work.cancel()


@pytest.mark.parametrize(
    "error",
    [
        ServerFault("policies have changed, not renewing", path="auth/token/renew-self", status=500),
        BadAnswer("answered without a token", path="auth/token/renew-self"),
        NotFound("no handler", path="auth/token/renew-self", status=404),
        None,
    ],
    ids=lambda one: type(one).__name__,
)
async def test_r14_a_stored_login_that_cannot_be_renewed_is_replaced_by_a_fresh_one(error: VaultError | None) -> None:
    """In that very attempt, and without holding its failure against the server, which is in order (R14 b).

    Also one that is renewed by nothing.
    """
    shelf, spec = Shelf(), spec_of()
    async with storing(shelf) as before:
        await before.clients.get(spec)
        await before.clock.advance(1)
    assert len(shelf.entries) == 1
    async with storing(shelf) as after:

        async def renew(call: Call) -> Response:
            if error is not None:
                raise error
            return Response(auth=Auth(client_token=Sensitive(""), accessor="a", renewable=True))

        after.server.answers["auth/token/renew-self"] = renew

        async def alive(call: Call) -> Response:
            return Response(data=Sensitive(b"{}"))

        after.server.answers["auth/token/lookup-self"] = alive
        assert await read(after, spec) == b'{"a":"1"}'
        assert (after.logins, after.turns) == (1, [])


async def test_r11_a_stored_login_waits_for_a_server_that_is_out_of_order() -> None:
    """Its failed renewal says nothing against it if no other request about it is answered either."""
    shelf, spec = Shelf(), spec_of()
    async with storing(shelf) as before:
        await before.clients.get(spec)
        await before.clock.advance(1)
    async with storing(shelf) as after:
        for path in ("auth/token/renew-self", "auth/token/lookup-self"):
            after.fail(path, ServerFault("internal error", path=path, status=500))
        with pytest.raises(ServerFault):
            await read(after, spec)
        assert [turn for _, turn in after.turns] == [Turn.DOWN]
    assert len(shelf.entries) == 1


@pytest.mark.parametrize("error", [RateLimited("too many", status=429), TimedOut("no answer")])
async def test_r14_a_stored_login_whose_renewal_has_no_answer_just_now_is_tried_again(error: VaultError) -> None:
    """The server is in order, and so may the token be, with leases that hang on it."""
    shelf, spec = Shelf(), spec_of()
    async with storing(shelf) as before:
        await before.clients.get(spec)
        await before.clock.advance(1)
    async with storing(shelf) as after:
        await read(after, spec_of("other"))

        async def fail(call: Call) -> Response:
            await read(after, spec_of("other"))
            after.server.answers["auth/token/renew-self"] = after.log_in
            raise error

        after.server.answers["auth/token/renew-self"] = fail
        with pytest.raises(type(error)):
            await read(after, spec)
        await after.clock.advance(5)
        await read(after, spec)
        assert (LOGIN in after.server.asked, after.turns) == (False, [(spec.login, Turn.UP)])


async def test_r14_a_login_whose_objects_are_gone_before_it_could_be_stored_is_not_stored() -> None:
    """Nobody would remove it: what went with the objects was removed before (R14 b)."""
    shelf = Shelf()
    async with storing(shelf) as bench:
        shelf.full = True
        await bench.clients.get(spec_of())
        await bench.clock.advance(1)
        shelf.objects, shelf.full = frozenset(), False
        await bench.clock.advance(600)
    assert shelf.entries == {}


async def test_r14_a_login_that_ends_while_another_is_stored_ends_nothing_else() -> None:
    """Both wait for the store, and the token of the second is found dead meanwhile."""
    shelf, spec = Shelf(), spec_of()
    edited = replace(spec, auth=structs.replace(spec.auth, metadata=structs.replace(spec.auth.metadata, generation=2)))
    shelf.objects |= {(UID.format(2), "2")}
    async with storing(shelf) as bench:
        assert bench.stored is not None
        await bench.clients.get(spec)
        client = await bench.clients.get(edited)
        shelf.writing.clear()
        await bench.clock.advance(1)
        await bench.stored.forget(client.meta.cache_key)
        shelf.writing.set()
        await settle()
        assert len(shelf.entries) == 1


@pytest.mark.parametrize("restored", [False, True])
async def test_r14_a_login_during_which_its_object_was_edited_is_stored_under_its_new_name(*, restored: bool) -> None:
    """An edit that does not enter the login moves the generation, by which the entry is found at the next start."""
    shelf, spec = Shelf(), spec_of()
    if restored:
        async with storing(shelf) as before:
            await before.clients.get(spec)
            await before.clock.advance(1)
    edited = replace(spec, auth=structs.replace(spec.auth, metadata=structs.replace(spec.auth.metadata, generation=2)))
    async with storing(shelf) as bench:
        async with asyncio.TaskGroup() as group:
            group.create_task(bench.clients.get(spec))
            await asyncio.sleep(0)
            later = group.create_task(bench.clients.get(edited))
        shelf.objects |= {(UID.format(2), "2")}
        await bench.clock.advance(1)
        assert bench.logins == 1
        assert bench.stored is not None
        assert await bench.stored.read(later.result().meta.cache_key) is not None


async def test_r14_the_end_of_a_replaced_login_leaves_the_stored_one_that_replaced_it() -> None:
    """Both have the same name: a lease hangs on the old one, which was revoked (R08, R14)."""
    shelf, spec = Shelf(), spec_of()
    async with storing(shelf) as bench, asyncio.TaskGroup() as group:
        renewals = group.create_task(bench.clients.run())
        client = await bench.clients.get(spec)
        client.hold(Key("app", "lease"))

        async def not_the_first(call: Call) -> Response:
            if call.token == Sensitive("token-1"):
                raise Denied("permission denied", path=READ, status=403)
            return await bench.read(call)

        bench.server.answers[READ] = bench.server.answers["auth/token/renew-self"] = not_the_first
        await read(bench, spec)
        await bench.clock.advance(310)
        assert (Key("app", "lease"), Turn.FADING) in bench.turns
        assert bench.stored is not None
        kept = await bench.stored.read(client.meta.cache_key)
        assert kept is not None
        assert kept.client_token.reveal() == "token-2"
        renewals.cancel()
