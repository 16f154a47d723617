"""The generated CustomResourceDefinitions on a real API server, driven with kubectl as users do."""

import json
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any, Final, get_args, get_origin

import msgspec
import pytest
import yaml

from testenv import Cluster
from vso.apis import meta
from vso.apis.kinds import (
    CSI_SECRETS,
    HCP_AUTH,
    HCP_VAULT_SECRETS_APP,
    KINDS,
    VAULT_AUTH,
    VAULT_CONNECTION,
    VAULT_DYNAMIC_SECRET,
    VAULT_STATIC_SECRET,
    Definition,
)
from vso.apis.meta import Kind
from vso.apis.schema import Member, declared

HERE: Final = Path(__file__).parent
CRDS: Final = HERE.parents[1] / "deploy" / "crds"
SAMPLES: Final = [
    document for path in sorted((HERE / "samples").glob("*.yaml")) for document in yaml.safe_load_all(path.read_text())
]
MERGE_PATCH: Final = "application/merge-patch+json"

each_kind = pytest.mark.parametrize("definition", KINDS, ids=lambda definition: definition.name)
_numbers = count()


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    """A cluster with the definitions installed and established."""
    with Cluster() as running:
        run(running, "apply", "--server-side", "-f", str(CRDS))
        names = [f"crd/{definition.crd_name}" for definition in KINDS]
        run(running, "wait", "--for=condition=Established", "--timeout=30s", *names)
        yield running


@pytest.fixture
def namespace(cluster: Cluster) -> Iterator[str]:
    """A namespace of the test's own."""
    name = f"crds-{next(_numbers)}"
    cluster.create_namespace(name)
    yield name
    cluster.request("DELETE", f"/api/v1/namespaces/{name}")


def run(cluster: Cluster, *args: str, text: str | None = None) -> str:
    """What kubectl prints; its errors are shown when it fails."""
    done = cluster.kubectl(*args, input=text)
    assert done.returncode == 0, done.stderr
    return done.stdout


def read(cluster: Cluster, kind: Kind[Any], namespace: str, name: str) -> Any:
    """An object as the API server returns it, as JSON."""
    return cluster.request("GET", kind.resource.path(namespace, name))


def create(cluster: Cluster, kind: Kind[Any], namespace: str, *, name: str = "it", **parts: Any) -> Any:
    """Create an object of `parts`, such as its spec, and return what was stored."""
    body = {"apiVersion": kind.resource.api_version, "kind": kind.resource.kind, "metadata": {"name": name}}
    return cluster.request("POST", kind.resource.path(namespace), {**body, **parts})


def through_the_struct(kind: Kind[Any], stored: Any, part: str) -> Any:
    """`spec` or `status` of `stored`, decoded into the struct and encoded again."""
    return json.loads(meta.encode(meta.decode(json.dumps(stored), kind.type))).get(part)


def without_zeros(value: Any) -> Any:
    """`value` without members that are false, 0 or empty text: the operator treats these as absent."""
    if isinstance(value, dict):
        return {key: without_zeros(item) for key, item in value.items() if item not in (False, "") or item == {}}
    return [without_zeros(item) for item in value] if isinstance(value, list) else value


def example(member: Member) -> Any:
    """Some value that the schema of `member` permits and that differs from its zero value."""
    field = member.field
    if field.enum:
        return field.enum[0]
    if field.pattern:
        return "9m" if field.pattern.endswith("h))$") else "9h" if "h" in field.pattern[-6:] else "name"
    if field.minimum is not None:
        return field.minimum + 7
    return "2030-01-02T03:04:05Z" if field.format == "date-time" else example_of(member.type)


def example_of(type_: Any) -> Any:
    """Some value of `type_`, with every member that there is."""
    if get_origin(type_) is tuple:
        return [example_of(get_args(type_)[0])]
    if get_origin(type_) is dict:
        return {"key": example_of(get_args(type_)[1])}
    if issubclass(type_, msgspec.Struct):
        return {member.name: example(member) for member in declared(type_)}
    return {str: "text", bool: True, int: 7}[type_]


def part_of(definition: Definition, name: str) -> type[msgspec.Struct]:
    """The struct of `spec` or `status`."""
    struct: type[msgspec.Struct] = type(getattr(definition.kind.type(), name))
    return struct


