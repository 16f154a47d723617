"""Figures of attempts and restarts."""

from dataclasses import replace

import pytest

from tests.unit.app.metrics.reading import samples
from vso.apis.meta import Key
from vso.app.metrics.family import Families
from vso.app.metrics.secret import SecretMetrics
from vso.controllers import Attempt, AttemptResult
from vso.controllers.attempt import FailureCause

KIND = "VaultStaticSecret"
GOOD = Attempt(
    kind=KIND, key=Key("app", "web"), reason="Periodic", result=AttemptResult.UNCHANGED, seconds=0.1, ended=7.0
)
BAD = replace(GOOD, result=AttemptResult.FAILURE, cause=FailureCause.VAULT, ended=8.0)


@pytest.fixture
def families() -> Families:
    """An empty registry."""
    return Families()


@pytest.fixture
def metrics(families: Families) -> SecretMetrics:
    """Figures in it."""
    return SecretMetrics(families, each=True)


def test_attempts_count_by_result_reason_and_cause(metrics: SecretMetrics, families: Families) -> None:
    """Signals 9 and 11."""
    for attempt in (GOOD, GOOD, BAD):
        metrics.attempted(attempt)
    found = samples(families.scrape().collect())
    labels = f"kind={KIND},namespace=app,reason=Periodic"
    assert found[f"vso_secret_syncs_total{{{labels},result=unchanged}}"] == 2
    assert found[f"vso_secret_syncs_total{{{labels},result=failure}}"] == 1
    assert found[f"vso_secret_sync_failures_total{{cause=vault,kind={KIND},namespace=app}}"] == 1
    assert found[f"vso_secret_sync_duration_seconds_count{{kind={KIND},result=unchanged}}"] == 2


def test_the_last_success_outlives_a_failure(metrics: SecretMetrics) -> None:
    """It is the age of what the Secret holds."""
    metrics.attempted(GOOD)
    metrics.attempted(BAD)
    assert metrics.last_success == {(KIND, GOOD.key): 7.0}


def test_restarts_count_by_target(metrics: SecretMetrics, families: Families) -> None:
    """Those that failed apart."""
    metrics.restarted("app", "Deployment", ok=True)
    metrics.restarted("app", "Deployment", ok=False)
    found = samples(families.scrape().collect())
    for result in ("success", "failure"):
        assert found[f"vso_rollout_restarts_total{{kind=Deployment,namespace=app,result={result}}}"] == 1


def test_what_is_gone_takes_its_series_along(metrics: SecretMetrics, families: Families) -> None:
    """R37: namespaces without secrets, and resources without a name any more."""
    metrics.attempted(GOOD)
    metrics.attempted(replace(GOOD, key=Key("other", "web")))
    metrics.restarted("app", "Deployment", ok=True)
    metrics.forget_others(namespaces={"other"}, resources={(KIND, Key("other", "web"))})
    assert "namespace=app" not in str(samples(families.scrape().collect()))
    assert list(metrics.last_success) == [(KIND, Key("other", "web"))]


def test_the_last_success_of_each_resource_is_remembered_only_if_it_is_told(families: Families) -> None:
    """It is one entry per resource."""
    metrics = SecretMetrics(families, each=False)
    metrics.attempted(GOOD)
    assert metrics.last_success == {}


def test_many_namespaces_that_go_together_are_forgotten_in_one_pass(metrics: SecretMetrics, families: Families) -> None:
    """A scrape after a mass deletion must not hold up the event loop."""
    for number in range(500):
        metrics.attempted(replace(GOOD, key=Key(f"n{number}", "web")))
    metrics.attempted(GOOD)
    metrics.forget_others(namespaces={"app"}, resources=set())
    found = [name for name in samples(families.scrape().collect()) if "namespace=" in name]
    assert found
    assert all("namespace=app" in name for name in found)
