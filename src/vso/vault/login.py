"""Logging in: sends the payload that a method of `vso.vault.auth` made, and explains a refusal.

Source: behaviour.md section 2.4; regressions.md D37: a refusal names audience, issuer and expiry of the
token sent.
"""

from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Final

from vso.base import Sensitive
from vso.vault.auth.method import LoginRequest, Payload
from vso.vault.errors import Denied, Invalid, LoginRefused, NotFound, Refusal, VaultError
from vso.vault.jwt import Claims, read_claims
from vso.vault.path import normal_path
from vso.vault.response import Auth
from vso.vault.token import lookup_self
from vso.vault.transport import Call, Transport

_NOTHING: Final[Mapping[str, str]] = MappingProxyType({})
_FORBIDDEN: Final = 403
_REASONS: Final = (
    (Refusal.AUDIENCE, ("audience", "(aud)")),
    (Refusal.EXPIRED, ("token is expired", "token has expired", "expired")),
    (
        Refusal.ROLE,
        ("invalid role name", "role with name", "could not be found", "missing role", "unknown role"),
    ),
    (Refusal.PERMISSION, ("permission denied", "not authorized", "unauthorized")),
)
_ADVICE: Final[Mapping[Refusal, str]] = MappingProxyType(
    {
        Refusal.AUDIENCE: "the audiences requested for the token must include one that the role accepts",
        Refusal.EXPIRED: "the token sent is too old; check the clocks and the lifetime requested for tokens",
        Refusal.ROLE: "check the role's name, the auth mount and the namespace",
        Refusal.PERMISSION: (
            "check that the auth mount exists in this namespace, that its role admits this identity, "
            "and that the server may review tokens"
        ),
        Refusal.MOUNT: "no auth method is mounted there; check the auth mount and the namespace",
        Refusal.OTHER: "check the role and the auth mount's configuration on the server",
    }
)


async def login(
    transport: Transport,
    mount: str,
    request: LoginRequest,
    *,
    namespace: str = "",
    headers: Mapping[str, str] = _NOTHING,
) -> Auth:
    """Log in at ``PUT auth/<mount>/login`` and return the token; a token that exists already is looked up instead.

    What `request` has wrapped must be unwrapped before (`wrapping`). `headers` go with this request only. Raises
    LoginRefused for the statuses 400, 403 and 404 and for an answer without a token; outages keep their own types.
    """
    if request.token is not None:
        return await _adopt(transport, request.token, namespace=namespace)
    path = normal_path("auth", mount, "login", *filter(None, [request.user]))
    call = Call(namespace=namespace, body=request.body, headers=headers)
    try:
        async with transport.showing(request.certificate) as shown:
            response = await shown.request("PUT", path, call)
    except (Denied, Invalid, NotFound) as exc:
        raise _refused(exc, request.body, namespace=namespace, now=transport.clock.now()) from exc
    if response.auth is None or not response.auth.client_token.reveal():
        raise LoginRefused(
            f'the login at "{path}" was answered without a token: is the mount an auth method, '
            "or does it ask for a second factor?",
            path=path,
            status=response.status,
        )
    return response.auth


async def _adopt(transport: Transport, token: Sensitive[str], *, namespace: str) -> Auth:
    try:
        found = await lookup_self(transport, token, namespace=namespace)
    except (Denied, Invalid, NotFound) as exc:
        raise LoginRefused(
            f"the token is not valid at this server: status {exc.status}; put a valid one into the Secret, and check "
            "the namespace",
            reason=Refusal.EXPIRED,
            path=exc.path,
            status=exc.status,
        ) from exc
    return Auth(
        client_token=token,
        accessor=found.accessor,
        lease_duration=found.ttl,
        renewable=found.renewable,
        policies=found.policies,
        token_type=found.type,
    )


def _refused(exc: VaultError, payload: Payload, *, namespace: str, now: datetime) -> LoginRefused:
    claims = _claims(payload)
    reason = _reason(exc, claims, now)
    hint = claims.describe(now) if claims else ""
    where = f' in namespace "{namespace}"' if namespace else ""
    said = f"status {exc.status}" + (f", {exc.detail}" if exc.detail else "")
    message = f'the login at "{exc.path}"{where} was refused: {said}; {_ADVICE[reason]}'
    return LoginRefused(
        f"{message}; {hint}" if hint else message, reason=reason, hint=hint, path=exc.path, status=exc.status
    )


def _reason(exc: VaultError, claims: Claims | None, now: datetime) -> Refusal:
    if isinstance(exc, NotFound):
        return Refusal.MOUNT
    text = exc.detail.lower()
    if not text and exc.status == _FORBIDDEN:
        return Refusal.PERMISSION
    named = (reason for reason, phrases in _REASONS if any(phrase in text for phrase in phrases))
    reason = next(named, Refusal.OTHER)
    # Servers hide many causes behind "permission denied"; an expired token is one that shows from here.
    hidden = reason in {Refusal.PERMISSION, Refusal.OTHER} and claims is not None and claims.expired(now)
    return Refusal.EXPIRED if hidden else reason


def _claims(payload: Mapping[str, object]) -> Claims | None:
    jwt = payload.get("jwt")
    token = jwt.reveal() if isinstance(jwt, Sensitive) else None
    return read_claims(token) if isinstance(token, str) else None
