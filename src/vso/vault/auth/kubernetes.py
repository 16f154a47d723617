"""Login with a token of a ServiceAccount that Vault has the cluster review. Source: behaviour.md section 3.1.

Vault API: https://openbao.org/api-docs/auth/kubernetes/#login.
"""

from typing import Final

from vso.vault.auth.method import Credentials, LoginRequest, Settings, Source, SourceKind

SHORTEST_TOKEN: Final = 600
"""Seconds; the least that the API server grants, and what is asked for where nothing is set."""


class Kubernetes:
    """The method."""

    def source(self, settings: Settings) -> Source:
        """See `Method.source`."""
        return Source(SourceKind.SERVICE_ACCOUNT, settings.needed("serviceAccount"))

    async def request(self, credentials: Credentials) -> LoginRequest:
        """See `Method.request`."""
        settings = credentials.settings
        token = await credentials.token(
            audiences=settings.texts("audiences"),
            seconds=settings.number("tokenExpirationSeconds", SHORTEST_TOKEN),
        )
        return LoginRequest(body={"role": settings.needed("role"), "jwt": token})


METHOD: Final = Kubernetes()
