"""What users get wrong: each mistake has its own words in the status, costs no data, and heals once it is mended."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

import pytest

from testenv import Cluster, OpenBao
from testenv.certificates import Authority
from testenv.port import free_port
from testenv.waiting import seconds
from tests.support.operator import NAMESPACE, Operator
from tests.support.tenant import Json, Tenant, new_tenant

AT_ONCE: Final = 4.0
"""Seconds within which a mended reference is felt; the operator under test backs off for up to 7.5 s."""
TOO_LARGE: Final = 1024 * 1024 + 1


@dataclass(frozen=True)
class Mistake:
    """A change that breaks the VaultStaticSecret ``app``, what its status must say then, and the way back."""

    make: Callable[[Tenant], object]
    words: tuple[str, ...]
    mend: Callable[[Tenant], object]


def spec(kind: str, name: str, **members: object) -> Callable[[Tenant], object]:
    """A merge patch of the spec of an object."""
    return lambda tenant: tenant.patch(kind, name, {"spec": members})


def put(**fields: object) -> Callable[[Tenant], object]:
    """A new version of the secret behind ``app``."""
    return lambda tenant: tenant.put("app", fields)


def nowhere() -> str:
    """An address at which nobody listens."""
    return f"http://127.0.0.1:{free_port()}"


def lock(tenant: Tenant) -> None:
    """Make the Secret immutable, then change what it should hold."""
    tenant.patch("Secret", "app", {"immutable": True})
    tenant.put("app", {"user": "bob"})


def unlock(tenant: Tenant) -> None:
    """Do what the message advises."""
    tenant.delete("Secret", "app")


def delete_version(tenant: Tenant) -> None:
    """Soft-delete the newest version."""
    tenant.bao.admin.delete(f"{tenant.mount}/data/app")


MISTAKES: Final = {
    "a mount that does not exist": Mistake(
        spec("VaultStaticSecret", "app", mount="nowhere"),
        ("nowhere",),
        lambda tenant: tenant.patch("VaultStaticSecret", "app", {"spec": {"mount": tenant.mount}}),
    ),
    "a path that does not exist": Mistake(
        spec("VaultStaticSecret", "app", path="nobody"),
        ("nobody", "404"),
        spec("VaultStaticSecret", "app", path="app"),
    ),
    "a version that was deleted": Mistake(delete_version, ("deleted",), put(user="alice")),
    "a path that leaves its mount": Mistake(
        spec("VaultStaticSecret", "app", path="x/../../sys/mounts"),
        ("..",),
        spec("VaultStaticSecret", "app", path="app"),
    ),
    "an engine of the other version": Mistake(
        spec("VaultStaticSecret", "app", type="kv-v1"), ("kv-v2",), spec("VaultStaticSecret", "app", type="kv-v2")
    ),
    "a role that does not exist": Mistake(
        spec("VaultAuth", "vault", kubernetes={"role": "nobody"}),
        ("was refused", "role", "auth/kubernetes/login"),
        lambda tenant: tenant.patch("VaultAuth", "vault", {"spec": {"kubernetes": {"role": tenant.namespace}}}),
    ),
    "an audience that the role does not accept": Mistake(
        spec("VaultAuth", "vault", kubernetes={"audiences": ["elsewhere"]}),
        ("was refused", 'audience "elsewhere"', "audiences requested"),
        spec("VaultAuth", "vault", kubernetes={"audiences": ["vault"]}),
    ),
    "an auth mount that does not exist": Mistake(
        spec("VaultAuth", "vault", mount="elsewhere"),
        ("was refused", "auth/elsewhere/login"),
        spec("VaultAuth", "vault", mount="kubernetes"),
    ),
    "an address at which nobody listens": Mistake(
        lambda tenant: tenant.patch("VaultConnection", "vault", {"spec": {"address": nowhere()}}),
        ("cannot connect", "connection refused"),
        lambda tenant: tenant.patch("VaultConnection", "vault", {"spec": {"address": tenant.bao.address}}),
    ),
    "a server without TLS behind https": Mistake(
        lambda tenant: tenant.patch(
            "VaultConnection", "vault", {"spec": {"address": tenant.bao.address.replace("http:", "https:")}}
        ),
        ("TLS",),
        lambda tenant: tenant.patch("VaultConnection", "vault", {"spec": {"address": tenant.bao.address}}),
    ),
    "more than a Secret may hold": Mistake(
        put(user="alice", big="x" * TOO_LARGE), ("bytes", "1048576"), put(user="alice")
    ),
    "a key that Kubernetes refuses": Mistake(
        put(**{"user": "alice", "my key!": "1"}), ("my key!", "excludes"), put(user="alice")
    ),
    "an immutable Secret": Mistake(lock, ("immutable", "delete it"), unlock),
}


def states(tenant: Tenant, *types: str) -> list[str]:
    """The statuses of these conditions of ``app``."""
    found = (tenant.condition("VaultStaticSecret", "app", one) for one in types)
    return [one["status"] for one in found if one]


@pytest.fixture
def ready(operator: Operator, tenant: Tenant) -> Tenant:
    """A tenant whose VaultStaticSecret ``app`` is in sync and holds user = alice."""
    more = f'path "{tenant.mount}/*" {{ capabilities = ["read"] }}\npath "nowhere/*" {{ capabilities = ["read"] }}'
    tenant.bao.admin.policy(tenant.mount, more)
    tenant.connect()
    tenant.put("app", {"user": "alice"})
    tenant.sync("app")
    tenant.wait_synced("app")
    return tenant


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_explained_costs_no_data_and_heals_when_it_is_mended(ready: Tenant, name: str) -> None:
    """The condition says what is wrong, the Secret keeps its data, and everything comes back by itself."""
    mistake = MISTAKES[name]
    before = ready.get("Secret", "app")
    assert before is not None
    mistake.make(ready)
    message = ready.wait_failed("app", mistake.words[0])["message"]
    assert [word for word in mistake.words if word not in message] == []
    assert states(ready, "Healthy", "Ready") == ["False", "False"]
    ready.wait(lambda: [one for one in ready.events("app") if one["type"] == "Warning"], "a warning about it")
    after = ready.get("Secret", "app")
    assert after is not None
    assert (after["metadata"]["uid"], after["data"]) == (before["metadata"]["uid"], before["data"])
    mistake.mend(ready)
    ready.wait_synced("app")
    ready.wait_data("app")


def test_what_the_schema_knows_is_refused_at_once_by_the_api_server(ready: Tenant) -> None:
    """An unknown type and a duration that is none never reach the operator: kubectl says which are allowed."""
    for patch, word in (({"type": "kv-v3"}, "kv-v2"), ({"refreshAfter": "1x"}, "refreshAfter")):
        body = json.dumps({"spec": patch})
        answer = ready.cluster.kubectl(
            "patch", "vaultstaticsecret", "app", f"--namespace={ready.namespace}", "--type=merge", f"--patch={body}"
        )
        assert answer.returncode != 0
        assert word in answer.stderr


def test_binary_and_unicode_values_arrive_byte_by_byte(ready: Tenant) -> None:
    """What JSON can carry a Secret can hold: NUL, control characters, other scripts, values without structure."""
    values = {
        "nul": "a\x00b",
        "controls": "".join(map(chr, range(32))) + "\x7f",
        "scripts": "Grüße, 日本語, \U0001f512, \ufeff, \uffff",
        "empty": "",
        "lines": "\r\n-----BEGIN-----\n\n",
        "html": '<a href="x">&amp;</a>\u2028',
    }
    ready.put("app", values)
    ready.wait_data("app", **values)
    ready.wait_synced("app")


def test_a_wrong_ca_is_named_and_the_right_one_heals(operator: Operator, tenant: Tenant, tls: OpenBao) -> None:
    """The message says that the certificate is not trusted and points at the CA; the data of before is kept."""
    tls.admin.enable_kv(tenant.mount)
    tls.admin.policy(tenant.mount, f'path "{tenant.mount}/*" {{ capabilities = ["read"] }}')
    tls.admin.kubernetes_role(
        "kubernetes", tenant.mount, policies=[tenant.mount], namespaces=[tenant.namespace], audience="vault"
    )
    tls.admin.put_kv(tenant.mount, "app", {"user": "alice"})
    other = Authority.create(tls.folder / "other", name="other")
    for name, pem in (("right", tls.ca_pem), ("wrong", other.pem), ("garbage", "-----BEGIN")):
        tenant.create("Secret", name, stringData={"ca.crt": pem})
    tenant.connect(address=tls.address, caCertSecretRef="right")
    tenant.sync("app")
    tenant.wait_synced("app")
    for name, words in (
        ("wrong", "certificate is not trusted"),
        ("garbage", "certificate"),
        ("missing", f"Secret {tenant.namespace}/missing, which does not exist"),
    ):
        tenant.patch("VaultConnection", "vault", {"spec": {"caCertSecretRef": name}})
        tenant.wait_failed("app", words)
        tenant.wait(
            lambda: (tenant.condition("VaultConnection", "vault", "Ready") or {}).get("status") == "False",
            "the VaultConnection to be not ready",
        )
    assert (tenant.data("app") or {})["user"] == b"alice"
    tenant.patch("VaultConnection", "vault", {"spec": {"caCertSecretRef": "right"}})
    tenant.wait_synced("app")


@pytest.fixture(scope="module")
def tls(cluster: Cluster) -> Iterator[OpenBao]:
    """A server with a certificate of a CA of its own."""
    with OpenBao(tls=True) as bao:
        bao.admin.enable_kubernetes_auth("kubernetes", cluster)
        yield bao


def test_missing_references_are_named_one_after_the_other_and_healed_at_once(
    operator: Operator, tenant: Tenant
) -> None:
    """VaultAuth, VaultAuthGlobal, VaultConnection: each is waited for by a watch, not by a timer."""
    tenant.put("app", {"user": "alice"})
    tenant.sync("app")
    place = tenant.namespace
    tenant.wait_failed("app", f"VaultAuth {place}/vault does not exist")
    auth = {"vaultConnectionRef": "vault", "vaultAuthGlobalRef": {"name": "shared"}, "method": "kubernetes"}
    tenant.create("VaultAuth", "vault", spec=auth)
    tenant.wait_failed("app", f"VaultAuthGlobal {place}/shared was not found", timeout=AT_ONCE)
    shared = {**tenant.auth_spec()["kubernetes"], "mount": "kubernetes"}
    tenant.create("VaultAuthGlobal", "shared", spec={"kubernetes": shared})
    tenant.wait_failed("app", f"VaultConnection {place}/vault", timeout=AT_ONCE)
    tenant.create("VaultConnection", "vault", spec={"address": tenant.bao.address})
    tenant.wait_synced("app", timeout=AT_ONCE)
    tenant.wait(lambda: tenant.condition("VaultAuth", "vault", "Ready"), "a status of the VaultAuth")
    tenant.delete("VaultAuth", "vault")
    tenant.wait_failed("app", f"VaultAuth {place}/vault does not exist", timeout=AT_ONCE)
    assert (tenant.data("app") or {})["user"] == b"alice"
    tenant.create("VaultAuth", "vault", spec=auth)
    tenant.wait_synced("app", timeout=AT_ONCE)


def test_a_malformed_reference_is_told_without_any_request_to_vault(ready: Tenant) -> None:
    """More than one slash cannot be a reference; only a change of the object can help."""
    ready.patch("VaultStaticSecret", "app", {"spec": {"vaultAuthRef": "a/b/c"}})
    ready.wait_failed("app", "a/b/c")
    ready.patch("VaultStaticSecret", "app", {"spec": {"vaultAuthRef": f"{ready.namespace}/vault"}})
    ready.wait_synced("app", timeout=AT_ONCE)


def test_a_namespace_that_is_not_allowed_is_told_and_let_in_at_once(
    operator: Operator, tenant: Tenant, cluster: Cluster, bao: OpenBao
) -> None:
    """`allowedNamespaces` of a VaultAuth elsewhere: the text names namespace, object and list."""
    host = new_tenant(cluster, bao)
    host.connect()
    bao.admin.kubernetes_role(
        "kubernetes", host.namespace, policies=[tenant.mount], namespaces=[tenant.namespace], audience="vault"
    )
    tenant.put("app", {"user": "alice"})
    tenant.sync("app", vaultAuthRef=f"{host.namespace}/vault")
    text = f"namespace {tenant.namespace!r} may not use VaultAuth {host.namespace}/vault"
    tenant.wait_failed("app", text)
    assert tenant.data("app") is None
    host.patch("VaultAuth", "vault", {"spec": {"allowedNamespaces": [tenant.namespace]}})
    tenant.wait_synced("app", timeout=AT_ONCE)
    host.patch("VaultAuth", "vault", {"spec": {"allowedNamespaces": ["someone-else"]}})
    tenant.wait_failed("app", text, timeout=AT_ONCE)


def test_r31_a_missing_service_account_is_named_with_its_namespace_and_the_vaultauth(
    operator: Operator, tenant: Tenant, cluster: Cluster, bao: OpenBao
) -> None:
    """Of a VaultAuth in another namespace the account is looked up at the consumer, and the text says so."""
    host = new_tenant(cluster, bao)
    host.connect()
    kubernetes = {"role": tenant.namespace, "serviceAccount": "robot"}
    host.patch("VaultAuth", "vault", {"spec": {"allowedNamespaces": ["*"], "kubernetes": kubernetes}})
    host.create("ServiceAccount", "robot")
    bao.admin.kubernetes_role(
        "kubernetes", tenant.namespace, policies=[tenant.mount], namespaces=[tenant.namespace], audience="vault"
    )
    tenant.put("app", {"user": "alice"})
    tenant.sync("app", vaultAuthRef=f"{host.namespace}/vault")
    words = (f"ServiceAccount {tenant.namespace}/robot", f"VaultAuth {host.namespace}/vault", "create it there")
    message = tenant.wait_failed("app", words[0])["message"]
    assert [word for word in words if word not in message] == []
    unrecoverable = tenant.wait(lambda: tenant.events("app", "Unrecoverable"), "the event of the client factory")
    assert words[0] in unrecoverable[0]["message"]
    tenant.create("ServiceAccount", "robot")
    tenant.wait_synced("app")


def test_a_sealed_vault_is_told_as_sealed_and_heals_after_the_unsealing(
    operator: Operator, tenant: Tenant, cluster: Cluster
) -> None:
    """The words reach both the VaultStaticSecret and its VaultConnection; the Secret is not touched."""
    with OpenBao(durable=True) as bao:
        bao.admin.enable_kubernetes_auth("kubernetes", cluster)
        own = move(tenant, bao)
        own.put("app", {"user": "alice"})
        own.sync("app")
        before = own.wait_synced("app")
        bao.seal()
        own.wait_failed("app", "sealed")
        own.wait(lambda: "sealed" in text_of(own, "VaultConnection", "vault"), "the connection to tell")
        assert own.data("app") is not None
        assert (own.data("app") or {})["user"] == b"alice"
        started = seconds()
        bao.unseal()
        own.wait_synced("app")
        assert seconds() - started < 15
        after = own.get("VaultStaticSecret", "app")
        assert after is not None
        assert after["status"]["secretMAC"] == before["status"]["secretMAC"]


def move(tenant: Tenant, bao: OpenBao) -> Tenant:
    """The tenant's namespace with an engine and a role in another server."""
    bao.admin.enable_kv(tenant.mount)
    bao.admin.policy(tenant.mount, f'path "{tenant.mount}/*" {{ capabilities = ["read"] }}')
    bao.admin.kubernetes_role(
        "kubernetes", tenant.mount, policies=[tenant.mount], namespaces=[tenant.namespace], audience="vault"
    )
    own = Tenant(tenant.cluster, bao, tenant.namespace, tenant.mount)
    own.connect()
    return own


