"""Steps that several fault tests share: tenants elsewhere, many resources at once, counting logins, replicas."""

import http.client
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

from testenv import Cluster, OpenBao, VaultRequest, wait_for
from testenv.waiting import attempts, seconds
from testenv.web import RequestFailed
from tests.support import operator as harness
from tests.support.operator import Operator
from tests.support.tenant import Json, Tenant

INITIAL: Final = 1.0
LONGEST: Final = 5.0
SPREAD: Final = 0.5
STEP: Final = LONGEST * (1 + SPREAD)
"""Longest wait of a single back-off step, in seconds, with `FLAGS`; a failure outlives its cause no longer."""
FLAGS: Final = (f"--backoff-initial-interval={INITIAL:g}s", f"--backoff-max-interval={LONGEST:g}s")
ALONE: Final = ("--leader-elect=false", *FLAGS)
LEASE: Final = f"/apis/coordination.k8s.io/v1/namespaces/{harness.NAMESPACE}/leases/b0d477c0.hashicorp.com"
LIFE: Final = 15.0
"""Seconds for which a Lease holds after a renewal was seen."""
LOOK: Final = 2.4
"""The most seconds between two looks at it, on a machine with time."""
TAKE_OVER: Final = 25.0
"""The most to wait for a waiting replica after its leader vanished, on any machine."""
_WRITES: Final = {"create", "update", "patch", "delete"}
TRUE: Final = {"SecretSynced", "Ready", "Healthy"}


def settle(tenant: Tenant, bao: OpenBao, *, mount: str = "kubernetes", **role: object) -> Tenant:
    """The tenant's engine, policy and role in another server, or at another auth mount."""
    name = tenant.namespace
    if bao is not tenant.bao:
        bao.admin.enable_kv(tenant.mount)
    bao.admin.policy(name, f'path "{tenant.mount}/*" {{ capabilities = ["read"] }}')
    settings = {"policies": [name], "namespaces": [name], "audience": "vault", **role}
    bao.admin.kubernetes_role(mount, name, **settings)  # type: ignore[arg-type]
    return Tenant(tenant.cluster, bao, name, tenant.mount)


def own_mount(tenant: Tenant, **role: object) -> str:
    """An auth mount named as the tenant, so that its logins can be told apart, with the VaultAuth ``vault``."""
    tenant.bao.admin.enable_kubernetes_auth(tenant.namespace, tenant.cluster)
    if role:
        tenant.bao.admin.kubernetes_role(tenant.namespace, tenant.namespace, namespaces=[tenant.namespace], **role)  # type: ignore[arg-type]
    tenant.create("VaultConnection", "vault", spec={"address": tenant.bao.address})
    tenant.create("VaultAuth", "vault", spec=tenant.auth_spec(mount=tenant.namespace))
    return tenant.namespace


def many(tenant: Tenant, count: int, *, prefix: str = "s", **spec: Any) -> list[str]:
    """Create `count` VaultStaticSecrets of the path ``app``, several at a time; their names."""
    names = [f"{prefix}{number}" for number in range(count)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda name: tenant.sync(name, path="app", **spec), names))
    return names


def items(tenant: Tenant, kind: str = "VaultStaticSecret") -> list[Json]:
    """All objects of a kind."""
    found: list[Json] = tenant.cluster.request("GET", tenant.path(kind))["items"]
    return found


def in_sync(resource: Json) -> bool:
    """Whether a VaultStaticSecret is in sync with its present generation."""
    status = resource.get("status", {})
    true = {one["type"] for one in status.get("conditions", []) if one.get("status") == "True"}
    return status.get("lastGeneration") == resource["metadata"]["generation"] and true >= TRUE


def message(resource: Json, type_: str = "SecretSynced") -> str:
    """What a condition says, "" if it is absent or all is well."""
    conditions = resource.get("status", {}).get("conditions", [])
    return next((one["message"] for one in conditions if one["type"] == type_ and one["status"] == "False"), "")


def wait_all_synced(tenant: Tenant, timeout: float = 60) -> None:
    """Wait until every VaultStaticSecret of the tenant is in sync."""
    wait_slowly(lambda: all(map(in_sync, items(tenant))), "all to be in sync", timeout)


def wait_all_failed(tenant: Tenant, text: str, timeout: float = 60) -> None:
    """Wait until every VaultStaticSecret of the tenant fails with `text`."""
    wait_slowly(lambda: all(text in message(one) for one in items(tenant)), f"all to fail with {text!r}", timeout)


def wait_slowly(condition: Callable[[], bool], what: str, timeout: float = 60) -> None:
    """As `wait_for`, for conditions that ask the API server for long lists."""
    for _ in attempts(timeout, interval=0.3):
        if condition():
            return
    raise TimeoutError(f"{what}: not so after {timeout:g} s")


def logins(bao: OpenBao, mount: str, since: int) -> list[VaultRequest]:
    """The logins at one auth mount."""
    return [one for one in bao.requests(since=since) if one.path == f"auth/{mount}/login"]


def reads(bao: OpenBao, mount: str, since: int) -> list[VaultRequest]:
    """The reads of one KV engine."""
    return [one for one in bao.requests(since=since) if one.operation == "read" and one.path.startswith(f"{mount}/")]


