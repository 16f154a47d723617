"""What the generators of reference pages share: the first line, tables, and text that is safe in Markdown."""

import re
from collections.abc import Iterable, Sequence

_HTML = re.compile(r"<(?=[A-Za-z/!])")


def generated(source: str) -> str:
    """The first line of a generated page; not seen by readers of the site."""
    return f"<!-- Generated from {source} by `make generate`; do not edit. -->\n\n"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table, with an empty line after it."""
    lines = [head, ["---"] * len(head), *rows]
    return "".join("| " + " | ".join(_cell(cell) for cell in line) + " |\n" for line in lines) + "\n"


def code(text: object) -> str:
    """Text in the type of code; nothing for nothing."""
    return f"`{text}`" if text != "" else ""


def sentence(text: str) -> str:
    """Text that begins with a capital and ends with a stop, as far as it can."""
    return text[:1].upper() + text[1:].rstrip(".") + "."


def _cell(text: str) -> str:
    return _HTML.sub("&lt;", text.replace("\n", " ").replace("|", "\\|"))
