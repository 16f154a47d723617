"""Which HTTP proxy leads to a server, from the environment variables that all programs share.

Pure. As in Go programs: lower-case names count too, ``NO_PROXY`` holds ``*``, hosts, domains (with their
subdomains), addresses and networks, each with an optional port; loopback needs no proxy.
"""

from collections.abc import Mapping
from ipaddress import ip_address, ip_network
from urllib.parse import urlsplit


def proxy_for(server: str, environ: Mapping[str, str]) -> str | None:
    """URL of the proxy for the URL `server`, or None to connect directly."""
    parts = urlsplit(server)
    host = (parts.hostname or "").rstrip(".")
    port = parts.port or (443 if parts.scheme == "https" else 80)
    proxy = _variable(environ, f"{parts.scheme.upper()}_PROXY")
    if not proxy or _is_loopback(host):
        return None
    exceptions = _variable(environ, "NO_PROXY").split(",")
    if any(_matches(entry.strip().lower(), host, port) for entry in exceptions):
        return None
    return proxy if "://" in proxy else f"http://{proxy}"


def _variable(environ: Mapping[str, str], name: str) -> str:
    return environ.get(name) or environ.get(name.lower()) or ""


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _matches(entry: str, host: str, port: int) -> bool:
    if entry in {"", "*"}:
        return entry == "*"
    if (network := _network(entry)) is not None:
        return _inside(host, network)
    name, colon, wanted_port = entry.rpartition(":")
    if colon and wanted_port.isdecimal():
        if int(wanted_port) != port:
            return False
        entry = name.strip("[]")
        if (network := _network(entry)) is not None:
            return _inside(host, network)
    domain = entry.removeprefix("*").lstrip(".")
    # A leading dot excludes the domain itself.
    return host.endswith(f".{domain}") or (host == domain and not entry.startswith((".", "*")))


def _network(text: str) -> object | None:
    try:
        return ip_network(text, strict=False)
    except ValueError:
        return None


def _inside(host: str, network: object) -> bool:
    try:
        return ip_address(host) in network  # type: ignore[operator]
    except ValueError:
        return False
