"""The last act: what the operator tells Prometheus, in sixteen signals."""

import re
from collections.abc import Iterable
from typing import Final
from urllib.request import urlopen

from testenv.demo.stage import Stage

_SAMPLE: Final = re.compile(r"(?P<name>[a-z_]+)(?:\{(?P<labels>.*)\})? (?P<value>\S+)")
_LABEL: Final = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')
_LEAST: Final = 0.5
Sample = tuple[str, dict[str, str], float]

SIGNALS: Final[tuple[tuple[str, str, str], ...]] = (
    ("Secrets that it manages", "vso_managed_secrets", "namespace"),
    ("requests to OpenBao", "vso_vault_requests_total", "operation"),
    ("resources by what they read", "vso_vault_secrets", "secret_type"),
    ("secret resources", "vso_custom_resources", "kind=VaultStaticSecret|VaultDynamicSecret|VaultPKISecret"),
    ("connections by health", "vso_vault_connections", "status"),
    ("VaultAuths", "vso_custom_resources", "kind=VaultAuth"),
    ("login methods in use", "vso_vault_auth_methods", "method"),
    ("namespaces served", "vso_serviced_namespaces", ""),
    ("syncs", "vso_secret_syncs_total", "result"),
    ("build", "vso_build_info", "git_version"),
    ("syncs that failed", "vso_secret_sync_failures_total", "cause"),
    ("logins that failed", "vso_vault_auth_failures_total", "cause"),
    ("references that lead nowhere", "vso_orphaned_resources", "missing"),
    ("failed requests to Kubernetes", "vso_kubernetes_api_failures_total", "code"),
    ("secrets that fail now", "vso_secrets_failing", "kind"),
    ("Secrets that two resources claim", "vso_duplicate_destinations", "namespace"),
)
"""What is told, the metric that tells it, and the label to tell it apart by, with the values that count."""


def tell(stage: Stage) -> None:
    """Scrape the operator once."""
    stage.narrator.step(
        "See what the operator tells about itself",
        "Prometheus would scrape this; a dashboard and alerts for it are in deploy/. Sixteen signals of this story:",
    )
    stage.narrator.command(f"curl {stage.metrics}")
    found: list[Sample] = []

    def refused() -> bool:
        found[:] = _scrape(stage.metrics)
        return any(name == "vso_vault_auth_failures_total" and value > 0 for name, _, value in found)

    stage.expect(refused, "the refused login is among them")
    width = max(len(title) for title, _, _ in SIGNALS)
    lines = (f"{title:{width}}  {_sum(found, metric, label)}" for title, metric, label in SIGNALS)
    stage.narrator.output("\n".join(lines), lines=len(SIGNALS))


def _sum(samples: Iterable[Sample], metric: str, label: str) -> str:
    sums: dict[str, float] = {}
    by, _, counted = label.partition("=")
    for name, labels, value in samples:
        key = labels.get(by, "")
        if name == metric and (not counted or key in counted.split("|")):
            sums[key] = sums.get(key, 0.0) + value
    told = [f"{key} {value:.0f}".strip() for key, value in sorted(sums.items()) if value >= _LEAST]
    return ", ".join(told) or "0"


def _scrape(url: str) -> Iterable[Sample]:
    with urlopen(url, timeout=10) as answer:  # noqa: S310 -- our own operator's, on loopback
        text: str = answer.read().decode()
    found = (_SAMPLE.fullmatch(line) for line in text.splitlines())
    return [(one["name"], dict(_LABEL.findall(one["labels"] or "")), float(one["value"])) for one in found if one]
