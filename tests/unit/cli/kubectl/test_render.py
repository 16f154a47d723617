"""`render`: the Secret that a resource makes of given data, with the real engine and without a cluster."""

import json
from base64 import b64decode
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import Result
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.support.command_line import invoke

SECRET = "s3cr3t-value"


def resource(kind: str, name: str = "app", *, transformation: Any = None, **more: Any) -> dict[str, Any]:
    """A resource of `kind` with the members that it must have."""
    own = {
        "VaultStaticSecret": {"mount": "kv", "path": "app", "type": "kv-v2"},
        "VaultDynamicSecret": {"mount": "database", "path": "creds/app"},
        "VaultPKISecret": {"mount": "pki", "role": "web"},
    }[kind]
    destination = {"name": f"{name}-secret", "create": True, "transformation": transformation or {}}
    return {
        "apiVersion": "secrets.hashicorp.com/v1beta1",
        "kind": kind,
        "metadata": {"name": name, "namespace": "shop", "labels": {"team": "web"}},
        "spec": {**own, "destination": destination, **more},
    }


def shared(name: str, **spec: Any) -> dict[str, Any]:
    """A SecretTransformation."""
    return {
        "apiVersion": "secrets.hashicorp.com/v1beta1",
        "kind": "SecretTransformation",
        "metadata": {"name": name, "namespace": "shop"},
        "spec": spec,
    }


class Desk:
    """Runs the command on files in one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def run(self, *objects: Mapping[str, Any], data: Any = None, args: tuple[str, ...] = ()) -> Result:
        """What the command prints for `objects` and `data`."""
        file = self.folder / "objects.yaml"
        file.write_text(yaml.safe_dump_all(objects))
        given: tuple[str, ...] = ()
        if data is not None:
            answer = self.folder / "answer"
            answer.write_text(data if isinstance(data, str) else json.dumps(data))
            given = ("--data", str(answer))
        return invoke("render", "-f", str(file), *given, *args)

    def secret(self, *objects: Mapping[str, Any], data: Any = None, args: tuple[str, ...] = ()) -> dict[str, bytes]:
        """The data of the Secret."""
        result = self.run(*objects, data=data, args=(*args, "-o", "json", "--reveal"))
        assert result.exit_code == 0, result.output
        return {key: b64decode(value) for key, value in json.loads(result.stdout)["data"].items()}


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    """A folder to work in."""
    return Desk(tmp_path)


FIELDS = {"user": "alice", "port": 5432}


@pytest.mark.parametrize(
    ("data", "raw"),
    [
        (FIELDS, {"data": FIELDS, "metadata": {}}),
        ("user: alice\nport: 5432\n", {"data": FIELDS, "metadata": {}}),
        ("{user: alice, port: 5432}", {"data": FIELDS, "metadata": {}}),
        ({"data": FIELDS, "metadata": {"version": 3}}, {"data": FIELDS, "metadata": {"version": 3}}),
        (
            {"request_id": "1", "data": {"data": FIELDS, "metadata": {"version": 3}}, "wrap_info": None},
            {"data": FIELDS, "metadata": {"version": 3}},
        ),
    ],
)
def test_data_may_be_fields_or_an_answer_of_vault(desk: Desk, data: Any, raw: Any) -> None:
    """As JSON and as YAML; the raw copy is Vault's whole data member (behaviour.md 8.5)."""
    made = desk.secret(resource("VaultStaticSecret"), data=data)
    assert (made["user"], made["port"]) == (b"alice", b"5432")
    assert json.loads(made["_raw"]) == raw


def test_fields_called_data_and_metadata_stay_fields_for_kv_v1(desk: Desk) -> None:
    """Only kv-v2 answers in that form."""
    made = desk.secret(resource("VaultStaticSecret", type="kv-v1"), data={"data": {"a": 1}, "metadata": {}})
    assert made["data"] == b'{"a":1}'


def test_number_literals_of_json_are_kept(desk: Desk) -> None:
    """As Vault wrote them, twenty digits and all."""
    made = desk.secret(resource("VaultStaticSecret"), data='{"long": 12345678901234567890, "float": 1.0, "exp": 1e3}')
    assert (made["long"], made["float"], made["exp"]) == (b"12345678901234567890", b"1.0", b"1e3")


def test_a_date_in_yaml_stays_a_text(desk: Desk) -> None:
    """As in Vault, which knows no dates."""
    assert desk.secret(resource("VaultStaticSecret"), data="day: 2030-01-31\n")["day"] == b"2030-01-31"


