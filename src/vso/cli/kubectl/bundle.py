"""`kubectl vso bundle`: an archive with what a maintainer asks for, and without anything secret.

Secrets are read through their metadata alone, so their data never reaches this process. What may not be read is named
in the archive, with the reason.
"""

import io
import os
import platform
import tarfile
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any, Final

import click
import msgspec
import yaml

from vso import __version__
from vso.apis import core, meta, names
from vso.apis.kinds import KINDS
from vso.apis.meta import Kind, PartialObject, Resource
from vso.base import Clock, SystemClock
from vso.cli.kubectl import redaction
from vso.cli.kubectl.exit_code import EXIT_CODES
from vso.cli.kubectl.installation import Installation, find_installation, operator_option
from vso.cli.kubectl.output import progress, tell_of
from vso.cli.kubectl.secret_kind import SECRET_KINDS, read_pages
from vso.cli.kubectl.summary import in_order, summarize
from vso.cli.kubectl.target import Cluster, Target, listing_options, run
from vso.cli.kubectl.workload import POD, Pod
from vso.kube import KubeError

_HELP: Final = f"""A support archive, for a bug report or a colleague.

It has the operator's custom resources, their events, the metadata of the Secrets they write (never the data), the
operator's Deployment and logs as far as they can be read, and versions. Values of headers and parameters, copies of
objects in annotations, and whatever looks like a token or a key are taken out. Look through it before you send it: it
tells names, namespaces, paths, addresses and templates.

\b
Examples:
  kubectl vso bundle                              of the namespace, into vso-bundle-<time>.tar.gz
  kubectl vso bundle -A --file=/tmp/all.tar.gz    of the whole cluster

{EXIT_CODES}"""
_LOG_LINES: Final = 20_000
_READABLE: Final = 0o600
_CRD: Final = Kind(
    Resource("apiextensions.k8s.io", "v1", "customresourcedefinitions", "CustomResourceDefinition", namespaced=False),
    PartialObject,
    metadata_only=True,
)


@click.command("bundle", help=_HELP, short_help="A support archive without secrets.")
@click.option("-f", "--file", default=None, metavar="FILE", type=click.Path(dir_okay=False, path_type=Path))
@operator_option
@listing_options
def command(target: Target, file: Path | None, operator_namespace: str | None) -> None:
    """See `_HELP`."""
    clock = SystemClock()
    path = file or Path(f"vso-bundle-{clock.now():%Y%m%d-%H%M%S}.tar.gz")
    with progress("Collecting"):
        files = run(target, lambda cluster: collect(cluster, operator_namespace))
    create(path, archive(files, clock=clock))
    tell_of(f"{path}: {len(files)} files; look through it before you send it", err=False)


async def collect(cluster: Cluster, operator_namespace: str | None) -> dict[str, str]:
    """The files of the archive by their names."""
    files: dict[str, str] = {}
    unread: list[str] = []
    installation = await find_installation(cluster.client, operator_namespace)
    parts: dict[str, Callable[[], Awaitable[str]]] = {
        "versions.yaml": partial(_versions, cluster, installation),
        "status.yaml": partial(_status, cluster),
        "events.yaml": partial(_events, cluster),
        "secrets-metadata.yaml": partial(_destinations, cluster),
        "operator.yaml": partial(_operator, cluster, installation),
        **{f"resources/{one.kind.resource.plural}.yaml": partial(_resources, cluster, one.kind) for one in KINDS},
    }
    for name, read in parts.items():
        try:
            files[name] = redaction.masked(await read())
        except KubeError as exc:
            unread.append(f"{name}: {exc}")
    async for name, text in _logs(cluster, installation, unread):
        files[name] = redaction.masked(text)
    files["not-read.txt"] = "".join(f"{one}\n" for one in unread) or "nothing\n"
    return files


