"""R33: memory does not follow Secrets that are none of ours."""

import os
from base64 import b64encode
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Final

from testenv import Cluster
from tests.faults.lab import ALONE
from tests.support import operator as harness
from tests.support.tenant import Tenant

FOREIGN: Final = 128
LIMIT: Final = 128 * 1024 * 1024
"""The memory limit of the original's deployment, in bytes; there are as many foreign Secrets as it has MiB."""
MIB: Final = 1024 * 1024
MARGIN: Final = 10 * MIB
"""How much higher the peak may be than without foreign Secrets."""
MANY: Final = int(os.environ.get("VSO_TEST_FOREIGN", "200"))
SIZE: Final = 100_000
MOST: Final = 256 * MIB
"""With ten thousand of `SIZE` bytes, and so with fewer."""


def test_r33_foreign_secrets_are_neither_read_nor_kept(team: Tenant, arena: Cluster, tmp_path: Path) -> None:
    """As many of 1 MiB as the limit has MiB, before and after a start and over a take-over; the peak counts."""
    team.connect()
    team.put("app", {"user": "alice"})
    team.sync("app")
    with harness.running(arena, tmp_path, *ALONE) as operator:
        team.wait_synced("app")
        follow(team, "bob")
        without = operator.peak()
    mark = arena.audit_mark()
    with foreign(team, FOREIGN // 2, MIB - 1024), harness.running(arena, tmp_path, *ALONE) as operator:
        follow(team, "carol")
        with foreign(replace(team, namespace=harness.NAMESPACE), FOREIGN // 2, MIB - 1024):
            follow(team, "dave")
            first = operator.peak()
            operator.kill()
            operator.start()
            follow(team, "erin")
            second = operator.peak()
    print(f"peak: {without / MIB:.1f} MiB alone, {first / MIB:.1f} and {second / MIB:.1f} MiB among foreign Secrets")
    assert max(first, second) < min(LIMIT, without + MARGIN)
    asked = arena.audit(user=harness.USER, since=mark)
    wide = [one.request_uri for one in asked if one.resource == "secrets" and one.verb in {"list", "watch"}]
    assert wide
    assert all("labelSelector=app.kubernetes.io" in one for one in wide)


def test_r33_many_foreign_secrets_cost_no_memory(team: Tenant, arena: Cluster, tmp_path: Path) -> None:
    """Half of them beside the resource, half in the operator's namespace; over two starts the peak counts."""
    team.connect()
    team.put("app", {"user": "alice"})
    team.sync("app")
    peaks = []
    with (
        foreign(team, MANY // 2, SIZE),
        foreign(replace(team, namespace=harness.NAMESPACE), MANY - MANY // 2, SIZE),
        harness.running(arena, tmp_path, *ALONE) as operator,
    ):
        for user in ("bob", "carol"):
            follow(team, user)
            peaks.append(operator.peak())
            operator.kill()
            operator.start()
        follow(team, "dave")
    print(f"{MANY} foreign Secrets of {SIZE} bytes: {', '.join(f'{one / MIB:.1f} MiB' for one in peaks)} at most")
    assert max(peaks) < MOST


@contextmanager
def foreign(place: Tenant, number: int, size: int) -> Iterator[None]:
    """Secrets of `size` bytes in the namespace, for the length of the context."""
    blob = b64encode(os.urandom(size)).decode()
    names = [f"foreign{one}" for one in range(number)]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda name: place.create("Secret", name, data={"blob": blob}), names))
        yield
        list(pool.map(lambda name: place.delete("Secret", name), names))


def follow(team: Tenant, user: str) -> None:
    """Have a change synced, so that whatever came before it was seen."""
    team.put("app", {"user": user})
    team.wait_data("app", user=user)
    team.wait_synced("app")
