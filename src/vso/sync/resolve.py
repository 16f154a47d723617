"""From a reference to everything that a login needs: VaultAuth x VaultAuthGlobal x VaultConnection. Pure.

Look-ups read memory (`References`). The result names the login by what enters it, so that an edit that changes
nothing about the login or the requests keeps the client (regressions R09).
"""

import hashlib
from dataclasses import dataclass
from typing import Any, Protocol

import msgspec

from vso.apis.merge import GlobalOptions, MergedAuth, MergeError, choose_global, login_problems, merge
from vso.apis.meta import Key, Ref
from vso.apis.policy import is_allowed, is_listed, refusal
from vso.apis.reference import InvalidReference, parse_reference
from vso.apis.v1beta1 import CredentialsNamespace, VaultAuth, VaultAuthGlobal, VaultConnection
from vso.base import RateLimit
from vso.sync.errors import (
    AuthInvalid,
    AuthNotFound,
    ConnectionNotFound,
    NotAllowed,
    PolicyRefused,
    ReferenceInvalid,
)
from vso.sync.policy import Policy
from vso.sync.server import MAX_IN_FLIGHT, Limits


class References(Protocol):
    """The objects that a reference may lead to."""

    def auth(self, key: Key) -> VaultAuth | None:
        """The VaultAuth `key`, None if there is none."""

    def shared(self, key: Key) -> VaultAuthGlobal | None:
        """The VaultAuthGlobal `key`, None if there is none."""

    def connection(self, key: Key) -> VaultConnection | None:
        """The VaultConnection `key`, None if there is none."""


@dataclass(frozen=True, slots=True)
class ServerId:
    """One way to reach a server; any change of the connection's spec makes another."""

    key: Key
    uid: str
    spec: str

    def __str__(self) -> str:
        return f"VaultConnection {self.key}"


@dataclass(frozen=True, slots=True)
class LoginId:
    """One identity at one server: who logs in, how, and with whose credentials (a namespace)."""

    server: ServerId
    auth: Key
    auth_uid: str
    login: str
    holder: str

    def __str__(self) -> str:
        return f"VaultAuth {self.auth} for namespace {self.holder}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientSpec:
    """All that is needed to log in for objects of the namespace `consumer`."""

    auth: VaultAuth
    merged: MergedAuth
    connection: VaultConnection
    consumer: str
    login: LoginId

    @property
    def holder(self) -> str:
        """The namespace whose ServiceAccounts and Secrets are used (api.md section 5.5, D35)."""
        return self.login.holder


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolved:
    """A VaultAuth put together, as its own controller looks at it."""

    merged: MergedAuth
    shared: VaultAuthGlobal | None
    connection: Key


def resolve(
    reference: str, *, consumer: str, references: References, options: GlobalOptions, policy: Policy
) -> ClientSpec:
    """Follow `vaultAuthRef` of an object in the namespace `consumer`.

    Raises ReferenceInvalid for a malformed reference, AuthNotFound, ConnectionNotFound, NotAllowed, PolicyRefused, or
    AuthInvalid if the objects do not add up to a login.
    """
    try:
        key = parse_reference(reference, namespace=consumer, operator_namespace=options.operator_namespace)
    except InvalidReference as exc:
        raise ReferenceInvalid(f"spec.vaultAuthRef: {exc}") from exc
    auth = references.auth(key)
    if auth is None:
        raise AuthNotFound(f"VaultAuth {key} does not exist: create it, or correct spec.vaultAuthRef")
    check_use(auth, consumer, options)
    resolved = resolve_auth(auth, references=references, options=options)
    merged = resolved.merged
    if problems := login_problems(merged):
        raise AuthInvalid("; ".join(problems))
    if refused := [*policy.auth_problems(merged), *policy.use_problems(merged, consumer)]:
        raise PolicyRefused("; ".join(refused))
    connection = references.connection(resolved.connection)
    if connection is None:
        raise ConnectionNotFound(
            f"VaultConnection {resolved.connection}, which VaultAuth {key} refers to, does not exist: create it, "
            "or correct vaultConnectionRef"
        )
    check_connection(connection, auth.key, policy)
    holder = auth.metadata.namespace if merged.own_credentials else consumer
    return ClientSpec(
        auth=auth,
        merged=merged,
        connection=connection,
        consumer=consumer,
        login=_login_id(auth, merged, connection, holder),
    )


