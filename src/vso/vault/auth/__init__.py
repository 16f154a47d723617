"""Ways to log in: one module per method, one row in `METHODS`.

A method turns what the operator knows into a login request; sending it is `vso.vault.login`'s part, and getting
the credentials (from Kubernetes, say) the caller's.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from vso.vault.auth import approle, aws, azure, cert, gcp, jwt, kubernetes, ldap, token, userpass
from vso.vault.auth.method import (
    ClientCertificate,
    Credentials,
    LoginRequest,
    Method,
    MissingCredential,
    Payload,
    Settings,
    Source,
    SourceKind,
)

METHODS: Final[Mapping[str, Method]] = MappingProxyType(
    {
        "kubernetes": kubernetes.METHOD,
        "jwt": jwt.METHOD,
        "appRole": approle.METHOD,
        "aws": aws.METHOD,
        "gcp": gcp.METHOD,
        "azure": azure.METHOD,
        "cert": cert.METHOD,
        "ldap": ldap.METHOD,
        "token": token.METHOD,
        "userpass": userpass.METHOD,
    }
)
"""The methods by the name they have in the custom resources."""

__all__ = [
    "METHODS",
    "ClientCertificate",
    "Credentials",
    "LoginRequest",
    "Method",
    "MissingCredential",
    "Payload",
    "Settings",
    "Source",
    "SourceKind",
]
