"""`migrate` as a command: what goes to stdout, what to stderr, and the exit codes."""

import json
from pathlib import Path

import pytest
import yaml
from click.testing import Result

from tests.support.command_line import invoke
from vso.cli.kubectl.manifest import parse
from vso.cli.kubectl.migration import SOURCES
from vso.cli.kubectl.migration.draft import duration_of, name_of
from vso.cli.kubectl.migration.target import Engine, target_of

STORE = """\
apiVersion: external-secrets.io/v1
kind: SecretStore
metadata: {name: bao}
spec:
  provider:
    vault:
      server: https://bao.example.org:8200
      path: kv
      auth: {kubernetes: {role: shop, serviceAccountRef: {name: till}}}
"""
SECRET = """\
apiVersion: external-secrets.io/v1
kind: ExternalSecret
metadata: {name: till}
spec:
  secretStoreRef: {name: bao}
  dataFrom: [{extract: {key: till}}]
"""


def migrate(text: str, *args: str) -> Result:
    """Run the command on `text`."""
    return invoke("migrate", "-f", "-", *args, text=text)


def test_the_result_is_yaml_that_can_be_applied() -> None:
    """And lints clean; objects that say no namespace get none."""
    result = migrate(f"{STORE}---\n{SECRET}")
    assert result.exit_code == 0, result.output
    documents = list(yaml.safe_load_all(result.stdout))
    assert [one["kind"] for one in documents] == ["VaultConnection", "VaultAuth", "VaultStaticSecret"]
    assert all("namespace" not in one["metadata"] for one in documents)
    assert result.stderr == "2 converted to 3 objects; 0 not converted, 0 to check\n"
    linted = invoke("lint", "--strict", "-f", "-", text=result.stdout)
    assert linted.exit_code == 0, linted.output


def test_a_namespace_is_given_to_objects_that_say_none() -> None:
    """With -n, as kubectl would."""
    result = migrate(STORE, "-n", "shop", "-o", "json")
    found = json.loads(result.stdout)
    assert found["kind"] == "List"
    assert {one["metadata"]["namespace"] for one in found["items"]} == {"shop"}


def test_what_is_not_converted_is_told_on_stderr_and_fails_with_strict() -> None:
    """File, line, object, member and reason."""
    text = f"{STORE}---\n{SECRET}  target: {{creationPolicy: Merge}}\n"
    result = migrate(text)
    assert result.exit_code == 0
    assert "<stdin>:17: not converted: ExternalSecret till: spec.target.creationPolicy: Merge:" in result.stderr
    assert "1 not converted" in result.stderr
    assert migrate(text, "--strict").exit_code == 1
    assert migrate(f"{STORE}---\n{SECRET}", "--strict").exit_code == 0


def test_a_note_to_check_is_no_failure() -> None:
    """With --strict neither."""
    result = migrate(f"{STORE}---\n{SECRET}  refreshInterval: '0'\n", "--strict")
    assert result.exit_code == 0
    assert "check: ExternalSecret till: spec.refreshInterval" in result.stderr


def test_a_function_that_templates_do_not_have_is_told() -> None:
    """The result is looked at as `lint` would."""
    target = 'target: {template: {data: {x: "{{ .a | toYaml }}"}}}'
    result = migrate(f"{STORE}---\n{SECRET}  {target}\n", "--strict")
    assert result.exit_code == 1
    assert 'function "toYaml" not defined' in result.stderr


def test_other_objects_are_passed_over() -> None:
    """So that a whole cluster can be piped in."""
    result = migrate("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n")
    assert (result.exit_code, result.stdout) == (0, "")
    assert "0 converted to 0 objects" in result.stderr


def test_wrong_usage_and_unreadable_files_are_told(tmp_path: Path) -> None:
    """Exit codes 2 and 1."""
    assert invoke("migrate").exit_code == 2
    result = migrate("{{ chart }}: {{ x }}\n")
    assert result.exit_code == 1
    assert "<stdin>:1: this is no YAML" in result.stderr
    result = invoke("migrate", str(tmp_path / "absent"))
    assert result.exit_code == 1


def test_each_row_of_the_table_has_a_name_of_its_own() -> None:
    """And at most one row is about an object."""
    assert len({one.name for one in SOURCES}) == len(SOURCES)
    for text in (STORE, SECRET):
        (manifest,) = parse(text)
        assert len([one for one in SOURCES if one.matches(manifest)]) == 1


@pytest.mark.parametrize(
    ("text", "expected"),
    [("90s", "90s"), ("1h30m", "90m"), ("2h0m", "2h"), ("1.5h", "90m"), ("500ms", "0.5s"), ("0", "0s"), ("24h", "24h")],
)
def test_durations_are_brought_into_the_form_of_the_api(text: str, expected: str) -> None:
    """One number, one unit."""
    assert duration_of(text) == expected


@pytest.mark.parametrize("text", ["-1s", "soon", "1d", ""])
def test_what_is_no_duration_is_refused(text: str) -> None:
    """Negative ones too."""
    with pytest.raises(ValueError, match="invalid duration"):
        duration_of(text)


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        (("a", "", "B_c"), "a-b-c"),
        (("",), "vault"),
        (("x" * 300,), "x" * 253),
        (("db.env",), "db.env"),
        (("-a-",), "a"),
    ],
)
def test_names_are_such_as_kubernetes_takes(parts: tuple[str, ...], expected: str) -> None:
    """Whatever they are made of."""
    assert name_of(*parts) == expected


@pytest.mark.parametrize(
    ("path", "engine", "mount", "below"),
    [
        ("secret/data/a/b", Engine.KV_2, "secret", "a/b"),
        ("/v1/team/kv/data/a", Engine.KV_2, "team/kv", "a"),
        ("kv/a", Engine.KV_1, "kv", "a"),
        ("db/creds/r", Engine.LEASED, "db", "creds/r"),
        ("team/db/creds/r", Engine.LEASED, "team/db", "creds/r"),
        ("aws/sts/r", Engine.LEASED, "aws", "sts/r"),
        ("db/static-creds/r", Engine.STATIC, "db", "static-creds/r"),
        ("ldap/static-cred/r", Engine.STATIC, "ldap", "static-cred/r"),
        ("pki/issue/web", Engine.PKI, "pki", "web"),
    ],
)
def test_paths_are_taken_apart(path: str, engine: Engine, mount: str, below: str) -> None:
    """Into mount and what is below it; only a key-value path without data/ is a guess."""
    found = target_of(path)
    assert (found.engine, found.mount, found.path) == (engine, mount, below)
    assert found.certain == (engine is not Engine.KV_1)


@pytest.mark.parametrize("path", ["", "/", "alone", "alone/"])
def test_a_path_without_a_mount_is_refused(path: str) -> None:
    """There is nothing to read."""
    with pytest.raises(ValueError, match="no mount and path"):
        target_of(path)
