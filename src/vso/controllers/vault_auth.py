"""VaultAuth: whether the object and what it inherits add up to a login (behaviour.md section 1.2).

Asks nobody: everything it judges is in memory. Whether Vault accepts the login shows when a secret needs it.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

import structlog

from vso.apis.conditions import ConditionType, EventReason, NewCondition, Reason, health, update_conditions
from vso.apis.kinds import VAULT_AUTH, definition_of
from vso.apis.merge import connection_problems
from vso.apis.meta import Key
from vso.apis.v1beta1 import VaultAuth, VaultAuthGlobal, VaultAuthStatus
from vso.controllers.arrival import Arrivals
from vso.controllers.reporting import Reporter
from vso.controllers.status import StatusWriter
from vso.controllers.tools import Tools
from vso.kube import NotFound
from vso.runtime import Next, remove_finalizer
from vso.sync import ReferenceInvalid, check_connection, fingerprint, resolve_auth

KIND: Final = "VaultAuth"
_PREFIX: Final = definition_of(VAULT_AUTH).condition_prefix
_FINALIZER: Final = definition_of(VAULT_AUTH).finalizer
_LAST_PART: Final = 0.2
"""Share of the life of a secret id, before its end, in which its owner is warned."""
_log = structlog.get_logger("vaultauth")


@dataclass(frozen=True, slots=True)
class _Finding:
    """What one look found: problems for people, a hash of the merged spec, and the global if one was merged.

    `dangling` tells that the problems are those of what the VaultAuth refers to.
    """

    problems: tuple[str, ...]
    dangling: bool = False
    spec_hash: str = ""
    shared: VaultAuthGlobal | None = None


class VaultAuthReconciler:
    """Keeps the status of VaultAuths true."""

    def __init__(self, tools: Tools) -> None:
        self._tools = tools
        self._store = tools.world.auths
        self._report = Reporter(tools.recorder, KIND)
        self._statuses = StatusWriter(tools.kube, VAULT_AUTH, self._store)
        self._arrivals = Arrivals(tools.clock)
        self._warned: dict[Key, datetime] = {}

    def begin_term(self) -> None:
        """Trust no status that another leader may have written."""
        self._statuses.begin_term()
        self._arrivals.clear()

    async def reconcile(self, key: Key) -> Next:
        """Judge `key` by what is in memory, and report."""
        auth = self._store.get(key)
        if auth is None or not self._tools.world.covers(auth):
            self._warned.pop(key, None)
            self._arrivals.complete(key)
            self._statuses.forget(key)
            return Next.on_change()
        if not auth.deleting:
            finding = self._look(auth)
            if not finding.dangling:
                self._arrivals.complete(key)
            elif wait := self._arrivals.wait(key):
                return Next.after(wait, "reference")
            await self._tell(auth, finding)
        if _FINALIZER in auth.metadata.finalizers:
            # Only the original leaves it: logins are in memory here, nothing is to be done at a deletion.
            await remove_finalizer(self._tools.kube, VAULT_AUTH, self._store.get(key) or auth, _FINALIZER)
        return self._watch_credential(auth)

    def _watch_credential(self, auth: VaultAuth) -> Next:
        """Warn once of a secret id that ends soon (D40); what is known of it is in memory."""
        life = self._tools.clients.credential(auth.key)
        if life is None or auth.deleting:
            return Next.on_change()
        warn_at, now = life.ends - (life.ends - life.begins) * _LAST_PART, self._tools.clock.now()
        if now < warn_at:
            return Next.after((warn_at - now).total_seconds() + 1, "secret id")
        if self._warned.get(auth.key) != life.ends:
            self._warned[auth.key] = life.ends
            ends = life.ends.isoformat(timespec="seconds")
            text = f"The secret id ends at {ends}: put a new one into its place before, the next login reads it"
            self._report.warning(auth, EventReason.CREDENTIAL_EXPIRES, text)
            _log.warning("secret id ends soon", auth=str(auth.key), ends=ends)
        return Next.on_change()

    def _look(self, auth: VaultAuth) -> _Finding:
        options = self._tools.settings.global_auth
        try:
            resolved = resolve_auth(auth, references=self._tools.world, options=options)
        except ReferenceInvalid as error:
            return _Finding((str(error),), dangling=True)
        problems = list(connection_problems(resolved.merged, operator_namespace=options.operator_namespace))
        problems += self._tools.settings.policy.auth_problems(resolved.merged)
        of_connection = [] if problems else self._connection_problems(auth.key, resolved.connection)
        return _Finding(
            (*problems, *of_connection),
            dangling=bool(of_connection),
            spec_hash=fingerprint(resolved.merged),
            shared=resolved.shared,
        )

    def _connection_problems(self, auth: Key, key: Key) -> list[str]:
        try:
            connection = self._tools.world.connection(key)
            if connection is None:
                return [f"VaultConnection {key} does not exist: create it, or correct vaultConnectionRef"]
            check_connection(connection, auth, self._tools.settings.policy)
        except ReferenceInvalid as error:
            return [str(error)]
        return []

    async def _tell(self, auth: VaultAuth, finding: _Finding) -> None:
        error = "; ".join(finding.problems)
        status = VaultAuthStatus(
            valid=not error,
            error=error,
            spec_hash=finding.spec_hash or auth.status.spec_hash,
            conditions=update_conditions(
                auth.status.conditions,
                [*_available(auth, finding, error), *health(_PREFIX, healthy=not error)],
                now=self._tools.clock.now(),
                generation=auth.metadata.generation,
            ),
        )
        if (auth.status.valid, auth.status.error) != (status.valid, status.error):
            self._announce(auth, error)
        try:
            await self._statuses.write(auth, status)
        except NotFound:
            return

    def _announce(self, auth: VaultAuth, error: str) -> None:
        if error:
            self._report.warning(auth, EventReason.ACCEPTED, f"Failed to handle VaultAuth resource, err={error}")
            _log.warning("VaultAuth not usable", auth=str(auth.key), error=error)
        else:
            self._report.normal(auth, EventReason.ACCEPTED, "Successfully handled VaultAuth resource request")
            _log.info("VaultAuth accepted", auth=str(auth.key))


def _available(auth: VaultAuth, finding: _Finding, error: str) -> list[NewCondition]:
    if auth.spec.vault_auth_global_ref is None:
        return []
    shared = finding.shared
    if shared is None:
        message = error
    else:
        message = (
            f"VaultAuthGlobal successfully merged, key={shared.key}, uid={shared.metadata.uid}, "
            f"generation={shared.metadata.generation}"
        )
    return [
        NewCondition(
            type=ConditionType.AVAILABLE,
            status=shared is not None,
            reason=Reason.VAULT_AUTH_GLOBAL_REF,
            message=message,
        )
    ]
