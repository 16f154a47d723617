"""Generates docs/reference/resources from the structs of the kinds: ``python -m tools.reference_resources FOLDER``.

One page for each kind, and a list of them. What is said of a field is what the CustomResourceDefinition says.
"""

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from tools.reference import code, generated, sentence, table
from vso.apis.crd import root_schema
from vso.apis.kinds import KINDS, Definition

_HEAD: Final = generated("src/vso/apis/v1beta1")
_API: Final = "secrets.hashicorp.com/v1beta1"
_NOTES: Final = {
    "CSISecrets": "The operator does not act on this kind yet; its definition is there so that manifests apply.",
    "VaultStaticSecret": "`syncConfig.instantUpdates` has no effect yet: a change arrives with the next refresh.",
    "HCPAuth": "The service behind it, HCP Vault Secrets, has ended. Nothing is read; the operator says so in `Ready`.",
    "HCPVaultSecretsApp": (
        "The service behind it, HCP Vault Secrets, has ended. Nothing is read, and Secrets that were synced stay as "
        "they are. The operator says so in `Ready`."
    ),
}


def page(definition: Definition) -> str:
    """The page of one kind."""
    schema = root_schema(definition.kind.type)
    resource = definition.kind.resource
    facts = [
        ("API", code(_API)),
        ("Names for kubectl", f"`{resource.kind.lower()}`, `{resource.plural}`"),
        ("Scope", "namespaced"),
        ("Finalizer", code(definition.finalizer) or "none"),
        ("Columns of `kubectl get`", ", ".join(f"{one.name}" for one in definition.columns) or "Name, Age"),
    ]
    parts = [_HEAD, f"# {definition.name}\n\n", f"{schema['description']}\n\n"]
    if definition.name in _NOTES:
        parts.append(f"{_NOTES[definition.name]}\n\n")
    parts.append("".join(f"- {name}: {fact}\n" for name, fact in facts) + "\n")
    for member in ("spec", "status"):
        parts.append(f"## {member}\n\n")
        if member == "status":
            parts.append(
                "Written by the operator. No member is required. "
                "[Conditions and events](../conditions/README.md) has what the conditions say.\n\n"
            )
        rows = list(_rows(schema["properties"][member], ""))
        parts.append(table(("Field", "Type", "Meaning"), rows) if rows else "It has no fields.\n\n")
    return "".join(parts).rstrip() + "\n"


def index() -> str:
    """The list of the kinds."""
    rows = [
        (f"[{one.name}]({one.name.lower()}.md)", sentence(str(root_schema(one.kind.type)["description"])))
        for one in KINDS
    ]
    return (
        f"{_HEAD}# Custom resources\n\nAll are of `{_API}`. Fields that HashiCorp's operator does not have sit below "
        "`spec.extensions` and `status.extensions`. Needed fields are marked *required*; a default is set by the API "
        "server.\n\n" + table(("Kind", "What it is for"), rows).rstrip() + "\n"
    )


def _rows(schema: dict[str, Any], prefix: str) -> Iterator[tuple[str, str, str]]:
    required = schema.get("required", [])
    for name, member in schema.get("properties", {}).items():
        yield code(prefix + name), _type(member), _meaning(member, required=name in required)
        if name == "conditions":
            continue  # Kubernetes' own form; what they say has a page of its own
        below, step = _below(member)
        yield from _rows(below, f"{prefix}{name}{step}.")


def _below(schema: dict[str, Any]) -> tuple[dict[str, Any], str]:
    """The schema of what is within a member, and how the path to it is written."""
    if schema["type"] == "array":
        return schema["items"], "[]"
    if "additionalProperties" in schema:
        return schema["additionalProperties"], ".*"
    return schema, ""


def _type(schema: dict[str, Any]) -> str:
    if schema["type"] == "array":
        return f"list of {_type(schema['items'])}"
    if "additionalProperties" in schema:
        return f"map of {_type(schema['additionalProperties'])}"
    return str(schema["type"])


def _meaning(schema: dict[str, Any], *, required: bool) -> str:
    facts = ["*required*"] if required else []
    if "default" in schema:
        facts.append(f"default {code(json.dumps(schema['default']))}")
    if "enum" in schema:
        facts.append("one of " + ", ".join(map(code, schema["enum"])))
    facts += [f"{word} {schema[key]}" for key, word in _BOUNDS.items() if key in schema]
    if "format" in schema:
        facts.append(f"format {schema['format']}")
    if "pattern" in schema:
        facts.append(_PATTERNS.get(schema["pattern"]) or f"matches {code(schema['pattern'])}")
    text = re.sub(r"(?<![\w`.])(\.[A-Z]\w+|_raw)\b", r"`\1`", sentence(schema["description"]))
    return f"{text} ({'; '.join(facts)})" if facts else text


_BOUNDS: Final = {
    "minimum": "at least",
    "maximum": "at most",
    "minLength": "shortest length",
    "maxLength": "longest length",
}
_PATTERNS: Final = {
    r"^([0-9]+(\.[0-9]+)?(s|m|h))$": "a duration: one number and `s`, `m` or `h`",
    r"^([0-9]+(\.[0-9]+)?(s|m|h|d))$": "a duration: one number and `s`, `m`, `h` or `d`",
}


def write(folder: Path) -> None:
    """Write the pages into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "README.md").write_text(index(), encoding="utf-8")
    for definition in KINDS:
        (folder / f"{definition.name.lower()}.md").write_text(page(definition), encoding="utf-8")


if __name__ == "__main__":
    write(Path(sys.argv[1]))
