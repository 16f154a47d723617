"""ExternalSecrets and their stores: what becomes of each field (regressions.md section 4, "From ESO")."""

from base64 import b64encode
from typing import Any

import pytest

from tests.support.migration import Json, data_of, lost, made, migrated, to_check

FIELDS = {"username": "alice", "password": "p@ss", "blob": b64encode(b"\x00\xff").decode()}


def store(kind: str = "SecretStore", *, conditions: Any = None, **vault: Any) -> Json:
    """A store that leads to Vault."""
    login = {"kubernetes": {"role": "shop", "serviceAccountRef": {"name": "till"}}}
    whole = {"server": "https://bao.example.org:8200", "path": "kv", "auth": login, **vault}
    spec: Json = {"provider": {"vault": {key: value for key, value in whole.items() if value is not None}}}
    if conditions is not None:
        spec["conditions"] = conditions
    metadata = {"name": "bao"} if kind == "ClusterSecretStore" else {"name": "bao", "namespace": "shop"}
    return {"apiVersion": "external-secrets.io/v1", "kind": kind, "metadata": metadata, "spec": spec}


def external(target: Json | None = None, *, metadata: Json | None = None, **spec: Any) -> Json:
    """An ExternalSecret."""
    whole: Json = {"secretStoreRef": {"name": "bao"}, "dataFrom": [{"extract": {"key": "till"}}], **spec}
    if target is not None:
        whole["target"] = target
    return {
        "apiVersion": "external-secrets.io/v1beta1",
        "kind": "ExternalSecret",
        "metadata": {"name": "till", "namespace": "shop", **(metadata or {})},
        "spec": {key: value for key, value in whole.items() if value is not None},
    }


def field(key: str, name: str | None = None, path: str = "till", **ref: Any) -> Json:
    """One entry of `data`."""
    remote = {"key": path, **({"property": name} if name else {}), **ref}
    return {"secretKey": key, "remoteRef": remote}


def secret(*objects: Json) -> Json:
    """The spec of the one VaultStaticSecret."""
    found = made(migrated(*objects))
    return next(body["spec"] for name, body in found.items() if name.startswith("VaultStaticSecret "))


def test_a_store_becomes_a_connection_and_a_login_and_a_secret_reads_through_them() -> None:
    """Whole: names, namespace, path and destination stay."""
    result = migrated(store(namespace="team"), external())
    assert made(result) == {
        "VaultConnection shop/bao": {
            "apiVersion": "secrets.hashicorp.com/v1beta1",
            "kind": "VaultConnection",
            "metadata": {"name": "bao", "namespace": "shop"},
            "spec": {"address": "https://bao.example.org:8200"},
        },
        "VaultAuth shop/bao": {
            "apiVersion": "secrets.hashicorp.com/v1beta1",
            "kind": "VaultAuth",
            "metadata": {"name": "bao", "namespace": "shop"},
            "spec": {
                "vaultConnectionRef": "bao",
                "namespace": "team",
                "method": "kubernetes",
                "mount": "kubernetes",
                "kubernetes": {"role": "shop", "serviceAccount": "till"},
            },
        },
        "VaultStaticSecret shop/till": {
            "apiVersion": "secrets.hashicorp.com/v1beta1",
            "kind": "VaultStaticSecret",
            "metadata": {"name": "till", "namespace": "shop"},
            "spec": {
                "vaultAuthRef": "bao",
                "mount": "kv",
                "path": "till",
                "type": "kv-v2",
                "refreshAfter": "1h",
                "destination": {
                    "name": "till",
                    "create": True,
                    "overwrite": True,
                    "transformation": {"excludeRaw": True},
                },
            },
        },
    }
    assert result.notes == ()


def ref(name: str, key: str, **more: str) -> Json:
    """A reference to a key of a Secret."""
    return {"name": name, "key": key, **more}


