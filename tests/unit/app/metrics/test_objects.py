"""Figures of the objects that there are: what counts, as what, and what does not."""

from typing import Any

import msgspec
import pytest

from tests.unit.app.metrics.reading import samples
from vso.apis import kinds, meta
from vso.apis.merge import GlobalOptions
from vso.apis.meta import Key, Kind, ObjectMeta
from vso.app.metrics.objects import ObjectCollector, Reckoning, count
from vso.controllers import Jurisdiction, World, new_world
from vso.sync import Destination, Policy

OPTIONS = GlobalOptions(operator_namespace="op")
UID = "vso-ownerRefUID"
READY = {"type": "Ready", "status": "True", "reason": "Ready", "message": "", "lastTransitionTime": None}
FAILED = [{**READY, "status": "False"}, {**READY, "type": "SecretSynced", "status": "False"}]
SYNCED = {"lastGeneration": 1, "conditions": [READY]}
AUTH = {"method": "kubernetes", "mount": "kubernetes", "kubernetes": {"role": "r", "serviceAccount": "default"}}


def put(world: World, kind: Kind[Any], name: str, *, namespace: str = "app", **body: Any) -> None:
    """An object as the watch tells of it; its UID is its name."""
    labels = body.pop("labels", {})
    metadata = {"namespace": namespace, "name": name, "uid": name, "generation": 1, "labels": labels}
    raw = {"kind": kind.resource.kind, "metadata": metadata, **body}
    world.kinds[kind.resource.kind].apply(meta.decode(msgspec.json.encode(raw), kind.type))


def secret(destination: str = "web", **more: Any) -> dict[str, Any]:
    """The spec of a VaultStaticSecret."""
    return {
        "vaultAuthRef": "auth",
        "mount": "kv",
        "path": "web",
        "type": "kv-v2",
        "destination": {"name": destination, "create": True},
        **more,
    }


def written(world: World, name: str, owner: str) -> None:
    """A Secret in the cluster that carries the labels of `owner`."""
    labels = {f"secrets.hashicorp.com/{UID}": owner}
    world.destinations.apply(Destination(metadata=ObjectMeta(namespace="app", name=name, labels=labels)))


def figures(world: World, *, each: bool = False) -> dict[str, float]:
    """What is counted in `world`."""
    return samples(count(world, Reckoning(options=OPTIONS, policy=Policy(operator_namespace="op"), each=each)))


@pytest.fixture
def world() -> World:
    """A team with a VaultConnection and a VaultAuth that fit together."""
    world = new_world("op")
    status = {"conditions": [READY]}
    put(world, kinds.VAULT_CONNECTION, "vault", spec={"address": "http://vault"}, status=status)
    put(world, kinds.VAULT_AUTH, "auth", spec={**AUTH, "vaultConnectionRef": "vault"}, status=status)
    return world


def test_objects_count_by_kind_and_namespace(world: World) -> None:
    """Signals 4 to 6 and 8: resources, connections, VaultAuths, namespaces with secrets."""
    put(world, kinds.VAULT_STATIC_SECRET, "web", spec=secret())
    put(world, kinds.VAULT_STATIC_SECRET, "web", namespace="b", spec=secret())
    found = figures(world)
    assert found["vso_custom_resources{kind=VaultStaticSecret,namespace=app}"] == 1
    assert found["vso_custom_resources{kind=VaultConnection,namespace=app}"] == 1
    assert found["vso_custom_resources{kind=VaultAuth,namespace=app}"] == 1
    assert found["vso_serviced_namespaces{}"] == 2
    assert found["vso_vault_connections{status=healthy}"] == 1
    assert found["vso_vault_connections{status=unhealthy}"] == 0


@pytest.mark.parametrize(
    ("kind", "spec", "status", "type_"),
    [
        (kinds.VAULT_STATIC_SECRET, {"type": "kv-v1"}, {}, "kv-v1"),
        (kinds.VAULT_STATIC_SECRET, {"type": "kv-v2"}, {}, "kv-v2"),
        (kinds.VAULT_DYNAMIC_SECRET, {}, {}, "dynamic"),
        (kinds.VAULT_DYNAMIC_SECRET, {"allowStaticCreds": True}, {}, "static-creds"),
        (kinds.VAULT_DYNAMIC_SECRET, {}, {"staticCredsMetaData": {"lastVaultRotation": 1}}, "static-creds"),
        (kinds.VAULT_PKI_SECRET, {}, {}, "pki"),
        (kinds.HCP_VAULT_SECRETS_APP, {}, {}, "hvs"),
    ],
)
def test_secrets_count_by_what_they_read(
    world: World, kind: Kind[Any], spec: dict[str, Any], status: dict[str, Any], type_: str
) -> None:
    """Signal 3."""
    put(world, kind, "one", spec=spec, status=status)
    assert figures(world)[f"vso_vault_secrets{{namespace=app,secret_type={type_}}}"] == 1


