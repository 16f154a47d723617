"""Rules about what shapes the data: patterns, templates, references to SecretTransformations."""

import re
from collections.abc import Iterable, Iterator
from typing import Final

from msgspec import structs

from vso.apis.meta import Key
from vso.apis.v1beta1 import SecretTransformation, Transformation, TransformationRef, VaultPKISecret
from vso.cli.kubectl.linting.finding import Bundle, Remark, remark, templates_in
from vso.cli.kubectl.manifest import Member
from vso.cli.kubectl.subject import Subject, claimant_of
from vso.controllers import Claimant, render_options
from vso.sync import TLS_TYPE, RenderError, RenderOptions, TransformationInvalid, check_secret, filter_keys

_SHAPING: Final[Member] = ("spec", "destination", "transformation")
_RAW: Final = "_raw"
_LINE: Final = re.compile(r"template: .*?:(\d+):")
_USES: Final = re.compile(r"""\{\{-?\s*template\s+["`]([^"`]+)["`]""")
_DEFINES: Final = re.compile(r"""\{\{-?\s*(?:define|block)\s+["`]([^"`]+)["`]""")


def bad_regex(subject: Subject, _: Bundle) -> Iterator[Remark]:
    """Patterns that RE2 does not take."""
    for member, pattern in _patterns(subject):
        try:
            filter_keys((), includes=frozenset({pattern}), excludes=frozenset())
        except RenderError as exc:
            reason = str(exc).rpartition(f"{pattern!r}: ")[2]
            yield remark(
                member,
                f"{pattern!r} is no regular expression: {reason}",
                "write it in RE2 syntax, which has no look-around and no back references",
            )


def template_syntax(subject: Subject, bundle: Bundle) -> Iterator[Remark]:
    """Templates that do not parse, or call a function that there is not."""
    for member, template in templates_in(subject):
        complaint = bundle.complaints.get(template)
        if complaint is None:
            continue
        line = _LINE.search(complaint)
        unknown = "not defined" in complaint
        yield Remark(
            member=member,
            problem=complaint,
            remedy="use a function that the operator has" if unknown else "correct the template",
            line=subject.manifest.text_line(member, int(line[1])) if line else 0,
        )


def template_key(subject: Subject, _: Bundle) -> Iterator[Remark]:
    """Keys of results that a Secret cannot have."""
    shaping = _shaping(subject)
    excluded = shaping is not None and shaping.exclude_raw
    for member, key in _result_keys(subject):
        if key == _RAW:
            if not excluded and shaping is not None:
                yield remark(member, "_raw is the key of the raw copy", "name another key, or set excludeRaw")
            continue
        try:
            check_secret({key: b""})
        except RenderError:
            problem = f"{key!r} is no key that a Secret can have"
            yield remark(member, problem, "use letters, digits, '-', '_' and '.', at most 253 characters")


def transformation(subject: Subject, bundle: Bundle) -> Iterator[Remark]:
    """What of the transformation contradicts itself, or picks what a SecretTransformation does not have."""
    claimant = claimant_of(subject.obj)
    if claimant is None:
        return
    try:
        _options(claimant, bundle)
    except TransformationInvalid as exc:
        yield remark(_SHAPING, str(exc), "correct the transformation, or the SecretTransformation")


def duplicate_template(subject: Subject, _: Bundle) -> Iterator[Remark]:
    """Two templates of one SecretTransformation under one name."""
    if subject.has(SecretTransformation) is None:
        return
    names: set[str] = set()
    for member, template in templates_in(subject):
        if template.name in names:
            yield remark(member, f"two templates are called {template.name!r}", "rename one")
        names.add(template.name)


