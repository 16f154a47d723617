"""What stands in Vault, in all its shapes, and what becomes of it."""

import json
from typing import Any

import pytest

from tests.support.evidence import Watch, conditions
from tests.support.operator import Operator
from tests.support.tenant import Tenant


def test_r22_a_deleted_version_keeps_the_last_good_data(operator: Operator, tenant: Tenant) -> None:
    """0 writes, 0 restarts, one event; after the undelete all is True again without a write."""
    tenant.connect()
    tenant.put("app", {"user": "alice"})
    version = tenant.put("app", {"user": "bob"})
    tenant.deployment("web")
    tenant.sync("app", rolloutRestartTargets=[{"kind": "Deployment", "name": "web"}])
    tenant.wait_synced("app")
    watch = Watch(operator, tenant)
    tenant.bao.admin.write(f"{tenant.mount}/delete/app", {"versions": [version]})
    found = tenant.wait_failed("app", f"version {version}")
    assert "deleted" in found["message"]
    watch.wait_reads("app", 3)
    assert watch.writes("secrets") == []
    assert watch.writes("deployments") == []
    assert (tenant.data("app") or {})["user"] == b"bob"
    assert len(tenant.events("app", "VaultClientError")) == 1
    tenant.bao.admin.write(f"{tenant.mount}/undelete/app", {"versions": [version]})
    healed = tenant.wait_synced("app")
    assert set(conditions(healed).values()) == {"True"}
    assert watch.writes("secrets") == []
    assert watch.writes("deployments") == []


@pytest.mark.parametrize("pinned", [0, 2])
def test_r22_a_destroyed_version_and_a_vanished_path_keep_it_too(
    operator: Operator, tenant: Tenant, pinned: int
) -> None:
    """The latest version or a pinned one."""
    tenant.connect()
    tenant.put("app", {"user": "alice"})
    tenant.put("app", {"user": "bob"})
    tenant.sync("app", version=pinned, destination={"transformation": {"excludeRaw": True}})
    tenant.wait_synced("app")
    tenant.bao.admin.write(f"{tenant.mount}/destroy/app", {"versions": [2]})
    tenant.wait_failed("app", "destroyed")
    assert tenant.data("app") == {"user": b"bob"}
    tenant.bao.admin.delete(f"{tenant.mount}/metadata/app")
    tenant.wait_failed("app", "does not exist")
    assert tenant.data("app") == {"user": b"bob"}


def test_a_pinned_version_stays_although_newer_ones_come(operator: Operator, tenant: Tenant) -> None:
    """And costs no write (regressions R04)."""
    tenant.connect()
    tenant.put("app", {"user": "alice"})
    tenant.sync("app", version=1)
    tenant.wait_synced("app")
    watch = Watch(operator, tenant)
    tenant.put("app", {"user": "bob"})
    watch.wait_reads("app", 5)
    assert watch.writes() == []
    assert (tenant.data("app") or {})["user"] == b"alice"


def test_kv_v1_keeps_number_literals_to_the_letter(operator: Operator, tenant: Tenant) -> None:
    """As Vault sent them, in the keys and in the raw copy (behaviour.md section 8.5)."""
    tenant.connect()
    mount = f"{tenant.mount}-v1"
    tenant.bao.admin.enable_kv(mount, version=1)
    tenant.bao.admin.policy(tenant.namespace, f'path "{mount}/*" {{ capabilities = ["read"] }}')
    text = b'{"a":1,"b":1.0,"c":12345678901234567890123,"d":[1,{"z":true,"y":"<&>"}],"e":null,"f":"plain"}'
    tenant.bao.admin.write(f"{mount}/app", json.loads(text, parse_float=float))
    tenant.sync("app", mount=mount, type="kv-v1")
    tenant.wait_synced("app")
    data = tenant.data("app") or {}
    assert data["a"] == b"1"
    assert data["d"] == b'[1,{"y":"\\u003c\\u0026\\u003e","z":true}]'
    assert data["e"] == b"null"
    assert data["f"] == b"plain"
    assert data["_raw"].startswith(b'{"a":1,"b":1')
    assert b"metadata" not in data["_raw"]
    tenant.bao.admin.delete(f"sys/mounts/{mount}")


@pytest.mark.parametrize(("type_", "advice"), [("kv-v1", "set the type to kv-v2")])
def test_the_wrong_engine_version_is_named_with_what_to_do(
    operator: Operator, tenant: Tenant, type_: str, advice: str
) -> None:
    """Nothing is written."""
    tenant.connect()
    tenant.put("app", {"user": "alice"})
    tenant.sync("app", type=type_)
    tenant.wait_failed("app", advice)
    assert tenant.data("app") is None


