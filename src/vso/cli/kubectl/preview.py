"""What the Secret of a resource would look like for a given answer of Vault: the operator's own steps, without it.

Filters, templates and the form of the Secret are those of `vso.sync` and `vso.controllers.transformation`; here they
are put together without cluster and Vault. The command is `render`.
"""

import hashlib
import json
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

import msgspec
import yaml
from msgspec import structs

from vso.apis import names
from vso.apis.meta import Key
from vso.apis.required import missing_members
from vso.apis.v1beta1 import KvType, SecretTransformation, VaultDynamicSecret, VaultPKISecret, VaultStaticSecret
from vso.base import Sensitive
from vso.cli.kubectl.manifest import load
from vso.controllers import Claimant, render_options, template_input
from vso.sync import (
    DEFAULT_TYPE,
    TLS_TYPE,
    InvalidSpec,
    RenderOptions,
    TemplateEngine,
    check_secret,
    check_source,
    compose,
    owner_labels,
    owner_reference,
    render,
)
from vso.vault import Response, parse_certificate

RAW: Final = "_raw"
MASK: Final = "(hidden)"
_EMPTY: Final = b"{}"
_UNNAMED: Final = "data"
"""Key for an answer that is no JSON, if the resource names none."""


class Origin(StrEnum):
    """Where a key of the Secret comes from."""

    VAULT = "Vault"
    TEMPLATE = "template"
    RAW = "raw copy"
    CERTIFICATE = "certificate"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What Vault is supposed to say, as JSON texts: the fields, the whole data member, and what templates see beside.

    `given` is False where nobody said, and the secret is taken to be empty.
    """

    fields: Sensitive[bytes] = Sensitive(_EMPTY)  # noqa: RUF009 - it never changes
    raw: Sensitive[bytes] = Sensitive(_EMPTY)  # noqa: RUF009
    metadata: bytes = _EMPTY
    wrap_info: Sensitive[bytes] | None = None
    given: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """The Secret: its data, where each key comes from, and what differs from what the operator would write."""

    wanted: Claimant
    data: Sensitive[dict[str, bytes]]
    origins: Mapping[str, Origin]
    remarks: tuple[str, ...] = ()


class BadAnswerFile(ValueError):
    """The data that stands for Vault's answer cannot be used; the text shows none of it."""


def answer_of(text: str | None, wanted: Claimant) -> Answer:
    """Read `text`, JSON or YAML, as what Vault answers to `wanted`; None stands for an empty secret.

    Taken are the fields alone; for kv-v2 also an object of ``data`` and ``metadata``; and for all kinds Vault's whole
    answer, as ``vault read -format=json`` prints it. Raises BadAnswerFile.
    """
    if isinstance(wanted, VaultDynamicSecret) and wanted.spec.extensions.raw_response is not None and text is not None:
        key = wanted.spec.extensions.raw_response.key or _UNNAMED
        fields = Sensitive(json.dumps({key: text}).encode())
        return Answer(fields=fields, raw=fields)
    members = _members(_as_json(text)) if text is not None else {}
    wrap_info: Sensitive[bytes] | None = None
    if {"request_id", "data"} <= members.keys():
        wrapped = members.get("wrap_info")
        wrap_info = Sensitive(bytes(wrapped)) if wrapped is not None and bytes(wrapped) != b"null" else None
        members = _members(bytes(members["data"]))
    versioned = isinstance(wanted, VaultStaticSecret) and wanted.spec.type == KvType.V2
    metadata = _EMPTY
    fields = raw = Sensitive(msgspec.json.encode(members))
    if versioned and set(members) == {"data", "metadata"} and all(_is_object(one) for one in members.values()):
        fields, metadata = Sensitive(bytes(members["data"])), bytes(members["metadata"])
    elif versioned:
        raw = Sensitive(msgspec.json.encode({"data": members, "metadata": {}}))
    return Answer(fields=fields, raw=raw, metadata=metadata, wrap_info=wrap_info, given=text is not None)


async def preview(
    wanted: Claimant,
    answer: Answer,
    *,
    transformations: Mapping[Key, SecretTransformation],
    engine: TemplateEngine,
    exclude_raw: bool,
    now: datetime,
) -> Preview:
    """The Secret that `wanted` asks for. Raises SyncError, or VaultError for what is no certificate."""
    if missing := missing_members(wanted):
        raise InvalidSpec(f"these required fields are not set: {', '.join(missing)}")
    if not wanted.spec.destination.name:
        raise InvalidSpec("spec.destination.name is empty: name the Secret to write")
    options = render_options(wanted, find=lambda key: _usable(transformations.get(key)), exclude_raw=exclude_raw)
    templated = await _templated(wanted, answer, options, engine, now)
    rendered = render(answer.fields, answer.raw, options, templated).data.reveal()
    data = _with_certificate(wanted, answer, options, rendered)
    check_secret(data)
    made = {one.key for one in options.templates}
    origins = {key: _origin(key, rendered, made, raw=not options.exclude_raw) for key in data}
    return Preview(
        wanted=wanted,
        data=Sensitive(data),
        origins=origins,
        remarks=tuple(_remarks(wanted, answer, options)),
    )


