"""What is mirrored into memory, and which change wakes which kind.

`mirror` makes one reflector per kind; `wake_dependants` subscribes the queues. Both are tables to be read.
"""

from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import chain
from typing import Any, Final, Generic, TypeVar

from vso.apis import core, kinds, names
from vso.apis.meta import Key, Kind, Object, Ref
from vso.apis.v1beta1 import SecretTransformation, VaultAuth, VaultAuthGlobal, VaultConnection
from vso.app.listing import OUR_SECRETS
from vso.base import Clock
from vso.controllers import BY_AUTH, BY_DESTINATION, BY_TRANSFORMATION, Claimant, Tools
from vso.runtime import (
    ALL,
    Change,
    KubeSource,
    Manager,
    QueueObserver,
    Reflector,
    Silent,
    Store,
    WorkQueue,
    any_of,
    enqueue_mapped,
    enqueue_self,
    metadata_changed,
    spec_changed,
)
from vso.sync import Destination, LoginId, ServerId, Turn, destination_of

_PAGE: Final = 500
_PAGE_OF_SECRETS: Final = 50
"""Secrets in one answer to a list: each may have 1 MiB, and an answer is decoded whole."""
T = TypeVar("T", bound=Object)
U = TypeVar("U", bound=Object)


class Queues:
    """The queue of each controller, and who is told when a login or a server changes.

    `observe` makes what watches the queue of a controller.
    """

    def __init__(self, clock: Clock, observe: Callable[[str], QueueObserver] = lambda _: Silent()) -> None:
        def queue(controller: str) -> WorkQueue:
            return WorkQueue(clock=clock, name=controller, observer=observe(controller))

        self.wakers: list[Callable[[Hashable, Turn], None]] = []
        self.connections: Final = queue("vaultconnection")
        self.auths: Final = queue("vaultauth")
        self.transformations: Final = queue("secrettransformation")
        self.static: Final = queue("vaultstaticsecret")
        self.dynamic: Final = queue("vaultdynamicsecret")
        self.pki: Final = queue("vaultpkisecret")
        self.hcp_auths: Final = queue("hcpauth")
        self.hcp_apps: Final = queue("hcpvaultsecretsapp")

    def tell(self, identity: Hashable, turn: Turn) -> None:
        """Pass on what became of a login or a server; see `vso.sync.Observer`."""
        if turn is Turn.FADING and isinstance(identity, Key):
            self.dynamic.add(identity)
            return
        if turn is Turn.DATED and isinstance(identity, LoginId):
            self.auths.add(identity.auth)
            return
        for waker in self.wakers:
            waker(identity, turn)
        if isinstance(identity, ServerId) and turn is not Turn.TRIAL:
            self.connections.add(identity.key)


@dataclass(frozen=True, slots=True)
class Reading(Generic[T]):
    """What is read of a kind: by which labels, and how many objects in one answer to a list."""

    kind: Kind[T]
    labels: str = ""
    page: int = _PAGE


class Mirrored(Generic[T, U]):
    """The reflectors of one kind: one, or one for each namespace."""

    def __init__(self, reflectors: Iterable[Reflector[T, U]]) -> None:
        self._reflectors = tuple(reflectors)

    def subscribe(self, handler: Callable[[Change[U]], None]) -> None:
        """Call `handler` with each change, from now on."""
        for reflector in self._reflectors:
            reflector.subscribe(handler)


@dataclass(frozen=True, slots=True, kw_only=True)
class Mirrors:
    """The reflectors whose changes wake somebody; `ready` tells whether all stores needed for work are filled."""

    ready: Callable[[], bool]
    namespaces: Mirrored[Any, core.Namespace]
    connections: Mirrored[Any, VaultConnection]
    auths: Mirrored[Any, VaultAuth]
    shared_auths: Mirrored[Any, VaultAuthGlobal]
    transformations: Mirrored[Any, SecretTransformation]
    static: Mirrored[Any, Any]
    dynamic: Mirrored[Any, Any]
    pki: Mirrored[Any, Any]
    hcp_auths: Mirrored[Any, Any]
    hcp_apps: Mirrored[Any, Any]
    destinations: Mirrored[core.Secret, Destination]


