"""What a login method is. Those there are stand in `vso.vault.auth.METHODS`.

A method says which object vouches for the login (`Method.source`), and makes the login request from what that
object gives (`Method.request`). It knows nothing of Kubernetes: the caller fetches, by `Credentials`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Protocol, TypeAlias

from vso.base import Sensitive
from vso.vault.errors import VaultError

Payload: TypeAlias = Mapping[str, str | Sensitive[str]]
"""The body of a login request; what must not be seen is wrapped."""


class MissingCredential(VaultError):
    """A setting or secret that the method needs is missing or empty; nothing was sent."""


class SourceKind(StrEnum):
    """What can vouch for a login."""

    SERVICE_ACCOUNT = "ServiceAccount"
    SECRET = "Secret"  # noqa: S105 - a kind
    FILE = "file"
    AMBIENT = "cloud identity of the operator"


@dataclass(frozen=True, slots=True)
class Source:
    """The one object that vouches for a login: its name, the path of a file, or "" for the ambient identity."""

    kind: SourceKind
    name: str = ""


@dataclass(frozen=True, slots=True)
class Settings:
    """The block of the method in the custom resource; `values` go by the names they have there."""

    values: Mapping[str, Any] = field(default_factory=dict)

    def text(self, name: str) -> str:
        """A text, "" if it is not set."""
        return str(self.values.get(name) or "")

    def needed(self, name: str) -> str:
        """A text. Raises MissingCredential if it is not set."""
        if value := self.text(name):
            return value
        raise MissingCredential(f'the login needs a value for "{name}"')

    def texts(self, name: str) -> tuple[str, ...]:
        """A list of texts, empty if it is not set."""
        return tuple(self.values.get(name) or ())

    def number(self, name: str, default: int) -> int:
        """A number, `default` if it is not set or zero."""
        return int(self.values.get(name) or default)

    def flag(self, name: str) -> bool:
        """Whether it is set."""
        return bool(self.values.get(name))


class Credentials(Protocol):
    """What the source of a login gives; each method asks for what it needs, and nothing is fetched before.

    The methods raise MissingCredential for what is absent or empty, and the errors of those who fetch.
    """

    @property
    def settings(self) -> Settings:
        """The block of the method."""

    async def token(self, *, audiences: Sequence[str], seconds: int) -> Sensitive[str]:
        """A new token of the ServiceAccount, for `audiences` (none: the API server's), valid for `seconds`."""

    async def annotations(self) -> Mapping[str, str]:
        """The annotations of the ServiceAccount."""

    async def secret(self, key: str) -> Sensitive[str]:
        """One entry of the Secret, verbatim."""

    async def find_secret(self, key: str) -> Sensitive[str] | None:
        """As `secret`, None if the entry is absent or empty."""

    async def file(self) -> Sensitive[str]:
        """The content of the file, without the white space around it."""


@dataclass(frozen=True, slots=True)
class ClientCertificate:
    """What the operator shows of itself in a TLS handshake, in PEM; `chain` starts with its own certificate."""

    chain: str = field(repr=False)
    key: Sensitive[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class LoginRequest:
    """What one login consists of: ``PUT auth/<mount>/login[/<user>]`` with `body`.

    Members of `wrapped` are response-wrapping tokens: what Vault unwraps of them joins the body under their name.
    `certificate` is shown at the login and whenever its token is renewed. With `token` there is no login: that
    token is looked up and used, and remains whose it is.
    """

    body: Payload = field(default_factory=dict)
    user: str = ""
    wrapped: Mapping[str, Sensitive[str]] = field(default_factory=dict)
    certificate: ClientCertificate | None = None
    token: Sensitive[str] | None = None


class Method(Protocol):
    """One way to log in."""

    def source(self, settings: Settings) -> Source:
        """Which object vouches for the login. Raises MissingCredential if the settings name none."""

    async def request(self, credentials: Credentials) -> LoginRequest:
        """Make the login request; some methods ask a cloud's services for what belongs into it.

        Raises MissingCredential, what `credentials` raises, and CloudRefused for a cloud's refusal.
        """
