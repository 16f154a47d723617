"""The generated schemas against `fields.txt`, and the manifests around them."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Final

import msgspec
import pytest
import yaml

from vso.apis.crd import HEADER, crd, root_schema, to_yaml, write
from vso.apis.field import Field
from vso.apis.kinds import KINDS, Definition
from vso.apis.schema import declared, object_schema

HERE: Final = Path(__file__).parent
CRDS: Final = HERE.parents[2] / "deploy" / "crds"

LABEL: Final = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?"
PATTERNS: Final = {
    "duration": r"^([0-9]+(\.[0-9]+)?(s|m|h))$",
    "duration-or-days": r"^([0-9]+(\.[0-9]+)?(s|m|h|d))$",
    "global-name": r"^([a-z0-9.-]{1,253})$",
    "global-namespace": r"^([a-z0-9-]{1,63})$",
    "condition-type": rf"^({LABEL}(\.{LABEL})*/)?(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])$",
    "condition-reason": r"^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$",
}
TYPES: Final[Mapping[str, Mapping[str, str]]] = {
    "string": {"type": "string"},
    "bool": {"type": "boolean"},
    "int": {"type": "integer"},
    "int64": {"type": "integer", "format": "int64"},
}
NUMBERS: Final = {"min": "minimum", "max": "maximum", "min-length": "minLength", "max-length": "maxLength"}

each_kind = pytest.mark.parametrize("definition", KINDS, ids=lambda definition: definition.name)


def read_table() -> dict[str, list[list[str]]]:
    """Rows of `fields.txt` by block, each row split into words."""
    blocks: dict[str, list[list[str]]] = {}
    rows: list[list[str]] = []
    for line in (HERE / "fields.txt").read_text().splitlines():
        if line.startswith("  "):
            rows.append(line.split())
        elif line and not line.startswith("#"):
            rows = blocks.setdefault(line, [])
    return blocks


TABLE: Final = read_table()


def type_schema(text: str, *, in_status: bool) -> dict[str, Any]:
    """The schema of a type as `fields.txt` writes it."""
    if text.startswith("[]"):
        return {"type": "array", "items": type_schema(text[2:], in_status=in_status)}
    if text.startswith("{}"):
        return {"type": "object", "additionalProperties": type_schema(text[2:], in_status=in_status)}
    if text.startswith("@"):
        return block_schema(text[1:], in_status=in_status)
    return dict(TYPES[text])


def block_schema(name: str, *, in_status: bool) -> dict[str, Any]:
    """The schema of a block of `fields.txt`."""
    schema: dict[str, Any] = {"type": "object", "properties": {}}
    required = sorted(row[0] for row in TABLE[name] if "required" in row)
    if required and not in_status:
        schema["required"] = required
    for field, type_, *facts in TABLE[name]:
        member = schema["properties"][field] = type_schema(type_, in_status=in_status)
        for fact, value in (fact.split("=", 1) for fact in facts if fact != "required"):
            if fact == "enum":
                member["enum"] = value.split(",")
            elif fact == "pattern":
                member["pattern"] = PATTERNS[value]
            elif fact == "default":
                member["default"] = value if type_ == "string" else json.loads(value)
            else:
                member[NUMBERS.get(fact, fact)] = int(value) if fact in NUMBERS else value
    return schema


def without_descriptions(schema: Any) -> Any:
    """`schema` without the texts; each property must have one."""
    if isinstance(schema, list):
        return [without_descriptions(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    bare = {key: without_descriptions(item) for key, item in schema.items() if key != "properties"}
    bare.pop("description", None)
    if "properties" in schema:
        assert all(member["description"] for member in schema["properties"].values())
        bare["properties"] = {name: without_descriptions(member) for name, member in schema["properties"].items()}
    return bare


def struct_of(definition: Definition, name: str) -> type[msgspec.Struct]:
    """The struct of `spec` or `status` of a kind."""
    struct: type[msgspec.Struct] = type(getattr(definition.kind.type(), name))
    return struct


def structs_below(struct: type[msgspec.Struct]) -> Iterator[type[msgspec.Struct]]:
    """`struct` and the structs of its members, at any depth."""
    yield struct
    for member in declared(struct):
        if isinstance(member.type, type) and issubclass(member.type, msgspec.Struct):
            yield from structs_below(member.type)


@each_kind
@pytest.mark.parametrize("part", ["spec", "status"])
def test_a_schema_says_what_the_table_says(definition: Definition, part: str) -> None:
    """Names, types, enumerations, patterns, limits, defaults and required members are those of the contract."""
    schema = root_schema(definition.kind.type)["properties"][part]
    wanted = block_schema(struct_of(definition, part).__name__, in_status=part == "status")
    assert without_descriptions(schema) == wanted


@each_kind
def test_no_member_of_a_status_is_required(definition: Definition) -> None:
    """A status that an older release wrote never keeps its object from being applied (R28)."""
    status = root_schema(definition.kind.type)["properties"]["status"]
    assert '"required"' not in json.dumps(status)


@each_kind
def test_what_the_original_demands_of_a_status_is_always_written(definition: Definition) -> None:
    """Zero values included, so that a status is accepted under the stricter schemas of the original, too."""
    for struct in structs_below(struct_of(definition, "status")):
        encoded = msgspec.to_builtins(struct())
        assert {member.name for member in declared(struct) if member.field.required} <= encoded.keys()


@each_kind
def test_nothing_is_required_at_the_root(definition: Definition) -> None:
    """An object without spec is accepted, as the original accepts it."""
    assert "required" not in root_schema(definition.kind.type)


@each_kind
def test_a_manifest_names_its_kind_as_the_original_does(definition: Definition) -> None:
    """Group, version, scope, names and the subresource are fixed by the objects that are stored."""
    manifest = crd(definition)
    spec = manifest["spec"]
    plural = spec["names"]["plural"]
    assert manifest["metadata"]["name"] == f"{plural}.secrets.hashicorp.com"
    assert spec["scope"] == "Namespaced"
    assert spec["names"]["listKind"] == f"{definition.name}List"
    assert "shortNames" not in spec["names"]
    (version,) = spec["versions"]
    assert (version["name"], version["served"], version["storage"]) == ("v1beta1", True, True)
    assert version["subresources"] == {"status": {}}


COLUMNS: Final = {
    "VaultConnection": "Healthy Ready Age",
    "VaultAuth": "Healthy Ready Age",
    "SecretTransformation": "Healthy Ready Age",
    "VaultStaticSecret": "Synced Healthy Ready Age",
    "VaultDynamicSecret": "Synced Healthy Ready Age",
    "VaultPKISecret": "Synced Healthy Ready Age",
}


@each_kind
def test_kubectl_prints_the_columns_of_the_original(definition: Definition) -> None:
    """Scripts that cut columns out of `kubectl get` keep working."""
    (version,) = crd(definition)["spec"]["versions"]
    columns = version.get("additionalPrinterColumns", [])
    assert [column["name"] for column in columns] == COLUMNS.get(definition.name, "").split()
    paths = {column["name"]: column["jsonPath"] for column in columns}
    if "Synced" in paths:
        assert paths["Synced"] == '.status.conditions[?(@.type == "SecretSynced")].status'
    if paths:
        assert paths["Age"] == ".metadata.creationTimestamp"


FINALIZERS: Final = {
    "VaultConnection": "vaultconnection.secrets.hashicorp.com/finalizer",
    "VaultAuth": "vaultauth.secrets.hashicorp.com/finalizer",
    "VaultStaticSecret": "vaultstaticsecret.secrets.hashicorp.com/finalizer",
    "VaultDynamicSecret": "vaultdynamicsecret.secrets.hashicorp.com/finalizer",
    "VaultPKISecret": "vaultpkisecrets.secrets.hashicorp.com/finalizer",
    "HCPVaultSecretsApp": "hcpvaultsecretsapp.secrets.hashicorp.com/finalizer",
}


@each_kind
def test_a_kind_has_the_finalizer_of_the_original(definition: Definition) -> None:
    """Else a take-over in either direction would leave objects that cannot be deleted."""
    assert definition.finalizer == FINALIZERS.get(definition.name, "")


@each_kind
def test_the_written_yaml_reads_back_as_the_manifest(definition: Definition) -> None:
    """A YAML parser that we did not write sees the same values."""
    manifest = crd(definition)
    assert yaml.safe_load(to_yaml(manifest)) == manifest


@pytest.mark.parametrize(
    "value", ["yes", "1.5", "0x1f", "null", "", " a", "a: b", "- a", "a #b", "*", "ü\n\t", [], {}, [[1], {}]]
)
def test_values_that_yaml_would_misread_are_quoted(value: Any) -> None:
    """Text stays text, whatever it looks like."""
    assert yaml.safe_load(to_yaml({"key": [value, {"other": value}]})) == {"key": [value, {"other": value}]}


def test_the_manifests_in_deploy_are_up_to_date(tmp_path: Path) -> None:
    """`make generate` was run after the last change of a struct."""
    write(tmp_path)
    fresh = {path.name: path.read_text() for path in tmp_path.iterdir()}
    assert {path.name: path.read_text() for path in CRDS.iterdir()} == fresh
    assert all(text.startswith(HEADER) for text in fresh.values())


def test_a_field_without_documentation_is_refused() -> None:
    """A field cannot be added and forgotten in the schema."""

    class Forgotten(msgspec.Struct):
        name: str = ""

    with pytest.raises(TypeError, match=r"Forgotten\.name has no Field"):
        object_schema(Forgotten, enforce_required=True)


def test_a_type_without_schema_is_refused() -> None:
    """What a schema cannot say fails when manifests are generated, not in a cluster."""

    class Odd(msgspec.Struct):
        size: Annotated[float, Field("A number with a fraction.")] = 0.0

    with pytest.raises(TypeError, match="no schema for"):
        object_schema(Odd, enforce_required=True)
