"""CustomResourceDefinitions, generated from the structs: ``python -m vso.apis.crd <folder>`` writes them.

They are those of the original with two differences. No member of a status is required: a status that an older
release wrote must not keep its object from being applied (regressions R28). And there is `status.extensions`.
They carry no validation rules in CEL: a server that does not ratchet them (Kubernetes before 1.30) would refuse
updates of objects that are stored already. Descriptions of kinds, specs and statuses are the first lines of
their docstrings.
"""

import json
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import msgspec

from vso.apis.kinds import KINDS, Definition
from vso.apis.meta import Object
from vso.apis.schema import object_schema

HEADER: Final = "# Generated from src/vso/apis/v1beta1 by `make generate`; do not edit.\n"

_ROOT: Final[Mapping[str, Any]] = {
    "apiVersion": {"type": "string", "description": "Group and version that this object is written in."},
    "kind": {"type": "string", "description": "Kind of this object."},
    "metadata": {"type": "object"},
}


def crd(definition: Definition) -> dict[str, Any]:
    """The manifest for one kind, as JSON-like values."""
    resource = definition.kind.resource
    version: dict[str, Any] = {
        "name": resource.version,
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": root_schema(definition.kind.type)},
        "subresources": {"status": {}},
    }
    if definition.columns:
        version["additionalPrinterColumns"] = [
            {
                "name": column.name,
                "type": column.type,
                "jsonPath": column.path,
                "description": column.description,
            }
            for column in definition.columns
        ]
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": definition.crd_name},
        "spec": {
            "group": resource.group,
            "names": {
                "kind": resource.kind,
                "listKind": f"{resource.kind}List",
                "plural": resource.plural,
                "singular": resource.kind.lower(),
            },
            "scope": "Namespaced",
            "versions": [version],
        },
    }


def root_schema(kind: type[Object]) -> dict[str, Any]:
    """Schema of the whole object; nothing at its root is required, as in the original."""
    spec, status = (_struct_of(kind, name) for name in ("spec", "status"))
    return {
        "type": "object",
        "description": _first_line(kind),
        "properties": {
            **_ROOT,
            "spec": {
                "description": _first_line(spec),
                **object_schema(spec, enforce_required=True),
            },
            "status": {
                "description": _first_line(status),
                **object_schema(status, enforce_required=False),
            },
        },
    }


def _struct_of(kind: type[Object], name: str) -> type[msgspec.Struct]:
    (info,) = (field for field in msgspec.structs.fields(kind) if field.name == name)
    struct: type[msgspec.Struct] = info.type
    return struct


def _first_line(struct: type) -> str:
    return (struct.__doc__ or "").strip().splitlines()[0]


def to_yaml(value: Any) -> str:
    """`value` as block-style YAML in a fixed form, with the members in their order.

    Enough for JSON-like values; the package has no YAML library at run time.
    """
    return "\n".join(_lines(value)) + "\n"


_PLAIN: Final = re.compile(r"[A-Za-z$][A-Za-z0-9 $_./-]*[A-Za-z0-9$_./-]|[A-Za-z]")
_RESERVED: Final = frozenset({"true", "false", "null", "yes", "no", "on", "off", "y", "n"})


def _scalar(value: Any) -> str:
    if isinstance(value, str) and _PLAIN.fullmatch(value) and value.lower() not in _RESERVED:
        return value
    if isinstance(value, dict | list):  # empty ones alone come here
        return "{}" if isinstance(value, dict) else "[]"
    return json.dumps(value, ensure_ascii=False)  # JSON's scalars are YAML's


def _lines(value: Any) -> Iterator[str]:
    if isinstance(value, dict) and value:
        for key, item in value.items():
            if isinstance(item, dict | list) and item:
                yield f"{_scalar(key)}:"
                indent = "  " if isinstance(item, dict) else ""
                yield from (indent + line for line in _lines(item))
            else:
                yield f"{_scalar(key)}: {_scalar(item)}"
    elif isinstance(value, list) and value:
        for item in value:
            first, *rest = _lines(item)
            yield f"- {first}"
            yield from (f"  {line}" for line in rest)
    else:
        yield _scalar(value)


def write(folder: Path) -> None:
    """Write one file per kind, ``<plural>.yaml``, into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    for definition in KINDS:
        path = folder / f"{definition.kind.resource.plural}.yaml"
        path.write_text(HEADER + to_yaml(crd(definition)), encoding="utf-8")


if __name__ == "__main__":
    write(Path(sys.argv[1]))
