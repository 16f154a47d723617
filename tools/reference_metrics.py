"""Generates docs/reference/metrics from what the operator declares: ``python -m tools.reference_metrics FOLDER``."""

import sys
from pathlib import Path
from typing import Final

from tools.reference import code, generated, sentence, table
from vso.app import Settings
from vso.app.metrics import Metrics
from vso.app.metrics.family import Declared
from vso.app.version import build_facts
from vso.base import SystemClock
from vso.controllers import SecretStorage, new_world
from vso.kube import Client, ClientConfig
from vso.sync import CacheCounts

_OURS: Final = (
    "Some have the names of HashiCorp's operator: `vso_client_*`, `vso_build_info`, `vso_runtime_config`. There "
    "`_total` counts failed attempts too in `vso_client_operations_*`, and only those that went well in "
    "`vso_client_factory_*` and `vso_client_cache_storage_*`; a login and the renewal of a token count as a `write` as "
    "well. For dashboards that rely on it, this is kept. The four `vso_client_*_hits` and `_misses` have names without "
    "the suffix of a counter, and so are `untyped`; they only grow, `rate` is right for them.\n\n"
    "`vso_custom_resources` counts nine kinds: CSISecrets is served by nobody here, so it is not watched either. No "
    "`cause` of a failed sync is `hmac`: the HMAC key is read once, before the work begins, and without it there is no "
    "sync. No `operation` is `subscribe`, since Vault's events are not followed."
)
_CONTROLLERS: Final = (
    "The names of the framework of HashiCorp's operator. There nearly all failures end as `requeue_after`; so do they "
    "here, since a failure that is reported in a condition is no crash. `vso_secret_sync_failures_total` counts them. "
    "There is no controller `vaultauthglobal`: a VaultAuthGlobal is checked with the VaultAuths that refer to it."
)
_GROUPS: Final = (
    ("vso_", "Of this operator", _OURS),
    ("controller_", "Of each controller", _CONTROLLERS),
    ("workqueue_", "Of each queue", "Priority 0 is for changes, -100 for a start and for refreshes."),
    ("leader_election_", "Of leader election", ""),
    ("rest_client_", "Of requests to Kubernetes", ""),
)
_HEAD: Final = ("Name", "Type", "Labels", "What it tells")
_INTRODUCTION: Final = (
    "# Metrics\n\n"
    "Served on `--metrics-bind-address`, and protected on `--metrics-secure-bind-address`: "
    "[Monitor the operator](../../how-to/monitoring.md). A scrape asks nobody: what is told of objects is counted from "
    "memory, by the leader alone, and goes with the objects. Besides there are `process_*`, `python_info` and "
    "`python_gc_*` of the process itself.\n\n"
)


def declared() -> list[Declared]:
    """Everything that the operator can tell."""
    metrics = Metrics(Settings(), facts=build_facts({}), clock=SystemClock(), server="https://kubernetes")
    metrics.storage(SecretStorage(Client(ClientConfig(server="https://kubernetes"), user_agent=""), ""))
    metrics.watch(new_world(""), clients=_NoClients(), leading=lambda: False)
    return sorted(metrics.declared)


def page() -> str:
    """The page."""
    metrics = declared()
    parts = [generated("src/vso/app/metrics"), _INTRODUCTION]
    for prefix, title, text in _GROUPS:
        rows = [
            (code(one.name), one.type, ", ".join(map(code, one.labels)), sentence(one.text))
            for one in metrics
            if one.name.startswith(prefix)
        ]
        parts += [
            f"## {title}\n\n",
            f"{text}\n\n" if text else "",
            table(_HEAD, rows),
        ]
    return "".join(parts).rstrip() + "\n"


class _NoClients:
    """Logins that nobody asks for."""

    counts: Final = CacheCounts()

    def __len__(self) -> int:
        return 0


def main(arguments: list[str]) -> None:
    """Write the page."""
    folder = Path(arguments[0])
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "README.md").write_text(page())


if __name__ == "__main__":
    main(sys.argv[1:])