def manifest_of(shown: Preview, *, reveal: bool) -> dict[str, Any]:
    """The Secret as the operator would write it; without `reveal` its values are such that no server takes it."""
    wanted, destination = shown.wanted, shown.wanted.spec.destination
    metadata: dict[str, Any] = {"name": destination.name, "namespace": wanted.metadata.namespace}
    secret: dict[str, Any] = {"apiVersion": "v1", "kind": "Secret", "metadata": metadata}
    if destination.create:
        owner = {name: value for name, value in owner_labels(wanted).items() if value}
        metadata["labels"] = {**destination.labels, **owner}
        if destination.annotations:
            metadata["annotations"] = destination.annotations
        if wanted.metadata.uid:
            metadata["ownerReferences"] = [msgspec.to_builtins(owner_reference(wanted))]
        secret["type"] = destination.type or DEFAULT_TYPE
    secret["data"] = {
        key: b64encode(value).decode() if reveal else MASK for key, value in sorted(shown.data.reveal().items())
    }
    return secret


def _usable(found: SecretTransformation | None) -> SecretTransformation | None:
    """As if its status said that it is valid: whether its templates parse shows when they are rendered."""
    return None if found is None else structs.replace(found, status=structs.replace(found.status, valid=True))


async def _templated(
    wanted: Claimant, answer: Answer, options: RenderOptions, engine: TemplateEngine, now: datetime
) -> Mapping[str, bytes]:
    check_source(answer.raw)
    if not options.templates:
        return {}
    seen = template_input(wanted, answer)
    seed = hashlib.sha256(wanted.metadata.uid.encode() + answer.fields.reveal()).digest()
    return (await engine.render(options.templates, seen, seed=seed, now=now)).reveal()


def _with_certificate(
    wanted: Claimant, answer: Answer, options: RenderOptions, rendered: dict[str, bytes]
) -> dict[str, bytes]:
    if not isinstance(wanted, VaultPKISecret) or not answer.given:
        return rendered
    issued = parse_certificate(Response(data=answer.fields), f"{wanted.spec.mount}/issue/{wanted.spec.role}")
    return compose(rendered, issued, tls=wanted.spec.destination.type == TLS_TYPE and not options.templates)


def _origin(key: str, rendered: Mapping[str, bytes], made: set[str], *, raw: bool) -> Origin:
    if key not in rendered:
        return Origin.CERTIFICATE
    if key in made:
        return Origin.TEMPLATE
    return Origin.RAW if key == RAW and raw else Origin.VAULT


_BY_CHANCE: Final = ("randInt", "shuffle", "bcrypt", "htpasswd")


def _remarks(wanted: Claimant, answer: Answer, options: RenderOptions) -> list[str]:
    found = []
    if not answer.given:
        found.append("no --data: the secret in Vault was taken to be empty")
    if isinstance(wanted, VaultPKISecret) and wanted.spec.extensions.keystores:
        found.append("keystores are left out: they need a password that is in the cluster")
    if any(name in one.text for one in options.templates for name in _BY_CHANCE):
        found.append("a template draws by chance: the operator will draw something else")
    if not wanted.spec.destination.create:
        found.append(
            "destination.create is false: the Secret must exist, its data is replaced as a whole, the rest of it stays"
        )
    elif not wanted.metadata.uid:
        found.append(f"the operator adds the label {names.OWNER_UID_LABEL} and an owner reference")
    return found


def _as_json(text: str) -> bytes:
    encoded = text.encode()
    try:
        msgspec.json.decode(encoded)
    except (msgspec.DecodeError, RecursionError):
        pass
    else:
        return encoded  # as it is: numbers are kept as they are written
    try:
        return msgspec.json.encode(load(text))
    except (yaml.YAMLError, ValueError, TypeError, RecursionError):
        # The error would quote the text, which holds secrets.
        raise BadAnswerFile("it is neither JSON nor YAML") from None


def _members(text: bytes) -> dict[str, msgspec.Raw]:
    try:
        return msgspec.json.decode(text, type=dict[str, msgspec.Raw])
    except (msgspec.DecodeError, RecursionError):
        raise BadAnswerFile("it is no JSON or YAML object: write the fields of the secret, one per line") from None


def _is_object(text: msgspec.Raw) -> bool:
    return bytes(text).lstrip().startswith(b"{")
