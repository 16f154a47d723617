"""Brings the CustomResourceDefinitions of a cluster up to those of this release (operations.md section 1.10).

Helm installs CRDs but never changes them; a hook runs this before an upgrade. By server-side apply with a manager of
our own: what others set, such as labels of a GitOps tool, stays; CRDs that are obsolete stay as well, and no object is
touched. How the program is called: `vso.cli.upgrade_crds`.
"""

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import structlog

from vso.apis.core import CUSTOM_RESOURCE_DEFINITION
from vso.apis.meta import Key
from vso.base import Clock
from vso.kube import Client, KubeError, Patch, PatchType
from vso.runtime import time_limit

FIELD_MANAGER: Final = "vault-secrets-operator-upgrade-crds"
_API: Final = "apiextensions.k8s.io/v1"
_KIND: Final = "CustomResourceDefinition"
_LOOK: Final = 0.25
"""Seconds between two looks whether a CRD is established, and before another try after a passing failure."""
Manifest = dict[str, Any]
log = structlog.get_logger("UpgradeCRDs")


class UpgradeFailed(Exception):
    """Not all CRDs are in force; the message has every reason, on one line."""


def read_manifests(texts: Mapping[str, str]) -> list[Manifest]:
    """The CRDs in YAML files, by their names; other documents are passed over.

    Raises UpgradeFailed if a file is no YAML, a CRD has no name or stands there twice, or there is none.
    """
    import yaml  # late: the operator at work reads none

    found: dict[str, Manifest] = {}
    problems: list[str] = []
    for file, text in sorted(texts.items()):
        try:
            for document in filter(_is_definition, yaml.safe_load_all(text)):
                metadata = document.get("metadata")
                name = metadata.get("name") if isinstance(metadata, dict) else ""
                if not name or name in found:
                    problems.append(f"{file}: {f'{name} is defined twice' if name else 'a CRD without a name'}")
                else:
                    found[name] = document
        except yaml.YAMLError as exc:
            problems.append(f"{file}: no YAML: {' '.join(str(exc).split())}")
    if not found and not problems:
        problems.append(f"no {_KIND} of {_API} in {', '.join(sorted(texts)) or 'any *.yaml file'}")
    if problems:
        raise UpgradeFailed("; ".join(problems))
    return list(found.values())


def _is_definition(document: Any) -> bool:
    return isinstance(document, dict) and (document.get("apiVersion"), document.get("kind")) == (_API, _KIND)


def read_folder(folder: Path) -> list[Manifest]:
    """The CRDs in the ``*.yaml`` files of `folder` itself. Raises UpgradeFailed."""
    try:
        texts = {path.name: path.read_text(encoding="utf-8") for path in folder.iterdir() if path.suffix == ".yaml"}
    except (OSError, UnicodeDecodeError) as exc:
        raise UpgradeFailed(f"cannot read {folder}: {exc}") from exc
    return read_manifests(texts)


async def upgrade_crds(client: Client, manifests: list[Manifest], *, clock: Clock, seconds: float) -> None:
    """Apply each of `manifests` and wait until the server serves it, all within `seconds`.

    One that fails keeps none of the others from being applied. Raises UpgradeFailed.
    """
    waiting = {str(one["metadata"]["name"]): "not tried yet" for one in manifests}
    failed: dict[str, str] = {}

    async def upgrade(name: str, manifest: Manifest) -> None:
        try:
            await _upgrade(client, name, manifest, clock=clock, waiting=waiting)
        except KubeError as exc:
            failed[name] = str(exc)
        del waiting[name]

    try:
        async with time_limit(clock, seconds), asyncio.TaskGroup() as group:
            for manifest in manifests:
                name = str(manifest["metadata"]["name"])
                group.create_task(upgrade(name, manifest), name=f"upgrade {name}")
    except TimeoutError:
        failed |= {name: f"{name}: not done within {seconds:g} s: {why}" for name, why in waiting.items()}
    if failed:
        raise UpgradeFailed("; ".join(failed[name] for name in sorted(failed)))
    log.info("CRDs are up to date", count=len(manifests))


async def _upgrade(client: Client, name: str, manifest: Manifest, *, clock: Clock, waiting: dict[str, str]) -> None:
    """Apply one and wait; `waiting` tells what it waits for. Raises KubeError for what time does not mend."""
    patch = Patch(body=manifest, type=PatchType.APPLY, field_manager=FIELD_MANAGER, force=True)
    key, applied = Key("", name), False
    while True:
        try:
            if applied:
                stored = await client.get(CUSTOM_RESOURCE_DEFINITION, key)
            else:
                stored = await client.patch(CUSTOM_RESOURCE_DEFINITION, key, patch)
                applied = True
                log.info("CRD applied", crd=name)
            if stored.is_true("Established"):
                return
            waiting[name] = stored.complaint or "it is not established"
        except KubeError as exc:
            if not exc.transient:
                raise
            waiting[name] = str(exc)
        await clock.sleep(_LOOK)
