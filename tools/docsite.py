"""Hooks of mkdocs: what the site has beyond the folder docs/. Not a script; `mkdocs.yml` names it.

- A folder in the navigation becomes the list of its pages, so a new page needs no entry.
- Links that leave docs/ work: the file that they lead to becomes a page too, as it is if it is Markdown, else as a
  block of code. Such a page is reached by links alone, unless the navigation names it.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from posixpath import dirname, join, normpath, relpath
from typing import Any, Final

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files, InclusionLevel
from mkdocs.structure.pages import Page

DOCS: Final = "docs"
PROJECT: Final = {
    "README.md": "project/readme.md",
    "CONTRIBUTING.md": "project/contributing.md",
    "SECURITY.md": "project/security.md",
    "CHANGELOG.md": "project/changelog.md",
}
"""Files of the repository's root that the navigation names -> their place in the site."""
_LINK: Final = re.compile(r"(?<=\]\()([^)\s#]+)(#[^)\s]*)?(?=\))")
_FENCE: Final = re.compile(r"^([ ]*)(`{3,}|~{3,}).*?^\1\2`*[ ]*$", re.MULTILINE | re.DOTALL)
_HEADING: Final = re.compile(r"^# (.+)$", re.MULTILINE)
_FIRST_COMMENT: Final = re.compile(r"\A<!--.*?-->\n+", re.DOTALL)
_OWN_ADDRESS: Final = re.compile(r"[a-z]+:|/")
_LANGUAGES: Final = {".py": "python", ".yaml": "yaml", ".yml": "yaml", ".toml": "toml", ".sh": "sh", ".go": "go"}
_LINKED: Final = "---\nsearch: {exclude: true}\n---\n\n"


def on_config(config: MkDocsConfig) -> None:
    """Replace each folder in the navigation by its pages."""
    config.nav = [_expanded(entry, Path(config.docs_dir)) for entry in config.nav or []]


def on_files(files: Files, config: MkDocsConfig) -> None:
    """Add the pages of the root, and whatever pages link to outside of docs/."""
    for origin, place in PROJECT.items():
        files.append(File.generated(config, place, content=Path(origin).read_text(encoding="utf-8")))
    # The list grows while it is walked: a file that is linked to may link to others.
    queue = [file for file in files if file.is_documentation_page()]
    for file in queue:
        for target in _targets(file.content_string, _origin(file.src_uri)):
            place = _place(target)
            if target.startswith(f"{DOCS}/") or files.get_file_from_path(place) or not Path(target).is_file():
                continue
            page = File.generated(config, place, content=_as_page(target), inclusion=InclusionLevel.NOT_IN_NAV)
            files.append(page)
            queue.append(page)


def on_page_markdown(markdown: str, page: Page, **_: Any) -> str:
    """Turn links between files of the repository into links between pages of the site.

    A comment before the heading goes, since a page whose first element is no heading has no title.
    """
    markdown = _FIRST_COMMENT.sub("", markdown)
    here = page.file.src_uri
    origin = _origin(here)

    def turned(match: re.Match[str]) -> str:
        if _OWN_ADDRESS.match(match[1]):
            return match[0]
        return relpath(_place(_resolved(match[1], origin)), dirname(here)) + (match[2] or "")

    return "".join(text if is_code else _LINK.sub(turned, text) for text, is_code in _parts(markdown))


def _expanded(entry: Any, docs: Path) -> Any:
    if not isinstance(entry, dict):
        return entry
    return {
        title: _pages(docs, value) if isinstance(value, str) and value.endswith("/") else value
        for title, value in entry.items()
    }


def _pages(docs: Path, folder: str) -> list[Any]:
    """The pages of `folder`, and each folder below it that has pages as a section of its own."""
    index = f"{folder}README.md"
    targets = _targets((docs / index).read_text(encoding="utf-8"), f"{DOCS}/{index}")
    linked = dict.fromkeys(Path(relpath(one, f"{DOCS}/{folder}")).parts[0] for one in targets)
    rank = {name: at for at, name in enumerate(linked)}
    names = [one.name for one in (docs / folder).iterdir() if one.suffix == ".md" or (one / "README.md").is_file()]
    names.remove("README.md")
    pages: list[Any] = [index]
    for name in sorted(names, key=lambda one: (rank.get(one, len(rank)), one)):
        below = f"{folder}{name}"
        pages.append(below if name.endswith(".md") else {_title(docs / below / "README.md"): _pages(docs, f"{below}/")})
    return pages


def _title(page: Path) -> str:
    found = _HEADING.search(page.read_text(encoding="utf-8"))
    return found[1] if found else page.parent.name


def _parts(markdown: str) -> Iterator[tuple[str, bool]]:
    """The text in pieces, each with whether it is a block of code."""
    end = 0
    for fence in _FENCE.finditer(markdown):
        yield markdown[end : fence.start()], False
        yield fence[0], True
        end = fence.end()
    yield markdown[end:], False


def _targets(markdown: str, origin: str) -> Iterator[str]:
    """The files of the repository that a file links to."""
    for text, is_code in _parts(markdown):
        if not is_code:
            yield from (_resolved(link[1], origin) for link in _LINK.finditer(text) if not _OWN_ADDRESS.match(link[1]))


def _resolved(link: str, origin: str) -> str:
    return normpath(join(dirname(origin), link))


def _origin(place: str) -> str:
    """The file of the repository that a page of the site comes from."""
    for origin, known in PROJECT.items():
        if place == known:
            return origin
    if place.startswith("source/"):
        return place.removeprefix("source/").removesuffix(".page.md")
    return f"{DOCS}/{place}"


def _place(origin: str) -> str:
    """The page of the site, or other file of it, that a file of the repository becomes."""
    if origin.startswith(f"{DOCS}/"):
        return origin.removeprefix(f"{DOCS}/")
    return PROJECT.get(origin, f"source/{origin}.page.md")


def _as_page(origin: str) -> str:
    text = Path(origin).read_text(encoding="utf-8")
    if origin.endswith(".md"):
        return _LINKED + text
    language = _LANGUAGES.get(Path(origin).suffix, "text")
    return f"{_LINKED}# {origin}\n\n````{language}\n{text.rstrip()}\n````\n"
