"""VaultConnection: how to reach one server, and whether it is in order (behaviour.md section 1.1).

The one place that probes servers: while a connection is in use, and more often while it is down. Its good news
let the resources that wait for the server come back (`vso.sync.Server`).
"""

from dataclasses import dataclass
from typing import Final

import msgspec
import structlog

from vso.apis.conditions import (
    ConditionType,
    EventReason,
    NewCondition,
    Reason,
    find,
    health,
    update_conditions,
)
from vso.apis.kinds import VAULT_CONNECTION, definition_of
from vso.apis.meta import Condition, Key
from vso.apis.required import missing_members
from vso.apis.v1beta1 import VaultConnection
from vso.base import jitter
from vso.controllers.outcome import EXPECTED, Attempts
from vso.controllers.reporting import Reporter
from vso.controllers.status import StatusWriter
from vso.controllers.tools import Tools
from vso.kube import NotFound
from vso.runtime import Next, remove_finalizer
from vso.sync import InvalidSpec, PolicyRefused, SyncError
from vso.vault import SealStatus

KIND: Final = "VaultConnection"
_PREFIX: Final = definition_of(VAULT_CONNECTION).condition_prefix
_FINALIZER: Final = definition_of(VAULT_CONNECTION).finalizer
_IN_USE: Final = 30.0
_IDLE: Final = 300.0
_DOWN: Final = 5.0
_log = structlog.get_logger("vaultconnection")


@dataclass(frozen=True, slots=True)
class _Finding:
    """What one look found; `error` is empty if all is well, `unusable` tells that no request could be made."""

    error: str = ""
    unusable: bool = False


class VaultConnectionReconciler:
    """Keeps the status of connections true."""

    def __init__(self, tools: Tools) -> None:
        self._tools = tools
        self._store = tools.world.connections
        self._report = Reporter(tools.recorder, KIND)
        self._statuses = StatusWriter(tools.kube, VAULT_CONNECTION, self._store)
        settings = tools.settings
        self._attempts = Attempts(settings.backoff, max_elapsed=0.0, clock=tools.clock, rng=tools.rng)

    def begin_term(self) -> None:
        """Trust no status that another leader may have written."""
        self._statuses.begin_term()

    async def reconcile(self, key: Key) -> Next:
        """Look at the server of `key`, unless requests show that it answers, and report."""
        connection = self._store.get(key)
        if connection is None or connection.deleting:
            return await self._release(key, connection)
        await self._tools.clients.forget(key, keep=connection)
        if not self._tools.world.covers(connection):
            return await self._stand_by(connection)
        finding = _Finding() if self._answered_lately(connection) else await self._look(connection)
        await self._tell(connection, finding)
        if _FINALIZER in connection.metadata.finalizers:
            latest = self._store.get(key) or connection
            await remove_finalizer(self._tools.kube, VAULT_CONNECTION, latest, _FINALIZER)
        return self._next(connection, finding)

    async def _stand_by(self, connection: VaultConnection) -> Next:
        """Another installation reports on `connection`: here its server is asked only while requests wait for it."""
        if self._outage(connection) is None:
            return Next.on_change()
        await self._look(connection)
        return Next.after(_DOWN + jitter(1.0, self._tools.rng), "probe while down")

    async def _look(self, connection: VaultConnection) -> _Finding:
        try:
            if missing := missing_members(connection):
                raise InvalidSpec(f"these required fields are not set: {', '.join(missing)}")
            if refused := self._tools.settings.policy.connection_problems(connection):
                raise PolicyRefused("; ".join(refused))
            finding = _judge(await self._tools.clients.probe(connection))
            outage = None if finding.error else self._outage(connection)
            return _Finding(f"the server says it is in order, but requests fail: {outage}") if outage else finding
        except EXPECTED as error:
            return _Finding(str(error), unusable=isinstance(error, SyncError))

    async def _tell(self, connection: VaultConnection, finding: _Finding) -> None:
        status = msgspec.structs.replace(
            connection.status,
            valid=not finding.error,
            conditions=update_conditions(
                connection.status.conditions,
                _conditions(connection, finding),
                now=self._tools.clock.now(),
                generation=connection.metadata.generation,
            ),
        )
        if _is_news(connection, status.conditions):
            self._announce(connection, finding)
        try:
            await self._statuses.write(connection, status)
        except NotFound:
            return

    def _announce(self, connection: VaultConnection, finding: _Finding) -> None:
        if not finding.error:
            self._report.normal(connection, EventReason.ACCEPTED, "VaultConnection accepted")
            _log.info("connection accepted", connection=str(connection.key))
            return
        self._report.warning(connection, EventReason.VAULT_CLIENT_ERROR, finding.error)
        self._report.warning(connection, EventReason.INVALID_CONFIGURATION, "VaultConnection invalid")
        _log.warning("connection not usable", connection=str(connection.key), error=finding.error)

    def _next(self, connection: VaultConnection, finding: _Finding) -> Next:
        if not finding.error:
            self._attempts.succeeded(connection.key)
            interval = _IN_USE if self._in_use(connection) else _IDLE
            return Next.after(interval * 0.9 + jitter(interval * 0.2, self._tools.rng), "probe")
        if self._in_use(connection) and not finding.unusable:
            return Next.after(_DOWN + jitter(1.0, self._tools.rng), "probe while down")
        return Next.after(self._attempts.delay(connection.key) or _IDLE, "retry")

    def _outage(self, connection: VaultConnection) -> Exception | None:
        server = self._tools.clients.server(connection)
        return None if server is None else server.outage

    def _in_use(self, connection: VaultConnection) -> bool:
        return self._tools.clients.in_use(connection)

    def _answered_lately(self, connection: VaultConnection) -> bool:
        server = self._tools.clients.server(connection)
        since = self._tools.clock.monotonic() - _IN_USE
        return server is not None and server.outage is None and server.answered_since(since)

    async def _release(self, key: Key, connection: VaultConnection | None) -> Next:
        self._attempts.succeeded(key)
        self._statuses.forget(key)
        await self._tools.clients.forget(key)
        if connection is not None and self._tools.world.covers(connection):
            await remove_finalizer(self._tools.kube, VAULT_CONNECTION, connection, _FINALIZER)
        return Next.on_change()