def test_a_secret_is_managed_if_it_exists_and_was_written(world: World) -> None:
    """Signal 1: not one that is gone, is another's, or was never written."""
    for name, owner in (("ours", "ours"), ("foreign", "somebody")):
        put(world, kinds.VAULT_STATIC_SECRET, name, spec=secret(name), status=SYNCED)
        written(world, name, owner)
    put(world, kinds.VAULT_STATIC_SECRET, "gone", spec=secret("gone"), status=SYNCED)
    put(world, kinds.VAULT_STATIC_SECRET, "new", spec=secret("ours2"))
    put(world, kinds.VAULT_STATIC_SECRET, "lent", spec=secret(destination="lent") | LENT, status=SYNCED)
    found = figures(world)
    assert found["vso_managed_secrets{create=true,kind=VaultStaticSecret,namespace=app}"] == 1
    assert found["vso_managed_secrets{create=false,kind=VaultStaticSecret,namespace=app}"] == 1


LENT = {"destination": {"name": "lent", "create": False}}


def test_failing_secrets_show_and_those_in_sync_count_as_0(world: World) -> None:
    """Signal 11: 0 rather than nothing, so that an alert can tell an end from a gap."""
    put(world, kinds.VAULT_STATIC_SECRET, "good", spec=secret("a"), status=SYNCED)
    put(world, kinds.VAULT_PKI_SECRET, "bad", spec=secret("b"), status={"conditions": FAILED})
    found = figures(world)
    assert found["vso_secrets_failing{kind=VaultStaticSecret,namespace=app}"] == 0
    assert found["vso_secrets_failing{kind=VaultPKISecret,namespace=app}"] == 1


def test_methods_count_if_a_secret_uses_them(world: World) -> None:
    """Signal 7: by the method after a VaultAuthGlobal was merged in."""
    put(world, kinds.VAULT_AUTH, "idle", spec={**AUTH, "vaultConnectionRef": "vault"})
    inherited = {
        "appRole": {"roleId": "r", "secretRef": "s"},
        "defaultAuthMethod": "appRole",
        "defaultMount": "approle",
    }
    put(world, kinds.VAULT_AUTH_GLOBAL, "shared", spec=inherited)
    merged = {"vaultConnectionRef": "vault", "vaultAuthGlobalRef": {"name": "shared"}}
    put(world, kinds.VAULT_AUTH, "merged", spec=merged)
    put(world, kinds.VAULT_STATIC_SECRET, "a", spec=secret("a"))
    put(world, kinds.VAULT_STATIC_SECRET, "b", spec=secret("b", vaultAuthRef="merged"))
    found = figures(world)
    assert found["vso_vault_auth_methods{method=kubernetes}"] == 1
    assert found["vso_vault_auth_methods{method=appRole}"] == 1


@pytest.mark.parametrize(
    ("kind", "spec", "missing", "reason"),
    [
        (kinds.VAULT_STATIC_SECRET, {"vaultAuthRef": "none"}, "VaultAuth", "not_found"),
        (kinds.VAULT_STATIC_SECRET, {"vaultAuthRef": "a/b/c"}, "VaultAuth", "not_found"),
        (kinds.VAULT_STATIC_SECRET, {"vaultAuthRef": "other/closed"}, "VaultAuth", "not_allowed"),
        (
            kinds.VAULT_STATIC_SECRET,
            {"destination": {"name": "x", "transformation": {"transformationRefs": [{"name": "none"}]}}},
            "SecretTransformation",
            "not_found",
        ),
        (kinds.VAULT_AUTH, {**AUTH, "vaultConnectionRef": "none"}, "VaultConnection", "not_found"),
        (kinds.VAULT_AUTH, {**AUTH, "vaultConnectionRef": "other/closed"}, "VaultConnection", "not_allowed"),
        (kinds.VAULT_AUTH, {"vaultAuthGlobalRef": {"name": "none"}}, "VaultAuthGlobal", "not_found"),
        (
            kinds.VAULT_AUTH,
            {"vaultAuthGlobalRef": {"name": "closed", "namespace": "other"}},
            "VaultAuthGlobal",
            "not_allowed",
        ),
        (kinds.HCP_VAULT_SECRETS_APP, {}, "HCPAuth", "not_found"),
    ],
)
def test_references_that_lead_nowhere_count(
    world: World, kind: Kind[Any], spec: dict[str, Any], missing: str, reason: str
) -> None:
    """Signals 13 and 15, and their kin."""
    closed = {"extensions": {"allowedNamespaces": []}, "address": "http://vault"}
    put(world, kinds.VAULT_CONNECTION, "closed", namespace="other", spec=closed)
    put(world, kinds.VAULT_AUTH, "closed", namespace="other", spec={**AUTH, "vaultConnectionRef": "closed"})
    put(world, kinds.VAULT_AUTH_GLOBAL, "closed", namespace="other", spec={})
    put(world, kind, "lost", spec=secret() | spec if kind is kinds.VAULT_STATIC_SECRET else spec)
    labels = f"kind={kind.resource.kind},missing={missing},namespace=app,reason={reason}"
    orphans = {name: value for name, value in figures(world).items() if name.startswith("vso_orphaned")}
    assert orphans == {f"vso_orphaned_resources{{{labels}}}": 1}


