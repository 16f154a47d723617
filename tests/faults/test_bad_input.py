"""What users get wrong: each mistake has its own words in the status, costs no data, and heals once it is mended."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

import pytest

from testenv import Cluster, OpenBao
from testenv.certificates import Authority
from testenv.port import free_port
from testenv.waiting import seconds
from tests.support.operator import NAMESPACE, Operator
from tests.support.tenant import Json, Tenant, new_tenant

AT_ONCE: Final = 4.0
"""Seconds within which a mended reference is felt; the operator under test backs off for up to 7.5 s."""
TOO_LARGE: Final = 1024 * 1024 + 1


@dataclass(frozen=True)
class Mistake:
    """A change that breaks the VaultStaticSecret ``app``, what its status must say then, and the way back."""

    make: Callable[[Tenant], object]
    words: tuple[str, ...]
    mend: Callable[[Tenant], object]


def spec(kind: str, name: str, **members: object) -> Callable[[Tenant], object]:
    """A merge patch of the spec of an object."""
    return lambda tenant: tenant.patch(kind, name, {"spec": members})


def put(**fields: object) -> Callable[[Tenant], object]:
    """A new version of the secret behind ``app``."""
    return lambda tenant: tenant.put("app", fields)


def nowhere() -> str:
    """An address at which nobody listens."""
    return f"http://127.0.0.1:{free_port()}"


def lock(tenant: Tenant) -> None:
    """Make the Secret immutable, then change what it should hold."""
    tenant.patch("Secret", "app", {"immutable": True})
    tenant.put("app", {"user": "bob"})


def unlock(tenant: Tenant) -> None:
    """Do what the message advises."""
    tenant.delete("Secret", "app")


def delete_version(tenant: Tenant) -> None:
    """Soft-delete the newest version."""
    tenant.bao.admin.delete(f"{tenant.mount}/data/app")


MISTAKES: Final = {
    "a mount that does not exist": Mistake(
        spec("VaultStaticSecret", "app", mount="nowhere"),
        ("nowhere",),
        lambda tenant: tenant.patch("VaultStaticSecret", "app", {"spec": {"mount": tenant.mount}}),
    ),
    "a path that does not exist": Mistake(
        spec("VaultStaticSecret", "app", path="nobody"),
        ("nobody", "404"),
        spec("VaultStaticSecret", "app", path="app"),
    ),
    "a version that was deleted": Mistake(delete_version, ("deleted",), put(user="alice")),
    "a path that leaves its mount": Mistake(
        spec("VaultStaticSecret", "app", path="x/../../sys/mounts"),
        ("..",),
        spec("VaultStaticSecret", "app", path="app"),
    ),
    "an engine of the other version": Mistake(
        spec("VaultStaticSecret", "app", type="kv-v1"), ("kv-v2",), spec("VaultStaticSecret", "app", type="kv-v2")
    ),
    "a role that does not exist": Mistake(
        spec("VaultAuth", "vault", kubernetes={"role": "nobody"}),
        ("was refused", "role", "auth/kubernetes/login"),
        lambda tenant: tenant.patch("VaultAuth", "vault", {"spec": {"kubernetes": {"role": tenant.namespace}}}),
    ),
    "an audience that the role does not accept": Mistake(
        spec("VaultAuth", "vault", kubernetes={"audiences": ["elsewhere"]}),
        ("was refused", 'audience "elsewhere"', "audiences requested"),
        spec("VaultAuth", "vault", kubernetes={"audiences": ["vault"]}),
    ),
    "an auth mount that does not exist": Mistake(
        spec("VaultAuth", "vault", mount="elsewhere"),
        ("was refused", "auth/elsewhere/login"),
        spec("VaultAuth", "vault", mount="kubernetes"),
    ),
    "an address at which nobody listens": Mistake(
        lambda tenant: tenant.patch("VaultConnection", "vault", {"spec": {"address": nowhere()}}),
        ("cannot connect", "connection refused"),
        lambda tenant: tenant.patch("VaultConnection", "vault", {"spec": {"address": tenant.bao.address}}),
    ),
    "a server without TLS behind https": Mistake(
        lambda tenant: tenant.patch(
            "VaultConnection", "vault", {"spec": {"address": tenant.bao.address.replace("http:", "https:")}}
        ),
        ("TLS",),
        lambda tenant: tenant.patch("VaultConnection", "vault", {"spec": {"address": tenant.bao.address}}),
    ),
    "more than a Secret may hold": Mistake(
        put(user="alice", big="x" * TOO_LARGE), ("bytes", "1048576"), put(user="alice")
    ),
    "a key that Kubernetes refuses": Mistake(
        put(**{"user": "alice", "my key!": "1"}), ("my key!", "excludes"), put(user="alice")
    ),
    "an immutable Secret": Mistake(lock, ("immutable", "delete it"), unlock),
}


@pytest.fixture
def ready(operator: Operator, tenant: Tenant) -> Tenant:
    """A tenant whose VaultStaticSecret ``app`` is in sync and holds user = alice."""
    more = f'path "{tenant.mount}/*" {{ capabilities = ["read"] }}\npath "nowhere/*" {{ capabilities = ["read"] }}'
    tenant.bao.admin.policy(tenant.mount, more)
    tenant.connect()
    tenant.put("app", {"user": "alice"})
    tenant.sync("app")
    tenant.wait_synced("app")
    return tenant


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_explained_costs_no_data_and_heals_when_it_is_mended(ready: Tenant, name: str) -> None:
    """The condition says what is wrong, the Secret keeps its data, and everything comes back by itself."""
    mistake = MISTAKES[name]
    before = ready.get("Secret", "app")
    assert before is not None
    mistake.make(ready)
    message = ready.wait_failed("app", mistake.words[0])["message"]
    assert [word for word in mistake.words if word not in message] == []
    assert [one["status"] for one in (ready.condition("VaultStaticSecret", "app", kind) for kind in ("Healthy", "Ready")) if one] == ["False", "False"]
    ready.wait(lambda: [one for one in ready.events("app") if one["type"] == "Warning"], "a warning about it")
    after = ready.get("Secret", "app")
    assert after is not None
    assert (after["metadata"]["uid"], after["data"]) == (before["metadata"]["uid"], before["data"])
    mistake.mend(ready)
    ready.wait_synced("app")
    ready.wait_data("app")
