"""What vouches for a login, given by a test instead of a cluster."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from vso.base import Sensitive
from vso.vault import MissingCredential, Settings


@dataclass
class Given:
    """Implements `vso.vault.Credentials`; `minted` are the tokens that were asked for: audiences and seconds."""

    block: Mapping[str, Any]
    notes: Mapping[str, str] = field(default_factory=dict)
    entries: Mapping[str, str] = field(default_factory=dict)
    minted: list[tuple[tuple[str, ...], int]] = field(default_factory=list)

    @property
    def settings(self) -> Settings:
        """The block of the method."""
        return Settings(self.block)

    async def token(self, *, audiences: Sequence[str], seconds: int) -> Sensitive[str]:
        """Always the same token."""
        self.minted.append((tuple(audiences), seconds))
        return Sensitive("account.token.that-must-not-show")

    async def annotations(self) -> Mapping[str, str]:
        """Those of the ServiceAccount."""
        return self.notes

    async def secret(self, key: str) -> Sensitive[str]:
        """An entry of the Secret."""
        if key not in self.entries:
            raise MissingCredential(f"no {key}")
        return Sensitive(self.entries[key])

    async def find_secret(self, key: str) -> Sensitive[str] | None:
        """An entry of the Secret, if it is there."""
        return Sensitive(self.entries[key]) if self.entries.get(key) else None

    async def file(self) -> Sensitive[str]:
        """There is none."""
        raise MissingCredential("no file")


def plain(body: Mapping[str, Any]) -> dict[str, str]:
    """A login's body with what it hides."""
    return {name: value.reveal() if isinstance(value, Sensitive) else value for name, value in body.items()}
