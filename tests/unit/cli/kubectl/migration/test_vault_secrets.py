"""VaultSecrets of ricoberger's operator: what becomes of each field (regressions.md section 4, "From RICO")."""

from base64 import b64encode
from typing import Any

import pytest

from tests.support.migration import Json, data_of, lost, made, migrated, to_check

FIELDS = {"user": "alice", "password": "p@ss", "blob": b64encode(b"\x00\xff").decode()}


def vault_secret(*, metadata: Json | None = None, **spec: Any) -> Json:
    """A VaultSecret."""
    return {
        "apiVersion": "ricoberger.de/v1alpha1",
        "kind": "VaultSecret",
        "metadata": {"name": "till", "namespace": "shop", **(metadata or {})},
        "spec": {"path": "kv/till/db", "type": "Opaque", **spec},
    }


def test_a_vaultsecret_becomes_a_resource_of_its_name() -> None:
    """Whole: labels go to the Secret, as they did."""
    result = migrated(
        vault_secret(metadata={"labels": {"a": "b"}, "annotations": {"c": "d"}}, keys=["user"], version=3)
    )
    assert made(result) == {
        "VaultStaticSecret shop/till": {
            "apiVersion": "secrets.hashicorp.com/v1beta1",
            "kind": "VaultStaticSecret",
            "metadata": {"name": "till", "namespace": "shop"},
            "spec": {
                "mount": "kv",
                "path": "till/db",
                "type": "kv-v2",
                "version": 3,
                "refreshAfter": "60s",
                "destination": {
                    "name": "till",
                    "create": True,
                    "overwrite": True,
                    "type": "Opaque",
                    "labels": {"a": "b"},
                    "annotations": {"c": "d"},
                    "transformation": {"excludeRaw": True, "includes": ["^(user)$"]},
                },
            },
        }
    }
    assert lost(result) == []
    assert [note.partition(":")[0] for note in to_check(result)] == ["spec.path", "spec"]


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({}, {key: value.encode() for key, value in FIELDS.items()}),
        ({"keys": ["user"]}, {"user": b"alice"}),
        ({"keys": ["blob"], "isBinary": True}, {"blob": b"\x00\xff"}),
        ({"templates": {"url": "pg://{% .Secrets.user %}:{% .Secrets.password %}"}}, {"url": b"pg://alice:p@ss"}),
        ({"templates": {"a": "{%- if .Secrets.user -%} yes {%- end %}"}}, {"a": b"yes"}),
        ({"templates": {"a": "{% .Namespace %}/{% .Vault.Path %}"}}, {"a": b"shop/kv/till/db"}),
        ({"templates": {"a": "{{ literal }} {% .Secrets.user %}"}}, {"a": b"{{ literal }} alice"}),
        ({"templates": {"a": "{% range $k, $v := .Secrets %}{% $k %} {% end %}"}}, {"a": b"blob password user "}),
    ],
)
async def test_the_secret_has_the_keys_and_values_that_it_had(spec: Json, expected: Any) -> None:
    """Rendered by the operator's own engine."""
    result = migrated(vault_secret(**spec))
    assert await data_of(result, FIELDS) == expected
    assert lost(result) == []


@pytest.mark.parametrize(
    ("spec", "mount", "path", "type_", "certain"),
    [
        ({"path": "kvv2/a/b"}, "kvv2", "a/b", "kv-v2", False),
        ({"path": "kvv2/data/a"}, "kvv2", "a", "kv-v2", True),
        ({"path": "old/a", "secretEngine": "kv1"}, "old", "a", "kv-v1", True),
        ({"path": "/kv/a/"}, "kv", "a", "kv-v2", False),
    ],
)
def test_mount_and_version_are_taken_from_the_path(
    spec: Json, mount: str, path: str, type_: str, certain: bool
) -> None:
    """With a word where they are a guess."""
    result = migrated(vault_secret(**spec))
    found = made(result)["VaultStaticSecret shop/till"]["spec"]
    assert (found["mount"], found["path"], found["type"]) == (mount, path, type_)
    assert certain == (not any(note.startswith("spec.path") for note in to_check(result)))


def test_a_role_becomes_a_login_of_its_own() -> None:
    """The Vault namespace is that of the secret."""
    result = migrated(vault_secret(vaultRole="till", vaultNamespace="team/a"))
    found = made(result)
    assert found["VaultAuth shop/vault-till"]["spec"]["kubernetes"] == {"role": "till", "serviceAccount": "default"}
    assert found["VaultStaticSecret shop/till"]["spec"]["vaultAuthRef"] == "vault-till"
    assert found["VaultStaticSecret shop/till"]["spec"]["namespace"] == "team/a"
    assert "bound to the other operator's ServiceAccount" in to_check(result)[1]


def test_a_certificate_becomes_a_vaultpkisecret() -> None:
    """With the parameters of the request."""
    options = {"common_name": "www.example.org", "alt_names": "a.example.org, b.example.org", "ttl": "24h"}
    result = migrated(
        vault_secret(path="pki", secretEngine="pki", role="web", engineOptions=options, type="kubernetes.io/tls")
    )
    found = made(result)["VaultPKISecret shop/till"]["spec"]
    assert found["destination"]["type"] == "kubernetes.io/tls"
    expected = {
        "mount": "pki",
        "role": "web",
        "commonName": "www.example.org",
        "altNames": ["a.example.org", "b.example.org"],
        "ttl": "24h",
    }
    assert expected.items() <= found.items()
    assert lost(result) == []


@pytest.mark.parametrize(
    ("spec", "member", "said"),
    [
        ({"reconcileStrategy": "Merge"}, "spec.reconcileStrategy", "as a whole"),
        ({"isBinary": True}, "spec.isBinary", "one by one"),
        ({"path": "alone"}, "spec.path", "no mount and path"),
        ({"path": "pki", "secretEngine": "pki"}, "spec.role", "a role"),
        ({"templates": {"a": "{% .Vault.Address %}"}}, "spec.templates.a", "no counterpart"),
    ],
)
def test_what_has_no_counterpart_is_listed_and_nothing_made(spec: Json, member: str, said: str) -> None:
    """With the member and the reason."""
    result = migrated(vault_secret(**spec))
    (note,) = lost(result)
    assert note.startswith(f"{member}:")
    assert said in note
    assert result.objects == ()


def test_a_field_that_is_not_known_is_listed() -> None:
    """The resource is made."""
    result = migrated(vault_secret(new=1))
    assert lost(result) == ["spec.new: the converter does not know it"]
    assert "VaultStaticSecret shop/till" in made(result)


def test_a_parameter_without_a_counterpart_is_listed() -> None:
    """The resource is made without it."""
    options = {"common_name": "a", "serial_number": "1"}
    result = migrated(vault_secret(path="pki", secretEngine="pki", role="web", engineOptions=options))
    assert "parameter serial_number" in lost(result)[0]
    assert "VaultPKISecret shop/till" in made(result)


def test_templates_of_binary_fields_are_pointed_out() -> None:
    """They see what is in Vault."""
    result = migrated(vault_secret(isBinary=True, templates={"a": "{% .Secrets.blob %}"}))
    assert any("add b64dec" in note for note in to_check(result))


def test_a_template_that_names_the_namespace_needs_one() -> None:
    """Told with -n, if the object does not say."""
    nameless = vault_secret(templates={"a": "{% .Namespace %}"})
    del nameless["metadata"]["namespace"]
    assert "-n" in lost(migrated(nameless))[0]
    assert lost(migrated(nameless, namespace="shop")) == []
