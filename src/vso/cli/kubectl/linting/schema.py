"""Rules that compare an object with the schema of its kind: what the API server refuses, or drops without a word."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from functools import lru_cache
from typing import Any, Final

from vso.apis.crd import root_schema
from vso.apis.field import DURATION, DURATION_WITH_DAYS
from vso.apis.kinds import KINDS
from vso.apis.names import API_VERSION
from vso.apis.required import missing_members
from vso.base import parse_duration
from vso.cli.kubectl.linting.finding import Bundle, Remark, remark, show
from vso.cli.kubectl.manifest import Member, mapping, show_member
from vso.cli.kubectl.subject import Subject

_DEFINITIONS: Final = {one.name: one for one in KINDS}
_TYPES: Final[Mapping[str, tuple[type, ...]]] = {
    "string": (str,),
    "boolean": (bool,),
    "integer": (int,),
    "object": (dict,),
    "array": (list,),
}
_ARTICLES: Final = dict.fromkeys(("integer", "object", "array"), "an")
_DAYS: Final = re.compile(r"(\d+)d")
_NAME: Final = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_LONGEST_NAME: Final = 253
_ALIKE: Final = 0.6


@dataclass(frozen=True, slots=True)
class Place:
    """A value in an object and its schema; None where there is none, `siblings` being what there is instead."""

    member: Member
    value: Any
    schema: Mapping[str, Any] | None
    siblings: tuple[str, ...] = ()


def unknown_kind(subject: Subject, _: Bundle) -> Iterator[Remark]:
    """Kinds and versions that the group does not have."""
    manifest = subject.manifest
    if subject.definition is not None:
        return
    if manifest.kind in _DEFINITIONS:
        problem = f"{manifest.kind} has no version {manifest.api_version}"
        yield remark(("apiVersion",), problem, f"write {API_VERSION}")
        return
    problem = f"there is no kind {show(manifest.kind)} in {manifest.group}"
    yield remark(("kind",), problem, _instead(manifest.kind, tuple(_DEFINITIONS)))


def unknown_member(subject: Subject, _: Bundle) -> Iterator[Remark]:
    """Members that the kind does not have; the API server drops them."""
    for place in _places(subject):
        if place.schema is None:
            problem = f"there is no member {show_member(place.member)}; the API server drops it"
            yield remark(place.member, problem, _instead(str(place.member[-1]), place.siblings))


def wrong_type(subject: Subject, _: Bundle) -> Iterator[Remark]:
    """Values of another type than the schema has."""
    for place in _places(subject):
        wanted = (place.schema or {}).get("type")
        if wanted and not _is(place.value, wanted):
            quoted = wanted == "string" and isinstance(place.value, int | float)
            remedy = "put it in quotes" if quoted else f"write {_ARTICLES.get(wanted, 'a')} {wanted}"
            yield remark(place.member, f"{show(place.value)} is no {wanted}", remedy)


def missing_member(subject: Subject, _: Bundle) -> Iterator[Remark]:
    """Required members that are absent, or empty where that is the same."""
    if subject.definition is None:
        return
    told = set()
    for place in _places(subject):
        properties = (place.schema or {}).get("properties", {})
        if not isinstance(place.value, dict):
            continue
        for name in (place.schema or {}).get("required", ()):
            if place.value.get(name) is None and "default" not in properties[name]:
                told.add(show_member((*place.member, name)))
                yield _missing((*place.member, name), properties[name])
    spec = root(subject)["properties"]["spec"]["properties"]
    for path in missing_members(subject.obj) if subject.obj is not None else ():
        if path not in told:
            yield _missing(tuple(path.split(".")), spec[path.split(".")[1]])
    destination = mapping(subject.manifest.body, "spec", "destination")
    if destination.get("name") == "":
        yield remark(("spec", "destination", "name"), "the Secret has no name", "name the Secret to write")


def wrong_value(subject: Subject, _: Bundle) -> Iterator[Remark]:
    """Values outside an enumeration."""
    for place in _places(subject):
        allowed = (place.schema or {}).get("enum")
        if allowed and isinstance(place.value, str) and place.value not in allowed:
            problem = f"{show(place.value)} is not one of {', '.join(allowed)}"
            yield remark(place.member, problem, _instead(place.value, tuple(allowed)))


def wrong_duration(subject: Subject, _: Bundle) -> Iterator[Remark]:
    """Durations that the schema does not take, such as ``1d`` and ``1h30m``."""
    for place in _places(subject):
        pattern = (place.schema or {}).get("pattern")
        if pattern in {DURATION, DURATION_WITH_DAYS} and not _matches(pattern, place.value):
            units = "s, m or h" if pattern == DURATION else "s, m, h or d"
            remedy = _duration_instead(place.value) or f"write one number and one unit ({units}), such as 30s"
            yield remark(place.member, f"{show(place.value)} is no duration that the API takes", remedy)


def wrong_pattern(subject: Subject, _: Bundle) -> Iterator[Remark]:
    """Other texts that do not have the form they must have."""
    for place in _places(subject):
        pattern = (place.schema or {}).get("pattern")
        if pattern and pattern not in {DURATION, DURATION_WITH_DAYS} and not _matches(pattern, place.value):
            yield remark(place.member, f"{show(place.value)} does not match {pattern}", "write it in that form")


def out_of_range(subject: Subject, _: Bundle) -> Iterator[Remark]:
    """Numbers beyond their bounds, such as a `renewalPercent` of 95."""
    for place in _places(subject):
        schema = place.schema or {}
        low, high = schema.get("minimum"), schema.get("maximum")
        if not _is(place.value, "integer"):
            continue
        if low is not None and place.value < low:
            yield remark(place.member, f"{place.value} is less than {low}", f"write at least {low}")
        if high is not None and place.value > high:
            yield remark(place.member, f"{place.value} is more than {high}", f"write at most {high}")


def repeated_member(subject: Subject, _: Bundle) -> Iterator[Remark]:
    """Members that stand twice in the file."""
    for member in subject.manifest.repeated():
        yield remark(member, f"{show_member(member)} stands there twice; the last one counts", "keep one")


def wrong_name(subject: Subject, _: Bundle) -> Iterator[Remark]:
    """Names of objects and of their Secrets that Kubernetes does not take."""
    remedy = "use lower-case letters, digits, '-' and '.', at most 253 characters"
    if not subject.manifest.name and not subject.manifest.text("metadata", "generateName"):
        yield remark(("metadata", "name"), "the object has no name", "set metadata.name")
    elif subject.manifest.name and not _is_name(subject.manifest.name):
        yield remark(("metadata", "name"), f"{show(subject.manifest.name)} is no name for an object", remedy)
    secret = subject.manifest.text("spec", "destination", "name")
    if secret and not _is_name(secret):
        yield remark(("spec", "destination", "name"), f"{show(secret)} is no name for a Secret", remedy)


def root(subject: Subject) -> Mapping[str, Any]:
    """The schema of the whole object; empty for an unknown kind."""
    return _schema_of(subject.definition.name) if subject.definition is not None else {}


@lru_cache(maxsize=len(KINDS))
def _schema_of(kind: str) -> Mapping[str, Any]:
    return root_schema(_DEFINITIONS[kind].kind.type)


def _places(subject: Subject) -> Iterator[Place]:
    if subject.definition is None:
        return
    body = {key: value for key, value in subject.manifest.body.items() if key not in {"metadata", "status"}}
    yield from _walk({"spec": {}, **body}, root(subject), ())


def _walk(value: Any, schema: Mapping[str, Any], member: Member) -> Iterator[Place]:
    yield Place(member, value, schema)
    if isinstance(value, dict) and schema.get("type") == "object":
        properties, others = schema.get("properties"), schema.get("additionalProperties")
        for name, inner in value.items():
            at = (*member, name)
            below = properties.get(name) if properties is not None else others
            if below is None and properties is not None:
                yield Place(at, inner, None, tuple(properties))
            elif below is not None and inner is not None:  # a null counts as absent
                yield from _walk(inner, below, at)
    elif isinstance(value, list) and schema.get("type") == "array":
        for at_item, item in enumerate(value):
            yield from _walk(item, schema["items"], (*member, at_item))


def _is(value: Any, wanted: str) -> bool:
    return isinstance(value, _TYPES[wanted]) and not (wanted == "integer" and isinstance(value, bool))


def _matches(pattern: str, value: Any) -> bool:
    return not isinstance(value, str) or re.search(pattern, value) is not None


def _is_name(text: str) -> bool:
    return len(text) <= _LONGEST_NAME and _NAME.fullmatch(text) is not None


def _missing(member: Member, schema: Mapping[str, Any]) -> Remark:
    return remark(member, f"{show_member(member)} is not set", f"set it: {schema.get('description', '')}")


def _instead(text: str, known: tuple[str, ...]) -> str:
    by_fold = {one.lower(): one for one in known}
    found = get_close_matches(text.lower(), by_fold, n=1, cutoff=_ALIKE)
    return f"did you mean {by_fold[found[0]]}?" if found else f"write one of {', '.join(known)}"


def _duration_instead(value: Any) -> str:
    text = str(value)
    if days := _DAYS.fullmatch(text):
        return f"write {int(days[1]) * 24}h"
    try:
        seconds = parse_duration(text).total_seconds()
    except ValueError:
        return ""
    return f"write {seconds:.0f}s" if seconds == int(seconds) and seconds >= 0 else ""
