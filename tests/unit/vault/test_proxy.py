"""Proxies from the environment, as Go's client reads them."""

import pytest

from vso.base import proxy_for


@pytest.mark.parametrize(
    ("no_proxy", "url", "proxied"),
    [
        ("", "https://vault.example:8200/v1/x", True),
        ("*", "https://vault.example:8200", False),
        ("vault.example", "https://vault.example:8200", False),
        ("example", "https://vault.example:8200", False),
        (".example", "https://vault.example:8200", False),
        ("*.example", "https://vault.example:8200", False),
        (".vault.example", "https://vault.example:8200", True),
        ("ault.example", "https://vault.example:8200", True),
        ("vault.example:8200", "https://vault.example:8200", False),
        ("vault.example:443", "https://vault.example:8200", True),
        ("other, VAULT.example ", "https://Vault.Example:8200", False),
        ("10.0.0.0/8", "https://10.1.2.3", False),
        ("10.0.0.0/8", "https://11.1.2.3", True),
        ("10.1.2.3", "https://10.1.2.3:8200", False),
        ("[fd00::1]:8200", "https://[fd00::1]:8200", False),
        ("fd00::1", "https://[fd00::1]:8200", False),
        ("nonsense/8", "https://vault.example", True),
        ("", "https://localhost:8200", False),
        ("", "https://127.0.0.1:8200", False),
        ("", "https://[::1]:8200", False),
    ],
)
def test_no_proxy_knows_names_suffixes_ports_and_networks(no_proxy: str, url: str, *, proxied: bool) -> None:
    """Loopback is never proxied."""
    environ = {"HTTPS_PROXY": "http://proxy:3128", "NO_PROXY": no_proxy}
    assert proxy_for(url, environ) == ("http://proxy:3128" if proxied else None)


def test_the_scheme_of_the_request_chooses_the_variable() -> None:
    """Upper case wins over lower case; a proxy without scheme is spoken to by HTTP."""
    environ = {"http_proxy": "one:1", "https_proxy": "two:2", "HTTPS_PROXY": "three:3", "VAULT_HTTP_PROXY": "no:4"}
    assert proxy_for("http://vault", environ) == "http://one:1"
    assert proxy_for("https://vault", environ) == "http://three:3"
    assert proxy_for("https://vault", {}) is None