def _judge(status: SealStatus) -> _Finding:
    if not status.initialized:
        return _Finding("the server answers, but is not initialized: initialize and unseal it")
    if status.sealed:
        return _Finding("the server answers, but is sealed: unseal it")
    return _Finding()


def _conditions(connection: VaultConnection, finding: _Finding) -> list[NewCondition]:
    address, error = connection.spec.address, finding.error
    conditions = []
    if finding.unusable:
        text = f"Failed to construct Vault client, address={address}, err={error}"
        conditions.append(_condition(ConditionType.VAULT_CLIENT, text, reason=Reason.VAULT_CLIENT_CONFIG_ERROR))
    elif error:
        text = f"Vault ping failed, address={address}, errs={error}"
        conditions.append(_condition(ConditionType.VAULT_PING, text))
    else:
        conditions.append(_condition(ConditionType.VAULT_PING, f"Vault ping, address={address}", status=True))
    validation = (
        f"Resource is not valid, address={address}, errs={error}"
        if error
        else f"Successfully validated resource, address={address}"
    )
    conditions.append(_condition(ConditionType.RESOURCE_VALIDATION, validation, status=not error))
    if connection.spec.skip_tls_verify:
        text = "The server's certificate is not verified: set caCertSecretRef and remove skipTLSVerify"
        conditions.append(_condition(ConditionType.TLS_VERIFICATION, text, reason=Reason.TLS_VERIFICATION_DISABLED))
    return [*conditions, *health(_PREFIX, healthy=not error)]


def _condition(
    type_: ConditionType, message: str, *, status: bool = False, reason: Reason | None = None
) -> NewCondition:
    default = Reason.ACCEPTED if status else Reason.INVALID_CONFIGURATION
    return NewCondition(type=type_, status=status, reason=reason or default, message=message)


def _is_news(connection: VaultConnection, conditions: tuple[Condition, ...]) -> bool:
    before = find(connection.status.conditions, ConditionType.RESOURCE_VALIDATION)
    after = find(conditions, ConditionType.RESOURCE_VALIDATION)
    return before is None or after is None or (before.status, before.message) != (after.status, after.message)
