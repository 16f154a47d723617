"""The block of each auth method: where it stands, and what it must hold before a login can work.

Lexical rules only; that files, Secrets and ServiceAccounts exist is found out by those who read them.
Source: api.md section 7.1. Which block is used: `merge`.
"""

import posixpath
from typing import Final, assert_never

import msgspec

from vso.apis.v1beta1 import (
    AppRoleAuth,
    AuthMethod,
    AwsAuth,
    GcpAuth,
    JwtAuth,
    KubernetesAuth,
    MethodBlock,
    SharedBlock,
    VaultAuthGlobalSpec,
    VaultAuthSpec,
)

_PLAIN: Final[tuple[type[MethodBlock], ...]] = (KubernetesAuth, JwtAuth, AppRoleAuth, AwsAuth, GcpAuth)


def block_of(spec: VaultAuthSpec, method: str) -> MethodBlock | None:
    """The block for `method`; None if it is absent, or if there is no such method."""
    blocks: dict[str, MethodBlock | None] = {
        AuthMethod.KUBERNETES: spec.kubernetes,
        AuthMethod.JWT: spec.jwt,
        AuthMethod.APP_ROLE: spec.app_role,
        AuthMethod.AWS: spec.aws,
        AuthMethod.GCP: spec.gcp,
    }
    return blocks.get(method)


def shared_block_of(spec: VaultAuthGlobalSpec, method: str) -> SharedBlock | None:
    """As `block_of`, for a VaultAuthGlobal."""
    blocks: dict[str, SharedBlock | None] = {
        AuthMethod.KUBERNETES: spec.kubernetes,
        AuthMethod.JWT: spec.jwt,
        AuthMethod.APP_ROLE: spec.app_role,
        AuthMethod.AWS: spec.aws,
        AuthMethod.GCP: spec.gcp,
    }
    return blocks.get(method)


def plain_block(shared: SharedBlock) -> MethodBlock:
    """The fields of `shared` that a VaultAuth has, too."""
    type_ = next(plain for plain in _PLAIN if isinstance(shared, plain))
    return msgspec.convert(shared, type_, from_attributes=True)


def setting_problems(method: str, mount: str, block: MethodBlock | None) -> list[str]:
    """What is wrong before one looks into the block."""
    problems = []
    if not method:
        problems.append("no auth method; set spec.method, or spec.defaultAuthMethod of the VaultAuthGlobal")
    elif method not in set(AuthMethod):
        problems.append(f"unknown auth method {method!r}; use one of {', '.join(AuthMethod)}")
    elif block is None:
        problems.append(f"the method is {method}, but there is no spec.{method}; add it")
    if not mount:
        problems.append("no mount; set spec.mount, or spec.defaultMount of the VaultAuthGlobal")
    return problems


def block_problems(block: MethodBlock) -> list[str]:
    """What `block` lacks, each with the field to set."""
    match block:
        case KubernetesAuth():
            return _unset("kubernetes", role=block.role, serviceAccount=block.service_account)
        case JwtAuth():
            return _unset("jwt", role=block.role)
        case AppRoleAuth():
            return _unset("appRole", roleId=block.role_id) + _secret_id_problems(block)
        case AwsAuth():
            return _unset("aws", role=block.role)
        case GcpAuth():
            account = block.workload_identity_service_account
            return _unset("gcp", role=block.role, workloadIdentityServiceAccount=account)
        case _:
            assert_never(block)


def credential_problems(block: MethodBlock) -> list[str]:
    """What only a login needs: that a JWT comes from somewhere."""
    if isinstance(block, JwtAuth) and not (block.service_account or block.secret_ref):
        return ["spec.jwt names no token; set serviceAccount or secretRef"]
    return []


def _unset(block: str, **fields: str) -> list[str]:
    return [f"spec.{block}.{name} is empty; set it" for name, value in fields.items() if not value]


def _secret_id_problems(block: AppRoleAuth) -> list[str]:
    path = block.secret_id_path
    if path and block.secret_ref:
        return ["spec.appRole has both secretIDPath and secretRef; keep one"]
    if not path:
        return [] if block.secret_ref else ["spec.appRole names no secret id; set secretRef or secretIDPath"]
    if ".." in path:
        return [f"spec.appRole.secretIDPath {path!r} contains '..'; write the path without it"]
    if not posixpath.isabs(path):
        return [f"spec.appRole.secretIDPath {path!r} is not absolute; start it with a slash"]
    return []
