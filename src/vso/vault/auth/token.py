"""Use of a token that was made elsewhere (D36)."""

from typing import Final

from vso.vault.auth.method import Credentials, LoginRequest, Settings, Source, SourceKind


class Token:
    """The method; the token stands in a Secret."""

    def source(self, settings: Settings) -> Source:
        """See `Method.source`."""
        return Source(SourceKind.SECRET, settings.needed("secretRef"))

    async def request(self, credentials: Credentials) -> LoginRequest:
        """See `Method.request`."""
        return LoginRequest(token=await credentials.secret("token"))


METHOD: Final = Token()