def check_connection(connection: VaultConnection, auth: Key, policy: Policy) -> None:
    """Raise NotAllowed or PolicyRefused if the VaultAuth `auth` may not use `connection` (threats 17 and 18)."""
    allowed = connection.spec.extensions.allowed_namespaces
    if (
        allowed is not None
        and auth.namespace != connection.metadata.namespace
        and not is_listed(auth.namespace, allowed)
    ):
        place = "spec.extensions.allowedNamespaces"
        raise NotAllowed(
            refusal(auth.namespace, restricted=Ref("VaultConnection", connection.key), allowed=allowed, place=place)
        )
    if refused := policy.connection_problems(connection):
        raise PolicyRefused("; ".join(refused))


def check_use(auth: VaultAuth, consumer: str, options: GlobalOptions) -> None:
    """Raise NotAllowed if objects of the namespace `consumer` may not use `auth` (threat 15, D35)."""
    allowed = auth.spec.allowed_namespaces
    permitted = is_allowed(
        consumer,
        restricted=auth.key,
        allowed=allowed,
        operator_namespace=options.operator_namespace,
        enforce_on_default=options.enforce_on_default,
    )
    if auth.spec.extensions.credentials_namespace == CredentialsNamespace.OWN:
        # What the VaultAuth's own namespace holds is lent to those alone that are named.
        permitted = consumer == auth.metadata.namespace or is_listed(consumer, allowed)
    if not permitted:
        raise NotAllowed(refusal(consumer, restricted=Ref("VaultAuth", auth.key), allowed=allowed))


def resolve_auth(auth: VaultAuth, *, references: References, options: GlobalOptions) -> Resolved:
    """Merge `auth` with the VaultAuthGlobal it names, and find the name of its connection.

    Raises AuthInvalid with all problems at once. Whether the connection exists is not looked at.
    """
    try:
        shared = choose_global(auth, references.shared, options=options)
        merged = merge(auth, shared, operator_namespace=options.operator_namespace)
    except MergeError as exc:
        raise AuthInvalid(str(exc)) from exc
    try:
        connection = parse_reference(
            merged.connection_ref,
            namespace=auth.metadata.namespace,
            operator_namespace=options.operator_namespace,
        )
    except InvalidReference as exc:
        raise AuthInvalid(f"vaultConnectionRef: {exc}") from exc
    return Resolved(merged=merged, shared=shared, connection=connection)


def server_id(connection: VaultConnection) -> ServerId:
    """Identity of the server that `connection` reaches."""
    return ServerId(connection.key, connection.metadata.uid, fingerprint(connection.spec))


def limits_of(connection: VaultConnection) -> Limits:
    """What `connection` says on the requests to its server."""
    asked = connection.spec.extensions.limits
    if asked is None:
        return Limits()
    rate = asked.requests_per_second or 0
    return Limits(
        rate=RateLimit(qps=float(rate), burst=asked.burst or rate), in_flight=asked.max_in_flight or MAX_IN_FLIGHT
    )


def fingerprint(value: Any) -> str:
    """A hash of a struct's JSON; equal values have equal hashes, in every process."""
    return hashlib.blake2b(msgspec.json.encode(value, order="sorted"), digest_size=32).hexdigest()


def _login_id(auth: VaultAuth, merged: MergedAuth, connection: VaultConnection, holder: str) -> LoginId:
    enters_login = (merged.method, merged.mount, merged.namespace, merged.block, merged.headers, merged.wrapped)
    return LoginId(
        server=server_id(connection),
        auth=auth.key,
        auth_uid=auth.metadata.uid,
        login=fingerprint(enters_login),
        holder=holder,
    )
