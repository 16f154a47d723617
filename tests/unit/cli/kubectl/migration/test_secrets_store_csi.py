"""SecretProviderClasses: what becomes of `secretObjects` (regressions.md section 4)."""

from typing import Any

import pytest
import yaml

from tests.support.migration import Json, data_of, lost, made, migrated, to_check

DB = {"objectName": "pw", "secretPath": "kv/data/till", "secretKey": "password"}


def entry(name: str = "pw", key: str = "password") -> Json:
    """An entry of `data`."""
    return {"objectName": name, "key": key}


def a_class(*objects: Json, secrets: list[Json] | None = None, provider: str = "vault", **parameters: str) -> Json:
    """A SecretProviderClass."""
    spec: Json = {
        "provider": provider,
        "parameters": {
            "vaultAddress": "https://bao.example.org:8200",
            "roleName": "till",
            "objects": yaml.safe_dump(list(objects or [DB])),
            **parameters,
        },
        "secretObjects": [{"secretName": "till-db", "type": "Opaque", "data": [entry()]}]
        if secrets is None
        else secrets,
    }
    return {
        "apiVersion": "secrets-store.csi.x-k8s.io/v1",
        "kind": "SecretProviderClass",
        "metadata": {"name": "till", "namespace": "shop"},
        "spec": {key: value for key, value in spec.items() if value != []},
    }


def test_a_secret_object_becomes_a_resource_with_its_login() -> None:
    """Whole: the Secret keeps its name and type."""
    secrets = [
        {
            "secretName": "till-db",
            "type": "Opaque",
            "labels": {"a": "b"},
            "annotations": {"c": "d"},
            "data": [entry(), entry("pw", "PASSWORD")],
        }
    ]
    result = migrated(a_class(secrets=secrets, vaultNamespace="team", vaultKubernetesMountPath="green", audience="bao"))
    found = made(result)
    assert found["VaultConnection shop/bao.example.org"]["spec"] == {"address": "https://bao.example.org:8200"}
    assert found["VaultAuth shop/vault-till-green"]["spec"] == {
        "vaultConnectionRef": "bao.example.org",
        "namespace": "team",
        "method": "kubernetes",
        "mount": "green",
        "kubernetes": {"role": "till", "serviceAccount": "default", "audiences": ["bao"]},
    }
    assert found["VaultStaticSecret shop/till-db"]["spec"] == {
        "vaultAuthRef": "vault-till-green",
        "mount": "kv",
        "path": "till",
        "type": "kv-v2",
        "refreshAfter": "2m",
        "destination": {
            "name": "till-db",
            "create": True,
            "overwrite": True,
            "type": "Opaque",
            "labels": {"a": "b"},
            "annotations": {"c": "d"},
            "transformation": {
                "excludeRaw": True,
                "includes": ["^(password)$"],
                "templates": {"PASSWORD": {"text": '{{ get .Secrets "password" }}'}},
            },
        },
    }
    assert lost(result) == []
    assert [note.partition(":")[0] for note in to_check(result)] == ["spec"]


@pytest.mark.parametrize(
    ("parameters", "kind", "spec"),
    [
        ({"vaultSkipTLSVerify": "true"}, "VaultConnection shop/bao.example.org", {"skipTLSVerify": True}),
        ({"vaultTLSServerName": "bao"}, "VaultConnection shop/bao.example.org", {"tlsServerName": "bao"}),
        ({"vaultAuthMountPath": "auth/green"}, "VaultAuth shop/vault-till-green", {"mount": "green"}),
        ({"vaultAddress": ""}, "VaultConnection shop/vault", {"address": "https://vault.example.com:8200"}),
    ],
)
def test_parameters_of_the_connection_are_kept(parameters: Json, kind: str, spec: Json) -> None:
    """Those that there is a field for."""
    found = made(migrated(a_class(**parameters)))[kind]["spec"]
    assert spec.items() <= found.items()


@pytest.mark.parametrize(
    ("objects", "key", "expected"),
    [
        ([DB], "password", {"password": b"p@ss"}),
        ([DB], "PW", {"PW": b"p@ss"}),
        ([{**DB, "secretKey": "blob", "encoding": "base64"}], "bin", {"bin": b"\x00\xff"}),
        ([{"objectName": "pw", "secretPath": "kv/data/till"}], "all", {"all": b'{"blob":"AP8=","password":"p@ss"}'}),
    ],
)
async def test_the_secret_has_the_keys_that_it_had(objects: list[Json], key: str, expected: Any) -> None:
    """Rendered by the operator's own engine."""
    result = migrated(a_class(*objects, secrets=[{"secretName": "s", "data": [entry(key=key)]}]))
    assert await data_of(result, {"password": "p@ss", "blob": "AP8="}) == expected


