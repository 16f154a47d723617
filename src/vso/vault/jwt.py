"""What a JSON Web Token claims about itself, for messages about a refused login (regressions.md D37).

Nothing is verified, and neither the token nor a claim beyond these four is ever shown.
"""

import base64
import binascii
from dataclasses import dataclass
from datetime import UTC, datetime

import msgspec

from vso.vault.mask import safe_text


@dataclass(frozen=True, slots=True, kw_only=True)
class Claims:
    """Audience, issuer, subject and expiry of a token; empty or None where it has none."""

    audience: tuple[str, ...] = ()
    issuer: str = ""
    subject: str = ""
    expires: datetime | None = None

    def describe(self, now: datetime) -> str:
        """Return a clause such as ``the token sent has audience "vault", ... and expires at 2026-...``."""
        audience = ", ".join(f'"{safe_text(each)}"' for each in self.audience) or "none"
        parts = [f"audience {audience}"]
        parts += [f'issuer "{safe_text(self.issuer)}"'] if self.issuer else []
        parts += [f'subject "{safe_text(self.subject)}"'] if self.subject else []
        if self.expires is None:
            return f"the token sent has {', '.join(parts)} and no expiry"
        verb = "expired at" if self.expired(now) else "expires at"
        return f"the token sent has {', '.join(parts)} and {verb} {self.expires:%Y-%m-%dT%H:%M:%SZ}"

    def expired(self, now: datetime) -> bool:
        """Whether the token's time is over at `now`."""
        return self.expires is not None and now >= self.expires


class _Wire(msgspec.Struct):
    aud: str | list[str] | None = None
    iss: str | None = None
    sub: str | None = None
    exp: float | None = None


def read_claims(token: str) -> Claims | None:
    """Return what `token` claims, None if it is no readable JSON Web Token."""
    parts = token.strip().split(".")
    if len(parts) != 3:  # noqa: PLR2004 - header, claims, signature (RFC 7519)
        return None
    try:
        text = base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4))
        wire = msgspec.json.decode(text, type=_Wire)
        expires = None if wire.exp is None else datetime.fromtimestamp(wire.exp, UTC)
    except (binascii.Error, ValueError, OverflowError, OSError, RecursionError):
        return None
    audience = (wire.aud,) if isinstance(wire.aud, str) else tuple(wire.aud or ())
    return Claims(audience=audience, issuer=wire.iss or "", subject=wire.sub or "", expires=expires)
