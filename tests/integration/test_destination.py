"""The destination Secret: whose it is, what it looks like, and how it comes back after somebody changed it."""

from base64 import b64encode
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import pytest

from tests.support.evidence import MOST_ABSENT, Watch, absences, conditions, timed
from tests.support.operator import Operator, user_of
from tests.support.tenant import Json, Tenant
from vso.base import SystemClock

OWNER_LABELS = {
    "app.kubernetes.io/managed-by": "hashicorp-vso",
    "app.kubernetes.io/name": "vault-secrets-operator",
    "app.kubernetes.io/component": "secret-sync",
}
OWNER_UID = "secrets.hashicorp.com/vso-ownerRefUID"
PROMPT = 1.0
"""Seconds within which the operator has repaired what somebody changed."""
ROUNDS = 3


def b64(text: str) -> str:
    """As Secrets hold it."""
    return b64encode(text.encode()).decode()


def owner_labels(resource: Json) -> dict[str, str]:
    """The four labels of a Secret that `resource` owns."""
    return {**OWNER_LABELS, OWNER_UID: resource["metadata"]["uid"]}


def owner_reference(resource: Json) -> Json:
    """The one owner reference of a Secret that `resource` owns."""
    meta = resource["metadata"]
    return {
        "apiVersion": "secrets.hashicorp.com/v1beta1",
        "kind": "VaultStaticSecret",
        "name": meta["name"],
        "uid": meta["uid"],
    }


def secret(tenant: Tenant, name: str) -> Json:
    """The Secret, which must exist."""
    found = tenant.get("Secret", name)
    assert found is not None
    return found


def marks(tenant: Tenant, name: str) -> Json:
    """All of a Secret but its data and what the server adds."""
    found = tenant.get("Secret", name) or {}
    meta = found.get("metadata", {})
    return {
        "type": found.get("type"),
        "labels": meta.get("labels", {}),
        "annotations": meta.get("annotations", {}),
        "ownerReferences": meta.get("ownerReferences", []),
    }


def repair_time(operator: Operator, tenant: Tenant, name: str) -> float:
    """Seconds from somebody else's last write of the Secret to the end of the operator's, by the server's clock."""
    done = [
        one
        for one in tenant.cluster.audit()
        if (one.namespace, one.resource, one.name) == (tenant.namespace, "secrets", name)
        and one.verb in {"create", "update", "patch", "delete"}
        and one.code < 300
        and "dryRun" not in one.request_uri
    ]
    ours = user_of(operator.namespace, operator.account)
    foreign = max(one.answered for one in done if one.user != ours)
    repair = max(one.answered for one in done if one.user == ours)
    return (parse_time(repair) - parse_time(foreign)).total_seconds()


def assert_repaired_within_a_second(what: str, disturb: Callable[[], float]) -> None:
    """Disturb a Secret, again if the machine was held up: not so often that its repairs are slowed as of a fight."""
    times = [disturb()]
    while min(times) >= PROMPT and len(times) < ROUNDS:
        times.append(disturb())
    print(f"{what}: repaired after {min(times):.3f} s")
    assert 0 < min(times) < PROMPT, times


def ready(operator: Operator, tenant: Tenant, name: str = "app", **spec: Any) -> Watch:
    """A synced VaultStaticSecret, and what is asked from then on."""
    tenant.connect()
    tenant.put(name, {"user": "alice"})
    tenant.sync(name, **spec)
    tenant.wait_synced(name)
    return Watch(operator, tenant)


def test_the_secret_gets_the_labels_annotations_type_and_owner_that_it_should(
    operator: Operator, tenant: Tenant
) -> None:
    """api.md 8.2 and 8.3: exactly these, and the operator's labels win over the user's."""
    wanted = {
        "labels": {"team": "a", "app.kubernetes.io/name": "mine"},
        "annotations": {"note": "b"},
        "type": "example.com/credentials",
    }
    ready(operator, tenant, destination=wanted)
    resource = tenant.wait_synced("app")
    assert marks(tenant, "app") == {
        "type": "example.com/credentials",
        "labels": {"team": "a", **owner_labels(resource)},
        "annotations": {"note": "b"},
        "ownerReferences": [owner_reference(resource)],
    }


