"""Gathers what a resource's transformation asks for, its own and that of SecretTransformations (api.md 7.4).

Filters and the raw copy; templates are refused with a clear text until the engine is in place.
"""

from collections.abc import Callable

from vso.apis.meta import Key
from vso.apis.v1beta1 import SecretTransformation, Transformation
from vso.sync import RenderOptions, TransformationInvalid

Find = Callable[[Key], SecretTransformation | None]

_NO_TEMPLATES = "templates are not supported by this release: use includes and excludes, or keep to the raw fields"


def render_options(transformation: Transformation, *, namespace: str, find: Find, exclude_raw: bool) -> RenderOptions:
    """The filters in force; `exclude_raw` is the operator-wide option.

    Raises TransformationInvalid with all problems at once.
    """
    includes, excludes = set(transformation.includes), set(transformation.excludes)
    problems = [f"spec.destination.transformation.templates: {_NO_TEMPLATES}"] if transformation.templates else []
    seen: set[Key] = set()
    for ref in transformation.transformation_refs:
        key = Key(ref.namespace or namespace, ref.name)
        if key in seen:
            problems.append(f"duplicate SecretTransformation ref {key}")
        seen.add(key)
        found = find(key)
        if found is None:
            problems.append(f"SecretTransformation {key} does not exist: create it, or remove the reference")
            continue
        if found.spec.templates or found.spec.source_templates or ref.template_refs:
            problems.append(f"SecretTransformation {key}: {_NO_TEMPLATES}")
        includes |= set() if ref.ignore_includes else set(found.spec.includes)
        excludes |= set() if ref.ignore_excludes else set(found.spec.excludes)
    if problems:
        raise TransformationInvalid("; ".join(problems))
    return RenderOptions(
        includes=frozenset(includes),
        excludes=frozenset(excludes),
        exclude_raw=exclude_raw or transformation.exclude_raw,
    )


def versions(transformation: Transformation, *, namespace: str, find: Find) -> tuple[str, ...]:
    """Names the versions of the SecretTransformations in use, to tell whether one changed."""
    names = []
    for ref in transformation.transformation_refs:
        found = find(Key(ref.namespace or namespace, ref.name))
        names.append(f"{found.metadata.uid}/{found.metadata.generation}" if found else "")
    return tuple(names)
