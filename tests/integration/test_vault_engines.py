"""Leases, static roles and generic requests against a real OpenBao with a real PostgreSQL."""

import base64
import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from testenv import Answer, Cut, FaultProxy, InThread, OpenBao, Pass, Postgres, Refuse, Reset, Silence, wait_for
from vso.base import Sensitive, SystemClock
from vso.vault import (
    Connection,
    Denied,
    Invalid,
    Lease,
    LeaseNotFound,
    LogicalRequest,
    LogicalSecret,
    NoData,
    NotFound,
    ServerFault,
    Stale,
    Transport,
    Unreachable,
    UnsupportedMethod,
    VaultError,
    lookup_lease,
    parse_static,
    renew_lease,
    request_secret,
    revoke_lease,
)

CLOCK = SystemClock()
ROOT = Sensitive("root")


@pytest.fixture(scope="module")
def postgres() -> Iterator[Postgres]:
    """One database server for the module."""
    with Postgres() as server:
        yield server


@pytest.fixture(scope="module")
def bao(postgres: Postgres) -> Iterator[OpenBao]:
    """One server with all engines."""
    with OpenBao() as server:
        admin = server.admin
        admin.enable_database("db", postgres)
        admin.database_role("db", "app", ttl="1h", max_ttl="2h")
        admin.enable_kv("one", version=1)
        admin.enable_transit("transit", "key")
        yield server


@pytest.fixture
async def transport(bao: OpenBao) -> AsyncIterator[Transport]:
    """A transport straight to the server."""
    async with transport_to(bao.address) as straight:
        yield straight


def transport_to(address: str, **fields: Any) -> Transport:
    """Open a transport without proxies; `fields` are those of the connection."""
    return Transport(Connection(address=address, **fields), user_agent="vso/test", clock=CLOCK, environ={})


async def ask(transport: Transport, path: str, **fields: Any) -> LogicalSecret:
    """Request ``<mount>/<path>`` as root."""
    mount, _, rest = path.partition("/")
    return await request_secret(transport, LogicalRequest(mount=mount, path=rest, **fields), token=ROOT)


def fields_of(secret: LogicalSecret) -> dict[str, Any]:
    """The decoded data."""
    fields: dict[str, Any] = json.loads(secret.data.reveal())
    return fields


async def test_credentials_come_with_their_lease(bao: OpenBao, postgres: Postgres, transport: Transport) -> None:
    """They log in, and the lease is one the server knows."""
    secret = await ask(transport, "db/creds/app")
    got = fields_of(secret)
    assert postgres.can_login(got["username"], got["password"])
    assert (secret.lease.duration, secret.lease.renewable) == (3600, True)
    assert secret.lease.id in bao.admin.leases("db/creds/app")
    assert secret.lease.request_id
    assert secret.wrap_info is None
    assert got["password"] not in repr(secret)


async def test_a_lease_is_renewed_looked_up_and_revoked(bao: OpenBao, postgres: Postgres, transport: Transport) -> None:
    """The account is gone when the revocation returns."""
    secret = await ask(transport, "db/creds/app")
    lease, username = secret.lease, fields_of(secret)["username"]
    renewed = await renew_lease(transport, lease.id, lease.duration, token=ROOT)
    assert (renewed.id, renewed.duration, renewed.renewable) == (lease.id, 3600, True)
    known = await lookup_lease(transport, lease.id, token=ROOT)
    assert (known.id, known.renewable) == (lease.id, True)
    assert 3500 < known.duration <= 3600
    assert username in postgres.roles()
    await revoke_lease(transport, lease.id, token=ROOT)
    assert username not in postgres.roles()
    assert lease.id not in bao.admin.leases("db/creds/app")


async def test_a_renewal_near_the_maximum_grants_less(bao: OpenBao, transport: Transport) -> None:
    """R20: the caller sees the shorter duration, since no error tells it."""
    bao.admin.database_role("db", "short", ttl=30, max_ttl=40)
    lease = (await ask(transport, "db/creds/short")).lease
    assert lease.duration == 30
    renewed = await renew_lease(transport, lease.id, 3600, token=ROOT)
    assert (renewed.id, renewed.renewable) == (lease.id, True)
    assert 30 < renewed.duration <= 40


