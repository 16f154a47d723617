"""The client of the API server against a real one: verbs, patches, watches, credentials, errors."""

import asyncio
import base64
import json
import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace
from itertools import count
from pathlib import Path

import pytest
import yaml
from aiohttp import web

from testenv import Answer, Cluster, Cut, FaultProxy, Split
from testenv.certificates import Authority
from tests.support.clock import FakeClock
from vso.apis import core
from vso.apis.meta import Key, Kind, ObjectMeta
from vso.base import RateLimit, SystemClock
from vso.kube import (
    Added,
    AlreadyExists,
    ApiError,
    Bookmark,
    Client,
    ClientConfig,
    Conflict,
    ConnectionFailed,
    Deleted,
    Forbidden,
    Gone,
    Invalid,
    Modified,
    NotFound,
    Patch,
    PatchType,
    RequestSeen,
    TooManyRequests,
    Unauthorized,
    WatchEvent,
    in_cluster_config,
    load_config,
)
from vso.kube.transport import CONNECTIONS, Call, Transport

CANARY = "canary-3f9a"
_numbers = count()

# Decodes whole Secrets, but asks for their metadata: data would show if the server sent it.
SECRET_METADATA = Kind(core.SECRET.resource, core.Secret, metadata_only=True)


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    """One cluster for this module."""
    with Cluster() as running:
        yield running


@pytest.fixture(scope="module")
async def config(cluster: Cluster) -> ClientConfig:
    """How its administrator gets in."""
    return await load_config(kubeconfig=str(cluster.admin_kubeconfig), environ={})


@pytest.fixture
async def client(config: ClientConfig) -> AsyncIterator[Client]:
    """A client with all rights."""
    async with Client(config, user_agent="vso-test") as opened:
        yield opened


@pytest.fixture
async def namespace(cluster: Cluster, client: Client) -> AsyncIterator[str]:
    """A namespace for one test, which nobody else adds to."""
    name = f"kube-client-{next(_numbers)}"
    await asyncio.to_thread(cluster.create_namespace, name)
    yield name
    await client.delete(core.NAMESPACE, Key("", name))


def config_map(namespace: str, name: str, *, data: dict[str, str] | None = None, **labels: str) -> core.ConfigMap:
    """A ConfigMap that is not stored yet."""
    return core.ConfigMap(metadata=ObjectMeta(namespace=namespace, name=name, labels=labels), data=data)


def secret(namespace: str, name: str, *, data: dict[str, bytes]) -> core.Secret:
    """A Secret that is not stored yet."""
    return core.Secret(metadata=ObjectMeta(namespace=namespace, name=name), data=data)


def token_config(cluster: Cluster, token: str) -> ClientConfig:
    """To get in with a token that stays the same."""

    async def read() -> str:
        return token

    return ClientConfig(server=cluster.server, ssl=ssl.create_default_context(cadata=cluster.ca_pem), token=read)


async def test_a_created_object_reads_back_equal(client: Client, namespace: str) -> None:
    """Create returns what get returns: bytes in data, apiVersion and kind set."""
    created = await client.create(core.SECRET, secret(namespace, "one", data={"key": b"\x00\xff"}))
    assert created == await client.get(core.SECRET, Key(namespace, "one"))
    assert (created.api_version, created.kind, created.data) == ("v1", "Secret", {"key": b"\x00\xff"})
    assert created.metadata.uid


async def test_a_taken_name_and_a_missing_object_have_their_own_errors(client: Client, namespace: str) -> None:
    """AlreadyExists is a Conflict, NotFound names the object; neither is worth a retry."""
    await client.create(core.CONFIG_MAP, config_map(namespace, "one"))
    with pytest.raises(AlreadyExists) as taken:
        await client.create(core.CONFIG_MAP, config_map(namespace, "one"))
    assert isinstance(taken.value, Conflict)
    assert not taken.value.transient
    with pytest.raises(NotFound, match=f"get ConfigMap {namespace}/nobody: NotFound: ") as missing:
        await client.get(core.CONFIG_MAP, Key(namespace, "nobody"))
    assert (missing.value.status, missing.value.reason) == (404, "NotFound")
    assert not missing.value.transient


async def test_an_invalid_object_is_refused_with_the_fields_at_fault(client: Client, namespace: str) -> None:
    """Invalid carries the causes, path by path."""
    with pytest.raises(Invalid) as refused:
        await client.create(core.CONFIG_MAP, config_map(namespace, "NOT A NAME"))
    assert [cause.field for cause in refused.value.causes] == ["metadata.name"]
    assert "NOT A NAME" in str(refused.value)


