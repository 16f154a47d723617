"""The last act: what the operator tells Prometheus, in sixteen signals."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final
from urllib.request import urlopen

from testenv.demo.stage import Stage

_SAMPLE: Final = re.compile(r"(?P<name>[a-z_]+)(?:\{(?P<labels>.*)\})? (?P<value>\S+)")
_LABEL: Final = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')
_LEAST: Final = 0.5
Sample = tuple[str, dict[str, str], float]


@dataclass(frozen=True, slots=True)
class Signal:
    """What is told, the metric that tells it, and the label to tell it apart by.

    Series count whose labels have the values of `where`; several values are separated by `|`.
    """

    title: str
    metric: str
    by: str = ""
    where: Mapping[str, str] = field(default_factory=dict)

    def tell(self, samples: Iterable[Sample]) -> str:
        """The sums of its series, by label; of a time in seconds the averages."""
        if not self.metric.endswith("_seconds"):
            sums = self._sums(samples, self.metric)
            return _listed({key: f"{value:.0f}" for key, value in sums.items() if value >= _LEAST})
        took, counts = self._sums(samples, f"{self.metric}_sum"), self._sums(samples, f"{self.metric}_count")
        return _listed({key: f"{1000 * took[key] / count:.0f} ms" for key, count in counts.items() if count})

    def _sums(self, samples: Iterable[Sample], metric: str) -> dict[str, float]:
        sums: dict[str, float] = {}
        for name, labels, value in samples:
            counts = all(labels.get(label) in one.split("|") for label, one in self.where.items())
            if name == metric and counts:
                key = labels.get(self.by, "")
                sums[key] = sums.get(key, 0.0) + value
        return sums


_SECRETS: Final = {"kind": "VaultStaticSecret|VaultDynamicSecret|VaultPKISecret"}
SIGNALS: Final = (
    Signal("managed Secrets by namespace", "vso_managed_secrets", "namespace"),
    Signal("request times of OpenBao", "vso_vault_request_duration_seconds", "operation"),
    Signal("secrets by Vault secret type", "vso_vault_secrets", "secret_type"),
    Signal("secret custom resources", "vso_custom_resources", "kind", _SECRETS),
    Signal("Vault connections", "vso_vault_connections", "status"),
    Signal("VaultAuth custom resources", "vso_custom_resources", "", {"kind": "VaultAuth"}),
    Signal("Vault auth methods in use", "vso_vault_auth_methods", "method"),
    Signal("Kubernetes namespaces serviced", "vso_serviced_namespaces"),
    Signal("sync operations", "vso_secret_syncs_total", "result"),
    Signal("operator version and build", "vso_build_info", "git_version"),
    Signal("sync failures", "vso_secret_sync_failures_total", "cause"),
    Signal("Vault authentication failures", "vso_vault_auth_failures_total", "cause"),
    Signal(
        "VaultAuths without their VaultConnection",
        "vso_orphaned_resources",
        "reason",
        {"kind": "VaultAuth", "missing": "VaultConnection"},
    ),
    Signal("Kubernetes API failures", "vso_kubernetes_api_failures_total", "code"),
    Signal("secrets without their VaultAuth", "vso_orphaned_resources", "kind", {"missing": "VaultAuth"}),
    Signal("Secrets that two resources claim", "vso_duplicate_destinations", "namespace"),
)
"""The signals of operations.md section 2.3, in its order."""


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
    width = max(len(signal.title) for signal in SIGNALS)
    lines = (f"{signal.title:{width}}  {signal.tell(found)}" for signal in SIGNALS)
    stage.narrator.output("\n".join(lines), lines=len(SIGNALS))


def _listed(values: Mapping[str, str]) -> str:
    return ", ".join(f"{key} {value}".strip() for key, value in sorted(values.items())) or "0"


def _scrape(url: str) -> Iterable[Sample]:
    with urlopen(url, timeout=10) as answer:  # noqa: S310 -- our own operator's, on loopback
        text: str = answer.read().decode()
    found = (_SAMPLE.fullmatch(line) for line in text.splitlines())
    return [(one["name"], dict(_LABEL.findall(one["labels"] or "")), float(one["value"])) for one in found if one]
