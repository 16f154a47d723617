"""What the API server can do at best: the two writes that no operator can save, from a client that does nothing else.

Objects, bodies and number of requests in flight are those of the operator. The status belongs to objects of a
copy of our CRD in another group, so that the operator never sees them.
"""

import resource
from typing import Any, Final

import yaml

from bench.stage import Stage, name_of, resource_of
from bench.wire import for_each
from testenv.waiting import seconds, wait_for
from testenv.web import RequestFailed
from tests.support.operator import ROOT

_GROUP: Final = "bench.example.com"
_NAMESPACE: Final = "bare"
_COLLECTION: Final = f"/apis/{_GROUP}/v1beta1/namespaces/{_NAMESPACE}/vaultstaticsecrets"
_SECRETS: Final = f"/api/v1/namespaces/{_NAMESPACE}/secrets"
_PATIENCE: Final = 30.0

Json = dict[str, Any]


async def measure(stage: Stage) -> float:
    """Pairs of a created Secret and a patched status per second."""
    number = stage.plan.number
    _install(stage)
    uids: dict[int, str] = {}

    async def create(index: int) -> None:
        body = resource_of(index, plan=stage.plan)
        body["apiVersion"] = f"{_GROUP}/v1beta1"
        body["metadata"]["namespace"] = _NAMESPACE
        uids[index] = (await stage.kube.call("POST", _COLLECTION, body))["metadata"]["uid"]

    async def pair(index: int) -> None:
        await stage.kube.call("POST", _SECRETS, _secret(index, uids[index]))
        await stage.kube.patch(f"{_COLLECTION}/{name_of(index)}/status", _status(uids[index]))

    stage.report(f"bare: creating {number} objects")
    await for_each(number, create, what="bare objects", report=stage.report)
    stage.report(f"bare: {number} pairs of writes")
    begun, spent = seconds(), _cpu()
    await for_each(number, pair, what="bare", report=stage.report)
    rate = number / (seconds() - begun)
    stage.result.figure("bare.rate", rate)
    stage.result.figure("bare.cpu", (_cpu() - spent) / number * 1000)
    return rate


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def _install(stage: Stage) -> None:
    cluster = stage.cluster
    crd = yaml.safe_load((ROOT / "deploy" / "crds" / "vaultstaticsecrets.yaml").read_text())
    crd["metadata"]["name"] = f"vaultstaticsecrets.{_GROUP}"
    crd["spec"]["group"] = _GROUP
    cluster.request("POST", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", crd)
    cluster.create_namespace(_NAMESPACE)

    def served() -> bool:
        try:
            cluster.request("GET", _COLLECTION)
        except RequestFailed:
            return False
        return True

    wait_for(served, what="the copied CRD to be served", timeout=_PATIENCE)


def _secret(index: int, uid: str) -> Json:
    """As large as the one that the operator writes, with an owner for the garbage collector to look at."""
    owner = {"apiVersion": f"{_GROUP}/v1beta1", "kind": "VaultStaticSecret", "name": name_of(index), "uid": uid}
    labels = {
        "app.kubernetes.io/component": "secret-sync",
        "app.kubernetes.io/managed-by": "bench",
        "app.kubernetes.io/name": "bench",
        f"{_GROUP}/owner": uid,
    }
    data = {
        "_raw": "e" * 448,
        "host": "ZGF0YWJhc2UuZXhhbXBsZS5pbnRlcm5hbA==",
        "password": "A" * 44,
        "port": "NTQzMg==",
        "username": "dXNlci0xMDAw",
    }
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name_of(index), "labels": labels, "ownerReferences": [owner]},
        "type": "Opaque",
        "data": data,
    }


def _status(uid: str) -> Json:
    """What the operator says after a first sync."""
    condition = {
        "status": "True",
        "lastTransitionTime": "2025-01-01T00:00:00Z",
        "observedGeneration": 1,
        "reason": "SecretSynced",
        "message": "Secret synced, horizon=51.3s",
    }
    status = {
        "lastGeneration": 1,
        "secretMAC": "A" * 44,
        "vaultClientMeta": {"cacheKey": "kubernetes-0123456789abcdef012345", "id": "0" * 64},
        "conditions": [{"type": name, **condition} for name in ("SecretSynced", "Healthy", "Ready")],
        "extensions": {"restartedPayload": "01234567:" + "A" * 44},
    }
    return {"metadata": {"uid": uid}, "status": status}
