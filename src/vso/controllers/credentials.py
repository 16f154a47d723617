"""What vouches for a login, fetched from Kubernetes: tokens of ServiceAccounts, entries of Secrets, files.

Knows no method: `vso.vault.auth` asks for what it needs. Everything is looked up in the namespace that
`ClientSpec.holder` names, and nothing before it is asked for.
"""

import asyncio
import json
from base64 import urlsafe_b64decode
from collections.abc import Mapping, Sequence
from typing import Final
from uuid import NAMESPACE_URL, uuid5

import msgspec

from vso.apis import core
from vso.apis.meta import Key
from vso.base import Sensitive
from vso.controllers.file import FileRefused, read_file
from vso.kube import Client, Forbidden, Invalid, NotFound
from vso.sync import ClientSpec, CredentialMissing, Policy
from vso.vault import METHODS, Settings, Source, SourceKind

_ROOT_CA: Final = "kube-root-ca.crt"
"""ConfigMap whose UID stands for the operator's own identity (behaviour.md section 3.4)."""


class FoundCredentials:
    """Implements `vso.sync.Voucher` for one login. Creating one raises CredentialMissing for an unknown method."""

    def __init__(self, client: Client, spec: ClientSpec, policy: Policy) -> None:
        method = METHODS.get(spec.merged.method)
        if method is None:
            raise CredentialMissing(
                f"unsupported authentication method {spec.merged.method!r} of VaultAuth {spec.auth.key}: this operator "
                f"logs in with {', '.join(METHODS)}"
            )
        block = msgspec.to_builtins(spec.merged.block) if spec.merged.block is not None else {}
        self.settings = Settings({**block, "wrapped": spec.merged.wrapped})
        self._source: Source = method.source(self.settings)
        self._client = client
        self._spec = spec
        self._policy = policy
        self._uid = ""
        self._secret: core.Secret | None = None

    async def provider_uid(self) -> str:
        """See `vso.sync.Voucher`."""
        match self._source.kind:
            case _ if self._uid:
                pass
            case SourceKind.SERVICE_ACCOUNT:
                await self._account()
            case SourceKind.SECRET:
                await self._read_secret()
            case SourceKind.FILE:
                # Stable, unlike a random one: the same file of the same VaultAuth is the same identity.
                self._uid = str(uuid5(NAMESPACE_URL, f"{self._spec.auth.metadata.uid}{self._source.name}"))
            case SourceKind.AMBIENT:
                found = await self._client.get(core.CONFIG_MAP, Key(self._policy.operator_namespace, _ROOT_CA))
                self._uid = found.metadata.uid
        return self._uid

    async def token(self, *, audiences: Sequence[str], seconds: int) -> Sensitive[str]:
        """See `vso.vault.Credentials`."""
        # Of some methods the audience stands on the ServiceAccount, which a look at the VaultAuth does not show.
        if refused := sorted(set(audiences) & set(self._policy.forbidden_audiences)):
            raise CredentialMissing(
                f"no token for ServiceAccount {self._key}: this operator does not permit the audience {refused[0]!r} "
                "(--forbidden-token-audiences)"
            )
        try:
            answer = await self._client.create_token(self._key, audiences=tuple(audiences), expiration_seconds=seconds)
        except NotFound as exc:
            raise self._absent() from exc
        except (Forbidden, Invalid) as exc:
            raise CredentialMissing(f"no token for ServiceAccount {self._key}: {exc}") from exc
        token = Sensitive(answer.status.token)
        self._uid = self._uid or _uid_in(token)
        return token

    async def annotations(self) -> Mapping[str, str]:
        """See `vso.vault.Credentials`."""
        return (await self._account()).metadata.annotations

    async def secret(self, key: str) -> Sensitive[str]:
        """See `vso.vault.Credentials`."""
        data = (await self._read_secret()).data or {}
        where = f'secret "{self._key}", which VaultAuth {self._spec.auth.key} logs in with'
        if key not in data:
            raise CredentialMissing(f'no key "{key}" found in {where}: add it')
        if not data[key]:
            raise CredentialMissing(f'no data found in secret key "{key}" of {where}: fill it in')
        try:
            return Sensitive(data[key].decode())
        except UnicodeDecodeError:
            raise CredentialMissing(f'key "{key}" of {where} is no text: it must be UTF-8') from None

    async def find_secret(self, key: str) -> Sensitive[str] | None:
        """See `vso.vault.Credentials`."""
        data = (await self._read_secret()).data or {}
        return await self.secret(key) if data.get(key) else None

    async def file(self) -> Sensitive[str]:
        """See `vso.vault.Credentials`."""
        try:
            content = await asyncio.to_thread(read_file, self._source.name, below=self._policy.credentials_directory)
        except FileRefused as exc:
            raise CredentialMissing(f"VaultAuth {self._spec.auth.key}: {exc}") from exc
        if not content.strip():
            raise CredentialMissing(
                f"approle secret-id file contains no data: {self._source.name} of VaultAuth {self._spec.auth.key}"
            )
        return Sensitive(content.strip())

    @property
    def _key(self) -> Key:
        return Key(self._spec.holder, self._source.name)

    async def _account(self) -> core.ServiceAccount:
        try:
            account = await self._client.get(core.SERVICE_ACCOUNT, self._key)
        except NotFound as exc:
            raise self._absent() from exc
        self._uid = account.metadata.uid
        return account

    async def _read_secret(self) -> core.Secret:
        if self._secret is None:
            try:
                self._secret = await self._client.get(core.SECRET, self._key)
            except NotFound as exc:
                raise self._absent() from exc
            self._uid = self._secret.metadata.uid
        return self._secret

    def _absent(self) -> CredentialMissing:
        kind, field = self._source.kind, "serviceAccount"
        if kind is SourceKind.SECRET:
            field = "secretRef"
        return CredentialMissing(
            f"{kind} {self._key}, which VaultAuth {self._spec.auth.key} logs in with, does not exist in namespace "
            f"{self._spec.holder}, where it is looked up: create it there, or correct {field}"
        )


def _uid_in(token: Sensitive[str]) -> str:
    """The UID that the API server states in a ServiceAccount's token; empty if there is none.

    Spares the request that would read the ServiceAccount.
    """
    try:
        body = token.reveal().split(".")[1]
        claims = json.loads(urlsafe_b64decode(body + "=" * (-len(body) % 4)))
        return str(claims["kubernetes.io"]["serviceaccount"]["uid"])
    except (IndexError, KeyError, TypeError, ValueError):
        return ""
