"""Looks for secrets where none may be, after every test: in logs, events, statuses and marks.

What counts as one: whatever looks like a token or a private key, and each value of a Secret that is long enough to be
told from ordinary words.
"""

import json
import re
from base64 import b64decode
from collections.abc import Iterable
from typing import Any, Final

_PATTERNS: Final = re.compile(
    r"\b(?:hv[sbr]|[sbr])\.[A-Za-z0-9_-]{20,}"  # tokens of Vault and OpenBao
    r"|\beyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}"  # JWTs
    r"|PRIVATE KEY-----"
)
_SHORTEST: Final = 10
_PUBLIC: Final = frozenset(
    {
        "ca.crt",
        "ca_chain",
        "certificate",
        "expiration",
        "issuing_ca",
        "last_vault_rotation",
        "rotation_period",
        "rotation_schedule",
        "serial_number",
        "service_account_name",
        "service_account_namespace",
        "tls.crt",
        "username",
    }
)
"""Keys of Secrets whose values may show elsewhere."""


def token_in(text: str) -> str:
    """The first thing in `text` that looks like a token or a key, cut so that it shows where; "" if there is none."""
    found = _PATTERNS.search(text)
    return "" if found is None else text[max(found.start() - 120, 0) : found.start() + 12]


def values_of(secrets: Iterable[dict[str, Any]]) -> set[str]:
    """The values of Secrets that must not show."""
    found = set()
    for secret in secrets:
        for name, value in (secret.get("data") or {}).items():
            text = b64decode(value).decode("utf-8", "replace")
            if name not in _PUBLIC and len(text) >= _SHORTEST:
                found.add(text)
    return found


def shown(objects: Iterable[dict[str, Any]]) -> str:
    """What people see of objects beside their specs."""
    kept = [
        {
            "status": one.get("status"),
            "message": one.get("message"),
            "marks": {name: one["metadata"].get(name) for name in ("labels", "annotations")},
        }
        for one in objects
    ]
    return json.dumps(kept)
