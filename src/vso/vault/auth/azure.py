"""Login as an application or managed identity of Microsoft Entra, by workload identity (D36).

Vault API: https://openbao.org/api-docs/auth/azure/#login (the plugin is the same for both servers). azure-identity
exchanges the token of an annotated ServiceAccount for one of Entra, which Vault checks.
"""

import os
from collections.abc import Mapping
from typing import Final

from vso.base import Sensitive
from vso.vault.auth.cloud import TIME_LIMIT, in_thread, optional, refusal, unreachable
from vso.vault.auth.method import Credentials, LoginRequest, MissingCredential, Settings, Source, SourceKind

_CLIENT: Final = "azure.workload.identity/client-id"
_TENANT: Final = "azure.workload.identity/tenant-id"
_AUDIENCE: Final = "api://AzureADTokenExchange"
_SECONDS: Final = 3600
_RESOURCE: Final = "https://management.azure.com/"
_AUTHORITY: Final = "https://login.microsoftonline.com/"
_BINDINGS: Final[Mapping[str, str]] = {
    "subscription_id": "subscriptionId",
    "resource_group_name": "resourceGroupName",
    "vm_name": "vmName",
    "vmss_name": "vmssName",
}
"""What a role may be bound to, and the setting that tells it."""
_SERVICE: Final = "Microsoft Entra"
_ADVICE: Final = (
    "check that the application has a federated credential for this cluster's issuer and this ServiceAccount, and its "
    "client and tenant ids"
)


class Azure:
    """The method; `environ` is that of the operator's process."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ

    def source(self, settings: Settings) -> Source:
        """See `Method.source`."""
        return Source(SourceKind.SERVICE_ACCOUNT, settings.needed("workloadIdentityServiceAccount"))

    async def request(self, credentials: Credentials) -> LoginRequest:
        """See `Method.request`."""
        settings = credentials.settings
        role = settings.needed("role")
        with optional("azure", "azure-identity"):
            import azure.identity  # noqa: F401 - for those who use it
        annotations = await credentials.annotations()
        client = annotations.get(_CLIENT)
        tenant = annotations.get(_TENANT) or self._environ.get("AZURE_TENANT_ID")
        if not client:
            raise MissingCredential(f'missing "{_CLIENT}" annotation: put it on the ServiceAccount that is named')
        if not tenant:
            raise MissingCredential(
                f'missing "{_TENANT}" annotation: put it on the ServiceAccount that is named, or have the '
                "administrator set AZURE_TENANT_ID for the operator"
            )
        assertion = await credentials.token(audiences=(_AUDIENCE,), seconds=_SECONDS)
        scope = f"{settings.text('resource') or _RESOURCE}/.default"
        authority = self._environ.get("AZURE_AUTHORITY_HOST") or _AUTHORITY
        jwt = await in_thread(
            _SERVICE, lambda: _exchanged(assertion, client=client, tenant=tenant, authority=authority, scope=scope)
        )
        bindings = {name: settings.text(setting) for name, setting in _BINDINGS.items()}
        return LoginRequest(
            body={"role": role, "jwt": jwt, **{name: value for name, value in bindings.items() if value}}
        )


def _exchanged(assertion: Sensitive[str], *, client: str, tenant: str, authority: str, scope: str) -> Sensitive[str]:
    """A token of Entra for `scope`."""
    from azure.core.exceptions import ClientAuthenticationError, ServiceRequestError, ServiceResponseError
    from azure.identity import ClientAssertionCredential

    half = TIME_LIMIT / 2
    credential = ClientAssertionCredential(
        tenant,
        client,
        assertion.reveal,
        authority=authority,
        disable_instance_discovery=True,  # the administrator says whom to trust
        connection_timeout=half,
        read_timeout=half,
        retry_total=0,
    )
    secrets = (assertion.reveal(),)
    try:
        with credential:
            return Sensitive(credential.get_token(scope).token)
    except ClientAuthenticationError as exc:
        status = (exc.response.status_code or 0) if exc.response is not None else 0
        raise refusal(_SERVICE, exc.message, advice=_ADVICE, status=status, secrets=secrets) from None
    except (ServiceRequestError, ServiceResponseError, ValueError) as exc:
        raise unreachable(f"{_SERVICE} at {authority}", str(exc), secrets) from None


METHOD: Final = Azure(os.environ)
