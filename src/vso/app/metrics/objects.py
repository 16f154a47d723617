"""Figures of the objects that there are, counted from memory at a scrape (operations.md sections 2.1, 2.3 and 2.4).

`ObjectCollector` is asked by the registry; `count` is the whole of what it tells, made of values.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from vso.apis.conditions import ConditionType, find
from vso.apis.merge import GlobalOptions
from vso.apis.meta import Key, Object
from vso.apis.v1beta1 import VaultAuth, VaultDynamicSecret, VaultPKISecret, VaultStaticSecret
from vso.app.metrics.family import Declared
from vso.controllers import BY_AUTH, BY_DESTINATION, Claimant, World
from vso.sync import Gap, Policy, ReferenceInvalid, gap_before_auth, gaps_behind_auth, resolve_auth

_STORAGE_MARK: Final = "cacheStorageEncryption"
_LISTED_BY_THE_ORIGINAL: Final = frozenset(
    {"VaultAuth", "VaultConnection", "HCPAuth", "SecretTransformation", "VaultPKISecret"}
)
"""Kinds of which the original has a series per object."""
_LAST_SYNC: Final = "vso_secret_last_sync_timestamp_seconds"
_DISCONTINUED: Final = "hvs"
"""What HCPVaultSecretsApps read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reckoning:
    """What the figures depend on beside the objects; `each` asks for series per object."""

    options: GlobalOptions
    policy: Policy
    each: bool = False


class ObjectCollector(Collector):
    """Tells while `leading`: two replicas must not count every object twice.

    `last_success` is `SecretMetrics.last_success`. Between two changes of the objects nothing is counted anew.
    """

    def __init__(
        self,
        world: World,
        reckoning: Reckoning,
        *,
        leading: Callable[[], bool],
        last_success: Mapping[tuple[str, Key], float],
    ) -> None:
        self._world = world
        self._reckoning = reckoning
        self._leading = leading
        self._last_success = last_success
        self._counted: tuple[tuple[int, ...], Sequence[Metric]] = ((), ())

    def describe(self) -> Iterable[Metric]:
        """What it may tell, without counting."""
        return [_family(name) for name in _BY_NAME]

    def collect(self) -> Iterator[Metric]:
        """The figures as of now."""
        if not self._leading():
            return
        version = self._world.version
        if version != self._counted[0]:
            self._counted = version, tuple(count(self._world, self._reckoning))
        yield from self._counted[1]
        if self._reckoning.each:
            family = _family(_LAST_SYNC)
            for (kind, key), instant in self._last_success.items():
                family.add_metric((kind, key.namespace, key.name), instant)
            yield family


def count(world: World, reckoning: Reckoning) -> Iterable[Metric]:
    """All figures of the objects in `world`, but for what happened to them lately."""
    tally = _Tally()
    secrets = [one for store in (world.static, world.dynamic, world.pki) for one in _handled(world, store.values())]
    _count_kinds(world, tally, each=reckoning.each)
    _count_secrets(secrets, world, tally, each=reckoning.each)
    _count_claims(world, tally)
    _count_auths(world, reckoning, tally)
    _count_orphans(secrets, world, reckoning, tally)
    for one in _handled(world, world.connections.values()):
        valid = _ready(one)
        if valid is not None:
            tally.add("vso_vault_connections", "healthy" if valid else "unhealthy")
    return tally.families()


class _Tally:
    """Sums by metric and label values."""

    def __init__(self) -> None:
        self._sums: dict[str, dict[tuple[str, ...], float]] = {name: {} for name in _BY_NAME}
        for state in ("healthy", "unhealthy"):
            self.add("vso_vault_connections", state, number=0)

    def add(self, name: str, *labels: str, number: float = 1) -> None:
        sums = self._sums[name]
        sums[labels] = sums.get(labels, 0) + number

    def soonest(self, name: str, *labels: str, instant: float) -> None:
        sums = self._sums[name]
        sums[labels] = min(sums.get(labels, instant), instant)

    def families(self) -> Iterator[Metric]:
        for name in _BY_NAME:
            if name == _LAST_SYNC:  # tells of attempts, and is written where they are known
                continue
            family = _family(name)
            for labels, value in self._sums[name].items():
                family.add_metric(labels, value)
            yield family