@pytest.mark.parametrize(
    ("auth", "spec"),
    [
        (
            {"kubernetes": {"mountPath": "green", "role": "r", "serviceAccountRef": {"name": "s", "audiences": ["a"]}}},
            {
                "method": "kubernetes",
                "mount": "green",
                "kubernetes": {"role": "r", "serviceAccount": "s", "audiences": ["a"]},
            },
        ),
        (
            {"tokenSecretRef": ref("t", "token")},
            {"extensions": {"login": {"method": "token", "token": {"secretRef": "t"}}}},
        ),
        (
            {"appRole": {"path": "ar", "roleId": "id", "secretRef": ref("s", "id")}},
            {"method": "appRole", "mount": "ar", "appRole": {"roleId": "id", "secretRef": "s"}},
        ),
        (
            {"ldap": {"username": "u", "secretRef": ref("s", "password")}},
            {"mount": "ldap", "extensions": {"login": {"method": "ldap", "ldap": {"username": "u", "secretRef": "s"}}}},
        ),
        (
            {"userPass": {"path": "up", "username": "u", "secretRef": ref("s", "password")}},
            {
                "mount": "up",
                "extensions": {"login": {"method": "userpass", "userpass": {"username": "u", "secretRef": "s"}}},
            },
        ),
        (
            {"jwt": {"role": "r", "secretRef": ref("s", "jwt")}},
            {"method": "jwt", "mount": "jwt", "jwt": {"role": "r", "secretRef": "s"}},
        ),
        (
            {
                "jwt": {
                    "path": "oidc",
                    "role": "r",
                    "kubernetesServiceAccountToken": {
                        "serviceAccountRef": {"name": "s"},
                        "audiences": ["a"],
                        "expirationSeconds": 900,
                    },
                }
            },
            {
                "method": "jwt",
                "mount": "oidc",
                "jwt": {"role": "r", "serviceAccount": "s", "audiences": ["a"], "tokenExpirationSeconds": 900},
            },
        ),
        (
            {"cert": {"vaultRole": "r", "clientCert": ref("s", "tls.crt"), "secretRef": ref("s", "tls.key")}},
            {"mount": "cert", "extensions": {"login": {"method": "cert", "cert": {"role": "r", "secretRef": "s"}}}},
        ),
        (
            {
                "iam": {
                    "vaultRole": "r",
                    "region": "eu",
                    "vaultAwsIamServerID": "h",
                    "jwt": {"serviceAccountRef": {"name": "s"}},
                }
            },
            {
                "method": "aws",
                "mount": "aws",
                "aws": {"role": "r", "region": "eu", "headerValue": "h", "irsaServiceAccount": "s"},
            },
        ),
        (
            {
                "gcp": {
                    "role": "r",
                    "projectID": "p",
                    "workloadIdentity": {
                        "serviceAccountRef": {"name": "s"},
                        "clusterLocation": "l",
                        "clusterName": "c",
                    },
                }
            },
            {
                "method": "gcp",
                "mount": "gcp",
                "gcp": {
                    "role": "r",
                    "workloadIdentityServiceAccount": "s",
                    "region": "l",
                    "clusterName": "c",
                    "projectID": "p",
                },
            },
        ),
    ],
    ids=lambda value: next(iter(value)),
)
def test_each_login_of_a_store_has_its_counterpart(auth: Json, spec: Json) -> None:
    """Nothing is lost; the result has no other fields."""
    result = migrated(store(auth=auth))
    assert made(result)["VaultAuth shop/bao"]["spec"] == {"vaultConnectionRef": "bao", **spec}
    assert lost(result) == []


def test_keys_of_a_cloud_are_taken_with_a_word_on_their_names() -> None:
    """The operator reads fixed keys of the Secret."""
    keys = {"accessKeyIDSecretRef": ref("keys", "id"), "secretAccessKeySecretRef": ref("keys", "secret")}
    result = migrated(store(auth={"iam": {"vaultRole": "r", "secretRef": keys}}))
    assert made(result)["VaultAuth shop/bao"]["spec"]["aws"] == {"role": "r", "secretRef": "keys"}
    assert "access_key_id" in to_check(result)[0]


