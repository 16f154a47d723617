"""Reads kubeconfig files, runs exec plugins and keeps OIDC logins alive.

Merging, decoding and plugins are those of kubernetes_asyncio. This module decides when to run them again, and
looks at the files before, because that loader's errors print whole entries, tokens included.
Imported by `config` only when there is a kubeconfig.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

import structlog
from kubernetes_asyncio.client import Configuration
from kubernetes_asyncio.config import ConfigException
from kubernetes_asyncio.config.kube_config import KubeConfigLoader, KubeConfigMerger

from vso.base import Clock, proxy_for
from vso.kube import oidc
from vso.kube.client_config import ClientConfig
from vso.kube.errors import ConfigError
from vso.kube.tls import client_context
from vso.kube.token import REREAD_AFTER, Fresh, TokenCache

if TYPE_CHECKING:
    from ssl import SSLContext

log = structlog.get_logger("kube.kubeconfig")

PLUGIN_TIMEOUT: Final = 60.0
"""Seconds for an exec plugin, which may ask a person or a cloud."""
EARLY: Final = 300.0
"""Seconds before its end at which a token is renewed, or a quarter of its life if that is less."""
_FOREVER: Final = float("inf")
_PATHS_OF_USER: Final = ("client-certificate", "client-key", "tokenFile")


async def kubeconfig_config(
    paths: str, *, context: str | None, environ: Mapping[str, str], clock: Clock
) -> ClientConfig:
    """The configuration that the files `paths` (separated as in ``KUBECONFIG``) give for `context`.

    Raises ConfigError, naming the files and what is wrong in them.
    """
    login = _Login(paths, context=context, environ=environ, clock=clock)
    try:
        return await login.open()
    except OSError as exc:
        raise ConfigError(f"kubeconfig {paths}: {exc.filename or 'certificates'}: {exc.strerror or exc}") from exc


@dataclass(frozen=True, slots=True)
class _Entry:
    """The context in use: its `name`, and the plain values of context, cluster and user."""

    name: str
    merged: Any
    context: dict[str, Any]
    cluster: dict[str, Any]
    user: dict[str, Any]


class _Login:
    """One context of a kubeconfig, as the one place that hands out its credentials."""

    def __init__(self, paths: str, *, context: str | None, environ: Mapping[str, str], clock: Clock) -> None:
        self._paths = paths
        self._context = context
        self._environ = environ
        self._clock = clock
        self._stored = ""
        self._rotated: dict[str, str] = {}
        self._tls: SSLContext | None = None

    async def open(self) -> ClientConfig:
        """Read everything once; later only credentials are read again."""
        entry = await asyncio.to_thread(_read, self._paths, self._context)
        settings, fresh = await self._authenticate(entry)
        server = str(settings.host)
        if urlsplit(server).scheme == "https":
            self._tls = client_context(
                ca_file=settings.ssl_ca_cert,
                server_name=settings.tls_server_name or "",
                verify=settings.verify_ssl,
            )
            self._show_certificate(settings)
            if not settings.verify_ssl:
                log.warning("the API server's certificate is not verified", server=server, paths=self._paths)
        proxy = settings.proxy or proxy_for(server, self._environ)
        if proxy and urlsplit(proxy).scheme not in {"http", "https"}:
            raise ConfigError(
                f"kubeconfig {self._paths}: only HTTP proxies are supported, not {proxy.partition(':')[0]}"
            )
        cache = TokenCache(self._load, clock=self._clock, first=fresh)
        return ClientConfig(
            server=server,
            ssl=self._tls,
            token=cache.read,
            forget_token=cache.forget,
            namespace=entry.context.get("namespace") or "default",
            proxy=proxy,
        )

    async def _load(self) -> Fresh:
        entry = await asyncio.to_thread(_read, self._paths, self._context)
        settings, fresh = await self._authenticate(entry)
        self._show_certificate(settings)
        return fresh

    def _show_certificate(self, settings: Configuration) -> None:
        # Loaded anew into the context in use: connections opened from now on show it.
        if self._tls is not None and settings.cert_file:
            try:
                self._tls.load_cert_chain(settings.cert_file, settings.key_file)
            except OSError as exc:
                raise ConfigError(f"kubeconfig {self._paths}: the client certificate or its key: {exc}") from exc

    async def _authenticate(self, entry: _Entry) -> tuple[Configuration, Fresh]:
        life = REREAD_AFTER
        provider = entry.user.get("auth-provider") or {}
        if provider.get("name") == "oidc":
            # The loader sees a plain token: it would renew it without checking the issuer's certificate.
            entry.user["token"], life = await self._oidc(provider.get("config") or {})
            del entry.user["auth-provider"]
        settings = Configuration()
        loader = KubeConfigLoader(config_dict=entry.merged, active_context=entry.name, config_base_path=None)
        try:
            async with asyncio.timeout(PLUGIN_TIMEOUT):
                await loader.load_and_set(settings)
        except TimeoutError:
            raise ConfigError(
                f"kubeconfig {self._paths}: the exec plugin took more than {PLUGIN_TIMEOUT:g} s"
            ) from None
        except Exception as exc:  # noqa: BLE001 - the loader lets everything through that its parts raise
            raise ConfigError(f"kubeconfig {self._paths}, context {entry.name}: {_harmless(exc)}") from None
        if "exec" in entry.user:
            life = self._life_of_plugin_token(loader)
        return settings, Fresh(self._bearer(settings), life)

    async def _oidc(self, provider: dict[str, Any]) -> tuple[str, float]:
        stored = str(provider.get("id-token") or "")
        # The token in the file serves once: who asks again has seen it end, or be refused.
        if stored != self._stored and (life := self._life(oidc.expiry(stored))) > 0:
            self._stored = stored
            return stored, life
        written = str(provider.get("refresh-token") or "")
        # The file is not ours to rewrite; when somebody logs in anew, that counts.
        latest = self._rotated.get(written, written)
        tokens = await oidc.renew({**provider, "refresh-token": latest}, environ=self._environ)
        self._rotated = {written: tokens.refresh or latest}
        return tokens.id, max(self._life(oidc.expiry(tokens.id)), 1.0)

    def _life_of_plugin_token(self, loader: KubeConfigLoader) -> float:
        ends = getattr(loader, "exec_plugin_expiry", None)
        return max(self._life(ends.timestamp() if ends is not None else None), 1.0)

    def _life(self, ends: float | None) -> float:
        """Seconds for which to use what ends at `ends`, in seconds since 1970; negative if that is over."""
        if ends is None:
            return _FOREVER
        left = ends - self._clock.now().timestamp()
        return left - min(EARLY, left / 4)

    def _bearer(self, settings: Configuration) -> str | None:
        scheme, _, token = str(settings.api_key.get("BearerToken", "")).partition(" ")
        if scheme == "Basic":
            raise ConfigError(
                f"kubeconfig {self._paths}: Kubernetes no longer takes username and password; "
                "use a token, a client certificate, exec or oidc"
            )
        return token.strip() or None


def _read(paths: str, context: str | None) -> _Entry:
    try:
        merger = KubeConfigMerger(paths)
    except Exception as exc:  # noqa: BLE001 - whatever YAML of another shape makes the loader raise
        raise ConfigError(f"kubeconfig {paths}: cannot be read: {_harmless(exc)}") from None
    if merger.config is None:
        raise ConfigError(f"kubeconfig {paths}: no such file; correct --kubeconfig or KUBECONFIG")
    contents = merger.config.value
    # As kubectl does: the first file that names a current context wins.
    currents = (file.get("current-context") for file in merger.config_files.values())
    name = context or next(filter(None, currents), None)
    if not name:
        raise ConfigError(f"kubeconfig {paths}: no current-context is set; set it or name a context")
    found = _named(contents, "context", name, paths)
    cluster = _named(contents, "cluster", found.get("cluster"), paths)
    if not cluster.get("server"):
        raise ConfigError(f"kubeconfig {paths}: cluster {found.get('cluster')} has no server")
    user = _named(contents, "user", found.get("user"), paths)
    return _Entry(name=name, merged=merger.config, context=found, cluster=cluster, user=user)


def _named(contents: Any, sort: str, name: str | None, paths: str) -> dict[str, Any]:
    entries = {entry["name"]: entry for entry in contents[f"{sort}s"]}
    body = entries[name].value.get(sort) if name in entries else None
    if not isinstance(body, dict):
        known = ", ".join(sorted(map(str, entries))) or "none"
        raise ConfigError(f"kubeconfig {paths}: there is no {sort} {name!r} (known: {known})")
    if sort == "user":
        _anchor(body, Path(entries[name].path).absolute().parent)
    return body


def _anchor(user: dict[str, Any], folder: Path) -> None:
    """Make the paths of `user` absolute; the loader would look beside the file of the *cluster*."""
    for field in _PATHS_OF_USER:
        if user.get(field):
            user[field] = str(folder / user[field])
    if user.get("tokenFile"):
        # Kubernetes: the file takes precedence over a token beside it. The loader: the other way round.
        user.pop("token", None)
    plugin = user.get("exec") or {}
    if "/" in str(plugin.get("command", "")):
        plugin["command"] = str(folder / plugin["command"])


def _harmless(exc: Exception) -> str:
    """The text of `exc` if it is known to quote no credentials, else its sort."""
    text = str(exc)
    if isinstance(exc, ConfigException) and text.startswith(("exec:", "File does not exist")):
        return text
    if isinstance(exc, OSError):
        return f"{exc.filename}: {exc.strerror}" if exc.filename else str(exc.strerror)
    return f"it is not what a kubeconfig should be ({type(exc).__name__})"
