"""Gathers what `kubectl vso doctor` judges, with the rights of whoever asks. Reads and logs in; changes nothing.

Whoever asks mostly may do more than the operator, so nothing is sent that the operator might refuse to send: where its
settings are in doubt there is no login, and what it does not serve is not followed to the server.

What several secrets share (a server, a login, the rights of the operator) is looked at once. A token that a login gives
is revoked in the end; no secret value is kept beyond the look at it.
"""

from collections.abc import Awaitable
from contextlib import AsyncExitStack, suppress
from dataclasses import replace
from datetime import datetime
from typing import Any, Final, TypeVar
from urllib.parse import urlsplit

from vso import __version__
from vso.apis import core, names
from vso.apis.meta import Key
from vso.apis.v1beta1 import VaultConnection, VaultDynamicSecret, VaultPKISecret
from vso.base import Clock, Sensitive, SystemClock
from vso.cli.kubectl.access_review import missing_rights
from vso.cli.kubectl.chain import Chain, Unreadable
from vso.cli.kubectl.facts import Facts, Known, LoginFacts, PathFacts, Right, ServerFacts, Unknown
from vso.cli.kubectl.installation import Installation
from vso.cli.kubectl.probe import look_at_server
from vso.cli.kubectl.secret_kind import SECRET_KINDS, read_pages
from vso.cli.kubectl.vault_path import kv_request, path_of
from vso.controllers import Claimant, KubernetesCluster, World, new_world, render_options
from vso.kube import Client, Forbidden, KubeError, NotFound
from vso.runtime import Store
from vso.sync import ClientSpec, Destination, LoginId, ServerId, SyncError, resolve
from vso.vault import (
    METHODS,
    Auth,
    Connection,
    LoginRequest,
    SourceKind,
    Transport,
    VaultError,
    capabilities_self,
    login,
    lookup_self,
    mounted_at,
    read_claims,
    read_kv,
    revoke_self,
    takes_logins,
)

T = TypeVar("T")

_LONGEST: Final = 15.0
"""Seconds for one request to Vault, whatever the connection allows."""
_TAKES_JWT: Final = frozenset({"kubernetes", "jwt"})
_USER_AGENT: Final = f"kubectl-vso/{__version__}"
_NOTHING_SENT: Final = Unknown("nothing was sent (see above)")
_NO_LOGIN: Final = Unknown("there is no login (see above)")
_SETTINGS_UNKNOWN: Final = Unknown(
    "the operator's settings are not known; name it with --operator-namespace, or see --assume-defaults"
)
_NOT_COVERED: Final = Unknown("the operator is not responsible for the resource (see above)")
_COVER_UNKNOWN: Final = Unknown("it is not known whether the operator is responsible for the resource (see above)")
_SPENDS: Final = Unknown("a login by AppRole may use up one of the uses of its secret id; --use-secret-id permits it")
_WORKLOADS: Final = {
    "Deployment": "deployments",
    "StatefulSet": "statefulsets",
    "DaemonSet": "daemonsets",
    "argo.Rollout": "rollouts",
}
_OF_CLOUDS: Final = frozenset({"aws", "azure", "gcp"})
_COUNTED: Final = "appRole"
"""Method whose secret may serve for a limited number of logins."""


