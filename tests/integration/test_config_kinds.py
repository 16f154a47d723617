"""VaultConnection, VaultAuth, VaultAuthGlobal, and the kinds whose service has ended."""

import json
from functools import partial
from typing import Any

import pytest

from testenv import OpenBao
from tests.support.evidence import Watch, conditions
from tests.support.operator import Operator
from tests.support.tenant import Json, Tenant


def installation(tenant: Tenant) -> list[Json]:
    """What brings ``app`` into the Secret of that name, each object after what it refers to."""
    specs: dict[tuple[str, str], Json] = {
        ("VaultConnection", "vault"): {"address": tenant.bao.address},
        ("VaultAuth", "vault"): tenant.auth_spec(),
        ("SecretTransformation", "shown"): {"templates": {"shown": {"text": "{{ .Secrets.user }}"}}},
        ("VaultStaticSecret", "app"): {
            "vaultAuthRef": "vault",
            "mount": tenant.mount,
            "path": "app",
            "type": "kv-v2",
            "destination": {
                "name": "app",
                "create": True,
                "transformation": {"transformationRefs": [{"name": "shown"}]},
            },
        },
    }
    return [
        {
            "apiVersion": "secrets.hashicorp.com/v1beta1",
            "kind": kind,
            "metadata": {"name": name, "namespace": tenant.namespace},
            "spec": spec,
        }
        for (kind, name), spec in specs.items()
    ]


def status(tenant: Tenant, kind: str, name: str = "vault") -> Json:
    """The status, empty if there is none yet."""
    found: Json = (tenant.get(kind, name) or {}).get("status", {})
    return found


def wait_valid(tenant: Tenant, kind: str, *, valid: bool, name: str = "vault") -> Json:
    """Wait until `status.valid` is so, and return the status."""
    tenant.wait(lambda: status(tenant, kind, name).get("valid") is valid, f"{kind} {name} to be valid={valid}")
    return status(tenant, kind, name)


def test_a_connection_that_answers_is_valid_and_costs_no_further_write(operator: Operator, tenant: Tenant) -> None:
    """Conditions in the original's order; one Accepted event."""
    tenant.connect()
    found = wait_valid(tenant, "VaultConnection", valid=True)
    assert [one["type"] for one in found["conditions"]] == ["VaultPing", "ResourceValidation", "Healthy", "Ready"]
    assert {one["status"] for one in found["conditions"]} == {"True"}
    assert f"address={tenant.bao.address}" in found["conditions"][0]["message"]
    tenant.wait(lambda: tenant.events("vault", "Accepted"), "an event")


@pytest.mark.parametrize(
    ("spec", "text"),
    [
        ({"address": "http://127.0.0.1:9"}, "127.0.0.1:9"),
        ({"address": "ftp://vault"}, "ftp"),
        ({"headers": {"x-vault-namespace": "a"}}, "X-Vault-Namespace"),
        ({"caCertSecretRef": "nowhere"}, "does not exist"),
        ({"caCertSecretRef": "a", "caCertPath": "/b"}, "caCertPath"),
        ({"caCertPath": "/etc/ssl/ca.pem"}, "only permitted to objects of the operator's namespace"),
    ],
)
def test_a_connection_that_cannot_be_used_says_why(
    operator: Operator, tenant: Tenant, spec: dict[str, Any], text: str
) -> None:
    """In condition and event; mended, it is valid within seconds."""
    tenant.create("VaultConnection", "vault", spec={"address": tenant.bao.address, **spec})
    found = wait_valid(tenant, "VaultConnection", valid=False)
    assert conditions({"status": found})["Ready"] == "False"
    assert any(text.lower() in one["message"].lower() for one in found["conditions"]), found
    tenant.wait(lambda: tenant.events("vault", "VaultClientError"), "an event")
    mended = {"address": tenant.bao.address, **dict.fromkeys(set(spec) - {"address"})}
    tenant.patch("VaultConnection", "vault", {"spec": mended})
    wait_valid(tenant, "VaultConnection", valid=True)


def test_a_connection_without_verification_is_told_so(operator: Operator, tenant: Tenant) -> None:
    """It works, and a condition says what is missing."""
    with OpenBao(tls=True) as secure:
        tenant.create("VaultConnection", "vault", spec={"address": secure.address, "skipTLSVerify": True})
        found = wait_valid(tenant, "VaultConnection", valid=True)
        assert conditions({"status": found})["TLSVerification"] == "False"
        ca = {"ca.crt": secure.ca_pem}
        tenant.create("Secret", "ca", stringData=ca)
        tenant.patch("VaultConnection", "vault", {"spec": {"skipTLSVerify": False, "caCertSecretRef": "ca"}})
        tenant.wait(
            lambda: "TLSVerification" not in conditions({"status": status(tenant, "VaultConnection")}), "a check"
        )
        wait_valid(tenant, "VaultConnection", valid=True)
        tenant.delete("VaultConnection", "vault")


