"""What is mirrored into memory, and which change wakes which kind.

`mirror` makes one reflector per kind; `wake_dependants` subscribes the queues. Both are tables to be read.
"""

from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass, field
from functools import partial
from itertools import chain
from typing import Any, Final, TypeVar

from vso.apis import core, kinds, names
from vso.apis.meta import Key, Kind, Object
from vso.apis.v1beta1 import SecretTransformation, VaultAuth, VaultAuthGlobal, VaultConnection
from vso.base import Clock
from vso.controllers import Claimant, Tools
from vso.runtime import (
    Change,
    KubeSource,
    Manager,
    Reflector,
    Store,
    WorkQueue,
    any_of,
    enqueue_mapped,
    enqueue_self,
    metadata_changed,
    spec_changed,
)
from vso.sync import Destination, ServerId, Turn, destination_of

T = TypeVar("T", bound=Object)
U = TypeVar("U", bound=Object)

_OUR_SECRETS: Final = ",".join(
    f"{label}={names.OWNER_LABELS[label]}" for label in ("app.kubernetes.io/managed-by", "app.kubernetes.io/name")
)


@dataclass(slots=True)
class Queues:
    """The queue of each controller, and who is told when a login or a server changes."""

    clock: Clock
    wakers: list[Callable[[Hashable, Turn], None]] = field(default_factory=list)
    connections: WorkQueue = field(init=False)
    auths: WorkQueue = field(init=False)
    static: WorkQueue = field(init=False)
    hcp_auths: WorkQueue = field(init=False)
    hcp_apps: WorkQueue = field(init=False)

    def __post_init__(self) -> None:
        for name in ("connections", "auths", "static", "hcp_auths", "hcp_apps"):
            setattr(self, name, WorkQueue(clock=self.clock))

    def tell(self, identity: Hashable, turn: Turn) -> None:
        """Pass on what became of a login or a server; see `vso.sync.Observer`."""
        for waker in self.wakers:
            waker(identity, turn)
        if isinstance(identity, ServerId) and turn is not Turn.TRIAL:
            self.connections.add(identity.key)


@dataclass(frozen=True, slots=True, kw_only=True)
class Mirrors:
    """The reflectors whose changes wake somebody; `ready` tells whether all stores needed for work are filled."""

    ready: Callable[[], bool]
    connections: Reflector[Any, VaultConnection]
    auths: Reflector[Any, VaultAuth]
    shared_auths: Reflector[Any, VaultAuthGlobal]
    transformations: Reflector[Any, SecretTransformation]
    claimants: tuple[Reflector[Any, Any], ...]
    hcp_auths: Reflector[Any, Any]
    hcp_apps: Reflector[Any, Any]
    destinations: Reflector[core.Secret, Destination]


def mirror(manager: Manager, tools: Tools) -> Mirrors:
    """Keep each store of the world equal to the cluster."""
    world = tools.world

    def reflect(
        source: KubeSource[T], store: Store[U], project: Callable[[T], U], *, required: bool = True
    ) -> Reflector[T, U]:
        reflector = Reflector(source, store, project=project, clock=tools.clock, rng=tools.rng)
        manager.reflect(reflector, required=required)
        return reflector

    def whole(kind: Kind[T], store: Store[T], *, required: bool = True) -> Reflector[T, T]:
        return reflect(KubeSource(tools.kube, kind), store, _same, required=required)

    def optional(kind: Kind[T], store: Store[T]) -> Reflector[T, T]:
        """A kind without which the others work: its CRD, or the right to list it, may be missing."""
        return whole(kind, store, required=False)

    return Mirrors(
        ready=lambda: manager.ready,
        connections=whole(kinds.VAULT_CONNECTION, world.connections),
        auths=whole(kinds.VAULT_AUTH, world.auths),
        shared_auths=whole(kinds.VAULT_AUTH_GLOBAL, world.shared_auths),
        transformations=whole(kinds.SECRET_TRANSFORMATION, world.transformations),
        claimants=(
            whole(kinds.VAULT_STATIC_SECRET, world.static),
            optional(kinds.VAULT_DYNAMIC_SECRET, world.dynamic),
            optional(kinds.VAULT_PKI_SECRET, world.pki),
        ),
        hcp_auths=optional(kinds.HCP_AUTH, world.hcp_auths),
        hcp_apps=optional(kinds.HCP_VAULT_SECRETS_APP, world.hcp_apps),
        # Only the MAC of the data is kept, so that drift shows without any Secret staying in memory.
        destinations=reflect(
            KubeSource(tools.kube, core.SECRET, labels=_OUR_SECRETS),
            world.destinations,
            partial(destination_of, signer=tools.signer),
        ),
    )