@pytest.mark.parametrize(
    ("vault", "member", "said"),
    [
        ({"auth": {"tokenSecretRef": ref("t", "other")}}, "tokenSecretRef", "reads the key token"),
        ({"auth": {"appRole": {"roleRef": ref("a", "b"), "secretRef": ref("s", "id")}}}, "appRole.roleRef", "role id"),
        ({"auth": {"appRole": {"roleId": "a", "secretRef": ref("s", "x")}}}, "appRole.secretRef.key", "key id"),
        ({"auth": {"ldap": {"secretRef": ref("s", "pw")}}}, "ldap.secretRef.key", "key password"),
        ({"auth": {"jwt": {"role": "r", "secretRef": ref("s", "t")}}}, "jwt.secretRef.key", "key jwt"),
        (
            {"auth": {"cert": {"clientCert": ref("a", "tls.crt"), "secretRef": ref("b", "tls.key")}}},
            "auth.cert",
            "one Secret",
        ),
        ({"auth": {"iam": {"vaultRole": "r", "role": "arn"}}}, "iam.role", "assumes no"),
        ({"auth": {"iam": {"vaultRole": "r", "externalID": "x"}}}, "iam.externalID", "assumes no"),
        ({"auth": {"gcp": {"role": "r", "secretRef": {"x": 1}}}}, "gcp.secretRef", "workload identity"),
        ({"auth": {"kubernetes": {"role": "r", "secretRef": ref("s", "t")}}}, "kubernetes.secretRef", "ServiceAccount"),
        ({"auth": {}}, "vault.auth", "no login that can be converted"),
        ({"auth": {"kubernetes": {"role": "r"}, "tokenSecretRef": ref("t", "token")}}, "vault.auth", "by hand"),
        ({"new": True}, "vault.new", "does not know"),
        ({"auth": {"kubernetes": {"role": "r", "serviceAccountRef": {"name": "s"}}, "new": 1}}, "auth.new", "know"),
        ({"forwardInconsistent": True}, "forwardInconsistent", "not forwarded"),
        ({"readYourWrites": True}, "readYourWrites", "writes nothing"),
        ({"tls": {"certSecretRef": ref("a", "b")}}, "vault.tls", "client certificates"),
        ({"caBundle": "%%%"}, "caBundle", "no base64"),
        ({"caProvider": {"type": "Secret", "name": "a", "key": "root.pem"}}, "caProvider.key", "ca.crt"),
        ({"caProvider": {"type": "Secret", "name": "a", "namespace": "b"}}, "caProvider.namespace", "copy it"),
    ],
)
def test_what_a_store_has_beyond_that_is_listed(vault: Json, member: str, said: str) -> None:
    """With the member and the reason, and nothing else is."""
    (note,) = lost(migrated(store(**vault)))
    assert member in note.partition(":")[0]
    assert said in note


@pytest.mark.parametrize(
    ("vault", "expected"),
    [
        ({"caProvider": {"type": "Secret", "name": "a", "key": "ca.crt"}}, {"caCertSecretRef": "a"}),
        (
            {"caProvider": {"type": "ConfigMap", "name": "a", "key": "x"}},
            {"extensions": {"ca": {"configMapRef": ref("a", "x")}}},
        ),
        ({"caBundle": b64encode(b"PEM").decode()}, {"extensions": {"ca": {"configMapRef": {"name": "bao-ca"}}}}),
        ({"headers": {"X-A": "b"}}, {"headers": {"X-A": "b"}}),
    ],
)
def test_the_authorities_of_a_store_are_kept(vault: Json, expected: Json) -> None:
    """From a Secret, a ConfigMap, or within the store, which becomes a ConfigMap."""
    found = made(migrated(store(**vault)))
    assert found["VaultConnection shop/bao"]["spec"] == {"address": "https://bao.example.org:8200", **expected}
    if "caBundle" in vault:
        assert found["ConfigMap shop/bao-ca"]["data"] == {"ca.crt": "PEM"}


def test_a_cluster_wide_store_goes_to_the_operators_namespace() -> None:
    """All namespaces may use it, each with its own ServiceAccount."""
    result = migrated(
        store("ClusterSecretStore"), external(secretStoreRef={"name": "bao", "kind": "ClusterSecretStore"})
    )
    found = made(result)
    assert found["VaultAuth operator/bao"]["spec"]["allowedNamespaces"] == ["*"]
    assert found["VaultStaticSecret shop/till"]["spec"]["vaultAuthRef"] == "operator/bao"
    assert "needs the ServiceAccount" in to_check(result)[0]


