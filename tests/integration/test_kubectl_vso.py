"""`kubectl vso` against the real servers: what each command says, to people and to programs."""

from testenv import Cluster
from tests.support.operator import Operator
from tests.support.plugin import Answer, vso
from tests.support.tenant import Tenant


def ask(tenant: Tenant, *words: str) -> Answer:
    """A command in the tenant's namespace."""
    return vso(tenant.cluster, *words, f"--namespace={tenant.namespace}")


def test_try(operator: Operator, tenant: Tenant) -> None:
    """Try."""
    tenant.connect()
    tenant.put("app", {"user": "alice-in-wonderland"})
    tenant.sync("app", rolloutRestartTargets=[{"kind": "Deployment", "name": "web"}, {"kind": "Deployment", "name": "gone"}])
    tenant.deployment("web")
    tenant.sync("nope", path="nobody")
    tenant.wait_synced("app")
    tenant.wait_failed("nope", "nobody")
    for words in (("status",), ("status", "-o", "wide"), ("status", "-o", "json"), ("tree", "app"), ("restart-plan", "app"), ("refresh", "app"), ("refresh", "nope", "--timeout=3s"), ("doctor", "app"), ("doctor", "nope"), ("doctor",), ("status", "zzz"), ("doctor", "app", "-o", "yaml")):
        answer = ask(tenant, *words)
        print("=====", words, answer.code)
        print(answer.out)
        print(answer.err)
    assert 0
