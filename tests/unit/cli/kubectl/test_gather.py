"""What `doctor` sends, and when it sends nothing: a cluster in memory, and a server that notes what reaches it."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, Final, TypeVar

import msgspec
import pytest

from vso.apis import core, meta
from vso.apis.meta import Key, Kind, Object
from vso.apis.v1beta1 import VaultStaticSecret
from vso.app import Settings
from vso.cli.kubectl.facts import Facts, Unknown
from vso.cli.kubectl.gather import Examiner
from vso.cli.kubectl.installation import Installation
from vso.kube import Client, ClientConfig, NotFound, Page

T = TypeVar("T", bound=Object)
Json = dict[str, Any]

KUBERNETES: Final[Json] = {"method": "kubernetes", "kubernetes": {"role": "web", "serviceAccount": "app"}}
APP_ROLE: Final[Json] = {"method": "appRole", "appRole": {"roleId": "web", "secretRef": "secret-id"}}
SEAL_STATUS: Final = b'{"initialized": true, "sealed": false, "version": "1.15.0"}'
DENIED: Final = b'{"errors": ["permission denied"]}'


class Cluster(Client):
    """Objects of namespace ``team`` in memory; `tokens` are the ServiceAccounts of which tokens were asked for."""

    def __init__(self, objects: Mapping[tuple[str, str], Json]) -> None:
        super().__init__(ClientConfig(server="http://127.0.0.1:1"), user_agent="test")
        self.objects = objects
        self.tokens: list[Key] = []

    async def get(self, kind: Kind[T], key: Key) -> T:
        found = self.objects.get((kind.resource.kind, key.name))
        if found is None:
            raise NotFound("it does not exist", status=404)
        whole = {"metadata": {"namespace": "team", "name": key.name, "uid": key.name}, **found}
        return meta.decode(msgspec.json.encode(whole), kind.type)

    async def list_page(self, *_: Any, **__: Any) -> Page[Any]:
        return Page(items=(), continue_="", resource_version="1")

    async def create(self, kind: Kind[T], obj: T, *, dry_run: bool = False) -> T:
        return obj

    async def create_token(
        self, service_account: Key, *, audiences: Sequence[str], expiration_seconds: int
    ) -> core.TokenRequest:
        self.tokens.append(service_account)
        return core.TokenRequest(status=core.TokenRequestStatus(token="e30.e30.c"))


@asynccontextmanager
async def server() -> AsyncIterator[tuple[str, list[str]]]:
    """An unsealed Vault that lets nobody in: its address, and the requests that it got."""
    asked: list[str] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        path = head.split()[1]
        asked.append(path)
        status, answer = ("200 OK", SEAL_STATUS) if path.endswith("seal-status") else ("403 Forbidden", DENIED)
        writer.write(
            f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nConnection: close\r\n"
            f"Content-Length: {len(answer)}\r\n\r\n".encode()
            + answer
        )
        await writer.drain()
        writer.close()

    listening = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with listening:
        yield f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}", asked


def secret() -> VaultStaticSecret:
    """A VaultStaticSecret that can be synced."""
    body = {
        "kind": "VaultStaticSecret",
        "metadata": {"namespace": "team", "name": "db", "uid": "db"},
        "spec": {"vaultAuthRef": "it", "type": "kv-v2", "mount": "kv", "path": "db", "destination": {"name": "db"}},
    }
    return meta.decode(msgspec.json.encode(body), VaultStaticSecret)


async def examine(
    auth: Json, *, settings: Settings | None = None, doubt: str = "", use_secret_id: bool = False
) -> tuple[Facts, list[Key], list[str]]:
    """What is found out about a secret with this login, the tokens asked for, and what the server was asked."""
    async with server() as (address, asked), AsyncExitStack() as stack:
        cluster = Cluster(
            {
                ("VaultAuth", "it"): {"spec": {"vaultConnectionRef": "it", "mount": "m", **auth}},
                ("VaultConnection", "it"): {"spec": {"address": address}},
                ("ServiceAccount", "app"): {},
                ("Secret", "secret-id"): {"data": {"id": "aWQ="}},
            }
        )
        installation = Installation(settings=settings or Settings(), account=Key("ops", "manager"), doubt=doubt)
        examiner = Examiner(cluster, installation, stack, use_secret_id=use_secret_id)
        return await examiner.examine(secret()), cluster.tokens, asked


async def test_where_the_operator_is_known_the_login_is_tried() -> None:
    """The counterpart of the tests below: a token is asked for, and sent."""
    facts, tokens, asked = await examine(KUBERNETES)
    assert tokens == [Key("team", "app")]
    assert "/v1/auth/m/login" in asked
    assert not isinstance(facts.login, Unknown)


async def test_while_the_operator_s_settings_are_in_doubt_no_token_is_asked_for_or_sent() -> None:
    """It may be one that would refuse: who may do more than the operator must not be made to."""
    facts, tokens, asked = await examine(KUBERNETES, doubt="there are several")
    assert isinstance(facts.login, Unknown)
    assert "settings are not known; name it with --operator-namespace" in facts.login.why
    assert isinstance(facts.path, Unknown)
    assert tokens == []
    assert [path for path in asked if "auth" in path] == []


async def test_what_the_operator_does_not_serve_is_not_followed_to_the_server() -> None:
    """Nothing reaches the address that it names."""
    elsewhere = Settings(watch_namespaces=("other",))
    facts, tokens, asked = await examine(KUBERNETES, settings=elsewhere)
    assert facts.covered is False
    for fact in (facts.server, facts.login, facts.path):
        assert isinstance(fact, Unknown)
        assert "not responsible" in fact.why
    assert (tokens, asked) == ([], [])


@pytest.mark.parametrize("permitted", [False, True])
async def test_a_secret_id_is_used_only_where_that_is_permitted(permitted: bool) -> None:
    """It may have one use left, which is the operator's."""
    facts, _, asked = await examine(APP_ROLE, use_secret_id=permitted)
    assert not isinstance(facts.login, Unknown)
    assert isinstance(facts.login.auth, Unknown) is not permitted
    if isinstance(facts.login.auth, Unknown):
        assert "--use-secret-id" in facts.login.auth.why
    assert ("/v1/auth/m/login" in asked) is permitted
