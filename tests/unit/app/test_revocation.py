"""What time the end of leases and logins may take; that it happens is shown in tests/faults/test_uninstall.py."""

import asyncio
from random import Random
from typing import Any

from tests.support.clock import FakeClock
from vso.apis import core
from vso.apis.meta import Key, ObjectMeta
from vso.app.revocation import revoke_everything
from vso.app.settings import Settings
from vso.kube import Client, ClientConfig, NotFound, Page

ENTRIES = 1000


class SlowCluster(Client):
    """Has many stored logins and nothing else; each deletion takes a second."""

    def __init__(self, clock: FakeClock) -> None:
        super().__init__(ClientConfig(server="http://127.0.0.1:1"), user_agent="test")
        self._time = clock
        self.deleted = 0

    async def list_page(self, kind: Any, **_: Any) -> Page[Any]:
        names = [f"vso-cc-{number}" for number in range(ENTRIES)] if kind is core.SECRET else []
        items = tuple(core.Secret(metadata=ObjectMeta(name=name)) for name in names)
        return Page(items, "1", "")

    async def get(self, kind: Any, key: Key) -> Any:
        raise NotFound("none", status=404)

    async def delete(self, kind: Any, key: Key, **_: Any) -> None:
        await self._time.sleep(1.0)
        self.deleted += 1


async def test_secrets_that_are_slow_to_delete_leave_time_for_finalizers() -> None:
    """What blocks others if it is left comes last: it must not find the time used up."""
    clock = FakeClock()
    cluster = SlowCluster(clock)
    async with asyncio.TaskGroup() as group:
        work = group.create_task(
            revoke_everything(cluster, Settings(), clock=clock, rng=Random(1), seconds=30.0), name="revocation"
        )
        while not work.done():
            await clock.advance(1.0)
    assert clock.monotonic() <= 32
    assert cluster.deleted > 100