def test_a_cluster_wide_store_with_credentials_of_a_namespace_lends_them_from_there() -> None:
    """By `credentialsNamespace: Own` (D35), which the operator must permit."""
    login = {"kubernetes": {"role": "r", "serviceAccountRef": {"name": "s", "namespace": "vault"}}}
    conditions = [{"namespaces": ["shop", "bar"]}]
    result = migrated(
        store("ClusterSecretStore", auth=login, conditions=conditions),
        external(secretStoreRef={"name": "bao", "kind": "ClusterSecretStore"}),
    )
    spec = made(result)["VaultAuth vault/bao"]["spec"]
    assert spec["extensions"] == {"credentialsNamespace": "Own"}
    assert spec["allowedNamespaces"] == ["shop", "bar"]
    assert made(result)["VaultStaticSecret shop/till"]["spec"]["vaultAuthRef"] == "vault/bao"
    assert "--allow-own-credentials" in to_check(result)[0]


def test_conditions_of_a_cluster_wide_store_that_are_no_names_are_listed() -> None:
    """Selectors and patterns."""
    conditions = [{"namespaceSelector": {"matchLabels": {"a": "b"}}}, {"namespaceRegexes": ["a.*"]}]
    result = migrated(store("ClusterSecretStore", conditions=conditions))
    assert [note.partition(":")[0] for note in lost(result)] == [
        "spec.conditions[0].namespaceSelector",
        "spec.conditions[1].namespaceRegexes",
    ]
    two = {
        "kubernetes": {
            "role": "r",
            "serviceAccountRef": {"name": "s", "namespace": "a"},
            "x": {"name": "n", "namespace": "b"},
        }
    }
    assert "several namespaces" in lost(migrated(store("ClusterSecretStore", auth=two)))[0]


@pytest.mark.parametrize(
    ("vault", "key", "mount", "path", "type_"),
    [
        ({"path": "kv"}, "a/b", "kv", "a/b", "kv-v2"),
        ({"path": "kv"}, "kv/a/b", "kv", "a/b", "kv-v2"),
        ({"path": "kv"}, "kv/data/a", "kv", "a", "kv-v2"),
        ({"path": "kv", "version": "v1"}, "a/data/b", "kv", "a/data/b", "kv-v1"),
        ({"path": "team/kv/"}, "a", "team/kv", "a", "kv-v2"),
        ({"path": None}, "team/kv/data/a/b", "team/kv", "a/b", "kv-v2"),
        ({"path": None}, "kv/a/b", "kv", "a/b", "kv-v2"),
        ({"path": None, "version": "v1"}, "kv/a", "kv", "a", "kv-v1"),
    ],
)
def test_mount_path_and_version_come_from_store_and_key(
    vault: Json, key: str, mount: str, path: str, type_: str
) -> None:
    """However they are divided between the two."""
    found = secret(store(**vault), external(dataFrom=[{"extract": {"key": key}}]))
    assert (found["mount"], found["path"], found["type"]) == (mount, path, type_)


def test_a_vault_namespace_of_its_own_is_kept() -> None:
    """Where the login goes to another than the reads."""
    login = {"kubernetes": {"role": "r", "serviceAccountRef": {"name": "s"}}, "namespace": "root"}
    found = made(migrated(store(namespace="team", auth=login), external()))
    assert found["VaultAuth shop/bao"]["spec"]["namespace"] == "root"
    assert found["VaultStaticSecret shop/till"]["spec"]["namespace"] == "team"


