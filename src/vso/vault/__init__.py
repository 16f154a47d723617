"""The HTTP API of HashiCorp Vault and OpenBao, as far as the operator speaks it; knows nothing of Kubernetes.

Start at `transport` (one request) and `errors` (what can go wrong, drawn); then `login` and `token`, and for secrets
`kv`, `logical` and `pki`.
"""

from vso.vault.auth import METHODS, Credentials, Method, MissingCredential, Payload, kubernetes
from vso.vault.connection import Connection
from vso.vault.errors import (
    BadAnswer,
    CertificateNotFound,
    Deleted,
    Denied,
    Invalid,
    InvalidConnection,
    InvalidPath,
    LeaseNotFound,
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
    UnsupportedMethod,
    VaultError,
    WrongEngine,
)
from vso.vault.health import SealStatus, seal_status
from vso.vault.kv import KvRequest, KvSecret, KvType, read_kv, read_path
from vso.vault.lease import Lease, lookup_lease, renew_lease, revoke_lease
from vso.vault.logical import LogicalRequest, LogicalSecret, request_secret, wire_method
from vso.vault.login import login
from vso.vault.pki import (
    Certificate,
    PKIRequest,
    issue,
    issue_body,
    issue_path,
    parse_certificate,
    revoke_certificate,
)
from vso.vault.response import Auth, Response
from vso.vault.static_role import StaticCreds, parse_static
from vso.vault.token import TokenLife, TokenStatus, lookup_self, renew_self, revoke_self
from vso.vault.transport import Call, Null, Transport, VaultRequestSeen

__all__ = [
    "METHODS",
    "Auth",
    "BadAnswer",
    "Call",
    "Certificate",
    "CertificateNotFound",
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
    "Lease",
    "LeaseNotFound",
    "LogicalRequest",
    "LogicalSecret",
    "LoginRefused",
    "Method",
    "MissingCredential",
    "NoData",
    "NotFound",
    "Null",
    "PKIRequest",
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
    "StaticCreds",
    "TLSFailed",
    "TimedOut",
    "TokenLife",
    "TokenStatus",
    "Transport",
    "Unreachable",
    "UnsupportedMethod",
    "VaultError",
    "VaultRequestSeen",
    "WrongEngine",
    "issue",
    "issue_body",
    "issue_path",
    "kubernetes",
    "login",
    "lookup_lease",
    "lookup_self",
    "parse_certificate",
    "parse_static",
    "read_kv",
    "read_path",
    "renew_lease",
    "renew_self",
    "request_secret",
    "revoke_certificate",
    "revoke_lease",
    "revoke_self",
    "seal_status",
    "wire_method",
]
