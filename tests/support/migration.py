"""What the tests of converters share: run one on written objects, and see what its result makes of a secret."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec

from vso.cli.kubectl.manifest import parse, to_yaml
from vso.cli.kubectl.migration import Migration, Surroundings, Weight, convert_all, manifest_of
from vso.cli.kubectl.preview import answer_of, preview
from vso.controllers import Claimant
from vso.sync import Budget, TemplateEngine

Json = dict[str, Any]


def migrated(*objects: Mapping[str, Any], namespace: str = "", operator_namespace: str = "operator") -> Migration:
    """What becomes of `objects`, as they would be read from a file."""
    around = Surroundings(
        manifests=parse(to_yaml(objects), "old.yaml"), namespace=namespace, operator_namespace=operator_namespace
    )
    return convert_all(around)


def made(result: Migration) -> dict[str, Json]:
    """The objects as they are written, by kind and key."""
    found: dict[str, Json] = {}
    for one in result.objects:
        body = manifest_of(one)
        namespace = body["metadata"].get("namespace", "")
        found[f"{body['kind']} {namespace}/{body['metadata']['name']}"] = body
    return found


def lost(result: Migration) -> list[str]:
    """Notes on what is not converted."""
    return [f"{one.member}: {one.text}" for one in result.notes if one.weight is Weight.LOST]


def to_check(result: Migration) -> list[str]:
    """The other notes."""
    return [f"{one.member}: {one.text}" for one in result.notes if one.weight is Weight.CHECK]


async def data_of(result: Migration, fields: Mapping[str, Any]) -> dict[str, bytes]:
    """The data of the Secret that the one resource in `result` makes of `fields`, by the operator's own engine."""
    (wanted,) = [one for one in result.objects if isinstance(one, Claimant)]
    async with TemplateEngine(budget=Budget()) as engine:
        shown = await preview(
            wanted,
            answer_of(msgspec.json.encode(fields).decode(), wanted),
            transformations={},
            engine=engine,
            exclude_raw=False,
            now=datetime(2026, 1, 1, tzinfo=UTC),
        )
    return shown.data.reveal()