def test_a_foreign_secret_is_refused_without_overwrite_and_taken_over_with_it(
    operator: Operator, tenant: Tenant
) -> None:
    """api.md 8.4: first untouched, with condition and one event; then replaced as a whole."""
    tenant.connect()
    tenant.put("app", {"user": "alice"})
    labels = {"team": "x", "app.kubernetes.io/name": "vault-secrets-operator"}
    tenant.create("Secret", "app", metadata={"labels": labels, "annotations": {"n": "1"}}, data={"old": b64("1")})
    before = secret(tenant, "app")
    watch = Watch(operator, tenant)
    tenant.sync("app")
    tenant.wait_failed("app", "not the owner of the destination Secret")
    watch.wait_reads("app", 3)
    assert secret(tenant, "app") == before
    assert watch.writes("secrets") == []
    assert len(tenant.events("app", "SecretSyncError")) == 1
    tenant.patch("VaultStaticSecret", "app", {"spec": {"destination": {"overwrite": True}}})
    resource = tenant.wait_synced("app")
    assert set(tenant.data("app") or {}) == {"user", "_raw"}
    assert marks(tenant, "app") == {
        "type": "Opaque",
        "labels": owner_labels(resource),
        "annotations": {},
        "ownerReferences": [owner_reference(resource)],
    }


def test_a_secret_of_another_owner_is_refused_even_with_overwrite(operator: Operator, tenant: Tenant) -> None:
    """api.md 8.4: all owner labels and somebody else's reference."""
    tenant.connect()
    tenant.put("app", {"user": "alice"})
    other = tenant.create("Secret", "other")
    reference = {"apiVersion": "v1", "kind": "Secret", "name": "other", "uid": other["metadata"]["uid"]}
    tenant.create("Secret", "app", metadata={"labels": OWNER_LABELS, "ownerReferences": [reference]})
    before = secret(tenant, "app")
    tenant.sync("app", destination={"overwrite": True})
    tenant.wait_failed("app", "not the owner of the destination Secret")
    assert secret(tenant, "app") == before


def test_a_recreated_resource_gets_the_secret_back_that_its_predecessor_left(
    operator: Operator, tenant: Tenant
) -> None:
    """behaviour.md 8.3, limitation: deleted with its Secret kept, which then has no owner, and made again."""
    tenant.connect()
    tenant.put("app", {"user": "alice"})
    left = {**OWNER_LABELS, OWNER_UID: "00000000-0000-0000-0000-000000000000"}
    uid = tenant.create("Secret", "app", metadata={"labels": left}, data={"user": b64("alice")})["metadata"]["uid"]
    tenant.sync("app")
    tenant.wait_failed("app", "no longer exists")
    tenant.patch("VaultStaticSecret", "app", {"spec": {"destination": {"overwrite": True}}})
    resource = tenant.wait_synced("app")
    assert secret(tenant, "app")["metadata"]["uid"] == uid
    assert marks(tenant, "app")["labels"] == owner_labels(resource)


def test_with_create_false_only_the_data_is_replaced(operator: Operator, tenant: Tenant) -> None:
    """api.md 8.2: absent first, which the condition says; then its data alone changes, and not again (R04)."""
    tenant.connect()
    tenant.put("app", {"user": "alice"})
    tenant.sync("app", destination={"create": False, "labels": {"a": "b"}, "type": "example.com/other"})
    tenant.wait_failed("app", "does not exist, and create=false")
    metadata = {"labels": {"team": "x"}, "annotations": {"n": "1"}}
    tenant.create("Secret", "app", metadata=metadata, type="example.com/mine", data={"old": b64("1")})
    tenant.wait_synced("app")
    assert set(tenant.data("app") or {}) == {"user", "_raw"}
    expected = {"type": "example.com/mine", "ownerReferences": [], **metadata}
    assert marks(tenant, "app") == expected
    watch = Watch(operator, tenant)
    watch.wait_reads("app", 4)
    assert watch.writes() == []
    tenant.patch("Secret", "app", {"data": {"user": b64("mallory")}})
    tenant.wait_data("app", user="alice")
    tenant.delete("VaultStaticSecret", "app")
    tenant.wait(lambda: tenant.get("VaultStaticSecret", "app") is None, "the resource to be gone")
    assert marks(tenant, "app") == expected
    assert tenant.data("app")