def test_r23_a_secret_without_fields_is_synced_once(operator: Operator, tenant: Tenant) -> None:
    """Only the raw copy, or nothing at all."""
    tenant.connect()
    tenant.put("app", {})
    tenant.sync("app")
    tenant.sync("bare", path="app", destination={"transformation": {"excludeRaw": True}})
    tenant.wait_synced("app")
    tenant.wait_synced("bare")
    assert set(tenant.data("app") or {}) == {"_raw"}
    assert tenant.data("bare") == {}
    watch = Watch(operator, tenant)
    watch.wait_reads("app", 5)
    assert watch.writes() == []


def test_filters_of_the_resource_and_of_transformations_act_together(operator: Operator, tenant: Tenant) -> None:
    """The union of both, unless a reference leaves one aside; a changed SecretTransformation takes effect."""
    tenant.connect()
    tenant.put("app", {"app_user": "1", "app_pass": "2", "debug": "3", "other": "4"})
    tenant.create("SecretTransformation", "common", spec={"excludes": ["^debug"], "includes": ["^app_"]})
    ref: dict[str, Any] = {"name": "common"}
    transformation = {"excludeRaw": True, "excludes": ["pass"], "transformationRefs": [ref]}
    tenant.sync("app", refreshAfter="1h", destination={"transformation": transformation})
    tenant.wait_synced("app")
    assert set(tenant.data("app") or {}) == {"app_user"}
    tenant.patch("SecretTransformation", "common", {"spec": {"includes": ["."]}})
    tenant.wait(lambda: set(tenant.data("app") or {}) == {"app_user", "other"}, "the edit to take effect")
    refs = {"transformation": {"transformationRefs": [{**ref, "ignoreExcludes": True}]}}
    tenant.patch("VaultStaticSecret", "app", {"spec": {"destination": refs}})
    tenant.wait(lambda: set(tenant.data("app") or {}) == {"app_user", "other", "debug"}, "the reference to change")


@pytest.mark.parametrize(
    ("transformation", "text"),
    [
        ({"excludes": ["(a"]}, "error parsing regexp"),
        ({"transformationRefs": [{"name": "nowhere"}]}, "SecretTransformation"),
        ({"templates": {"a": {"text": "{{ nope }}"}}}, "not defined"),
    ],
)
def test_a_transformation_that_cannot_be_used_is_explained(
    operator: Operator, tenant: Tenant, transformation: dict[str, Any], text: str
) -> None:
    """In condition and event; nothing is written."""
    tenant.connect()
    tenant.put("app", {"a": "1"})
    tenant.sync("app", destination={"transformation": transformation})
    tenant.wait_failed("app", text)
    assert tenant.data("app") is None


def test_r35_without_macs_and_interval_a_generation_is_synced_once(operator: Operator, tenant: Tenant) -> None:
    """Unset and 0s mean the same; a deleted Secret is brought back by one read."""
    tenant.connect()
    tenant.put("app", {"user": "alice"})
    for name, refresh in (("unset", None), ("zero", "0s")):
        tenant.sync(name, path="app", hmacSecretData=False, refreshAfter=refresh)
        resource = tenant.wait_synced(name)
        assert "secretMAC" not in resource["status"]
    operator.stop()
    watch = Watch(operator, tenant)
    operator.start()
    tenant.put("probe", {"user": "alice"})
    tenant.sync("probe")
    tenant.wait_synced("probe")
    assert watch.reads("app") == 0
    assert watch.writes("secrets", "unset") == []
    tenant.delete("Secret", "zero")
    tenant.wait_data("zero", user="alice")
    assert watch.reads("app") == 1


def test_an_annotation_asks_for_a_read_now(operator: Operator, tenant: Tenant) -> None:
    """`vso.hashicorp.com/resync`, or any other change of metadata, reads again once."""
    tenant.connect()
    tenant.put("app", {"user": "alice"})
    tenant.sync("app", refreshAfter="1h")
    tenant.wait_synced("app")
    tenant.put("app", {"user": "bob"})
    tenant.patch("VaultStaticSecret", "app", {"metadata": {"annotations": {"vso.hashicorp.com/resync": "1"}}})
    tenant.wait_data("app", user="bob")


def test_d16_an_annotation_asks_for_a_read_and_others_do_not(operator: Operator, tenant: Tenant) -> None:
    """Each new value of the refresh annotation reads once; the last one handled is in the status (D16)."""
    refresh = "vault-secrets-operator.github.io/refresh"
    tenant.put("app", {"user": "alice"})
    tenant.connect()
    tenant.sync("app", refreshAfter="1h")
    tenant.wait_synced("app")
    tenant.put("app", {"user": "bob"})
    watch = Watch(operator, tenant)
    tenant.patch("VaultStaticSecret", "app", {"metadata": {"annotations": {"note": "1"}, "labels": {"a": "b"}}})
    tenant.patch("VaultStaticSecret", "app", {"metadata": {"annotations": {refresh: "1"}}})
    tenant.wait_data("app", user="bob")

    def told() -> bool:
        return bool(tenant.status("VaultStaticSecret", "app").get("extensions", {}).get("refreshed") == "1")

    tenant.wait(told, "the status to name the value")
    assert watch.reads("app") == 1