async def test_a_lease_that_is_gone_is_told_apart(bao: OpenBao, transport: Transport) -> None:
    """R21: renewal and look-up say so, also of one that ended by itself; its revocation is a success."""
    bao.admin.database_role("db", "brief", ttl=1, max_ttl=1)
    revoked = (await ask(transport, "db/creds/app")).lease.id
    ended = (await ask(transport, "db/creds/brief")).lease.id
    bao.admin.revoke(revoked)
    wait_for(lambda: ended not in bao.admin.leases("db/creds/brief"), what="end of the brief lease")
    for gone in (revoked, ended, "db/creds/app/never"):
        with pytest.raises(LeaseNotFound, match="the lease is gone") as caught:
            await renew_lease(transport, gone, 60, token=ROOT)
        assert gone not in str(caught.value)
        assert (caught.value.status, caught.value.transient) == (400, False)
        with pytest.raises(LeaseNotFound):
            await lookup_lease(transport, gone, token=ROOT)
        await revoke_lease(transport, gone, token=ROOT)


async def test_a_lease_without_id_or_without_right_is_another_fault(bao: OpenBao, transport: Transport) -> None:
    """Neither says that the lease is gone."""
    with pytest.raises(Invalid, match="lease_id must be specified"):
        await renew_lease(transport, "", 60, token=ROOT)
    with pytest.raises(Invalid, match="lease_id must be specified"):
        await revoke_lease(transport, "", token=ROOT)
    lease = (await ask(transport, "db/creds/app")).lease
    poor = Sensitive(bao.admin.create_token("default"))
    with pytest.raises(Denied):
        await revoke_lease(transport, lease.id, token=poor)
    assert (await lookup_lease(transport, lease.id, token=ROOT)).id == lease.id


async def test_a_revocation_that_fails_at_the_database_is_told(
    bao: OpenBao, postgres: Postgres, transport: Transport
) -> None:
    """And helps when tried again; the proxy stands between OpenBao and PostgreSQL."""
    with InThread(f"postgresql://{postgres.host}:{postgres.port}") as proxy:
        bao.admin.enable_database("far", postgres, url=postgres.connection_through(proxy.url))
        bao.admin.database_role("far", "app")
        secret = await ask(transport, "far/creds/app")
        username = fields_of(secret)["username"]
        proxy.set(Refuse())
        with pytest.raises((Invalid, ServerFault), match="failed to revoke entry"):
            await revoke_lease(transport, secret.lease.id, token=ROOT)
        assert username in postgres.roles()
        proxy.set(Pass())
        await revoke_lease(transport, secret.lease.id, token=ROOT)
        assert username not in postgres.roles()


async def test_leases_of_a_token_end_with_it(bao: OpenBao, postgres: Postgres, transport: Transport) -> None:
    """R12: by accessor, as an administrator would."""
    bao.admin.policy("creds", 'path "db/creds/*" { capabilities = ["read"] }')
    created = bao.admin.write("auth/token/create", {"policies": ["creds"]})["auth"]
    request = LogicalRequest(mount="db", path="creds/app")
    secret = await request_secret(transport, request, token=Sensitive(created["client_token"]))
    username = fields_of(secret)["username"]
    bao.admin.revoke_accessor(created["accessor"])
    wait_for(lambda: username not in postgres.roles(), what="the account gone with the token")
    with pytest.raises(LeaseNotFound):
        await renew_lease(transport, secret.lease.id, 60, token=ROOT)


async def test_a_static_role_is_read_with_its_rotation(bao: OpenBao, postgres: Postgres, transport: Transport) -> None:
    """No lease; a rotation moves its time and changes the password."""
    postgres.create_role("static-app", "first")
    bao.admin.database_static_role("db", "static", username="static-app", rotation_period="1h")
    first = await ask(transport, "db/static-creds/static")
    rotation = parse_static(first.data.reveal())
    assert rotation is not None
    assert abs(rotation.last_vault_rotation - CLOCK.now().timestamp()) < 60
    assert (rotation.rotation_period, rotation.rotation_schedule) == (3600, "")
    assert 3500 < rotation.ttl <= 3600
    assert first.lease == Lease(request_id=first.lease.request_id)
    assert postgres.can_login("static-app", fields_of(first)["password"])
    bao.admin.rotate_static_role("db", "static")
    second = fields_of(await ask(transport, "db/static-creds/static"))
    assert postgres.can_login("static-app", second["password"])
    assert not postgres.can_login("static-app", fields_of(first)["password"])
    assert second["last_vault_rotation"] != fields_of(first)["last_vault_rotation"]


async def test_leased_credentials_are_not_static(transport: Transport) -> None:
    """Nothing in them tells of a rotation."""
    assert parse_static((await ask(transport, "db/creds/app")).data.reveal()) is None


async def test_parameters_are_written(transport: Transport) -> None:
    """Transit takes text and gives a cipher of it, whatever method was wished for."""
    text = base64.b64encode(b"attack at dawn").decode()
    sealed = fields_of(await ask(transport, "transit/encrypt/key", params={"plaintext": text}))
    params = {"ciphertext": sealed["ciphertext"]}
    opened = fields_of(await ask(transport, "transit/decrypt/key", params=params, method="GET"))
    assert opened["plaintext"] == text


