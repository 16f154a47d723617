"""What a request is for, told from its path: for figures. Pure (operations.md section 2.4)."""

from enum import StrEnum
from typing import Final


class Operation(StrEnum):
    """What requests are sent for."""

    LOGIN = "login"
    RENEW_TOKEN = "renew_token"  # noqa: S105 - a name
    REVOKE_TOKEN = "revoke_token"  # noqa: S105 - a name
    READ = "read"
    WRITE = "write"
    RENEW_LEASE = "renew_lease"
    REVOKE_LEASE = "revoke_lease"
    ENCRYPT = "encrypt"
    DECRYPT = "decrypt"
    SEAL_STATUS = "seal_status"


_BY_PATH: Final = {
    "auth/token/renew-self": Operation.RENEW_TOKEN,
    "auth/token/revoke-self": Operation.REVOKE_TOKEN,
    "auth/token/lookup-self": Operation.LOGIN,
    "sys/leases/renew": Operation.RENEW_LEASE,
    "sys/leases/revoke": Operation.REVOKE_LEASE,
    "sys/seal-status": Operation.SEAL_STATUS,
}
_TRANSIT: Final = {"encrypt": Operation.ENCRYPT, "decrypt": Operation.DECRYPT}


def operation_of(method: str, path: str) -> Operation:
    """What ``<method> /v1/<path>`` is for; `path` is as `normal_path` makes it.

    A token that is given rather than fetched is looked up in the place of a login, so that counts as one.
    """
    if path in _BY_PATH:
        return _BY_PATH[path]
    if method == "GET":
        return Operation.READ
    parts = path.split("/")
    if parts[0] == "auth" and "login" in parts[2:]:
        return Operation.LOGIN
    # <mount>/encrypt/<key>, as the transit engine has it
    return _TRANSIT.get(parts[-2], Operation.WRITE) if len(parts) > 2 else Operation.WRITE  # noqa: PLR2004 - three parts
