"""The options of the process itself: its modes and its logging, and those of the original that have no use any more.

Those of what the operator does: `options`.
"""

from typing import Final

from vso.app.option import Option, always, one_of, read_boolean, read_integer, read_seconds
from vso.app.settings import DEFAULT_WORKERS
from vso.app.telemetry import ENCODERS, STACKTRACE_LEVELS, TIME_ENCODINGS, level_number


def _read_level(value: str) -> str:
    level_number(value)
    return value.lower()


LIFE: Final = (
    Option(
        name="leader_elect",
        read=read_boolean,
        boolean=True,
        help="compete with other replicas for the lead; off is only for a single operator outside a cluster",
    ),
    Option(
        name="kubeconfig",
        variable="KUBECONFIG",
        flag_wins=True,
        metavar="FILE",
        help="how to reach the API server, outside a cluster",
    ),
    Option(name="version", read=read_boolean, boolean=True, help="print the version and end"),
    Option(
        name="output",
        variable="VSO_OUTPUT_FORMAT",
        metavar="FORMAT",
        help="how --version prints, json or yaml, and --dry-run-takeover, json; empty for people",
    ),
    Option(
        name="dry_run_takeover",
        read=read_boolean,
        boolean=True,
        help="tell of each resource what would be written, leased or restarted at a start, do nothing of it, and end",
    ),
    Option(
        name="uninstall",
        read=read_boolean,
        boolean=True,
        help="remove the finalizers of all resources that this installation handles, and end",
    ),
    Option(
        name="pre_delete_hook_timeout_seconds",
        read=read_integer,
        metavar="N",
        help="time limit of --uninstall, counted from the start of the process",
    ),
    Option(
        name="revoke_on_uninstall",
        variable="VSO_REVOKE_ON_UNINSTALL",
        read=read_boolean,
        counts=lambda _: True,
        boolean=True,
        help="let --uninstall first revoke leases and stored logins, and delete the Secrets that keep them",
    ),
)
"""What the process does, and how it finds the cluster."""

LOGGING: Final = (
    Option(
        name="log_development",
        flag="--zap-devel",
        variable="VSO_LOGGER_DEVELOPMENT_MODE",
        flag_wins=True,
        read=read_boolean,
        read_variable=bool,
        boolean=True,
        help="readable logs with debug messages; a variable with any text switches it on",
    ),
    Option(
        name="log_level",
        flag="--zap-log-level",
        read=_read_level,
        metavar="LEVEL",
        help=(
            "least level that shows: debug, info, warning, error, panic, or a verbosity, which from 1 on is debug; "
            "info unless --zap-devel is set"
        ),
    ),
    Option(
        name="log_encoder",
        flag="--zap-encoder",
        read=one_of(ENCODERS),
        metavar="FORMAT",
        help="json or console; json unless --zap-devel is set",
    ),
    Option(
        name="log_stacktrace_level",
        flag="--zap-stacktrace-level",
        read=one_of(STACKTRACE_LEVELS),
        metavar="LEVEL",
        help=(
            "least level of lines that carry the traceback of their exception: info, warning or error; error unless "
            "--zap-devel is set, and panic is the same, since only bugs have one"
        ),
    ),
    Option(
        name="log_time_encoding",
        flag="--zap-time-encoding",
        read=one_of(TIME_ENCODINGS),
        metavar="FORMAT",
        help="how times are written: rfc3339, rfc3339nano, iso8601, epoch, millis or nanos; rfc3339 by default",
    ),
)
"""How it writes its log."""

HISTORIC: Final = (
    Option(
        name="client_cache_num_locks",
        variable="VSO_CLIENT_CACHE_NUM_LOCKS",
        read=read_integer,
        counts=always,
        metavar="N",
        help="accepted for compatibility",
        notice="logins need no locks any more",
    ),
    Option(
        name="max_concurrent_reconciles_vds",
        read=read_integer,
        counts=lambda workers: workers != DEFAULT_WORKERS,
        metavar="N",
        help="--max-concurrent-reconciles for VaultDynamicSecrets alone; counts unless it is 100",
        notice="deprecated, use --max-concurrent-reconciles for all",
    ),
    Option(
        name="min_refresh_after_hvsa",
        read=read_seconds,
        counts=always,
        metavar="DURATION",
        help="accepted for compatibility",
        notice="HCP Vault Secrets was shut down in July 2026",
    ),
)
"""Options of the original that have no effect, or a better successor."""
