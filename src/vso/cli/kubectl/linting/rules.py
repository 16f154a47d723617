"""All rules in one table, and what they say of a bundle of objects. A new rule is one function and one row."""

from collections.abc import Collection, Iterator
from typing import Final

from vso.cli.kubectl.linting import access, reading, schema, shaping
from vso.cli.kubectl.linting.finding import Bundle, Finding, Remark, Rule, Severity
from vso.cli.kubectl.manifest import Unreadable, show_member
from vso.cli.kubectl.subject import Subject

UNREADABLE: Final = "unreadable"
"""Name under which a file that has no objects is told."""

UNCHECKED: Final = "templates-unchecked"
"""Name under which it is told that the engine does not work."""
_OF_THE_ENGINE: Final = "template-syntax"

_E, _W, _H = Severity.ERROR, Severity.WARNING, Severity.HINT

RULES: Final = (
    Rule("unknown-kind", _E, schema.unknown_kind),
    Rule("unknown-field", _E, schema.unknown_member),
    Rule("wrong-type", _E, schema.wrong_type),
    Rule("missing-field", _E, schema.missing_member),
    Rule("wrong-value", _E, schema.wrong_value),
    Rule("wrong-duration", _E, schema.wrong_duration),
    Rule("wrong-pattern", _E, schema.wrong_pattern),
    Rule("out-of-range", _E, schema.out_of_range),
    Rule("repeated-field", _E, schema.repeated_member),
    Rule("wrong-name", _E, schema.wrong_name),
    Rule("bad-regex", _E, shaping.bad_regex),
    Rule(_OF_THE_ENGINE, _E, shaping.template_syntax),
    Rule("template-key", _E, shaping.template_key),
    Rule("template-undefined", _E, shaping.template_undefined),
    Rule("duplicate-template", _E, shaping.duplicate_template),
    Rule("transformation", _E, shaping.transformation),
    Rule("tls-without-keys", _E, shaping.tls_without_keys),
    Rule("tls-of-der", _W, shaping.tls_of_der),
    Rule("bad-reference", _E, access.bad_reference),
    Rule("missing-object", _W, access.missing_object),
    Rule("not-allowed", _E, access.not_allowed),
    Rule("incomplete-login", _E, access.incomplete_login),
    Rule("literal-wildcard", _W, access.literal_wildcard),
    Rule("unusable-connection", _E, access.unusable_connection),
    Rule("insecure-connection", _W, access.insecure_connection),
    Rule("bad-path", _E, reading.bad_path),
    Rule("static-role-in-static-secret", _E, reading.static_role_in_static_secret),
    Rule("static-role-not-allowed", _E, reading.static_role_not_allowed),
    Rule("leased-as-static", _W, reading.leased_as_static),
    Rule("kv-in-wrong-place", _W, reading.kv_in_wrong_place),
    Rule("restart-without-hmac", _E, reading.restart_without_hmac),
    Rule("never-refreshed", _W, reading.never_refreshed),
    Rule("refresh-after-unset", _H, reading.refresh_after_unset),
    Rule("offset-beyond-ttl", _W, reading.offset_beyond_ttl),
    Rule("certificate-form", _E, reading.certificate_form),
    Rule("same-destination", _E, reading.same_destination),
    Rule("same-object", _E, reading.same_object),
    Rule("settings-without-create", _W, reading.settings_without_create),
    Rule("clear-without-effect", _W, reading.clear_without_effect),
    Rule("retired-kind", _W, reading.retired_kind),
)


def findings(bundle: Bundle, *, strict: bool = False, skip: Collection[str] = ()) -> Iterator[Finding]:
    """What the rules say, object by object, in the order of the lines; with `strict` warnings are errors.

    Of an engine that does not work one warning tells, and the rules that need it say nothing.
    """
    if bundle.silence and _OF_THE_ENGINE not in skip:
        yield Finding(
            severity=Severity.ERROR if strict else Severity.WARNING,
            rule=UNCHECKED,
            file="",
            line=0,
            kind="",
            namespace="",
            name="",
            member="",
            problem=f"templates are not checked: {bundle.silence}",
            remedy="all other rules were applied",
        )
    for subject in bundle.subjects:
        found = (_finding(rule, one, subject, strict=strict) for rule, one in _remarks(subject, bundle, skip))
        yield from sorted(found, key=lambda one: one.line)


def _remarks(subject: Subject, bundle: Bundle, skip: Collection[str]) -> Iterator[tuple[Rule, Remark]]:
    for rule in RULES:
        if rule.name not in skip:
            for one in rule.check(subject, bundle):
                yield rule, one


def _finding(rule: Rule, one: Remark, subject: Subject, *, strict: bool) -> Finding:
    manifest = subject.manifest
    return Finding(
        severity=Severity.ERROR if strict and rule.severity is Severity.WARNING else rule.severity,
        rule=rule.name,
        file=manifest.file,
        line=one.line or manifest.line(one.member),
        kind=manifest.kind,
        namespace=subject.namespace,
        name=manifest.name,
        member=show_member(one.member),
        problem=one.problem,
        remedy=one.remedy,
    )


def unreadable(error: Unreadable) -> Finding:
    """A file that has no objects, as a finding."""
    return Finding(
        severity=Severity.ERROR,
        rule=UNREADABLE,
        file=error.file,
        line=error.line,
        kind="",
        namespace="",
        name="",
        member="",
        problem=str(error),
        remedy="write Kubernetes objects in YAML or JSON; render a chart with `helm template` first",
    )