@pytest.mark.parametrize(
    ("what", "change", "reads"),
    [
        ("changed data", {"data": {"user": b64("mallory")}}, 1),
        ("added data", {"data": {"more": b64("1")}}, 1),
        ("removed data", {"data": None}, 1),
        ("a changed label", {"metadata": {"labels": {"team": "z"}}}, 0),
        ("an added label", {"metadata": {"labels": {"more": "z"}}}, 0),
        ("a removed label", {"metadata": {"labels": {"team": None}}}, 0),
        ("a removed owner label", {"metadata": {"labels": {"app.kubernetes.io/component": None}}}, 0),
        ("a removed label that is watched", {"metadata": {"labels": {"app.kubernetes.io/managed-by": None}}}, 0),
        ("a removed owner uid", {"metadata": {"labels": {OWNER_UID: None}}}, 0),
        ("all labels removed", {"metadata": {"labels": None}}, 0),
        ("a changed annotation", {"metadata": {"annotations": {"note": "z"}}}, 0),
        ("an added annotation", {"metadata": {"annotations": {"more": "z"}}}, 0),
        ("annotations removed", {"metadata": {"annotations": None}}, 0),
        ("a removed owner reference", {"metadata": {"ownerReferences": None}}, 0),
    ],
)
def test_r34_drift_is_repaired_within_a_second(
    operator: Operator, tenant: Tenant, what: str, change: Json, reads: int
) -> None:
    """Data at the cost of one read of Vault, marks without any; in place, and no workload restarts."""
    tenant.deployment("web")
    watch = ready(
        operator,
        tenant,
        refreshAfter="1h",
        destination={"labels": {"team": "a"}, "annotations": {"note": "b"}},
        rolloutRestartTargets=[{"kind": "Deployment", "name": "web"}],
    )
    before, expected = secret(tenant, "app"), marks(tenant, "app")

    def disturb() -> float:
        watch.again()
        tenant.patch("Secret", "app", change)
        tenant.wait(repaired, f"{what} to be repaired")
        assert watch.reads("app") == reads
        assert len(watch.writes("secrets")) == 1
        assert watch.writes("deployments") == []
        return repair_time(operator, tenant, "app")

    def repaired() -> bool:
        return secret(tenant, "app").get("data") == before["data"] and marks(tenant, "app") == expected

    assert_repaired_within_a_second(what, disturb)
    assert secret(tenant, "app")["metadata"]["uid"] == before["metadata"]["uid"]


def test_a_touch_without_change_costs_nothing(operator: Operator, tenant: Tenant) -> None:
    """R34: another resourceVersion alone is no drift; the label that follows proves that the touch was seen."""
    watch = ready(operator, tenant, refreshAfter="1h")
    managers = [{"manager": "touch", "operation": "Update"}]
    tenant.patch("Secret", "app", {"metadata": {"managedFields": managers}})
    tenant.patch("Secret", "app", {"metadata": {"labels": {"more": "z"}}})
    tenant.wait(lambda: "more" not in marks(tenant, "app")["labels"], "the label to go")
    assert watch.writes() == ["patch secrets"]
    assert watch.reads("app") == 0


def test_a_secret_of_another_type_in_our_place_is_replaced(operator: Operator, tenant: Tenant) -> None:
    """Type drift: deleted and made again by hand, with our marks and another type."""
    ready(operator, tenant, refreshAfter="1h")
    before = secret(tenant, "app")
    meta = {name: before["metadata"][name] for name in ("labels", "ownerReferences")}

    def disturb() -> float:
        with operator.paused():  # it would be faster
            tenant.delete("Secret", "app")
            tenant.create("Secret", "app", metadata=meta, type="example.com/forged", data=before["data"])
        tenant.wait(lambda: (tenant.get("Secret", "app") or {}).get("type") == "Opaque", "the type")
        return repair_time(operator, tenant, "app")

    assert_repaired_within_a_second("another type", disturb)
    assert secret(tenant, "app")["data"] == before["data"]


def test_a_deleted_secret_comes_back_and_nothing_restarts(operator: Operator, tenant: Tenant) -> None:
    """Re-creation with equal payload is no reason for a restart (restart rule)."""
    tenant.deployment("web")
    watch = ready(operator, tenant, refreshAfter="1h", rolloutRestartTargets=[{"kind": "Deployment", "name": "web"}])
    before = tenant.data("app")

    def disturb() -> float:
        watch.again()
        tenant.delete("Secret", "app")
        tenant.wait(lambda: tenant.data("app") == before, "the Secret")
        tenant.wait_synced("app")
        assert watch.reads("app") == 1
        assert watch.writes("secrets") == ["create secrets"]
        assert watch.writes("deployments") == []
        return repair_time(operator, tenant, "app")

    assert_repaired_within_a_second("a deleted Secret", disturb)


