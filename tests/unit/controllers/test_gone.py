"""What is left in memory of objects that are gone."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.unit.controllers.bench import Bench
from vso.apis import kinds
from vso.apis.meta import Key, Kind
from vso.controllers import (
    HCPReconciler,
    SecretTransformationReconciler,
    Tools,
    VaultAuthReconciler,
    VaultConnectionReconciler,
)


@pytest.mark.parametrize(
    ("kind", "make"),
    [
        (kinds.VAULT_AUTH, VaultAuthReconciler),
        (kinds.VAULT_CONNECTION, VaultConnectionReconciler),
        (kinds.SECRET_TRANSFORMATION, SecretTransformationReconciler),
        (kinds.HCP_AUTH, lambda tools: HCPReconciler(tools, kinds.HCP_AUTH, tools.world.hcp_auths)),
    ],
    ids=lambda one: one.resource.kind if isinstance(one, Kind) else "",
)
async def test_nothing_is_remembered_of_an_object_that_is_gone(kind: Kind[Any], make: Callable[[Tools], Any]) -> None:
    """Or objects that come and go would fill the memory."""
    name, key = kind.resource.kind, Key("app", "gone")
    async with Bench.opened() as bench:
        bench.cluster.put(name, "gone", {"spec": {}})
        store = bench.world.kinds[name]
        store.apply(bench.cluster.read(kind, "gone"))
        reconciler = make(bench._tools())
        for _ in range(2):
            answer = await reconciler.reconcile(key)
            await bench.clock.advance(answer.delay or 0.0)
        assert reconciler._statuses._known == {key}
        store.remove(bench.cluster.read(kind, "gone"))
        await reconciler.reconcile(key)
        assert reconciler._statuses._known == set()
