"""VaultAuthGlobal: what several VaultAuth objects have in common."""

from typing import Annotated

import msgspec

from vso.apis import meta
from vso.apis.field import Block, Field, written
from vso.apis.v1beta1.added_method import AddedLogin
from vso.apis.v1beta1.auth_method import (
    AuthMethod,
    SharedAppRoleAuth,
    SharedAwsAuth,
    SharedGcpAuth,
    SharedJwtAuth,
    SharedKubernetesAuth,
)
from vso.apis.v1beta1.status import Error, Valid


class SharedSettings(Block, frozen=True, kw_only=True):
    """What can be asked for beyond the original's fields."""

    login: Annotated[
        AddedLogin | None,
        Field("A method that the original does not have, for those whose VaultAuth names none."),
    ] = None


class VaultAuthGlobalSpec(Block, frozen=True, kw_only=True):
    """Defaults for VaultAuth objects, and who may inherit them."""

    allowed_namespaces: Annotated[
        tuple[str, ...],
        Field(
            "Namespaces, beside this object's own, whose VaultAuth objects may refer to it: exact names, or "
            "a single * for all."
        ),
    ] = ()
    vault_connection_ref: Annotated[
        str, Field("VaultConnection to use; a bare name is looked up in the namespace of the VaultAuth.")
    ] = ""
    default_vault_namespace: Annotated[
        str, Field("Vault namespace if neither the VaultAuth nor the block of the method sets one.")
    ] = ""
    default_auth_method: Annotated[
        str, Field("How to log in if the VaultAuth does not say.", enum=tuple(AuthMethod))
    ] = ""
    default_mount: Annotated[str, Field("Mount if neither the VaultAuth nor the block of the method sets one.")] = ""
    params: Annotated[dict[str, str], Field("Login parameters for all methods.")] = msgspec.field(default_factory=dict)
    headers: Annotated[dict[str, str], Field("Headers on the login request for all methods.")] = msgspec.field(
        default_factory=dict
    )
    kubernetes: Annotated[SharedKubernetesAuth | None, Field("Defaults for method kubernetes.")] = None
    app_role: Annotated[SharedAppRoleAuth | None, Field("Defaults for method appRole.")] = None
    jwt: Annotated[SharedJwtAuth | None, Field("Defaults for method jwt.")] = None
    aws: Annotated[SharedAwsAuth | None, Field("Defaults for method aws.")] = None
    gcp: Annotated[SharedGcpAuth | None, Field("Defaults for method gcp.")] = None
    extensions: Annotated[SharedSettings, Field("What can be asked for beyond the original's fields.")] = (
        SharedSettings()
    )


class VaultAuthGlobalStatus(Block, frozen=True, kw_only=True):
    """Never written by the operator; kept for compatibility."""

    valid: Valid = written(False)  # noqa: FBT003 - the value of the field
    error: Error = written("")


class VaultAuthGlobal(meta.Object, frozen=True, kw_only=True):
    """What several VaultAuth objects have in common."""

    spec: VaultAuthGlobalSpec = VaultAuthGlobalSpec()
    status: VaultAuthGlobalStatus = VaultAuthGlobalStatus()
