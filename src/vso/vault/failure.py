"""From an exception of aiohttp, or a timeout, to an `Unreachable` that says what to look at."""

import os
import ssl
from typing import Final

import aiohttp

from vso.vault.answer import Asked
from vso.vault.connection import Connection
from vso.vault.errors import BadAnswer, TimedOut, TLSFailed, Unreachable, VaultError
from vso.vault.mask import safe_text

_NAME_CODES: Final = {62, 63, 64}  # X509_V_ERR_HOSTNAME_MISMATCH, EMAIL_, IP_ADDRESS_
_TIME_CODES: Final = {9, 10}  # X509_V_ERR_CERT_NOT_YET_VALID, _HAS_EXPIRED


class Lost(aiohttp.ClientError):
    """The connection ended before the answer; takes the place of errors that aiohttp answers by a resend."""


def failure_of(exc: Exception, connection: Connection, asked: Asked) -> VaultError:
    """Translate `exc`, raised while `asked` was sent to `connection` or answered."""
    type_, reason = reason_of(exc, connection.timeout)
    return type_(f"{asked} to {connection.display} failed: {reason}", path=asked.path)


def reason_of(exc: Exception, timeout: float) -> tuple[type[VaultError], str]:
    """What `exc` of a request that may take `timeout` seconds amounts to, as a clause for people."""
    match exc:
        case aiohttp.ConnectionTimeoutError():
            outcome: tuple[type[VaultError], str] = (
                TimedOut,
                "no connection could be made in time; check address and network",
            )
        case TimeoutError():
            outcome = TimedOut, f"no answer within the timeout of {timeout:g} s"
        case UnicodeError():  # of the codec that host names go through
            outcome = (
                Unreachable,
                "a host name has nothing, or over 63 characters, between its dots; check address and proxy",
            )
        case aiohttp.ClientConnectorCertificateError():
            outcome = TLSFailed, _certificate(exc.certificate_error)
        case aiohttp.ClientConnectorError():
            outcome = _connecting(exc)
        case aiohttp.ClientHttpProxyError():
            outcome = Unreachable, f"the proxy answered with status {exc.status}"
        case aiohttp.ClientResponseError():
            outcome = BadAnswer, "what came back is no HTTP; check scheme and port of the address"
        case _:
            cause = type(exc.__cause__ or exc).__name__
            outcome = Unreachable, f"the connection was lost before the answer was complete ({cause})"
    return outcome


def _connecting(exc: aiohttp.ClientConnectorError) -> tuple[type[VaultError], str]:
    match exc:
        case aiohttp.ClientConnectorSSLError():
            return TLSFailed, _handshake(exc)
        case aiohttp.ClientConnectorDNSError():
            return Unreachable, f'the host name "{exc.host}" is not known; check the address'
        case aiohttp.ClientProxyConnectionError():
            return Unreachable, f"the proxy cannot be reached: {_system(exc)}"
        case _:
            return Unreachable, f"cannot connect: {_system(exc)}"


def _certificate(error: Exception) -> str:
    if not isinstance(error, ssl.SSLCertVerificationError):
        return "the server's certificate was refused"
    reason = safe_text(error.verify_message).rstrip(".")
    if error.verify_code in _NAME_CODES:
        return f"the server's certificate is for another name: {reason} (check address and TLS server name)"
    if error.verify_code in _TIME_CODES:
        return f"the server's certificate is out of its time: {reason}"
    return f"the server's certificate is not trusted: {reason} (check the CA certificate)"


def _handshake(error: aiohttp.ClientConnectorSSLError) -> str:
    cause = error.os_error
    reason = (getattr(cause, "reason", None) or "unknown reason").replace("_", " ").lower()
    hint = " (does the server speak TLS on this port?)" if "wrong version" in reason or "record" in reason else ""
    return f"the TLS handshake failed: {reason}{hint}"


def _system(error: aiohttp.ClientConnectorError) -> str:
    cause = error.os_error
    if isinstance(cause, ConnectionResetError) and error.ssl:
        return "the connection was reset, perhaps in the TLS handshake (TLS 1.2 or newer is needed)"
    # asyncio puts "Connect call failed" and the address in place of the system's text.
    return os.strerror(cause.errno).lower() if cause.errno else type(cause).__name__
