"""The ways in which a SecretStore of External Secrets logs in to Vault, as members of a VaultAuth; one row each."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from vso.apis.v1beta1 import (
    AddedLogin,
    AppRoleAuth,
    AwsAuth,
    CertAuth,
    GcpAuth,
    JwtAuth,
    KubernetesAuth,
    LdapAuth,
    TokenAuth,
    UserpassAuth,
)
from vso.cli.kubectl.manifest import dig, items, mapping, number
from vso.cli.kubectl.migration.draft import Draft
from vso.cli.kubectl.migration.login import DEFAULT_ACCOUNT


def same_key(draft: Draft, member: str, key: str, wanted: str) -> None:
    """Note that a Secret has its value in another key than the operator reads."""
    if key != wanted:
        draft.lost(member, f"the operator reads the key {wanted}: copy {key} to it")


def _secret(block: Mapping[str, Any], name: str, key: str, member: str, draft: Draft) -> str:
    """The Secret that `block` names, whose key must be the one that the operator reads."""
    ref = mapping(block, name)
    if ref:
        same_key(draft, f"{member}.{name}.key", str(ref.get("key") or key), key)
    return str(ref.get("name", ""))


def _account(ref: Mapping[str, Any], member: str, draft: Draft) -> tuple[str, tuple[str, ...]]:
    if not ref.get("name"):
        draft.check(member, f"no ServiceAccount is named: {DEFAULT_ACCOUNT} is taken, bind the role to it")
    return str(ref.get("name") or DEFAULT_ACCOUNT), tuple(str(one) for one in items(ref, "audiences"))


def _kubernetes(block: Mapping[str, Any], member: str, draft: Draft) -> dict[str, Any]:
    draft.lost_all(block, {"secretRef": "the operator asks for tokens itself: name a ServiceAccount"}, member)
    account, audiences = _account(mapping(block, "serviceAccountRef"), member, draft)
    kubernetes = KubernetesAuth(role=str(block.get("role", "")), service_account=account, audiences=audiences)
    return {"method": "kubernetes", "mount": str(block.get("mountPath") or "kubernetes"), "kubernetes": kubernetes}


def _token(block: Mapping[str, Any], member: str, draft: Draft) -> dict[str, Any]:
    secret = _secret({"ref": block}, "ref", "token", member, draft)
    return {"added": AddedLogin(method="token", token=TokenAuth(secret_ref=secret))}


def _app_role(block: Mapping[str, Any], member: str, draft: Draft) -> dict[str, Any]:
    draft.lost_all(block, {"roleRef": "the role id is written into the VaultAuth: set spec.appRole.roleId"}, member)
    secret = _secret(block, "secretRef", "id", member, draft)
    app_role = AppRoleAuth(role_id=str(block.get("roleId") or "set-me"), secret_ref=secret)
    return {"method": "appRole", "mount": str(block.get("path") or "approle"), "app_role": app_role}


def _ldap(block: Mapping[str, Any], member: str, draft: Draft) -> dict[str, Any]:
    secret = _secret(block, "secretRef", "password", member, draft)
    ldap = LdapAuth(username=str(block.get("username", "")), secret_ref=secret)
    return {"mount": str(block.get("path") or "ldap"), "added": AddedLogin(method="ldap", ldap=ldap)}


def _userpass(block: Mapping[str, Any], member: str, draft: Draft) -> dict[str, Any]:
    secret = _secret(block, "secretRef", "password", member, draft)
    userpass = UserpassAuth(username=str(block.get("username", "")), secret_ref=secret)
    return {"mount": str(block.get("path") or "userpass"), "added": AddedLogin(method="userpass", userpass=userpass)}


def _jwt(block: Mapping[str, Any], member: str, draft: Draft) -> dict[str, Any]:
    role, mount = str(block.get("role", "")), str(block.get("path") or "jwt")
    request = mapping(block, "kubernetesServiceAccountToken")
    if not request:
        return {
            "method": "jwt",
            "mount": mount,
            "jwt": JwtAuth(role=role, secret_ref=_secret(block, "secretRef", "jwt", member, draft)),
        }
    account, audiences = _account(mapping(request, "serviceAccountRef"), member, draft)
    audiences = tuple(str(one) for one in items(request, "audiences")) or audiences
    seconds = number(request.get("expirationSeconds"))
    jwt = JwtAuth(role=role, service_account=account, audiences=audiences, token_expiration_seconds=seconds)
    return {"method": "jwt", "mount": mount, "jwt": jwt}


def _cert(block: Mapping[str, Any], member: str, draft: Draft) -> dict[str, Any]:
    secret = _secret(block, "clientCert", "tls.crt", member, draft)
    key = _secret(block, "secretRef", "tls.key", member, draft)
    if key != secret:
        draft.lost(
            member, f"certificate and key come from one Secret of type kubernetes.io/tls, not {secret} and {key}"
        )
    cert = CertAuth(role=str(block.get("vaultRole", "")), secret_ref=secret)
    return {"mount": str(block.get("path") or "cert"), "added": AddedLogin(method="cert", cert=cert)}


def _iam(block: Mapping[str, Any], member: str, draft: Draft) -> dict[str, Any]:
    reason = "the operator assumes no further AWS role: give the identity the rights itself"
    draft.lost_all(block, {"role": reason, "externalID": reason}, member)
    keys = mapping(block, "secretRef")
    if keys:
        draft.check(f"{member}.secretRef", "the Secret must have the keys access_key_id and secret_access_key")
    aws = AwsAuth(
        role=str(block.get("vaultRole", "")),
        region=str(block.get("region", "")),
        header_value=str(block.get("vaultAwsIamServerID", "")),
        secret_ref=str(dig(keys, "accessKeyIDSecretRef", "name") or ""),
        irsa_service_account=str(dig(block, "jwt", "serviceAccountRef", "name") or ""),
    )
    return {"method": "aws", "mount": str(block.get("path") or "aws"), "aws": aws}


def _gcp(block: Mapping[str, Any], member: str, draft: Draft) -> dict[str, Any]:
    draft.lost_all(block, {"secretRef": "the operator logs in through workload identity alone"}, member)
    identity = mapping(block, "workloadIdentity")
    account, _ = _account(mapping(identity, "serviceAccountRef"), member, draft)
    gcp = GcpAuth(
        role=str(block.get("role", "")),
        workload_identity_service_account=account,
        region=str(identity.get("clusterLocation") or block.get("location") or ""),
        cluster_name=str(identity.get("clusterName", "")),
        project_id=str(identity.get("clusterProjectID") or block.get("projectID") or ""),
    )
    return {"method": "gcp", "mount": str(block.get("path") or "gcp"), "gcp": gcp}


METHODS: Final[Mapping[str, Callable[[Mapping[str, Any], str, Draft], dict[str, Any]]]] = {
    "kubernetes": _kubernetes,
    "tokenSecretRef": _token,
    "appRole": _app_role,
    "ldap": _ldap,
    "userPass": _userpass,
    "jwt": _jwt,
    "cert": _cert,
    "iam": _iam,
    "gcp": _gcp,
}
"""Name of a block of the store -> members of a VaultAuth."""
