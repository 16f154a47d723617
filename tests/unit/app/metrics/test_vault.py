"""Figures of requests to Vault and of logins."""

from dataclasses import replace
from typing import Any

import pytest

from tests.unit.app.metrics.reading import samples
from vso.apis.merge import MergedAuth
from vso.apis.meta import Key, ObjectMeta
from vso.apis.v1beta1 import VaultAuth, VaultConnection
from vso.app.metrics.family import Families
from vso.app.metrics.vault import VaultMetrics
from vso.sync import ClientSpec, CredentialMissing, LoginId, ServerId
from vso.vault import Denied, Invalid, LoginRefused, Sealed, VaultRequestSeen

CONNECTION = Key("app", "vault")
ON = "vault_connection=app/vault"


@pytest.fixture
def families() -> Families:
    """An empty registry."""
    return Families()


@pytest.fixture
def metrics(families: Families) -> VaultMetrics:
    """Figures in it."""
    return VaultMetrics(families)


def seen(method: str, path: str, **more: Any) -> VaultRequestSeen:
    """A request that took half a second and went well."""
    plain = VaultRequestSeen(method=method, path=path, status=200, error="", seconds=0.5)
    return replace(plain, **more)


def spec() -> ClientSpec:
    """A login of VaultAuth app/auth at VaultConnection app/vault."""
    auth = VaultAuth(metadata=ObjectMeta(namespace="app", name="auth"))
    return ClientSpec(
        auth=auth,
        merged=MergedAuth(key=auth.key, method="kubernetes"),
        connection=VaultConnection(metadata=ObjectMeta(namespace="app", name="vault")),
        consumer="app",
        login=LoginId(ServerId(CONNECTION, "", ""), auth.key, "", "", "app"),
    )


def counts(families: Families, prefix: str) -> dict[str, float]:
    """Counters whose name begins with `prefix`, without it."""
    found = samples(families.scrape().collect())
    return {name.removeprefix(prefix): value for name, value in found.items() if name.startswith(prefix)}


def test_a_request_counts_by_connection_operation_and_status(metrics: VaultMetrics, families: Families) -> None:
    """Signal 2; a request without an answer has the code error."""
    count = metrics.of(CONNECTION)
    count(seen("GET", "kv/data/app"))
    count(seen("GET", "kv/data/app", status=403, error="Denied"))
    count(seen("PUT", "auth/kubernetes/login", status=0, error="Unreachable"))
    assert counts(families, "vso_vault_requests_total") == {
        f"{{code=200,operation=read,{ON}}}": 1,
        f"{{code=403,operation=read,{ON}}}": 1,
        f"{{code=error,operation=login,{ON}}}": 1,
    }
    assert counts(families, "vso_vault_request_duration_seconds_sum")[f"{{operation=read,{ON}}}"] == 1.0


@pytest.mark.parametrize(("status", "code"), [(429, "429"), (777, "7xx"), (299, "2xx")])
def test_statuses_that_a_server_makes_up_make_no_series_of_their_own(
    metrics: VaultMetrics, families: Families, status: int, code: str
) -> None:
    """A tenant chooses the server, and series cost everybody."""
    metrics.of(CONNECTION)(seen("GET", "kv/data/app", status=status))
    assert list(counts(families, "vso_vault_requests_total")) == [f"{{code={code},operation=read,{ON}}}"]


def test_the_originals_operations_count_as_they_did(metrics: VaultMetrics, families: Families) -> None:
    """A login and a renewal count as a write as well; what the original did not see is not there."""
    count = metrics.of(CONNECTION)
    for method, path in (
        ("PUT", "auth/kubernetes/login"),
        ("PUT", "auth/token/renew-self"),
        ("GET", "kv/data/app"),
        ("PUT", "transit/encrypt/key"),
        ("GET", "sys/seal-status"),
        ("PUT", "auth/token/revoke-self"),
    ):
        count(seen(method, path))
    totals = counts(families, "vso_client_operations_total")
    assert {name.split(",")[0].removeprefix("{operation="): value for name, value in totals.items()} == {
        "login": 1,
        "write": 3,
        "renew": 1,
        "read": 1,
    }
    assert counts(families, "vso_client_operations_errors_total") == {}


def test_failed_renewals_have_no_duration_in_the_originals_figures(metrics: VaultMetrics, families: Families) -> None:
    """As there; they count as errors."""
    metrics.of(CONNECTION)(seen("PUT", "auth/token/renew-self", status=403, error="Denied"))
    assert counts(families, "vso_client_operations_errors_total")[f"{{operation=renew,{ON}}}"] == 1
    assert f"{{operation=renew,{ON}}}" not in counts(families, "vso_client_operations_time_seconds_count")


@pytest.mark.parametrize(
    ("error", "cause"),
    [
        (CredentialMissing("no"), "credentials"),
        (LoginRefused("no"), "denied"),
        (Denied("no"), "denied"),
        (Sealed("no"), "unreachable"),
        (Invalid("no"), "other"),
    ],
)
def test_failed_logins_count_by_cause(metrics: VaultMetrics, families: Families, error: Exception, cause: str) -> None:
    """Signal 12: with the VaultAuth, so that an alert says whom to ask."""
    metrics.refused(spec(), error)
    name = f"{{cause={cause},method=kubernetes,vault_auth=app/auth,{ON}}}"
    assert counts(families, "vso_vault_auth_failures_total") == {name: 1}


def test_rejected_tokens_and_renewals_count(metrics: VaultMetrics, families: Families) -> None:
    """A 403 with a token that has not ended may be a lost policy."""
    metrics.rejected(spec())
    metrics.renewed(spec(), ok=True)
    metrics.renewed(spec(), ok=False)
    (rejected,) = counts(families, "vso_vault_auth_failures_total")
    assert "cause=invalid_token" in rejected
    assert counts(families, "vso_vault_token_renewals_total") == {
        f"{{result=success,{ON}}}": 1,
        f"{{result=failure,{ON}}}": 1,
    }


def test_series_go_with_the_objects_they_name(metrics: VaultMetrics, families: Families) -> None:
    """R37; those of others stay, and one that comes back begins at 0."""
    other = Key("app", "other")
    for key in (CONNECTION, other):
        metrics.of(key)(seen("GET", "kv/data/app"))
    metrics.refused(spec(), LoginRefused("no"))
    metrics.forget_others(connections={str(other)}, auths=set())
    text = str(samples(families.scrape().collect()))
    assert "app/vault" not in text
    assert "app/auth" not in text
    assert "app/other" in text
    metrics.of(CONNECTION)(seen("GET", "kv/data/app"))
    assert counts(families, "vso_vault_requests_total")[f"{{code=200,operation=read,{ON}}}"] == 1


def test_clients_that_were_asked_for_count(metrics: VaultMetrics, families: Families) -> None:
    """Had or not, under the original's names."""
    metrics.asked(0.1, ok=True)
    metrics.asked(0.2, ok=False)
    metrics.stored(ok=True)
    assert counts(families, "vso_client_factory_requests_total") == {"{operation=get}": 1, "{operation=store}": 1}
    errors = counts(families, "vso_client_factory_requests_errors_total")
    assert errors == {"{operation=get}": 1, "{operation=store}": 0}
    count = counts(families, "vso_client_factory_operations_time_seconds_count")
    assert count == {"{component=client_factory,operation=get}": 2}
