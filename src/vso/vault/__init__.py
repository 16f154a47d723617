"""The HTTP API of HashiCorp Vault and OpenBao, as far as the operator speaks it; knows nothing of Kubernetes.

Start at `transport` (one request), `errors` (what can go wrong, drawn), then `login`, `token` and `kv`.
"""

from vso.vault.auth import METHODS, Credentials, Method, MissingCredential, Payload, kubernetes
from vso.vault.connection import Connection
from vso.vault.errors import (
    BadAnswer,
    Deleted,
    Denied,
    Invalid,
    InvalidConnection,
    InvalidPath,
    LoginRefused,
    NoData,
    NotFound,
    RateLimited,
    RedirectRefused,
    Refusal,
    Sealed,
    ServerFault,
    Stale,
    Standby,
    TimedOut,
    TLSFailed,
    Unreachable,
    VaultError,
    WrongEngine,
)
from vso.vault.health import SealStatus, seal_status
from vso.vault.kv import KvRequest, KvSecret, KvType, read_kv, read_path
from vso.vault.login import login
from vso.vault.response import Auth, Response, WrapInfo
from vso.vault.token import TokenLife, TokenStatus, lookup_self, renew_self, revoke_self
from vso.vault.transport import Call, Transport, VaultRequestSeen

__all__ = [
    "METHODS",
    "Auth",
    "BadAnswer",
    "Call",
    "Connection",
    "Credentials",
    "Deleted",
    "Denied",
    "Invalid",
    "InvalidConnection",
    "InvalidPath",
    "KvRequest",
    "KvSecret",
    "KvType",
    "LoginRefused",
    "Method",
    "MissingCredential",
    "NoData",
    "NotFound",
    "Payload",
    "RateLimited",
    "RedirectRefused",
    "Refusal",
    "Response",
    "SealStatus",
    "Sealed",
    "ServerFault",
    "Stale",
    "Standby",
    "TLSFailed",
    "TimedOut",
    "TokenLife",
    "TokenStatus",
    "Transport",
    "Unreachable",
    "VaultError",
    "VaultRequestSeen",
    "WrapInfo",
    "WrongEngine",
    "kubernetes",
    "login",
    "lookup_self",
    "read_kv",
    "read_path",
    "renew_self",
    "revoke_self",
    "seal_status",
]
