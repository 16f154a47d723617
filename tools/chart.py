"""Reads the chart's values with their comments, for `chart_schema` and `chart_values`, which generate files from them.

A comment describes the key on the line after it. A line ``@schema {...}`` in it has what JSON Schema says of the value
beyond what its default shows; with ``type``, ``enum`` or ``$ref``, it says all.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

VALUES: Final = Path("deploy/chart/values.yaml")
_DIRECTIVE: Final = "@schema "
_WHOLE: Final = frozenset({"type", "enum", "$ref"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Value:
    """One key of the values: where it is, what its comment says, its default, and the keys below it."""

    path: tuple[str, ...]
    comment: str
    schema: dict[str, Any]
    default: Any
    children: tuple["Value", ...]

    @property
    def name(self) -> str:
        """The path with dots, as ``--set`` takes it."""
        return ".".join(self.path)

    @property
    def typed(self) -> bool:
        """Whether its comment says what it may be, so that its default does not."""
        return not _WHOLE.isdisjoint(self.schema)

    def leaves(self) -> Iterator["Value"]:
        """The keys below it, or itself, that take a value of their own."""
        if not self.children:
            yield self
        for child in self.children:
            yield from child.leaves()


def values() -> tuple[Value, ...]:
    """The top-level keys of the chart's values, in order."""
    text = VALUES.read_text(encoding="utf-8")
    return tuple(_members(yaml.compose(text, Loader=yaml.SafeLoader), (), text.splitlines()))


def _members(node: yaml.Node | None, path: tuple[str, ...], lines: list[str]) -> Iterator[Value]:
    for key, content in node.value if isinstance(node, yaml.MappingNode) else ():
        comment, schema = _comment(lines, key.start_mark.line)
        here = (*path, key.value)
        default = yaml.SafeLoader("").construct_object(content, deep=True)
        nested = isinstance(default, dict) and default and _WHOLE.isdisjoint(schema)
        children = tuple(_members(content, here, lines)) if nested else ()
        yield Value(path=here, comment=comment, schema=schema, default=default, children=children)


def _comment(lines: list[str], line: int) -> tuple[str, dict[str, Any]]:
    """The comment that ends above `line`, and what its directive says."""
    words: list[str] = []
    schema: dict[str, Any] = {}
    for text in reversed(lines[:line]):
        if not text.lstrip().startswith("#"):
            break
        said = text.strip().removeprefix("#").strip()
        if said.startswith(_DIRECTIVE):
            schema = json.loads(said.removeprefix(_DIRECTIVE))
        else:
            words.insert(0, said)
    return " ".join(words), schema