def test_templates_of_the_resource_and_shared_ones_are_rendered_by_the_real_engine(desk: Desk) -> None:
    """With labels and metadata; filters touch source fields alone."""
    transformation = {
        "excludeRaw": True,
        "excludes": [".*"],
        "templates": {"url": {"text": "{{ .Secrets.user }}@{{ .Labels.team }} v{{ .Metadata.version }}"}},
        "transformationRefs": [{"name": "shared"}],
    }
    made = desk.secret(
        resource("VaultStaticSecret", transformation=transformation),
        shared("shared", templates={"upper": {"text": "{{ .Secrets.user | upper }}"}}),
        data={"data": FIELDS, "metadata": {"version": 3}},
    )
    assert made == {"url": b"alice@web v3", "upper": b"ALICE"}


def test_a_dynamic_secret_sees_how_it_was_wrapped(desk: Desk) -> None:
    """`.WrapData` comes with Vault's whole answer."""
    transformation = {"excludeRaw": True, "templates": {"ttl": {"text": "{{ .WrapData.ttl }}"}}}
    answer = {"request_id": "1", "data": {"password": "p"}, "wrap_info": {"ttl": 300}}
    made = desk.secret(resource("VaultDynamicSecret", transformation=transformation), data=answer)
    assert made == {"password": b"p", "ttl": b"300"}


def test_an_answer_that_is_no_json_becomes_the_key_that_rawresponse_names(desk: Desk) -> None:
    """As a chain of certificates does (D04)."""
    wanted = resource("VaultDynamicSecret", extensions={"rawResponse": {"key": "ca.crt"}})
    made = desk.secret(wanted, data="-----BEGIN CERTIFICATE-----\n", args=("--exclude-raw",))
    assert made == {"ca.crt": b"-----BEGIN CERTIFICATE-----\n"}


