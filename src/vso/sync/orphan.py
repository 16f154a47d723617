"""Which object is missing where a reference leads: for figures, beside the words that `resolve` finds. Pure.

Source: operations.md section 2.4, `vso_orphaned_resources`.
"""

from collections.abc import Iterable
from enum import StrEnum
from typing import NamedTuple

from vso.apis.merge import GlobalNotAllowed, GlobalNotFound, GlobalOptions, MergeError, choose_global
from vso.apis.reference import InvalidReference, parse_reference
from vso.apis.v1beta1 import VaultAuth
from vso.sync.errors import ReferenceInvalid
from vso.sync.policy import Policy
from vso.sync.resolve import References, check_connection, check_use, resolve_auth


class Why(StrEnum):
    """Why a reference leads nowhere."""

    NOT_FOUND = "not_found"
    NOT_ALLOWED = "not_allowed"


class Gap(NamedTuple):
    """A kind of object that a reference leads to in vain, and why."""

    missing: str
    why: Why


_AUTH_GONE = Gap("VaultAuth", Why.NOT_FOUND)
_AUTH_CLOSED = Gap("VaultAuth", Why.NOT_ALLOWED)
_CONNECTION_GONE = Gap("VaultConnection", Why.NOT_FOUND)
_CONNECTION_CLOSED = Gap("VaultConnection", Why.NOT_ALLOWED)


def gap_before_auth(reference: str, consumer: str, references: References, options: GlobalOptions) -> Gap | None:
    """What is amiss with the VaultAuth that `reference` names, as used in namespace `consumer`; None if nothing is."""
    try:
        key = parse_reference(reference, namespace=consumer, operator_namespace=options.operator_namespace)
        auth = references.auth(key)
        if auth is None:
            return _AUTH_GONE
        check_use(auth, consumer, options)
    except InvalidReference:
        return _AUTH_GONE
    except ReferenceInvalid:  # not allowed, or in a namespace that is not watched
        return _AUTH_CLOSED
    return None


def gaps_behind_auth(
    auth: VaultAuth, references: References, *, options: GlobalOptions, policy: Policy
) -> Iterable[Gap]:
    """What is amiss with the VaultAuthGlobal and the VaultConnection that `auth` names."""
    try:
        choose_global(auth, references.shared, options=options)
    except GlobalNotFound:
        return (Gap("VaultAuthGlobal", Why.NOT_FOUND),)
    except (GlobalNotAllowed, ReferenceInvalid):
        return (Gap("VaultAuthGlobal", Why.NOT_ALLOWED),)
    except MergeError:
        return ()
    try:
        key = resolve_auth(auth, references=references, options=options).connection
    except ReferenceInvalid:
        return ()
    try:
        connection = references.connection(key)
        if connection is None:
            return (_CONNECTION_GONE,)
        check_connection(connection, auth.key, policy)
    except ReferenceInvalid:  # not allowed, against the administrator's policy, or not watched
        return (_CONNECTION_CLOSED,)
    return ()