def template_undefined(subject: Subject, bundle: Bundle) -> Iterator[Remark]:
    """Templates that include one which nothing defines; the operator finds out when it renders."""
    claimant = claimant_of(subject.obj)
    if claimant is None or any(bundle.transformation(key) is None for key in _followed(claimant)):
        return
    try:
        templates = _options(claimant, bundle).templates
    except TransformationInvalid:
        return
    defined = {one.name for one in templates}
    defined.update(name for one in templates for name in _DEFINES.findall(one.text))
    used = {name for one in templates for name in _USES.findall(one.text)}
    for name in sorted(used - defined):
        yield remark(
            _SHAPING,
            f"no template called {name!r} is defined",
            "define it, or refer to the SecretTransformation with it",
        )


def tls_without_keys(subject: Subject, bundle: Bundle) -> Iterator[Remark]:
    """TLS Secrets whose templates make something else: with templates the operator adds no keys."""
    claimant = claimant_of(subject.obj)
    if claimant is None or claimant.kind != "VaultPKISecret" or claimant.spec.destination.type != TLS_TYPE:
        return
    if any(bundle.transformation(key) is None for key in _followed(claimant)):
        return
    try:
        made = {one.key for one in _options(claimant, bundle).templates if one.key}
    except TransformationInvalid:
        return
    missing = sorted({"tls.crt", "tls.key"} - made)
    if made and missing:
        yield remark(
            _SHAPING,
            f"with templates the operator adds no {' and '.join(missing)}, which a Secret of type {TLS_TYPE} needs",
            "add templates for them, or take the templates away",
        )


def tls_of_der(subject: Subject, _: Bundle) -> Iterator[Remark]:
    """TLS Secrets of certificates in DER, which no server or ingress reads: they expect PEM."""
    pki = subject.has(VaultPKISecret)
    if pki is not None and pki.spec.destination.type == TLS_TYPE and pki.spec.format == "der":
        problem = f"whoever reads a Secret of type {TLS_TYPE} expects PEM, and DER comes in base64"
        yield remark(("spec", "format"), problem, "write pem, or another type of Secret")


def _options(claimant: Claimant, bundle: Bundle) -> RenderOptions:
    """Without what is not in the files, which another rule tells. Raises TransformationInvalid."""
    destination = claimant.spec.destination
    shaping = destination.transformation
    known = tuple(one for one in shaping.transformation_refs if bundle.transformation(_key(claimant, one)) is not None)
    shaping = structs.replace(shaping, transformation_refs=known)
    spec = structs.replace(claimant.spec, destination=structs.replace(destination, transformation=shaping))
    whole = structs.replace(claimant, spec=spec)
    return render_options(whole, find=lambda key: _usable(bundle.transformation(key)), exclude_raw=False)


def _usable(found: SecretTransformation | None) -> SecretTransformation | None:
    return None if found is None else structs.replace(found, status=structs.replace(found.status, valid=True))


def _key(claimant: Claimant, ref: TransformationRef) -> Key:
    return Key(ref.namespace or claimant.metadata.namespace, ref.name)


def _followed(claimant: Claimant) -> Iterator[Key]:
    for ref in claimant.spec.destination.transformation.transformation_refs:
        yield _key(claimant, ref)


def _shaping(subject: Subject) -> Transformation | None:
    claimant = claimant_of(subject.obj)
    return None if claimant is None else claimant.spec.destination.transformation


def _patterns(subject: Subject) -> Iterator[tuple[Member, str]]:
    shared, own = subject.has(SecretTransformation), _shaping(subject)
    holder, where = (shared.spec, ("spec",)) if shared is not None else (own, _SHAPING)
    for name in ("includes", "excludes"):
        found: Iterable[str] = getattr(holder, name, ())
        for at, pattern in enumerate(found):
            yield (*where, name, at), pattern


def _result_keys(subject: Subject) -> Iterator[tuple[Member, str]]:
    for member, template in templates_in(subject):
        if template.key:
            yield member[:-1], template.key
    shaping = _shaping(subject)
    for at, ref in enumerate(shaping.transformation_refs if shaping is not None else ()):
        for place, one in enumerate(ref.template_refs):
            if one.key_override:
                yield (*_SHAPING, "transformationRefs", at, "templateRefs", place, "keyOverride"), one.key_override