def archive(files: dict[str, str], *, clock: Clock) -> bytes:
    """A compressed tar of `files`."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        for name, text in sorted(files.items()):
            content = text.encode()
            entry = tarfile.TarInfo(f"vso-bundle/{name}")
            entry.size, entry.mode, entry.mtime = len(content), _READABLE, int(clock.now().timestamp())
            tar.addfile(entry, io.BytesIO(content))
    return packed.getvalue()


def create(path: Path, content: bytes) -> None:
    """Write a new file that the user alone can read. Raises click.FileError, also if anything is there already."""
    try:
        # Neither a file that others may read nor a link that somebody else put there is written to.
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, _READABLE)
        with os.fdopen(handle, "wb") as file:
            file.write(content)
    except FileExistsError as exc:
        raise click.FileError(str(path), "it exists; remove it, or name another file with --file") from exc
    except OSError as exc:
        raise click.FileError(str(path), exc.strerror or str(exc)) from exc


async def _versions(cluster: Cluster, installation: Installation) -> str:
    crds = [one async for one in read_pages(cluster.client, _CRD, namespace=None)]
    ours = {one.metadata.name: one.metadata.generation for one in crds if one.metadata.name.endswith(names.GROUP)}
    return _yaml(
        {
            "plugin": __version__,
            "python": platform.python_version(),
            "operator": {"image": installation.image, "namespace": installation.namespace, "doubt": installation.doubt},
            "customResourceDefinitions": ours,
        }
    )


async def _status(cluster: Cluster) -> str:
    rows = []
    for kind in SECRET_KINDS:
        rows += [summarize(one) async for one in _all(cluster, kind)]
    return _yaml(in_order(rows))


async def _resources(cluster: Cluster, kind: Kind[Any]) -> str:
    return _yaml([redaction.redacted(_plain(one)) async for one in _all(cluster, kind)])


async def _events(cluster: Cluster) -> str:
    found = read_pages(cluster.client, core.EVENT, namespace=cluster.namespace)
    ours = [one async for one in found if one.involved_object.api_version == names.API_VERSION]
    return _yaml([redaction.redacted(_plain(one)) for one in ours])


async def _destinations(cluster: Cluster) -> str:
    labels = ",".join(f"{name}={value}" for name, value in names.OWNER_LABELS.items())
    found = read_pages(cluster.client, core.SECRET.partial(), namespace=cluster.namespace, labels=labels)
    return _yaml([redaction.destination(_plain(one)) async for one in found])


async def _operator(cluster: Cluster, installation: Installation) -> str:
    pods = [one async for one in _operator_pods(cluster, installation)]
    return _yaml(
        {
            "deployment": installation.deployment,
            "doubt": installation.doubt,
            "account": str(installation.account),
            "image": installation.image,
            "settings": {name: str(value) for name, value in _settings(installation).items()},
            "pods": [one.metadata.name for one in pods],
        }
    )


def _settings(installation: Installation) -> dict[str, Any]:
    settings = installation.settings
    return {name: getattr(settings, name) for name in settings.__dataclass_fields__ if name != "kubeconfig"}


async def _logs(cluster: Cluster, installation: Installation, unread: list[str]) -> AsyncIterator[tuple[str, str]]:
    try:
        pods = [one async for one in _operator_pods(cluster, installation)]
    except KubeError as exc:
        unread.append(f"logs: {exc}")
        return
    for pod in pods:
        for container in pod.spec.containers:
            name = f"logs/{pod.metadata.name}-{container.name}.log"
            try:
                text = await cluster.client.read_log(POD, pod.key, container=container.name, lines=_LOG_LINES)
            except KubeError as exc:
                unread.append(f"{name}: {exc}")
                continue
            yield name, text.decode("utf-8", "replace")


async def _operator_pods(cluster: Cluster, installation: Installation) -> AsyncIterator[Pod]:
    """Those of its Deployment, if that was found: with its labels, and the name that its ReplicaSets give them."""
    if not installation.deployment:
        return
    labels = ",".join(f"{name}={value}" for name, value in sorted(installation.selector.items()))
    async for pod in read_pages(cluster.client, POD, namespace=installation.namespace, labels=labels):
        if pod.metadata.name.startswith(f"{installation.deployment}-"):
            yield pod


async def _all(cluster: Cluster, kind: Kind[Any]) -> AsyncIterator[Any]:
    async for one in read_pages(cluster.client, kind, namespace=cluster.namespace, labels=cluster.labels):
        yield one


def _plain(value: Any) -> Any:
    return msgspec.json.decode(meta.encode(value))


def _yaml(value: Any) -> str:
    return yaml.safe_dump(_plain(value), sort_keys=False, allow_unicode=True)
