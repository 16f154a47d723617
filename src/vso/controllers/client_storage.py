"""Stored logins in Secrets of the operator's own namespace, and the Transit key that may encrypt them.

Source: behaviour.md sections 4.2 to 4.4; api.md section 8.7.
"""

from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Final, TypeVar

import msgspec

from vso.apis import core
from vso.apis.merge import GlobalOptions
from vso.apis.meta import Key, ObjectMeta
from vso.apis.v1beta1 import StorageEncryption, VaultAuth
from vso.base import Sensitive
from vso.controllers.world import World
from vso.kube import AlreadyExists, Client, KubeError, NotFound
from vso.sync import (
    ENTRY_SELECTOR,
    ClientSpec,
    Entry,
    EntryInvalid,
    Policy,
    StorageFailed,
    entry_name,
    resolve,
)
from vso.sync import Client as VaultClient
from vso.vault import Call, decrypt, encrypt

R = TypeVar("R")

_CONTENT: Final = "secret"
_MAC: Final = "messageMAC"
_MARK: Final = "cacheStorageEncryption"
"""Label of the VaultAuth whose `storageEncryption` is used."""


class SecretStorage:
    """Implements `vso.sync.Storage`: one immutable Secret for each login."""

    def __init__(self, client: Client, namespace: str) -> None:
        self._client = client
        self._namespace = namespace

    async def read(self, key: str) -> Entry | None:
        """See `vso.sync.Storage`."""
        with _translated("read"):
            try:
                secret = await self._client.get(core.SECRET, self._key(entry_name(key)))
            except NotFound:
                return None
        data = secret.data or {}
        if _CONTENT not in data or _MAC not in data:
            raise EntryInvalid(f"it has no {_CONTENT} or no {_MAC}")
        return Entry(key=key, labels=secret.metadata.labels, content=Sensitive(data[_CONTENT]), mac=data[_MAC])

    async def write(self, entry: Entry) -> None:
        """See `vso.sync.Storage`. An entry never changes: the one that is there goes first."""
        secret = core.Secret(
            metadata=ObjectMeta(name=entry.name, namespace=self._namespace, labels=dict(entry.labels)),
            data={_CONTENT: entry.content.reveal(), _MAC: entry.mac},
            immutable=True,
        )
        with _translated("written"):
            try:
                await self._client.create(core.SECRET, secret)
            except AlreadyExists:
                await self.delete(entry.name)
                await self._client.create(core.SECRET, secret)

    async def delete(self, name: str) -> None:
        """See `vso.sync.Storage`."""
        with _translated("deleted"):
            try:
                await self._client.delete(core.SECRET, self._key(name))
            except NotFound:
                return

    async def labels(self) -> list[tuple[str, Mapping[str, str]]]:
        """See `vso.sync.Storage`."""
        found: list[tuple[str, Mapping[str, str]]] = []
        token = ""
        with _translated("listed"):
            while True:
                page = await self._client.list_page(
                    core.SECRET, namespace=self._namespace, labels=ENTRY_SELECTOR, continue_=token
                )
                found += [(one.metadata.name, one.metadata.labels) for one in page.items]
                token = page.continue_
                if not token:
                    return found

    def _key(self, name: str) -> Key:
        return Key(self._namespace, name)


class TransitCipher:
    """Implements `vso.sync.Cipher` with the key that one VaultAuth of the operator's namespace names.

    `log_in` gives a client for a login; that of this VaultAuth is never stored.
    """

    def __init__(
        self,
        world: World,
        *,
        options: GlobalOptions,
        policy: Policy,
        log_in: Callable[[ClientSpec], Awaitable[VaultClient]],
    ) -> None:
        self._world = world
        self._options = options
        self._policy = policy
        self._log_in = log_in

    @property
    def name(self) -> str:
        """See `vso.sync.Cipher`."""
        return self._auth.metadata.name

    def is_own(self, spec: ClientSpec) -> bool:
        """See `vso.sync.Cipher`."""
        return self._is_marked(spec.auth)

    async def encrypt(self, plain: Sensitive[bytes]) -> Sensitive[bytes]:
        """See `vso.sync.Cipher`."""
        with _translated("encrypted"):
            made = await self._call(partial(encrypt, plaintext=plain))
        return Sensitive(msgspec.json.encode(made))

    async def decrypt(self, ciphertext: str) -> Sensitive[bytes]:
        """See `vso.sync.Cipher`."""
        with _translated("decrypted"):
            return await self._call(partial(decrypt, ciphertext=ciphertext))

    async def _call(self, request: Callable[..., Awaitable[R]]) -> R:
        """Run `request`, one of the two functions of `vso.vault`, with the key that is named."""
        client, place = await self._client()
        return await client.call(
            lambda transport, access: request(
                transport,
                Call(token=access.token, namespace=access.namespace),
                mount=place.mount,
                key=place.key_name,
            )
        )

    async def _client(self) -> tuple[VaultClient, StorageEncryption]:
        auth = self._auth
        namespace, place = self._world.operator_namespace, auth.spec.storage_encryption
        if place is None or not place.mount or not place.key_name:
            raise StorageFailed(
                f"VaultAuth {auth.key} for the encryption of stored logins needs spec.storageEncryption with mount "
                "and keyName"
            )
        spec = resolve(
            str(auth.key), consumer=namespace, references=self._world, options=self._options, policy=self._policy
        )
        return await self._log_in(spec), place

    @property
    def _auth(self) -> VaultAuth:
        found = [one for one in self._world.auths.values() if self._is_marked(one)]
        if len(found) != 1:
            raise StorageFailed(
                f"invalid VaultAuth for storage encryption, found={len(found)}, required=1: label exactly one in "
                f"namespace {self._world.operator_namespace} with {_MARK}=true"
            )
        return found[0]

    def _is_marked(self, auth: VaultAuth) -> bool:
        here = auth.metadata.namespace == self._world.operator_namespace
        return here and auth.metadata.labels.get(_MARK) == "true"


@contextmanager
def _translated(done: str) -> Iterator[None]:
    """Around requests for stored logins, that were to be `done`."""
    try:
        yield
    except KubeError as exc:
        raise StorageFailed(f"stored logins cannot be {done}: {exc}") from exc
