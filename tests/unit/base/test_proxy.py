"""Which proxy leads to the API server."""

import pytest

from vso.base import proxy_for

PROXY = "http://proxy.example:3128"


@pytest.mark.parametrize(
    ("exceptions", "server", "proxied"),
    [
        ("", "https://api.example:6443", True),
        ("*", "https://api.example", False),
        ("api.example", "https://api.example:6443", False),
        ("example", "https://api.example", False),
        (".example", "https://api.example", False),
        ("*.example", "https://api.example", False),
        (".api.example", "https://api.example", True),
        ("pi.example", "https://api.example", True),
        ("api.example:6443", "https://api.example:6443", False),
        ("api.example:443", "https://api.example:6443", True),
        ("api.example:443", "https://api.example", False),
        ("one, API.example ,", "https://api.example", False),
        ("10.0.0.0/8", "https://10.96.0.1", False),
        ("10.0.0.0/8", "https://11.0.0.1", True),
        ("10.0.0.0/8", "https://api.example", True),
        ("10.96.0.1", "https://10.96.0.1", False),
        ("10.96.0.1:443", "https://10.96.0.1:6443", True),
        ("fd00::/8", "https://[fd00::1]:443", False),
        ("[fd00::1]:443", "https://[fd00::1]", False),
        ("", "https://127.0.0.1:6443", False),
        ("", "https://[::1]:6443", False),
        ("", "https://localhost:6443", False),
    ],
)
def test_exceptions_go_directly(exceptions: str, server: str, proxied: object) -> None:
    """NO_PROXY by host, domain, address, network and port; loopback always."""
    environ = {"HTTPS_PROXY": PROXY, "NO_PROXY": exceptions}
    assert (proxy_for(server, environ) == PROXY) is proxied


def test_the_variable_is_chosen_by_scheme_and_in_either_case() -> None:
    """HTTPS_PROXY is for https, HTTP_PROXY for http; an address without scheme is an HTTP proxy."""
    assert proxy_for("https://api.example", {"HTTP_PROXY": PROXY}) is None
    assert proxy_for("http://api.example", {"http_proxy": PROXY}) == PROXY
    assert proxy_for("https://api.example", {"https_proxy": "proxy.example:3128"}) == PROXY