def text_of(tenant: Tenant, kind: str, name: str) -> str:
    """All messages of the conditions of an object."""
    status: Json = (tenant.get(kind, name) or {}).get("status", {})
    return " ".join(one["message"] for one in status.get("conditions", []))


def test_a_default_vaultauth_that_is_missing_is_looked_for_with_the_operator(
    operator: Operator, tenant: Tenant
) -> None:
    """An empty reference means the object called default beside the operator; the text names where it looked."""
    tenant.sync("app", vaultAuthRef="")
    tenant.wait_failed("app", f"VaultAuth {NAMESPACE}/default does not exist")


def test_a_namespace_that_is_being_deleted_is_told_and_held_up_by_nothing(
    operator: Operator, cluster: Cluster, bao: OpenBao
) -> None:
    """A Secret that goes first cannot be put back: the status says why, and the namespace ends as ever."""
    tenant = new_tenant(cluster, bao)
    tenant.connect()
    tenant.put("app", {"user": "alice"})
    tenant.sync("app")
    tenant.wait_synced("app")
    path, controllers = f"/api/v1/namespaces/{tenant.namespace}", cluster.controller_manager
    assert controllers is not None
    controllers.pause()  # nothing else of the namespace goes until then
    try:
        cluster.request("DELETE", path)
        tenant.delete("Secret", "app")
        tenant.wait_failed("app", f"in namespace {tenant.namespace} because it is being terminated")
    finally:
        controllers.resume()
    everything = f"/api/v1/namespaces?fieldSelector=metadata.name={tenant.namespace}"
    tenant.wait(lambda: not cluster.request("GET", everything)["items"], "the namespace to be gone", timeout=60)
