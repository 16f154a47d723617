"""Gathers what a resource's transformation asks for, its own and that of SecretTransformations. Pure.

Source: api.md section 7.4, behaviour.md section 9.2. Of several templates for one key the first wins: the
resource's own, then those of its references in order.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Final, Protocol

from vso.apis.meta import Key
from vso.apis.v1beta1 import SecretTransformation, Transformation, TransformationRef
from vso.base import Sensitive
from vso.controllers.world import Claimant
from vso.sync import RenderOptions, Template, TemplateInput, TransformationInvalid

Find = Callable[[Key], SecretTransformation | None]

_PLAIN: Final = Transformation()
_WHOLE_INPUT: Final = re.compile(r"(?<![\w)\]\"`.])(\.|\$)(?![\w.])")
"""A dot or dollar that stands for everything that a template is given."""


class Answered(Protocol):
    """What Vault answered, as JSON texts: the fields, and what only templates see."""

    @property
    def fields(self) -> Sensitive[bytes]:
        """The secret's fields."""

    @property
    def metadata(self) -> bytes:
        """Those of the version, for kv-v2."""

    @property
    def wrap_info(self) -> Sensitive[bytes] | None:
        """Of a wrapped answer."""


def template_input(wanted: Claimant, answer: Answered) -> TemplateInput:
    """What the templates of `wanted` see."""
    return TemplateInput(
        secrets=answer.fields,
        metadata=answer.metadata,
        wrap_data=answer.wrap_info,
        annotations=wanted.metadata.annotations or None,
        labels=wanted.metadata.labels or None,
    )


def render_options(wanted: Claimant, *, find: Find, exclude_raw: bool) -> RenderOptions:
    """Filters and templates in force; `exclude_raw` is the operator-wide option.

    Raises TransformationInvalid with all problems at once.
    """
    transformation = wanted.spec.destination.transformation
    if transformation == _PLAIN:
        return RenderOptions(exclude_raw=exclude_raw)
    meta = wanted.metadata
    found = _Gathered(includes=set(transformation.includes), excludes=set(transformation.excludes))
    for key, template in transformation.templates.items():
        found.take(template.name or f"{meta.namespace}/{meta.name}/{key}", template.text, key)
    for ref in transformation.transformation_refs:
        found.follow(ref, Key(ref.namespace or meta.namespace, ref.name), find)
    if found.problems:
        raise TransformationInvalid("; ".join(found.problems))
    return RenderOptions(
        includes=frozenset(found.includes),
        excludes=frozenset(found.excludes),
        exclude_raw=exclude_raw or transformation.exclude_raw,
        templates=tuple(sorted(found.templates.values(), key=lambda one: f"{one.key}0{one.name}")),
    )


def templates_of(transformation: SecretTransformation) -> list[Template]:
    """Every template of `transformation`, under the name that it has in messages."""
    spec = transformation.spec
    return [
        *(
            Template(name=one.name or _source_name(transformation, at), text=one.text)
            for at, one in enumerate(spec.source_templates)
        ),
        *(Template(name=_name(transformation, key), text=one.text, key=key) for key, one in spec.templates.items()),
    ]


def uses_metadata(templates: Iterable[Template], member: str) -> bool:
    """Whether some template can print `member` (Labels or Annotations) of the resource."""
    return any(member in one.text or _WHOLE_INPUT.search(one.text) for one in templates)


@dataclass(slots=True, kw_only=True)
class _Gathered:
    """What was found so far; templates by their names."""

    includes: set[str]
    excludes: set[str]
    templates: dict[str, Template] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    _keys: set[str] = field(default_factory=set)
    _followed: set[Key] = field(default_factory=set)

    def take(self, name: str, text: str, key: str) -> None:
        """Add a template; `key` is empty for one that makes no key of its own."""
        if key and key in self._keys:
            return
        known = self.templates.get(name)
        if known is not None and known.text != text:
            self.problems.append(f'duplicate template name "{name}": two different templates have it; rename one')
            return
        template = Template(name=name, text=text, key=key)
        if known is not None and known.key:
            # The same template under a second key: another name for the engine, which nobody refers to.
            template = replace(template, name=f"{name}#{key}")
        if key:
            self._keys.add(key)
        if known is None or key:
            self.templates[template.name] = template

    def follow(self, ref: TransformationRef, key: Key, find: Find) -> None:
        """Add what the SecretTransformation `key` has."""
        if key in self._followed:
            self.problems.append(f"duplicate SecretTransformation ref {key}: name it once")
            return
        self._followed.add(key)
        found = find(key)
        if found is None:
            self.problems.append(f"SecretTransformation {key} does not exist: create it, or remove the reference")
            return
        if not found.status.valid:
            why = found.status.error or "it was not checked yet"
            self.problems.append(f"SecretTransformation {key} is in an invalid state: {why}")
            return
        self.includes |= set() if ref.ignore_includes else set(found.spec.includes)
        self.excludes |= set() if ref.ignore_excludes else set(found.spec.excludes)
        self._take_from(found, ref)

    def _take_from(self, found: SecretTransformation, ref: TransformationRef) -> None:
        for at, one in enumerate(found.spec.source_templates):
            self.take(one.name or _source_name(found, at), one.text, "")
        if not ref.template_refs:
            for key, template in found.spec.templates.items():
                self.take(_name(found, key), template.text, key)
        for wanted in ref.template_refs:
            if wanted.name in found.spec.templates:
                text = found.spec.templates[wanted.name].text
                self.take(_name(found, wanted.name), text, wanted.key_override or wanted.name)
            else:
                self.problems.append(
                    f'template "{wanted.name}" not found in object {found.key}: correct templateRefs, or add it there'
                )


def _name(transformation: SecretTransformation, key: str) -> str:
    return transformation.spec.templates[key].name or f"{transformation.key}/{key}"


def _source_name(transformation: SecretTransformation, at: int) -> str:
    return f"{transformation.key}/{at}"