@pytest.mark.parametrize(
    ("spec", "template", "expected"),
    [
        ({}, None, {**{key: value.encode() for key, value in FIELDS.items()}}),
        ({"dataFrom": None, "data": [field("username", "username")]}, None, {"username": b"alice"}),
        ({"dataFrom": None, "data": [field("user", "username")]}, None, {"user": b"alice"}),
        (
            {"dataFrom": None, "data": [field("username", "username"), field("pw", "password")]},
            None,
            {"username": b"alice", "pw": b"p@ss"},
        ),
        ({"dataFrom": None, "data": [field("bin", "blob", decodingStrategy="Base64")]}, None, {"bin": b"\x00\xff"}),
        (
            {"dataFrom": None, "data": [field("all")]},
            None,
            {"all": b'{"blob":"AP8=","password":"p@ss","username":"alice"}'},
        ),
        ({"data": [field("user", "username")]}, None, {**{k: v.encode() for k, v in FIELDS.items()}, "user": b"alice"}),
        (
            {"dataFrom": None, "data": [field("user", "username"), field("pass", "password")]},
            {
                "data": {
                    "url": "pg://{{ .user }}:{{ .pass | urlquery }}@db",
                    "root": "{{ range list 1 }}{{ $.user }}{{ end }}",
                }
            },
            {"url": b"pg://alice:p%40ss@db", "root": b"alice"},
        ),
        ({}, {"data": {"line": "{{ .username }} costs $5."}}, {"line": b"alice costs $5."}),
        ({}, {"data": {"line": "{{ $u := .username }}{{ $u }}"}}, {"line": b"alice"}),
        (
            {"data": [field("user", "username")]},
            {"data": {"both": "{{ .user }}{{ .password }}"}},
            {"both": b"alicep@ss"},
        ),
        (
            {"dataFrom": None, "data": [field("username", "username"), field("pw", "password")]},
            {"mergePolicy": "Merge", "data": {"x": "{{ .pw }}"}},
            {"username": b"alice", "pw": b"p@ss", "x": b"p@ss"},
        ),
        (
            {"dataFrom": None, "data": [field("all")]},
            {"data": {"x": "{{ .all }}"}},
            {"x": b'{"blob":"AP8=","password":"p@ss","username":"alice"}'},
        ),
    ],
)
async def test_the_secret_has_the_keys_and_values_that_it_had(spec: Json, template: Json | None, expected: Any) -> None:
    """Selected, renamed, decoded, templated: rendered by the operator's own engine."""
    result = migrated(external({"template": template} if template else None, **spec), store())
    assert await data_of(result, FIELDS) == expected
    assert lost(result) == []


def test_type_labels_and_annotations_are_kept() -> None:
    """From the template if there is one, else those of the ExternalSecret, which are copied there."""
    template = {"type": "kubernetes.io/basic-auth", "metadata": {"labels": {"a": "b"}, "annotations": {"c": "d"}}}
    found = secret(store(), external({"name": "other", "template": template}))["destination"]
    assert (found["name"], found["type"]) == ("other", "kubernetes.io/basic-auth")
    assert (found["labels"], found["annotations"]) == ({"a": "b"}, {"c": "d"})
    own = {"labels": {"x": "y"}, "annotations": {"kubectl.kubernetes.io/last-applied-configuration": "{}", "k": "v"}}
    found = secret(store(), external(metadata=own))["destination"]
    assert (found["labels"], found["annotations"]) == ({"x": "y"}, {"k": "v"})


@pytest.mark.parametrize(
    ("spec", "refresh_after", "said"),
    [
        ({}, "1h", ""),
        ({"refreshInterval": "90s"}, "90s", ""),
        ({"refreshInterval": "1h30m"}, "90m", ""),
        ({"refreshInterval": "1h0m10s"}, "3610s", ""),
        ({"refreshInterval": "0"}, "1h", "refreshInterval is 0"),
        ({"refreshInterval": 0}, "1h", "refreshInterval is 0"),
        ({"refreshInterval": "0s"}, "1h", "refreshInterval is 0"),
        ({"refreshPolicy": "CreatedOnce"}, "1h", "CreatedOnce"),
        ({"refreshPolicy": "OnChange", "refreshInterval": "5m"}, "1h", "OnChange"),
        ({"refreshInterval": "soon"}, "1h", "invalid duration"),
    ],
)
def test_the_interval_is_kept_or_said_to_differ(spec: Json, refresh_after: str, said: str) -> None:
    """In the form that the API takes; there is no reading once."""
    result = migrated(store(), external(**spec))
    assert made(result)["VaultStaticSecret shop/till"]["spec"]["refreshAfter"] == refresh_after
    assert bool(said) == bool(to_check(result))
    assert said in "".join(to_check(result))
    assert lost(result) == []


