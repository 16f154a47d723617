"""ExternalSecret of External Secrets, where its store leads to Vault: to a VaultStaticSecret.

Field names: https://external-secrets.io/latest/api/externalsecret/. The stores themselves: `secret_stores`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from vso.apis.v1beta1 import Destination, KvType, Transformation
from vso.cli.kubectl.manifest import Manifest, blocks, mapping, number
from vso.cli.kubectl.migration.draft import Converted, Draft, Surroundings, duration_of
from vso.cli.kubectl.migration.secret_stores import CLUSTER, GROUP, home_of, vault_of
from vso.cli.kubectl.migration.shaping import field_expression, field_template, shaping_of, within
from vso.cli.kubectl.migration.target import Engine, Order, Target, resource_for, target_of

_DEFAULT_INTERVAL: Final = "1h"
_WHOLE: Final = "{{ .Secrets | toJson }}"
_DECODING: Final = frozenset({"", "None", "Base64"})
_LAST_APPLIED: Final = "kubectl.kubernetes.io/last-applied-configuration"
_NO_MERGE: Final = "the operator replaces the data of a Secret as a whole: it would take the other keys away"
_REFUSED: Final[Mapping[str, str]] = {
    "Merge": _NO_MERGE,
    "CreateOrMerge": _NO_MERGE,
    "None": "no Secret is written, so there is nothing to convert",
}


_SPEC: Final = ("refreshInterval", "refreshPolicy", "secretStoreRef", "target", "data", "dataFrom")
_TARGET: Final = ("name", "creationPolicy", "deletionPolicy", "template", "immutable")
_TEMPLATE: Final = ("type", "data", "metadata", "engineVersion", "mergePolicy", "templateFrom")
_REMOTE: Final = (
    "key",
    "property",
    "version",
    "metadataPolicy",
    "conversionStrategy",
    "decodingStrategy",
    "nullBytePolicy",
)


@dataclass(slots=True)
class _Wanted:
    """What the Secret gets from Vault: `fields` by key, None for a whole secret as JSON; or `everything`."""

    paths: dict[tuple[str, str], None] = field(default_factory=dict)
    fields: dict[str, tuple[str | None, bool]] = field(default_factory=dict)
    everything: bool = False


def convert(manifest: Manifest, around: Surroundings) -> Converted:
    """A VaultStaticSecret of the name of the ExternalSecret; none if a part of its data would be missing."""
    draft = Draft(manifest)
    _convert(draft, around)
    _look_for_others(mapping(manifest.body, "spec"), draft)
    return draft.done()


def _convert(draft: Draft, around: Surroundings) -> None:
    manifest = draft.manifest
    spec = mapping(manifest.body, "spec")
    target = mapping(spec, "target")
    policy = str(target.get("creationPolicy") or "Owner")
    if policy in _REFUSED:
        draft.lost("spec.target.creationPolicy", f"{policy}: {_REFUSED[policy]}")
        return
    wanted = _wanted(spec, draft)
    shaping = _shaping(wanted, mapping(target, "template"), draft)
    if len(wanted.paths) > 1:
        keys = ", ".join(key for key, _ in wanted.paths)
        draft.lost(
            "spec.data", f"a VaultStaticSecret reads one path, this reads {keys}: split it, or join them in Vault"
        )
    if not wanted.paths and not draft.incomplete:
        draft.lost("spec", "it reads nothing from Vault")
    place = _place(spec, wanted, draft, around)
    if draft.incomplete or place is None:
        return
    source, auth_ref, vault_namespace = place
    ((_, version),) = wanted.paths
    order = Order(
        auth_ref=auth_ref,
        namespace=vault_namespace,
        destination=_destination(manifest, target, shaping, draft),
        refresh_after=_refresh_after(spec, draft),
        version=number(version),
    )
    _differences(target, policy, draft)
    if version and not number(version):
        draft.check("spec.data", f"version {version!r} is no number: the latest is read")
    resource = resource_for(source, order, draft, "spec")
    draft.add(resource, name=manifest.name, namespace=around.namespace_of(manifest))


def _look_for_others(spec: Mapping[str, Any], draft: Draft) -> None:
    """Note what is not known here, such as fields of a later release."""
    target = mapping(spec, "target")
    draft.rest(spec, _SPEC, "spec")
    draft.rest(target, _TARGET, "spec.target")
    draft.rest(mapping(target, "template"), _TEMPLATE, "spec.target.template")
    for at, one in enumerate(blocks(spec, "data")):
        draft.rest(one, ("secretKey", "remoteRef", "sourceRef"), f"spec.data[{at}]")
        draft.rest(mapping(one, "remoteRef"), _REMOTE, f"spec.data[{at}].remoteRef")
    for at, one in enumerate(blocks(spec, "dataFrom")):
        draft.rest(one, ("extract", "find", "rewrite", "sourceRef"), f"spec.dataFrom[{at}]")
        draft.rest(mapping(one, "extract"), _REMOTE, f"spec.dataFrom[{at}].extract")


def _wanted(spec: Mapping[str, Any], draft: Draft) -> _Wanted:
    wanted = _Wanted()
    for at, one in enumerate(blocks(spec, "data")):
        where, ref = f"spec.data[{at}]", mapping(one, "remoteRef")
        draft.lost_all(one, {"sourceRef": "stores and generators of single keys have no counterpart"}, where)
        strategy = _check_ref(ref, f"{where}.remoteRef", draft)
        wanted.paths[str(ref.get("key", "")), str(ref.get("version") or "")] = None
        found = str(ref["property"]) if ref.get("property") else None
        wanted.fields[str(one.get("secretKey", ""))] = (found, strategy == "Base64")
    for at, one in enumerate(blocks(spec, "dataFrom")):
        where, ref = f"spec.dataFrom[{at}]", mapping(one, "extract")
        draft.lost_all(
            one,
            {
                "find": "the operator does not list paths: name each in a resource of its own",
                "rewrite": "keys keep the names that they have in Vault, or get new ones by templates",
                "sourceRef": "generators have no counterpart",
            },
            where,
        )
        if not ref:
            continue
        draft.lost_all(ref, {"property": "a secret within a field has no counterpart"}, f"{where}.extract")
        if _check_ref(ref, f"{where}.extract", draft) == "Base64":
            draft.lost(f"{where}.extract.decodingStrategy", "fields are decoded one by one: name them in templates")
        if ref.get("conversionStrategy") == "Unicode":
            draft.check(
                f"{where}.extract.conversionStrategy",
                "Unicode: keys are not rewritten; those with other characters than a Secret may have need templates",
            )
        wanted.paths[str(ref.get("key", "")), str(ref.get("version") or "")] = None
        wanted.everything = True
    return wanted


def _check_ref(ref: Mapping[str, Any], where: str, draft: Draft) -> str:
    """Note what a reference asks for beyond path and field; how it is decoded."""
    strategy = str(ref.get("decodingStrategy") or "")
    if strategy not in _DECODING:
        draft.lost(f"{where}.decodingStrategy", f"{strategy} has no counterpart: use b64dec in a template")
    if ref.get("metadataPolicy") == "Fetch":
        draft.lost(f"{where}.metadataPolicy", "metadata is seen by templates alone, as .Metadata")
    if "." in str(ref.get("property") or ""):
        draft.check(f"{where}.property", "the name is taken as it is, and not as a path into a nested object")
    return strategy


def _shaping(wanted: _Wanted, template: Mapping[str, Any], draft: Draft) -> Transformation:
    plain = [key for key, (name, decode) in wanted.fields.items() if key == name and not decode]
    made = {
        key: _WHOLE if name is None else field_template(name, decode=decode)
        for key, (name, decode) in wanted.fields.items()
        if key not in plain
    }
    where = "spec.target.template"
    draft.lost_all(template, {"templateFrom": "templates of other objects: write them into templates"}, where)
    if template.get("engineVersion") == "v1":
        draft.lost(f"{where}.engineVersion", "v1 templates work on bytes: bring them to v2 first")
    texts = mapping(template, "data")
    if not texts:
        return shaping_of(plain=plain, everything=wanted.everything, templates=made)
    context = _context(wanted)
    rendered = {key: within(context, str(text)) for key, text in texts.items()}
    if template.get("mergePolicy") == "Merge":
        return shaping_of(plain=plain, everything=wanted.everything, templates={**made, **rendered})
    return shaping_of(templates=rendered)


def _context(wanted: _Wanted) -> str:
    """What the templates had for their input, as an expression."""
    pairs = [
        f'"{key}" ({".Secrets | toJson" if name is None else field_expression(name, decode=decode)})'
        for key, (name, decode) in wanted.fields.items()
    ]
    if not wanted.everything:
        return f"dict {' '.join(pairs)}"
    return f"merge (dict {' '.join(pairs)}) .Secrets" if pairs else ".Secrets"


def _place(
    spec: Mapping[str, Any], wanted: _Wanted, draft: Draft, around: Surroundings
) -> tuple[Target, str, str] | None:
    """Where the secret is: its path, the VaultAuth, and the Vault namespace if it is not that of the login."""
    if not wanted.paths:
        return None
    key = next(iter(wanted.paths))[0]
    ref = mapping(spec, "secretStoreRef")
    kind, name = str(ref.get("kind") or "SecretStore"), str(ref.get("name", ""))
    cluster = kind == CLUSTER
    store = around.find(GROUP, kind, name, namespace=None if cluster else around.namespace_of(draft.manifest))
    if store is None:
        draft.check("spec.secretStoreRef", f"{kind} {name} is not in the files: its mount and version are guessed")
        auth_ref = f"{around.operator_namespace}/{name}" if cluster else name
        return _target(key, "", KvType.V2, draft), auth_ref, ""
    vault = vault_of(store)
    if not vault:
        draft.lost("spec.secretStoreRef", f"{kind} {name} does not lead to Vault")
        return None
    version = KvType.V1 if vault.get("version") == "v1" else KvType.V2
    auth_ref = f"{home_of(store, around)}/{name}" if cluster else name
    login, own = mapping(vault, "auth").get("namespace"), vault.get("namespace")
    namespace = str(own) if own and login and own != login else ""
    return _target(key, str(vault.get("path") or "").strip("/"), version, draft), auth_ref, namespace


def _target(key: str, mount: str, version: KvType, draft: Draft) -> Target:
    path = key.strip("/")
    engine = Engine.KV_1 if version is KvType.V1 else Engine.KV_2
    if mount:
        below = path.removeprefix(f"{mount}/")
        if engine is Engine.KV_2:
            below = below.removeprefix("data/")
        return Target(engine=engine, mount=mount, path=below)
    try:
        found = target_of(path)
    except ValueError:
        draft.lost("spec", f"{key!r} names no mount: set spec.provider.vault.path of the store")
        return Target(engine=engine, mount="", path=path)
    if engine is Engine.KV_2 and found.engine is Engine.KV_2:
        return found
    first, _, rest = path.partition("/")
    draft.check("spec", f"the store names no mount: {first} is taken for it")
    return Target(engine=engine, mount=first, path=rest)


def _destination(manifest: Manifest, target: Mapping[str, Any], shaping: Transformation, draft: Draft) -> Destination:
    template = mapping(target, "template")
    source = mapping(template, "metadata") if template else mapping(manifest.body, "metadata")
    marks: dict[str, dict[str, str]] = {}
    for name in ("labels", "annotations"):
        found = {key: str(value) for key, value in mapping(source, name).items() if key != _LAST_APPLIED}
        if any("{{" in value for value in found.values()):
            draft.lost(f"spec.target.template.metadata.{name}", "labels and annotations are no templates")
        marks[name] = found
    return Destination(
        name=str(target.get("name") or manifest.name),
        create=True,
        overwrite=True,
        type=str(template.get("type") or ""),
        labels=marks["labels"],
        annotations=marks["annotations"],
        transformation=shaping,
    )


def _refresh_after(spec: Mapping[str, Any], draft: Draft) -> str:
    text = str(spec.get("refreshInterval") or _DEFAULT_INTERVAL)
    policy = str(spec.get("refreshPolicy") or "Periodic")
    if str(spec.get("refreshInterval")) == "0":
        text = "0s"
    try:
        interval = duration_of(text)
    except ValueError as exc:
        draft.check("spec.refreshInterval", f"{exc}; {_DEFAULT_INTERVAL} is taken")
        return _DEFAULT_INTERVAL
    if policy != "Periodic" or interval == "0s":
        reason = f"refreshPolicy is {policy}" if policy != "Periodic" else "refreshInterval is 0"
        draft.check("spec.refreshInterval", f"{reason}: the operator goes on reading, every {_DEFAULT_INTERVAL}")
        return _DEFAULT_INTERVAL
    return interval


def _differences(target: Mapping[str, Any], policy: str, draft: Draft) -> None:
    if policy == "Orphan":
        draft.check("spec.target.creationPolicy", "Orphan: the Secret goes with the VaultStaticSecret")
    if str(target.get("deletionPolicy") or "Retain") != "Retain":
        draft.check("spec.target.deletionPolicy", "if the secret in Vault is deleted, the Secret stays as it is")
    if target.get("immutable"):
        draft.check("spec.target.immutable", "the Secret can be changed; an immutable one must be deleted before")
