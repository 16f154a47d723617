"""All that can be set from outside, with the original's defaults, and what of it can be used together.

How each setting is written on the command line and in the environment: `options`.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any, Final

from vso.apis.login import ALL_METHODS
from vso.apis.merge import GlobalOptions
from vso.apis.selector import InvalidSelector, parse_selector
from vso.app.telemetry import Logging
from vso.base import BackOff
from vso.controllers import ControllerSettings, Jurisdiction
from vso.sync import Budget, Policy, RefreshBounds

_ENCRYPTED: Final = "direct-encrypted"
PERSISTENCE_MODELS: Final = ("none", "direct-unencrypted", _ENCRYPTED)
_EXCLUDE_RAW: Final = "exclude-raw"
_DEFAULT_GLOBALS: Final = "allow-default-globals"
DEFAULT_WORKERS: Final = 100
_MIB: Final = 1024 * 1024
_ADDRESS: Final = re.compile(r"0?|(\[[^\[\]]*\]|[^:\[\]]*):(?P<port>[0-9]{1,5})")
_HIGHEST_PORT: Final = 65_535


class SettingsError(ValueError):
    """An option has a value that cannot be used; the text names the option and what is allowed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The settings of one process; durations are in seconds, addresses are ``host:port``, "0" switches off."""

    kubeconfig: str = ""
    health_probe_bind_address: str = ":8081"
    metrics_bind_address: str = ":8080"
    metrics_secure_bind_address: str = "0"
    metrics_cert_directory: str = ""
    per_object_metrics: bool = False
    leader_elect: bool = True
    client_cache_size: int = 10_000
    client_cache_persistence_model: str = "none"
    client_cache_num_locks: int = 100
    max_concurrent_reconciles: int = 100
    max_concurrent_reconciles_vds: int = DEFAULT_WORKERS
    min_refresh_after_hvsa: float = 30.0
    global_transformation_options: tuple[str, ...] = ()
    global_vault_auth_options: tuple[str, ...] = (_DEFAULT_GLOBALS,)
    backoff_initial_interval: float = 5.0
    backoff_max_interval: float = 60.0
    backoff_max_elapsed_time: float = 0.0
    backoff_randomization_factor: float = 0.5
    backoff_multiplier: float = 1.5
    kube_client_qps: float = 0.0
    kube_client_burst: int = 0
    log_development: bool = False
    log_level: str = ""
    log_encoder: str = ""
    log_stacktrace_level: str = ""
    log_time_encoding: str = ""
    static_creds_max_poll_interval: float = 0.0
    template_timeout: float = 2.0
    template_memory_limit: int = 256
    allowed_auth_methods: tuple[str, ...] = ()
    allowed_vault_addresses: tuple[str, ...] = ()
    forbidden_token_audiences: tuple[str, ...] = ()
    ambient_identity_namespaces: tuple[str, ...] = ()
    credentials_directory: str = ""
    allow_own_credentials: bool = False
    enforce_default_allowed_namespaces: bool = True
    min_refresh_interval: float = 0.0
    default_refresh_interval: float = 0.0
    revoke_on_shutdown: bool = False
    watch_namespaces: tuple[str, ...] = ()
    operator_class: str = ""
    namespace_selector: str = ""
    version: bool = False
    output: str = ""
    uninstall: bool = False
    pre_delete_hook_timeout_seconds: int = 60
    revoke_on_uninstall: bool = False
    dry_run_takeover: bool = False
    operator_namespace: str = "default"
    pod_uid: str = ""
    build: Mapping[str, str] = field(default_factory=dict, repr=False)

    def checked(self) -> "Settings":
        """These settings, if they can be used together. Raises SettingsError."""
        self._check_addresses()
        self._check_backoff()
        self._check_signs()
        if self.client_cache_size <= 0:
            raise SettingsError("--client-cache-size must be greater than 0")
        if self.max_concurrent_reconciles <= 0 or self.dynamic_workers <= 0:
            raise SettingsError("--max-concurrent-reconciles must be greater than 0")
        if self.template_timeout <= 0 or self.template_memory_limit <= 0:
            raise SettingsError("--template-timeout and --template-memory-limit must be greater than 0")
        if self.client_cache_persistence_model not in PERSISTENCE_MODELS:
            raise SettingsError(
                f"--client-cache-persistence-model {self.client_cache_persistence_model!r} is none of "
                f"{', '.join(PERSISTENCE_MODELS)}"
            )
        if self.revoke_on_shutdown and self.keeps_logins:
            raise SettingsError(
                "--revoke-on-shutdown: logins that --client-cache-persistence-model keeps over a restart cannot be "
                "revoked at its begin, set only one of them"
            )
        if self.pre_delete_hook_timeout_seconds <= 0:
            raise SettingsError("--pre-delete-hook-timeout-seconds must be greater than 0")
        self._check_policy()
        self._check_scope()
        _check_list("--global-transformation-options", self.global_transformation_options, _EXCLUDE_RAW)
        _check_list("--global-vault-auth-options", self.global_vault_auth_options, _DEFAULT_GLOBALS)
        return self

    def _check_addresses(self) -> None:
        for switch, address in (
            ("--health-probe-bind-address", self.health_probe_bind_address),
            ("--metrics-bind-address", self.metrics_bind_address),
            ("--metrics-secure-bind-address", self.metrics_secure_bind_address),
        ):
            found = _ADDRESS.fullmatch(address)
            if found is None or int(found["port"] or 0) > _HIGHEST_PORT:
                raise SettingsError(f"{switch} {address!r} is no address: write host:port, :port, or 0 for none")

    def _check_backoff(self) -> None:
        if self.backoff_multiplier <= 0:
            raise SettingsError("--backoff-multiplier must be greater than 0")
        # Without a delay, or with a negative one, a resource that fails would be tried again and again at once.
        if self.backoff_initial_interval <= 0 or self.backoff_max_interval <= 0:
            raise SettingsError("--backoff-initial-interval and --backoff-max-interval must be greater than 0")
        if not 0 <= self.backoff_randomization_factor <= 1:
            raise SettingsError("--backoff-randomization-factor must be from 0 to 1")

    def _check_signs(self) -> None:
        for switch, seconds in (
            ("--backoff-max-elapsed-time", self.backoff_max_elapsed_time),
            ("--static-creds-max-poll-interval", self.static_creds_max_poll_interval),
            ("--min-refresh-interval", self.min_refresh_interval),
            ("--default-refresh-interval", self.default_refresh_interval),
        ):
            if seconds < 0:
                raise SettingsError(f"{switch} must not be negative")

    def _check_policy(self) -> None:
        for method in self.allowed_auth_methods:
            if method not in ALL_METHODS:
                raise SettingsError(f"--allowed-auth-methods: {method!r} is none of {', '.join(ALL_METHODS)}")
        for address in self.allowed_vault_addresses:
            if not address.startswith(("http://", "https://")):
                raise SettingsError(f"--allowed-vault-addresses: {address!r} must start with https:// or http://")
        if self.credentials_directory and not PurePosixPath(self.credentials_directory).is_absolute():
            raise SettingsError(f"--credentials-directory {self.credentials_directory!r} must be an absolute path")

    def _check_scope(self) -> None:
        try:
            parse_selector(self.namespace_selector)
        except InvalidSelector as exc:
            raise SettingsError(f"--namespace-selector: {exc}") from exc
        if self.namespace_selector and self.watch_namespaces:
            raise SettingsError(
                "--namespace-selector reads the namespaces of the whole cluster, and --watch-namespaces only those "
                "named: set only one of them"
            )

    @property
    def user_agent(self) -> str:
        """How the process calls itself to the servers."""
        return f"vso/{self.build.get('gitVersion') or 'dev'}"

    def start_line(self) -> dict[str, Any]:
        """What the first line of the log tells, in the original's names; durations in seconds."""
        told = ("gitVersion", "gitCommit", "gitTreeState", "buildDate", "goVersion", "platform")
        return {
            **{name: self.build.get(name, "") for name in told},
            "clientCachePersistenceModel": self.client_cache_persistence_model,
            "clientCacheSize": self.client_cache_size,
            "backoffMultiplier": self.backoff_multiplier,
            "backoffMaxInterval": self.backoff_max_interval,
            "backoffMaxElapsedTime": self.backoff_max_elapsed_time,
            "backoffInitialInterval": self.backoff_initial_interval,
            "backoffRandomizationFactor": self.backoff_randomization_factor,
            "globalTransformationOptions": ",".join(self.global_transformation_options),
            "globalVaultAuthOptions": ",".join(self.global_vault_auth_options),
            "leaderElect": self.leader_elect,
        }

    @property
    def dynamic_workers(self) -> int:
        """Workers for VaultDynamicSecrets: the deprecated option counts where it differs from its default."""
        own = self.max_concurrent_reconciles_vds
        return own if own != DEFAULT_WORKERS else self.max_concurrent_reconciles

    @property
    def logging(self) -> Logging:
        """How lines are written."""
        return Logging(
            development=self.log_development,
            level=self.log_level,
            encoder=self.log_encoder,
            stacktrace_level=self.log_stacktrace_level,
            time_encoding=self.log_time_encoding,
        )

    @property
    def global_auth(self) -> GlobalOptions:
        """How VaultAuths inherit, and who may use the default ones."""
        return GlobalOptions(
            operator_namespace=self.operator_namespace,
            allow_default=self.allow_default_globals,
            enforce_on_default=self.enforce_default_allowed_namespaces,
        )

    @property
    def jurisdiction(self) -> Jurisdiction:
        """What this installation is responsible for."""
        return Jurisdiction(
            operator_namespace=self.operator_namespace,
            namespaces=frozenset(self.watch_namespaces),
            selector=parse_selector(self.namespace_selector) if self.namespace_selector else None,
            operator_class=self.operator_class,
        )

    @property
    def backoff(self) -> BackOff:
        """Delays after failures of secret sources."""
        return BackOff(
            initial=self.backoff_initial_interval,
            multiplier=self.backoff_multiplier,
            maximum=self.backoff_max_interval,
            randomization=self.backoff_randomization_factor,
        )

    @property
    def keeps_logins(self) -> bool:
        """Whether logins outlive a restart."""
        return self.client_cache_persistence_model != PERSISTENCE_MODELS[0]

    @property
    def encrypts_logins(self) -> bool:
        """Whether stored logins are encrypted."""
        return self.client_cache_persistence_model == _ENCRYPTED

    @property
    def refresh(self) -> RefreshBounds:
        """What the administrator says on `refreshAfter`."""
        return RefreshBounds(self.min_refresh_interval, self.default_refresh_interval)

    @property
    def policy(self) -> Policy:
        """What the administrator permits."""
        return Policy(
            operator_namespace=self.operator_namespace,
            auth_methods=self.allowed_auth_methods,
            addresses=self.allowed_vault_addresses,
            forbidden_audiences=self.forbidden_token_audiences,
            ambient_namespaces=self.ambient_identity_namespaces,
            credentials_directory=self.credentials_directory,
            own_credentials=self.allow_own_credentials,
        )

    @property
    def template_budget(self) -> Budget:
        """What the templates of one Secret may take."""
        return Budget(seconds=self.template_timeout, memory=self.template_memory_limit * _MIB)

    @property
    def for_controllers(self) -> ControllerSettings:
        """What decides how resources are handled."""
        return ControllerSettings(
            global_auth=self.global_auth,
            policy=self.policy,
            exclude_raw=self.exclude_raw,
            backoff=self.backoff,
            max_elapsed=self.backoff_max_elapsed_time,
            max_poll_interval=self.static_creds_max_poll_interval,
            refresh=self.refresh,
            pod_uid=self.pod_uid,
        )

    @property
    def exclude_raw(self) -> bool:
        """Whether `_raw` is left out of all Secrets."""
        return _EXCLUDE_RAW in self.global_transformation_options

    @property
    def allow_default_globals(self) -> bool:
        """Whether a VaultAuth may fall back to a VaultAuthGlobal called default."""
        return _DEFAULT_GLOBALS in self.global_vault_auth_options


def _check_list(switch: str, values: tuple[str, ...], known: str) -> None:
    for value in values:
        if value != known:
            raise SettingsError(f"{switch}: unsupported value {value!r}, only {known!r} is known")
