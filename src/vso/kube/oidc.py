"""Renews the ID token of a kubeconfig's ``oidc`` user.

Our own, because the kubeconfig loader sends the refresh token without checking the issuer's certificate.
Source: OpenID Connect Core 1.0 section 12, OpenID Connect Discovery 1.0 section 4.
"""

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from ssl import SSLContext
from typing import Final, TypeVar
from urllib.parse import quote_plus

import aiohttp
import msgspec

from vso.base import proxy_for
from vso.kube.errors import ConfigError, ConnectionFailed
from vso.kube.tls import client_context

T = TypeVar("T")

_TIMEOUT: Final = aiohttp.ClientTimeout(total=30.0)
_REFUSED: Final = 400
_BROKEN: Final = 500


class _Discovery(msgspec.Struct, frozen=True):
    token_endpoint: str


@dataclass(frozen=True, slots=True)
class Tokens:
    """What an issuer handed out; `refresh` is empty if the old refresh token goes on."""

    id: str
    refresh: str

    def __repr__(self) -> str:
        return "Tokens(***)"


class _TokenAnswer(msgspec.Struct, frozen=True):
    id_token: str
    refresh_token: str = ""


class _Claims(msgspec.Struct, frozen=True):
    exp: float | None = None


def expiry(token: str) -> float | None:
    """The end of an ID token in seconds since 1970; None if it does not say one. Raises ConfigError."""
    try:
        payload = token.split(".")[1]
        padded = payload + "=" * (-len(payload) % 4)
        return msgspec.json.decode(base64.urlsafe_b64decode(padded), type=_Claims).exp
    except (IndexError, ValueError):
        # The text of the error may show the token.
        raise ConfigError("the id-token of the oidc user is no JSON web token") from None


async def renew(settings: Mapping[str, str], *, environ: Mapping[str, str]) -> Tokens:
    """Trade the refresh token in `settings` (the ``auth-provider.config`` of the user) for new tokens.

    Raises ConfigError if a setting is missing or the issuer refuses, ConnectionFailed if it does not answer.
    """
    needed = ("idp-issuer-url", "client-id", "refresh-token")
    if missing := [name for name in needed if not settings.get(name)]:
        raise ConfigError(f"the oidc user's id-token has ended and {', '.join(missing)} is not set; log in anew")
    issuer = settings["idp-issuer-url"].rstrip("/")
    try:
        connector = aiohttp.TCPConnector(ssl=_trust(settings))
        async with aiohttp.ClientSession(connector=connector, timeout=_TIMEOUT, trust_env=False) as session:
            address = f"{issuer}/.well-known/openid-configuration"
            async with session.get(address, proxy=proxy_for(issuer, environ)) as response:
                found = _decoded(await response.read(), _Discovery, response.status, issuer)
            endpoint = found.token_endpoint
            proxy = proxy_for(endpoint, environ)
            async with session.post(
                endpoint, data=_form(settings), headers=_login(settings), proxy=proxy, allow_redirects=False
            ) as response:
                answer = _decoded(await response.read(), _TokenAnswer, response.status, issuer)
    except (aiohttp.ClientError, OSError) as exc:
        # Errors of aiohttp carry the request's headers, and thus the client secret.
        raise ConnectionFailed(f"the OIDC issuer {issuer} does not answer: {type(exc).__name__}") from None
    return Tokens(answer.id_token, answer.refresh_token)


def _form(settings: Mapping[str, str]) -> dict[str, str]:
    form = {"grant_type": "refresh_token", "refresh_token": settings["refresh-token"]}
    return form if settings.get("client-secret") else {**form, "client_id": settings["client-id"]}


def _login(settings: Mapping[str, str]) -> dict[str, str]:
    secret = settings.get("client-secret")
    if not secret:
        return {}
    # Both parts are form-encoded first (RFC 6749 section 2.3.1).
    login = f"{quote_plus(settings['client-id'])}:{quote_plus(secret)}"
    return {"Authorization": f"Basic {base64.b64encode(login.encode()).decode()}"}


def _trust(settings: Mapping[str, str]) -> SSLContext:
    inline = settings.get("idp-certificate-authority-data")
    try:
        if inline:
            context = client_context(ca_file=None)
            context.load_verify_locations(cadata=base64.b64decode(inline).decode("ascii"))
            return context
        file = settings.get("idp-certificate-authority")
        return client_context(ca_file=Path(file) if file else None)
    except (OSError, ValueError) as exc:
        raise ConfigError("the idp-certificate-authority of the oidc user cannot be read") from exc


def _decoded(body: bytes, type_: type[T], status: int, issuer: str) -> T:
    if status >= _BROKEN:
        raise ConnectionFailed(f"the OIDC issuer {issuer} fails: HTTP {status}")
    if status >= _REFUSED:
        raise ConfigError(f"the OIDC issuer {issuer} refuses the refresh token: HTTP {status}; log in anew")
    try:
        return msgspec.json.decode(body, type=type_)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise ConfigError(f"the answer of the OIDC issuer {issuer} cannot be read") from None
