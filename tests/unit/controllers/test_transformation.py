"""What a resource's transformation adds up to: its own templates and filters, and those of its references."""

from typing import Any

import pytest

from vso.apis.meta import Key, ObjectMeta
from vso.apis.v1beta1 import (
    Destination,
    SecretTransformation,
    SecretTransformationSpec,
    SecretTransformationStatus,
    SourceTemplate,
    Template,
    TemplateRef,
    Transformation,
    TransformationRef,
    VaultStaticSecret,
    VaultStaticSecretSpec,
)
from vso.controllers.transformation import render_options, uses_metadata
from vso.sync import RenderOptions, TransformationInvalid
from vso.sync import Template as Parsed


def shared(name: str, *, namespace: str = "ns", valid: bool = True, **spec: Any) -> SecretTransformation:
    """A SecretTransformation."""
    return SecretTransformation(
        metadata=ObjectMeta(name=name, namespace=namespace),
        spec=SecretTransformationSpec(**spec),
        status=SecretTransformationStatus(valid=valid),
    )


def options(transformation: Transformation, *found: SecretTransformation) -> RenderOptions:
    """The options of a resource ns/app."""
    wanted = VaultStaticSecret(
        metadata=ObjectMeta(name="app", namespace="ns"),
        spec=VaultStaticSecretSpec(destination=Destination(name="app", transformation=transformation)),
    )
    return render_options(wanted, find={one.key: one for one in found}.get, exclude_raw=False)


def made(transformation: Transformation, *found: SecretTransformation) -> list[tuple[str, str, str]]:
    """Key, name and text of each template."""
    return [(one.key, one.name, one.text) for one in options(transformation, *found).templates]


def ref(name: str, **more: Any) -> TransformationRef:
    """A reference to ns/`name`."""
    return TransformationRef(name=name, **more)


T = shared(
    "t",
    templates={"a": Template(text="A"), "b": Template(name="bee", text="B")},
    source_templates=(SourceTemplate(text="S"),),
    includes=("^x",),
    excludes=("^y",),
)


def test_own_templates_get_a_name_from_object_and_key() -> None:
    """Unless they have one (api.md section 7.4, rule 1)."""
    own = Transformation(templates={"k": Template(text="1"), "l": Template(name="el", text="2")})
    assert made(own) == [("k", "ns/app/k", "1"), ("l", "el", "2")]


def test_a_reference_without_a_choice_takes_everything() -> None:
    """Templates, sources and filters, sources first."""
    assert made(Transformation(transformation_refs=(ref("t"),)), T) == [
        ("", "ns/t/0", "S"),
        ("a", "ns/t/a", "A"),
        ("b", "bee", "B"),
    ]
    found = options(Transformation(transformation_refs=(ref("t"),), includes=("^z",)), T)
    assert found.includes == {"^x", "^z"}
    assert found.excludes == {"^y"}
    ignoring = options(Transformation(transformation_refs=(ref("t", ignore_includes=True, ignore_excludes=True),)), T)
    assert (ignoring.includes, ignoring.excludes) == (frozenset(), frozenset())


def test_a_choice_takes_what_it_names_under_the_key_it_gives() -> None:
    """One template under two keys as well; without a name of its own it gets one (behaviour.md section 9.2)."""
    choice = ref("t", template_refs=(TemplateRef(name="a"), TemplateRef(name="a", key_override="other")))
    assert made(Transformation(transformation_refs=(choice,)), T) == [
        ("", "ns/t/0", "S"),
        ("a", "ns/t/a", "A"),
        ("other", "ns/t/a#other", "A"),
    ]


def test_of_several_templates_for_one_key_the_first_wins() -> None:
    """The resource's own, then the references in their order."""
    second = shared("u", templates={"a": Template(text="U"), "c": Template(text="C")})
    own = Transformation(templates={"b": Template(text="own")}, transformation_refs=(ref("t"), ref("u")))
    assert [(key, text) for key, _, text in made(own, T, second)] == [
        ("", "S"),
        ("a", "A"),
        ("b", "own"),
        ("c", "C"),
    ]


@pytest.mark.parametrize(
    ("refs", "problem"),
    [
        ((ref("none"),), "SecretTransformation ns/none does not exist"),
        ((ref("t"), ref("t")), "duplicate SecretTransformation ref ns/t"),
        ((ref("bad"),), "SecretTransformation ns/bad is in an invalid state"),
        ((ref("t", template_refs=(TemplateRef(name="q"),)),), 'template "q" not found in object ns/t'),
        ((ref("t"), ref("clash")), 'duplicate template name "bee"'),
        ((ref("none"), ref("bad")), "ns/bad"),
    ],
)
def test_what_cannot_be_used_is_explained_all_at_once(refs: tuple[TransformationRef, ...], problem: str) -> None:
    """Any problem is an error of the whole (api.md section 7.4)."""
    bad = shared("bad", valid=False)
    clash = shared("clash", templates={"x": Template(name="bee", text="another")})
    with pytest.raises(TransformationInvalid) as caught:
        options(Transformation(transformation_refs=refs), T, bad, clash)
    assert problem in str(caught.value)


@pytest.mark.parametrize(
    ("text", "labels"),
    [
        ("{{ .Labels.app }}", True),
        ("{{ range $k, $v := $.Labels }}{{ end }}", True),
        ("{{ . | toJson }}", True),
        ("{{ toJson . }}", True),
        ("{{ $ | toJson }}", True),
        ("{{ .Secrets.user }}", False),
        ("{{ .Secrets.user.name }} {{ $x := 1 }}{{ $x }}", False),
        ("a sentence. And another", False),
    ],
)
def test_labels_count_where_a_template_may_print_them(text: str, labels: bool) -> None:
    """Other edits of metadata are no reason to read again (D16)."""
    assert uses_metadata([Parsed(name="t", text=text, key="k")], "Labels") is labels


def test_references_may_lead_to_other_namespaces() -> None:
    """The namespace of the reference, else that of the resource."""
    there = shared("t", namespace="other", templates={"a": Template(text="A")})
    found = made(Transformation(transformation_refs=(TransformationRef(name="t", namespace="other"),)), there)
    assert found == [("a", "other/t/a", "A")]
    assert there.key == Key("other", "t")
