"""Servers and operator for the tests that need them: one of each for the whole session, a namespace per test."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from testenv import Cluster, OpenBao, Postgres, Prometheus
from testenv.port import free_port, host_port
from testenv.prometheus import find_prometheus
from testenv.web import Site
from tests.support import canary
from tests.support import operator as harness
from tests.support.database import Database, new_database, remove_database
from tests.support.operator import Operator
from tests.support.tenant import Tenant, new_tenant, remove


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """A real control plane with our CRDs and rules installed."""
    with Cluster() as cluster:
        harness.install(cluster)
        yield cluster


@pytest.fixture(scope="session")
def bao(cluster: Cluster) -> Iterator[OpenBao]:
    """A real OpenBao in which the cluster's ServiceAccounts can log in at ``kubernetes``."""
    with OpenBao() as bao:
        bao.admin.enable_kubernetes_auth("kubernetes", cluster)
        yield bao


@pytest.fixture(scope="session")
def credentials(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory that the shared operator may read secret ids and CAs from."""
    return tmp_path_factory.mktemp("credentials")


@pytest.fixture(scope="session")
def operator(cluster: Cluster, credentials: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Operator]:
    """The operator, shared by all tests that neither stop it nor set it up differently."""
    folder: Path = tmp_path_factory.mktemp("operator")
    permitted = (f"--credentials-directory={credentials}", "--allow-own-credentials")
    flags = ("--backoff-initial-interval=1s", "--backoff-max-interval=5s", "--zap-log-level=debug")
    address = host_port(free_port())
    alone = ("--leader-elect=false", f"--metrics-bind-address={address}", *flags, *permitted)
    with harness.running(cluster, folder, *alone, OPERATOR_POD_UID=harness.POD_UID) as operator:
        yield operator
        metrics = folder / "metrics.txt"
        metrics.write_text(Site(base=f"http://{address}").ask("GET", "/metrics").text)
    assert not canary.token_in(metrics.read_text()), "a token in the metrics"
    canary.SESSION.log_ended(metrics, begun=0)


@pytest.fixture
def tenant(cluster: Cluster, bao: OpenBao) -> Iterator[Tenant]:
    """A namespace of its own, without any object of ours yet."""
    tenant = new_tenant(cluster, bao)
    yield tenant
    remove(tenant)


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A real PostgreSQL."""
    with Postgres() as postgres:
        yield postgres


@pytest.fixture
def database(tenant: Tenant, postgres: Postgres) -> Iterator[Database]:
    """A database engine of the tenant's own; the tenant is connected."""
    database = new_database(tenant, postgres)
    tenant.connect()
    yield database
    remove_database(database)


@pytest.fixture(scope="module")
def prometheus() -> Iterator[Prometheus]:
    """A real Prometheus that scrapes nothing yet; without one on the machine the test is skipped."""
    try:
        find_prometheus()
    except FileNotFoundError as exc:
        pytest.skip(str(exc))
    with Prometheus() as prometheus:
        yield prometheus
