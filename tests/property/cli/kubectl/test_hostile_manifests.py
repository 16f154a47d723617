"""Whatever stands in a file, `lint` and `migrate` say something of it and do not break."""

import json
from collections.abc import Mapping
from typing import Any, Final

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from vso.apis.kinds import KINDS
from vso.apis.merge import GlobalOptions
from vso.apis.names import API_VERSION
from vso.apis.schema import Member, declared
from vso.cli.kubectl.linting import Bundle, findings
from vso.cli.kubectl.manifest import Manifest, Unreadable, parse
from vso.cli.kubectl.migration import Surroundings, convert_all, manifest_of
from vso.cli.kubectl.subject import subjects_of

JUNK: Final = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(["name", "*", "0", "{{"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=6,
)
unhurried = settings(deadline=None)
LOGINS: Final = ("kubernetes", "tokenSecretRef", "appRole", "ldap", "userPass", "jwt", "cert", "iam", "gcp")


def objects_of(template: Mapping[str, Any], members: tuple[str, ...]) -> st.SearchStrategy[Any]:
    """Mappings with some of `members`, each from `template` or junk."""
    return st.fixed_dictionaries({}, optional={name: template.get(name, st.nothing()) | JUNK for name in members})


REFERENCE: Final = objects_of({}, ("name", "key", "namespace", "audiences"))
BLOCK: Final = objects_of(
    {"secretRef": REFERENCE, "serviceAccountRef": REFERENCE},
    (
        "secretRef",
        "serviceAccountRef",
        "role",
        "path",
        "mountPath",
        "jwt",
        "workloadIdentity",
        "clientCert",
        "username",
    ),
)
VAULT: Final = objects_of(
    {"auth": objects_of(dict.fromkeys(LOGINS, BLOCK), LOGINS)},
    ("server", "path", "version", "namespace", "auth", "caBundle", "caProvider", "headers"),
)
STORE: Final = st.fixed_dictionaries(
    {"provider": st.fixed_dictionaries({"vault": VAULT | JUNK}), "conditions": JUNK | st.lists(JUNK)}
)
REMOTE: Final = objects_of({}, ("key", "property", "version", "decodingStrategy", "metadataPolicy"))
EXTERNAL: Final = objects_of(
    {
        "data": st.lists(objects_of({"remoteRef": REMOTE}, ("secretKey", "remoteRef", "sourceRef")) | JUNK, max_size=3),
        "dataFrom": st.lists(objects_of({"extract": REMOTE}, ("extract", "find", "rewrite")) | JUNK, max_size=3),
        "target": objects_of(
            {"template": objects_of({}, ("data", "metadata", "type", "mergePolicy", "engineVersion"))},
            ("name", "template", "creationPolicy", "deletionPolicy", "immutable"),
        ),
        "secretStoreRef": objects_of({}, ("name", "kind")),
    },
    ("data", "dataFrom", "target", "secretStoreRef", "refreshInterval", "refreshPolicy"),
)
CLASS: Final = st.fixed_dictionaries(
    {
        "provider": st.just("vault"),
        "parameters": objects_of(
            {"objects": st.lists(JUNK, max_size=3).map(repr)}, ("objects", "vaultAddress", "roleName")
        ),
        "secretObjects": st.lists(
            objects_of({"data": st.lists(JUNK)}, ("secretName", "data", "labels")) | JUNK, max_size=3
        ),
    }
)
VAULT_SECRET: Final = objects_of(
    {"path": st.sampled_from(["a/b", "a/data/b", "pki"])},
    ("path", "keys", "templates", "version", "isBinary", "secretEngine", "role", "engineOptions", "vaultRole", "type"),
)
FOREIGN: Final = st.one_of(
    st.tuples(st.just("external-secrets.io/v1"), st.sampled_from(["SecretStore", "ClusterSecretStore"]), STORE),
    st.tuples(st.just("external-secrets.io/v1"), st.just("ExternalSecret"), EXTERNAL),
    st.tuples(st.just("secrets-store.csi.x-k8s.io/v1"), st.just("SecretProviderClass"), CLASS),
    st.tuples(st.just("ricoberger.de/v1alpha1"), st.just("VaultSecret"), VAULT_SECRET),
)


@unhurried
@given(FOREIGN, JUNK)
def test_converters_take_anything(foreign: tuple[str, str, Any], metadata: Any) -> None:
    """And what they make can be written."""
    version, kind, spec = foreign
    named = metadata if isinstance(metadata, dict) else {"name": "it"}
    manifest = Manifest(body={"apiVersion": version, "kind": kind, "metadata": named, "spec": spec})
    result = convert_all(Surroundings(manifests=[manifest]))
    assert result.sources == 1
    for one in result.objects:
        json.dumps(manifest_of(one))


ANNOTATION: Final = st.sampled_from(
    [
        "role",
        "service",
        "agent-inject-secret-a",
        "agent-inject-template-a",
        "agent-inject-file-a",
        "auth-path",
        "namespace",
    ]
)


@unhurried
@given(
    st.dictionaries(
        ANNOTATION, JUNK | st.sampled_from(['{{ with secret "a/data/b" }}{{ .Data.data.x }}{{ end }}', "a/b"])
    )
)
def test_annotations_may_be_anything(annotations: dict[str, Any]) -> None:
    """Also what no API server would take."""
    found = {f"vault.hashicorp.com/{name}": value for name, value in annotations.items()}
    metadata = {"name": "web", "annotations": {"vault.hashicorp.com/agent-inject": "true", **found}}
    result = convert_all(
        Surroundings(manifests=[Manifest(body={"apiVersion": "v1", "kind": "Pod", "metadata": metadata})])
    )
    assert result.sources == 1


def value_of(member: Member) -> st.SearchStrategy[Any]:
    """Something for `member`, of its type or not."""
    fields = getattr(member.type, "__struct_fields__", None)
    if fields is not None:
        return struct_of(member.type) | JUNK
    return JUNK | st.sampled_from(["a", "a/b", "static-creds/x", "5m", "kubernetes", "kv-v2", True, 1, [], {}])


def struct_of(type_: Any) -> st.SearchStrategy[Any]:
    """A mapping with some members of a struct."""
    return st.fixed_dictionaries({}, optional={one.name: value_of(one) for one in declared(type_)})


def spec_of(kind: type[msgspec.Struct]) -> type[msgspec.Struct]:
    """The struct of the member `spec`."""
    (found,) = (one.type for one in msgspec.structs.fields(kind) if one.name == "spec")
    struct: type[msgspec.Struct] = found
    return struct


SPECS: Final = {one.name: struct_of(spec_of(one.kind.type)) | JUNK for one in KINDS}


@unhurried
@given(st.lists(st.sampled_from(sorted(SPECS)).flatmap(lambda kind: st.tuples(st.just(kind), SPECS[kind])), max_size=3))
def test_rules_take_anything(objects: list[tuple[str, Any]]) -> None:
    """Each finding says what is wrong and what to do."""
    manifests = [
        Manifest(body={"apiVersion": API_VERSION, "kind": kind, "metadata": {"name": "it"}, "spec": spec})
        for kind, spec in objects
    ]
    subjects = subjects_of(manifests, namespace="shop")
    bundle = Bundle(subjects, options=GlobalOptions(operator_namespace="op"))
    for one in findings(bundle):
        assert one.problem
        assert one.remedy


@unhurried
@given(st.text())
def test_any_text_is_parsed_or_refused(text: str) -> None:
    """With a message, and not with an error of the library."""
    try:
        found = parse(text)
    except Unreadable as exc:
        said = str(exc)
        found = []
    else:
        said = "read"
    assert said
    assert all(isinstance(one.body, dict) for one in found)
