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
    """The pages of `folder`; a folder below it is a section if it has a README.md, else its pages stand among ours."""
    index = f"{folder}README.md"
    linked = dict.fromkeys(_targets((docs / index).read_text(encoding="utf-8"), f"{DOCS}/{index}"))
    rank = {target.removeprefix(f"{DOCS}/"): at for at, target in enumerate(linked)}
    found = sorted(_below(docs, docs / folder), key=lambda page: (rank.get(page, len(rank)), page))
    pages: list[Any] = [index]
    for page in found:
        section = page.endswith("/README.md")
        pages.append({_title(docs / page): _pages(docs, page.removesuffix("README.md"))} if section else page)
    return pages


def _below(docs: Path, folder: Path) -> Iterator[str]:
    """The pages that are listed in a folder, each by its place; of a section its README.md alone."""
    for path in folder.iterdir():
        if path.suffix == ".md" and path.name != "README.md":
            yield str(path.relative_to(docs))
        elif (path / "README.md").is_file():
            yield str((path / "README.md").relative_to(docs))
        elif path.is_dir():
            yield from _below(docs, path)


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
