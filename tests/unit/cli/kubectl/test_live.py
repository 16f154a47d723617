"""The rows of the live table, as the watches tell of them."""

import asyncio
import io
import sys
from collections.abc import AsyncGenerator
from typing import Any

import pytest

from vso.apis.meta import Condition, ObjectMeta
from vso.apis.v1beta1 import VaultStaticSecret, VaultStaticSecretStatus
from vso.base import SystemClock
from vso.cli.kubectl.live import Board, show
from vso.cli.kubectl.summary_table import View
from vso.cli.kubectl.target import Cluster
from vso.kube import Client, ClientConfig, Page
from vso.runtime import Change

SYNCED = tuple(Condition(type=one, status="True") for one in ("SecretSynced", "Ready"))
FAILED = (Condition(type="SecretSynced", status="False", message="err=no role"),)


def secret(name: str, *conditions: Condition) -> VaultStaticSecret:
    """A VaultStaticSecret."""
    status = VaultStaticSecretStatus(last_generation=1, conditions=conditions)
    return VaultStaticSecret(
        kind="VaultStaticSecret", metadata=ObjectMeta(name=name, namespace="team", generation=1), status=status
    )


def board(*secrets: VaultStaticSecret) -> Board:
    """A board that was told of these."""
    made = Board()
    for one in secrets:
        made.take(Change(None, one))
    return made


def test_what_is_not_well_comes_first_whatever_fits_the_screen() -> None:
    """Of many rows only some can be shown."""
    found = board(secret("a", *SYNCED), secret("b", *SYNCED), secret("c", *FAILED))
    assert [one.name for one in found.most_urgent(2)] == ["c", "a"]
    assert found.headline() == "3 secrets: 2 synced, 1 failing"


def test_a_change_replaces_a_row_and_a_deletion_removes_it() -> None:
    """And news are told once."""
    found = board(secret("a", *SYNCED), secret("b", *SYNCED))
    assert [one.name for one in found.news()] == ["a", "b"]
    found.take(Change(secret("a", *SYNCED), secret("a", *FAILED)))
    assert found.changed.is_set()
    assert [(one.name, one.message) for one in found.news()] == [("a", "no role")]
    assert found.news() == []
    found.take(Change(secret("b", *SYNCED), None))
    assert found.headline() == "1 secrets: 1 failing"


def test_an_empty_board_says_so() -> None:
    """Instead of a table without rows."""
    assert board().headline() == "There are no secrets here yet."


class Quiet(Client):
    """One secret of each kind, to which nothing happens."""

    async def list_page(self, *_: Any, **__: Any) -> Page[Any]:
        return Page(items=(secret("a", *SYNCED),), resource_version="1", continue_="")

    async def watch(self, *_: Any, **__: Any) -> AsyncGenerator[Any, None]:
        await asyncio.Event().wait()
        yield None


class Closed(io.StringIO):
    """A pipe that nobody reads any more."""

    def write(self, _: str) -> int:
        raise BrokenPipeError


async def test_a_watch_ends_when_nobody_reads_it_any_more(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the error itself, which click takes for an end like others, as behind `head`."""
    monkeypatch.setattr(sys, "stdout", Closed())
    client = Quiet(ClientConfig(server="http://127.0.0.1:1"), user_agent="test")
    cluster = Cluster(client=client, namespace="team", labels="")
    with pytest.raises(BrokenPipeError):
        await asyncio.wait_for(show(cluster, View(namespaces=False, wide=False), clock=SystemClock()), 30)
