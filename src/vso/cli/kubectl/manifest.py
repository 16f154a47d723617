"""Objects in files: what they say, and on which line they say it.

Reads YAML and JSON as kubectl does (several documents, lists, folders, ``-`` for stdin) and writes YAML. Knows no kind:
`subject` makes structs of what is found here.
"""

import json
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import yaml

Member = tuple[str | int, ...]
"""Where a value is in an object: names of members, and positions in lists."""

STDIN: Final = "-"
_SUFFIXES: Final = frozenset({".yaml", ".yml", ".json"})
_WIDTH: Final = 1000
"""Lines are folded beyond that: a folded template is hard to read."""
_JSON: Final = re.compile(r'\s*\{\s*["}]')
_PLAIN: Final = re.compile(r"[A-Za-z0-9_-]+")
_TEXT, _FLOAT = "tag:yaml.org,2002:str", "tag:yaml.org,2002:float"
_NOT_THERE: Final = frozenset({"tag:yaml.org,2002:timestamp", "tag:yaml.org,2002:value"})
"""Meanings that a plain text has for PyYAML alone: ``2030-01-01`` is a date, and ``=`` a thing of its own."""
_EXPONENT: Final = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)[eE][-+]?[0-9]+$")
_FIRST_OF_NUMBER: Final = list("-+.0123456789")


class Unreadable(Exception):
    """A file that cannot be taken for objects; `line` is 0 if it is about the whole file."""

    def __init__(self, message: str, *, file: str, line: int = 0) -> None:
        super().__init__(message)
        self.file = file
        self.line = line


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """One object as it stands in `file`; `body` is JSON-like."""

    body: Mapping[str, Any]
    file: str = ""
    node: yaml.Node | None = field(default=None, repr=False, compare=False)

    def text(self, *member: str | int) -> str:
        """The text at `member`; empty if there is none."""
        found = dig(self.body, *member)
        return found if isinstance(found, str) else ""

    @property
    def api_version(self) -> str:
        """Group and version."""
        return self.text("apiVersion")

    @property
    def group(self) -> str:
        """The group alone; empty for that of the core."""
        group, slash, _ = self.api_version.partition("/")
        return group if slash else ""

    @property
    def kind(self) -> str:
        """The kind."""
        return self.text("kind")

    @property
    def name(self) -> str:
        """`metadata.name`."""
        return self.text("metadata", "name")

    @property
    def namespace(self) -> str:
        """`metadata.namespace`; empty if it is left to whoever applies the file."""
        return self.text("metadata", "namespace")

    def line(self, member: Member = ()) -> int:
        """The line of `member`, or of the nearest member around it that is there; 0 if unknown."""
        node, line = self.node, 0
        if node is None:
            return 0
        line = node.start_mark.line + 1
        for step in member:
            found = _child(node, step)
            if found is None:
                break
            place, node = found
            line = place.start_mark.line + 1
        return line

    def text_line(self, member: Member, line: int) -> int:
        """The line in the file on which line `line` of the text at `member` stands; 0 if unknown."""
        node = self.node
        for step in member:
            found = None if node is None else _child(node, step)
            if found is None:
                return 0
            node = found[1]
        if node is None:
            return 0
        block = isinstance(node, yaml.ScalarNode) and node.style in {"|", ">"}
        return node.start_mark.line + line + (1 if block else 0)

    def repeated(self) -> Iterator[Member]:
        """Members that stand twice in one mapping, of which YAML would silently keep the last."""
        if self.node is not None:
            yield from _repeated(self.node, (), set())


def dig(value: Any, *member: str | int) -> Any:
    """What is at `member` of a JSON-like value; None if it is not there."""
    for step in member:
        if isinstance(step, str) and isinstance(value, Mapping):
            value = value.get(step)
        elif isinstance(step, int) and isinstance(value, list) and step < len(value):
            value = value[step]
        else:
            return None
    return value


def mapping(value: Any, *member: str | int) -> Mapping[str, Any]:
    """The mapping at `member`; empty if there is none."""
    found = dig(value, *member)
    return found if isinstance(found, Mapping) else {}