async def test_errors_about_secrets_show_no_value(client: Client, namespace: str) -> None:
    """Whatever the server echoes of a Secret's content, the error keeps reason and field paths alone."""
    docker = core.Secret(
        metadata=ObjectMeta(namespace=namespace, name="docker"),
        type="kubernetes.io/dockerconfigjson",
        data={".dockerconfigjson": CANARY.encode()},
    )
    with pytest.raises(Invalid) as invalid:
        await client.create(core.SECRET, docker)
    assert str(invalid.value).endswith(": Invalid: data[.dockerconfigjson] (FieldValueInvalid)")
    assert [cause.message for cause in invalid.value.causes] == [""]

    await client.create(core.SECRET, secret(namespace, "plain", data={"a": b"1"}))
    bodies: list[Patch] = [
        Patch(body={"data": {"a": f"{CANARY} is no base64"}}),
        Patch(body={"data": {"a": {CANARY: 1}}}),
        Patch(body={"data": {f"{CANARY}!": "MQ=="}}),
        Patch(body={"stringData": {"a": {"b": CANARY}}}, type=PatchType.STRATEGIC),
        Patch(body=[{"op": "test", "path": "/data/a", "value": CANARY}], type=PatchType.JSON),
        Patch(body={"data": {"a": CANARY + "?"}}, type=PatchType.APPLY, field_manager="vso"),
    ]
    encoded = base64.b64encode(CANARY.encode()).decode()
    for patch in bodies:
        with pytest.raises(ApiError) as refused:
            await client.patch(core.SECRET, Key(namespace, "plain"), patch)
        told = f"{refused.value!r} {refused.value.causes} {refused.value.__cause__!r}"
        assert CANARY not in told
        assert encoded not in told
        assert f"patch Secret {namespace}/plain" in told


async def test_a_list_comes_in_pages_until_the_last(client: Client, namespace: str) -> None:
    """Five objects in pages of two: each once, each with its kind, all pages of one version."""
    for number in range(5):
        await client.create(core.CONFIG_MAP, config_map(namespace, f"page-{number}", app="pages"))
    names: list[str] = []
    versions, continue_, pages = set(), "", 0
    while pages == 0 or continue_:
        page = await client.list_page(
            core.CONFIG_MAP, namespace=namespace, labels="app=pages", limit=2, continue_=continue_
        )
        names += [item.metadata.name for item in page.items]
        assert {(item.api_version, item.kind) for item in page.items} == {("v1", "ConfigMap")}
        versions.add(page.resource_version)
        continue_, pages = page.continue_, pages + 1
    assert names == [f"page-{number}" for number in range(5)]
    assert pages == 3
    assert len(versions) == 1


async def test_a_selector_that_matches_nothing_gives_an_empty_page(client: Client) -> None:
    """No namespace means all; nothing found is no error, and says from where to watch."""
    page = await client.list_page(core.SECRET, labels="app=nobody-has-this")
    assert (page.items, page.continue_) == ((), "")
    assert int(page.resource_version) > 0


async def test_a_merge_patch_changes_and_removes(client: Client, namespace: str) -> None:
    """Null removes a member, the others stay."""
    await client.create(core.CONFIG_MAP, config_map(namespace, "one", data={"a": "1", "b": "2"}))
    patched = await client.patch(core.CONFIG_MAP, Key(namespace, "one"), Patch(body={"data": {"a": None, "c": "3"}}))
    assert patched.data == {"b": "2", "c": "3"}


async def test_a_patch_with_an_old_version_is_a_conflict(client: Client, namespace: str) -> None:
    """metadata.resourceVersion in a merge patch is a precondition."""
    first = await client.create(core.CONFIG_MAP, config_map(namespace, "one"))
    version = {"metadata": {"resourceVersion": first.metadata.resource_version}}
    await client.patch(core.CONFIG_MAP, Key(namespace, "one"), Patch(body={**version, "data": {"a": "1"}}))
    with pytest.raises(Conflict) as lost:
        await client.patch(core.CONFIG_MAP, Key(namespace, "one"), Patch(body={**version, "data": {"a": "2"}}))
    assert not isinstance(lost.value, AlreadyExists)


async def test_strategic_json_and_status_patches_take_effect(client: Client, namespace: str) -> None:
    """Each kind of patch has its content type; a subresource does not touch the spec."""
    container = {"name": "main", "image": "example.org/one"}
    deployment = {
        "metadata": {"name": "web", "labels": {"a": "1"}},
        "spec": {
            "replicas": 0,
            "selector": {"matchLabels": {"app": "web"}},
            "template": {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [container]}},
        },
    }
    key = Key(namespace, "web")
    made = await client.patch(core.DEPLOYMENT, key, Patch(body=deployment, type=PatchType.APPLY, field_manager="vso"))
    assert (made.api_version, made.kind) == ("apps/v1", "Deployment")
    template = {
        "metadata": {"annotations": {"restarted": "yes"}},
        "spec": {"containers": [{"name": "side", "image": "x"}]},
    }
    restarted = await client.patch(
        core.DEPLOYMENT, key, Patch(body={"spec": {"template": template}}, type=PatchType.STRATEGIC)
    )
    # A strategic patch merges lists by key: with one container lost, the template would be another.
    assert restarted.spec.template.metadata.annotations == {"restarted": "yes"}
    assert restarted.metadata.generation == made.metadata.generation + 1
    steps = [
        {"op": "test", "path": "/metadata/labels/a", "value": "1"},
        {"op": "remove", "path": "/metadata/labels/a"},
    ]
    bare = await client.patch(core.DEPLOYMENT, key, Patch(body=steps, type=PatchType.JSON))
    assert bare.metadata.labels == {}
    ready = {"type": "Progressing", "status": "True", "reason": "Test"}
    status = await client.patch(
        core.DEPLOYMENT,
        key,
        Patch(body={"spec": {"paused": True}, "status": {"conditions": [ready]}}, subresource="status"),
    )
    assert not status.spec.paused


