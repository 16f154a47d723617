"""From Vault's answer to the data of a Secret. Pure (behaviour.md sections 8.5 and 8.6).

Filters, `_raw` and the conversion to bytes; what templates made (see `template`) comes in as finished keys.
"""

import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

import re2

from vso.base import Sensitive
from vso.sync import json_text
from vso.sync.errors import RenderError
from vso.sync.json_text import JSON
from vso.sync.template import Template

RAW: Final = "_raw"
"""Key under which the whole answer is kept, unless it is excluded."""

MAX_SECRET_BYTES: Final = 1024 * 1024
"""Limit of the API server for the sum of all values of a Secret."""
_TOO_DEEP: Final = "Vault's answer is no JSON that can be read: it may be nested too deeply"
_LONGEST_SOURCE: Final = 6 * MAX_SECRET_BYTES
"""JSON may write a byte as six; what is longer than that cannot fit, and takes long to find out."""
_MAX_KEY: Final = 253
_KEY: Final = re.compile(r"[-._a-zA-Z0-9]+")
_SHOWN: Final = 5
_NOTHING: Final[Mapping[str, bytes]] = MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class RenderOptions:
    """What a resource asks to be done with the source fields; patterns are RE2, searched unanchored.

    `templates` are in the order in which they are parsed.
    """

    includes: frozenset[str] = field(default_factory=frozenset)
    excludes: frozenset[str] = field(default_factory=frozenset)
    exclude_raw: bool = False
    templates: tuple[Template, ...] = ()


@dataclass(frozen=True, slots=True)
class Rendered:
    """The data of a Secret, and its payload: that part whose change is a reason to restart workloads."""

    data: Sensitive[dict[str, bytes]]
    payload: Sensitive[dict[str, bytes]]


def render(
    fields: Sensitive[bytes],
    raw: Sensitive[bytes],
    options: RenderOptions,
    templated: Mapping[str, bytes] = _NOTHING,
) -> Rendered:
    """Build the Secret from the JSON objects `fields` (source fields) and `raw` (Vault's whole data member).

    `templated` holds what the templates made; of equal keys, `_raw` goes before it and the source fields after.
    In the payload `_raw` stands for the source fields alone, since the metadata of a kv-v2 version moves without
    any change of the secret (regressions R02). Raises RenderError for a bad pattern, or if the result cannot be
    a Secret.
    """
    check_source(raw)
    try:
        return _render(fields, raw, options, templated)
    except RecursionError:
        raise RenderError(_TOO_DEEP) from None


def _render(
    fields: Sensitive[bytes], raw: Sensitive[bytes], options: RenderOptions, templated: Mapping[str, bytes]
) -> Rendered:
    source = _object(fields)
    if not options.exclude_raw and (RAW in source or RAW in templated):
        whose = "a template makes" if RAW in templated else "Vault's secret has"
        raise RenderError(
            f"key {RAW!r} not permitted in Secret data: {whose} a field of that name, which is that of the raw copy: "
            "rename the field, or set destination.transformation.excludeRaw"
        )
    data = {} if options.exclude_raw else {RAW: json_text.write(_parsed(raw))}
    data |= templated
    kept = filter_keys(source, includes=options.includes, excludes=options.excludes)
    for name in kept:
        data.setdefault(name, to_bytes(source[name]))
    check_secret(data)
    payload = data if options.exclude_raw else data | {RAW: json_text.write(source)}
    return Rendered(Sensitive(data), Sensitive(payload))


def payload_of(live: Mapping[str, bytes], *, versioned: bool) -> dict[str, bytes]:
    """The payload of a Secret that somebody wrote earlier.

    `versioned` tells whether its `_raw` was made from a kv-v2 answer, so that the metadata can be left out.
    """
    payload = dict(live)
    if versioned and RAW in payload:
        with suppress(ValueError, RecursionError):
            raw = json_text.parse(payload[RAW])
            if isinstance(raw, dict) and "data" in raw:
                payload[RAW] = json_text.write(raw["data"])
    return payload


def to_bytes(value: JSON) -> bytes:
    """A field's value in a Secret: strings as they are, anything else as JSON."""
    if isinstance(value, str):
        return value.encode()
    return json_text.write(value)


def filter_keys(names: Iterable[str], *, includes: frozenset[str], excludes: frozenset[str]) -> tuple[str, ...]:
    """Those of `names` that no exclude matches and, where there are includes, that some include matches."""
    drop, keep = _compile(excludes, "excludes"), _compile(includes, "includes")
    return tuple(
        name
        for name in names
        if not any(pattern.search(name) for pattern in drop)
        and (not keep or any(pattern.search(name) for pattern in keep))
    )


def check_source(raw: Sensitive[bytes]) -> None:
    """Raise RenderError for an answer of which no Secret can be made, at no cost: by its length alone."""
    if len(raw.reveal()) > _LONGEST_SOURCE:
        raise RenderError(
            f"Vault's answer has {len(raw.reveal())} bytes, a Secret holds {MAX_SECRET_BYTES}: split it in Vault"
        )


def check_secret(data: Mapping[str, bytes]) -> None:
    """Raise RenderError, naming keys and sizes but no value, if the API server would refuse `data`."""
    bad = sorted(name for name in data if not _is_key(name))
    if bad:
        shown = ", ".join(repr(name[:60]) for name in bad[:_SHOWN]) + (", …" if len(bad) > _SHOWN else "")
        raise RenderError(
            f"Kubernetes does not allow these key names in a Secret: {shown}; allowed are letters, digits, "
            "'-', '_' and '.', at most 253 characters: rename the fields in Vault, or leave them out with "
            "destination.transformation.excludes"
        )
    size = sum(map(len, data.values()))
    if size > MAX_SECRET_BYTES:
        raise RenderError(
            f"the Secret would hold {size} bytes, Kubernetes allows {MAX_SECRET_BYTES}: leave out the raw "
            "copy with destination.transformation.excludeRaw, or some fields with excludes"
        )


def _is_key(name: str) -> bool:
    well_formed = len(name) <= _MAX_KEY and _KEY.fullmatch(name) is not None
    return well_formed and name not in {".", ".."} and not name.startswith("..")


def _parsed(text: Sensitive[bytes]) -> JSON:
    try:
        return json_text.parse(text.reveal())
    except ValueError:
        raise RenderError(_TOO_DEEP) from None


def _object(data: Sensitive[bytes]) -> dict[str, JSON]:
    value = _parsed(data)
    if not isinstance(value, dict):
        raise RenderError("Vault's answer holds no fields: the secret's data is no JSON object")
    return value


def _compile(patterns: frozenset[str], where: str) -> list["re2._Regexp[str]"]:
    compiled = []
    for pattern in sorted(patterns):
        try:
            compiled.append(re2.compile(pattern, _OPTIONS))
        except re2.error as exc:
            reason = exc.args[0].decode() if isinstance(exc.args[0], bytes) else exc.args[0]
            raise RenderError(
                f"error parsing regexp: destination.transformation.{where} has {pattern!r}: {reason}"
            ) from exc
    return compiled


def _options() -> re2.Options:
    options = re2.Options()
    options.log_errors = False
    return options


_OPTIONS: Final = _options()
