"""Who uses a Secret: what runs in a namespace, cut down to where it names Secrets. Pure but for `read_users`.

These are read with the rights of whoever asks, never by the operator, so they stand here and not in `vso.apis.core`.
"""

import asyncio
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

import msgspec

from vso.apis.meta import Kind, Object, ObjectMeta, Resource
from vso.cli.kubectl.secret_kind import read_pages
from vso.kube import Client, Forbidden, NotFound


class _Block(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """Base of the parts."""


class Named(_Block, frozen=True, kw_only=True):
    """A reference to a Secret by name."""

    name: str = ""


class ValueFrom(_Block, frozen=True, kw_only=True):
    """Where a variable gets its value."""

    secret_key_ref: Named | None = None


class Variable(_Block, frozen=True, kw_only=True):
    """A variable; `value` is kept for the operator's own settings alone."""

    name: str = ""
    value: str = ""
    value_from: ValueFrom | None = None


class EnvFrom(_Block, frozen=True, kw_only=True):
    """All entries of a Secret as variables."""

    secret_ref: Named | None = None


class Mount(_Block, frozen=True, kw_only=True):
    """Where a container sees a volume."""

    name: str = ""
    sub_path: str = ""
    sub_path_expr: str = ""


class Container(_Block, frozen=True, kw_only=True):
    """A container."""

    name: str = ""
    image: str = ""
    command: tuple[str, ...] = ()
    args: tuple[str, ...] = ()
    env: tuple[Variable, ...] = ()
    env_from: tuple[EnvFrom, ...] = ()
    volume_mounts: tuple[Mount, ...] = ()


class SecretVolume(_Block, frozen=True, kw_only=True):
    """A Secret as files."""

    secret_name: str = ""


class Projection(_Block, frozen=True, kw_only=True):
    """One source of a projected volume."""

    secret: Named | None = None


class Projected(_Block, frozen=True, kw_only=True):
    """Several sources in one volume."""

    sources: tuple[Projection, ...] = ()


class Volume(_Block, frozen=True, kw_only=True):
    """A volume."""

    name: str = ""
    secret: SecretVolume | None = None
    projected: Projected | None = None


class PodSpec(_Block, frozen=True, kw_only=True):
    """What a Pod runs."""

    containers: tuple[Container, ...] = ()
    init_containers: tuple[Container, ...] = ()
    volumes: tuple[Volume, ...] = ()
    image_pull_secrets: tuple[Named, ...] = ()
    service_account_name: str = ""


class PodTemplate(_Block, frozen=True, kw_only=True):
    """What the Pods of a workload are made from."""

    metadata: ObjectMeta = ObjectMeta()
    spec: PodSpec = PodSpec()


class JobSpec(_Block, frozen=True, kw_only=True):
    """What a Job runs."""

    template: PodTemplate = PodTemplate()


class JobTemplate(_Block, frozen=True, kw_only=True):
    """What the Jobs of a CronJob are made from."""

    spec: JobSpec = JobSpec()


class WorkloadSpec(_Block, frozen=True, kw_only=True):
    """Of a workload with Pods of a template."""

    paused: bool = False
    template: PodTemplate = PodTemplate()


class WorkloadCondition(_Block, frozen=True, kw_only=True):
    """What is so of a workload, or is not."""

    type: str = ""
    status: str = ""


class WorkloadStatus(_Block, frozen=True, kw_only=True):
    """What is so of a workload."""

    conditions: tuple[WorkloadCondition, ...] = ()


class Workload(Object, frozen=True, kw_only=True):
    """A Deployment, StatefulSet, DaemonSet, Job or Argo Rollout."""

    spec: WorkloadSpec = WorkloadSpec()
    status: WorkloadStatus = WorkloadStatus()


class CronJobSpec(_Block, frozen=True, kw_only=True):
    """Of a CronJob."""

    job_template: JobTemplate = JobTemplate()


class CronJob(Object, frozen=True, kw_only=True):
    """A CronJob."""

    spec: CronJobSpec = CronJobSpec()


class PodStatus(_Block, frozen=True, kw_only=True):
    """How far a Pod is."""

    phase: str = ""


class Pod(Object, frozen=True, kw_only=True):
    """A Pod."""

    spec: PodSpec = PodSpec()
    status: PodStatus = PodStatus()


class ServiceAccount(Object, frozen=True, kw_only=True):
    """A ServiceAccount, whose Pods pull images with these Secrets."""

    image_pull_secrets: tuple[Named, ...] = ()


class IngressTls(_Block, frozen=True, kw_only=True):
    """The certificate of some hosts."""

    secret_name: str = ""


class IngressSpec(_Block, frozen=True, kw_only=True):
    """Of an Ingress."""

    tls: tuple[IngressTls, ...] = ()


class Ingress(Object, frozen=True, kw_only=True):
    """An Ingress."""

    spec: IngressSpec = IngressSpec()


DEPLOYMENT: Final = Kind(Resource("apps", "v1", "deployments", "Deployment"), Workload)
POD: Final = Kind(Resource("", "v1", "pods", "Pod"), Pod)
_KINDS: Final[tuple[Kind[Any], ...]] = (
    DEPLOYMENT,
    Kind(Resource("apps", "v1", "statefulsets", "StatefulSet"), Workload),
    Kind(Resource("apps", "v1", "daemonsets", "DaemonSet"), Workload),
    Kind(Resource("argoproj.io", "v1alpha1", "rollouts", "Rollout"), Workload),
    Kind(Resource("batch", "v1", "cronjobs", "CronJob"), CronJob),
    Kind(Resource("batch", "v1", "jobs", "Job"), Workload),
    POD,
    Kind(Resource("", "v1", "serviceaccounts", "ServiceAccount"), ServiceAccount),
    Kind(Resource("networking.k8s.io", "v1", "ingresses", "Ingress"), Ingress),
)
_MAKERS: Final = frozenset({"ReplicaSet", *(one.resource.kind for one in _KINDS)})
"""Kinds that stand for what they make; a ReplicaSet for its Deployment."""
_JOB_ENDS: Final = frozenset({"Complete", "Failed"})
_POD_ENDS: Final = frozenset({"Succeeded", "Failed"})
_TARGET_KIND: Final = {"Rollout": "argo.Rollout"}
"""Kinds that rolloutRestartTargets call otherwise."""


class Use(msgspec.Struct, frozen=True, rename="camel"):
    """One place where a Secret is used; `follows`: the user sees a new value without a restart."""

    where: str
    follows: bool


class User(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Something that uses a Secret; `kind` is called as in rolloutRestartTargets."""

    kind: str
    name: str
    uses: tuple[Use, ...]
    paused: bool = False

    @property
    def stale_after_change(self) -> bool:
        """Whether it keeps the old values until it is restarted."""
        return any(not use.follows for use in self.uses)


class Users(msgspec.Struct, frozen=True, kw_only=True):
    """Who uses a Secret, which kinds could not be looked at and why, and the workloads that there are at all."""

    found: tuple[User, ...] = ()
    unread: dict[str, str] = {}
    existing: frozenset[tuple[str, str]] = frozenset()
    paused: frozenset[str] = frozenset()


async def read_users(client: Client, namespace: str, secret: str) -> Users:
    """Who uses the Secret `secret` of `namespace`, as far as the rights of whoever asks go."""
    answers = await asyncio.gather(*(_read(client, kind, namespace) for kind in _KINDS))
    objects: list[Object] = []
    unread: dict[str, str] = {}
    for kind, answer in zip(_KINDS, answers, strict=True):
        if isinstance(answer, str):
            unread[kind.resource.kind] = answer
        else:
            objects += answer
    return users_of(secret, objects, unread)


def users_of(secret: str, objects: Sequence[Object], unread: dict[str, str]) -> Users:
    """Who of `objects` uses the Secret `secret`."""
    found = []
    for one in objects:
        if _is_managed(one) or _is_over(one):
            continue
        if uses := tuple(uses_in(one, secret)):
            found.append(User(kind=target_kind(one), name=one.metadata.name, uses=uses, paused=_is_paused(one)))
    return Users(
        found=tuple(found),
        unread=unread,
        existing=frozenset((target_kind(one), one.metadata.name) for one in objects),
        paused=frozenset(one.metadata.name for one in objects if _is_paused(one)),
    )


def uses_in(obj: Object, secret: str) -> Iterator[Use]:
    """The places in `obj` that name `secret`."""
    match obj:
        case Workload():
            yield from _uses_in_pod(obj.spec.template.spec, secret)
        case CronJob():
            for use in _uses_in_pod(obj.spec.job_template.spec.template.spec, secret):
                yield Use(f"{use.where} of its next Job", follows=True)
        case Pod():
            yield from _uses_in_pod(obj.spec, secret)
        case ServiceAccount():
            yield from _pulls(obj.image_pull_secrets, secret)
        case Ingress():
            if any(one.secret_name == secret for one in obj.spec.tls):
                yield Use("tls", follows=True)
        case _:
            return


def target_kind(obj: Object) -> str:
    """The kind of `obj` as rolloutRestartTargets call it."""
    return _TARGET_KIND.get(obj.kind, obj.kind)


def _uses_in_pod(pod: PodSpec, secret: str) -> Iterator[Use]:
    for container in (*pod.init_containers, *pod.containers):
        for one in container.env:
            ref = one.value_from.secret_key_ref if one.value_from is not None else None
            if ref is not None and ref.name == secret:
                yield Use(f"env {one.name} of container {container.name}", follows=False)
        if any(one.secret_ref is not None and one.secret_ref.name == secret for one in container.env_from):
            yield Use(f"envFrom of container {container.name}", follows=False)
    for volume in pod.volumes:
        if form := _form_of(volume, secret):
            # What is mounted by subPath is never updated by the kubelet.
            frozen = [one.name for one in pod.containers if any(_is_sub_path(m, volume) for m in one.volume_mounts)]
            by = f" (subPath in {', '.join(frozen)})" if frozen else ""
            yield Use(f"{form} {volume.name}{by}", follows=not frozen)
    yield from _pulls(pod.image_pull_secrets, secret)


def _form_of(volume: Volume, secret: str) -> str:
    if volume.secret is not None and volume.secret.secret_name == secret:
        return "volume"
    sources = volume.projected.sources if volume.projected is not None else ()
    return "projected volume" if any(one.secret is not None and one.secret.name == secret for one in sources) else ""


def _is_sub_path(mount: Mount, volume: Volume) -> bool:
    return mount.name == volume.name and bool(mount.sub_path or mount.sub_path_expr)


def _pulls(secrets: Iterable[Named], secret: str) -> Iterator[Use]:
    if any(one.name == secret for one in secrets):
        yield Use("imagePullSecrets", follows=True)


def _is_managed(obj: Object) -> bool:
    """Whether `obj` is made by another workload, which is the one to name; of a foreign kind nobody would hear."""
    owners = obj.metadata.owner_references if isinstance(obj, Pod | Workload) else ()
    return any(one.controller and one.kind in _MAKERS for one in owners)


def _is_over(obj: Object) -> bool:
    """Whether `obj` has run to its end, and so reads nothing any more."""
    if isinstance(obj, Pod):
        return obj.status.phase in _POD_ENDS
    job = obj.status.conditions if isinstance(obj, Workload) and obj.kind == "Job" else ()
    return any(one.type in _JOB_ENDS and one.status == "True" for one in job)


def _is_paused(obj: Object) -> bool:
    return isinstance(obj, Workload) and obj.kind == "Deployment" and obj.spec.paused


async def _read(client: Client, kind: Kind[Any], namespace: str) -> list[Object] | str:
    try:
        return [one async for one in read_pages(client, kind, namespace=namespace)]
    except NotFound:
        return []  # not every cluster has Argo Rollouts
    except Forbidden as exc:
        return str(exc)
