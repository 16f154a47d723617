"""Finalizers are patched only when needed, and only on the state that was seen."""

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from tests.unit.runtime.doubles import refusal, thing
from vso.apis.core import SECRET
from vso.apis.meta import Key, PartialObject
from vso.kube import Conflict, NotFound, Patch
from vso.runtime import ensure_finalizer, remove_finalizer

KIND = SECRET.partial()


class Client:
    """Answers a patch with a fixed object, or raises."""

    def __init__(self, failure: Exception | None = None) -> None:
        self.bodies: list[Any] = []
        self._failure = failure

    async def patch(self, kind: Any, key: Key, patch: Patch, /) -> Any:
        assert (kind, key) == (KIND, Key("app", "a"))
        self.bodies.append(patch.body)
        if self._failure is not None:
            raise self._failure
        return ANSWER


ANSWER = thing("a", 99)


async def test_a_missing_finalizer_is_added() -> None:
    """Beside those of others, on this very state."""
    client = Client()
    obj = thing("a", 7, finalizers=("other",))
    assert await ensure_finalizer(client, KIND, obj, "mine") is ANSWER
    metadata = {"resourceVersion": "7", "uid": "uid-a", "finalizers": ["other", "mine"]}
    assert client.bodies == [{"metadata": metadata}]


@pytest.mark.parametrize(("finalizers", "kept"), [(("mine",), None), (("other", "mine"), ["other"])])
async def test_a_finalizer_is_removed(finalizers: tuple[str, ...], kept: list[str] | None) -> None:
    """Those of others stay."""
    client = Client()
    assert await remove_finalizer(client, KIND, thing("a", 7, finalizers=finalizers), "mine") is ANSWER
    assert client.bodies[0]["metadata"]["finalizers"] == kept


async def test_nothing_is_written_without_need() -> None:
    """Present already, in deletion, or absent already."""
    client = Client()
    present = thing("a", finalizers=("mine",))
    deleting = thing("a", deletion_timestamp=datetime(2026, 1, 1, tzinfo=UTC))
    assert await ensure_finalizer(client, KIND, present, "mine") is present
    assert await ensure_finalizer(client, KIND, deleting, "mine") is deleting
    assert await remove_finalizer(client, KIND, deleting, "mine") is deleting
    assert client.bodies == []


async def test_a_conflict_comes_out_and_a_gone_object_is_fine() -> None:
    """The caller decides anew on a conflict; removing from nothing is done."""
    obj: PartialObject = thing("a", finalizers=("mine", "other"))
    with pytest.raises(Conflict):
        await remove_finalizer(Client(refusal(Conflict)), KIND, obj, "mine")
    left = await remove_finalizer(Client(refusal(NotFound)), KIND, obj, "mine")
    assert left == msgspec.structs.replace(obj, metadata=msgspec.structs.replace(obj.metadata, finalizers=("other",)))