def items(value: Any, *member: str | int) -> list[Any]:
    """The list at `member`; empty if there is none."""
    found = dig(value, *member)
    return found if isinstance(found, list) else []


def blocks(value: Any, *member: str | int) -> list[Mapping[str, Any]]:
    """The mappings in the list at `member`; what else it has is passed over."""
    return [one for one in items(value, *member) if isinstance(one, Mapping)]


def number(value: Any) -> int:
    """`value` as a whole number; 0 if it is none."""
    text = str(value)
    return int(text) if text.isascii() and text.isdecimal() else 0


def show_member(member: Member) -> str:
    """`member` as people write it: ``spec.destination.transformation.includes[0]``."""
    text = ""
    for step in member:
        if isinstance(step, int):
            text += f"[{step}]"
        elif not _PLAIN.fullmatch(step):
            text += f"[{json.dumps(step)}]"
        else:
            text += f".{step}" if text else step
    return text


def find_texts(names: Sequence[str], *, recursive: bool = False) -> Iterator[tuple[str, str]]:
    """Name and text of each file that `names` lead to: files, folders, ``-`` for stdin. Raises Unreadable."""
    for name in names:
        if name == STDIN:
            yield "<stdin>", _read_stdin()
            continue
        for one in _files(name, recursive=recursive):
            yield str(one), _read(one)


def parse(text: str, file: str = "") -> list[Manifest]:
    """The objects in `text`; those within a List are taken out of it. Raises Unreadable."""
    try:
        return [one for body, node in _documents(text) for one in _objects(body, file=file, node=node)]
    except yaml.MarkedYAMLError as exc:
        mark = exc.problem_mark or exc.context_mark
        if _JSON.match(text):  # it may have tabs, YAML may not
            return _parse_json(text, file)
        what = " ".join(part for part in (exc.context, exc.problem) if part)
        raise Unreadable(f"this is no YAML: {what}", file=file, line=mark.line + 1 if mark else 0) from exc
    except (yaml.YAMLError, ValueError) as exc:
        raise Unreadable(f"this is no YAML: {exc}", file=file) from exc
    except RecursionError:
        raise Unreadable("this is nested too deep", file=file) from None


def load(text: str) -> Any:
    """The one value in `text`, as Kubernetes reads YAML. Raises yaml.YAMLError."""
    loader = _Loader(text)
    try:
        return _json_like(loader.get_single_data())
    finally:
        loader.dispose()


def read_manifests(names: Sequence[str], *, recursive: bool = False) -> list[Manifest]:
    """All objects of the files `names`. Raises Unreadable for the first file that has something else."""
    return [one for file, text in find_texts(names, recursive=recursive) for one in parse(text, file)]


def to_yaml(documents: Sequence[Mapping[str, Any]]) -> str:
    """`documents` as one YAML stream, long texts as blocks, members in their order."""
    return "---\n".join(
        yaml.dump(one, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=_WIDTH, default_flow_style=False)
        for one in documents
    )


class _Loader(yaml.SafeLoader):
    """YAML as Kubernetes reads it: dates and times are texts."""


def _but_times(pattern: re.Pattern[str]) -> re.Pattern[str]:
    """`pattern` of a plain text, not taking ``12:30`` for a number to the base of 60."""
    return re.compile(rf"(?!.*:)(?:{pattern.pattern})", pattern.flags)