@each_kind
def test_the_definition_is_accepted_without_reservations(cluster: Cluster, definition: Definition) -> None:
    """It is established, its names are free, and its schema is structural."""
    crd = cluster.request("GET", f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{definition.crd_name}")
    conditions = {entry["type"]: entry["status"] for entry in crd["status"]["conditions"]}
    assert conditions == {"NamesAccepted": "True", "Established": "True"}


@each_kind
def test_every_field_is_stored_and_read_back(cluster: Cluster, namespace: str, definition: Definition) -> None:
    """The schema, the struct and the API server agree on each name, spec and status alike."""
    kind = definition.kind
    spec, status = (example_of(part_of(definition, name)) for name in ("spec", "status"))
    create(cluster, kind, namespace, spec=spec)
    path = kind.resource.path(namespace, "it", "status")
    cluster.request("PATCH", path, {"status": status}, content_type=MERGE_PATCH)
    stored = read(cluster, kind, namespace, "it")
    assert (stored["spec"], stored["status"]) == (spec, status)
    assert through_the_struct(kind, stored, "spec") == spec
    assert through_the_struct(kind, stored, "status") == status


@each_kind
def test_a_status_of_zeros_is_stored_as_it_was_written(
    cluster: Cluster, namespace: str, definition: Definition
) -> None:
    """What must be there is there, though it is zero."""
    kind = definition.kind
    create(cluster, kind, namespace)
    status = json.loads(meta.encode(part_of(definition, "status")()))
    path = kind.resource.path(namespace, "it", "status")
    cluster.request("PATCH", path, {"status": status}, content_type=MERGE_PATCH)
    assert read(cluster, kind, namespace, "it").get("status", {}) == status


ODD_STATUSES: Final[list[dict[str, Any]]] = [
    {},
    {"conditions": []},
    {"conditions": [{"type": "Ready"}]},
    {"lastGeneration": 1},
    {"error": "odd", "secretLease": {"id": "a"}, "vaultClientMeta": {}},
]


@each_kind
def test_r28_an_object_with_any_status_can_be_applied(cluster: Cluster, namespace: str, definition: Definition) -> None:
    """No member of a status is required, so none that an older release left out is in the way."""
    kind = definition.kind
    path = kind.resource.path(namespace, "it")
    create(cluster, kind, namespace)
    for status in ODD_STATUSES:
        for value in (None, status):  # the first takes the one before away
            cluster.request("PATCH", f"{path}/status", {"status": value}, content_type=MERGE_PATCH)
        labels = {"metadata": {"labels": {"touched": "true"}}}
        cluster.request("PATCH", f"{path}?dryRun=All", labels, content_type=MERGE_PATCH)
        decoded = meta.decode(json.dumps(read(cluster, kind, namespace, "it")), kind.type)
        assert decoded.metadata.name == "it"


def test_the_samples_apply_and_read_back(cluster: Cluster) -> None:
    """Manifests as users write them, through kubectl; nothing is lost on the way through the structs."""
    namespaces = sorted({sample["metadata"]["namespace"] for sample in SAMPLES})
    for name in namespaces:
        cluster.create_namespace(name)
    run(cluster, "apply", "-f", str(HERE / "samples"))
    kinds = {definition.name: definition.kind for definition in KINDS}
    seen = set()
    for sample in SAMPLES:
        kind = kinds[sample["kind"]]
        stored = read(cluster, kind, sample["metadata"]["namespace"], sample["metadata"]["name"])
        assert contains(stored["spec"], sample["spec"])
        assert without_zeros(through_the_struct(kind, stored, "spec")) == without_zeros(stored["spec"])
        seen.add(sample["kind"])
    assert seen == kinds.keys()
    assert "unchanged" in run(cluster, "apply", "-f", str(HERE / "samples"))
    run(cluster, "delete", "-f", str(HERE / "samples"))
    run(cluster, "delete", "namespace", *namespaces, "--wait=false")


def contains(whole: Any, part: Any) -> bool:
    """Whether all of `part` is in `whole`, which may have more members."""
    if isinstance(part, dict):
        return all(key in whole and contains(whole[key], item) for key, item in part.items())
    if isinstance(part, list):
        return len(whole) == len(part) and all(map(contains, whole, part))
    return bool(whole == part)


DESTINATION: Final = {"name": "it"}
DEFAULTS: Final = [
    (VAULT_CONNECTION, {"address": "https://a"}, {"skipTLSVerify": False}),
    (VAULT_AUTH, {"kubernetes": {}, "jwt": {}}, {"kubernetes": {"tokenExpirationSeconds": 600}}),
    (
        VAULT_STATIC_SECRET,
        {"mount": "a", "path": "b", "type": "kv-v1", "destination": DESTINATION},
        {"hmacSecretData": True, "destination": {"name": "it", "create": False, "overwrite": False}},
    ),
    (
        VAULT_DYNAMIC_SECRET,
        {"mount": "a", "path": "b", "destination": DESTINATION},
        {"renewalPercent": 67},
    ),
    (
        CSI_SECRETS,
        {"accessControl": {"serviceAccountPattern": "a"}, "secrets": {}},
        {"accessControl": {"serviceAccountPattern": "a", "matchPolicy": "all"}},
    ),
    (HCP_AUTH, {"organizationID": "a", "projectID": "b"}, {"method": "servicePrincipal"}),
    (
        HCP_VAULT_SECRETS_APP,
        {"appName": "a", "destination": DESTINATION, "syncConfig": {"dynamic": {}}},
        {"refreshAfter": "600s", "syncConfig": {"dynamic": {"renewalPercent": 67}}},
    ),
]


@pytest.mark.parametrize(("kind", "spec", "filled"), DEFAULTS)
def test_the_server_fills_in_defaults(
    cluster: Cluster, namespace: str, kind: Kind[Any], spec: dict[str, Any], filled: dict[str, Any]
) -> None:
    """Those of the original, so that an object means the same under both."""
    stored = create(cluster, kind, namespace, spec=spec)
    assert {key: stored["spec"][key] for key in filled} == filled


STATIC: Final = {"mount": "a", "path": "b", "type": "kv-v2", "destination": DESTINATION}
DYNAMIC: Final = {"mount": "a", "path": "b", "destination": DESTINATION}
REFUSED: Final = [
    (VAULT_CONNECTION, {}, "spec.address: Required value"),
    (VAULT_CONNECTION, {"address": "https://a", "timeout": "1h30m"}, "spec.timeout"),
    (VAULT_CONNECTION, {"address": None}, "spec.address: Required value"),
    (VAULT_AUTH, {"method": "token"}, "spec.method"),
    (VAULT_AUTH, {"kubernetes": {"tokenExpirationSeconds": 599}}, "tokenExpirationSeconds"),
    (VAULT_AUTH, {"vaultAuthGlobalRef": {"name": "A"}}, "vaultAuthGlobalRef.name"),
    (VAULT_AUTH, {"vaultAuthGlobalRef": {"mergeStrategy": {"headers": "first"}}}, "mergeStrategy.headers"),
    (VAULT_STATIC_SECRET, STATIC | {"type": "kv-v3"}, "spec.type"),
    (VAULT_STATIC_SECRET, STATIC | {"version": -1}, "spec.version"),
    (VAULT_STATIC_SECRET, STATIC | {"refreshAfter": "500ms"}, "spec.refreshAfter"),
    (VAULT_STATIC_SECRET, STATIC | {"destination": {}}, "spec.destination.name: Required value"),
    (
        VAULT_STATIC_SECRET,
        STATIC | {"rolloutRestartTargets": [{"kind": "CronJob", "name": "a"}]},
        "rolloutRestartTargets[0].kind",
    ),
    (VAULT_DYNAMIC_SECRET, DYNAMIC | {"renewalPercent": 91}, "spec.renewalPercent"),
    (VAULT_DYNAMIC_SECRET, DYNAMIC | {"requestHTTPMethod": "PATCH"}, "spec.requestHTTPMethod"),
]


@pytest.mark.parametrize(("kind", "spec", "place"), REFUSED)
def test_what_the_original_refuses_is_refused(
    cluster: Cluster, namespace: str, kind: Kind[Any], spec: dict[str, Any], place: str
) -> None:
    """At once, with the member that is wrong, and not later in a status."""
    manifest = {
        "apiVersion": kind.resource.api_version,
        "kind": kind.resource.kind,
        "metadata": {"name": "it", "namespace": namespace},
        "spec": spec,
    }
    done = cluster.kubectl("create", "--validate=false", "-f", "-", input=json.dumps(manifest))
    assert done.returncode != 0
    assert place in done.stderr


@each_kind
def test_kubectl_explains_every_field(cluster: Cluster, definition: Definition) -> None:
    """The description beside a field in the struct is what users read."""
    plural = definition.kind.resource.plural
    texts = {name: run(cluster, "explain", f"{plural}.{name}") for name in ("spec", "status")}
    for part, text in texts.items():
        said = " ".join(text.split())
        for member in declared(part_of(definition, part)):
            assert member.name in said
            assert member.field.description in said


def test_kubectl_prints_what_the_conditions_say(cluster: Cluster, namespace: str) -> None:
    """Synced, Healthy and Ready are columns, and kubectl can wait for them."""
    kind = VAULT_STATIC_SECRET
    create(cluster, kind, namespace, spec=STATIC)
    names = {"SecretSynced": "False", "Healthy": "True", "Ready": "True"}
    conditions = [
        {"type": type_, "status": status, "reason": "Any", "message": "", "lastTransitionTime": "2030-01-01T00:00:00Z"}
        for type_, status in names.items()
    ]
    cluster.request(
        "PATCH",
        kind.resource.path(namespace, "it", "status"),
        {"status": {"conditions": conditions}},
        content_type=MERGE_PATCH,
    )
    header, row = run(cluster, "get", kind.resource.plural, "--namespace", namespace).splitlines()
    assert header.split() == ["NAME", "SYNCED", "HEALTHY", "READY", "AGE"]
    assert row.split()[:4] == ["it", "False", "True", "True"]
    run(cluster, "wait", "--for=condition=Ready", "--timeout=5s", f"{kind.resource.plural}/it", f"-n{namespace}")


def test_definitions_apply_again_without_change(cluster: Cluster) -> None:
    """What the server stores is what the files say, so a GitOps tool sees no difference."""
    done = cluster.kubectl("diff", "--server-side", "-f", str(CRDS))
    assert (done.returncode, done.stdout) == (0, "")
