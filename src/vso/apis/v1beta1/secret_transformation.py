"""SecretTransformation: templates and filters that several objects share."""

from typing import Annotated

import msgspec

from vso.apis import meta
from vso.apis.field import Block, Field, written
from vso.apis.v1beta1.status import Conditions, Error, Valid
from vso.apis.v1beta1.transformation import SourceTemplate, Template


class SecretTransformationSpec(Block, frozen=True, kw_only=True):
    """The templates and filters."""

    templates: Annotated[dict[str, Template], Field("Templates to take; the key is the key of the result.")] = (
        msgspec.field(default_factory=dict)
    )
    source_templates: Annotated[
        tuple[SourceTemplate, ...], Field("Templates that others include; they make no keys.")
    ] = ()
    includes: Annotated[tuple[str, ...], Field("Regular expressions in RE2 syntax of the keys of Vault to keep.")] = ()
    excludes: Annotated[tuple[str, ...], Field("Regular expressions in RE2 syntax of the keys of Vault to drop.")] = ()


class SecretTransformationStatus(Block, frozen=True, kw_only=True):
    """Whether all templates parse; objects that refer to an invalid one are not synced."""

    valid: Valid = written(False)  # noqa: FBT003 - the value of the field
    error: Error = written("")
    conditions: Conditions = ()


class SecretTransformation(meta.Object, frozen=True, kw_only=True):
    """Templates and filters that several objects share."""

    spec: SecretTransformationSpec = SecretTransformationSpec()
    status: SecretTransformationStatus = SecretTransformationStatus()
