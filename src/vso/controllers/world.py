"""All that the controllers know of the cluster without asking: the stores that reflectors keep.

Look-ups cost no request. `References` of `vso.sync` is implemented here.
"""

from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from vso.apis.core import Namespace
from vso.apis.merge import GlobalOptions
from vso.apis.meta import Key, Object, Ref
from vso.apis.reference import InvalidReference, parse_reference
from vso.apis.v1beta1 import (
    HCPAuth,
    HCPVaultSecretsApp,
    SecretTransformation,
    VaultAuth,
    VaultAuthGlobal,
    VaultConnection,
    VaultDynamicSecret,
    VaultPKISecret,
    VaultStaticSecret,
)
from vso.controllers.jurisdiction import EVERYTHING, Jurisdiction
from vso.runtime import Store
from vso.sync import Destination, DestinationClaimed, ReferenceInvalid, Version, resolve_auth

Claimant = VaultStaticSecret | VaultDynamicSecret | VaultPKISecret
"""A resource that writes a Secret."""

DEFAULT: Final = "default"
"""Name of the objects that are used where none is named."""

BY_OWNER: Final = "owner"
BY_DESTINATION: Final = "destination"
BY_AUTH: Final = "auth"
BY_TRANSFORMATION: Final = "transformation"


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """The stores, and the questions that need more than one of them."""

    operator_namespace: str
    jurisdiction: Jurisdiction
    namespaces: Store[Namespace]
    connections: Store[VaultConnection]
    auths: Store[VaultAuth]
    shared_auths: Store[VaultAuthGlobal]
    transformations: Store[SecretTransformation]
    static: Store[VaultStaticSecret]
    dynamic: Store[VaultDynamicSecret]
    pki: Store[VaultPKISecret]
    hcp_auths: Store[HCPAuth]
    hcp_apps: Store[HCPVaultSecretsApp]
    destinations: Store[Destination]

    @property
    def kinds(self) -> Mapping[str, Store[Any]]:
        """The stores of our own kinds, by their name."""
        return {
            "VaultConnection": self.connections,
            "VaultAuth": self.auths,
            "VaultAuthGlobal": self.shared_auths,
            "SecretTransformation": self.transformations,
            "VaultStaticSecret": self.static,
            "VaultDynamicSecret": self.dynamic,
            "VaultPKISecret": self.pki,
            "HCPAuth": self.hcp_auths,
            "HCPVaultSecretsApp": self.hcp_apps,
        }

    @property
    def version(self) -> tuple[int, ...]:
        """Moves whenever any object changes."""
        return tuple(one.version for one in (*self.kinds.values(), self.namespaces, self.destinations))

    @property
    def login_version(self) -> tuple[int, int, int]:
        """Moves whenever an object changes that leads to a login."""
        return self.connections.version, self.auths.version, self.shared_auths.version

    def auth(self, key: Key) -> VaultAuth | None:
        """See `vso.sync.References`. Raises NotWatched."""
        self.jurisdiction.check_readable(key, shared=True)
        return self.auths.get(key)

    def shared(self, key: Key) -> VaultAuthGlobal | None:
        """See `vso.sync.References`. Raises NotWatched."""
        self.jurisdiction.check_readable(key, shared=True)
        return self.shared_auths.get(key)

    def connection(self, key: Key) -> VaultConnection | None:
        """See `vso.sync.References`. Raises NotWatched."""
        self.jurisdiction.check_readable(key, shared=True)
        return self.connections.get(key)

    def transformation(self, key: Key) -> SecretTransformation | None:
        """The SecretTransformation `key`, None if there is none. Raises NotWatched."""
        self.jurisdiction.check_readable(key, shared=False)
        return self.transformations.get(key)

    def covers(self, obj: Object) -> bool:
        """Whether this installation handles `obj`; of what it does not, it writes and asks nothing."""
        namespace = self.namespaces.get(Key("", obj.metadata.namespace))
        return self.jurisdiction.covers(obj, None if namespace is None else namespace.metadata.labels)

    def claimants(self, destination: Key) -> tuple[Claimant, ...]:
        """The resources that name `destination`, the one that may write it first (oldest, then by UID)."""
        found: list[Claimant] = []
        for store in (self.static, self.dynamic, self.pki):
            found += store.by_index(BY_DESTINATION, destination)
        return tuple(sorted((one for one in found if not one.deleting), key=_seniority))

    def check_claim(self, destination: Key, uid: str) -> None:
        """Raise DestinationClaimed if another resource than that with `uid` goes first at `destination`."""
        first = self.claimants(destination)[:1]
        if first and first[0].metadata.uid != uid:
            raise DestinationClaimed(
                f"the destination Secret {destination} is written by {ref_to(first[0])}, which is older: name another "
                "destination in one of them"
            )

    def login_origins(self) -> frozenset[Version]:
        """The VaultAuths and VaultConnections that there are, as stored logins name them."""
        found = (*self.auths.values(), *self.connections.values())
        return frozenset((one.metadata.uid, str(one.metadata.generation)) for one in found)

    def auths_reaching(self, connection: Key, *, options: GlobalOptions) -> list[VaultAuth]:
        """The VaultAuths that lead to the VaultConnection `connection`."""
        return [one for one in self.auths.values() if self._connection_of(one, options) == connection]

    def auths_inheriting(self, shared: Key) -> list[VaultAuth]:
        """The VaultAuths that inherit from the VaultAuthGlobal `shared`, or would if it existed."""
        found = []
        for auth in self.auths.values():
            ref = auth.spec.vault_auth_global_ref
            if ref is None or (ref.name or DEFAULT) != shared.name:
                continue
            default_place = not ref.name and not ref.namespace and shared.namespace == self.operator_namespace
            if (ref.namespace or auth.metadata.namespace) == shared.namespace or default_place:
                found.append(auth)
        return found

    def _connection_of(self, auth: VaultAuth, options: GlobalOptions) -> Key | None:
        try:
            return resolve_auth(auth, references=self, options=options).connection
        except ReferenceInvalid:
            return None


