"""What of a server's text may be shown: short, on one line, without anything that looks like a credential."""

import re
from collections.abc import Iterable
from typing import Final

LIMIT: Final = 300
"""Longest text shown, in characters."""

_STARS: Final = "***"
_SHORTEST: Final = 4  # a shorter secret would star out ordinary words
_CREDENTIALS: Final = re.compile(
    r"eyJ[A-Za-z0-9_-]{8,}(?:\.[A-Za-z0-9_=-]*){0,4}"  # JSON Web Tokens and wrapped JSON
    r"|\bhv[sbr]\.[A-Za-z0-9_.-]{8,}"  # service, batch and recovery tokens since Vault 1.10
    r"|\b[sbr]\.[A-Za-z0-9_-]{20,}(?:\.[A-Za-z0-9]+)?"  # tokens of OpenBao and of Vault before
    r"|(?i:\bx-amz-security-token\s*[:=]\s*)\S+|\bSignature=[0-9a-f]{64}\b"  # parts of a signed AWS request
    r"|-----BEGIN [A-Z0-9 ]+-----.*?(?:-----END [A-Z0-9 ]+-----|\Z)",
    re.DOTALL,
)
_SPACE: Final = re.compile(r"\s+")
_COUNTED: Final = re.compile(r"^\d+ errors? occurred: ?\* ")


def mask_credentials(text: str) -> str:
    """Return `text`, whole, with whatever looks like a token, a JWT or PEM as ``***``."""
    return _CREDENTIALS.sub(_STARS, text)


def safe_text(text: str, secrets: Iterable[str] = ()) -> str:
    """Return `text` fit for events, conditions and logs.

    Each of `secrets` and whatever looks like a token, a JWT or PEM becomes ``***``; white space is folded,
    the server's "1 error occurred:" frame dropped, and the rest cut to `LIMIT`.
    """
    for secret in sorted((each for each in secrets if len(each) >= _SHORTEST), key=len, reverse=True):
        text = text.replace(secret, _STARS)
    text = mask_credentials(text)
    text = "".join(char if char.isprintable() else " " for char in text)
    text = _COUNTED.sub("", _SPACE.sub(" ", text).strip())
    return text if len(text) <= LIMIT else text[: LIMIT - 1] + "…"