def mirror(manager: Manager, tools: Tools) -> Mirrors:
    """Keep each store of the world equal to the cluster, or to the namespaces that are watched."""
    world = tools.world
    watched = world.jurisdiction.namespaces

    def reflect(
        read: Reading[T], store: Store[U], project: Callable[[T], U], *, required: bool = True, shared: bool = False
    ) -> Mirrored[T, U]:
        places = sorted({*watched, world.operator_namespace} if shared else watched) if watched else [ALL]
        reflectors = []
        for place in places:
            source = KubeSource(tools.kube, read.kind, namespace=place or None, labels=read.labels)
            part = store.part(place)
            reflector = Reflector(source, part, project=project, clock=tools.clock, rng=tools.rng, page_size=read.page)
            manager.reflect(reflector, required=required)
            reflectors.append(reflector)
        return Mirrored(reflectors)

    def whole(kind: Kind[T], store: Store[T], *, required: bool = True) -> Mirrored[T, T]:
        return reflect(Reading(kind), store, _same, required=required)

    def shared(kind: Kind[T], store: Store[T], *, required: bool = True) -> Mirrored[T, T]:
        """A kind of which the operator's own namespace has objects for all (operations.md section 5.2)."""
        return reflect(Reading(kind), store, _same, required=required, shared=True)

    def namespaces() -> Mirrored[core.Namespace, core.Namespace]:
        """Asked for only where their labels decide."""
        if world.jurisdiction.selector is None:
            return Mirrored(())
        return reflect(Reading(core.NAMESPACE), world.namespaces, _same)

    return Mirrors(
        ready=lambda: manager.ready,
        namespaces=namespaces(),
        connections=shared(kinds.VAULT_CONNECTION, world.connections),
        auths=shared(kinds.VAULT_AUTH, world.auths),
        shared_auths=shared(kinds.VAULT_AUTH_GLOBAL, world.shared_auths),
        transformations=whole(kinds.SECRET_TRANSFORMATION, world.transformations),
        static=whole(kinds.VAULT_STATIC_SECRET, world.static),
        # Without these the others work: their CRD, or the right to list them, may be missing.
        dynamic=whole(kinds.VAULT_DYNAMIC_SECRET, world.dynamic, required=False),
        pki=whole(kinds.VAULT_PKI_SECRET, world.pki, required=False),
        hcp_auths=shared(kinds.HCP_AUTH, world.hcp_auths, required=False),
        hcp_apps=whole(kinds.HCP_VAULT_SECRETS_APP, world.hcp_apps, required=False),
        # Only the MAC of the data is kept, so that drift shows without any Secret staying in memory.
        destinations=reflect(
            Reading(core.SECRET, labels=OUR_SECRETS, page=_PAGE_OF_SECRETS),
            world.destinations,
            partial(destination_of, signer=tools.signer),
        ),
    )


