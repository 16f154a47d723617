"""How the API server's certificate is checked, and which certificate is shown to it."""

import ssl
from pathlib import Path
from typing import Any

import structlog

log = structlog.get_logger("kube.tls")


class _NamedContext(ssl.SSLContext):
    """Expects the certificate of `expected_name` whatever host the connection goes to."""

    expected_name: str = ""

    def wrap_bio(self, *args: Any, **kwargs: Any) -> ssl.SSLObject:
        # Here, and not per request, because aiohttp does not pass its server_hostname through a proxy.
        if self.expected_name:
            kwargs["server_hostname"] = self.expected_name
        return super().wrap_bio(*args, **kwargs)


def client_context(*, ca_file: str | Path | None, server_name: str = "", verify: bool = True) -> ssl.SSLContext:
    """A context that trusts `ca_file`, or the system's authorities without one.

    `server_name` replaces the host's name in the check. Raises OSError (ssl.SSLError is one).
    """
    context = _NamedContext(ssl.PROTOCOL_TLS_CLIENT)
    context.expected_name = server_name
    # Since Python 3.13 strictness is the default; it refuses the authorities of many clusters, which lack key
    # identifiers and which kubectl accepts.
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    elif ca_file is not None:
        context.load_verify_locations(cafile=str(ca_file))
    else:
        context.load_default_certs()
    return context


class AuthorityFile:
    """A context that trusts the authorities in a file, and those that join them when the file is replaced.

    Making it raises OSError (ssl.SSLError is one) if the file cannot be used.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._content = path.read_bytes()
        self.context = client_context(ca_file=path)

    def refresh(self) -> None:
        """Trust what is new in the file; connections opened from now on count on it."""
        try:
            content = self._path.read_bytes()
            if content != self._content:
                self.context.load_verify_locations(cadata=content.decode("ascii"))
                self._content = content
        except (OSError, UnicodeDecodeError) as exc:
            log.warning("authorities of the API server cannot be read anew", file=str(self._path), error=str(exc))
