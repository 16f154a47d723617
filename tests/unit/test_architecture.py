"""The diagram of the layers in the documentation, compared with what import-linter checks."""

import re
import tomllib
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
PAGE: Final = ROOT / "docs/explanation/architecture.md"


def contracts() -> list[set[str]]:
    """The layers from top to bottom; those side by side are one set."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
    (layers,) = (one["layers"] for one in settings["contracts"] if one["type"] == "layers")
    return [set(layer.split(" | ")) for layer in layers]


def test_the_diagram_shows_the_layers_that_are_checked() -> None:
    """In the same order, with the same neighbours."""
    (diagram,) = re.findall(r"## Layers.*?```text\n(.*?)```", PAGE.read_text(), re.DOTALL)
    found = re.findall(r"^ +(\w+)(?: +\| +(\w+))? {2,}", diagram, re.MULTILINE)
    assert [{one, other} - {""} for one, other in found] == contracts()


def test_each_layer_of_the_table_is_a_package() -> None:
    """The table says what each knows."""
    rows = re.findall(r"^\| `(\w+)` \|", PAGE.read_text(), re.MULTILINE)
    assert set(rows) == set.union(*contracts())
    assert all((ROOT / "src/vso" / name / "__init__.py").is_file() for name in rows)