def wake_dependants(mirrors: Mirrors, tools: Tools, queues: Queues) -> None:
    """Subscribe each queue to the changes that concern its kind."""
    world, rng = tools.world, tools.rng
    options = tools.settings.global_auth

    own: tuple[tuple[Mirrored[Any, Any], WorkQueue, Store[Any]], ...] = (
        (mirrors.connections, queues.connections, world.connections),
        (mirrors.auths, queues.auths, world.auths),
        (mirrors.transformations, queues.transformations, world.transformations),
        (mirrors.static, queues.static, world.static),
        (mirrors.dynamic, queues.dynamic, world.dynamic),
        (mirrors.pki, queues.pki, world.pki),
        (mirrors.hcp_auths, queues.hcp_auths, world.hcp_auths),
        (mirrors.hcp_apps, queues.hcp_apps, world.hcp_apps),
    )
    for mirrored, queue, store in own:
        mirrored.subscribe(enqueue_self(queue, when=any_of(spec_changed, metadata_changed)))
        inside = enqueue_mapped(queue, partial(_inside, store), when=metadata_changed, rng=rng)
        mirrors.namespaces.subscribe(_later(mirrors, inside))

    def wake(queue: WorkQueue, keys_of: Callable[[Any], Iterable[Key]]) -> Callable[[Change[Any]], None]:
        return _later(mirrors, enqueue_mapped(queue, keys_of, rng=rng))

    def reaching(connection: VaultConnection) -> list[VaultAuth]:
        return world.auths_reaching(connection.key, options=options)

    def inheriting(shared: VaultAuthGlobal) -> list[VaultAuth]:
        return world.auths_inheriting(shared.key)

    mirrors.connections.subscribe(wake(queues.auths, lambda one: _keys(reaching(one))))
    mirrors.shared_auths.subscribe(wake(queues.auths, lambda one: _keys(inheriting(one))))

    claimants = (mirrors.static, mirrors.dynamic, mirrors.pki)
    stores: tuple[Store[Any], ...] = (world.static, world.dynamic, world.pki)
    for queue, store in zip((queues.static, queues.dynamic, queues.pki), stores, strict=True):
        through, transformed = partial(_through, store), partial(_transformed_by, store)
        for other in claimants:
            other.subscribe(_later(mirrors, enqueue_mapped(queue, partial(_rivals, store), rng=rng)))
        mirrors.auths.subscribe(wake(queue, through))
        mirrors.connections.subscribe(wake(queue, partial(_through_all, through, reaching)))
        mirrors.shared_auths.subscribe(wake(queue, partial(_through_all, through, inheriting)))
        mirrors.transformations.subscribe(wake(queue, transformed))
    mirrors.destinations.subscribe(
        _later(
            mirrors,
            _owners(
                {
                    "VaultStaticSecret": queues.static,
                    "VaultDynamicSecret": queues.dynamic,
                    "VaultPKISecret": queues.pki,
                }
            ),
        )
    )


def _same(obj: T) -> T:
    return obj


def _keys(objects: Iterable[Object]) -> list[Key]:
    return [one.key for one in objects]


def _inside(store: Store[Any], namespace: core.Namespace) -> list[Key]:
    """The objects in `namespace`."""
    return [one.key for one in store.values() if one.metadata.namespace == namespace.metadata.name]


def _through(store: Store[Any], auth: VaultAuth) -> list[Key]:
    """The resources that name `auth`."""
    return _keys(store.by_index(BY_AUTH, auth.key))


def _through_all(
    through: Callable[[VaultAuth], list[Key]], auths_of: Callable[[Any], list[VaultAuth]], obj: Object
) -> Iterable[Key]:
    """The resources that come to `obj` by some VaultAuth."""
    return chain.from_iterable(map(through, auths_of(obj)))


def _transformed_by(store: Store[Any], transformation: SecretTransformation) -> list[Key]:
    """The resources that refer to `transformation`."""
    return _keys(store.by_index(BY_TRANSFORMATION, transformation.key))


def _rivals(store: Store[Any], claimant: Claimant) -> list[Key]:
    """The resources in `store` that name the same destination as `claimant`."""
    key = Key(claimant.metadata.namespace, claimant.spec.destination.name)
    mine = claimant.metadata.uid
    return [one.key for one in store.by_index(BY_DESTINATION, key) if one.metadata.uid != mine]


def _later(mirrors: Mirrors, handler: Callable[[Change[Any]], None]) -> Callable[[Change[Any]], None]:
    """Not what fills the stores at a start, when every object is looked at anyway.

    What a later list brings up counts: after a gap in the watch nobody else tells it.
    """

    def handle(change: Change[Any]) -> None:
        if mirrors.ready():
            handler(change)

    return handle


def _owners(queues: Mapping[str, WorkQueue]) -> Callable[[Change[Destination]], None]:
    """Wake the resources that own a Secret which changed otherwise than by our own write."""

    def handle(change: Change[Destination]) -> None:
        before, after = _owners_of(change.old), _owners_of(change.new)
        # An echo is no news to the owner that wrote, but may be the end of another's ownership.
        for owner in before - after if change.echo else before | after:
            if owner.kind in queues:
                queues[owner.kind].add(owner.key)

    return handle


def _owners_of(secret: Destination | None) -> set[Ref]:
    if secret is None:
        return set()
    meta = secret.metadata
    references = [one for one in meta.owner_references if one.api_version == names.API_VERSION]
    return {Ref(one.kind, Key(meta.namespace, one.name)) for one in references}
