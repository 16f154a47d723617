"""All metrics together: what a scrape of a fresh process holds."""

import re

from prometheus_client.parser import text_string_to_metric_families

from tests.support.clock import FakeClock
from vso.app import Settings
from vso.app.metrics import Metrics

FACTS = dict.fromkeys(
    ("major", "minor", "gitVersion", "gitCommit", "gitTreeState", "buildDate", "goVersion", "compiler", "platform"), "x"
)


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


async def test_every_family_has_help_and_one_type() -> None:
    """What promtool checks first."""
    text = (await Metrics(Settings(), facts=FACTS, clock=FakeClock(), server="https://x").text()).decode()
    helped = re.findall(r"^# HELP (\S+) (.+)$", text, re.MULTILINE)
    typed = re.findall(r"^# TYPE (\S+) (\S+)$", text, re.MULTILINE)
    assert [name for name, _ in helped] == [name for name, _ in typed]
    assert len({name for name, _ in typed}) == len(typed)
    assert all(words.endswith(".") for name, words in helped if name.startswith(("vso_", "workqueue_")))
