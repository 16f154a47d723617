"""Reading objects from files: forms, lines, and what is refused."""

from pathlib import Path

import pytest
import yaml

from tests.support.command_line import invoke
from vso.cli.kubectl.manifest import Manifest, Unreadable, find_texts, parse, read_manifests, show_member, to_yaml

DOCUMENT = """\
# a comment
apiVersion: v1
kind: Thing
metadata:
  name: one
spec:
  list:
    - first
    - name: second
      text: |
        line one
        line two
      quoted: 'line one'
"""


@pytest.mark.parametrize(
    ("text", "names"),
    [
        (DOCUMENT, ["one"]),
        ("", []),
        ("---\n---\n# nothing\n", []),
        (f"{DOCUMENT}---\n{DOCUMENT}", ["one", "one"]),
        ('{"kind": "Thing", "metadata": {"name": "json"}}', ["json"]),
        ('{\n\t"kind": "Thing",\n\t"metadata": {"name": "tabs"}\n}', ["tabs"]),
        ("kind: List\nitems:\n  - {kind: A, metadata: {name: a}}\n  - {kind: B, metadata: {name: b}}\n", ["a", "b"]),
        ("kind: ThingList\nitems: []\n", []),
        ("kind: A\nmetadata: {name: 2030-01-01}\n", ["2030-01-01"]),
    ],
)
def test_every_form_that_kubectl_takes_is_read(text: str, names: list[str]) -> None:
    """Documents, lists, JSON with tabs; a date stays a text."""
    assert [one.name for one in parse(text)] == names


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("kind: A\n  name: b\n", 2, "no YAML"),
        ("- a\n- b\n", 1, "no object"),
        ("kind: A\n---\njust text\n", 3, "no object"),
        ("spec: {{ .Values.spec }}\n", 1, "no YAML"),
        ('{"kind": "A",\n\t"metadata"\n}', 3, "no JSON"),
        ("a: \x01", 0, "no YAML"),
        ("[" * 5000, 0, "too deep"),
    ],
)
def test_what_is_no_object_is_refused_with_its_line(text: str, line: int, message: str) -> None:
    """A template of a chart, a list, a text."""
    with pytest.raises(Unreadable, match=message) as caught:
        parse(text, "file.yaml")
    assert (caught.value.file, caught.value.line) == ("file.yaml", line)


@pytest.mark.parametrize(
    ("member", "line"),
    [
        ((), 2),
        (("metadata",), 4),
        (("metadata", "name"), 5),
        (("metadata", "absent"), 4),
        (("absent",), 2),
        (("spec", "list", 0), 8),
        (("spec", "list", 1, "text"), 10),
        (("spec", "list", 7), 7),
    ],
)
def test_members_are_found_by_line(member: tuple[str | int, ...], line: int) -> None:
    """What is absent is told by what is around it."""
    assert parse(DOCUMENT)[0].line(member) == line


def test_lines_of_texts_are_lines_of_the_file() -> None:
    """In a block they begin below its sign."""
    (one,) = parse(DOCUMENT)
    assert one.text_line(("spec", "list", 1, "text"), 2) == 12
    assert one.text_line(("spec", "list", 1, "quoted"), 1) == 13
    assert one.text_line(("spec", "absent"), 1) == 0
    assert Manifest(body={}).text_line(("spec",), 1) == 0
    assert Manifest(body={}).line(("spec",)) == 0


def test_lines_within_a_list_are_those_of_the_file() -> None:
    """Of the second item of a List."""
    found = parse("kind: List\nitems:\n  - kind: A\n  - kind: B\n    metadata:\n      name: b\n")
    assert found[1].line(("metadata", "name")) == 6


def test_members_that_stand_twice_are_told_but_not_those_of_a_merge() -> None:
    """YAML would keep the last one without a word."""
    (twice,) = parse("kind: A\nspec:\n  path: a\n  path: b\nkind: A\n")
    assert sorted(twice.repeated()) == [("kind",), ("spec", "path")]
    (merged,) = parse("kind: A\nbase: &base {path: a}\nspec:\n  <<: *base\n  path: b\n")
    assert list(merged.repeated()) == []


def test_members_are_shown_as_people_write_them() -> None:
    """Keys with dots in brackets."""
    assert show_member(("spec", "templates", "a.yaml", "text")) == 'spec.templates["a.yaml"].text'
    assert show_member(("spec", "list", 0, "name")) == "spec.list[0].name"
    assert show_member(()) == ""


def test_folders_give_their_files_and_with_recursion_those_below(tmp_path: Path) -> None:
    """YAML and JSON alone, in the order of their names."""
    for name in ("b.yaml", "a.json", "c.txt", "below/d.yml"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text('{"kind": "A", "metadata": {"name": "' + name + '"}}')
    assert [one.name for one in read_manifests([str(tmp_path)])] == ["a.json", "b.yaml"]
    assert [one.name for one in read_manifests([str(tmp_path)], recursive=True)] == ["a.json", "b.yaml", "below/d.yml"]
    with pytest.raises(Unreadable, match="no such file"):
        list(find_texts([str(tmp_path / "absent")]))
    (tmp_path / "empty").mkdir()
    with pytest.raises(Unreadable, match=r"no \.yaml"):
        list(find_texts([str(tmp_path / "empty")]))
    (tmp_path / "latin.yaml").write_bytes(b"a: \xe4")
    with pytest.raises(Unreadable, match="no UTF-8"):
        list(find_texts([str(tmp_path / "latin.yaml")]))


def test_what_is_written_is_read_back_alike() -> None:
    """Texts of several lines, texts that look like something else, members in their order."""
    documents: list[dict[str, object]] = [
        {"kind": "B", "a": "line one\nline two\n", "list": [{"x": 1}, "yes", "0644", ""], "empty": {}},
        {"kind": "A", "same": ["a"], "again": ["a"]},
    ]
    text = to_yaml(documents)
    assert list(yaml.safe_load_all(text)) == documents
    assert text.startswith("kind: B\na: |\n  line one\n  line two\nlist:\n  - x: 1\n")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("12:30", "12:30"),
        ("8200:10", "8200:10"),
        ("190:20:30.15", "190:20:30.15"),
        ("=", "="),
        ("12e3", 12000.0),
        ("1.5E-1", 0.15),
        ("1e3x", "1e3x"),
        ("0x1f", 31),
        ("yes", True),
    ],
)
def test_a_plain_text_means_what_kubernetes_takes_it_for(text: str, value: object) -> None:
    """Not every implementation of YAML takes the same texts for numbers."""
    [found] = parse(f"a: {text}\n")
    assert found.body == {"a": value}
    assert type(found.body["a"]) is type(value)


@pytest.mark.parametrize("text", ["12e3", "1e-10", "12:30", "=", "yes", "0x1f", "1.5", "null", "2030-01-01"])
def test_a_text_that_looks_like_something_else_is_written_in_quotes(text: str) -> None:
    """Else whoever applies the file would read a number."""
    assert to_yaml([{"a": text}]) in {f"a: '{text}'\n", f'a: "{text}"\n'}


@pytest.mark.parametrize("name", ["x" * 300, "-"])
@pytest.mark.parametrize("command", ["lint", "migrate", "render"])
def test_what_cannot_be_read_at_all_is_told(command: str, name: str) -> None:
    """A name that no file can have, and what is no text, on stdin."""
    answer = invoke(command, "-f", name, text=b"\xff\xfe")
    assert isinstance(answer.exception, SystemExit)
    assert "it cannot be read" in answer.output
