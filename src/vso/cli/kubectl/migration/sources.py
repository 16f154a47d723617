"""What can be converted, in one table. A new source is one module with a function, and one row."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from vso.apis.meta import Key, Object
from vso.cli.kubectl.manifest import Manifest
from vso.cli.kubectl.migration import (
    agent_injector,
    external_secrets,
    secret_stores,
    secrets_store_csi,
    vault_secrets,
)
from vso.cli.kubectl.migration.draft import Convert, Converted, Draft, Note, Surroundings, Weight, kind_of

_GENERATORS: Final = "generators.external-secrets.io"
_REASONS: Final[Mapping[str, str]] = {
    "PushSecret": "nothing is written to Vault",
    "ClusterPushSecret": "nothing is written to Vault",
    "ClusterExternalSecret": "resources for many namespaces have no counterpart: convert what it makes",
}


@dataclass(frozen=True, slots=True)
class Source:
    """One row: a name for people, which objects it is about, and the function."""

    name: str
    matches: Callable[[Manifest], bool]
    convert: Convert


def _kinds(group: str, *kinds: str) -> Callable[[Manifest], bool]:
    return lambda manifest: manifest.group == group and manifest.kind in kinds


def _refuse(manifest: Manifest, _: Surroundings) -> Converted:
    draft = Draft(manifest)
    draft.lost(
        "kind", _REASONS.get(manifest.kind, "generators have no counterpart; a VaultDynamicSecret may do the same")
    )
    return draft.done()


SOURCES: Final = (
    Source(
        "External Secrets, stores",
        _kinds(secret_stores.GROUP, "SecretStore", "ClusterSecretStore"),
        secret_stores.convert,
    ),
    Source("External Secrets", _kinds(secret_stores.GROUP, "ExternalSecret"), external_secrets.convert),
    Source("External Secrets, others", _kinds(secret_stores.GROUP, *_REASONS), _refuse),
    Source("External Secrets, generators", lambda manifest: manifest.group == _GENERATORS, _refuse),
    Source(
        "Secrets Store CSI driver",
        _kinds(secrets_store_csi.GROUP, "SecretProviderClass"),
        secrets_store_csi.convert,
    ),
    Source("VaultSecret of ricoberger", _kinds(vault_secrets.GROUP, "VaultSecret"), vault_secrets.convert),
    Source("Vault agent injector", agent_injector.annotated, agent_injector.convert),
)


@dataclass(frozen=True, slots=True)
class Migration:
    """What became of all objects; `sources` counts those that there was a row for."""

    objects: tuple[Object, ...]
    notes: tuple[Note, ...]
    sources: int


def convert_all(around: Surroundings) -> Migration:
    """Convert all that can be. Objects that several sources ask for alike are made once."""
    made: dict[tuple[str, Key], Object] = {}
    notes: list[Note] = []
    sources = 0
    for manifest in around.manifests:
        source = next((one for one in SOURCES if one.matches(manifest)), None)
        if source is None:
            continue
        sources += 1
        result = source.convert(manifest, around)
        notes += result.notes
        notes += _merge(made, result.objects, manifest)
    return Migration(tuple(made.values()), tuple(_once(notes)), sources)


def _merge(made: dict[tuple[str, Key], Object], new: Iterable[Object], manifest: Manifest) -> list[Note]:
    """Add `new` to what was made before; notes on objects of one name that differ."""
    draft = Draft(manifest)
    for one in new:
        kind = kind_of(one).resource.kind
        known = made.setdefault((kind, one.key), one)
        if known != one:
            draft.lost(
                "", f"{kind} {one.key} was made before with other settings, which were kept: write this one by hand"
            )
    return draft.notes


def _once(notes: Sequence[Note]) -> list[Note]:
    return list(dict.fromkeys(notes))


def lost(notes: Iterable[Note]) -> list[Note]:
    """Those that tell of something that has no counterpart."""
    return [one for one in notes if one.weight is Weight.LOST]
