"""All metrics together: what a scrape of a fresh process holds."""

import re
from typing import Final

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.support.clock import FakeClock
from tools.reference_metrics import declared
from vso.apis.meta import Key
from vso.app import Settings
from vso.app.metrics import Metrics
from vso.controllers import Attempt, AttemptResult, new_world
from vso.sync import CacheCounts
from vso.vault import VaultRequestSeen

FACTS = dict.fromkeys(
    ("major", "minor", "gitVersion", "gitCommit", "gitTreeState", "buildDate", "goVersion", "compiler", "platform"), "x"
)


class Nobody:
    """No login at all."""

    counts = CacheCounts()

    def __len__(self) -> int:
        return 0


async def test_a_fresh_process_tells_its_build_and_its_settings() -> None:
    """Signal 10, and what a dashboard shows beside it; durations are written as Go does."""
    settings = Settings(backoff_initial_interval=90.0, client_cache_persistence_model="direct-encrypted")
    text = (await Metrics(settings, facts=FACTS, clock=FakeClock(), server="https://x").text()).decode()
    found = {family.name: family for family in text_string_to_metric_families(text)}
    (build,) = found["vso_build_info"].samples
    assert set(build.labels) == {
        *("major", "minor", "git_version", "git_commit", "git_tree_state"),
        *("build_date", "go_version", "compiler", "platform"),
    }
    (config,) = found["vso_runtime_config"].samples
    assert config.labels["backoffInitialInterval"] == "1m30s"
    assert config.labels["backoffMultiplier"] == "1.50"
    assert config.labels["globalVaultAuthOptions"] == "allow-default-globals"
    (storage,) = found["vso_client_cache_storage_config"].samples
    assert storage.labels == {"enforce_encryption": "true"}
    assert "process_resident_memory_bytes" in found
    assert "_created" not in text


async def test_work_that_outlasts_its_object_leaves_no_series() -> None:
    """R37: what ends after the object was seen to go, such as the revocation of its token, is swept up later."""
    metrics, world, gone = (
        Metrics(Settings(), facts=FACTS, clock=FakeClock(), server="https://x"),
        new_world("op"),
        "gone",
    )
    metrics.watch(world, clients=Nobody(), leading=lambda: False)
    attempt = Attempt(
        kind="VaultStaticSecret",
        key=Key(gone, "web"),
        reason="Periodic",
        result=AttemptResult.UNCHANGED,
        seconds=0.1,
        ended=7.0,
    )
    request = VaultRequestSeen(method="POST", path="auth/token/revoke-self", status=204, error="", seconds=0.1)
    for _ in range(2):
        metrics.secret.attempted(attempt)
        metrics.vault.of(Key(gone, "vault"))(request)
        assert gone not in (await metrics.text()).decode()


async def test_every_family_has_help_and_one_type() -> None:
    """What promtool checks first."""
    text = (await Metrics(Settings(), facts=FACTS, clock=FakeClock(), server="https://x").text()).decode()
    helped = re.findall(r"^# HELP (\S+) (.+)$", text, re.MULTILINE)
    typed = re.findall(r"^# TYPE (\S+) (\S+)$", text, re.MULTILINE)
    assert [name for name, _ in helped] == [name for name, _ in typed]
    assert len({name for name, _ in typed}) == len(typed)
    assert all(words.endswith(".") for name, words in helped if name.startswith(("vso_", "workqueue_")))


