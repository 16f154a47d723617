"""Login with a JWT: one that is requested of a ServiceAccount, or one that a Secret holds.

Source: behaviour.md section 3.2. Vault API: https://openbao.org/api-docs/auth/jwt/#jwt-login.
"""

from typing import Final

from vso.vault.auth.kubernetes import SHORTEST_TOKEN
from vso.vault.auth.method import Credentials, LoginRequest, MissingCredential, Settings, Source, SourceKind


class Jwt:
    """The method; a ServiceAccount wins over a Secret."""

    def source(self, settings: Settings) -> Source:
        """See `Method.source`."""
        if account := settings.text("serviceAccount"):
            return Source(SourceKind.SERVICE_ACCOUNT, account)
        if secret := settings.text("secretRef"):
            return Source(SourceKind.SECRET, secret)
        raise MissingCredential("the login with a JWT needs serviceAccount or secretRef")

    async def request(self, credentials: Credentials) -> LoginRequest:
        """See `Method.request`."""
        settings = credentials.settings
        if settings.text("serviceAccount"):
            token = await credentials.token(
                audiences=settings.texts("audiences"),
                seconds=settings.number("tokenExpirationSeconds", SHORTEST_TOKEN),
            )
        else:
            token = await credentials.secret("jwt")
        return LoginRequest(body={"role": settings.needed("role"), "jwt": token})


METHOD: Final = Jwt()