async def test_apply_keeps_to_field_managers_unless_forced(client: Client, namespace: str) -> None:
    """A field of another manager is a Conflict; force takes it over."""
    key = Key(namespace, "one")

    def apply(value: str, manager: str, *, force: bool = False) -> Patch:
        return Patch(body={"data": {"a": value}}, type=PatchType.APPLY, field_manager=manager, force=force)

    await client.patch(core.CONFIG_MAP, key, apply("1", "first"))
    with pytest.raises(Conflict) as refused:
        await client.patch(core.CONFIG_MAP, key, apply("2", "second"))
    assert [cause.field for cause in refused.value.causes] == [".data.a"]
    taken = await client.patch(core.CONFIG_MAP, key, apply("2", "second", force=True))
    assert taken.data == {"a": "2"}


async def test_a_dry_run_changes_nothing(client: Client, namespace: str) -> None:
    """The answer shows the result, the cluster does not."""
    await client.create(core.CONFIG_MAP, config_map(namespace, "dry"), dry_run=True)
    with pytest.raises(NotFound):
        await client.get(core.CONFIG_MAP, Key(namespace, "dry"))
    real = await client.create(core.CONFIG_MAP, config_map(namespace, "dry", data={"a": "1"}))
    shown = await client.patch(core.CONFIG_MAP, Key(namespace, "dry"), Patch(body={"data": {"a": "2"}}, dry_run=True))
    assert shown.data == {"a": "2"}
    assert await client.get(core.CONFIG_MAP, Key(namespace, "dry")) == real


async def test_an_immutable_secret_says_that_it_is(client: Client, namespace: str) -> None:
    """The one thing that people must know about a refused write stays in the text."""
    fixed = core.Secret(metadata=ObjectMeta(namespace=namespace, name="fixed"), data={"a": b"1"}, immutable=True)
    await client.create(core.SECRET, fixed)
    with pytest.raises(Invalid, match="field is immutable when `immutable` is set"):
        await client.patch(core.SECRET, fixed.key, Patch(body={"data": {"a": "Mg=="}}))


async def test_replace_needs_the_current_version(client: Client, namespace: str) -> None:
    """The first replacement wins, the second is a Conflict."""
    first = await client.create(core.CONFIG_MAP, config_map(namespace, "one", data={"a": "1"}))
    second = await client.replace(core.CONFIG_MAP, core.ConfigMap(metadata=first.metadata, data={"b": "2"}))
    assert second.data == {"b": "2"}
    with pytest.raises(Conflict):
        await client.replace(core.CONFIG_MAP, first)


async def test_delete_with_a_uid_spares_a_successor(client: Client, namespace: str) -> None:
    """A uid or version that is not the object's leaves it alone; the right ones delete it."""
    made = await client.create(core.SECRET, secret(namespace, "one", data={}))
    key = Key(namespace, "one")
    with pytest.raises(Conflict, match="the UID in the precondition"):
        await client.delete(core.SECRET, key, uid="00000000-0000-0000-0000-000000000000")
    with pytest.raises(Conflict):
        await client.delete(core.SECRET, key, uid=made.metadata.uid, resource_version="1")
    assert (await client.get(core.SECRET, key)).metadata.uid == made.metadata.uid
    await client.delete(core.SECRET, key, uid=made.metadata.uid, resource_version=made.metadata.resource_version)
    with pytest.raises(NotFound):
        await client.delete(core.SECRET, key)


async def test_a_watch_tells_what_happens_in_order(client: Client, namespace: str) -> None:
    """Added, modified, deleted; then the stream ends without an error."""
    start = (await client.list_page(core.CONFIG_MAP, namespace=namespace, labels="app=w")).resource_version
    await client.create(core.CONFIG_MAP, config_map(namespace, "other"))
    await client.create(core.CONFIG_MAP, config_map(namespace, "one", app="w"))
    await client.patch(core.CONFIG_MAP, Key(namespace, "one"), Patch(body={"data": {"a": "1"}}))
    await client.delete(core.CONFIG_MAP, Key(namespace, "one"))
    events = [
        event
        async for event in client.watch(
            core.CONFIG_MAP, namespace=namespace, labels="app=w", resource_version=start, timeout_seconds=3
        )
    ]
    objects = [(type(event), event.object) for event in events if not isinstance(event, Bookmark)]
    assert [type_ for type_, _ in objects] == [Added, Modified, Deleted]
    assert {(obj.api_version, obj.kind, str(obj.key)) for _, obj in objects} == {
        ("v1", "ConfigMap", f"{namespace}/one")
    }