@pytest.mark.parametrize("method", ["POST", "PUT"])
async def test_a_write_without_parameters_has_null_for_a_body(bao: OpenBao, method: str) -> None:
    """Behaviour 6.2; OpenBao takes it for no parameters."""
    async with FaultProxy(bao.address) as proxy, transport_to(proxy.url) as through:
        key = fields_of(await ask(through, "transit/datakey/plaintext/key", method=method))
        assert len(base64.b64decode(key["plaintext"])) == 32
        assert [(seen.method, seen.body) for seen in proxy.requests] == [("PUT", b"null")]


async def test_headers_of_a_request_go_with_it_alone(bao: OpenBao) -> None:
    """The next one has none."""
    async with FaultProxy(bao.address) as proxy, transport_to(proxy.url) as through:
        await ask(through, "transit/keys/key", headers={"X-Extra": "here"})
        await ask(through, "transit/keys/key")
        assert [seen.headers.get("x-extra") for seen in proxy.requests] == ["here", None]


@pytest.mark.parametrize(
    ("path", "params"),
    [("one/empty", {"a": "b"}), ("sys/policies/acl/empty", {"policy": 'path "x" { capabilities = ["read"] }'})],
)
async def test_a_success_without_body_is_an_error_and_no_crash(
    transport: Transport, path: str, params: dict[str, str]
) -> None:
    """Corrections E5: the write was done, yet there is nothing to store."""
    with pytest.raises(NoData, match=f'empty response from Vault, path="{path}": no body') as caught:
        await ask(transport, path, params=params)
    assert caught.value.status == 204


@pytest.mark.parametrize("body", [b"", b'{"request_id":"1","data":null}'])
async def test_an_answer_with_null_data_is_an_error(bao: OpenBao, body: bytes) -> None:
    """As a lost body is; a wrapped answer is neither, since its token is what was asked for."""
    async with FaultProxy(bao.address) as proxy, transport_to(proxy.url) as through:
        await proxy.set(Answer(status=200, body=body))
        with pytest.raises(NoData, match='empty response from Vault, path="db/creds/app"'):
            await ask(through, "db/creds/app")


async def test_a_wrapped_answer_has_its_token_and_no_fields(transport: Transport) -> None:
    """Nobody asks for it here but a header does."""
    secret = await ask(transport, "transit/keys/key", headers={"X-Vault-Wrap-TTL": "60s"})
    assert secret.data.reveal() == b"{}"
    assert secret.wrap_info is not None
    wrapped = json.loads(secret.wrap_info.reveal())
    assert (wrapped["ttl"], wrapped["creation_path"]) == (60, "transit/keys/key")
    assert wrapped["token"] not in repr(secret)


async def test_faults_of_the_user_are_told_and_show_no_parameter(bao: OpenBao, transport: Transport) -> None:
    """A server that repeats what it got does not bring it into a message."""
    with pytest.raises(UnsupportedMethod):
        await ask(transport, "db/creds/app", method="DELETE")
    with pytest.raises(NotFound, match="check mount and namespace"):
        await ask(transport, "nomount/x")
    with pytest.raises(Invalid, match="unknown role"):
        await ask(transport, "db/creds/norole")
    async with FaultProxy(bao.address) as proxy, transport_to(proxy.url) as through:
        await proxy.set(Answer(status=400, body=b'{"errors":["bad value hunter2hunter2"]}'))
        with pytest.raises(Invalid, match=r"bad value \*\*\*") as caught:
            await ask(through, "db/creds/app", params={"password": "hunter2hunter2"})
        assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("fault", "type_"),
    [
        (Cut(), Unreachable),
        (Cut(after=20), Unreachable),
        (Reset(after=1), Unreachable),
        (Silence(), Unreachable),
        (Answer(status=412), Stale),
        (Answer(status=500), ServerFault),
        (Answer(status=503), ServerFault),
    ],
    ids=repr,
)
@pytest.mark.parametrize("method", ["GET", "PUT"])
async def test_a_request_that_may_have_been_done_is_not_sent_again(
    bao: OpenBao, fault: Any, type_: type[VaultError], method: str
) -> None:
    """R13: neither on a new connection nor on one that has served before, where HTTP clients like to try twice."""
    async with FaultProxy(bao.address) as proxy, transport_to(proxy.url, timeout=1.0) as through:
        if fault != Cut():  # which ends old connections before they are used again
            await ask(through, "transit/keys/key")
        begun = len(proxy.requests)
        await proxy.set(fault)
        with pytest.raises(type_):
            await ask(through, "transit/datakey/plaintext/key", method=method)
        assert len(proxy.requests) - begun == 1