_Loader.yaml_implicit_resolvers = {
    first: [(tag, _but_times(pattern)) for tag, pattern in found if tag not in _NOT_THERE]
    for first, found in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver(_FLOAT, _EXPONENT, _FIRST_OF_NUMBER)


class _Dumper(yaml.SafeDumper):
    """Texts of several lines as blocks, lists indented, no anchors."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002 - PyYAML's signature
        return True

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:  # noqa: ARG002, FBT001, FBT002
        super().increase_indent(flow, indentless=False)


def _write_text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar(_TEXT, text, style="|" if "\n" in text else None)


_Dumper.add_representer(str, _write_text)
_Dumper.add_implicit_resolver(_FLOAT, _EXPONENT, _FIRST_OF_NUMBER)  # so that such a text is put in quotes


def _read_stdin() -> str:
    try:
        return sys.stdin.read()
    except UnicodeDecodeError as exc:
        raise Unreadable("it cannot be read: it is no UTF-8 text", file="<stdin>") from exc


def _files(name: str, *, recursive: bool) -> list[Path]:
    """The file `name`, or those in the folder `name`."""
    path = Path(name)
    try:
        if not path.is_dir():
            return [path]
        inside = path.rglob("*") if recursive else path.iterdir()
        found = sorted(one for one in inside if one.suffix in _SUFFIXES and one.is_file())
    except OSError as exc:
        raise Unreadable(f"it cannot be read: {exc.strerror}", file=name) from exc
    if not found:
        raise Unreadable("the folder has no .yaml, .yml or .json file", file=name)
    return found


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise Unreadable("there is no such file or folder", file=str(path)) from None
    except (OSError, UnicodeDecodeError) as exc:
        reason = exc.strerror if isinstance(exc, OSError) else "it is no UTF-8 text"
        raise Unreadable(f"it cannot be read: {reason}", file=str(path)) from exc


def _documents(text: str) -> Iterator[tuple[Any, yaml.Node | None]]:
    loader = _Loader(text)
    try:
        while loader.check_node():
            node = loader.get_node()
            body = _json_like(loader.construct_document(node))
            if body is not None:
                yield body, node
    finally:
        loader.dispose()


def _parse_json(text: str, file: str) -> list[Manifest]:
    try:
        return _objects(json.loads(text), file=file, node=None)
    except ValueError as exc:
        line = exc.lineno if isinstance(exc, json.JSONDecodeError) else 0
        raise Unreadable(f"this is no JSON: {exc}", file=file, line=line) from exc


def _objects(body: Any, *, file: str, node: yaml.Node | None) -> list[Manifest]:
    if not isinstance(body, dict):
        line = node.start_mark.line + 1 if node else 0
        raise Unreadable("this is no object: write apiVersion, kind and metadata", file=file, line=line)
    if not (str(body.get("kind", "")).endswith("List") and isinstance(body.get("items"), list)):
        return [Manifest(body=body, file=file, node=node)]
    found: list[Manifest] = []
    for at, one in enumerate(body["items"]):
        inner = None
        for step in ("items", at):
            child = _child(node if inner is None else inner, step) if node is not None else None
            inner = child[1] if child else None
        found += _objects(one, file=file, node=inner)
    return found


def _json_like(value: Any) -> Any:
    """With texts for keys, as in JSON."""
    if isinstance(value, dict):
        return {_key(key): _json_like(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_json_like(item) for item in value]
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return value


def _key(key: Any) -> str:
    if isinstance(key, str):
        return key
    return str(key).lower() if isinstance(key, bool) else str(key)


def _child(node: yaml.Node | None, step: str | int) -> tuple[yaml.Node, yaml.Node] | None:
    """Where `step` of `node` begins, and its value."""
    if isinstance(node, yaml.MappingNode):
        # The last one counts, as in the value.
        for key, value in reversed(node.value):
            if key.value == step:
                return key, value
    if isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
        return node.value[step], node.value[step]
    return None


def _repeated(node: yaml.Node, at: Member, seen: set[int]) -> Iterator[Member]:
    if id(node) in seen:
        return
    seen.add(id(node))
    if isinstance(node, yaml.MappingNode):
        names: set[str] = set()
        for key, value in node.value:
            name = str(key.value)
            # What a merge (<<) brought in stands elsewhere, and may be overridden.
            own = node.start_mark.index <= key.start_mark.index <= node.end_mark.index
            if own and name in names:
                yield (*at, name)
            names |= {name} if own else set()
            yield from _repeated(value, (*at, name), seen)
    elif isinstance(node, yaml.SequenceNode):
        for place, value in enumerate(node.value):
            yield from _repeated(value, (*at, place), seen)
