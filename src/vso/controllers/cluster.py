"""What logins need of Kubernetes: tokens of ServiceAccounts, and the CA of a connection.

One row per auth method in `_GATHER`; sending the login is `vso.vault`'s part.
"""

import asyncio
import json
from base64 import urlsafe_b64decode
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final

from vso.apis import core
from vso.apis.meta import Key
from vso.apis.v1beta1 import KubernetesAuth, VaultConnection
from vso.base import Sensitive, parse_duration
from vso.kube import Client, Forbidden, Invalid, NotFound
from vso.runtime import Store
from vso.sync import ClientSpec, ConnectionInvalid, CredentialMissing, Gathered, cache_key, server_id
from vso.vault import Connection, Credentials, InvalidConnection

_CA_KEY: Final = "ca.crt"
_MAX_CA_BYTES: Final = 1024 * 1024
_MIN_TOKEN_SECONDS: Final = 600
_DEFAULT_TIMEOUT: Final = 60.0


class KubernetesCluster:
    """Implements `vso.sync.Cluster` on the Kubernetes API; each call is one request, or none."""

    def __init__(self, client: Client, connections: Store[VaultConnection]) -> None:
        self._client = client
        self._connections = connections

    async def gather(self, spec: ClientSpec) -> Gathered:
        """See `vso.sync.Cluster`."""
        gather = _GATHER.get(spec.merged.method)
        if gather is None:
            known = ", ".join(_GATHER)
            raise CredentialMissing(
                f"unsupported authentication method {spec.merged.method!r} of VaultAuth {spec.auth.key}: "
                f"this release logs in with {known}"
            )
        return await gather(self._client, spec)

    async def connection(self, connection: VaultConnection) -> Connection:
        """See `vso.sync.Cluster`."""
        spec = connection.spec
        ca_pem = await self._ca(connection)
        try:
            timeout = parse_duration(spec.timeout).total_seconds() if spec.timeout else _DEFAULT_TIMEOUT
            return Connection(
                address=spec.address,
                headers=spec.headers,
                tls_server_name=spec.tls_server_name,
                ca_pem=ca_pem,
                skip_tls_verify=spec.skip_tls_verify,
                timeout=timeout or _DEFAULT_TIMEOUT,
            )
        except (InvalidConnection, ValueError) as exc:
            raise ConnectionInvalid(f"VaultConnection {connection.key}: {exc}") from exc

    def is_current(self, connection: VaultConnection) -> bool:
        """See `vso.sync.Cluster`."""
        held = self._connections.get(connection.key)
        return held is not None and server_id(held) == server_id(connection)

    async def _ca(self, connection: VaultConnection) -> str:
        spec = connection.spec
        if spec.ca_cert_secret_ref and spec.ca_cert_path:
            raise ConnectionInvalid(
                f"VaultConnection {connection.key} sets both caCertSecretRef and caCertPath: remove one"
            )
        if spec.skip_tls_verify:
            return ""
        if spec.ca_cert_secret_ref:
            return await self._ca_secret(Key(connection.metadata.namespace, spec.ca_cert_secret_ref), connection.key)
        if spec.ca_cert_path:
            return await asyncio.to_thread(_read_ca, spec.ca_cert_path, connection.key)
        return ""

    async def _ca_secret(self, key: Key, connection: Key) -> str:
        try:
            secret = await self._client.get(core.SECRET, key)
        except NotFound as exc:
            raise ConnectionInvalid(
                f"VaultConnection {connection} takes its CA from Secret {key}, which does not exist: create it "
                f"with key {_CA_KEY!r}"
            ) from exc
        ca = (secret.data or {}).get(_CA_KEY)
        if ca is None:
            raise ConnectionInvalid(f'"{_CA_KEY}" not present in the CA secret "{key}"')
        return ca.decode("utf-8", "replace")


def _read_ca(path: str, connection: Key) -> str:
    file = Path(path)
    if ".." in path or not file.is_absolute():
        raise ConnectionInvalid(f"caCertPath of VaultConnection {connection} must be absolute, without '..': {path}")
    try:
        if not file.is_file() or file.stat().st_size > _MAX_CA_BYTES:
            raise ConnectionInvalid(
                f"caCertPath of VaultConnection {connection} is no regular file of at most 1 MiB: {path}"
            )
        return file.read_text(errors="replace")
    except OSError as exc:
        raise ConnectionInvalid(f"caCertPath of VaultConnection {connection} cannot be read: {exc}") from exc


async def _gather_kubernetes(client: Client, spec: ClientSpec) -> Gathered:
    block = spec.merged.block
    if not isinstance(block, KubernetesAuth):
        raise CredentialMissing(f"VaultAuth {spec.auth.key} has no block for method kubernetes")
    account = Key(spec.consumer, block.service_account)
    token = await _service_account_token(client, account, block, spec)
    return Gathered(
        credentials=Credentials(settings={"role": block.role}, secrets={"jwt": token}),
        cache_key=_cache_key(spec, _service_account_uid(token)),
    )


async def _service_account_token(
    client: Client, account: Key, block: KubernetesAuth, spec: ClientSpec
) -> Sensitive[str]:
    try:
        answer = await client.create_token(
            account,
            audiences=block.audiences,
            expiration_seconds=block.token_expiration_seconds or _MIN_TOKEN_SECONDS,
        )
    except NotFound as exc:
        raise CredentialMissing(
            f"ServiceAccount {account}, which VaultAuth {spec.auth.key} logs in with, does not exist in namespace "
            f"{spec.consumer}, where it is looked up: create it there, or correct serviceAccount"
        ) from exc
    except (Forbidden, Invalid) as exc:
        raise CredentialMissing(f"no token for ServiceAccount {account}: {exc}") from exc
    return Sensitive(answer.status.token)


def _service_account_uid(token: Sensitive[str]) -> str:
    """The UID that the API server states in a ServiceAccount's token; empty if there is none.

    Spares the request that would read the ServiceAccount.
    """
    try:
        body = token.reveal().split(".")[1]
        claims = json.loads(urlsafe_b64decode(body + "=" * (-len(body) % 4)))
        return str(claims["kubernetes.io"]["serviceaccount"]["uid"])
    except (IndexError, KeyError, TypeError, ValueError):
        return ""


def _cache_key(spec: ClientSpec, provider_uid: str) -> str:
    auth, connection = spec.auth.metadata, spec.connection.metadata
    try:
        return cache_key(
            spec.merged.method,
            auth=(auth.uid, auth.generation),
            connection=(connection.uid, connection.generation),
            provider_uid=provider_uid,
        )
    except ValueError:
        return ""  # only names the client in status


_GATHER: Final[Mapping[str, Callable[[Client, ClientSpec], Awaitable[Gathered]]]] = MappingProxyType(
    {"kubernetes": _gather_kubernetes}
)