def test_r27_labels_annotations_and_type_follow_the_resource(operator: Operator, tenant: Tenant) -> None:
    """Within five seconds, without a restart, whatever changes; for a new type the Secret is absent briefly."""
    tenant.deployment("web")
    watch = ready(operator, tenant, refreshAfter="1h", rolloutRestartTargets=[{"kind": "Deployment", "name": "web"}])
    labels = owner_labels(tenant.wait_synced("app"))
    with absences(tenant, "app") as gaps:
        for destination, expected in [
            ({"labels": {"a": "1"}}, {"labels": {"a": "1", **labels}}),
            ({"labels": {"a": None, "b": "2"}}, {"labels": {"b": "2", **labels}}),
            ({"annotations": {"x": "1"}}, {"annotations": {"x": "1"}}),
            ({"annotations": None}, {"annotations": {}}),
            ({"type": "example.com/one"}, {"type": "example.com/one"}),
            ({"type": None}, {"type": "Opaque"}),
        ]:
            tenant.patch("VaultStaticSecret", "app", {"spec": {"destination": destination}})

            timed(str(destination), partial(wait_marks, tenant, "app", expected), limit=5)
            tenant.wait_synced("app")
        tenant.wait(lambda: len(gaps) == 2, "the watch to show both new types")
    print(f"absent: {gaps}")
    assert max(gaps) < MOST_ABSENT
    assert set(tenant.data("app") or {}) == {"user", "_raw"}
    assert watch.writes("deployments") == []


def test_r27_a_type_that_the_data_does_not_fit_costs_nothing(operator: Operator, tenant: Tenant) -> None:
    """The old Secret is not deleted, the condition says why; with the keys it is replaced, and back again."""
    watch = ready(operator, tenant)
    uid = secret(tenant, "app")["metadata"]["uid"]
    tenant.patch("VaultStaticSecret", "app", {"spec": {"destination": {"type": "kubernetes.io/tls"}}})
    tenant.wait_failed("app", "tls.crt")
    watch.wait_reads("app", 3)
    assert secret(tenant, "app")["metadata"]["uid"] == uid
    assert tenant.data("app")
    assert "delete secrets" not in watch.writes()
    assert len(tenant.events("app", "SecretSyncError")) == 1
    tenant.put("app", {"tls.crt": "c", "tls.key": "k"})
    tenant.wait_synced("app")
    assert secret(tenant, "app")["type"] == "kubernetes.io/tls"
    tenant.put("app", {"user": "bob"})
    tenant.patch("VaultStaticSecret", "app", {"spec": {"destination": {"type": "Opaque"}}})
    tenant.wait_data("app", user="bob")
    assert secret(tenant, "app")["type"] == "Opaque"


def test_a_renamed_destination_moves_and_takes_only_our_own_secret_away(operator: Operator, tenant: Tenant) -> None:
    """api.md 8.4: Secrets that merely look like ours stay."""
    ready(operator, tenant, refreshAfter="1h")
    resource = tenant.wait_synced("app")
    labels = owner_labels(resource)
    tenant.create("Secret", "copy", metadata={"labels": labels}, data={"a": b64("1")})
    tenant.create("Secret", "half", metadata={"labels": {OWNER_UID: labels[OWNER_UID]}}, data={"a": b64("1")})
    two = [owner_reference(resource), {**owner_reference(resource), "name": "app2"}]
    tenant.create("Secret", "shared", metadata={"labels": labels, "ownerReferences": two}, data={"a": b64("1")})
    tenant.patch("VaultStaticSecret", "app", {"spec": {"destination": {"name": "renamed"}}})
    tenant.wait_data("renamed", user="alice")
    tenant.wait(lambda: tenant.get("Secret", "app") is None, "the former Secret to go")
    tenant.wait_synced("app")
    assert all(tenant.data(name) == {"a": b"1"} for name in ("copy", "half", "shared"))


def test_an_owned_secret_goes_when_another_name_is_used_without_create(operator: Operator, tenant: Tenant) -> None:
    """behaviour.md 8.7: pruning also runs with `create: false`."""
    ready(operator, tenant)
    tenant.create("Secret", "mine", data={"a": b64("1")})
    tenant.patch("VaultStaticSecret", "app", {"spec": {"destination": {"name": "mine", "create": False}}})
    tenant.wait_data("mine", user="alice")
    tenant.wait(lambda: tenant.get("Secret", "app") is None, "the former Secret to go")
    assert marks(tenant, "mine")["labels"] == {}