class Examiner:
    """Looks at secrets; what it opens is closed with `stack`.

    `vault_address` replaces that of the connections; with `use_secret_id` it logs in by AppRole, too, which may use up
    one of a limited number of logins.
    """

    def __init__(
        self,
        client: Client,
        installation: Installation,
        stack: AsyncExitStack,
        *,
        vault_address: str = "",
        use_secret_id: bool = False,
    ) -> None:
        self._client = client
        self._installation = installation
        self._stack = stack
        self._vault_address = vault_address
        self._use_secret_id = use_secret_id
        self._clock: Clock = SystemClock()
        self._chain = Chain(client, installation.settings.jurisdiction)
        policy = installation.settings.policy
        self._kubernetes = KubernetesCluster(client, Store(), policy)
        self._servers: dict[ServerId, tuple[ServerFacts, Transport | None]] = {}
        self._logins: dict[LoginId, tuple[LoginFacts, Sensitive[str] | None]] = {}
        self._worlds: dict[str, World | Unknown] = {}
        self._rights: dict[tuple[str, frozenset[str]], Known[tuple[Right, ...]]] = {}

    async def examine(self, secret: Claimant) -> Facts:
        """All that can be found out about `secret`. Raises the errors of `vso.kube` if the cluster is out of reach."""
        covered = await self._covered(secret)
        spec = await self._login_spec(secret)
        server: Known[ServerFacts] = Unknown("the VaultConnection is not known (see above)")
        found: Known[LoginFacts] = Unknown("how to log in is not known (see above)")
        path: Known[PathFacts] = _NO_LOGIN
        if covered is not True:
            server = found = path = _COVER_UNKNOWN if isinstance(covered, Unknown) else _NOT_COVERED
        elif isinstance(spec, ClientSpec):
            server, transport = await self._server(spec)
            found, token = await self._login(spec, server, transport)
            path = await self._path(secret, spec, transport, (found, token))
        return Facts(
            secret=secret,
            now=self._clock.now(),
            installation=self._installation,
            covered=covered,
            rendering=await self._rendering(secret),
            login_spec=spec,
            server=server,
            login=found,
            path=path,
            claimants=await self._claimants(secret),
            destination=await self._destination(secret),
            missing=await self._missing(secret, spec),
            renewed=await self._renewed(),
        )

    # In the cluster.

    async def _login_spec(self, secret: Claimant) -> Known[ClientSpec | SyncError]:
        settings = self._installation.settings
        try:
            return await self._chain.settle(
                lambda chain: resolve(
                    secret.spec.vault_auth_ref,
                    consumer=secret.metadata.namespace,
                    references=chain,
                    options=self._installation.global_auth,
                    policy=settings.policy,
                )
            )
        except SyncError as exc:
            return exc
        except Unreadable as exc:
            return Unknown(str(exc))

    async def _rendering(self, secret: Claimant) -> Known[str]:
        exclude_raw = self._installation.settings.exclude_raw
        try:
            await self._chain.settle(
                lambda chain: render_options(secret, find=chain.transformation, exclude_raw=exclude_raw)
            )
        except SyncError as exc:
            return str(exc)
        except Unreadable as exc:
            return Unknown(str(exc))
        return ""

    async def _covered(self, secret: Claimant) -> Known[bool]:
        jurisdiction = self._installation.settings.jurisdiction
        namespace = secret.metadata.namespace
        if jurisdiction.namespaces and namespace not in jurisdiction.namespaces:
            return False
        labels = None
        if jurisdiction.selector is not None:
            try:
                labels = (await self._client.get(core.NAMESPACE, Key("", namespace))).metadata.labels
            except Forbidden as exc:
                return Unknown(str(exc))
        return jurisdiction.covers(secret, labels)

    async def _claimants(self, secret: Claimant) -> Known[tuple[Claimant, ...]]:
        namespace = secret.metadata.namespace
        if namespace not in self._worlds:
            self._worlds[namespace] = await self._world(namespace)
        world = self._worlds[namespace]
        if isinstance(world, Unknown):
            return world
        return world.claimants(Key(namespace, secret.spec.destination.name))

    async def _world(self, namespace: str) -> World | Unknown:
        world = new_world(self._installation.namespace, self._installation.settings.jurisdiction)
        stores: tuple[Store[Any], ...] = (world.static, world.dynamic, world.pki)
        try:
            for kind, store in zip(SECRET_KINDS, stores, strict=True):
                async for one in read_pages(self._client, kind, namespace=namespace):
                    store.apply(one)
        except Forbidden as exc:
            return Unknown(str(exc))
        return world

    async def _destination(self, secret: Claimant) -> Known[Destination | None]:
        key = Key(secret.metadata.namespace, secret.spec.destination.name)
        if not key.name:
            return Unknown("spec.destination.name is empty")
        try:
            found = await self._client.get(core.SECRET, key)
        except NotFound:
            return None
        except Forbidden as exc:
            return Unknown(str(exc))
        return Destination(metadata=found.metadata, type=found.type, immutable=bool(found.immutable))

    async def _missing(self, secret: Claimant, spec: object) -> Known[tuple[Right, ...]]:
        resources = {
            *(kind.resource.plural for kind in SECRET_KINDS if kind.resource.kind == secret.kind),
            *(f"{kind.resource.plural}/status" for kind in SECRET_KINDS if kind.resource.kind == secret.kind),
            *("vaultauths", "vaultconnections", "secrets", "events"),
            *(_WORKLOADS[one.kind] for one in secret.spec.rollout_restart_targets if one.kind in _WORKLOADS),
        }
        if isinstance(spec, ClientSpec) and spec.merged.method in _TAKES_JWT:
            resources.add("serviceaccounts/token")
        asked = (secret.metadata.namespace, frozenset(resources))
        if asked not in self._rights:
            self._rights[asked] = await missing_rights(self._client, self._installation.account, *asked)
        return self._rights[asked]

    async def _renewed(self) -> Known[datetime]:
        key = Key(self._installation.namespace, names.LEADER_LEASE)
        try:
            lease = await self._client.get(core.LEASE, key)
        except NotFound:
            return Unknown(f"there is no Lease {key}: the operator may run without leader election")
        except Forbidden as exc:
            return Unknown(str(exc))
        return lease.spec.renew_time or Unknown(f"Lease {key} names no time")

    # At the server.

    async def _server(self, spec: ClientSpec) -> tuple[ServerFacts, Transport | None]:
        identity = spec.login.server
        if identity not in self._servers:
            connection = await self._connection(spec.connection)
            transport = None
            if isinstance(connection, Connection):
                try:
                    transport = Transport(connection, user_agent=_USER_AGENT, clock=self._clock)
                    self._stack.push_async_callback(transport.close)
                except VaultError as exc:
                    connection = exc
            address = self._vault_address or spec.connection.spec.address
            self._servers[identity] = (await look_at_server(address, connection, transport), transport)
        return self._servers[identity]

    async def _connection(self, wanted: VaultConnection) -> Known[Connection | SyncError | VaultError]:
        if wanted.spec.ca_cert_path and not wanted.spec.skip_tls_verify:
            return Unknown("its CA is a file in the operator's container (caCertPath)")
        try:
            found = await self._kubernetes.connection(wanted)
        except (SyncError, VaultError) as exc:
            return exc
        except KubeError as exc:
            return Unknown(f"its CA cannot be read: {exc}")
        found = replace(found, timeout=min(found.timeout, _LONGEST))
        if not self._vault_address:
            return found
        host = urlsplit(found.address).hostname or ""
        try:
            return replace(found, address=self._vault_address, tls_server_name=found.tls_server_name or host)
        except VaultError as exc:
            return exc

    async def _login(
        self, spec: ClientSpec, server: ServerFacts, transport: Transport | None
    ) -> tuple[Known[LoginFacts], Sensitive[str] | None]:
        if self._installation.doubt:
            return _SETTINGS_UNKNOWN, None
        if transport is None or isinstance(server.seal, Unknown | VaultError):
            return Unknown("the server cannot be reached (see above)"), None
        if server.seal.sealed or not server.seal.initialized:
            return Unknown("the server is sealed (see above)"), None
        if spec.login not in self._logins:
            self._logins[spec.login] = await self._log_in(spec, transport)
        return self._logins[spec.login]

    async def _log_in(self, spec: ClientSpec, transport: Transport) -> tuple[LoginFacts, Sensitive[str] | None]:
        merged = spec.merged
        mounted: Known[bool] = Unknown(f"a mount does not tell whether it takes logins of the method {merged.method}")
        if merged.method in _TAKES_JWT:
            try:
                mounted = await takes_logins(transport, merged.mount, namespace=merged.namespace)
            except VaultError as exc:
                mounted = Unknown(str(exc))
        request = await self._request(spec)
        if not isinstance(request, LoginRequest):
            return LoginFacts(sent=_NOTHING_SENT, mounted=mounted, auth=request, itself=_NO_LOGIN), None
        jwt = request.body.get("jwt")
        claims = read_claims(jwt.reveal()) if isinstance(jwt, Sensitive) else None
        sent: Known[Any] = claims or Unknown(f"the method {merged.method} sends no token that can be looked into")
        try:
            auth = await login(transport, merged.mount, request, namespace=merged.namespace, headers=merged.headers)
        except VaultError as exc:
            return LoginFacts(sent=sent, mounted=mounted, auth=exc, itself=_NO_LOGIN), None
        if request.token is None:
            self._stack.push_async_callback(self._revoke, transport, auth, merged.namespace)
        itself: Known[Any]
        try:
            itself = await lookup_self(transport, auth.client_token, namespace=merged.namespace)
        except VaultError as exc:
            itself = exc
        return LoginFacts(sent=sent, mounted=mounted, auth=auth, itself=itself), auth.client_token

    async def _request(self, spec: ClientSpec) -> LoginRequest | SyncError | VaultError | Unknown:
        method = spec.merged.method
        if method in _OF_CLOUDS:
            return Unknown(f"a login with {method} takes the identity of the operator's Pod, which you do not have")
        if method == _COUNTED and not self._use_secret_id:
            return _SPENDS
        if spec.merged.wrapped:
            return Unknown("the secret id is wrapped, and can be unwrapped only once: by the operator")
        try:
            voucher = self._kubernetes.credentials(spec)
            source = METHODS[method].source(voucher.settings)
            if source.kind is SourceKind.FILE:
                return Unknown(f"what it logs in with is a file in the operator's container: {source.name}")
            return await METHODS[method].request(voucher)
        except (SyncError, VaultError) as exc:
            if isinstance(exc.__cause__, Forbidden):
                return Unknown(f"you may not do what the operator does to log in: {exc.__cause__}")
            return exc
        except KubeError as exc:
            return Unknown(f"you may not read what it logs in with: {exc}")

    async def _revoke(self, transport: Transport, auth: Auth, namespace: str) -> None:
        with suppress(VaultError):  # it ends by itself
            await revoke_self(transport, auth.client_token, namespace=namespace)

    async def _path(
        self,
        secret: Claimant,
        spec: ClientSpec,
        transport: Transport | None,
        found: tuple[Known[LoginFacts], Sensitive[str] | None],
    ) -> Known[PathFacts]:
        facts, token = found
        if transport is None or token is None or isinstance(facts, Unknown):
            return _NO_LOGIN
        try:
            path, needed = path_of(secret)
        except VaultError:
            return Unknown("the path cannot be used (see above)")
        namespace = secret.spec.namespace or spec.merged.namespace
        auth = facts.auth
        return PathFacts(
            path=path,
            needed=needed,
            policies=auth.policies if isinstance(auth, Auth) else (),
            mount=await _ask(mounted_at(transport, path, token=token, namespace=namespace)),
            capabilities=await _ask(capabilities_self(transport, path, token=token, namespace=namespace)),
            read=await _try_read(secret, transport, token, namespace),
        )


async def _try_read(
    secret: Claimant, transport: Transport, token: Sensitive[str], namespace: str
) -> Known[VaultError | None]:
    if isinstance(secret, VaultDynamicSecret):
        return Unknown("a look would make new credentials")
    if isinstance(secret, VaultPKISecret):
        return Unknown("a look would issue a certificate")
    try:
        await read_kv(transport, kv_request(secret), token=token, namespace=namespace)
    except VaultError as exc:
        return exc
    return None


async def _ask(question: Awaitable[T]) -> Known[T]:
    try:
        return await question
    except VaultError as exc:
        return Unknown(str(exc))
