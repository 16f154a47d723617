"""Servers that fault tests may disturb: a control plane beside the shared one, with operators of the tests' own."""

from collections.abc import Iterator

import pytest

from testenv import Cluster, OpenBao
from tests.support import operator as harness
from tests.support import stored
from tests.support.tenant import Tenant, new_tenant, remove


@pytest.fixture(scope="session")
def arena() -> Iterator[Cluster]:
    """A control plane without an operator: each test runs its own there, and may restart or break the cluster."""
    with Cluster() as cluster:
        harness.install(cluster)
        yield cluster


@pytest.fixture(scope="session")
def arena_bao(arena: Cluster) -> Iterator[OpenBao]:
    """An OpenBao for the arena."""
    with OpenBao() as bao:
        bao.admin.enable_kubernetes_auth("kubernetes", arena)
        yield bao


@pytest.fixture
def team(arena: Cluster, arena_bao: OpenBao) -> Iterator[Tenant]:
    """A namespace of its own in the arena."""
    team = new_tenant(arena, arena_bao)
    yield team
    remove(team)


@pytest.fixture
def transit(team: Tenant) -> Iterator[Tenant]:
    """The operator's own VaultAuth with a Transit key, in its namespace."""
    with stored.encrypting(team) as own:
        yield own
