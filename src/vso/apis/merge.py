"""What a VaultAuth amounts to once the VaultAuthGlobal that it refers to is taken in.

Pure: look-ups come in as functions, files are not touched. The result is a value of its own and never written
back. Source: api.md sections 5.6, 6 and 7.1. Judging single blocks: `login`.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec

from vso.apis import login
from vso.apis.meta import Key, Ref
from vso.apis.policy import is_allowed, refusal
from vso.apis.v1beta1 import (
    CredentialsNamespace,
    LoginBlock,
    MergeMode,
    SharedBlock,
    StorageEncryption,
    VaultAuth,
    VaultAuthGlobal,
    VaultAuthGlobalRef,
)

DEFAULT: Final = "default"


class MergeError(ValueError):
    """A VaultAuth that cannot be used as it is written; `problems` are all of its faults, for people."""

    def __init__(self, *problems: str) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


class GlobalNotFound(MergeError):
    """The VaultAuthGlobal that is referred to does not exist."""


class GlobalNotAllowed(MergeError):
    """The VaultAuthGlobal that is referred to does not admit the namespace."""


class GlobalOptions(msgspec.Struct, frozen=True, kw_only=True):
    """How the operator is set up as to VaultAuthGlobal objects.

    `allow_default` permits objects called `default`; `enforce_on_default` is that of `policy.is_allowed`.
    """

    operator_namespace: str
    allow_default: bool = True
    enforce_on_default: bool = False


class MergedAuth(msgspec.Struct, frozen=True, kw_only=True):
    """A VaultAuth ready for use. `key` is its own; an unset `connection_ref` is resolved as any reference.

    With `own_credentials` what the login needs is looked up in the namespace of `key`, else in the consumer's.
    With `wrapped` a secret id of AppRole is a wrapping token. `contradictions` are problems of the spec itself.
    """

    key: Key
    method: str = ""
    mount: str = ""
    namespace: str = ""
    connection_ref: str = ""
    block: LoginBlock | None = None
    headers: Mapping[str, str] = {}
    params: Mapping[str, str] = {}
    allowed_namespaces: tuple[str, ...] = ()
    storage_encryption: StorageEncryption | None = None
    own_credentials: bool = False
    wrapped: bool = False
    contradictions: tuple[str, ...] = ()


def choose_global(
    auth: VaultAuth, find: Callable[[Key], VaultAuthGlobal | None], *, options: GlobalOptions
) -> VaultAuthGlobal | None:
    """The VaultAuthGlobal that `auth` refers to, or None if it refers to none (api.md section 6.1).

    Raises MergeError if the reference is incomplete or not permitted, or if nothing is found.
    """
    ref = auth.spec.vault_auth_global_ref
    if ref is None:
        return None
    candidates = _candidates(auth.key, ref, options=options)
    shared = next((hit for key in candidates if (hit := find(key)) is not None), None)
    if shared is None:
        tried = " or ".join(str(key) for key in candidates)
        raise GlobalNotFound(
            f"VaultAuth {auth.key}: VaultAuthGlobal {tried} was not found; create it, or correct "
            f"spec.vaultAuthGlobalRef"
        )
    if not is_allowed(
        auth.key.namespace,
        restricted=shared.key,
        allowed=shared.spec.allowed_namespaces,
        operator_namespace=options.operator_namespace,
        enforce_on_default=options.enforce_on_default,
    ):
        restricted = Ref("VaultAuthGlobal", shared.key)
        text = refusal(auth.key.namespace, restricted=restricted, allowed=shared.spec.allowed_namespaces)
        raise GlobalNotAllowed(f"VaultAuth {auth.key}: {text}")
    return shared


def _candidates(key: Key, ref: VaultAuthGlobalRef, *, options: GlobalOptions) -> tuple[Key, ...]:
    if ref.allow_default and not options.allow_default:
        raise MergeError(
            f"VaultAuth {key}: spec.vaultAuthGlobalRef.allowDefault is set, but the operator does not permit "
            f"default VaultAuthGlobals; name one, and leave allowDefault out"
        )
    if ref.name:
        return (Key(ref.namespace or key.namespace, ref.name),)
    if not ref.allow_default:
        raise MergeError(f"VaultAuth {key}: spec.vaultAuthGlobalRef has an empty name; set it, or set allowDefault")
    namespaces = (ref.namespace,) if ref.namespace else (key.namespace, options.operator_namespace)
    return tuple(Key(namespace, DEFAULT) for namespace in dict.fromkeys(namespaces))


def merge(auth: VaultAuth, shared: VaultAuthGlobal | None, *, operator_namespace: str) -> MergedAuth:
    """`auth` with what it inherits from `shared` (api.md sections 6.2 to 6.4).

    Without `shared` nothing is judged; ask `login_problems` before logging in. With it, raises MergeError with
    all problems that make the result unusable.
    """
    own = auth.spec
    connection_ref = own.vault_connection_ref
    if not connection_ref and auth.key == Key(operator_namespace, DEFAULT):
        connection_ref = DEFAULT  # settled before inheritance, so a global's connection never applies to it
    method, extensions = login.method_of(own), own.extensions
    merged = MergedAuth(
        key=auth.key,
        method=method,
        mount=own.mount,
        namespace=own.namespace,
        connection_ref=connection_ref,
        block=login.block_of(own, method),
        headers=own.headers,
        params=own.params,
        allowed_namespaces=own.allowed_namespaces,
        storage_encryption=own.storage_encryption,
        own_credentials=extensions.credentials_namespace == CredentialsNamespace.OWN,
        wrapped=extensions.app_role is not None and extensions.app_role.wrapped,
        contradictions=tuple(login.contradictions(own)),
    )
    if shared is None:
        return merged
    return _inherit(merged, auth, shared)


def _inherit(merged: MergedAuth, auth: VaultAuth, shared: VaultAuthGlobal) -> MergedAuth:
    own, other = auth.spec, shared.spec
    method = login.method_of(own) or login.shared_method_of(other)
    mine, theirs = login.block_of(own, method), login.shared_block_of(other, method)
    extras = theirs if isinstance(theirs, SharedBlock) else None  # methods that were added have none
    ref = own.vault_auth_global_ref or VaultAuthGlobalRef()
    headers, params = ref.merge_strategy.headers, ref.merge_strategy.params
    merged = msgspec.structs.replace(
        merged,
        method=method,
        mount=own.mount or (extras.mount if extras else "") or other.default_mount,
        namespace=own.namespace or (extras.namespace if extras else "") or other.default_vault_namespace,
        connection_ref=merged.connection_ref or other.vault_connection_ref,
        block=_merge_block(mine, theirs),
        headers=_merge_map(headers, own.headers, extras.headers if extras else {}, other.headers),
        params=_merge_map(params, own.params, extras.params if extras else {}, other.params),
    )
    problems = [
        f"spec.vaultAuthGlobalRef.mergeStrategy.{name} {mode!r} is unknown; use union, replace or none"
        for name, mode in (("headers", headers), ("params", params))
        if mode and mode not in set(MergeMode)
    ]
    problems += [*merged.contradictions, *login.setting_problems(method, merged.mount, merged.block)]
    if theirs is not None and merged.block is not None:  # a block that inherits nothing is judged at login
        problems += merged.block.problems()
    if problems:
        where = f"VaultAuth {auth.key} with VaultAuthGlobal {shared.key}"
        raise MergeError(*(f"{where}: {problem}" for problem in problems))
    return merged


def _merge_block(mine: LoginBlock | None, theirs: LoginBlock | None) -> LoginBlock | None:
    """Field by field mine unless empty, else theirs; lists are taken whole."""
    if theirs is None:
        return mine
    plain = login.plain_block(theirs)
    if mine is None:
        return plain
    inherited: dict[str, Any] = {
        name: getattr(plain, name) for name in plain.__struct_fields__ if not getattr(mine, name)
    }
    return msgspec.structs.replace(mine, **inherited)


def _merge_map(
    mode: str, own: Mapping[str, str], of_method: Mapping[str, str], common: Mapping[str, str]
) -> Mapping[str, str]:
    if mode == MergeMode.UNION:
        return {**common, **of_method, **own}
    if mode == MergeMode.REPLACE:
        return own or of_method or common
    return own


def login_problems(merged: MergedAuth) -> tuple[str, ...]:
    """What keeps `merged` from logging in, for people; empty if nothing does (api.md section 7.1).

    Files, Secrets and ServiceAccounts that it names are not looked at.
    """
    problems = [*merged.contradictions, *login.setting_problems(merged.method, merged.mount, merged.block)]
    if merged.block is not None:
        problems += merged.block.problems() + merged.block.login_problems()
    return tuple(f"VaultAuth {merged.key}: {problem}" for problem in problems)


def connection_problems(merged: MergedAuth, *, operator_namespace: str) -> tuple[str, ...]:
    """What makes a VaultAuth of the operator's namespace invalid, though usable (api.md section 5.6)."""
    if merged.connection_ref or merged.key.namespace != operator_namespace:
        return ()
    problem = "spec.vaultConnectionRef is empty, which only the VaultAuth called default may leave so here; set it"
    return (f"VaultAuth {merged.key}: {problem}",)
