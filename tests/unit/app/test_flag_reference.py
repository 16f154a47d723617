"""The list of flags."""

from pathlib import Path

from vso.app.flag_reference import write
from vso.app.options import OPTIONS


def test_every_option_stands_in_it_once_with_its_variable(tmp_path: Path) -> None:
    """In one of the tables."""
    write(tmp_path)
    lines = (tmp_path / "flags.md").read_text().splitlines()
    for option in OPTIONS:
        taken = "" if option.boolean else f"={option.metavar}"
        (row,) = [line for line in lines if line.startswith(f"| `{option.switch}{taken}` |")]
        assert f"`{option.variable}`" in row or not option.variable
        assert row.count(" | ") == 3
