"""Each way to log in, for real: the operator gets a token of OpenBao with it, and syncs a secret."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from testenv import Cluster, OpenBao
from testenv.directory import BASE, Directory
from tests.support.logins import LOGINS, PASSWORD, approle_auth, cert, jwt_auth, ldap, secret_id
from tests.support.operator import NAMESPACE, Operator
from tests.support.tenant import Json, Tenant, new_tenant, remove


def use(tenant: Tenant, login: Json, **more: Any) -> None:
    """A VaultConnection to the tenant's server, and a VaultAuth that logs in so."""
    secure = {"caCertSecretRef": "ca"} if tenant.bao.address.startswith("https") else {}
    if secure:
        tenant.create("Secret", "ca", stringData={"ca.crt": tenant.bao.ca_pem})
    tenant.create("VaultConnection", "vault", spec={"address": tenant.bao.address, **secure})
    tenant.create("VaultAuth", "vault", spec={"vaultConnectionRef": "vault", **login, **more})


def logins(tenant: Tenant, mount: str) -> int:
    """Logins at `mount` so far."""
    return sum(one.path.startswith(f"auth/{mount}/login") for one in tenant.bao.requests(since=0))


@pytest.mark.parametrize("login", LOGINS.values(), ids=LOGINS)
def test_a_login_that_works_syncs_and_names_its_method(
    operator: Operator, tenant: Tenant, login: Callable[[Tenant], Json]
) -> None:
    """One login for two secrets; the client's key in status starts with the method's name."""
    spec = login(tenant)
    use(tenant, spec)
    tenant.put("app", {"user": "alice"})
    tenant.put("other", {"user": "bob"})
    tenant.sync("app")
    tenant.sync("other")
    synced = tenant.wait_synced("app")
    tenant.wait_synced("other")
    tenant.wait_data("app", user="alice")
    method = spec.get("method") or spec["extensions"]["login"]["method"]
    assert synced["status"]["vaultClientMeta"]["cacheKey"].startswith(f"{method.lower()}-")
    assert len(synced["status"]["vaultClientMeta"]["id"]) == 64
    if "mount" in spec:
        assert logins(tenant, spec["mount"]) == 1


@pytest.fixture
def secure(cluster: Cluster) -> Iterator[Tenant]:
    """A tenant whose server speaks TLS and asks for client certificates."""
    with OpenBao(tls=True) as bao:
        bao.admin.enable_kubernetes_auth("kubernetes", cluster)
        tenant = new_tenant(cluster, bao)
        yield tenant
        remove(tenant)


def test_a_client_certificate_logs_in_and_renews(operator: Operator, secure: Tenant) -> None:
    """The server checks it at the login and again at each renewal; a key that does not fit is told apart."""
    assert secure.bao.authority is not None
    login = cert(secure, secure.bao.authority, ttl="15s")
    use(secure, login)
    secure.put("app", {"user": "alice"})
    secure.sync("app")
    secure.wait_synced("app")
    mark = secure.bao.mark()
    secure.wait(
        lambda: [one for one in secure.bao.requests(since=mark) if one.path == "auth/token/renew-self"],
        "a renewal of the token",
    )
    secure.wait_synced("app")
    assert logins(secure, login["mount"]) == 1
    other = secure.bao.authority.client("other").key.read_text()
    secure.create("Secret", "mixed", stringData={"tls.crt": "x", "tls.key": other})
    secure.patch("VaultAuth", "vault", {"spec": {"extensions": {"login": {"cert": {"secretRef": "mixed"}}}}})
    secure.wait_failed("app", "tls.crt and tls.key must be PEM")


