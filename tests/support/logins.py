"""Auth methods as an administrator of OpenBao sets them up for one tenant, and the VaultAuth that uses each."""

from base64 import b64encode
from collections.abc import Callable, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Final

from testenv.certificates import Authority
from tests.support.tenant import Json, Tenant

PASSWORD: Final = "correct-horse-7"


def jwt_auth(tenant: Tenant, *, audience: str = "vault") -> str:
    """A JWT auth method that trusts the API server's keys, with a role for the tenant's ServiceAccounts; its mount."""
    mount, cluster = f"jwt-{tenant.namespace}", tenant.cluster
    cluster.kubectl(
        *("create", "clusterrolebinding", "issuer-discovery"),
        *("--clusterrole=system:service-account-issuer-discovery", "--group=system:unauthenticated"),
    )
    admin = tenant.bao.admin
    admin.enable("auth", mount, engine="jwt")
    admin.write(f"auth/{mount}/config", {"jwks_url": f"{cluster.server}/openid/v1/jwks", "jwks_ca_pem": cluster.ca_pem})
    admin.write(
        f"auth/{mount}/role/{tenant.namespace}",
        {
            "role_type": "jwt",
            "bound_audiences": [audience],
            "bound_subject": f"system:serviceaccount:{tenant.namespace}:default",
            "user_claim": "sub",
            "token_policies": [tenant.namespace],
            "token_ttl": "1h",
        },
    )
    return mount


def approle_auth(tenant: Tenant) -> tuple[str, str]:
    """An AppRole method with a role of the tenant's name: its mount and the role id."""
    mount, admin = f"approle-{tenant.namespace}", tenant.bao.admin
    admin.enable("auth", mount, engine="approle")
    role = f"auth/{mount}/role/{tenant.namespace}"
    admin.write(role, {"token_policies": [tenant.namespace], "token_ttl": "1h"})
    return mount, str(admin.read(f"{role}/role-id")["data"]["role_id"])


def secret_id(tenant: Tenant, *, wrapped: bool = False) -> str:
    """A new secret id of that role, or a token that wraps one."""
    admin = tenant.bao.admin
    path = f"auth/approle-{tenant.namespace}/role/{tenant.namespace}/secret-id"
    if not wrapped:
        return str(admin.write(path)["data"]["secret_id"])
    headers = {"X-Vault-Token": admin.token, "X-Vault-Wrap-TTL": "5m"}
    answer = replace(admin.site, headers=headers).call("PUT", f"/v1/{path}", {})
    return str(answer["wrap_info"]["token"])


def jwt_of_account(tenant: Tenant) -> Json:
    """Requested of a ServiceAccount."""
    block = {"role": tenant.namespace, "serviceAccount": "default", "audiences": ["vault"]}
    return {"method": "jwt", "mount": jwt_auth(tenant), "jwt": block}


def jwt_of_secret(tenant: Tenant) -> Json:
    """Held by a Secret."""
    token = tenant.cluster.token_for(f"{tenant.namespace}/default", audiences=("vault",))
    tenant.create("Secret", "login", stringData={"jwt": token})
    return {"method": "jwt", "mount": jwt_auth(tenant), "jwt": {"role": tenant.namespace, "secretRef": "login"}}


def approle_of_secret(tenant: Tenant) -> Json:
    """With the secret id in a Secret."""
    mount, role_id = approle_auth(tenant)
    tenant.create("Secret", "login", stringData={"id": secret_id(tenant)})
    return {"method": "appRole", "mount": mount, "appRole": {"roleId": role_id, "secretRef": "login"}}


def approle_wrapped(tenant: Tenant) -> Json:
    """With a wrapped secret id in a Secret."""
    mount, role_id = approle_auth(tenant)
    tenant.create("Secret", "login", stringData={"id": secret_id(tenant, wrapped=True)})
    return {
        "method": "appRole",
        "mount": mount,
        "appRole": {"roleId": role_id, "secretRef": "login"},
        "extensions": {"appRole": {"wrapped": True}},
    }


def userpass(tenant: Tenant) -> Json:
    """A user that OpenBao keeps."""
    mount = f"userpass-{tenant.namespace}"
    tenant.bao.admin.enable("auth", mount, engine="userpass")
    tenant.bao.admin.write(
        f"auth/{mount}/users/web", {"password": PASSWORD, "token_policies": [tenant.namespace], "token_ttl": "1h"}
    )
    tenant.create("Secret", "login", stringData={"username": "web", "password": PASSWORD})
    return {"mount": mount, "extensions": {"login": {"method": "userpass", "userpass": {"secretRef": "login"}}}}


def ldap(tenant: Tenant, url: str, base: str) -> Json:
    """A user that a directory knows."""
    mount, admin = f"ldap-{tenant.namespace}", tenant.bao.admin
    admin.enable("auth", mount, engine="ldap")
    admin.write(f"auth/{mount}/config", {"url": url, "userdn": f"ou=people,{base}", "userattr": "uid"})
    admin.write(f"auth/{mount}/users/web", {"policies": tenant.namespace})
    tenant.create("Secret", "login", stringData={"username": "web", "password": PASSWORD})
    return {"mount": mount, "extensions": {"login": {"method": "ldap", "ldap": {"secretRef": "login"}}}}


def token(tenant: Tenant) -> Json:
    """A token that somebody made."""
    made = tenant.bao.admin.create_token(tenant.namespace, ttl="1h", renewable=True)
    tenant.create("Secret", "login", stringData={"token": made})
    return {"extensions": {"login": {"method": "token", "token": {"secretRef": "login"}}}}


def cert(tenant: Tenant, authority: Authority, *, ttl: str) -> Json:
    """A client certificate of `authority`; the tenant's server must speak TLS."""
    mount, pair = f"cert-{tenant.namespace}", authority.client("web")
    tenant.bao.admin.enable("auth", mount, engine="cert")
    tenant.bao.admin.write(
        f"auth/{mount}/certs/web",
        {"certificate": pair.certificate.read_text(), "token_policies": [tenant.namespace], "token_ttl": ttl},
    )
    files = {"tls.crt": pair.certificate, "tls.key": pair.key}
    data = {name: b64encode(file.read_bytes()).decode() for name, file in files.items()}
    tenant.create("Secret", "login", type="kubernetes.io/tls", data=data)
    login = {"method": "cert", "cert": {"role": "web", "secretRef": "login"}}
    return {"mount": mount, "extensions": {"login": login}}


LOGINS: Final[Mapping[str, Callable[[Tenant], Json]]] = MappingProxyType(
    {
        "jwt of a ServiceAccount": jwt_of_account,
        "jwt of a Secret": jwt_of_secret,
        "appRole of a Secret": approle_of_secret,
        "appRole wrapped": approle_wrapped,
        "userpass": userpass,
        "token": token,
    }
)
"""What the spec of a VaultAuth needs beside its connection, by method and source; all on the shared OpenBao."""
