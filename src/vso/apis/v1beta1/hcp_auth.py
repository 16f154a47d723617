"""HCPAuth: the login to HCP Vault Secrets, a service that has ended; kept for stored objects."""

from typing import Annotated

import msgspec

from vso.apis import meta
from vso.apis.field import Block, Field, written
from vso.apis.v1beta1.status import Conditions, Error, Valid


class HCPAuthServicePrincipal(Block, frozen=True, kw_only=True):
    """Credentials of a service principal."""

    secret_ref: Annotated[
        str,
        Field("Secret in the consumer's namespace with the keys clientID and clientSecret.", required=True),
    ] = ""


class HCPAuthSpec(Block, frozen=True, kw_only=True):
    """The login, and who may use it."""

    organization_id: Annotated[str, Field("HCP organization.", required=True)] = msgspec.field(
        default="", name="organizationID"
    )
    project_id: Annotated[str, Field("HCP project.", required=True)] = msgspec.field(default="", name="projectID")
    allowed_namespaces: Annotated[
        tuple[str, ...],
        Field("Namespaces, beside this object's own, whose objects may use it; a single * is all."),
    ] = ()
    method: Annotated[str, Field("How to log in.", default="servicePrincipal", enum=("servicePrincipal",))] = ""
    service_principal: Annotated[HCPAuthServicePrincipal | None, Field("Credentials of the service principal.")] = None


class HCPAuthStatus(Block, frozen=True, kw_only=True):
    """Whether the object can be used."""

    valid: Valid = written(False)  # noqa: FBT003 - the value of the field
    error: Error = written("")
    conditions: Conditions = ()


class HCPAuth(meta.Object, frozen=True, kw_only=True):
    """The login to HCP Vault Secrets, a service that has ended."""

    spec: HCPAuthSpec = HCPAuthSpec()
    status: HCPAuthStatus = HCPAuthStatus()
