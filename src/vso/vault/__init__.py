"""The HTTP API of HashiCorp Vault and OpenBao, as far as the operator speaks it; knows nothing of Kubernetes.

Start at `transport` (one request) and `errors` (what can go wrong, drawn); then `login` and `token`, and for secrets
`kv`, `logical` and `pki`.
"""

from vso.vault.access import Mounted, capabilities_self, mounted_at, takes_logins
from vso.vault.auth import (
    METHODS,
    ClientCertificate,
    Credentials,
    LoginRequest,
    Method,
    MissingCredential,
    Payload,
    Settings,
    Source,
    SourceKind,
)
from vso.vault.connection import Connection, is_within, tls_context
from vso.vault.envelope import decode as decode_response
from vso.vault.errors import (
    BadAnswer,
    CertificateNotFound,
    CloudRefused,
    CloudUnavailable,
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
from vso.vault.jwt import Claims, read_claims
from vso.vault.kv import KvRequest, KvSecret, KvType, read_kv, read_path
from vso.vault.lease import Lease, lookup_lease, renew_lease, revoke_lease
from vso.vault.logical import LogicalRequest, LogicalSecret, request_secret, wire_method
from vso.vault.login import login
from vso.vault.mask import mask_credentials
from vso.vault.operation import Operation, operation_of
from vso.vault.path import normal_path
from vso.vault.pem import certificates_in
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
from vso.vault.secret_id import Lifetime, look_up_secret_id
from vso.vault.static_role import StaticCreds, parse_static
from vso.vault.token import TokenLife, TokenStatus, lookup_self, renew_self, revoke_self
from vso.vault.transit import Ciphertext, decrypt, encrypt
from vso.vault.transport import Call, Null, Transport, VaultRequestSeen
from vso.vault.wrapping import unwrap

__all__ = [
    "METHODS",
    "Auth",
    "BadAnswer",
    "Call",
    "Certificate",
    "CertificateNotFound",
    "Ciphertext",
    "Claims",
    "ClientCertificate",
    "CloudRefused",
    "CloudUnavailable",
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
    "Lifetime",
    "LogicalRequest",
    "LogicalSecret",
    "LoginRefused",
    "LoginRequest",
    "Method",
    "MissingCredential",
    "Mounted",
    "NoData",
    "NotFound",
    "Null",
    "Operation",
    "PKIRequest",
    "Payload",
    "RateLimited",
    "RedirectRefused",
    "Refusal",
    "Response",
    "SealStatus",
    "Sealed",
    "ServerFault",
    "Settings",
    "Source",
    "SourceKind",
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
    "capabilities_self",
    "certificates_in",
    "decode_response",
    "decrypt",
    "encrypt",
    "is_within",
    "issue",
    "issue_body",
    "issue_path",
    "login",
    "look_up_secret_id",
    "lookup_lease",
    "lookup_self",
    "mask_credentials",
    "mounted_at",
    "normal_path",
    "operation_of",
    "parse_certificate",
    "parse_static",
    "read_claims",
    "read_kv",
    "read_path",
    "renew_lease",
    "renew_self",
    "request_secret",
    "revoke_certificate",
    "revoke_lease",
    "revoke_self",
    "seal_status",
    "takes_logins",
    "tls_context",
    "unwrap",
    "wire_method",
]
