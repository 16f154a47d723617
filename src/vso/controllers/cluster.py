"""What logins need of Kubernetes: the credentials, and the settings and CA of a connection."""

import asyncio
import contextlib
from typing import Final

from vso.apis import core
from vso.apis.meta import Key
from vso.apis.v1beta1 import ConfigMapKey, VaultConnection
from vso.base import parse_duration
from vso.controllers.credentials import FoundCredentials
from vso.controllers.file import FileRefused, read_file
from vso.kube import Client, NotFound
from vso.runtime import Store
from vso.sync import ClientSpec, ConnectionInvalid, Policy, server_id
from vso.vault import Connection, InvalidConnection

_CA_KEY: Final = "ca.crt"
_DEFAULT_TIMEOUT: Final = 60.0


class KubernetesCluster:
    """Implements `vso.sync.Cluster` on the Kubernetes API."""

    def __init__(self, client: Client, connections: Store[VaultConnection], policy: Policy) -> None:
        self._client = client
        self._connections = connections
        self._policy = policy

    def credentials(self, spec: ClientSpec) -> FoundCredentials:
        """See `vso.sync.Cluster`."""
        return FoundCredentials(self._client, spec, self._policy)

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
                proxy=spec.extensions.proxy_url,
                permitted=self._policy.addresses,
            )
        except (InvalidConnection, ValueError) as exc:
            raise ConnectionInvalid(f"VaultConnection {connection.key}: {exc}") from exc

    def is_current(self, connection: VaultConnection) -> bool:
        """See `vso.sync.Cluster`."""
        held = self._connections.get(connection.key)
        return held is not None and server_id(held) == server_id(connection)

    async def _ca(self, connection: VaultConnection) -> str:
        spec, ca = connection.spec, connection.spec.extensions.ca
        bundle = ca.cluster_trust_bundle if ca is not None else ""
        config_map = ca.config_map_ref if ca is not None else None
        named = {
            "caCertSecretRef": spec.ca_cert_secret_ref,
            "caCertPath": spec.ca_cert_path,
            "extensions.ca.configMapRef": config_map,
            "extensions.ca.clusterTrustBundle": bundle,
        }
        given = [name for name, value in named.items() if value]
        if len(given) > 1:
            raise ConnectionInvalid(f"VaultConnection {connection.key} sets both {' and '.join(given)}: keep one")
        if spec.skip_tls_verify:
            return ""
        namespace = connection.metadata.namespace
        if spec.ca_cert_secret_ref:
            return await self._ca_secret(Key(namespace, spec.ca_cert_secret_ref), connection.key)
        if spec.ca_cert_path:
            return await self._ca_file(spec.ca_cert_path, connection.key)
        if config_map is not None:
            return await self._ca_config_map(namespace, config_map, connection.key)
        if bundle:
            return await self._ca_bundle(bundle, connection.key)
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

    async def _ca_file(self, path: str, connection: Key) -> str:
        try:
            return await asyncio.to_thread(read_file, path, below=self._policy.credentials_directory)
        except FileRefused as exc:
            raise ConnectionInvalid(f"VaultConnection {connection}: caCertPath: {exc}") from exc

    async def _ca_config_map(self, namespace: str, ref: ConfigMapKey, connection: Key) -> str:
        key, entry = Key(namespace, ref.name), ref.key or _CA_KEY
        try:
            found = await self._client.get(core.CONFIG_MAP, key)
        except NotFound as exc:
            raise ConnectionInvalid(
                f"VaultConnection {connection} takes its CA from ConfigMap {key}, which does not exist: create it "
                f"with key {entry!r}"
            ) from exc
        ca = (found.data or {}).get(entry)
        if ca is None:
            raise ConnectionInvalid(f'"{entry}" not present in the CA ConfigMap "{key}"')
        return ca

    async def _ca_bundle(self, name: str, connection: Key) -> str:
        for kind in core.CLUSTER_TRUST_BUNDLES:
            with contextlib.suppress(NotFound):
                return (await self._client.get(kind, Key("", name))).spec.trust_bundle
        raise ConnectionInvalid(
            f"VaultConnection {connection} takes its CA from ClusterTrustBundle {name}, which does not exist, or "
            "whose API this cluster does not serve: create it, or use extensions.ca.configMapRef"
        )