def _handled(world: World, objects: Iterable[Any]) -> Iterator[Any]:
    return (one for one in objects if world.covers(one))


def _count_kinds(world: World, tally: _Tally, *, each: bool) -> None:
    listed = _LISTED_BY_THE_ORIGINAL | ({"HCPVaultSecretsApp"} if each else set())
    for kind, store in world.kinds.items():
        for one in _handled(world, store.values()):
            tally.add("vso_custom_resources", kind, one.metadata.namespace)
            ready = _ready(one) if kind in listed else None
            if ready is not None:
                tally.add(
                    "controller_resource_status",
                    kind.lower(),
                    one.metadata.name,
                    one.metadata.namespace,
                    number=float(ready),
                )


def _count_secrets(secrets: Sequence[Claimant], world: World, tally: _Tally, *, each: bool) -> None:
    namespaces = {one.metadata.namespace for one in secrets}
    tally.add("vso_serviced_namespaces", number=len(namespaces))
    for one in secrets:
        namespace, kind = one.metadata.namespace, one.kind
        tally.add("vso_vault_secrets", namespace, _type_of(one))
        tally.add("vso_secrets_failing", kind, namespace, number=float(_is_failing(one)))
        create = one.spec.destination.create
        if _is_managed(one, world):
            tally.add("vso_managed_secrets", namespace, kind, str(create).lower())
        if ends := _expiry(one):
            tally.soonest("vso_secret_soonest_expiry_timestamp_seconds", kind, namespace, instant=ends)
            if each:
                labels = kind, namespace, one.metadata.name
                tally.add("vso_secret_expiry_timestamp_seconds", *labels, number=ends)
        if each and kind not in _LISTED_BY_THE_ORIGINAL and (ready := _ready(one)) is not None:
            labels = kind.lower(), one.metadata.name, namespace
            tally.add("controller_resource_status", *labels, number=float(ready))


def _count_claims(world: World, tally: _Tally) -> None:
    claims: Counter[Key] = Counter()
    for store in (world.static, world.dynamic, world.pki):
        claims.update(store.sizes(BY_DESTINATION))
    for key, number in claims.items():
        duplicate = number > 1 and len(world.claimants(key)) > 1
        tally.add("vso_duplicate_destinations", key.namespace, number=float(duplicate))


def _count_auths(world: World, reckoning: Reckoning, tally: _Tally) -> None:
    for auth in world.auths.values():
        used = any(store.by_index(BY_AUTH, auth.key) for store in (world.static, world.dynamic, world.pki))
        if not used and auth.metadata.labels.get(_STORAGE_MARK) != "true":
            continue
        if method := _method_of(auth, world, reckoning.options):
            tally.add("vso_vault_auth_methods", method)


def _count_orphans(secrets: Sequence[Claimant], world: World, reckoning: Reckoning, tally: _Tally) -> None:
    known: dict[tuple[str, str], Gap | None] = {}
    for one in secrets:
        namespace = one.metadata.namespace
        asked = one.spec.vault_auth_ref, namespace
        if asked not in known:
            known[asked] = gap_before_auth(*asked, world, reckoning.options)
        _add_gap(tally, one, known[asked])
        for ref in one.spec.destination.transformation.transformation_refs:
            if world.transformations.get(Key(ref.namespace or namespace, ref.name)) is None:
                tally.add("vso_orphaned_resources", one.kind, namespace, "SecretTransformation", "not_found")
    for auth in _handled(world, world.auths.values()):
        for gap in gaps_behind_auth(auth, world, options=reckoning.options, policy=reckoning.policy):
            _add_gap(tally, auth, gap)
    for app in _handled(world, world.hcp_apps.values()):
        tally.add("vso_vault_secrets", app.metadata.namespace, _DISCONTINUED)
        namespace, _, name = (app.spec.hcp_auth_ref or "default").rpartition("/")
        places = (namespace or app.metadata.namespace, world.operator_namespace)
        if all(world.hcp_auths.get(Key(place, name)) is None for place in places):
            tally.add("vso_orphaned_resources", app.kind, app.metadata.namespace, "HCPAuth", "not_found")


def _add_gap(tally: _Tally, obj: Object, gap: Gap | None) -> None:
    if gap is not None:
        tally.add("vso_orphaned_resources", obj.kind, obj.metadata.namespace, gap.missing, gap.why.value)