BY_CONTROLLER: Final = "controller"
BY_QUEUE: Final = "name controller"
CONTRACT: Final = {
    # operations.md section 2.1; the hits and misses are counters without the suffix of one
    "controller_resource_status": ("gauge", "controller name namespace"),
    "vso_client_operations_time_seconds": ("histogram", "operation vault_connection"),
    "vso_client_operations_total": ("counter", "operation vault_connection"),
    "vso_client_operations_errors_total": ("counter", "operation vault_connection"),
    "vso_client_factory_requests_total": ("counter", "operation"),
    "vso_client_factory_requests_errors_total": ("counter", "operation"),
    "vso_client_factory_operations_time_seconds": ("histogram", "component operation"),
    "vso_client_cache_size": ("gauge", ""),
    "vso_client_cache_length": ("gauge", ""),
    "vso_client_cache_hits": ("untyped", ""),
    "vso_client_cache_misses": ("untyped", ""),
    "vso_client_cache_evictions": ("gauge", ""),
    "vso_client_cache_evictions_total": ("counter", ""),
    "vso_client_clone_cache_hits": ("untyped", ""),
    "vso_client_clone_cache_misses": ("untyped", ""),
    "vso_client_clone_cache_evictions": ("gauge", ""),
    "vso_client_cache_storage_config": ("gauge", "enforce_encryption"),
    "vso_client_cache_storage_length": ("gauge", ""),
    "vso_client_cache_storage_requests_total": ("counter", "operation"),
    "vso_client_cache_storage_requests_errors_total": ("counter", "operation"),
    "vso_client_cache_storage_operations_total": ("counter", "operation"),
    "vso_client_cache_storage_operations_errors_total": ("counter", "operation"),
    # section 2.2
    "controller_runtime_reconcile_total": ("counter", "controller result"),
    "controller_runtime_reconcile_errors_total": ("counter", BY_CONTROLLER),
    "controller_runtime_terminal_reconcile_errors_total": ("counter", BY_CONTROLLER),
    "controller_runtime_reconcile_panics_total": ("counter", BY_CONTROLLER),
    "controller_runtime_reconcile_timeouts_total": ("counter", BY_CONTROLLER),
    "controller_runtime_reconcile_time_seconds": ("histogram", BY_CONTROLLER),
    "controller_runtime_max_concurrent_reconciles": ("gauge", BY_CONTROLLER),
    "controller_runtime_active_workers": ("gauge", BY_CONTROLLER),
    "workqueue_depth": ("gauge", "name controller priority"),
    "workqueue_adds_total": ("counter", BY_QUEUE),
    "workqueue_retries_total": ("counter", BY_QUEUE),
    "workqueue_queue_duration_seconds": ("histogram", BY_QUEUE),
    "workqueue_work_duration_seconds": ("histogram", BY_QUEUE),
    "workqueue_unfinished_work_seconds": ("gauge", BY_QUEUE),
    "workqueue_longest_running_processor_seconds": ("gauge", BY_QUEUE),
    "rest_client_requests_total": ("counter", "code method host"),
    "leader_election_master_status": ("gauge", "name"),
    "leader_election_slowpath_total": ("counter", "name"),
    # section 2.4
    "vso_managed_secrets": ("gauge", "namespace kind create"),
    "vso_vault_secrets": ("gauge", "namespace secret_type"),
    "vso_custom_resources": ("gauge", "kind namespace"),
    "vso_vault_connections": ("gauge", "status"),
    "vso_vault_auth_methods": ("gauge", "method"),
    "vso_serviced_namespaces": ("gauge", ""),
    "vso_secret_syncs_total": ("counter", "kind namespace result reason"),
    "vso_secret_sync_failures_total": ("counter", "kind namespace cause"),
    "vso_secrets_failing": ("gauge", "kind namespace"),
    "vso_secret_sync_duration_seconds": ("histogram", "kind result"),
    "vso_secret_last_sync_timestamp_seconds": ("gauge", "kind namespace name"),
    "vso_vault_request_duration_seconds": ("histogram", "vault_connection operation"),
    "vso_vault_requests_total": ("counter", "vault_connection operation code"),
    "vso_vault_auth_failures_total": ("counter", "vault_auth vault_connection method cause"),
    "vso_vault_token_renewals_total": ("counter", "vault_connection result"),
    "vso_orphaned_resources": ("gauge", "kind namespace missing reason"),
    "vso_duplicate_destinations": ("gauge", "namespace"),
    "vso_kubernetes_api_failures_total": ("counter", "verb resource code"),
    "vso_rollout_restarts_total": ("counter", "kind namespace result"),
}
"""Type and labels by name."""


@pytest.mark.parametrize("name", CONTRACT)
def test_a_metric_that_dashboards_rely_on_keeps_its_name_and_labels(name: str) -> None:
    """Those of the original, those of its framework, and those that this operator promises besides."""
    (found,) = [one for one in declared() if one.name == name]
    assert (found.type, " ".join(found.labels)) == CONTRACT[name]
