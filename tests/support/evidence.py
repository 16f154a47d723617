"""What can be proved from outside: requests that reached either server, and MACs computed independently."""

import contextlib
import hashlib
import hmac
import http.client
import json
import socket
import threading
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from time import perf_counter
from typing import Any, Final
from urllib.parse import urlsplit

from testenv import Cluster
from tests.support.operator import NAMESPACE, Operator
from tests.support.tenant import Json, Tenant

_WRITES: Final = {"create", "update", "patch", "delete", "deletecollection"}
MOST_ABSENT: Final = 3.0
"""Seconds that a Secret may be absent while its type changes; one is aimed at, on a machine with time (R27)."""
_SECRETS: Final = f"/api/v1/namespaces/{NAMESPACE}/secrets"


@dataclass
class Watch:
    """What the operator asked since the object was made, as far as one tenant is concerned."""

    operator: Operator
    tenant: Tenant

    def __post_init__(self) -> None:
        wait_quiet(self.tenant)
        self.again()

    def again(self) -> None:
        """Begin anew."""
        self.kube = self.tenant.cluster.audit_mark()
        self.vault = self.tenant.bao.mark()

    def requests(self, name: str = "") -> list[str]:
        """Requests in the tenant's namespace as "verb resource/subresource", sorted; token requests apart."""
        found = self.operator.requests(self.kube)
        return sorted(
            f"{one.verb} {one.resource}" + (f"/{one.subresource}" if one.subresource else "")
            for one in found
            if one.namespace == self.tenant.namespace and one.subresource != "token" and name in one.name
        )

    def writes(self, resource: str = "", name: str = "") -> list[str]:
        """Those that changed something, events apart; of one resource only if `resource` is given."""
        found = self.operator.requests(self.kube)
        return [
            f"{one.verb} {one.resource}" + (f"/{one.subresource}" if one.subresource else "")
            for one in found
            if one.namespace == self.tenant.namespace
            and one.verb in _WRITES
            and one.code < 400
            and "dryRun" not in one.request_uri
            and one.subresource != "token"
            and one.resource != "events"
            and resource in {"", one.resource}
            and name in {"", one.name}
        ]

    def reads(self, path: str) -> int:
        """Reads of the secret at `path` below the tenant's mount."""
        paths = {f"{self.tenant.mount}/data/{path}", f"{self.tenant.mount}/{path}"}
        return sum(one.operation == "read" and one.path in paths for one in self.tenant.bao.requests(since=self.vault))

    def wait_reads(self, path: str, count: int, timeout: float = 60) -> None:
        """Wait for `count` more reads of `path`; what the last but one led to has then been done."""
        sofar = self.reads(path)
        self.tenant.wait(lambda: self.reads(path) >= sofar + count, f"{count} reads of {path}", timeout=timeout)


def wait_quiet(tenant: Tenant) -> None:
    """Wait until the operator has posted what it has to say about each object of the tenant.

    Events are posted behind a sync, and so may the statuses of the objects that lead to Vault be written: who
    counts requests without waiting for these may count them too.
    """
    tenant.wait(lambda: not _owed(tenant), "statuses and events of the first syncs")


def _owed(tenant: Tenant) -> list[str]:
    """Objects without a status of their present generation, or with one that no event told of."""
    events = tenant.cluster.request("GET", tenant.path("Event"))["items"]
    told = {one["involvedObject"].get("uid") for one in events}
    owed = []
    for kind in ("VaultConnection", "VaultAuth", "VaultStaticSecret"):
        for one in tenant.cluster.request("GET", tenant.path(kind))["items"]:
            meta, found = one["metadata"], one.get("status", {}).get("conditions", [])
            judged = bool(found) and all(entry["observedGeneration"] == meta["generation"] for entry in found)
            # Of a VaultStaticSecret the test knows itself what it waits for.
            silent = judged and meta["uid"] not in told
            if silent or (not judged and kind != "VaultStaticSecret"):
                owed.append(f"{kind} {meta['name']}")
    return owed


def timed(what: str, wait: Callable[[], Any], *, limit: float) -> float:
    """Seconds that `wait` takes; printed, and asserted to stay below `limit`."""
    begun = perf_counter()
    wait()
    seconds = perf_counter() - begun
    print(f"{what}: {seconds:.3f} s")
    assert seconds < limit, f"{what} took {seconds:.1f} s"
    return seconds


@contextlib.contextmanager
def absences(tenant: Tenant, name: str) -> Iterator[list[float]]:
    """Seconds that Secret `name`, which exists, is absent each time it is deleted and made, as a watch sees it."""
    found: list[float] = []
    cluster = tenant.cluster
    context = cluster.authority.context(cluster.authority.client("watcher", groups=("system:masters",)))
    connection = http.client.HTTPSConnection(urlsplit(cluster.server).netloc, context=context)
    version = (tenant.get("Secret", name) or {})["metadata"]["resourceVersion"]
    query = f"watch=1&resourceVersion={version}&fieldSelector=metadata.name={name}"
    connection.request("GET", f"{tenant.path('Secret')}?{query}")
    answer = connection.getresponse()
    thread = threading.Thread(target=_follow, args=(answer, found), daemon=True)
    thread.start()
    try:
        yield found
    finally:
        connection.sock.shutdown(socket.SHUT_RDWR)
        thread.join(10)
        connection.close()


def _follow(answer: http.client.HTTPResponse, found: list[float]) -> None:
    gone = None
    with contextlib.suppress(OSError, ValueError, http.client.HTTPException):
        for line in answer:
            kind = json.loads(line)["type"]
            if kind == "DELETED":
                gone = perf_counter()
            elif kind == "ADDED" and gone is not None:
                found.append(perf_counter() - gone)


def hmac_key(cluster: Cluster) -> bytes:
    """The key of all MACs, from the Secret that the operator keeps."""
    secret: Json = cluster.request("GET", f"{_SECRETS}/vso-cc-storage-hmac-key")
    return b64decode(secret["data"]["key"])


def secret_mac(cluster: Cluster, data: Mapping[str, bytes]) -> str:
    """What `status.secretMAC` must be for `data` (api.md section 8.7)."""
    message = {name: b64encode(data[name]).decode() for name in sorted(data, key=str.encode)}
    text = json.dumps(message, separators=(",", ":"))
    return b64encode(hmac.new(hmac_key(cluster), text.encode(), hashlib.sha256).digest()).decode()


def conditions(resource: Json | None) -> dict[str, str]:
    """Type and status of each condition."""
    found = (resource or {}).get("status", {}).get("conditions", [])
    return {one["type"]: one["status"] for one in found}