@pytest.mark.slow
async def test_bookmarks_tell_how_far_a_quiet_watch_is(client: Client, namespace: str) -> None:
    """Without an event to tell, the server names a newer version; its habit is once a minute."""
    start = (await client.list_page(core.CONFIG_MAP, namespace=namespace, labels="app=w")).resource_version
    other = await client.create(core.CONFIG_MAP, config_map(namespace, "other"))
    async with aclosing(
        client.watch(core.CONFIG_MAP, namespace=namespace, labels="app=w", resource_version=start, timeout_seconds=90)
    ) as events:
        event = await anext(events)
    assert isinstance(event, Bookmark)
    assert int(event.resource_version) >= int(other.metadata.resource_version)


async def test_a_watch_delivers_objects_of_a_megabyte(client: Client, namespace: str) -> None:
    """One line of a watch is longer than any buffer."""
    start = (await client.list_page(core.SECRET, namespace=namespace)).resource_version
    value = bytes(range(256)) * 3900
    await client.create(core.SECRET, secret(namespace, "big", data={"a": value}))
    await client.create(core.SECRET, secret(namespace, "small", data={"a": b"1"}))
    seen: list[dict[str, bytes] | None] = []
    async with aclosing(
        client.watch(core.SECRET, namespace=namespace, resource_version=start, timeout_seconds=30)
    ) as events:
        async for event in events:
            if isinstance(event, Added):
                seen.append(event.object.data)
            if len(seen) == 2:
                break
    assert seen == [{"a": value}, {"a": b"1"}]


async def first_event(client: Client, *, resource_version: str) -> WatchEvent[core.ConfigMap]:
    """The first thing that a watch of ConfigMaps tells."""
    async with aclosing(client.watch(core.CONFIG_MAP, resource_version=resource_version, timeout_seconds=10)) as events:
        return await anext(events)


async def test_versions_that_are_no_longer_kept_are_gone() -> None:
    """After a compaction an interrupted list and an old watch have to start again: Gone, not transient."""
    # In a cluster of its own: the version is forgotten for everybody.
    with Cluster() as own:
        config = await load_config(kubeconfig=str(own.admin_kubeconfig), environ={})
        async with Client(config, user_agent="vso-test") as client:
            page = await client.list_page(core.SERVICE_ACCOUNT, limit=1)
            assert page.continue_
            for number in range(3):
                await client.create(core.CONFIG_MAP, config_map("default", f"filler-{number}"))
            own.compact_etcd()
            own.restart_apiserver()
            with pytest.raises(Gone):
                await client.list_page(core.SERVICE_ACCOUNT, limit=1, continue_=page.continue_)
            with pytest.raises(Gone, match="watch ConfigMap: Expired") as expired:
                await first_event(client, resource_version=page.resource_version)
            assert expired.value.status == 410
            assert not expired.value.transient


async def test_metadata_only_requests_bring_no_data(client: Client, namespace: str) -> None:
    """List, get, patch and watch of metadata: the server leaves data out, kind and version are the Secret's."""
    start = (await client.list_page(SECRET_METADATA, namespace=namespace)).resource_version
    await client.create(core.SECRET, secret(namespace, "one", data={"a": CANARY.encode()}))
    full = await client.list_page(core.SECRET, namespace=namespace)
    assert [item.data for item in full.items] == [{"a": CANARY.encode()}]

    page = await client.list_page(SECRET_METADATA, namespace=namespace)
    got = await client.get(SECRET_METADATA, Key(namespace, "one"))
    patched = await client.patch(
        SECRET_METADATA, Key(namespace, "one"), Patch(body={"metadata": {"labels": {"seen": "yes"}}})
    )
    events = [
        event
        async for event in client.watch(SECRET_METADATA, namespace=namespace, resource_version=start, timeout_seconds=3)
    ]
    watched = [event.object for event in events if not isinstance(event, Bookmark)]
    assert [type(event) for event in events][:2] == [Added, Modified]
    for obj in (*page.items, got, patched, *watched):
        assert (obj.api_version, obj.kind, obj.metadata.name, obj.data) == ("v1", "Secret", "one", None)
    assert patched.metadata.labels == {"seen": "yes"}


