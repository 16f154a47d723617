"""Tests the way to a Vault server link by link: name, port, certificate, seal. Sockets, no HTTP of its own.

From where the command runs, that is: the operator may see another network. What only the cluster can reach is said to
be so instead of called broken.
"""

import asyncio
import ipaddress
import os
import socket
import ssl
from dataclasses import replace
from typing import Final
from urllib.parse import SplitResult, urlsplit

from vso.base import proxy_for
from vso.cli.kubectl.facts import Handshake, Known, ServerFacts, Unknown
from vso.sync import SyncError
from vso.vault import Connection, SealStatus, Transport, VaultError, seal_status, tls_context

_PATIENCE: Final = 10.0
_PORTS: Final = {"http": 80, "https": 443}
_INSIDE: Final = (".svc", ".local", ".internal")
_NOT_REACHED: Final = "the server cannot be reached (see above)"


async def look_at_server(
    address: str, connection: Connection | SyncError | VaultError | Unknown, transport: Transport | None
) -> ServerFacts:
    """Test the way to `address`; `transport` is there if `connection` can be used."""
    parts = _split(address)
    proxy = _proxy(address, connection)
    names = await _names(parts, proxy)
    port = await _port(parts, names, proxy)
    tls = await _tls(parts, port, connection)
    seal = await _seal(transport, port, tls, proxied=proxy != "")
    return ServerFacts(address=address, names=names, port=port, tls=tls, seal=seal, connection=connection)


def is_inside_name(host: str) -> bool:
    """Whether `host` looks like a name that is known within a cluster only."""
    return "." not in host or host.endswith(_INSIDE) or ".svc." in host


def _split(address: str) -> SplitResult | None:
    try:
        parts = urlsplit(address.strip())
        _ = parts.port
    except ValueError:
        return None
    return parts if parts.hostname and parts.scheme in _PORTS else None


def _proxy(address: str, connection: object) -> str:
    own = connection.proxy if isinstance(connection, Connection) else ""
    if own == "none":
        return ""
    return own or proxy_for(address, os.environ) or ""


async def _names(parts: SplitResult | None, proxy: str) -> Known[tuple[str, ...] | OSError]:
    if parts is None:
        return Unknown("the address is no URL")
    if proxy:
        return Unknown("requests go through an HTTP proxy, which resolves the name")
    host = parts.hostname or ""
    try:
        found = await asyncio.wait_for(
            asyncio.get_running_loop().getaddrinfo(host, _port_of(parts), type=socket.SOCK_STREAM), _PATIENCE
        )
    except TimeoutError:
        return OSError("the name server does not answer")
    except UnicodeError:
        return OSError(f"{host} is no name that there can be: a part of it is empty, or too long")
    except OSError as exc:
        if is_inside_name(host):
            return Unknown(
                f"the name {host} is known within the cluster only; forward a port to the server "
                "(kubectl port-forward) and name it with --vault-address"
            )
        return exc
    return tuple(sorted({str(one[4][0]) for one in found}))


async def _port(
    parts: SplitResult | None, names: Known[tuple[str, ...] | OSError], proxy: str
) -> Known[OSError | None]:
    if parts is None or isinstance(names, Unknown):
        return names if isinstance(names, Unknown) else Unknown("the address is no URL")
    if proxy or isinstance(names, OSError):
        return Unknown("the host name has no address (see above)")
    try:
        _, writer = await asyncio.wait_for(asyncio.open_connection(parts.hostname, _port_of(parts)), _PATIENCE)
    except TimeoutError:
        return TimeoutError(f"no connection within {_PATIENCE:g} s")
    except OSError as exc:
        return exc
    writer.close()
    return None


async def _tls(parts: SplitResult | None, port: Known[OSError | None], connection: object) -> Known[Handshake]:
    if parts is None or port is not None:
        return port if isinstance(port, Unknown) else Unknown(_NOT_REACHED)
    if parts.scheme == "http":
        return Unknown("the address is http://, so there is none")
    if not isinstance(connection, Connection):
        return Unknown("the settings of the connection cannot be used or read (see above)")
    try:
        context = tls_context(connection)
    except VaultError as exc:
        return Unknown(str(exc))
    name = connection.tls_server_name or parts.hostname or ""
    outcome = await _shake(parts, context, name)
    if outcome.code == -1:
        return outcome
    anybody = tls_context(replace(connection, skip_tls_verify=True))
    return await _described(parts, anybody, outcome)


async def _shake(parts: SplitResult, context: ssl.SSLContext, name: str) -> Handshake:
    try:
        # Before there is a socket, which asyncio would leave open.
        context.wrap_bio(ssl.MemoryBIO(), ssl.MemoryBIO(), server_hostname=name)
    except ValueError:  # UnicodeError among them
        return Handshake(code=-1, reason=f"{name!r} is no name of a server", asked_for=name)
    try:
        async with asyncio.timeout(_PATIENCE):
            _, writer = await asyncio.open_connection(
                parts.hostname, _port_of(parts), ssl=context, server_hostname=name
            )
    except ssl.SSLCertVerificationError as exc:
        return Handshake(code=exc.verify_code or -1, reason=exc.verify_message.rstrip("."), asked_for=name)
    except TimeoutError:
        return Handshake(code=-1, reason="no answer to the handshake", asked_for=name)
    except OSError as exc:
        reason = (getattr(exc, "reason", None) or exc.strerror or type(exc).__name__).replace("_", " ").lower()
        return Handshake(code=-1, reason=reason, asked_for=name)
    writer.transport.abort()
    return Handshake(asked_for=name)


async def _described(parts: SplitResult, context: ssl.SSLContext, outcome: Handshake) -> Handshake:
    """`outcome` with what the server's certificate says of itself."""
    from cryptography import x509  # late: only where there is a certificate to describe

    try:
        async with asyncio.timeout(_PATIENCE):
            _, writer = await asyncio.open_connection(
                parts.hostname, _port_of(parts), ssl=context, server_hostname=outcome.asked_for
            )
        shown = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
        writer.transport.abort()
        certificate = x509.load_der_x509_certificate(shown)
    except (OSError, ValueError, TypeError):
        return outcome
    return replace(
        outcome,
        names=_names_in(certificate),
        issuer=certificate.issuer.rfc4514_string(),
        begins=certificate.not_valid_before_utc,
        ends=certificate.not_valid_after_utc,
    )


def _names_in(certificate: object) -> tuple[str, ...]:
    from cryptography import x509

    if not isinstance(certificate, x509.Certificate):
        return ()
    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return ()
    addresses: list[ipaddress.IPv4Address | ipaddress.IPv6Address] = [
        one for one in found.get_values_for_type(x509.IPAddress) if isinstance(one, _ADDRESSES)
    ]
    return (*found.get_values_for_type(x509.DNSName), *map(str, addresses))


_ADDRESSES: Final = (ipaddress.IPv4Address, ipaddress.IPv6Address)


async def _seal(
    transport: Transport | None, port: Known[OSError | None], tls: Known[Handshake], *, proxied: bool
) -> Known[SealStatus | VaultError]:
    if transport is None:
        return Unknown("the settings of the connection cannot be used or read (see above)")
    if not proxied:
        if isinstance(port, Unknown):
            return port
        if isinstance(port, OSError) or (isinstance(tls, Handshake) and tls.code != 0):
            return Unknown(_NOT_REACHED)
    try:
        return await seal_status(transport)
    except VaultError as exc:
        return exc


def _port_of(parts: SplitResult) -> int:
    return parts.port or _PORTS[parts.scheme]
