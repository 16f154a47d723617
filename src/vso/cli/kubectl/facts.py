"""What `kubectl vso doctor` knows of one secret before it judges.

Values alone: `gather` fills them, `checks` reads them. A fact that could not be had is an `Unknown`, with the reason; a
look that failed in a way that is itself the answer is the error that it gave.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias, TypeVar

from vso.cli.kubectl.installation import Installation
from vso.controllers import Claimant
from vso.sync import ClientSpec, Destination, SyncError
from vso.vault import Auth, Claims, Connection, Mounted, SealStatus, TokenStatus, VaultError

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Unknown:
    """A fact that could not be had; `why` continues the words "not checked, because"."""

    why: str


Known: TypeAlias = T | Unknown


@dataclass(frozen=True, slots=True, kw_only=True)
class Handshake:
    """What came of a TLS handshake: `code` is OpenSSL's, 0 for success, -1 for a failure before the certificate.

    The rest describes the certificate that the server showed; empty if it showed none.
    """

    code: int = 0
    reason: str = ""
    asked_for: str = ""
    names: tuple[str, ...] = ()
    issuer: str = ""
    begins: datetime | None = None
    ends: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerFacts:
    """The way to one server, link by link. `names` are the addresses that its host name stands for."""

    address: str
    names: Known[tuple[str, ...] | OSError]
    port: Known[OSError | None]
    tls: Known[Handshake]
    seal: Known[SealStatus | VaultError]
    connection: Known[Connection | SyncError | VaultError]


@dataclass(frozen=True, slots=True, kw_only=True)
class LoginFacts:
    """One login: the token that was sent, whether its mount takes logins, what came, and what that token is."""

    sent: Known[Claims]
    mounted: Known[bool]
    auth: Known[Auth | SyncError | VaultError]
    itself: Known[TokenStatus | VaultError]


@dataclass(frozen=True, slots=True, kw_only=True)
class PathFacts:
    """The path in Vault: `path` is that of the API, `needed` are capabilities of which one is enough."""

    path: str
    needed: tuple[str, ...]
    policies: tuple[str, ...]
    mount: Known[Mounted | None]
    capabilities: Known[tuple[str, ...]]
    read: Known[VaultError | None]


@dataclass(frozen=True, slots=True)
class Right:
    """A right that the operator needs in a namespace."""

    verb: str
    group: str
    resource: str
    why: str

    def __str__(self) -> str:
        return f"{self.verb} {self.resource}{f'.{self.group}' if self.group else ''}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """All of it.

    `covered` tells whether the operator is responsible, `rendering` what is wrong with transformations, "" for nothing;
    `missing` are the rights that the operator lacks, `renewed` is when its leader last said that it is alive.
    """

    secret: Claimant
    now: datetime
    installation: Installation
    covered: Known[bool]
    rendering: Known[str]
    login_spec: Known[ClientSpec | SyncError]
    server: Known[ServerFacts]
    login: Known[LoginFacts]
    path: Known[PathFacts]
    claimants: Known[tuple[Claimant, ...]]
    destination: Known[Destination | None]
    missing: Known[tuple[Right, ...]]
    renewed: Known[datetime]
