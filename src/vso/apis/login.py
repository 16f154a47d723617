"""Which block belongs to which auth method, in a VaultAuth and in a VaultAuthGlobal.

What a block must hold stands with the block (`v1beta1.auth_method`); which block is used: `merge`.
"""

from collections.abc import Mapping
from typing import Final

import msgspec

from vso.apis.v1beta1 import (
    AddedLogin,
    AddedMethod,
    AppRoleAuth,
    AuthMethod,
    AwsAuth,
    GcpAuth,
    JwtAuth,
    KubernetesAuth,
    LoginBlock,
    SharedBlock,
    VaultAuthGlobalSpec,
    VaultAuthSpec,
)

_FIELDS: Final[Mapping[str, str]] = {
    AuthMethod.KUBERNETES: "kubernetes",
    AuthMethod.JWT: "jwt",
    AuthMethod.APP_ROLE: "app_role",
    AuthMethod.AWS: "aws",
    AuthMethod.GCP: "gcp",
}
"""The field of the spec by method; those of `AddedLogin` have the name of the method itself."""
_PLAIN: Final[tuple[type[LoginBlock], ...]] = (KubernetesAuth, JwtAuth, AppRoleAuth, AwsAuth, GcpAuth)
ALL_METHODS: Final = (*AuthMethod, *AddedMethod)


def method_of(spec: VaultAuthSpec) -> str:
    """The method that a VaultAuth itself names."""
    return spec.method or _added_method(spec.extensions.login)


def shared_method_of(spec: VaultAuthGlobalSpec) -> str:
    """The method that a VaultAuthGlobal names for those who name none."""
    return spec.default_auth_method or _added_method(spec.extensions.login)


def block_of(spec: VaultAuthSpec, method: str) -> LoginBlock | None:
    """The block for `method`; None if it is absent, or if there is no such method."""
    block: LoginBlock | None = (
        getattr(spec, _FIELDS[method]) if method in _FIELDS else _added_block(spec.extensions.login, method)
    )
    return block


def shared_block_of(spec: VaultAuthGlobalSpec, method: str) -> LoginBlock | None:
    """As `block_of`, for a VaultAuthGlobal."""
    block: LoginBlock | None = (
        getattr(spec, _FIELDS[method]) if method in _FIELDS else _added_block(spec.extensions.login, method)
    )
    return block


def plain_block(shared: LoginBlock) -> LoginBlock:
    """The fields of `shared` that a VaultAuth has, too."""
    if not isinstance(shared, SharedBlock):
        return shared
    type_ = next(plain for plain in _PLAIN if isinstance(shared, plain))
    return msgspec.convert(shared, type_, from_attributes=True)


def setting_problems(method: str, mount: str, block: LoginBlock | None) -> list[str]:
    """What is wrong before one looks into the block."""
    problems = []
    if not method:
        problems.append("no auth method; set spec.method, or spec.defaultAuthMethod of the VaultAuthGlobal")
    elif method not in ALL_METHODS:
        problems.append(f"unknown auth method {method!r}; use one of {', '.join(AuthMethod)}")
    elif block is None:
        where = method if method in _FIELDS else f"extensions.login.{method}"
        problems.append(f"the method is {method}, but there is no spec.{where}; add it")
    if not mount and method != AddedMethod.TOKEN:
        problems.append("no mount; set spec.mount, or spec.defaultMount of the VaultAuthGlobal")
    return problems


def contradictions(spec: VaultAuthSpec) -> list[str]:
    """Methods that exclude each other."""
    added = _added_method(spec.extensions.login)
    if not (added and spec.method):
        return []
    return [f"spec.method is {spec.method}, and spec.extensions.login.method is {added}; keep one"]


def _added_method(login: AddedLogin | None) -> str:
    return login.method if login is not None else ""


def _added_block(login: AddedLogin | None, method: str) -> LoginBlock | None:
    block: LoginBlock | None = getattr(login, method) if login is not None and method in set(AddedMethod) else None
    return block
