"""Which proxy a request takes, from HTTPS_PROXY, HTTP_PROXY and NO_PROXY as Go's HTTP client reads them.

aiohttp's own reading of the environment knows no networks in NO_PROXY and would take credentials from
~/.netrc. Reference: https://pkg.go.dev/golang.org/x/net/http/httpproxy.
"""

from collections.abc import Mapping
from ipaddress import ip_address, ip_network
from typing import Final
from urllib.parse import SplitResult, urlsplit

_PORTS: Final = {"http": 80, "https": 443}


def proxy_for(url: str, environ: Mapping[str, str]) -> str | None:
    """Return the URL of the proxy for `url`, None for a direct connection.

    Lower-case names count where the upper-case one is unset; loopback hosts never take a proxy.
    """
    parts = urlsplit(url)
    proxy = _variable(environ, f"{parts.scheme}_proxy")
    if not proxy or _excluded(parts, _variable(environ, "no_proxy")):
        return None
    return proxy if "://" in proxy else f"http://{proxy}"


def _variable(environ: Mapping[str, str], name: str) -> str:
    return (environ.get(name.upper()) or environ.get(name) or "").strip()


def _excluded(parts: SplitResult, rules: str) -> bool:
    host = (parts.hostname or "").rstrip(".")
    port = parts.port or _PORTS.get(parts.scheme, 0)
    if host == "localhost" or _is_loopback(host):
        return True
    return any(_matches(rule.strip().lower(), host, port) for rule in rules.split(",") if rule.strip())


def _matches(rule: str, host: str, port: int) -> bool:
    if rule == "*":
        return True
    if "/" in rule:
        return _in_network(host, rule)
    name, wanted = _split_port(rule)
    if wanted and wanted != port:
        return False
    name = name.removeprefix("*")
    if name.startswith("."):
        return host.endswith(name)
    return host == name or (host.endswith(f".{name}") and not _is_address(host))


def _split_port(rule: str) -> tuple[str, int]:
    if rule.startswith("[") or rule.count(":") == 1:
        name, _, port = rule.rpartition(":")
        if port.isdecimal():
            return name.strip("[]"), int(port)
    return rule.strip("[]"), 0


def _in_network(host: str, rule: str) -> bool:
    try:
        return ip_address(host) in ip_network(rule, strict=False)
    except ValueError:
        return False


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True