async def test_a_minted_token_lets_its_account_in(client: Client, cluster: Cluster, namespace: str) -> None:
    """The token works, has the life that was asked for, and its repr does not show it."""
    account = Key(namespace, "visitor")
    await client.create(
        core.SERVICE_ACCOUNT, core.ServiceAccount(metadata=ObjectMeta(namespace=namespace, name="visitor"))
    )
    answer = await client.create_token(account, audiences=(), expiration_seconds=600)
    assert answer.status.expiration_timestamp is not None
    assert answer.status.token not in repr(answer)
    async with Client(token_config(cluster, answer.status.token), user_agent="vso-test") as visitor:
        with pytest.raises(Forbidden) as refused:
            await visitor.get(core.SECRET, Key(namespace, "any"))
    assert f"system:serviceaccount:{namespace}:visitor" in str(refused.value)
    assert 'cannot get resource "secrets"' in str(refused.value)
    with pytest.raises(NotFound):
        await client.create_token(Key(namespace, "nobody"), audiences=("vault",), expiration_seconds=600)


async def test_a_refused_token_is_read_anew_and_the_write_repeated_once(
    client: Client, cluster: Cluster, namespace: str
) -> None:
    """After a 401 the token source is told which token was refused; the write is executed exactly once."""
    good = await _account_with_rights(client, cluster, namespace)
    tokens, refused = ["outdated", good], list[str | None]()

    async def read() -> str:
        return tokens[0]

    def forget(token: str | None) -> None:
        refused.append(token)
        tokens.pop(0)

    seen: list[RequestSeen] = []
    config = replace(token_config(cluster, good), token=read, forget_token=forget)
    async with Client(config, user_agent="vso-test", observe=seen.append) as rotating:
        made = await rotating.create(core.CONFIG_MAP, config_map(namespace, "one"))
    assert made.metadata.uid
    assert refused == ["outdated"]
    assert [(request.code, request.method, request.verb) for request in seen] == [
        ("401", "POST", "create"),
        ("201", "POST", "create"),
    ]