def new_world(operator_namespace: str, jurisdiction: Jurisdiction = EVERYTHING) -> World:
    """Empty stores with their indexes."""
    indexes: Mapping[str, Callable[[Any], Iterable[Hashable]]] = {
        BY_DESTINATION: destination_keys,
        BY_AUTH: lambda one: auth_keys(one, operator_namespace),
        BY_TRANSFORMATION: transformation_keys,
    }
    return World(
        operator_namespace=operator_namespace,
        jurisdiction=jurisdiction,
        namespaces=Store(),
        connections=Store(),
        auths=Store(),
        shared_auths=Store(),
        transformations=Store(),
        static=Store(indexes),
        dynamic=Store(indexes),
        pki=Store(indexes),
        hcp_auths=Store(),
        hcp_apps=Store(),
        destinations=Store({BY_OWNER: lambda one: [one.owner_uid] if one.owner_uid else []}),
    )


def destination_keys(claimant: Claimant) -> Iterable[Key]:
    """The Secret that `claimant` names, if it names one."""
    name = claimant.spec.destination.name
    return [Key(claimant.metadata.namespace, name)] if name else []


def auth_keys(secret: Claimant, operator_namespace: str) -> Iterable[Key]:
    """The VaultAuth that `secret` names, if the reference is well-formed."""
    try:
        return [
            parse_reference(
                secret.spec.vault_auth_ref,
                namespace=secret.metadata.namespace,
                operator_namespace=operator_namespace,
            )
        ]
    except InvalidReference:
        return []


def transformation_keys(secret: Claimant) -> Iterable[Key]:
    """The SecretTransformations that `secret` refers to."""
    refs = secret.spec.destination.transformation.transformation_refs
    return [Key(ref.namespace or secret.metadata.namespace, ref.name) for ref in refs]


def ref_to(obj: Object) -> Ref:
    """What names `obj` in a message."""
    return Ref(obj.kind, obj.key)


def _seniority(one: Object) -> tuple[str, str]:
    created = one.metadata.creation_timestamp
    return (created.isoformat() if created else "", one.metadata.uid)
