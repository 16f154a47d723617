"""How to reach one Vault server, and the TLS settings that follow from it.

Values only: nothing is opened here, see `transport`. Source: behaviour.md section 2.3, api.md sections 4.1
and 7.2.
"""

import os
import re
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Final
from urllib.parse import SplitResult, urlsplit

from vso.vault.auth.method import ClientCertificate, MissingCredential
from vso.vault.errors import InvalidConnection
from vso.vault.pem import certificates_in

_PLAIN: Final = re.compile(r"[!-\[\]-~]+")
_PORTS: Final = {"http": 80, "https": 443}
_HEADER_NAME: Final = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_HEADER_VALUE: Final = re.compile(r"[^\x00-\x08\x0a-\x1f\x7f]*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """One server: `address` is its base URL, a path prefix included; `timeout` is in seconds, per request.

    `headers` go with every request. `ca_pem` replaces the system's certificate authorities. Creating one
    raises InvalidConnection if the address, a header, the server's name, the proxy or the timeout cannot be used;
    `ca_pem` is checked by `tls_context`. `proxy` is the URL of an HTTP proxy, ``none`` for none, "" for what the
    environment says. `permitted` are the addresses that a redirect may lead to, as `is_within` takes them; empty, any.
    """

    address: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False, hash=False)
    tls_server_name: str = ""
    ca_pem: str = field(default="", repr=False)
    skip_tls_verify: bool = False
    timeout: float = 60.0
    proxy: str = field(default="", repr=False)
    permitted: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        _check_address(self.address)
        _check_proxy(self.proxy)
        _check_headers(self.headers)
        if "\0" in self.tls_server_name:
            raise InvalidConnection("the name of the TLS server has a NUL, as no name can")
        if not self.timeout > 0:
            raise InvalidConnection(f"the timeout of the connection must be above zero, it is {self.timeout:g} s")

    @property
    def base(self) -> str:
        """The address without a slash at its end: API paths are appended to it."""
        return self.address.strip().rstrip("/")

    @property
    def display(self) -> str:
        """The address as messages may show it: without user information."""
        parts = urlsplit(self.base)
        return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()


def is_within(address: str, permitted: str) -> bool:
    """Whether one URL lies within another: the same scheme and port, a host that fits, a path at or below.

    The host of `permitted` may have ``*`` for any characters, dots included.
    """
    try:
        mine, theirs = urlsplit(address.strip()), urlsplit(permitted.strip())
        same_port = _port(mine) == _port(theirs)
    except ValueError:
        return False
    path = f"{mine.path.rstrip('/')}/"
    return (
        mine.scheme == theirs.scheme
        and same_port
        and fnmatchcase((mine.hostname or "").lower(), (theirs.hostname or "").lower())
        and path.startswith(f"{theirs.path.rstrip('/')}/")
        and not {".", ".."} & set(path.split("/"))
    )


def _port(parts: SplitResult) -> int | None:
    return parts.port or _PORTS.get(parts.scheme)


def tls_context(connection: Connection, certificate: ClientCertificate | None = None) -> ssl.SSLContext:
    """Return the TLS settings of `connection`: TLS 1.2 or newer, verification unless it is skipped.

    Raises InvalidConnection if `ca_pem` is set, needed and has no valid certificate. With verification
    skipped it is not looked at, as in the reference. Raises MissingCredential if `certificate`, which is shown to
    the server, does not fit its key.
    """
    own_ca = connection.ca_pem != "" and not connection.skip_tls_verify
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if connection.skip_tls_verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    elif own_ca:
        _trust(context, connection.ca_pem)
    else:
        context.load_default_certs(ssl.Purpose.SERVER_AUTH)
    # As Go does: any given certificate is an anchor, be it an intermediate or the server's own.
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    if certificate is not None:
        _show(context, certificate)
    return context


def _show(context: ssl.SSLContext, certificate: ClientCertificate) -> None:
    try:
        with _in_memory(certificate.chain) as chain, _in_memory(certificate.key.reveal()) as key:
            # An encrypted key must not make OpenSSL ask for its password at the terminal.
            context.load_cert_chain(chain, key, password="")
    except (ssl.SSLError, ValueError, OSError) as exc:
        raise MissingCredential(
            "the client certificate cannot be used: tls.crt and tls.key must be PEM, the key without a password, "
            "and belong to each other"
        ) from exc


@contextmanager
def _in_memory(text: str) -> Iterator[str]:
    """A path under which OpenSSL, which reads files only, finds `text`; it never touches a disk."""
    descriptor = os.memfd_create("pem", os.MFD_CLOEXEC)
    try:
        with os.fdopen(os.dup(descriptor), "w") as file:
            file.write(text)
        yield f"/proc/self/fd/{descriptor}"
    finally:
        os.close(descriptor)


def _trust(context: ssl.SSLContext, pem: str) -> None:
    found = 0
    # One by one: comments between them may be of any encoding, and one bad block does not spoil the others.
    for block in certificates_in(pem):
        try:
            context.load_verify_locations(cadata=block)
        except (ssl.SSLError, ValueError):
            continue
        found += 1
    if not found:
        raise InvalidConnection("no valid certificates found in CA cert data")


def _check_address(address: str) -> None:
    try:
        parts: SplitResult = urlsplit(address.strip())
        _ = parts.port
    except ValueError as exc:
        raise InvalidConnection("the address of the connection is no URL: its host or port is malformed") from exc
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise InvalidConnection(
            "the address of the connection must be a URL such as https://vault.example:8200, "
            f"with http or https and a host; its scheme is {parts.scheme!r}"
        )
    if not _PLAIN.fullmatch(address.strip()):
        # Programs differ in what they take such a URL for, so one that was checked might lead elsewhere.
        raise InvalidConnection("the address of the connection has characters that no URL may have, or a backslash")
    if parts.query or parts.fragment:
        raise InvalidConnection("the address of the connection must have no query and no fragment")


def _check_proxy(proxy: str) -> None:
    if proxy in {"", "none"}:
        return
    try:
        parts = urlsplit(proxy)
        _ = parts.port
    except ValueError as exc:
        raise InvalidConnection("the proxy of the connection is no URL: its host or port is malformed") from exc
    if parts.scheme != "http" or not parts.hostname:
        raise InvalidConnection(
            "the proxy of the connection must be none, or a URL such as http://proxy.example:3128; its scheme is "
            f"{parts.scheme!r}"
        )


def _check_headers(headers: Mapping[str, str]) -> None:
    for name, value in headers.items():
        if name.lower() == "x-vault-namespace":
            raise InvalidConnection('setting header "X-Vault-Namespace" on VaultConnection is not permitted')
        check_header(name, value)


def check_header(name: str, value: str) -> None:
    """Raise InvalidConnection if `name` or `value` cannot stand in an HTTP header; the value is not shown."""
    if not _HEADER_NAME.fullmatch(name):
        raise InvalidConnection(f"{name!r} is no name for an HTTP header")
    if not _HEADER_VALUE.fullmatch(value):
        raise InvalidConnection(f"the value of header {name!r} has control characters")