@pytest.mark.parametrize(
    ("spec", "text"),
    [
        ({"method": "jwt", "jwt": {"role": "r", "secretRef": "nobody"}}, "Secret {ns}/nobody, which VaultAuth"),
        ({"method": "jwt", "jwt": {"role": "r", "secretRef": "empty"}}, 'no data found in secret key "jwt"'),
        ({"method": "jwt", "jwt": {"role": "r", "secretRef": "other"}}, 'no key "jwt" found in secret'),
        ({"method": "jwt", "jwt": {"role": "r"}}, "spec.jwt names no token"),
        ({"method": "appRole", "appRole": {"secretRef": "other"}}, "spec.appRole.roleId is empty"),
        ({"method": "appRole", "appRole": {"roleId": "r", "secretRef": "other"}}, 'no key "id" found in secret'),
        ({"method": "appRole", "appRole": {"roleId": "r"}}, "names no secret id"),
        ({"method": "appRole", "appRole": {"roleId": "r", "secretRef": "a", "secretIDPath": "/b"}}, "keep one"),
        ({"method": "appRole", "appRole": {"roleId": "r", "secretIDPath": "/etc/x"}}, "only permitted to objects of"),
        (
            {"method": "kubernetes", "kubernetes": {"role": "r", "serviceAccount": "nobody"}},
            "ServiceAccount {ns}/nobody",
        ),
        ({"method": "aws", "aws": {"role": "r"}}, "--ambient-identity-namespaces"),
        ({"method": "gcp", "gcp": {"role": "r"}}, "workloadIdentityServiceAccount is empty"),
        ({"method": "kubernetes"}, "there is no spec.kubernetes"),
        ({}, "no auth method; set spec.method"),
        ({"extensions": {"login": {"method": "cert"}}}, "there is no spec.extensions.login.cert"),
        ({"extensions": {"login": {"method": "userpass", "userpass": {}}}}, "userpass.secretRef is empty"),
        ({"extensions": {"login": {"method": "userpass", "userpass": {"secretRef": "other"}}}}, 'no key "username"'),
        ({"method": "jwt", "extensions": {"login": {"method": "token", "token": {"secretRef": "x"}}}}, "keep one"),
        ({"extensions": {"credentialsNamespace": "Own"}, "method": "jwt", "jwt": {"role": "r"}}, "names no token"),
    ],
    ids=lambda value: None if isinstance(value, dict) else value,
)
def test_what_is_missing_is_named(operator: Operator, tenant: Tenant, spec: Json, text: str) -> None:
    """In the condition and an event; nothing is sent to OpenBao, and nothing is retried in a hurry."""
    tenant.create("Secret", "empty", stringData={"jwt": ""})
    tenant.create("Secret", "other", stringData={"x": "y"})
    use(tenant, {"mount": "nowhere", **spec})
    tenant.sync("app")
    tenant.wait_failed("app", text.format(ns=tenant.namespace))
    tenant.wait(lambda: tenant.events("app", "VaultClientConfigError"), "an event")
    assert logins(tenant, "nowhere") == 0


def test_a_user_of_a_directory_logs_in_and_a_wrong_password_is_told(operator: Operator, cluster: Cluster) -> None:
    """OpenBao asks a real directory; the password shows nowhere."""
    with Directory({"web": PASSWORD}) as directory, OpenBao(binary=directory.bao) as bao:
        bao.admin.enable_kubernetes_auth("kubernetes", cluster)
        tenant = new_tenant(cluster, bao)
        spec = ldap(tenant, directory.url, BASE)
        tenant.patch("Secret", "login", {"stringData": {"password": f"not-{PASSWORD}"}})
        use(tenant, spec)
        tenant.put("app", {"user": "alice"})
        tenant.sync("app")
        tenant.wait_failed("app", f"auth/{spec['mount']}/login/web")
        tenant.patch("Secret", "login", {"stringData": {"password": PASSWORD}})
        synced = tenant.wait_synced("app")
        assert synced["status"]["vaultClientMeta"]["cacheKey"].startswith("ldap-")
        tenant.delete("VaultStaticSecret", "app")
        remove(tenant)


def test_a_wrong_password_is_told_without_it(operator: Operator, tenant: Tenant) -> None:
    """The condition names mount and status; mended in the Secret, the next attempt logs in."""
    spec = LOGINS["userpass"](tenant)
    tenant.patch("Secret", "login", {"stringData": {"password": f"{PASSWORD}-wrong"}})
    use(tenant, spec)
    tenant.put("app", {"user": "alice"})
    tenant.sync("app")
    failed = tenant.wait_failed("app", f'login at "auth/{spec["mount"]}/login/web" was refused')
    assert PASSWORD not in str(failed)
    tenant.patch("Secret", "login", {"stringData": {"password": PASSWORD}})
    tenant.wait_synced("app")


def test_a_wrapping_token_is_used_once_and_one_of_other_origin_not_at_all(operator: Operator, tenant: Tenant) -> None:
    """A second login does with the secret id that was unwrapped; content from elsewhere is refused before a look."""
    use(tenant, LOGINS["appRole wrapped"](tenant))
    tenant.put("app", {"user": "alice"})
    tenant.sync("app")
    tenant.wait_synced("app")
    tenant.patch("VaultAuth", "vault", {"spec": {"headers": {"X-Any": "1"}}})
    tenant.wait(lambda: logins(tenant, f"approle-{tenant.namespace}") == 2, "a second login")
    tenant.wait_synced("app")
    headers = {"X-Vault-Token": tenant.bao.admin.token, "X-Vault-Wrap-TTL": "5m"}
    forged = _wrap(tenant, headers, {"secret_id": "planted"})
    tenant.patch("Secret", "login", {"stringData": {"id": forged}})
    tenant.patch("VaultAuth", "vault", {"spec": {"headers": {"X-Any": "2"}}})
    tenant.wait_failed("app", "it may have been replaced")
    assert logins(tenant, f"approle-{tenant.namespace}") == 2


def _wrap(tenant: Tenant, headers: dict[str, str], content: Json) -> str:
    answer = replace(tenant.bao.admin.site, headers=headers).call("PUT", "/v1/sys/wrapping/wrap", content)
    return str(answer["wrap_info"]["token"])


