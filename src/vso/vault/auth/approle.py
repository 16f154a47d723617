"""Login with a role id and a secret id. Source: behaviour.md section 3.3; wrapped secret ids: D40.

Vault API: https://openbao.org/api-docs/auth/approle/#login-with-approle.
"""

from typing import Final

from vso.vault.auth.method import Credentials, LoginRequest, MissingCredential, Settings, Source, SourceKind


class AppRole:
    """The method; the secret id stands in a Secret or in a file of the operator's container."""

    def source(self, settings: Settings) -> Source:
        """See `Method.source`."""
        if secret := settings.text("secretRef"):
            return Source(SourceKind.SECRET, secret)
        if path := settings.text("secretIDPath"):
            return Source(SourceKind.FILE, path)
        raise MissingCredential("the login with an AppRole needs secretRef or secretIDPath")

    async def request(self, credentials: Credentials) -> LoginRequest:
        """See `Method.request`."""
        settings = credentials.settings
        role_id = settings.needed("roleId")
        found = await (credentials.secret("id") if settings.text("secretRef") else credentials.file())
        if settings.flag("wrapped"):
            return LoginRequest(body={"role_id": role_id}, wrapped={"secret_id": found})
        return LoginRequest(body={"role_id": role_id, "secret_id": found})


METHOD: Final = AppRole()
