"""What a login method is. Those there are stand in `vso.vault.auth.METHODS`."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol, TypeAlias

from vso.base import Sensitive
from vso.vault.errors import VaultError

Payload: TypeAlias = Mapping[str, str | Sensitive[str]]
"""The body of a login request; what must not be seen is wrapped."""


class MissingCredential(VaultError):
    """A setting or secret that the method needs is missing or empty; nothing was sent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """What a method is given.

    `settings` go by the names of its block in the custom resource (``role``), `secrets` by what they are
    (``jwt``, ``secret_id``).
    """

    settings: Mapping[str, str] = field(default_factory=dict)
    secrets: Mapping[str, Sensitive[str]] = field(default_factory=dict)

    def setting(self, name: str) -> str:
        """Return a setting. Raises MissingCredential if it is absent or empty."""
        if value := self.settings.get(name, ""):
            return value
        raise MissingCredential(f'the login needs a value for "{name}"')

    def secret(self, name: str) -> Sensitive[str]:
        """Return a secret. Raises MissingCredential if it is absent or empty."""
        if (value := self.secrets.get(name)) and value.reveal():
            return value
        raise MissingCredential(f'the login needs the secret "{name}"')


class Method(Protocol):
    """One way to log in."""

    @property
    def default_mount(self) -> str:
        """Where Vault mounts it unless told otherwise."""

    async def payload(self, credentials: Credentials) -> Payload:
        """Return the body of the login request; some methods ask a cloud's services for it.

        Raises MissingCredential.
        """