def gaps(requests: Iterable[VaultRequest]) -> list[float]:
    """Seconds between one request and the next."""
    times = [datetime.fromisoformat(one.time) for one in requests]
    return [(after - before).total_seconds() for before, after in pairwise(times)]


def rates(counters: Mapping[str, Callable[[], int]], events: int, timeout: float = 60) -> dict[str, float]:
    """What each counter counts per minute, measured from one event to the one that is `events` later."""
    begun = {name: (count(), 0.0) for name, count in counters.items()}
    found: dict[str, float] = {}
    for _ in attempts(timeout):
        for name in counters.keys() - found.keys():
            seen, (first, since) = counters[name](), begun[name]
            if not since and seen > first:
                begun[name] = (seen, seconds())
            elif since and seen >= first + events:
                found[name] = 60 * (seen - first) / (seconds() - since)
        if len(found) == len(counters):
            return found
    raise TimeoutError(f"too few events: {sorted(counters.keys() - found.keys())}")


def shortest_gap(number: int) -> float:
    """Least number of seconds between attempt `number` (from 0) and the next one in a row of failures."""
    return min(INITIAL * 1.5**number, LONGEST) * (1 - SPREAD)


def most_attempts(seconds: float) -> int:
    """The most attempts that back-off allows within `seconds`, the first among them."""
    count, elapsed = 1, 0.0
    while (elapsed := elapsed + shortest_gap(count - 1)) <= seconds:
        count += 1
    return count


def changes(operator: Operator, tenant: Tenant, name: str, since: int) -> list[str]:
    """What the operator changed of Secret and Deployment `name`, in order: "secrets" or "deployments" for each."""
    return [
        one.resource
        for one in operator.requests(since)
        if (one.namespace, one.name) == (tenant.namespace, name)
        and one.resource in {"secrets", "deployments"}
        and one.verb in _WRITES
        and "dryRun" not in one.request_uri
        and one.code < http.client.MULTIPLE_CHOICES
    ]


@contextmanager
def replicas(arena: Cluster, folder: Path, *flags: str) -> Iterator[tuple[Operator, Operator]]:
    """Two of them; the first leads."""
    for name in ("one", "two"):
        (folder / name).mkdir()
    with harness.running(arena, folder / "one", *FLAGS, *flags) as first:
        wait_leading(arena, first)
        with harness.running(arena, folder / "two", *FLAGS, *flags) as second:
            yield first, second


def identity(operator: Operator) -> str:
    """Under which name it competes; that of its last start."""
    return [str(one["identity"]) for one in operator.lines() if one["msg"] == "starting"][-1]


def lease(arena: Cluster) -> Json:
    """The Lease's spec; empty if it never was."""
    try:
        found: Json = arena.request("GET", LEASE)["spec"]
    except RequestFailed as error:
        if error.status != http.client.NOT_FOUND:
            raise
        return {}
    return found


def holder(arena: Cluster) -> str:
    """Who holds the Lease; empty if nobody does, or ever did."""
    return holder_of(lease(arena))


def turns(arena: Cluster, since: int) -> list[str]:
    """Which process wrote, one after another, by the API server's log; asserts that no two did at the same time.

    Each process has a token of its own. The Lease does not count, nor do events, which tell of earlier work.
    """
    wrote: dict[str, list[tuple[str, str]]] = {}
    for one in arena.audit(user=harness.USER, since=since):
        if one.verb in _WRITES and one.subresource != "token" and one.resource not in {"leases", "events"}:
            wrote.setdefault(one.credential, []).append((one.received, one.answered))
    spans = sorted((min(times)[0], max(end for _, end in times), who) for who, times in wrote.items())
    for (_, ended, _), (begun, _, _) in pairwise(spans):
        assert ended < begun, spans
    return [who for _, _, who in spans]


def wait_leading(arena: Cluster, operator: Operator) -> None:
    """Wait until it leads."""
    wait_for(lambda: holder(arena) == identity(operator), what="the replica to lead", timeout=TAKE_OVER)


def wait_taken_over(arena: Cluster, operator: Operator) -> None:
    """Wait until it leads after another vanished without a word; asserts that it did so as the Lease ended.

    It ends `LIFE` after the replica saw the last renewal. How long it took to look is in the API server's log.
    """
    mark, seen = arena.audit_mark(), [lease(arena)]

    def taken() -> bool:
        seen.append(lease(arena))
        return holder_of(seen[-1]) == identity(operator)

    wait_for(taken, what="the replica to take the Lease", timeout=TAKE_OVER)
    renewed = [one["renewTime"] for one in seen if holder_of(one) != identity(operator)][-1]
    took = (datetime.fromisoformat(seen[-1]["acquireTime"]) - datetime.fromisoformat(renewed)).total_seconds()
    asked = arena.audit(user=harness.USER, since=mark)
    looks = [datetime.fromisoformat(one.received) for one in asked if (one.verb, one.resource) == ("get", "leases")]
    slowest = max((after - before).total_seconds() for before, after in pairwise(looks))
    print(f"taken over {took:.1f} s after the last renewal, with {slowest:.1f} s between looks")
    assert LIFE < took < LIFE + 2 * max(slowest, LOOK)


def holder_of(spec: Json) -> str:
    """Who holds a Lease."""
    return str(spec.get("holderIdentity", ""))
