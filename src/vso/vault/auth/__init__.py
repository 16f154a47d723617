"""Ways to log in: one module per method, one row in `METHODS`.

A method turns what the operator knows into the body of the login request; sending it is `vso.vault.login`'s
part, and getting the credentials (from Kubernetes, say) the caller's.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from vso.vault.auth import kubernetes
from vso.vault.auth.method import Credentials, Method, MissingCredential, Payload

METHODS: Final[Mapping[str, Method]] = MappingProxyType({"kubernetes": kubernetes.METHOD})
"""The methods by the name they have in the custom resources."""

__all__ = ["METHODS", "Credentials", "Method", "MissingCredential", "Payload", "kubernetes"]
