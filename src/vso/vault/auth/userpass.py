"""Login with a user name and a password that Vault keeps (D36).

Vault API: https://openbao.org/api-docs/auth/userpass/#login. The method ldap is the same to the client.
"""

from typing import Final

from vso.vault.auth.method import Credentials, LoginRequest, Settings, Source, SourceKind


class Password:
    """The method; the password stands in a Secret, beside the user's name unless the settings have it."""

    def source(self, settings: Settings) -> Source:
        """See `Method.source`."""
        return Source(SourceKind.SECRET, settings.needed("secretRef"))

    async def request(self, credentials: Credentials) -> LoginRequest:
        """See `Method.request`."""
        user = credentials.settings.text("username") or (await credentials.secret("username")).reveal()
        return LoginRequest(user=user, body={"password": await credentials.secret("password")})


METHOD: Final = Password()
