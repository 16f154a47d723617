"""SecretStore and ClusterSecretStore of External Secrets, where they lead to Vault: to VaultConnection and VaultAuth.

Field names: https://external-secrets.io/latest/provider/hashicorp-vault/.
"""

from base64 import b64decode
from collections.abc import Mapping
from typing import Any, Final

from vso.apis import core
from vso.apis.v1beta1 import (
    AuthoritySource,
    AuthSettings,
    ConfigMapKey,
    ConnectionSettings,
    CredentialsNamespace,
    VaultAuth,
    VaultAuthSpec,
    VaultConnection,
    VaultConnectionSpec,
)
from vso.cli.kubectl.manifest import Manifest, blocks, items, mapping
from vso.cli.kubectl.migration.draft import Converted, Draft, Surroundings
from vso.cli.kubectl.migration.store_login import METHODS, same_key

GROUP: Final = "external-secrets.io"
CLUSTER: Final = "ClusterSecretStore"
_VAULT: Final = "spec.provider.vault"
_AUTH: Final = f"{_VAULT}.auth"
_CA_KEY: Final = "ca.crt"


def vault_of(store: Manifest) -> Mapping[str, Any]:
    """The settings for Vault; empty if the store leads elsewhere."""
    return mapping(store.body, "spec", "provider", "vault")


def home_of(store: Manifest, around: Surroundings) -> str:
    """The namespace of what becomes of `store`: its own, or that of the credentials of a cluster-wide one."""
    if store.kind != CLUSTER:
        return around.namespace_of(store)
    return next(iter(_namespaces(vault_of(store))), around.operator_namespace)


def convert(store: Manifest, around: Surroundings) -> Converted:
    """A VaultConnection and a VaultAuth of the name of the store."""
    draft, vault = Draft(store), vault_of(store)
    if not vault:
        others = ", ".join(mapping(store.body, "spec", "provider")) or "none"
        draft.lost("spec.provider", f"the provider is {others}; only Vault can be converted")
        return draft.done()
    draft.rest(mapping(store.body, "spec"), _SPEC, "spec")
    draft.rest(vault, _SETTINGS, _VAULT)
    draft.rest(mapping(vault, "auth"), ("namespace", *METHODS), _AUTH)
    home = home_of(store, around)
    draft.add(VaultConnection(spec=_connection(store, vault, home, draft)), name=store.name, namespace=home)
    auth = _auth(store, vault, draft)
    if auth is not None:
        draft.add(VaultAuth(spec=auth), name=store.name, namespace=home)
    return draft.done()


_SPEC: Final = ("provider", "conditions", "controller", "refreshInterval", "retrySettings")
_SETTINGS: Final = (
    *("server", "path", "version", "namespace", "headers", "auth", "caBundle", "caProvider", "tls"),
    *("forwardInconsistent", "readYourWrites", "checkAndSet"),
)


def _connection(store: Manifest, vault: Mapping[str, Any], home: str, draft: Draft) -> VaultConnectionSpec:
    draft.lost_all(
        vault,
        {
            "forwardInconsistent": "requests are not forwarded to another server",
            "readYourWrites": "the operator writes nothing that it reads",
            "tls": "client certificates of the connection are not supported; use the login method cert",
        },
        _VAULT,
    )
    secret_ref, authority = "", None
    provider = mapping(vault, "caProvider")
    if vault.get("caBundle"):
        name = f"{store.name}-ca"
        try:
            pem = b64decode("".join(str(vault["caBundle"]).split()), validate=True).decode()
        except ValueError:
            draft.lost(f"{_VAULT}.caBundle", "it is no base64 of PEM certificates")
        else:
            draft.add(core.ConfigMap(data={_CA_KEY: pem}), name=name, namespace=home)
            authority = AuthoritySource(config_map_ref=ConfigMapKey(name=name))
    elif provider:
        name, key = str(provider.get("name", "")), str(provider.get("key") or _CA_KEY)
        if str(provider.get("namespace") or home) != home:
            draft.lost(f"{_VAULT}.caProvider.namespace", f"CAs are read in the namespace {home} alone: copy it there")
        if provider.get("type") == "ConfigMap":
            authority = AuthoritySource(config_map_ref=ConfigMapKey(name=name, key="" if key == _CA_KEY else key))
        else:
            secret_ref = name
            same_key(draft, f"{_VAULT}.caProvider.key", key, _CA_KEY)
    return VaultConnectionSpec(
        address=str(vault.get("server", "")),
        headers={key: str(value) for key, value in mapping(vault, "headers").items()},
        ca_cert_secret_ref=secret_ref,
        extensions=ConnectionSettings(ca=authority),
    )


def _auth(store: Manifest, vault: Mapping[str, Any], draft: Draft) -> VaultAuthSpec | None:
    auth = mapping(vault, "auth")
    named = [name for name in METHODS if auth.get(name)]
    if len(named) != 1:
        told = f"the store has {', '.join(named)}" if named else "the store has no login that can be converted"
        draft.lost(_AUTH, f"{told}: write a VaultAuth called {store.name} by hand")
        return None
    login = METHODS[named[0]](mapping(auth, named[0]), f"{_AUTH}.{named[0]}", draft)
    cluster = store.kind == CLUSTER
    namespaces = _namespaces(vault)
    if len(namespaces) > 1:
        draft.lost(_AUTH, f"credentials of several namespaces ({', '.join(namespaces)}): bring them together in one")
    extensions = AuthSettings(login=login.pop("added", None))
    if cluster and namespaces:
        extensions = AuthSettings(login=extensions.login, credentials_namespace=CredentialsNamespace.OWN)
        draft.check(
            _AUTH,
            f"all namespaces log in with the credentials of {namespaces[0]}: the operator permits that only with "
            "--allow-own-credentials",
        )
    elif cluster:
        draft.check(_AUTH, "each namespace that uses it needs the ServiceAccount or Secret of the login")
    return VaultAuthSpec(
        vault_connection_ref=store.name,
        namespace=str(auth.get("namespace") or vault.get("namespace") or ""),
        allowed_namespaces=_allowed(store, draft) if cluster else (),
        extensions=extensions,
        **login,
    )


def _allowed(store: Manifest, draft: Draft) -> tuple[str, ...]:
    conditions = blocks(store.body, "spec", "conditions")
    if not conditions:
        return ("*",)
    named: list[str] = []
    for at, one in enumerate(conditions):
        named += [str(name) for name in items(one, "namespaces")]
        reason = "namespaces are admitted by name: add theirs to allowedNamespaces"
        draft.lost_all(
            one,
            {"namespaceSelector": reason, "namespaceRegexes": reason},
            f"spec.conditions[{at}]",
        )
    return tuple(dict.fromkeys(named))


def _namespaces(vault: Mapping[str, Any]) -> list[str]:
    """Namespaces in which the login finds its credentials, as far as they are named."""
    found: dict[str, None] = {}

    def look(value: Any) -> None:
        if isinstance(value, dict):
            if isinstance(value.get("name"), str) and value.get("namespace"):
                found[str(value["namespace"])] = None
            for inner in value.values():
                look(inner)

    look(mapping(vault, "auth"))
    return list(found)
