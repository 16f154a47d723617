"""Generates the reference of the chart's values: ``python -m tools.chart_values FOLDER`` writes ``README.md``."""

import json
import sys
from pathlib import Path
from typing import Final

from tools.chart import Value, values
from tools.reference import generated, table

_INTRODUCTION: Final = """\
# Values of the Helm chart

Those of HashiCorp's chart 1.4 have the same names and meanings, so that its values files keep working; how to change
over is in [Install with Helm](../../how-to/install-with-helm.md). A value that the schema does not know is refused.
"""


def page() -> str:
    """The page: a section for each top-level key, a row for each key that takes a value."""
    parts = [generated("deploy/chart/values.yaml") + _INTRODUCTION]
    top = values()
    parts += _section("Names", "", [one for one in top if not one.children])
    for one in top:
        if one.path == ("controller",):
            own = [child for child in one.children if child.path[-1] != "manager"]
            parts += _section("controller", one.comment, own)
            (manager,) = (child for child in one.children if child.path[-1] == "manager")
            parts += _section("controller.manager", manager.comment, list(manager.children))
        elif one.children:
            parts += _section(one.name, one.comment, list(one.children))
    return "\n".join(parts).rstrip() + "\n"


def write(folder: Path) -> None:
    """Write the page into `folder`."""
    (folder / "README.md").write_text(page(), encoding="utf-8")


def _section(title: str, text: str, members: list[Value]) -> list[str]:
    rows = [row for member in members for row in _rows(member)]
    heading = f"## {title if title == 'Names' else f'`{title}`'}\n"
    return [heading, *([f"{text}\n"] if text else []), table(("Key", "Default", "Meaning"), rows)]


def _rows(value: Value) -> list[tuple[str, str, str]]:
    """Rows of its keys; what is said of a group of keys stands with the group."""
    if not value.children:
        return [(f"`{value.name}`", _default(value), _meaning(value))]
    group = [(f"`{value.name}`", "", value.comment)] if value.comment else []
    return [*group, *(row for child in value.children for row in _rows(child))]


def _default(value: Value) -> str:
    if value.default is None:
        return "unset"
    text = value.default if isinstance(value.default, str) and value.default else json.dumps(value.default)
    return f"`{text}`"


def _meaning(value: Value) -> str:
    allowed = value.schema.get("enum") or value.schema.get("items", {}).get("enum")
    names = ", ".join(f"`{one}`" for one in allowed or () if one)
    return " ".join(part for part in (value.comment, f"One of {names}." if names else "") if part)


if __name__ == "__main__":
    write(Path(sys.argv[1]))
