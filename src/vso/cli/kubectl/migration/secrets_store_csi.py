"""SecretProviderClass of the Secrets Store CSI driver, provider vault: its `secretObjects` to resources of ours.

Field names: https://secrets-store-csi-driver.sigs.k8s.io/topics/sync-as-kubernetes-secret and the configuration page of
the Vault provider.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import yaml

from vso.apis.v1beta1 import Destination
from vso.cli.kubectl.manifest import Manifest, blocks, load, mapping
from vso.cli.kubectl.migration.draft import Converted, Draft, Surroundings, name_of
from vso.cli.kubectl.migration.login import KubernetesLogin, add_login
from vso.cli.kubectl.migration.shaping import field_template, shaping_of
from vso.cli.kubectl.migration.target import Engine, Order, Target, resource_for, target_of

GROUP: Final = "secrets-store.csi.x-k8s.io"
_WHOLE: Final = "{{ .Secrets | toJson }}"
_UTF8, _BASE64 = "utf-8", "base64"
_GET: Final = "GET"
_INTERVAL: Final = "2m"
"""How often the driver looks, unless it is told otherwise."""
_PARAMETERS: Final = (
    *("objects", "vaultAddress", "roleName", "vaultNamespace", "audience", "vaultSkipTLSVerify", "vaultTLSServerName"),
    *("vaultAuthMountPath", "vaultKubernetesMountPath"),
)
_LOST_PARAMETERS: Final[Mapping[str, str]] = {
    "vaultCACertPath": "a file on the node: put the CA into a Secret and set caCertSecretRef",
    "vaultCADirectory": "files on the node: put the CA into a Secret and set caCertSecretRef",
    "vaultTLSClientCertPath": "client certificates of the connection are not supported; use the login method cert",
    "vaultTLSClientKeyPath": "client certificates of the connection are not supported; use the login method cert",
}


def convert(manifest: Manifest, around: Surroundings) -> Converted:
    """One resource for each Secret of `secretObjects`, named like it."""
    draft = Draft(manifest)
    provider = manifest.text("spec", "provider")
    if provider != "vault":
        draft.lost("spec.provider", f"the provider is {provider or 'none'}; only vault can be converted")
        return draft.done()
    objects = _objects(manifest, draft)
    wanted = blocks(manifest.body, "spec", "secretObjects")
    used = {str(entry.get("objectName")) for one in wanted for entry in blocks(one, "data")}
    for name in objects.keys() - used:
        draft.lost(
            "spec.parameters.objects",
            f"{name} is only mounted as a file: add it to secretObjects, or mount the Secret that it becomes part of",
        )
    if not wanted or not objects:
        return draft.done()
    namespace = around.namespace_of(manifest)
    auth_ref = _login(manifest, namespace, draft)
    for at, one in enumerate(wanted):
        _convert_secret(one, f"spec.secretObjects[{at}]", _Frame(draft, objects, auth_ref, namespace))
    return draft.done()


@dataclass(frozen=True, slots=True)
class _Frame:
    """What the Secrets of one class have in common."""

    draft: Draft
    objects: Mapping[str, Mapping[str, Any]]
    auth_ref: str
    namespace: str


def _objects(manifest: Manifest, draft: Draft) -> dict[str, Mapping[str, Any]]:
    """The objects of the class by their names."""
    text = manifest.text("spec", "parameters", "objects")
    try:
        found = load(text)
    except (yaml.YAMLError, ValueError):
        found = None
    if not isinstance(found, list):
        draft.lost("spec.parameters.objects", "it is no list of objects in YAML")
        return {}
    return {str(one.get("objectName")): one for one in found if isinstance(one, dict)}


def _login(manifest: Manifest, namespace: str, draft: Draft) -> str:
    parameters = mapping(manifest.body, "spec", "parameters")
    draft.lost_all(parameters, _LOST_PARAMETERS, "spec.parameters")
    draft.rest(parameters, (*_PARAMETERS, *_LOST_PARAMETERS), "spec.parameters")
    draft.check(
        "spec",
        "Pods logged in as their own ServiceAccounts, the operator does as default: name another in the VaultAuth",
    )
    mount = str(parameters.get("vaultAuthMountPath") or parameters.get("vaultKubernetesMountPath") or "kubernetes")
    login = KubernetesLogin(
        address=str(parameters.get("vaultAddress") or ""),
        role=str(parameters.get("roleName") or ""),
        mount=mount.removeprefix("auth/"),
        namespace=str(parameters.get("vaultNamespace") or ""),
        audience=str(parameters.get("audience") or ""),
        skip_tls_verify=str(parameters.get("vaultSkipTLSVerify", "")).lower() == "true",
        tls_server_name=str(parameters.get("vaultTLSServerName") or ""),
    )
    return add_login(draft, login, namespace=namespace, member="spec.parameters")


def _convert_secret(one: Mapping[str, Any], where: str, frame: _Frame) -> None:
    draft, name = frame.draft, str(one.get("secretName", ""))
    targets: dict[Target, Mapping[str, Any]] = {}
    plain: list[str] = []
    templates: dict[str, str] = {}
    try:
        for entry in blocks(one, "data"):
            found, key = _object(entry, frame), str(entry.get("key", ""))
            _add_source(targets, found)
            text = _template(key, found)
            if text is None:
                plain.append(key)
            else:
                templates[key] = text
    except ValueError as exc:
        draft.lost(where, f"Secret {name}: {exc}")
        return
    if len(targets) != 1:
        paths = ", ".join(sorted(f"{target.mount}/{target.path}" for target in targets)) or "nothing"
        draft.lost(
            where, f"a resource reads one path, Secret {name} is made of {paths}: split it, or join them in Vault"
        )
        return
    if _WHOLE in templates.values():
        draft.check(where, f"Secret {name} gets the fields of the secret as JSON, not Vault's whole answer")
    ((target, parameters),) = targets.items()
    _check_methods(one, target, where, frame)
    order = Order(
        auth_ref=frame.auth_ref,
        destination=Destination(
            name=name,
            create=True,
            overwrite=True,
            type=str(one.get("type") or ""),
            labels={key: str(value) for key, value in mapping(one, "labels").items()},
            annotations={key: str(value) for key, value in mapping(one, "annotations").items()},
            transformation=shaping_of(plain=plain, templates=templates),
        ),
        refresh_after=_INTERVAL if target.key_value else "",
        parameters=parameters,
    )
    draft.add(resource_for(target, order, draft, where), name=name_of(name), namespace=frame.namespace)


def _add_source(targets: dict[Target, Mapping[str, Any]], found: Mapping[str, Any]) -> None:
    """Add where an object is read. Raises ValueError if it is there already, with other arguments."""
    source, arguments = target_of(str(found.get("secretPath", ""))), mapping(found, "secretArgs")
    if targets.setdefault(source, arguments) != arguments:
        raise ValueError(f"it reads {found.get('secretPath')} with several secretArgs: split it")


def _check_methods(one: Mapping[str, Any], target: Target, where: str, frame: _Frame) -> None:
    """Note that a path is written to where the resource would read it; a certificate is asked for by writing."""
    methods = {str(_object(entry, frame).get("method") or _GET).upper() for entry in blocks(one, "data")} - {_GET}
    if methods and target.engine is not Engine.PKI:
        frame.draft.lost(where, f"it is asked for by {', '.join(sorted(methods))}: set requestHTTPMethod in the result")


def _object(entry: Mapping[str, Any], frame: _Frame) -> Mapping[str, Any]:
    found = frame.objects.get(str(entry.get("objectName")))
    if found is None:
        raise ValueError(f"there is no object {entry.get('objectName')}")
    return found


def _template(key: str, found: Mapping[str, Any]) -> str | None:
    """How `key` is made; None if it is a field of the secret as it is. Raises ValueError if it cannot be."""
    field, encoding = str(found.get("secretKey") or ""), str(found.get("encoding") or _UTF8)
    if encoding not in {_UTF8, _BASE64}:
        raise ValueError(f"the encoding {encoding} of {found.get('objectName')} has no counterpart")
    if not field:
        return _WHOLE
    if field == key and encoding == _UTF8:
        return None
    return field_template(field, decode=encoding == _BASE64)
