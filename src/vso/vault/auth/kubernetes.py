"""Login with a token of a Kubernetes ServiceAccount. Source: behaviour.md section 3.1.

Vault API: https://openbao.org/api-docs/auth/kubernetes/#login.
"""

from typing import Final

from vso.base import Sensitive
from vso.vault.auth.method import Credentials, Payload


def login_payload(*, role: str, jwt: Sensitive[str]) -> Payload:
    """Return the body of the login request: the Vault role, and the ServiceAccount's token."""
    return {"role": role, "jwt": jwt}


class Kubernetes:
    """The method: needs the setting ``role`` and the secret ``jwt``."""

    default_mount: Final = "kubernetes"

    async def payload(self, credentials: Credentials) -> Payload:
        """See `Method.payload`."""
        return login_payload(role=credentials.setting("role"), jwt=credentials.secret("jwt"))


METHOD: Final = Kubernetes()