def test_a_vaultauth_follows_its_connection(operator: Operator, tenant: Tenant) -> None:
    """Invalid while it is missing, valid as soon as it is there, without any request to Vault."""
    tenant.create("VaultAuth", "vault", spec=tenant.auth_spec())
    found = wait_valid(tenant, "VaultAuth", valid=False)
    assert f"VaultConnection {tenant.namespace}/vault does not exist" in found["error"]
    tenant.create("VaultConnection", "vault", spec={"address": tenant.bao.address})
    found = wait_valid(tenant, "VaultAuth", valid=True)
    assert len(found["specHash"]) == 64
    assert found.get("error", "") == ""
    tenant.delete("VaultConnection", "vault")
    wait_valid(tenant, "VaultAuth", valid=False)
    warnings = [one for one in tenant.events("vault", "Accepted") if one["type"] == "Warning"]
    assert warnings
    assert "err=" in warnings[0]["message"]


def test_objects_of_one_manifest_may_come_in_any_order(operator: Operator, tenant: Tenant) -> None:
    """The resource first, the server last: everything comes true, and nobody was told of a failure."""
    tenant.put("app", {"user": "alice"})
    manifest = "\n---\n".join(json.dumps(one) for one in reversed(installation(tenant)))
    applied = tenant.cluster.kubectl("apply", "-f", "-", input=manifest)
    assert applied.returncode == 0, applied.stderr
    tenant.wait_data("app", user="alice", shown="alice")
    tenant.wait_synced("app")
    events = [one for name in ("app", "shown", "vault") for one in tenant.events(name)]
    assert [one["message"] for one in events if one["type"] == "Warning"] == []


def test_r09_a_changed_global_reaches_those_who_inherit_from_it(operator: Operator, tenant: Tenant) -> None:
    """A wrong role there fails the login; corrected there, the resource is in sync within seconds.

    Who inherits from another one, or from none, is not read anew.
    """
    tenant.put("app", {"user": "alice"})
    tenant.create("VaultConnection", "vault", spec={"address": tenant.bao.address})
    block = {"role": "nobody", "serviceAccount": "default", "audiences": ["vault"]}
    shared = {"vaultConnectionRef": "vault", "defaultAuthMethod": "kubernetes", "defaultMount": "kubernetes"}
    tenant.create("VaultAuth", "vault", spec={"vaultAuthGlobalRef": {"name": "shared"}})
    tenant.sync("app")
    tenant.wait_failed("app", "VaultAuthGlobal")
    tenant.create("VaultAuthGlobal", "shared", spec={**shared, "kubernetes": block})
    tenant.wait_failed("app", "login")
    found = wait_valid(tenant, "VaultAuth", valid=True)
    assert f"key={tenant.namespace}/shared" in found["conditions"][0]["message"]
    right = {**block, "role": tenant.namespace}
    tenant.create("VaultAuthGlobal", "another", spec={**shared, "kubernetes": right})
    tenant.create("VaultAuth", "another", spec={"vaultAuthGlobalRef": {"name": "another"}})
    tenant.create("VaultAuth", "alone", spec=tenant.auth_spec())
    for name in ("another", "alone"):
        tenant.put(name, {"user": "bob"})
        tenant.sync(name, vaultAuthRef=name, refreshAfter="1h")
        tenant.wait_synced(name)
    watch = Watch(operator, tenant)
    tenant.patch("VaultAuthGlobal", "shared", {"spec": {"kubernetes": {"role": tenant.namespace}}})
    tenant.wait_synced("app", timeout=10)
    watch.wait_reads("app", 2)
    assert [watch.reads(name) for name in ("another", "alone")] == [0, 0]


def test_r09_an_edit_that_does_not_enter_the_login_fetches_nothing(operator: Operator, tenant: Tenant) -> None:
    """allowedNamespaces, for example: no login, no read beyond the planned ones."""
    tenant.connect()
    tenant.put("app", {"user": "alice"})
    tenant.sync("app", refreshAfter="1h")
    tenant.wait_synced("app")
    watch = Watch(operator, tenant)
    tenant.patch("VaultAuth", "vault", {"spec": {"allowedNamespaces": ["somebody"]}})
    generation = (tenant.get("VaultAuth", "vault") or {})["metadata"]["generation"]
    tenant.wait(
        lambda: all(one["observedGeneration"] == generation for one in status(tenant, "VaultAuth")["conditions"]),
        "the edit to be seen",
    )
    tenant.put("probe", {"user": "alice"})
    tenant.sync("probe")
    tenant.wait_synced("probe")
    assert watch.reads("app") == 0
    logins = [one for one in tenant.bao.requests(since=watch.vault) if one.path == "auth/kubernetes/login"]
    assert logins == []


def test_the_ended_service_is_told_and_never_holds_up_a_deletion(operator: Operator, tenant: Tenant) -> None:
    """With the finalizer that the original left."""
    finalizers = {"finalizers": ["hcpvaultsecretsapp.secrets.hashicorp.com/finalizer"]}
    spec = {"appName": "app", "destination": {"name": "app", "create": True}}
    tenant.create("HCPVaultSecretsApp", "app", metadata=finalizers, spec=spec)
    tenant.create("HCPAuth", "app", spec={"organizationID": "a", "projectID": "b"})
    for kind in ("HCPVaultSecretsApp", "HCPAuth"):
        found = tenant.wait(partial(tenant.condition, kind, "app", "Ready"), f"a condition on {kind}")
        assert (found["status"], found["reason"]) == ("False", "ServiceDiscontinued")
        tenant.delete(kind, "app")
        tenant.wait_gone(kind, "app")