def test_references_that_lead_somewhere_do_not_count(world: World) -> None:
    """The other side of the table above."""
    put(world, kinds.VAULT_STATIC_SECRET, "web", spec=secret())
    assert not [name for name in figures(world) if name.startswith("vso_orphaned")]


def test_a_secret_that_two_resources_name_counts_once(world: World) -> None:
    """Signal 16, across kinds; names are per namespace."""
    put(world, kinds.VAULT_STATIC_SECRET, "a", spec=secret("shared"))
    put(world, kinds.VAULT_PKI_SECRET, "b", spec=secret("shared"))
    put(world, kinds.VAULT_STATIC_SECRET, "c", namespace="other", spec=secret("shared"))
    found = figures(world)
    assert found["vso_duplicate_destinations{namespace=app}"] == 1
    assert found["vso_duplicate_destinations{namespace=other}"] == 0


def test_the_end_that_comes_first_shows_by_namespace_and_each_by_name_if_asked(world: World) -> None:
    """Leases from their last renewal on; certificates by their date."""
    for number, duration in enumerate((600, 60)):
        lease = {"id": "l", "duration": duration, "renewable": True, "requestID": ""}
        status = {"lastRenewalTime": 1000, "secretLease": lease}
        put(world, kinds.VAULT_DYNAMIC_SECRET, f"d{number}", spec=secret(f"d{number}"), status=status)
    put(world, kinds.VAULT_PKI_SECRET, "p", spec=secret("p"), status={"expiration": 5000})
    few, many = figures(world), figures(world, each=True)
    soonest = "vso_secret_soonest_expiry_timestamp_seconds"
    assert few[f"{soonest}{{kind=VaultDynamicSecret,namespace=app}}"] == 1060
    assert few[f"{soonest}{{kind=VaultPKISecret,namespace=app}}"] == 5000
    each = "vso_secret_expiry_timestamp_seconds{kind=VaultDynamicSecret,name=d0,namespace=app}"
    assert each not in few
    assert many[each] == 1600


def test_the_state_of_secrets_shows_by_name_only_if_asked(world: World) -> None:
    """But for kinds of which the original has a series per object."""
    put(world, kinds.VAULT_STATIC_SECRET, "web", spec=secret(), status=SYNCED)
    put(world, kinds.VAULT_PKI_SECRET, "tls", spec=secret("tls"), status={"conditions": FAILED})
    state = "controller_resource_status{{controller={},name={},namespace=app}}".format
    few, many = figures(world), figures(world, each=True)
    assert few[state("vaultauth", "auth")] == 1
    assert few[state("vaultpkisecret", "tls")] == 0
    assert state("vaultstaticsecret", "web") not in few
    assert many[state("vaultstaticsecret", "web")] == 1


def test_what_another_installation_handles_does_not_count() -> None:
    """Else the figures of two operators would not add up."""
    world = new_world("op", Jurisdiction(operator_namespace="op", operator_class="a"))
    label = {"vault-secrets-operator.github.io/class": "a"}
    put(world, kinds.VAULT_STATIC_SECRET, "ours", spec=secret("a"), labels=label)
    put(world, kinds.VAULT_STATIC_SECRET, "theirs", spec=secret("b"))
    assert figures(world)["vso_custom_resources{kind=VaultStaticSecret,namespace=app}"] == 1


def test_only_the_leader_tells_and_counts_anew_only_after_a_change(world: World) -> None:
    """The text of a waiting replica has none of these series; a scrape without news costs next to nothing."""
    leads = False
    reckoning = Reckoning(options=OPTIONS, policy=Policy(operator_namespace="op"), each=True)
    synced = {("VaultStaticSecret", Key("app", "web")): 7.0}
    collector = ObjectCollector(world, reckoning, leading=lambda: leads, last_success=synced)
    assert list(collector.collect()) == []
    leads = True
    first, again = list(collector.collect()), list(collector.collect())
    assert all(one is other for one, other in zip(first[:-1], again[:-1], strict=True))
    name = "vso_secret_last_sync_timestamp_seconds{kind=VaultStaticSecret,name=web,namespace=app}"
    assert samples(first)[name] == 7.0
    put(world, kinds.VAULT_STATIC_SECRET, "web", spec=secret())
    assert samples(collector.collect())["vso_serviced_namespaces{}"] == 1
