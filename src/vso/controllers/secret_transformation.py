"""SecretTransformation: whether its templates parse and its patterns compile (behaviour.md section 1.4).

Nothing is rendered here: references to undefined templates show when a secret uses them.
"""

import asyncio
from typing import Final

import structlog

from vso.apis.conditions import EventReason, health, update_conditions
from vso.apis.kinds import SECRET_TRANSFORMATION, definition_of
from vso.apis.meta import Key
from vso.apis.v1beta1 import SecretTransformation, SecretTransformationStatus
from vso.controllers.reporting import Reporter
from vso.controllers.status import StatusWriter
from vso.controllers.tools import Tools
from vso.controllers.transformation import templates_of
from vso.kube import NotFound
from vso.runtime import Next
from vso.sync import RenderError, filter_keys

KIND: Final = "SecretTransformation"
_PREFIX: Final = definition_of(SECRET_TRANSFORMATION).condition_prefix
_log = structlog.get_logger("secrettransformation")


class SecretTransformationReconciler:
    """Keeps the status of SecretTransformations true."""

    def __init__(self, tools: Tools) -> None:
        self._tools = tools
        self._store = tools.world.transformations
        self._report = Reporter(tools.recorder, KIND)
        self._statuses = StatusWriter(tools.kube, SECRET_TRANSFORMATION, self._store)

    def begin_term(self) -> None:
        """Trust no status that another leader may have written."""
        self._statuses.begin_term()

    async def reconcile(self, key: Key) -> Next:
        """Judge `key`, and report."""
        transformation = self._store.get(key)
        if transformation is None or not self._tools.world.covers(transformation):
            self._statuses.forget(key)
            return Next.on_change()
        if not transformation.deleting:
            await self._tell(transformation, "; ".join(await self._problems(transformation)))
        return Next.on_change()

    async def _problems(self, transformation: SecretTransformation) -> list[str]:
        problems = []
        names: set[str] = set()
        for template in templates_of(transformation):
            if template.name in names:
                problems.append(f'duplicate template name "{template.name}": rename one')
            names.add(template.name)
            try:
                await self._tools.templates.parse([template])
            except RenderError as error:
                problems.append(str(error))
        for where in ("includes", "excludes"):
            patterns = frozenset(getattr(transformation.spec, where))
            try:
                # Elsewhere: of a megabyte of patterns the compilation takes many seconds.
                await asyncio.to_thread(filter_keys, (), includes=patterns, excludes=frozenset())
            except RenderError as error:
                problems.append(str(error))
        return problems

    async def _tell(self, transformation: SecretTransformation, error: str) -> None:
        old = transformation.status
        status = SecretTransformationStatus(
            valid=not error,
            error=error,
            conditions=update_conditions(
                old.conditions,
                health(_PREFIX, healthy=not error),
                now=self._tools.clock.now(),
                generation=transformation.metadata.generation,
            ),
        )
        if error and error != old.error:
            self._report.warning(transformation, EventReason.INVALID_CONFIGURATION, error)
            _log.warning("SecretTransformation not usable", transformation=str(transformation.key), error=error)
        try:
            await self._statuses.write(transformation, status)
        except NotFound:
            return