def test_a_certificate_becomes_a_tls_secret(desk: Desk) -> None:
    """With the keys that the operator adds (behaviour.md 7.4)."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "web")])
    begin = datetime(2026, 1, 1, tzinfo=UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), 1, begin, begin + timedelta(days=1))
        .sign(key, hashes.SHA256())
        .public_bytes(serialization.Encoding.PEM)
        .decode()
    )
    answer = {"serial_number": "01", "certificate": certificate, "private_key": "key", "issuing_ca": certificate}
    wanted = resource("VaultPKISecret", transformation={"excludeRaw": True, "includes": ["serial_number"]})
    wanted["spec"]["destination"]["type"] = "kubernetes.io/tls"
    made = desk.secret(wanted, data=answer)
    assert made.keys() == {"serial_number", "tls.crt", "tls.key", "ca.crt"}
    assert desk.run(wanted, data=answer).stdout.count("certificate") == 3
    result = desk.run(wanted, data={"serial_number": "01"})
    assert result.exit_code == 1
    assert "private_key cannot be empty" in result.stderr


def test_values_are_hidden_unless_asked_for(desk: Desk) -> None:
    """In the table and in a manifest, which no server would take like that."""
    wanted = resource("VaultStaticSecret", transformation={"templates": {"made": {"text": "{{ .Secrets.user }}"}}})
    for args in ((), ("-o", "yaml"), ("-o", "json")):
        result = desk.run(wanted, data={"user": SECRET}, args=args)
        assert result.exit_code == 0
        assert SECRET not in result.output
        assert "(hidden)" in result.output
    assert SECRET in desk.run(wanted, data={"user": SECRET}, args=("--reveal",)).stdout


def test_the_table_says_where_keys_come_from(desk: Desk) -> None:
    """Vault, a template, the raw copy; values are printed as they are, brackets too."""
    wanted = resource("VaultStaticSecret", transformation={"templates": {"made": {"text": "[red]x"}}})
    result = desk.run(wanted, data={"user": "[bold]a"}, args=("--reveal",))
    rows = {line.split()[0]: line.split()[1:] for line in result.stdout.splitlines()[2:]}
    assert rows["user"] == ["Vault", "7", "[bold]a"]
    assert rows["made"] == ["template", "6", "[red]x"]
    assert rows["_raw"][:2] == ["raw", "copy"]


def test_the_manifest_is_the_secret_that_the_operator_writes(desk: Desk) -> None:
    """Labels of the owner on top; with create: false nothing but the data is told."""
    wanted = resource("VaultStaticSecret")
    wanted["spec"]["destination"] |= {"labels": {"a": "b"}, "annotations": {"c": "d"}, "type": "x/y"}
    made = json.loads(desk.run(wanted, data={}, args=("-o", "json")).stdout)
    assert made["metadata"] == {
        "name": "app-secret",
        "namespace": "shop",
        "labels": {
            "a": "b",
            "app.kubernetes.io/managed-by": "hashicorp-vso",
            "app.kubernetes.io/name": "vault-secrets-operator",
            "app.kubernetes.io/component": "secret-sync",
        },
        "annotations": {"c": "d"},
    }
    assert made["type"] == "x/y"
    wanted["spec"]["destination"]["create"] = False
    result = desk.run(wanted, data={}, args=("-o", "json"))
    assert json.loads(result.stdout).keys() == {"apiVersion", "kind", "metadata", "data"}
    assert "destination.create is false" in result.stderr


@pytest.mark.parametrize(
    ("transformation", "data", "said"),
    [
        ({"templates": {"k": {"text": "one\n{{ nope }}"}}}, {}, r'shop/app/k:2: function "nope" not defined'),
        ({"templates": {"k": {"text": "\n\n{{ fail .Secrets.user }}"}}}, {"user": SECRET}, "shop/app/k:3"),
        ({"templates": {"k": {"text": "{{ range 1000000000000 }}{{ end }}"}}}, {}, "budget exceeded"),
        ({"templates": {"k": {"text": "{{ template `gone` }}"}}}, {}, "gone"),
        ({"includes": ["("]}, {"a": "b"}, "missing )"),
        ({"transformationRefs": [{"name": "gone"}]}, {}, "SecretTransformation shop/gone does not exist"),
        ({}, {"_raw": "x"}, "excludeRaw"),
        ({}, {"not a key": "x"}, "does not allow these key names"),
        ({}, "just text", "no JSON or YAML object"),
        ({}, "{", "neither JSON nor YAML"),
        ({}, "[1]", "no JSON or YAML object"),
        ({}, "a: [", "neither JSON nor YAML"),
    ],
)
def test_what_makes_no_secret_is_said_without_a_value(desk: Desk, transformation: Any, data: Any, said: str) -> None:
    """Template and line, pattern, key, reference; exit code 1."""
    result = desk.run(resource("VaultStaticSecret", transformation=transformation), data=data)
    assert result.exit_code == 1, result.output
    assert said in result.stderr
    assert SECRET not in result.output


@pytest.mark.parametrize(
    ("args", "code", "said"),
    [
        ((), 2, "VaultStaticSecret/app, VaultDynamicSecret/app"),
        (("other",), 1, "no resource called other"),
        (("vds/app",), 0, "app-secret"),
        (("VaultStaticSecret/app",), 0, "app-secret"),
        (("configmap/app",), 2, "KIND is one of VaultStaticSecret (vss)"),
        (("vss/app", "--data", "-", "-f", "-"), 2, "only one of"),
        (("vss/app", "--data", "/nowhere/at/all"), 1, "no such file"),
    ],
)
def test_one_of_several_resources_is_named(desk: Desk, args: tuple[str, ...], code: int, said: str) -> None:
    """By name, or by kind and name."""
    result = desk.run(resource("VaultStaticSecret"), resource("VaultDynamicSecret"), args=args)
    assert result.exit_code == code, result.output
    assert said in result.output


def test_without_data_the_secret_is_taken_to_be_empty_and_that_is_said(desk: Desk) -> None:
    """Enough to see whether templates work."""
    for kind in ("VaultStaticSecret", "VaultDynamicSecret", "VaultPKISecret"):
        result = desk.run(resource(kind, transformation={"templates": {"k": {"text": "{{ .Secrets.user }}"}}}))
        assert result.exit_code == 0, result.output
        assert "taken to be empty" in result.stderr


def test_what_only_the_operator_can_do_is_said(desk: Desk) -> None:
    """Keystores, chance."""
    keystore = {"format": "jks", "key": "a.jks", "passwordSecretRef": {"name": "p", "key": "p"}}
    result = desk.run(resource("VaultPKISecret", extensions={"keystores": [keystore]}))
    assert "keystores are left out" in result.stderr
    transformation = {"templates": {"k": {"text": "{{ htpasswd `a` `b` }}"}}}
    result = desk.run(resource("VaultStaticSecret", transformation=transformation))
    assert "draws by chance" in result.stderr


def test_a_resource_that_is_not_whole_is_refused(desk: Desk) -> None:
    """Members of another type, missing members, an empty destination."""
    wanted = resource("VaultStaticSecret", mount=5)
    assert "another type" in desk.run(wanted).stderr
    wanted = resource("VaultStaticSecret", mount="")
    assert "spec.mount" in desk.run(wanted).stderr
    wanted = resource("VaultStaticSecret")
    wanted["spec"]["destination"] = {"create": True}
    assert "spec.destination.name is empty" in desk.run(wanted).stderr


def test_a_command_without_anything_to_render_is_wrong_usage() -> None:
    """Exit code 2."""
    result = invoke("render")
    assert result.exit_code == 2
    assert "name a resource" in result.output
