"""VaultSecret of ricoberger/vault-secrets-operator: to a VaultStaticSecret, or a VaultPKISecret for its engine pki.

Field names: the README of that project. How its operator logs in stands in its own environment, not in the object.
"""

import re
from collections.abc import Mapping
from typing import Any, Final

from vso.apis.v1beta1 import Destination, Transformation
from vso.cli.kubectl.manifest import Manifest, items, mapping, number
from vso.cli.kubectl.migration.draft import Converted, Draft, Surroundings
from vso.cli.kubectl.migration.login import KubernetesLogin, add_login
from vso.cli.kubectl.migration.shaping import field_template, in_actions, shaping_of
from vso.cli.kubectl.migration.target import Engine, Order, Target, resource_for, target_of

GROUP: Final = "ricoberger.de"
_PKI: Final = "pki"
_SPEC: Final = (
    *("path", "keys", "version", "type", "isBinary", "templates", "reconcileStrategy", "secretEngine", "role"),
    *("engineOptions", "vaultRole", "vaultNamespace"),
)
_KV1: Final = frozenset({"kv1", "kv-v1"})
_INTERVAL: Final = "60s"
_ACTION: Final = re.compile(r"\{%(-?)(.*?)(-?)%\}", re.DOTALL)
_ELSEWHERE: Final = "templates see .Secrets, .Metadata, .Labels and .Annotations"


def convert(manifest: Manifest, around: Surroundings) -> Converted:
    """A resource of the same name, which writes the Secret of the same name."""
    draft = Draft(manifest)
    _convert(draft, around)
    draft.rest(mapping(manifest.body, "spec"), _SPEC, "spec")
    return draft.done()


def _convert(draft: Draft, around: Surroundings) -> None:
    manifest = draft.manifest
    spec = mapping(manifest.body, "spec")
    if str(spec.get("reconcileStrategy") or "Replace") != "Replace":
        draft.lost(
            "spec.reconcileStrategy",
            "Merge: the operator replaces the data of a Secret as a whole: it would take the other keys away",
        )
        return
    namespace = around.namespace_of(manifest)
    target = _target(spec, draft)
    shaping = _shaping(spec, namespace, draft)
    if target is None or draft.incomplete:
        return
    auth_ref = _auth_ref(spec, namespace, draft)
    metadata = mapping(manifest.body, "metadata")
    destination = Destination(
        name=manifest.name,
        create=True,
        overwrite=True,
        type=str(spec.get("type") or ""),
        labels={key: str(value) for key, value in mapping(metadata, "labels").items()},
        annotations={
            key: str(value) for key, value in mapping(metadata, "annotations").items() if "last-applied" not in key
        },
        transformation=shaping,
    )
    order = Order(
        auth_ref=auth_ref,
        namespace=str(spec.get("vaultNamespace") or ""),
        destination=destination,
        refresh_after=_INTERVAL if target.key_value else "",
        version=number(spec.get("version")),
        parameters=mapping(spec, "engineOptions"),
    )
    draft.add(resource_for(target, order, draft, "spec"), name=manifest.name, namespace=namespace)


def _target(spec: Mapping[str, Any], draft: Draft) -> Target | None:
    path, engine = str(spec.get("path", "")).strip("/"), str(spec.get("secretEngine") or "kv")
    if engine == _PKI:
        role = str(spec.get("role") or "")
        if not role or not path:
            draft.lost("spec.role", "a certificate needs a mount in path and a role")
            return None
        return Target(engine=Engine.PKI, mount=path, path=role)
    try:
        found = target_of(path)
    except ValueError as exc:
        draft.lost("spec.path", str(exc))
        return None
    if found.certain:
        return found
    if engine in _KV1:
        return Target(engine=Engine.KV_1, mount=found.mount, path=found.path)
    draft.check("spec.path", f"the mount is taken to be {found.mount}, with KV version 2: else set type: kv-v1")
    return Target(engine=Engine.KV_2, mount=found.mount, path=found.path)


def _shaping(spec: Mapping[str, Any], namespace: str, draft: Draft) -> Transformation:
    keys = [str(one) for one in items(spec, "keys")]
    texts, binary = mapping(spec, "templates"), bool(spec.get("isBinary"))
    if texts:
        path = str(spec.get("path", ""))
        made = {key: _rewritten(str(text), namespace=namespace, path=path) for key, text in texts.items()}
        for key, text in made.items():
            if ".Vault" in text:
                draft.lost(f"spec.templates.{key}", f".Vault.Address has no counterpart: {_ELSEWHERE}")
        if not namespace and any(".Namespace" in str(text) for text in texts.values()):
            draft.lost("spec.templates", ".Namespace is not known: name the namespace with -n")
        if binary:
            draft.check("spec.isBinary", "templates get the fields as they are in Vault: add b64dec where it is needed")
        return shaping_of(templates=made)
    if binary and not keys:
        draft.lost("spec.isBinary", "fields are decoded one by one: name them in keys")
    if binary:
        return shaping_of(templates={key: field_template(key, decode=True) for key in keys})
    return shaping_of(plain=keys, everything=not keys)


def _rewritten(text: str, *, namespace: str, path: str) -> str:
    # What has our delimiters in it was plain text there.
    literal = text.replace("{{", '{{ "{{" }}') if "{{" in text else text
    ours = _ACTION.sub(r"{{\1\2\3}}", literal)
    return in_actions(
        ours,
        lambda one: one.replace(".Namespace", f'"{namespace}"').replace(".Vault.Path", f'"{path}"'),
    )


def _auth_ref(spec: Mapping[str, Any], namespace: str, draft: Draft) -> str:
    role = str(spec.get("vaultRole") or "")
    if not role:
        draft.check("spec", "it logs in with the VaultAuth called default in the operator's namespace: create that")
        return ""
    draft.check("spec.vaultRole", "the role is bound to the other operator's ServiceAccount: bind it to the new one")
    return add_login(draft, KubernetesLogin(role=role), namespace=namespace, member="spec.vaultRole")