def test_deleting_the_resource_takes_its_secret_away(operator: Operator, tenant: Tenant) -> None:
    """By garbage collection alone: the operator deletes nothing, and does not make it again."""
    watch = ready(operator, tenant)
    tenant.delete("VaultStaticSecret", "app")
    tenant.wait(lambda: tenant.get("Secret", "app") is None, "the Secret to go", timeout=60)
    assert watch.writes("secrets") == []


def test_an_immutable_secret_is_explained(operator: Operator, tenant: Tenant) -> None:
    """behaviour.md 8.1: it cannot follow; deleting it heals."""
    ready(operator, tenant)
    tenant.patch("Secret", "app", {"immutable": True})
    tenant.put("app", {"user": "bob"})
    tenant.wait_failed("app", "immutable")
    assert (tenant.data("app") or {})["user"] == b"alice"
    tenant.delete("Secret", "app")
    tenant.wait_data("app", user="bob")
    tenant.wait_synced("app")


def conflict(tenant: Tenant, name: str) -> Json | None:
    """Condition DestinationConflict of a VaultStaticSecret."""
    return tenant.condition("VaultStaticSecret", name, "DestinationConflict")


def no_conflict(tenant: Tenant, name: str) -> bool:
    """Whether there is none."""
    return conflict(tenant, name) is None


def parse_time(text: str) -> datetime:
    """A time stamp of the API."""
    return datetime.fromisoformat(text)


def wait_marks(tenant: Tenant, name: str, expected: Any) -> None:
    """Wait until type, labels and annotations of a Secret are as expected."""
    tenant.wait(lambda: expected.items() <= marks(tenant, name).items(), "the change")


def test_of_two_resources_on_one_destination_the_older_wins(operator: Operator, tenant: Tenant) -> None:
    """operations.md 2.4: both say so, naming the other; after the winner is gone the loser takes over."""
    tenant.connect()
    tenant.put("one", {"user": "one"})
    tenant.put("two", {"user": "two"})
    first = tenant.sync("one", destination={"name": "shared"})
    created = parse_time(first["metadata"]["creationTimestamp"])
    tenant.wait_synced("one")
    watch = Watch(operator, tenant)
    tenant.wait(lambda: SystemClock().now() >= created + timedelta(seconds=1), "a second of difference")
    tenant.sync("two", destination={"name": "shared"})
    for name, other in (("one", "two"), ("two", "one")):
        found = tenant.wait(partial(conflict, tenant, name), f"the conflict on {name}")
        assert found["status"] == "True"
        assert f"/{other}" in found["message"]
    tenant.wait_synced("one")
    assert conditions(tenant.get("VaultStaticSecret", "two"))["Ready"] == "False"
    watch.again()
    watch.wait_reads("one", 4)
    assert watch.writes() == []
    assert (tenant.data("shared") or {})["user"] == b"one"
    for name in ("one", "two"):
        assert len(tenant.events(name, "DestinationConflict")) == 1, name
    tenant.delete("VaultStaticSecret", "one")
    tenant.wait_data("shared", user="two")
    tenant.wait_synced("two")
    tenant.wait(partial(no_conflict, tenant, "two"), "the conflict to be over")


def test_a_conflict_ends_when_the_younger_goes_elsewhere(operator: Operator, tenant: Tenant) -> None:
    """Without create too: they do not overwrite each other."""
    tenant.connect()
    tenant.create("Secret", "shared")
    for name in ("one", "two"):
        tenant.put(name, {"user": name})
        tenant.sync(name, destination={"name": "shared", "create": False})
    for name in ("one", "two"):
        tenant.wait(partial(conflict, tenant, name), f"the conflict on {name}")
    watch = Watch(operator, tenant)
    held = [name for name in ("one", "two") if conditions(tenant.get("VaultStaticSecret", name))["Ready"] == "True"]
    assert len(held) == 1
    winner, loser = (held[0], "two" if held == ["one"] else "one")
    watch.wait_reads(winner, 3)
    assert watch.writes("secrets") == []
    tenant.patch("VaultStaticSecret", loser, {"spec": {"destination": {"name": "own", "create": True}}})
    tenant.wait_synced(loser)
    tenant.wait_data("own", user=loser)
    for name in ("one", "two"):
        tenant.wait(partial(no_conflict, tenant, name), f"no conflict on {name}")
