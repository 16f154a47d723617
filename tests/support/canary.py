"""Looks for secrets where none may be, after every test: in logs, metrics, events, statuses and marks.

What counts as one: whatever looks like a token or a private key, and each value of a Secret that is long enough to be
told from ordinary words, be it that the test saw it there before it was rotated. In logs and metrics, which tell of
many namespaces, of the latter only those that are credentials: a `Session` compares those of every namespace with
everything that operators wrote meanwhile.
"""

import json
import re
from base64 import b64decode
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
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

_CREDENTIALS: Final = frozenset({"id", "jwt", "password", "secret_access_key", "secret_id", "session_token", "token"})
"""Keys of Secrets that have dynamic passwords, secret ids and what people log in with."""


@dataclass
class Session:
    """The credentials of namespaces that are removed, and the logs of operators that have ended, as they come.

    Either may come first: who comes second looks at those that came since it began.
    """

    credentials: list[str] = field(default_factory=list)
    logs: list[Path] = field(default_factory=list)

    def log_ended(self, log: Path, *, begun: int) -> None:
        """An operator ended, at whose start there were `begun` credentials."""
        _assert_absent(set(self.credentials[begun:]), log)
        self.logs.append(log)

    def tenant_removed(self, secrets: Iterable[dict[str, Any]], *, begun: int) -> None:
        """A namespace with these Secrets goes, at whose beginning there were `begun` logs."""
        found = values_of(secrets, only=_CREDENTIALS)
        for log in self.logs[begun:]:
            _assert_absent(found, log)
        self.credentials.extend(found)


SESSION: Final = Session()


def _assert_absent(credentials: Iterable[str], log: Path) -> None:
    text = log.read_text(errors="replace")
    for one in credentials:
        written = json.dumps(one)[1:-1]
        assert written not in text, f"a credential in {log.name}: {written[:3]}… ({len(written)} characters)"


def token_in(text: str) -> str:
    """The first thing in `text` that looks like a token or a key, cut so that it shows where; "" if there is none."""
    found = _PATTERNS.search(text)
    return "" if found is None else text[max(found.start() - 120, 0) : found.start() + 12]


def values_of(secrets: Iterable[dict[str, Any]], *, only: frozenset[str] = frozenset()) -> set[str]:
    """The values of Secrets that must not show; of the keys `only`, if there are any."""
    found = set()
    for secret in secrets:
        for name, value in (secret.get("data") or {}).items():
            text = b64decode(value).decode("utf-8", "replace")
            if name not in _PUBLIC and (not only or name in only) and len(text) >= _SHORTEST:
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