def _ready(obj: Any) -> bool | None:
    """What the object's own status says; None if it was not judged yet."""
    status = getattr(obj, "status", None)
    found = find(getattr(status, "conditions", ()), ConditionType.READY)
    return None if found is None else found.status == "True"


def _is_failing(one: Claimant) -> bool:
    states = (find(one.status.conditions, type_) for type_ in (ConditionType.SECRET_SYNCED, ConditionType.READY))
    return any(state is not None and state.status == "False" for state in states)


def _is_managed(one: Claimant, world: World) -> bool:
    """Whether the destination exists and was written by `one`, as far as is known without asking."""
    if not one.status.last_generation:
        return False
    if not one.spec.destination.create:
        # It has no labels of ours, so the watch does not show it; the status tells that it was written.
        return not _is_failing(one)
    live = world.destinations.get(Key(one.metadata.namespace, one.spec.destination.name))
    return live is not None and live.owner_uid == one.metadata.uid


def _type_of(one: Claimant) -> str:
    match one:
        case VaultStaticSecret():
            return one.spec.type
        case VaultDynamicSecret():
            rotated = one.spec.allow_static_creds or one.status.static_creds_meta_data is not None
            return "static-creds" if rotated else "dynamic"
        case VaultPKISecret():
            return "pki"


def _expiry(one: Claimant) -> float:
    """When what is in the Secret ends, in seconds since 1970; 0 if it does not, or if that is not known."""
    match one:
        case VaultDynamicSecret():
            lease = one.status.secret_lease
            return float(one.status.last_renewal_time + lease.duration) if lease.id and lease.duration else 0.0
        case VaultPKISecret():
            return float(one.status.expiration)
        case VaultStaticSecret():
            return 0.0


def _method_of(auth: VaultAuth, world: World, options: GlobalOptions) -> str:
    try:
        return resolve_auth(auth, references=world, options=options).merged.method
    except ReferenceInvalid:
        return auth.spec.method


def _gauge(name: str, text: str, *labels: str) -> Declared:
    return Declared(name, "gauge", text, labels)


FIGURES: Final = (
    _gauge(
        "controller_resource_status",
        "1 if the object can be used, 0 if not; of secrets only with --per-object-metrics, but for VaultPKISecret.",
        *("controller", "name", "namespace"),
    ),
    _gauge("vso_custom_resources", "Objects that this operator handles.", "kind", "namespace"),
    _gauge("vso_vault_secrets", "Secret resources by what they read from Vault.", "namespace", "secret_type"),
    _gauge(
        "vso_managed_secrets",
        "Kubernetes Secrets that exist and were written by a resource.",
        *("namespace", "kind", "create"),
    ),
    _gauge("vso_serviced_namespaces", "Namespaces with at least one secret resource."),
    _gauge("vso_vault_connections", "VaultConnections by the result of the last look.", "status"),
    _gauge("vso_vault_auth_methods", "VaultAuths in use, by method.", "method"),
    _gauge("vso_secrets_failing", "Secret resources whose last attempt failed.", "kind", "namespace"),
    _gauge(
        "vso_orphaned_resources",
        "Objects with a reference to something that does not exist, or does not admit them.",
        *("kind", "namespace", "missing", "reason"),
    ),
    _gauge(
        "vso_duplicate_destinations",
        "Secrets that more than one resource names as its destination.",
        "namespace",
    ),
    _gauge(
        "vso_secret_soonest_expiry_timestamp_seconds",
        "End of the lease or certificate that ends first, in seconds since 1970.",
        *("kind", "namespace"),
    ),
    _gauge(
        "vso_secret_expiry_timestamp_seconds",
        "End of the lease or certificate, in seconds since 1970; with --per-object-metrics.",
        *("kind", "namespace", "name"),
    ),
    _gauge(
        _LAST_SYNC,
        "Last attempt that went well, in seconds since 1970; with --per-object-metrics.",
        *("kind", "namespace", "name"),
    ),
)
"""All that is told, in the order of its telling."""
_BY_NAME: Final[Mapping[str, Declared]] = {one.name: one for one in FIGURES}


def _family(name: str) -> GaugeMetricFamily:
    """The metric `name`, without a series yet."""
    return GaugeMetricFamily(name, _BY_NAME[name].text, labels=_BY_NAME[name].labels)
