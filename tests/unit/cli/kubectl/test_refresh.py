"""What `kubectl vso refresh` waits for, and what it outlives."""

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

import pytest
from msgspec import structs

from tests.support.command_line import invoke
from vso.apis import names
from vso.apis.meta import Condition, Key, Kind, ObjectMeta
from vso.apis.v1beta1 import VaultStaticSecret
from vso.cli.kubectl import refresh
from vso.cli.kubectl.target import Cluster
from vso.kube import Client, ClientConfig, ConnectionFailed, Forbidden, KubeError, NotFound, Patch


class Answering(Client):
    """An API server whose watches fail by `error`, and an operator that answers after the first of them."""

    def __init__(self, error: KubeError) -> None:
        super().__init__(ClientConfig(server="http://127.0.0.1:1"), user_agent="test")
        self.error = error
        self.secret = VaultStaticSecret(kind="VaultStaticSecret", metadata=ObjectMeta(name="db", namespace="team"))

    async def get(self, kind: Kind[Any], key: Key) -> Any:
        if kind.resource.kind != self.secret.kind:
            raise NotFound(str(key), status=404)
        return self.secret

    async def patch(self, kind: Kind[Any], key: Key, patch: Patch, **_: Any) -> Any:
        body: Any = patch.body
        metadata = structs.replace(self.secret.metadata, annotations=body["metadata"]["annotations"])
        self.secret = structs.replace(self.secret, metadata=metadata)
        return self.secret

    async def watch(self, *_: Any, **__: Any) -> AsyncGenerator[Any, None]:
        status = self.secret.status
        done = structs.replace(status.extensions, refreshed=self.secret.metadata.annotations[names.REFRESH])
        synced = (Condition(type="SecretSynced", status="True"),)
        self.secret = structs.replace(self.secret, status=structs.replace(status, extensions=done, conditions=synced))
        for error in (self.error,):
            raise error
        yield None


def refreshed(monkeypatch: pytest.MonkeyPatch, error: KubeError) -> Any:
    """What the command answers if its watch fails by `error`."""
    cluster = Cluster(client=Answering(error), namespace="team", labels="")
    monkeypatch.setattr(refresh, "run", lambda _, work: asyncio.run(work(cluster)))
    return invoke("refresh", "db")


def test_a_refresh_outlives_a_watch_that_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    """A load balancer cuts what is quiet; the operator may have answered meanwhile."""
    answer = refreshed(monkeypatch, ConnectionFailed("the stream broke"))
    assert (answer.exit_code, answer.exception) == (0, None)
    assert "VaultStaticSecret team/db is in sync" in answer.output


def test_a_watch_that_is_refused_ends_a_refresh(monkeypatch: pytest.MonkeyPatch) -> None:
    """Asking again would not help."""
    answer = refreshed(monkeypatch, Forbidden("no watch for you", status=403))
    assert isinstance(answer.exception, Forbidden)