def wake_dependants(mirrors: Mirrors, tools: Tools, queues: Queues) -> None:
    """Subscribe each queue to the changes that concern its kind."""
    world, rng = tools.world, tools.rng
    options = tools.settings.global_auth

    mirrors.connections.subscribe(enqueue_self(queues.connections))
    mirrors.auths.subscribe(enqueue_self(queues.auths))
    mirrors.hcp_auths.subscribe(enqueue_self(queues.hcp_auths))
    mirrors.hcp_apps.subscribe(enqueue_self(queues.hcp_apps))

    static = mirrors.claimants[0]
    static.subscribe(enqueue_self(queues.static, when=any_of(spec_changed, metadata_changed)))
    for claimants in mirrors.claimants:
        claimants.subscribe(_later(mirrors, enqueue_mapped(queues.static, partial(_rivals, tools), rng=rng)))

    def secrets_of(auth: VaultAuth) -> list[Key]:
        return world.static_through(auth.key)

    def reaching(connection: VaultConnection) -> list[VaultAuth]:
        return world.auths_reaching(connection.key, options=options)

    def inheriting(shared: VaultAuthGlobal) -> list[VaultAuth]:
        return world.auths_inheriting(shared.key)

    def wake(queue: WorkQueue, keys_of: Callable[[Any], Iterable[Key]]) -> Callable[[Change[Any]], None]:
        return _later(mirrors, enqueue_mapped(queue, keys_of, rng=rng))

    mirrors.auths.subscribe(wake(queues.static, secrets_of))
    mirrors.connections.subscribe(wake(queues.auths, lambda one: _keys(reaching(one))))
    mirrors.connections.subscribe(wake(queues.static, lambda one: chain(*map(secrets_of, reaching(one)))))
    mirrors.shared_auths.subscribe(wake(queues.auths, lambda one: _keys(inheriting(one))))
    mirrors.shared_auths.subscribe(wake(queues.static, lambda one: chain(*map(secrets_of, inheriting(one)))))
    mirrors.transformations.subscribe(wake(queues.static, lambda one: world.static_transformed_by(one.key)))
    mirrors.destinations.subscribe(_later(mirrors, _owners(queues.static)))


def _same(obj: T) -> T:
    return obj


def _keys(objects: Iterable[Object]) -> list[Key]:
    return [one.key for one in objects]


def _rivals(tools: Tools, claimant: Claimant) -> list[Key]:
    """The VaultStaticSecrets that name the same destination as `claimant`."""
    key = Key(claimant.metadata.namespace, claimant.spec.destination.name)
    mine = claimant.metadata.uid
    return [one.key for one in tools.world.static.by_index("destination", key) if one.metadata.uid != mine]


def _later(mirrors: Mirrors, handler: Callable[[Change[Any]], None]) -> Callable[[Change[Any]], None]:
    """Not what fills the stores at a start, when every object is looked at anyway.

    What a later list brings up counts: after a gap in the watch nobody else tells it.
    """

    def handle(change: Change[Any]) -> None:
        if mirrors.ready():
            handler(change)

    return handle


def _owners(queue: WorkQueue) -> Callable[[Change[Destination]], None]:
    """Wake the VaultStaticSecrets that own a Secret which changed otherwise than by our own write."""

    def handle(change: Change[Destination]) -> None:
        before, after = _owners_of(change.old), _owners_of(change.new)
        # An echo is no news to the owner that wrote, but may be the end of another's ownership.
        for key in before - after if change.echo else before | after:
            queue.add(key)

    return handle


def _owners_of(secret: Destination | None) -> set[Key]:
    if secret is None:
        return set()
    meta = secret.metadata
    ours = (names.API_VERSION, "VaultStaticSecret")
    return {Key(meta.namespace, one.name) for one in meta.owner_references if (one.api_version, one.kind) == ours}
