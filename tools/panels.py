"""What the Grafana dashboard shows: a row per question, and the PromQL of its panels (operations.md section 2).

`dashboard` makes Grafana's form of it; a test asks a real Prometheus for every panel.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from grafana_foundation_sdk.models import units

_NS: Final = 'namespace=~"$namespace"'
_RATE: Final = "[$__rate_interval]"


@dataclass(frozen=True, kw_only=True)
class Panel:
    """One picture: `queries` are (PromQL, legend); `form` is stat, lines or table.

    A stat is coloured from `warn_from` on, or unless it equals `expect`.
    """

    title: str
    help: str
    queries: Sequence[tuple[str, str]]
    form: str = "lines"
    unit: str = units.Short
    warn_from: float | None = None
    expect: float | None = None
    may_be_negative: bool = False


@dataclass(frozen=True)
class Row:
    """A question, and the panels that answer it."""

    question: str
    panels: Sequence[Panel]


def _rate(metric: str, by: str, selector: str = _NS) -> str:
    return f"sum by ({by}) (rate({metric}{{{selector}}}{_RATE}))"


def _left(what: str) -> str:
    return f"vso_secret_{what}_timestamp_seconds{{{_NS}}} - time()"


def _quantile(quantile: float, metric: str, by: str) -> str:
    return f"histogram_quantile({quantile}, sum by (le, {by}) (rate({metric}_bucket{_RATE})))"


ROWS: Final = (
    Row(
        "Is anything failing?",
        (
            Panel(
                title="Secrets failing",
                help="Secret resources whose last attempt failed. Their Secrets keep the last data.",
                queries=[(f"sum(vso_secrets_failing{{{_NS}}})", "")],
                form="stat",
                warn_from=1,
            ),
            Panel(
                title="References to nothing",
                help="Resources whose VaultAuth, VaultConnection, ... does not exist or does not admit them.",
                queries=[(f"sum(vso_orphaned_resources{{{_NS}}}) or vector(0)", "")],
                form="stat",
                warn_from=1,
            ),
            Panel(
                title="Secrets claimed twice",
                help="Destinations that more than one resource names.",
                queries=[(f"sum(vso_duplicate_destinations{{{_NS}}})", "")],
                form="stat",
                warn_from=1,
            ),
            Panel(
                title="Leaders",
                help="One, or nobody syncs.",
                queries=[("sum(leader_election_master_status and on (instance) vso_build_info)", "")],
                form="stat",
                expect=1,
            ),
            Panel(
                title="Attempts by result",
                help="success: written; unchanged: nothing to do; failure: see the causes beside.",
                queries=[(_rate("vso_secret_syncs_total", "result"), "{{result}}")],
                unit=units.OpsPerSecond,
            ),
            Panel(
                title="Failed attempts by cause",
                help="auth: no login; vault: refused or unreachable; ownership: the Secret is somebody else's.",
                queries=[(_rate("vso_secret_sync_failures_total", "cause"), "{{cause}}")],
                unit=units.OpsPerSecond,
            ),
            Panel(
                title="Failed logins",
                help="By VaultAuth and cause; a login is tried again with growing delays.",
                queries=[(_rate("vso_vault_auth_failures_total", "vault_auth, cause", ""), "{{vault_auth}} {{cause}}")],
                unit=units.OpsPerSecond,
            ),
            Panel(
                title="Failed calls to Kubernetes",
                help="Without those that are expected, such as a Secret that is not there yet.",
                queries=[
                    (
                        _rate("vso_kubernetes_api_failures_total", "verb, resource, code", ""),
                        "{{verb}} {{resource}} {{code}}",
                    )
                ],
                unit=units.OpsPerSecond,
            ),
            Panel(
                title="Failing by namespace",
                help="Whom to tell.",
                queries=[(f"sum by (kind, namespace) (vso_secrets_failing{{{_NS}}} > 0)", "{{namespace}} {{kind}}")],
            ),
            Panel(
                title="What is missing",
                help="not_found: there is no such object; not_allowed: it does not admit the namespace.",
                queries=[
                    (f"sum by (namespace, kind, missing, reason) (vso_orphaned_resources{{{_NS}}} > 0)", ""),
                ],
                form="table",
            ),
        ),
    ),
    Row(
        "Is Vault healthy?",
        (
            Panel(
                title="Connections",
                help="VaultConnections by the result of the last look at the server.",
                queries=[("sum by (status) (vso_vault_connections)", "{{status}}")],
            ),
            Panel(
                title="Vault's answers",
                help="By HTTP status; error means that no answer came.",
                queries=[(_rate("vso_vault_requests_total", "code", ""), "{{code}}")],
                unit=units.RequestsPerSecond,
            ),
            Panel(
                title="Time to answer, 99 of 100",
                help="By operation, one HTTP exchange each.",
                queries=[(_quantile(0.99, "vso_vault_request_duration_seconds", "operation"), "{{operation}}")],
                unit=units.Seconds,
            ),
            Panel(
                title="Token renewals",
                help="In the background, before a login ends.",
                queries=[(_rate("vso_vault_token_renewals_total", "result", ""), "{{result}}")],
                unit=units.OpsPerSecond,
            ),
        ),
    ),
    Row(
        "Who is about to expire?",
        (
            Panel(
                title="Time left, soonest in each namespace",
                help="Of leases and certificates. Below zero: what is in the Secret does not work any more.",
                queries=[(f"min by (namespace, kind) ({_left('soonest_expiry')})", "{{namespace}} {{kind}}")],
                may_be_negative=True,
                unit=units.Seconds,
            ),
            Panel(
                title="Time left, the twenty soonest",
                help="Needs --per-object-metrics.",
                queries=[(f"bottomk(20, min by (namespace, kind, name) ({_left('expiry')}))", "")],
                form="table",
                unit=units.Seconds,
            ),
            Panel(
                title="Longest without a success",
                help="Time since the last attempt that went well. Needs --per-object-metrics.",
                queries=[(f"topk(20, max by (namespace, kind, name) (-({_left('last_sync')})))", "")],
                form="table",
                unit=units.Seconds,
            ),
        ),
    ),
    Row(
        "What does it cost?",
        (
            Panel(
                title="Secrets managed",
                help="Kubernetes Secrets that exist and were written by a resource.",
                queries=[(f"sum by (kind) (vso_managed_secrets{{{_NS}}})", "{{kind}}")],
            ),
            Panel(
                title="What is read from Vault",
                help="Secret resources by the type of the secret.",
                queries=[(f"sum by (secret_type) (vso_vault_secrets{{{_NS}}})", "{{secret_type}}")],
            ),
            Panel(
                title="Resources",
                help="All that the operator handles.",
                queries=[
                    (f"sum by (kind) (vso_custom_resources{{{_NS}}})", "{{kind}}"),
                    ("sum(vso_serviced_namespaces)", "namespaces with secrets"),
                ],
            ),
            Panel(
                title="Requests to Vault",
                help="By operation. Each login is a client in the sense of Vault's licence.",
                queries=[(_rate("vso_vault_requests_total", "operation", ""), "{{operation}}")],
                unit=units.RequestsPerSecond,
            ),
            Panel(
                title="Logins",
                help="Clients that are logged in now, and VaultAuths in use by method.",
                queries=[
                    ("sum(vso_client_cache_length)", "logged in"),
                    ("sum by (method) (vso_vault_auth_methods)", "{{method}}"),
                ],
            ),
            Panel(
                title="Requests to Kubernetes",
                help="By method and status.",
                queries=[(_rate("rest_client_requests_total", "method, code", ""), "{{method}} {{code}}")],
                unit=units.RequestsPerSecond,
            ),
            Panel(
                title="Workloads restarted",
                help="Rollout restarts, by kind of the workload.",
                queries=[(f"sum by (kind, result) (vso_rollout_restarts_total{{{_NS}}})", "{{kind}} {{result}}")],
            ),
            Panel(
                title="Memory",
                help="Resident, of each replica.",
                queries=[("process_resident_memory_bytes and on (instance) vso_build_info", "{{instance}}")],
                unit=units.BytesIEC,
            ),
            Panel(
                title="Processor",
                help="Cores in use, of each replica.",
                queries=[
                    (f"rate(process_cpu_seconds_total{_RATE}) and on (instance) vso_build_info", "{{instance}}"),
                ],
            ),
        ),
    ),
    Row(
        "Does the operator keep up?",
        (
            Panel(
                title="Due and waiting",
                help="Keys that wait for a worker.",
                queries=[("sum by (controller) (workqueue_depth)", "{{controller}}")],
            ),
            Panel(
                title="Wait for a worker, 99 of 100",
                help="By controller.",
                queries=[(_quantile(0.99, "workqueue_queue_duration_seconds", "controller"), "{{controller}}")],
                unit=units.Seconds,
            ),
            Panel(
                title="One attempt, 99 of 100",
                help="From start to status, by kind.",
                queries=[(_quantile(0.99, "vso_secret_sync_duration_seconds", "kind"), "{{kind}}")],
                unit=units.Seconds,
            ),
            Panel(
                title="Longest under way",
                help="A worker that hangs shows as a line that only rises.",
                queries=[
                    ("max by (controller) (workqueue_longest_running_processor_seconds)", "{{controller}}"),
                ],
                unit=units.Seconds,
            ),
            Panel(
                title="Versions",
                help="Of each replica.",
                queries=[("max by (instance, git_version, go_version) (vso_build_info)", "")],
                form="table",
            ),
        ),
    ),
)
