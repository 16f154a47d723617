"""R11: servers that are sealed, crash, refuse, swallow or put off requests, and what that costs meanwhile.

The outages run side by side, each with a server or a proxy of its own; the tests then look at what was seen.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from enum import Enum
from functools import partial
from typing import Final

import pytest

from testenv import Answer, Cluster, Fault, InThread, OpenBao, Pass, Refuse, Silence
from testenv.waiting import seconds
from tests.faults.lab import STEP, in_sync, items, many, message, rates, settle, wait_all_synced, wait_slowly
from tests.support.operator import Operator
from tests.support.tenant import Tenant, new_tenant, remove

RESOURCES: Final = 30
PROBE: Final = 6.0
"""Longest time between two looks at a server that is down."""
COUNTED: Final = 4
"""Requests in the measured part of an outage."""
PER_MINUTE: Final = 15

Switch = Callable[[OpenBao, InThread], None]


def fault(mode: Fault) -> Switch:
    """Let the proxy do this."""
    return lambda _, proxy: proxy.set(mode)


class Trace(Enum):
    """By what a proxy can count attempts."""

    REQUESTS = "requests"
    CONNECTIONS = "connections"
    """The server behind the proxy is gone, so connections end before a request is read."""
    NONE = "none"


@dataclass(frozen=True)
class Outage:
    """How it begins and ends, a word of the message it leads to; whether it takes a server."""

    begin: Switch
    end: Switch
    word: str
    durable: bool = False
    trace: Trace = Trace.REQUESTS


INTERNAL: Final = b'{"errors":["internal error"]}'
CUT: Final = "failed: the connection was lost"
OUTAGES: Final = {
    "sealed": Outage(lambda bao, _: bao.seal(), lambda bao, _: bao.unseal(), "sealed", durable=True),
    "killed": Outage(
        lambda bao, _: bao.kill(),
        lambda bao, _: bao.start(),
        CUT,
        durable=True,
        trace=Trace.CONNECTIONS,
    ),
    "refused": Outage(fault(Refuse()), fault(Pass()), "connection refused", trace=Trace.NONE),
    "swallowed": Outage(fault(Silence()), fault(Pass()), "no answer within the timeout"),
    "put off": Outage(fault(Answer(status=429, headers={"Retry-After": "2"})), fault(Pass()), "429"),
    "faulty": Outage(fault(Answer(status=500, body=INTERNAL)), fault(Pass()), "internal error"),
    "without storage": Outage(
        fault(Answer(status=500, body=INTERNAL, spare="/seal-status")), fault(Pass()), "internal error"
    ),
    "failing": Outage(fault(Answer(status=503, body=b'{"errors":["no active node"]}')), fault(Pass()), "503"),
}


@dataclass
class Site:
    """One tenant behind its own proxy, and what was seen of it around the outage."""

    outage: Outage
    tenant: Tenant
    bao: OpenBao
    proxy: InThread
    before: dict[str, str] = field(default_factory=dict)
    messages: list[str] = field(default_factory=list)
    per_minute: float = 0.0
    ended: float = 0.0
    recovery: float = 0.0

    @property
    def attempts(self) -> int:
        """What reached the proxy."""
        return self.proxy.connections if self.outage.trace is Trace.CONNECTIONS else len(self.proxy.requests)

    def prepare(self) -> None:
        """Many resources in sync, one of them with a workload."""
        self.tenant.connect(address=self.proxy.url, timeout="3s")
        self.tenant.put("app", {"user": "alice"})
        self.tenant.deployment("web")
        self.tenant.sync("first", path="app", rolloutRestartTargets=[{"kind": "Deployment", "name": "web"}])
        many(self.tenant, RESOURCES)
        wait_all_synced(self.tenant)
        self.before = versions(self.tenant)

    def failed(self) -> bool:
        """Whether everybody noticed; keeps what they say."""
        self.messages = [message(one) for one in items(self.tenant)]
        return all(self.messages)

    def back(self) -> bool:
        """Whether everybody is in sync; keeps how long that took."""
        if not self.recovery and all(map(in_sync, items(self.tenant))):
            self.recovery = seconds() - self.ended
        return bool(self.recovery)


def versions(tenant: Tenant) -> dict[str, str]:
    """The resourceVersion of each destination."""
    names = {one["metadata"]["name"] for one in items(tenant)}
    found = (one["metadata"] for one in items(tenant, "Secret"))
    return {one["name"]: one["resourceVersion"] for one in found if one["name"] in names}


@pytest.fixture(scope="module")
def sites(operator: Operator, cluster: Cluster, bao: OpenBao) -> Iterator[dict[str, Site]]:
    """All outages, from a steady state to a steady state."""
    with ExitStack() as stack:
        sites = {name: arrange(stack, outage, cluster=cluster, bao=bao) for name, outage in OUTAGES.items()}
        for site in sites.values():
            site.prepare()
        for site in sites.values():
            site.outage.begin(site.bao, site.proxy)
        for site in sites.values():
            wait_slowly(site.failed, "everybody to notice the outage")
        traced = {name: one for name, one in sites.items() if one.outage.trace is not Trace.NONE}
        found = rates({name: partial(getattr, one, "attempts") for name, one in traced.items()}, COUNTED)
        for name, site in traced.items():
            site.per_minute = found[name]
        for site in sites.values():
            site.outage.end(site.bao, site.proxy)
            site.ended = seconds()
        wait_slowly(lambda: sum(one.back() for one in sites.values()) == len(sites), "everybody to be in sync again")
        yield sites


def arrange(stack: ExitStack, outage: Outage, *, cluster: Cluster, bao: OpenBao) -> Site:
    """A tenant and a proxy, before a server of its own if the outage takes one."""
    tenant = new_tenant(cluster, bao)
    stack.callback(remove, tenant)
    if outage.durable:
        bao = stack.enter_context(OpenBao(durable=True))
        bao.admin.enable_kubernetes_auth("kubernetes", cluster)
        tenant = settle(tenant, bao)
    return Site(outage, tenant, bao, stack.enter_context(InThread(bao.address)))


@pytest.mark.timeout(240)
@pytest.mark.parametrize("name", OUTAGES)
def test_r11_an_outage_is_told_and_costs_no_data_no_write_and_few_requests(sites: dict[str, Site], name: str) -> None:
    """At most 15 requests a minute for thirty resources; the Secrets are not touched, nothing is restarted."""
    site = sites[name]
    # A request that was under way as the outage began may have been cut, and is then what is told of it.
    assert [one for one in site.messages if site.outage.word not in one and CUT not in one] == []
    assert site.per_minute <= PER_MINUTE
    assert len(site.before) == RESOURCES + 1
    assert versions(site.tenant) == site.before
    assert (site.tenant.get("Deployment", "web") or {})["metadata"]["generation"] == 1


@pytest.mark.timeout(240)
@pytest.mark.parametrize("name", OUTAGES)
def test_r11_all_are_in_sync_within_a_step_of_the_first_good_answer(sites: dict[str, Site], name: str) -> None:
    """A probe finds the server in order after 6 s at most, then everybody comes back."""
    assert sites[name].recovery < PROBE + STEP


@pytest.mark.timeout(240)
def test_r11_the_operator_lived_through_all_of_it(sites: dict[str, Site], operator: Operator) -> None:
    """The same process, without a crash."""
    assert operator.process is not None
    assert operator.process.poll() is None
    assert [one for one in operator.lines() if one["msg"] == "reconcile crashed"] == []