def test_a_secret_id_is_read_from_a_file_of_the_administrators_directory(
    operator: Operator, tenant: Tenant, credentials: Path
) -> None:
    """For a VaultAuth of the operator's namespace; a link that leads out of the directory is not followed."""
    mount, role_id = approle_auth(tenant)
    (credentials / tenant.namespace).write_text(f"\n{secret_id(tenant)}\n")
    (credentials / f"{tenant.namespace}-out").symlink_to("/etc/hostname")
    (credentials / f"{tenant.namespace}-empty").write_text("\n")
    name, own = tenant.namespace, Tenant(tenant.cluster, tenant.bao, NAMESPACE, tenant.mount)
    own.create("VaultConnection", name, spec={"address": tenant.bao.address})
    block = {"roleId": role_id, "secretIDPath": str(credentials / tenant.namespace)}
    spec = {"vaultConnectionRef": name, "method": "appRole", "mount": mount, "allowedNamespaces": [name]}
    own.create("VaultAuth", name, spec={**spec, "appRole": block})
    try:
        tenant.put("app", {"user": "alice"})
        tenant.sync("app", vaultAuthRef=f"{NAMESPACE}/{name}")
        synced = tenant.wait_synced("app")
        assert synced["status"]["vaultClientMeta"]["cacheKey"].startswith("approle-")
        assert logins(tenant, mount) == 1
        for path, text in (
            (f"{credentials}/{name}-out", "is not below"),
            ("/etc/hostname", "is not below"),
            (f"{credentials}/nowhere", "No such file"),
            (f"{credentials}/{name}-empty", "approle secret-id file contains no data"),
        ):
            own.patch("VaultAuth", name, {"spec": {"appRole": {"secretIDPath": path}}})
            tenant.wait_failed("app", text)
    finally:
        own.delete("VaultAuth", name)
        own.delete("VaultConnection", name)


def test_d40_a_secret_id_that_ends_soon_is_warned_of_once(operator: Operator, tenant: Tenant) -> None:
    """If the login may look it up; one that may not gets on without."""
    mount, role_id = approle_auth(tenant)
    admin, role = tenant.bao.admin, f"auth/{mount}/role/{tenant.namespace}"
    admin.write(role, {"token_policies": [tenant.namespace], "token_ttl": "1h", "secret_id_ttl": "20s"})
    tenant.create("Secret", "login", stringData={"id": secret_id(tenant)})
    spec = {"method": "appRole", "mount": mount, "appRole": {"roleId": role_id, "secretRef": "login"}}
    use(tenant, spec)
    tenant.put("app", {"user": "alice"})
    tenant.sync("app")
    tenant.wait_synced("app")
    admin.policy(
        tenant.namespace,
        f'path "{tenant.mount}/*" {{ capabilities = ["read"] }}\n'
        f'path "{role}/secret-id/lookup" {{ capabilities = ["update"] }}',
    )
    tenant.create("VaultAuth", "watched", spec={"vaultConnectionRef": "vault", **spec})
    tenant.sync("watched", path="app", vaultAuthRef="watched")
    tenant.wait_synced("watched")
    (event,) = tenant.wait(lambda: tenant.events("watched", "CredentialExpires"), "the warning", timeout=30)
    assert "put a new one into its place" in event["message"]
    assert event["type"] == "Warning"
    assert tenant.events("vault", "CredentialExpires") == []


def test_r31_credentials_are_looked_up_where_the_secret_that_needs_them_is(operator: Operator, tenant: Tenant) -> None:
    """Condition and event name kind, name and the namespace searched, and the VaultAuth."""
    use(tenant, {"method": "jwt", "mount": "m", "jwt": {"role": "r", "secretRef": "login"}}, allowedNamespaces=["*"])
    other = new_tenant(tenant.cluster, tenant.bao)
    tenant.create("Secret", "login", stringData={"jwt": "here only"})
    try:
        other.sync("app", vaultAuthRef=f"{tenant.namespace}/vault")
        found = other.wait_failed("app", f"Secret {other.namespace}/login")
        assert f"VaultAuth {tenant.namespace}/vault" in found["message"]
    finally:
        remove(other)


def test_d35_a_vaultauth_lends_its_own_credentials_to_those_it_names(operator: Operator, tenant: Tenant) -> None:
    """One login serves both namespaces, the first use is an event, and others are refused."""
    mount = jwt_auth(tenant)
    block = {"role": tenant.namespace, "serviceAccount": "default", "audiences": ["vault"]}
    other, third = (new_tenant(tenant.cluster, tenant.bao) for _ in range(2))
    own = {"extensions": {"credentialsNamespace": "Own"}, "allowedNamespaces": [other.namespace]}
    use(tenant, {"method": "jwt", "mount": mount, "jwt": block}, **own)
    tenant.put("app", {"user": "alice"})
    try:
        for one in (tenant, other, third):
            one.sync("app", vaultAuthRef=f"{tenant.namespace}/vault", mount=tenant.mount)
        for one in (tenant, other):
            one.wait_synced("app")
            one.wait_data("app", user="alice")
        third.wait_failed("app", "may not use VaultAuth")
        assert logins(tenant, mount) == 1
        told = tenant.wait(lambda: tenant.events("vault", "CredentialsLent"), "an event")
        assert [other.namespace in one["message"] for one in told] == [True]
    finally:
        remove(other)
        remove(third)
