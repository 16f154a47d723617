"""Message authentication codes over the data of Secrets.

They tell whether data changed without keeping it. Key, message and text form are those of the original
(behaviour.md sections 4.1 and 5.3, api.md section 8.7), so that either operator understands the status
that the other left.
"""

import hashlib
import hmac
from base64 import b64encode
from collections.abc import Mapping
from typing import Final

from vso.sync import json_text

KEY_LENGTH: Final = 16


class Signer:
    """Computes MACs with the key that the installation keeps in its own Secret."""

    __slots__ = ("_key", "key_id")

    def __init__(self, key: bytes) -> None:
        if len(key) != KEY_LENGTH:
            raise ValueError(f"the HMAC key has {len(key)} bytes instead of {KEY_LENGTH}")
        self._key = key
        self.key_id = hmac.new(key, b"key-id", hashlib.sha256).hexdigest()[:8]
        """Names the key without telling it, so that MACs of different keys are never compared."""

    def mac(self, data: Mapping[str, bytes]) -> str:
        """Standard base64 of HMAC-SHA256 over the JSON object of keys and base64 values."""
        message = json_text.write({name: b64encode(value).decode() for name, value in data.items()})
        return b64encode(hmac.new(self._key, message, hashlib.sha256).digest()).decode()

    def sign(self, *parts: bytes) -> bytes:
        """HMAC-SHA256 over `parts`, one after the other (behaviour.md section 4.2)."""
        return hmac.new(self._key, b"".join(parts), hashlib.sha256).digest()

    def record(self, mac: str) -> str:
        """`mac` together with the identity of the key that made it."""
        return f"{self.key_id}:{mac}"

    def seed(self, *parts: bytes) -> bytes:
        """32 bytes that nobody without the key can guess, equal for equal `parts`."""
        message = b"".join(len(part).to_bytes(8, "big") + part for part in (b"seed", *parts))
        return hmac.new(self._key, message, hashlib.sha256).digest()

    def is_comparable(self, record: str) -> bool:
        """Whether `record` was made with this key."""
        return record.startswith(f"{self.key_id}:")


def digest(record: str) -> str:
    """A short stand-in for a `Signer.record` that may stand in an annotation of a workload."""
    return hashlib.sha256(record.encode()).hexdigest()[:16]
