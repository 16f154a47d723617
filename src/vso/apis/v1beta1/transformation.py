"""What shapes data between Vault and a Secret: templates, filters, and references to shared ones."""

from typing import Annotated

import msgspec

from vso.apis.field import Block, Field


class Template(Block, frozen=True, kw_only=True):
    """A template whose result becomes one key of the Secret."""

    name: Annotated[
        str,
        Field(
            "Name by which other templates include this one; unset, it is made from the namespace and name "
            "of the object and the key."
        ),
    ] = ""
    text: Annotated[
        str,
        Field(
            "Source in the syntax of Go's text/template with Sprig functions. Its input has .Secrets, "
            ".Metadata, .Annotations and .Labels.",
            required=True,
        ),
    ] = ""


class SourceTemplate(Block, frozen=True, kw_only=True):
    """A template that others include; it makes no key of its own."""

    name: Annotated[
        str,
        Field(
            "Name by which templates include this one; unset, it is made from the namespace and name of the "
            "object and the position in the list."
        ),
    ] = ""
    text: Annotated[str, Field("Source in the syntax of Go's text/template with Sprig functions.", required=True)] = ""


class TemplateRef(Block, frozen=True, kw_only=True):
    """Picks one template of a SecretTransformation."""

    name: Annotated[str, Field("Key of the template in spec.templates of that object.", required=True)] = ""
    key_override: Annotated[str, Field("Key of the result in the Secret; unset, the name of the template.")] = ""


class TransformationRef(Block, frozen=True, kw_only=True):
    """Borrows templates and filters from a SecretTransformation."""

    name: Annotated[str, Field("Name of the SecretTransformation.", required=True)] = ""
    namespace: Annotated[
        str, Field("Namespace of the SecretTransformation; unset, that of the object that refers to it.")
    ] = ""
    template_refs: Annotated[
        tuple[TemplateRef, ...], Field("Templates to take; without any, all of them are taken.")
    ] = ()
    ignore_includes: Annotated[bool, Field("Leave its include filters aside.")] = False
    ignore_excludes: Annotated[bool, Field("Leave its exclude filters aside.")] = False


class Transformation(Block, frozen=True, kw_only=True):
    """How the data of a Secret is made from what Vault returned."""

    templates: Annotated[dict[str, Template], Field("Templates of this object; the key is the key of the result.")] = (
        msgspec.field(default_factory=dict)
    )
    transformation_refs: Annotated[
        tuple[TransformationRef, ...], Field("SecretTransformations to take templates and filters from.")
    ] = ()
    includes: Annotated[
        tuple[str, ...],
        Field(
            "Regular expressions in RE2 syntax, searched in the keys that Vault returned. Of the keys that "
            "no exclude dropped, those with a match are kept. Without any, all are kept."
        ),
    ] = ()
    excludes: Annotated[
        tuple[str, ...],
        Field(
            "Regular expressions in RE2 syntax, searched in the keys that Vault returned. Keys with a match "
            "are dropped before includes are looked at. Keys made by templates are never dropped."
        ),
    ] = ()
    exclude_raw: Annotated[bool, Field("Leave out the key _raw, which holds Vault's whole answer as JSON.")] = False