def test_a_version_is_kept() -> None:
    """A number; anything else is said."""
    assert secret(store(), external(dataFrom=[{"extract": {"key": "a", "version": "7"}}]))["version"] == 7
    result = migrated(store(), external(dataFrom=[{"extract": {"key": "a", "version": "uuid"}}]))
    assert "the latest is read" in to_check(result)[0]


@pytest.mark.parametrize(
    ("target", "spec", "member", "said"),
    [
        ({"creationPolicy": "Merge"}, {}, "spec.target.creationPolicy", "as a whole"),
        ({"creationPolicy": "CreateOrMerge"}, {}, "spec.target.creationPolicy", "as a whole"),
        ({"creationPolicy": "None"}, {}, "spec.target.creationPolicy", "no Secret is written"),
        ({}, {"dataFrom": [{"extract": {"key": "a"}}, {"extract": {"key": "b"}}]}, "spec.data", "reads a, b"),
        ({}, {"data": [field("x", "x", "other")]}, "spec.data", "reads other, till"),
        (
            {},
            {"dataFrom": [{"extract": {"key": "a", "version": "1"}}, {"extract": {"key": "a"}}]},
            "spec.data",
            "one path",
        ),
        ({}, {"dataFrom": [{"find": {"name": {"regexp": "a"}}}]}, "spec.dataFrom[0].find", "does not list"),
        (
            {},
            {"dataFrom": [{"extract": {"key": "a"}, "rewrite": [{"regexp": {}}]}]},
            "spec.dataFrom[0].rewrite",
            "names",
        ),
        (
            {},
            {"dataFrom": [{"sourceRef": {"generatorRef": {"name": "g"}}}]},
            "spec.dataFrom[0].sourceRef",
            "generators",
        ),
        ({}, {"dataFrom": [{"extract": {"key": "a", "property": "b"}}]}, "spec.dataFrom[0].extract.property", "within"),
        (
            {},
            {"dataFrom": [{"extract": {"key": "a", "decodingStrategy": "Base64"}}]},
            "spec.dataFrom[0].extract",
            "one by one",
        ),
        ({}, {"data": [field("a", "a", decodingStrategy="Auto")]}, "spec.data[0].remoteRef.decodingStrategy", "b64dec"),
        ({}, {"data": [field("a", "a", metadataPolicy="Fetch")]}, "spec.data[0].remoteRef.metadataPolicy", ".Metadata"),
        (
            {},
            {"data": [{**field("a", "a"), "sourceRef": {"storeRef": {"name": "b"}}}]},
            "spec.data[0].sourceRef",
            "stores",
        ),
        ({}, {"dataFrom": None}, "spec", "reads nothing"),
        ({"template": {"templateFrom": [{"configMap": {}}]}}, {}, "spec.target.template.templateFrom", "other objects"),
        ({"template": {"engineVersion": "v1", "data": {}}}, {}, "spec.target.template.engineVersion", "bytes"),
    ],
)
def test_what_has_no_counterpart_is_listed_and_no_half_of_it_made(
    target: Json, spec: Json, member: str, said: str
) -> None:
    """A Secret that lacked a key would break who reads it."""
    result = migrated(store(), external(target, **spec))
    assert len(lost(result)) == 1, lost(result)
    assert lost(result)[0].startswith(member)
    assert said in lost(result)[0]
    assert "VaultStaticSecret shop/till" not in made(result)
    assert result.notes[0].line > 0


@pytest.mark.parametrize(
    ("target", "spec", "member", "said"),
    [
        ({"new": 1}, {}, "spec.target.new", "does not know"),
        ({"template": {"new": 1}}, {}, "spec.target.template.new", "does not know"),
        ({}, {"new": 1}, "spec.new", "does not know"),
        ({}, {"data": [{**field("a", "a"), "new": 1}]}, "spec.data[0].new", "does not know"),
        ({}, {"data": [field("a", "a", new=1)]}, "spec.data[0].remoteRef.new", "does not know"),
        ({}, {"dataFrom": [{"extract": {"key": "a"}, "new": 1}]}, "spec.dataFrom[0].new", "does not know"),
    ],
)
def test_fields_that_are_not_known_are_listed(target: Json, spec: Json, member: str, said: str) -> None:
    """Of a later release, say; the resource is made."""
    result = migrated(store(), external(target, **spec))
    assert [note.partition(":")[0] for note in lost(result)] == [member]
    assert said in lost(result)[0]
    assert "VaultStaticSecret shop/till" in made(result)


