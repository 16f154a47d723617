"""How the settings are written on the command line and in the environment, in the original's names.

One table, `OPTIONS`, tells of each option its flag, variable, type and meaning; the command line, the environment and
the reference documentation are made from it (operations.md section 1.4). A variable that counts as set wins over the
flag. What an option is, and how its text is read: `option`.
"""

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any, Final

from vso.apis.names import CLASS
from vso.app.option import (
    Option,
    always,
    read_boolean,
    read_integer,
    read_list,
    read_number,
    read_seconds,
    read_unsigned,
)
from vso.app.process_options import HISTORIC, LIFE, LOGGING
from vso.app.settings import Settings, SettingsError

OPTIONS: Final = (
    Option(
        name="health_probe_bind_address",
        metavar="ADDRESS",
        help="where /healthz and /readyz listen; 0 switches them off",
    ),
    Option(
        name="metrics_bind_address",
        metavar="ADDRESS",
        help="where /metrics listens, in plain HTTP for everybody who reaches it; 0 switches it off",
    ),
    Option(
        name="metrics_secure_bind_address",
        variable="VSO_METRICS_SECURE_BIND_ADDRESS",
        metavar="ADDRESS",
        help="where /metrics listens with TLS, for those whose token may get it in the cluster; 0 switches it off",
    ),
    Option(
        name="metrics_cert_directory",
        variable="VSO_METRICS_CERT_DIRECTORY",
        metavar="FOLDER",
        help="tls.crt and tls.key for /metrics, read again when they change; empty makes a certificate at each start",
    ),
    Option(
        name="per_object_metrics",
        variable="VSO_PER_OBJECT_METRICS",
        read=read_boolean,
        counts=always,
        boolean=True,
        help="also series with the name of each secret resource: last sync, end of its lease or certificate, state",
    ),
    Option(
        name="client_cache_size",
        variable="VSO_CLIENT_CACHE_SIZE",
        read=read_integer,
        counts=always,
        metavar="N",
        help="Vault logins kept in memory",
    ),
    Option(
        name="client_cache_persistence_model",
        variable="VSO_CLIENT_CACHE_PERSISTENCE_MODEL",
        metavar="MODEL",
        help="how logins outlive a restart of the operator: none, direct-unencrypted, or direct-encrypted by Transit",
    ),
    Option(
        name="max_concurrent_reconciles",
        variable="VSO_MAX_CONCURRENT_RECONCILES",
        read=read_integer,
        counts=always,
        metavar="N",
        help="resources of one kind that are worked on at the same time",
    ),
    Option(
        name="global_transformation_options",
        variable="VSO_GLOBAL_TRANSFORMATION_OPTIONS",
        read=read_list,
        metavar="LIST",
        help="exclude-raw: never write the key _raw",
    ),
    Option(
        name="global_vault_auth_options",
        variable="VSO_GLOBAL_VAULT_AUTH_OPTIONS",
        read=read_list,
        metavar="LIST",
        help="allow-default-globals: a VaultAuth may fall back to a VaultAuthGlobal called default",
    ),
    Option(
        name="backoff_initial_interval",
        variable="VSO_BACKOFF_INITIAL_INTERVAL",
        read=read_seconds,
        metavar="DURATION",
        help="first delay after a failure",
    ),
    Option(
        name="backoff_max_interval",
        variable="VSO_BACKOFF_MAX_INTERVAL",
        read=read_seconds,
        metavar="DURATION",
        help="longest delay after failures",
    ),
    Option(
        name="backoff_max_elapsed_time",
        variable="VSO_BACKOFF_MAX_ELAPSED_TIME",
        read=read_seconds,
        metavar="DURATION",
        help="give up on a resource that failed for this long; 0 never does",
    ),
    Option(
        name="backoff_randomization_factor",
        variable="VSO_BACKOFF_RANDOMIZATION_FACTOR",
        read=read_number,
        metavar="FACTOR",
        help="spread of delays: from d*(1-f) to d*(1+f)",
    ),
    Option(
        name="backoff_multiplier",
        variable="VSO_BACKOFF_MULTIPLIER",
        read=read_number,
        metavar="FACTOR",
        help="growth of the delay with each failure",
    ),
    Option(
        name="kube_client_qps",
        variable="VSO_KUBE_CLIENT_QPS",
        read=read_number,
        metavar="N",
        help="requests per second to the API server; 0 sets no limit",
    ),
    Option(
        name="kube_client_burst",
        variable="VSO_KUBE_CLIENT_BURST",
        read=read_unsigned,
        counts=always,
        metavar="N",
        help="requests above that rate in a burst",
    ),
    Option(
        name="static_creds_max_poll_interval",
        variable="VSO_STATIC_CREDS_MAX_POLL_INTERVAL",
        read=read_seconds,
        metavar="DURATION",
        help="longest time between two reads of credentials that Vault rotates; 0 reads when a rotation is due",
    ),
    Option(
        name="template_timeout",
        variable="VSO_TEMPLATE_TIMEOUT",
        read=read_seconds,
        metavar="DURATION",
        help="time that the templates of one Secret may take",
    ),
    Option(
        name="template_memory_limit",
        variable="VSO_TEMPLATE_MEMORY_LIMIT",
        read=read_integer,
        counts=always,
        metavar="MIB",
        help="memory that the templates of one Secret may take",
    ),
    Option(
        name="allowed_auth_methods",
        variable="VSO_ALLOWED_AUTH_METHODS",
        read=read_list,
        metavar="LIST",
        help="login methods that VaultAuths may use; empty permits all",
    ),
    Option(
        name="allowed_vault_addresses",
        variable="VSO_ALLOWED_VAULT_ADDRESSES",
        read=read_list,
        metavar="LIST",
        help="URLs that VaultConnections may lead to, such as https://*.vault.example:8200; empty permits all",
    ),
    Option(
        name="forbidden_token_audiences",
        variable="VSO_FORBIDDEN_TOKEN_AUDIENCES",
        read=read_list,
        metavar="LIST",
        help=(
            "audiences that tokens sent to Vault must not have, such as those of the API server; once there is one, "
            "a VaultAuth must name its audiences"
        ),
    ),
    Option(
        name="ambient_identity_namespaces",
        variable="VSO_AMBIENT_IDENTITY_NAMESPACES",
        read=read_list,
        metavar="LIST",
        help="namespaces that may log in with the cloud identity of the operator's own Pod or node; * for all",
    ),
    Option(
        name="credentials_directory",
        variable="VSO_CREDENTIALS_DIRECTORY",
        metavar="DIRECTORY",
        help="where secretIDPath and caCertPath of the operator's namespace may point to; empty permits no file",
    ),
    Option(
        name="allow_own_credentials",
        variable="VSO_ALLOW_OWN_CREDENTIALS",
        read=read_boolean,
        counts=always,
        boolean=True,
        help="whether a VaultAuth may lend the credentials of its own namespace to others that it names",
    ),
    Option(
        name="enforce_default_allowed_namespaces",
        variable="VSO_ENFORCE_DEFAULT_ALLOWED_NAMESPACES",
        read=read_boolean,
        counts=always,
        boolean=True,
        help="whether allowedNamespaces counts, where it is set, on objects called default in the operator's namespace",
    ),
    Option(
        name="min_refresh_interval",
        variable="VSO_MIN_REFRESH_INTERVAL",
        read=read_seconds,
        metavar="DURATION",
        help="shortest refreshAfter that counts",
    ),
    Option(
        name="default_refresh_interval",
        variable="VSO_DEFAULT_REFRESH_INTERVAL",
        read=read_seconds,
        metavar="DURATION",
        help="refreshAfter of resources that set none",
    ),
    Option(
        name="revoke_on_shutdown",
        variable="VSO_REVOKE_ON_SHUTDOWN",
        read=read_boolean,
        counts=always,
        boolean=True,
        help="revoke the operator's tokens at its end, except those that leases hang on",
    ),
    Option(
        name="watch_namespaces",
        variable="VSO_WATCH_NAMESPACES",
        read=read_list,
        metavar="LIST",
        help="the namespaces that are read and served; empty serves the whole cluster",
    ),
    Option(
        name="operator_class",
        variable="VSO_OPERATOR_CLASS",
        metavar="NAME",
        help=f"handle resources whose label {CLASS} has this value; without, those that have no such label",
    ),
    Option(
        name="namespace_selector",
        variable="VSO_NAMESPACE_SELECTOR",
        metavar="SELECTOR",
        help="handle resources in namespaces with these labels, such as team=web,env!=test",
    ),
    *LIFE,
    *LOGGING,
    *HISTORIC,
)
"""Every option."""


def from_environment(flags: Settings, environ: Mapping[str, str], *, given: Collection[str] = ()) -> Settings:
    """`flags`, with what the environment sets on top; `given` names the flags of the command line.

    Raises SettingsError naming the variable.
    """
    found: dict[str, Any] = {}
    for option in OPTIONS:
        if not option.variable or option.variable not in environ:
            continue
        if option.flag_wins and option.switch in given:
            continue
        try:
            value = option.from_variable(environ[option.variable])
        except ValueError as exc:
            raise SettingsError(f"{option.variable}: {exc}") from exc
        if option.counts(value):
            found[option.name] = value
    return replace(flags, **found)


def notices(flags: Mapping[str, str], environ: Mapping[str, str]) -> Mapping[str, str]:
    """What the options that are given do not do, though others think so; by their flag.

    An option is given by its flag or its variable. Both can be read: `from_environment` has done so.
    """
    found: dict[str, str] = {}
    for option in OPTIONS:
        values = [option.read(flags[option.switch])] if option.switch in flags else []
        if option.variable in environ:
            values.append(option.from_variable(environ[option.variable]))
        if option.notice and any(map(option.counts, values)):
            found[option.switch] = option.notice
    return found
