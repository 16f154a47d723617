"""Names that a login has in status fields and persisted entries.

Both formulas are the original's, so that either operator recognises the other's (behaviour.md sections 2.1, 2.4).
"""

import hashlib
from typing import Final

UID_LENGTH: Final = 36


def cache_key(method: str, *, auth: tuple[str, int], connection: tuple[str, int], provider_uid: str) -> str:
    """Identity of a login: method, UIDs and generations of VaultAuth and VaultConnection, credential's UID.

    `auth` and `connection` are (uid, generation). Raises ValueError if the UIDs are not three different ones.
    """
    uids = (auth[0], connection[0], provider_uid)
    if any(len(uid) != UID_LENGTH for uid in uids) or len(set(uids)) != len(uids):
        raise ValueError("the UIDs of VaultAuth, VaultConnection and credential must be three different UIDs")
    text = f"{auth[0]}-{auth[1]}.{connection[0]}-{connection[1]}.{provider_uid}"
    digest = hashlib.sha256(text.encode()).hexdigest()
    return f"{method.lower()}-{digest[:14]}{digest[-8:]}"


def namespaced(key: str, namespace: str) -> str:
    """The cache key of the same login used in another Vault namespace."""
    return f"{key}-{namespace}"


def client_id(accessor: str) -> str:
    """Hash of a token's accessor; empty for a token without one."""
    return hashlib.blake2b(accessor.encode(), digest_size=32).hexdigest() if accessor else ""