@pytest.mark.parametrize(
    ("object_", "kind", "spec"),
    [
        ({"secretPath": "database/creds/till"}, "VaultDynamicSecret", {"mount": "database", "path": "creds/till"}),
        (
            {"secretPath": "database/static-creds/till"},
            "VaultDynamicSecret",
            {"mount": "database", "path": "static-creds/till", "allowStaticCreds": True},
        ),
        (
            {"secretPath": "v1/pki/issue/web", "method": "PUT", "secretArgs": {"common_name": "a.b", "ttl": "1h"}},
            "VaultPKISecret",
            {"mount": "pki", "role": "web", "commonName": "a.b", "ttl": "1h"},
        ),
        (
            {
                "secretPath": "pki/issue/web",
                "secretArgs": {"common_name": "a", "alt_names": "b,c", "exclude_cn_from_sans": "true"},
            },
            "VaultPKISecret",
            {"mount": "pki", "role": "web", "commonName": "a", "altNames": ["b", "c"], "excludeCNFromSans": True},
        ),
        (
            {"secretPath": "aws/sts/deploy", "secretArgs": {"ttl": "15m"}},
            "VaultDynamicSecret",
            {"mount": "aws", "path": "sts/deploy", "params": {"ttl": "15m"}},
        ),
        ({"secretPath": "team/kv/data/a/b"}, "VaultStaticSecret", {"mount": "team/kv", "path": "a/b", "type": "kv-v2"}),
        ({"secretPath": "old/a/b"}, "VaultStaticSecret", {"mount": "old", "path": "a/b", "type": "kv-v1"}),
    ],
)
def test_the_path_tells_the_kind(object_: Json, kind: str, spec: Json) -> None:
    """Key-value, leased, rotated, certificate."""
    result = migrated(a_class({"objectName": "pw", "secretKey": "x", **object_}))
    found = made(result)[f"{kind} shop/till-db"]["spec"]
    assert spec.items() <= found.items()
    assert lost(result) == []


@pytest.mark.parametrize(
    ("given", "member", "said"),
    [
        (a_class(provider="azure"), "spec.provider", "azure"),
        (a_class(objects="{"), "spec.parameters.objects", "no list"),
        (a_class(DB, {**DB, "objectName": "file"}), "spec.parameters.objects", "file is only mounted"),
        (a_class(secrets=[]), "spec.parameters.objects", "pw is only mounted"),
        (a_class(new="x"), "spec.parameters.new", "does not know"),
        (a_class(vaultCACertPath="/ca"), "spec.parameters.vaultCACertPath", "caCertSecretRef"),
        (a_class(vaultTLSClientCertPath="/c"), "spec.parameters.vaultTLSClientCertPath", "client certificates"),
        (
            a_class(
                DB,
                {**DB, "objectName": "b", "secretPath": "kv/data/b"},
                secrets=[{"secretName": "s", "data": [entry(), entry("b")]}],
            ),
            "spec.secretObjects[0]",
            "made of kv/b, kv/till",
        ),
        (a_class({**DB, "encoding": "hex"}), "spec.secretObjects[0]", "hex"),
        (a_class({**DB, "secretPath": "nowhere"}), "spec.secretObjects[0]", "no mount and path"),
        (a_class({**DB, "secretArgs": {"a": "b"}}), "spec.secretObjects[0]", "without parameters"),
        (
            a_class({**DB, "secretPath": "pki/issue/a", "secretArgs": {"common_name": "a", "remove_roots": "x"}}),
            "spec.secretObjects[0]",
            "remove_roots",
        ),
    ],
)
def test_what_has_no_counterpart_is_listed(given: Json, member: str, said: str) -> None:
    """With the member and the reason."""
    (note,) = lost(migrated(given))
    assert note.startswith(f"{member}:")
    assert said in note


def test_an_entry_for_no_object_is_listed() -> None:
    """So is the object that nothing refers to."""
    notes = lost(migrated(a_class(secrets=[{"secretName": "s", "data": [entry("gone")]}])))
    assert "there is no object gone" in notes[1]


def test_classes_of_one_vault_and_role_share_their_login() -> None:
    """One VaultConnection and one VaultAuth."""
    other = a_class(secrets=[{"secretName": "b", "data": [entry()]}])
    other["metadata"]["name"] = "other"
    found = made(migrated(a_class(), other))
    assert sorted(name.split()[0] for name in found) == [
        "VaultAuth",
        "VaultConnection",
        "VaultStaticSecret",
        "VaultStaticSecret",
    ]


def test_classes_that_disagree_on_one_login_are_listed() -> None:
    """The first one is kept."""
    other = a_class(secrets=[{"secretName": "b", "data": [entry()]}], vaultSkipTLSVerify="true")
    (note,) = lost(migrated(a_class(), other))
    assert "VaultConnection shop/bao.example.org was made before with other settings" in note


def test_one_path_with_several_arguments_is_no_single_read() -> None:
    """The arguments of the last one would count for all."""
    first: Json = {"objectName": "a", "secretPath": "pki/issue/web", "secretArgs": {"common_name": "a.example.org"}}
    second: Json = {**first, "objectName": "b", "secretArgs": {"common_name": "b.example.org"}}
    wanted: list[Json] = [{"secretName": "till", "data": [entry("a", "a"), entry("b", "b")]}]
    result = migrated(a_class(first, second, secrets=wanted))
    assert [one for one in lost(result) if "pki/issue/web with several secretArgs" in one]
    assert not [one for one in made(result) if one.startswith("VaultPKISecret ")]


@pytest.mark.parametrize(("path", "told"), [("aws/sts/web", True), ("pki/issue/web", False)])
def test_a_write_is_listed_where_the_resource_would_read(path: str, *, told: bool) -> None:
    """Nothing says so in the result."""
    result = migrated(a_class({"objectName": "pw", "secretPath": path, "secretKey": "password", "method": "put"}))
    assert any("asked for by PUT: set requestHTTPMethod" in one for one in lost(result)) is told
