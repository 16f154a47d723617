"""The objects that lead from a secret to Vault, read one by one as they are needed, with the rights of whoever asks.

Who follows the references is `vso.sync.resolve`, as in the operator; it looks into memory, and what it misses there is
read and tried again.
"""

from collections.abc import Callable
from typing import Any, TypeVar

from vso.apis.kinds import (
    SECRET_TRANSFORMATION,
    VAULT_AUTH,
    VAULT_AUTH_GLOBAL,
    VAULT_CONNECTION,
)
from vso.apis.meta import Key, Kind, Ref
from vso.apis.v1beta1 import SecretTransformation, VaultAuth, VaultAuthGlobal, VaultConnection
from vso.controllers import Jurisdiction
from vso.kube import Client, Forbidden, NotFound

T = TypeVar("T")


class Unreadable(Exception):
    """An object that whoever asks may not read; the text says which right is missing."""


class _Missing(Exception):
    def __init__(self, kind: Kind[Any], key: Key) -> None:
        super().__init__(str(key))
        self.kind = kind
        self.key = key


class Chain:
    """Implements `vso.sync.References` on what has been read so far."""

    def __init__(self, client: Client, jurisdiction: Jurisdiction) -> None:
        self._client = client
        self._jurisdiction = jurisdiction
        self._read: dict[Ref, Any] = {}

    async def settle(self, ask: Callable[["Chain"], T]) -> T:
        """What `ask` makes of this chain, once all that it looks up has been read.

        Raises Unreadable, the errors of `ask`, and those of the cluster.
        """
        while True:
            try:
                return ask(self)
            except _Missing as missing:
                ref = Ref(missing.kind.resource.kind, missing.key)
                try:
                    self._read[ref] = await self._client.get(missing.kind, missing.key)
                except NotFound:
                    self._read[ref] = None
                except Forbidden as exc:
                    raise Unreadable(f"you may not read {ref}: {exc}") from exc

    def auth(self, key: Key) -> VaultAuth | None:
        """See `vso.sync.References`."""
        found: VaultAuth | None = self._look(VAULT_AUTH, key)
        return found

    def shared(self, key: Key) -> VaultAuthGlobal | None:
        """See `vso.sync.References`."""
        found: VaultAuthGlobal | None = self._look(VAULT_AUTH_GLOBAL, key)
        return found

    def connection(self, key: Key) -> VaultConnection | None:
        """See `vso.sync.References`."""
        found: VaultConnection | None = self._look(VAULT_CONNECTION, key)
        return found

    def transformation(self, key: Key) -> SecretTransformation | None:
        """The SecretTransformation `key`, None if there is none."""
        found: SecretTransformation | None = self._look(SECRET_TRANSFORMATION, key, shared=False)
        return found

    def _look(self, kind: Kind[Any], key: Key, *, shared: bool = True) -> Any:
        self._jurisdiction.check_readable(key, shared=shared)
        ref = Ref(kind.resource.kind, key)
        if ref not in self._read:
            raise _Missing(kind, key)
        return self._read[ref]