async def _account_with_rights(client: Client, cluster: Cluster, namespace: str) -> str:
    await client.create(
        core.SERVICE_ACCOUNT, core.ServiceAccount(metadata=ObjectMeta(namespace=namespace, name="editor"))
    )
    binding = {
        "metadata": {"name": "editor"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"},
        "subjects": [{"kind": "ServiceAccount", "name": "editor", "namespace": namespace}],
    }
    path = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{namespace}/rolebindings"
    await asyncio.to_thread(cluster.request, "POST", path, binding)
    answer = await client.create_token(Key(namespace, "editor"), audiences=(), expiration_seconds=600)
    return answer.status.token


async def test_a_token_that_stays_refused_is_reported_after_two_attempts(cluster: Cluster) -> None:
    """Unauthorized, worth a later retry, without the token in its text."""
    seen: list[RequestSeen] = []
    async with Client(token_config(cluster, CANARY), user_agent="vso-test", observe=seen.append) as stranger:
        with pytest.raises(Unauthorized) as refused:
            await stranger.get(core.SECRET, Key("default", "any"))
    assert refused.value.transient
    assert CANARY not in str(refused.value)
    assert [request.code for request in seen] == ["401", "401"]


async def test_a_pod_gets_in_with_the_files_of_its_service_account(
    client: Client, cluster: Cluster, namespace: str, tmp_path: Path
) -> None:
    """Environment and three files are all that the operator needs in a cluster."""
    token = await _account_with_rights(client, cluster, namespace)
    (tmp_path / "ca.crt").write_text(cluster.ca_pem)
    (tmp_path / "token").write_text(token + "\n")
    (tmp_path / "namespace").write_text(namespace)
    host, _, port = cluster.server.removeprefix("https://").rpartition(":")
    environ = {"KUBERNETES_SERVICE_HOST": host, "KUBERNETES_SERVICE_PORT": port}
    config = in_cluster_config(environ, folder=tmp_path, clock=SystemClock())
    assert config.namespace == namespace
    async with Client(config, user_agent="vso-test") as pod:
        assert (await pod.list_page(core.CONFIG_MAP, namespace=namespace)).items  # the one that each namespace gets


async def test_a_server_of_another_authority_is_not_trusted(cluster: Cluster) -> None:
    """A wrong CA gives a ConnectionFailed that says so; nothing is sent."""
    config = replace(token_config(cluster, CANARY), ssl=ssl.create_default_context())
    seen: list[RequestSeen] = []
    async with Client(config, user_agent="vso-test", observe=seen.append) as deceived:
        with pytest.raises(ConnectionFailed, match="the certificate of the server is not trusted: ") as failed:
            await deceived.get(core.SECRET, Key("default", "any"))
    assert cluster.server in str(failed.value)
    assert CANARY not in str(failed.value)
    assert [request.code for request in seen] == ["<error>"]


async def test_a_closed_port_is_a_connection_that_failed(cluster: Cluster) -> None:
    """Nobody listens: transient, with the reason of the operating system."""
    config = replace(token_config(cluster, "any"), server="https://127.0.0.1:1")
    async with Client(config, user_agent="vso-test") as lonely:
        with pytest.raises(ConnectionFailed, match="cannot connect: ") as failed:
            await lonely.get(core.SECRET, Key("default", "any"))
    assert failed.value.transient


async def test_a_silent_server_is_given_up_in_time(config: ClientConfig, cluster: Cluster) -> None:
    """A request ends after its time limit, a watch 5 s after the server should have ended it."""
    async with Client(replace(config, timeout=0.5), user_agent="vso-test") as patient:
        start = (await patient.list_page(core.CONFIG_MAP)).resource_version
        watching = client_watch(patient, start)
        assert isinstance(await anext(watching), Added)
        cluster.apiserver.pause()
        try:
            with pytest.raises(ConnectionFailed, match="no answer in time"):
                await patient.get(core.SECRET, Key("default", "any"))
            async with asyncio.timeout(20):
                with pytest.raises(ConnectionFailed, match="no answer in time"):
                    await anext(watching)
        finally:
            cluster.apiserver.resume()
            await watching.aclose()


async def client_watch(client: Client, start: str) -> AsyncGenerator[WatchEvent[core.ConfigMap], None]:
    """A watch of two seconds with one ConfigMap to see, which is removed in the end."""
    made = await client.create(core.CONFIG_MAP, config_map("default", f"silent-{next(_numbers)}"))
    async with aclosing(
        client.watch(core.CONFIG_MAP, namespace="default", resource_version=start, timeout_seconds=2)
    ) as events:
        async for event in events:
            if not isinstance(event, Bookmark):
                yield event
    await client.delete(core.CONFIG_MAP, made.key)


# The body of a watch that is taken for a list is as late as an answer that waits for a slow admission webhook.
SLOW = Call(
    method="GET",
    verb="list",
    resource="configmaps",
    target="/api/v1/configmaps?watch=true&timeoutSeconds=60",
    what="list ConfigMap",
)
LEASES = Call(
    method="GET",
    verb="list",
    resource="leases",
    target="/apis/coordination.k8s.io/v1/leases?limit=1",
    what="list Lease",
)


@pytest.fixture
async def transport(config: ClientConfig) -> AsyncIterator[Transport]:
    """The connections of a client with all rights."""
    opened = Transport(config, user_agent="vso-test", clock=SystemClock(), observe=None, limit=RateLimit())
    yield opened
    await opened.close()


async def test_cancelled_requests_give_their_connections_back(transport: Transport) -> None:
    """More cancelled streams than there are connections leave the client usable."""
    for _ in range(3):
        streams = [asyncio.timeout(0.3) for _ in range(50)]

        async def stream_until(limit: asyncio.Timeout) -> None:
            async with limit, aclosing(transport.stream(SLOW, seconds=60)) as chunks:
                async for _ in chunks:
                    pass

        results = await asyncio.gather(*map(stream_until, streams), return_exceptions=True)
        assert {type(result) for result in results} == {TimeoutError}
    async with asyncio.timeout(10):
        await transport.fetch(replace(LEASES, resource="others"))


async def test_watches_leave_the_connections_to_the_requests(config: ClientConfig) -> None:
    """Each namespace that is watched costs ten of them: more than there are connections for requests."""
    async with Client(config, user_agent="vso-test") as client, asyncio.TaskGroup() as group:
        begun = asyncio.Semaphore(0)

        async def watch() -> None:
            async with aclosing(client.watch(core.CONFIG_MAP, resource_version="0", timeout_seconds=60)) as events:
                await anext(events)
                begun.release()
                async for _ in events:
                    pass

        watches = [group.create_task(watch()) for _ in range(CONNECTIONS + 20)]
        async with asyncio.timeout(30):
            for _ in watches:
                await begun.acquire()
            await client.list_page(core.CONFIG_MAP, limit=1)
        for one in watches:
            one.cancel()


async def test_a_lease_does_not_wait_behind_slow_requests(transport: Transport) -> None:
    """An admission webhook that takes its time holds all connections, and leadership is not lost over it."""
    begun = asyncio.Semaphore(0)

    async def wait() -> None:
        async with aclosing(transport.stream(SLOW, seconds=60)) as chunks:
            await anext(chunks)
            begun.release()
            async for _ in chunks:
                pass

    async with asyncio.TaskGroup() as group:
        waiting = [group.create_task(wait()) for _ in range(CONNECTIONS + 20)]
        async with asyncio.timeout(30):
            for _ in range(CONNECTIONS):
                await begun.acquire()
            await transport.fetch(LEASES)
        for one in waiting:
            one.cancel()


async def test_a_client_can_be_closed_twice_and_not_be_used_after(config: ClientConfig) -> None:
    """Close is idempotent; a request after it is a mistake of the caller."""
    client = Client(config, user_agent="vso-test")
    await client.list_page(core.CONFIG_MAP, limit=1)
    await client.close()
    await client.close()
    with pytest.raises(RuntimeError, match="closed"):
        await client.list_page(core.CONFIG_MAP, limit=1)


async def test_every_request_is_seen_once(config: ClientConfig) -> None:
    """Metrics get verb, resource, code and seconds, of watches as well."""
    seen: list[RequestSeen] = []
    async with Client(config, user_agent="vso-test", observe=seen.append) as client:
        await client.list_page(core.CONFIG_MAP, limit=1)
        with pytest.raises(NotFound):
            await client.delete(core.SECRET, Key("default", "nobody"))
        _ = [event async for event in client.watch(core.LEASE, resource_version="0", timeout_seconds=1)]
    assert [(s.method, s.verb, s.resource, s.code) for s in seen] == [
        ("GET", "list", "configmaps", "200"),
        ("DELETE", "delete", "secrets", "404"),
        ("GET", "watch", "leases", "200"),
    ]
    assert all(0 < s.seconds < 30 for s in seen)


@asynccontextmanager
async def http_proxy(requests: list[bytes]) -> AsyncIterator[int]:
    """A proxy that knows CONNECT and notes the heads of requests."""

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while chunk := await reader.read(65536):
            writer.write(chunk)
        writer.close()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        requests.append(head)
        host, _, port = head.split()[1].decode().rpartition(":")
        near, far = await asyncio.open_connection(host, int(port))
        writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        await asyncio.gather(pump(reader, far), pump(near, writer), return_exceptions=True)

    server = await asyncio.start_server(serve, "127.0.0.1")
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


async def test_requests_go_through_a_proxy_to_a_server_of_another_name(cluster: Cluster, tmp_path: Path) -> None:
    """proxy-url with a password and tls-server-name of a kubeconfig, together."""
    requests: list[bytes] = []
    async with http_proxy(requests) as port:
        content = yaml.safe_load(cluster.admin_kubeconfig.read_text())
        content["clusters"][0]["cluster"] |= {
            "proxy-url": f"http://me:pass@127.0.0.1:{port}",
            "tls-server-name": "kubernetes.default.svc",
        }
        file = tmp_path / "config"
        file.write_text(yaml.safe_dump(content))
        async with Client(await load_config(kubeconfig=str(file), environ={}), user_agent="vso-test") as client:
            assert (await client.get(core.NAMESPACE, Key("", "default"))).status.phase == "Active"
        content["clusters"][0]["cluster"]["tls-server-name"] = "somebody.else"
        file.write_text(yaml.safe_dump(content))
        async with Client(await load_config(kubeconfig=str(file), environ={}), user_agent="vso-test") as client:
            with pytest.raises(ConnectionFailed, match=r"not trusted: .*somebody\.else"):
                await client.get(core.NAMESPACE, Key("", "default"))
    assert len(requests) == 2
    assert all(b"Proxy-Authorization: Basic " + base64.b64encode(b"me:pass") in head for head in requests)


async def behind(proxy: FaultProxy, client: Client, cluster: Cluster, namespace: str) -> ClientConfig:
    """How an account with all rights gets in through `proxy`."""
    return replace(token_config(cluster, await _account_with_rights(client, cluster, namespace)), server=proxy.url)


async def test_a_server_that_sheds_load_says_for_how_long(client: Client, cluster: Cluster, namespace: str) -> None:
    """429 with Retry-After is raised, not waited for; the next request goes through."""
    async with (
        FaultProxy(cluster.server, authority=cluster.authority) as proxy,
        Client(await behind(proxy, client, cluster, namespace), user_agent="vso-test") as pushed,
    ):
        await proxy.set(Answer(status=429, headers={"Retry-After": "7"}, body=b"Too many requests", times=1))
        with pytest.raises(TooManyRequests, match=f"create ConfigMap {namespace}/one: HTTP 429") as raised:
            await pushed.create(core.CONFIG_MAP, config_map(namespace, "one"))
        assert (raised.value.transient, raised.value.retry_after) == (True, 7.0)
        await pushed.create(core.CONFIG_MAP, config_map(namespace, "one"))


async def test_a_lost_answer_is_a_connection_that_failed(client: Client, cluster: Cluster, namespace: str) -> None:
    """The write may have happened: it is reported, never repeated by the client itself."""
    async with (
        FaultProxy(cluster.server, authority=cluster.authority) as proxy,
        Client(await behind(proxy, client, cluster, namespace), user_agent="vso-test") as unlucky,
    ):
        await proxy.set(Cut())
        with pytest.raises(ConnectionFailed, match="the connection was cut") as raised:
            await unlucky.create(core.CONFIG_MAP, config_map(namespace, "one"))
        assert raised.value.transient
    made = await client.list_page(core.CONFIG_MAP, namespace=namespace)
    assert [item.metadata.name for item in made.items if item.metadata.name == "one"] == ["one"]


async def test_a_watch_that_is_cut_does_not_pass_for_one_that_ended(
    client: Client, cluster: Cluster, namespace: str
) -> None:
    """Events arrive whole in chunks of one byte; a broken stream raises ConnectionFailed."""
    start = (await client.list_page(core.CONFIG_MAP, namespace=namespace)).resource_version
    await client.create(core.CONFIG_MAP, config_map(namespace, "one", data={"text": "größer \n" * 20}))
    async with (
        FaultProxy(cluster.server, authority=cluster.authority) as proxy,
        Client(await behind(proxy, client, cluster, namespace), user_agent="vso-test") as watcher,
    ):
        await proxy.set(Split(size=1))
        stream = watcher.watch(core.CONFIG_MAP, namespace=namespace, resource_version=start, timeout_seconds=30)
        async with aclosing(stream) as events:
            event = await anext(events)
            assert isinstance(event, Added)
            assert event.object.data == {"text": "größer \n" * 20}
            await proxy.set(Cut())
            with pytest.raises(ConnectionFailed, match="watch ConfigMap"):
                await anext(events)


async def test_the_brake_holds_requests_back_but_no_leases(config: ClientConfig) -> None:
    """With one request per second the second one waits for the clock; leadership is not slowed down."""
    clock = FakeClock()
    limit = RateLimit(qps=1.0, burst=1)
    async with Client(config, user_agent="vso-test", clock=clock, limit=limit) as slow:
        await slow.list_page(core.CONFIG_MAP, limit=1)
        async with asyncio.TaskGroup() as group:
            second = group.create_task(slow.list_page(core.CONFIG_MAP, limit=1))
            await slow.list_page(core.LEASE, limit=1)
            assert not second.done()
            await clock.advance(1)
    assert second.done()


def jwt(ends: float) -> str:
    """An ID token with an end, unsigned."""
    claims = base64.urlsafe_b64encode(json.dumps({"exp": ends}).encode()).rstrip(b"=").decode()
    return f"e30.{claims}.{CANARY}"


@asynccontextmanager
async def issuer(authority: Authority, asked: list[tuple[str | None, dict[str, str]]]) -> AsyncIterator[str]:
    """An OIDC issuer that rotates its refresh tokens; its ID tokens live for an hour of 2026-01-01."""
    started = FakeClock().now().timestamp()
    app = web.Application()

    async def discovery(request: web.Request) -> web.Response:
        return web.json_response({"token_endpoint": f"https://{request.host}/token"})

    async def token(request: web.Request) -> web.Response:
        form = {name: str(value) for name, value in (await request.post()).items()}
        asked.append((request.headers.get("Authorization"), form))
        ends = started + 3600 * len(asked)
        return web.json_response({"id_token": jwt(ends), "refresh_token": f"refresh-{len(asked)}"})

    app.add_routes([web.get("/.well-known/openid-configuration", discovery), web.post("/token", token)])
    pair = authority.serving("issuer")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(pair.certificate, pair.key)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
        yield f"https://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


def oidc_kubeconfig(folder: Path, **settings: str) -> str:
    """A kubeconfig whose user logged in at an OIDC issuer long ago."""
    user = {"auth-provider": {"name": "oidc", "config": {"client-id": "me", **settings}}}
    content = {
        "clusters": [{"name": "c", "cluster": {"server": "http://127.0.0.1:1"}}],
        "users": [{"name": "u", "user": user}],
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
        "current-context": "x",
    }
    (folder / "config").write_text(yaml.safe_dump(content))
    return str(folder / "config")


async def test_an_oidc_login_is_renewed_before_it_ends(tmp_path: Path) -> None:
    """With the rotated refresh token, at an issuer whose certificate was checked."""
    clock, asked = FakeClock(), list[tuple[str | None, dict[str, str]]]()
    authority = Authority.create(tmp_path / "pki")
    async with issuer(authority, asked) as url:
        settings = {
            "idp-issuer-url": url,
            "client-secret": "s/1",
            "id-token": jwt(clock.now().timestamp() - 1),
            "refresh-token": "refresh-0",
            "idp-certificate-authority-data": base64.b64encode(authority.pem.encode()).decode(),
        }
        path = oidc_kubeconfig(tmp_path, **settings)
        config = await load_config(kubeconfig=path, environ={}, clock=clock)
        first = await config.token()
        await clock.advance(54 * 60)
        assert await config.token() == first
        await clock.advance(60)
        assert await config.token() not in {None, first}
    login = "Basic " + base64.b64encode(b"me:s%2F1").decode()
    assert asked == [
        (login, {"grant_type": "refresh_token", "refresh_token": f"refresh-{number}"}) for number in range(2)
    ]


async def test_a_refresh_token_is_not_shown_to_an_issuer_that_is_not_trusted(tmp_path: Path) -> None:
    """Without its authority the issuer gets nothing, and the error holds no token."""
    asked: list[tuple[str | None, dict[str, str]]] = []
    async with issuer(Authority.create(tmp_path / "pki"), asked) as url:
        path = oidc_kubeconfig(tmp_path, **{"idp-issuer-url": url, "refresh-token": CANARY})
        with pytest.raises(ConnectionFailed, match=f"the OIDC issuer {url} does not answer") as raised:
            await load_config(kubeconfig=path, environ={}, clock=FakeClock())
    assert asked == []
    assert CANARY not in repr(raised.value)