def test_defaults_that_a_cluster_fills_in_are_no_news() -> None:
    """As `kubectl get -o yaml` prints them."""
    remote = {
        "conversionStrategy": "Default",
        "decodingStrategy": "None",
        "metadataPolicy": "None",
        "nullBytePolicy": "Ignore",
    }
    target = {
        "creationPolicy": "Owner",
        "deletionPolicy": "Retain",
        "template": {"engineVersion": "v2", "mergePolicy": "Replace"},
    }
    one = external(target, dataFrom=[{"extract": {"key": "till", **remote}}], refreshPolicy="Periodic")
    one["status"] = {"conditions": []}
    result = migrated(store(), one)
    assert result.notes == ()
    assert "VaultStaticSecret shop/till" in made(result)


def test_labels_that_are_templates_are_listed() -> None:
    """They are copied as they are, and said."""
    result = migrated(store(), external({"template": {"metadata": {"labels": {"a": "{{ .user }}"}}}}))
    assert "no templates" in lost(result)[0]


@pytest.mark.parametrize(
    ("target", "said"),
    [
        ({"creationPolicy": "Orphan"}, "goes with the VaultStaticSecret"),
        ({"deletionPolicy": "Delete"}, "stays as it is"),
        ({"immutable": True}, "can be changed"),
    ],
)
def test_differences_to_know_of_are_told(target: Json, said: str) -> None:
    """The resource is made."""
    result = migrated(store(), external(target))
    assert said in "".join(to_check(result))
    assert "VaultStaticSecret shop/till" in made(result)


def test_a_store_that_is_not_in_the_files_is_guessed_and_said() -> None:
    """By its name; cluster-wide ones in the operator's namespace."""
    result = migrated(external(dataFrom=[{"extract": {"key": "kv/data/a"}}]))
    assert made(result)["VaultStaticSecret shop/till"]["spec"]["vaultAuthRef"] == "bao"
    assert "not in the files" in to_check(result)[0]
    cluster = {"name": "bao", "kind": "ClusterSecretStore"}
    result = migrated(external(secretStoreRef=cluster, dataFrom=[{"extract": {"key": "kv/data/a"}}]))
    assert made(result)["VaultStaticSecret shop/till"]["spec"]["vaultAuthRef"] == "operator/bao"
    assert "names no mount" in lost(migrated(external()))[0]


def test_other_providers_are_refused() -> None:
    """The store and what reads through it."""
    other = store()
    other["spec"]["provider"] = {"aws": {"service": "SecretsManager"}}
    result = migrated(other, external())
    assert "the provider is aws" in lost(result)[0]
    assert "does not lead to Vault" in lost(result)[1]
    assert result.objects == ()


@pytest.mark.parametrize(
    ("version", "kind", "said"),
    [
        ("external-secrets.io/v1alpha1", "PushSecret", "nothing is written to Vault"),
        ("external-secrets.io/v1", "ClusterExternalSecret", "many namespaces"),
        ("generators.external-secrets.io/v1alpha1", "VaultDynamicSecret", "VaultDynamicSecret may do the same"),
        ("generators.external-secrets.io/v1alpha1", "Password", "generators"),
    ],
)
def test_kinds_without_a_counterpart_are_listed(version: str, kind: str, said: str) -> None:
    """Also a generator that is called like a kind of ours."""
    result = migrated({"apiVersion": version, "kind": kind, "metadata": {"name": "x"}, "spec": {}})
    assert said in lost(result)[0]
    assert result.objects == ()


def test_keys_that_were_rewritten_are_told_to_stay() -> None:
    """Unicode names are for what a Secret cannot have as a key."""
    [said] = to_check(
        migrated(store(), external(dataFrom=[{"extract": {"key": "a", "conversionStrategy": "Unicode"}}]))
    )
    assert said.startswith("spec.dataFrom[0].extract.conversionStrategy: Unicode: keys are not rewritten")
