"""Login with a TLS client certificate (D36).

Vault API: https://openbao.org/api-docs/auth/cert/#login-with-tls-certificate-method. The server checks the
certificate again when the token is renewed.
"""

from typing import Final

from vso.vault.auth.method import ClientCertificate, Credentials, LoginRequest, Settings, Source, SourceKind


class Cert:
    """The method; certificate and key stand in a Secret of type kubernetes.io/tls."""

    def source(self, settings: Settings) -> Source:
        """See `Method.source`."""
        return Source(SourceKind.SECRET, settings.needed("secretRef"))

    async def request(self, credentials: Credentials) -> LoginRequest:
        """See `Method.request`."""
        chain = (await credentials.secret("tls.crt")).reveal()
        certificate = ClientCertificate(chain, await credentials.secret("tls.key"))
        role = credentials.settings.text("role")
        return LoginRequest(body={"name": role} if role else {}, certificate=certificate)


METHOD: Final = Cert()
