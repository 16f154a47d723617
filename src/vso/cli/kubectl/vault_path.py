"""Which path in Vault a secret is had from, and what a token must be permitted there. Pure."""

from vso.apis.v1beta1 import VaultDynamicSecret, VaultPKISecret, VaultStaticSecret
from vso.controllers import Claimant
from vso.vault import KvRequest, KvType, LogicalRequest, PKIRequest, issue_path, read_path, wire_method


def path_of(secret: Claimant) -> tuple[str, tuple[str, ...]]:
    """The API path that `secret` is had from, and the capabilities of which one is needed. Raises VaultError."""
    spec = secret.spec
    match secret:
        case VaultStaticSecret():
            return read_path(kv_request(secret))[0], ("read",)
        case VaultDynamicSecret():
            request = LogicalRequest(
                mount=secret.spec.mount,
                path=secret.spec.path,
                method=secret.spec.request_http_method,
                params=secret.spec.params,
            )
            reads = wire_method(request) == "GET"
            # An unversioned path is a plain one.
            path = read_path(KvRequest(mount=request.mount, path=request.path, type=KvType.V1))[0]
            return path, ("read",) if reads else ("update", "create")
        case VaultPKISecret():
            wanted = PKIRequest(mount=spec.mount, role=secret.spec.role, issuer_ref=secret.spec.issuer_ref)
            return issue_path(wanted), ("update", "create")


def kv_request(secret: VaultStaticSecret) -> KvRequest:
    """What a VaultStaticSecret reads; an unknown type counts as kv-v2."""
    spec = secret.spec
    type_ = KvType(spec.type) if spec.type in tuple(KvType) else KvType.V2
    return KvRequest(mount=spec.mount, path=spec.path, type=type_, version=spec.version)
