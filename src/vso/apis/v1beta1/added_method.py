"""Ways to log in that the original does not have, in `spec.extensions.login` (D36).

`spec.method` must be unset beside it, so that the original refuses the object instead of logging in another way.
A Secret named here is looked up as those of `auth_method` are.
"""

from enum import StrEnum
from typing import Annotated

from vso.apis.field import Field
from vso.apis.v1beta1.auth_method import LoginBlock, Role, unset

LOGIN: str = "extensions.login"


class AddedMethod(StrEnum):
    """Names of the methods; each is also the name of its block on the wire."""

    AZURE = "azure"
    CERT = "cert"
    LDAP = "ldap"
    TOKEN = "token"  # noqa: S105 - a name
    USERPASS = "userpass"


class AzureAuth(LoginBlock, frozen=True, kw_only=True):
    """Log in as an application or managed identity of Microsoft Entra, through workload identity."""

    role: Role = ""
    workload_identity_service_account: Annotated[
        str,
        Field("ServiceAccount in the consumer's namespace annotated with an application of Microsoft Entra; needed."),
    ] = ""
    resource: Annotated[
        str, Field("Resource that the token is for; unset, https://management.azure.com/, Vault's own default.")
    ] = ""
    subscription_id: Annotated[str, Field("Subscription of the machine, if the role is bound to one.")] = ""
    resource_group_name: Annotated[str, Field("Resource group of the machine, if the role is bound to one.")] = ""
    vm_name: Annotated[str, Field("Name of the virtual machine, if the role asks for it.")] = ""
    vmss_name: Annotated[str, Field("Name of the scale set, if the role asks for it.")] = ""

    def problems(self) -> list[str]:
        """See `LoginBlock.problems`."""
        account = self.workload_identity_service_account
        return unset(f"{LOGIN}.azure", role=self.role, workloadIdentityServiceAccount=account)


class CertAuth(LoginBlock, frozen=True, kw_only=True):
    """Log in with a TLS client certificate."""

    role: Annotated[str, Field("Certificate role; unset, Vault tries all that match.")] = ""
    secret_ref: Annotated[str, Field("Secret of type kubernetes.io/tls with tls.crt and tls.key; needed.")] = ""

    def problems(self) -> list[str]:
        """See `LoginBlock.problems`."""
        return unset(f"{LOGIN}.cert", secretRef=self.secret_ref)


class PasswordAuth(LoginBlock, frozen=True, kw_only=True):
    """Log in with a user name and a password."""

    username: Annotated[str, Field("Name of the user; unset, key username of the Secret.")] = ""
    secret_ref: Annotated[str, Field("Secret with the password in key password; needed.")] = ""


class LdapAuth(PasswordAuth, frozen=True, kw_only=True):
    """Log in with a user name and a password that a directory knows."""

    def problems(self) -> list[str]:
        """See `LoginBlock.problems`."""
        return unset(f"{LOGIN}.ldap", secretRef=self.secret_ref)


class TokenAuth(LoginBlock, frozen=True, kw_only=True):
    """Use a token that was made elsewhere; it is renewed if that is possible, and never revoked."""

    secret_ref: Annotated[str, Field("Secret with the token in key token; needed.")] = ""

    def problems(self) -> list[str]:
        """See `LoginBlock.problems`."""
        return unset(f"{LOGIN}.token", secretRef=self.secret_ref)


class UserpassAuth(PasswordAuth, frozen=True, kw_only=True):
    """Log in with a user name and a password that Vault keeps."""

    def problems(self) -> list[str]:
        """See `LoginBlock.problems`."""
        return unset(f"{LOGIN}.userpass", secretRef=self.secret_ref)


class AddedLogin(LoginBlock, frozen=True, kw_only=True):
    """A method that the original does not have; spec.method must be unset beside it."""

    method: Annotated[str, Field("How to log in.", enum=tuple(AddedMethod))] = ""
    azure: Annotated[AzureAuth | None, Field("Used with method azure.")] = None
    cert: Annotated[CertAuth | None, Field("Used with method cert.")] = None
    ldap: Annotated[LdapAuth | None, Field("Used with method ldap.")] = None
    token: Annotated[TokenAuth | None, Field("Used with method token.")] = None
    userpass: Annotated[UserpassAuth | None, Field("Used with method userpass.")] = None
