"""Who uses a Secret, and what becomes of them when it changes."""

from typing import Any, TypeVar

import pytest

from vso.apis import meta
from vso.apis.meta import Object
from vso.apis.v1beta1 import RolloutRestartTarget, VaultStaticSecret, VaultStaticSecretSpec
from vso.cli.kubectl.restart import Verdict, fates_of
from vso.cli.kubectl.workload import CronJob, Ingress, Pod, ServiceAccount, Workload, users_of, uses_in

T = TypeVar("T", bound=Object)


def decoded(type_: type[T], name: str, **members: Any) -> T:
    """An object as the API server gives it."""
    kind = "Deployment" if type_ is Workload else type_.__name__
    return meta.decode(meta.encode({"kind": kind, "metadata": {"name": name}, **members}), type_)


def deployment(name: str = "web", *, paused: bool = False, **pod: Any) -> Workload:
    """A Deployment whose Pods are like that."""
    return decoded(Workload, name, spec={"paused": paused, "template": {"spec": pod}})


def container(**members: Any) -> dict[str, Any]:
    """The Pods' only container."""
    return {"containers": [{"name": "main", **members}]}


VARIABLE = {"name": "KEY", "valueFrom": {"secretKeyRef": {"name": "app", "key": "k"}}}
VOLUME = {"name": "v", "secret": {"secretName": "app"}}
PROJECTED = {"name": "p", "projected": {"sources": [{"configMap": {}}, {"secret": {"name": "app"}}]}}
SUB_PATH = {"volumeMounts": [{"name": "v", "subPath": "k", "mountPath": "/k"}]}

SUB_PATH_OF_NAME = {"volumeMounts": [{"name": "v", "subPathExpr": "$(POD_NAME)", "mountPath": "/k"}]}


@pytest.mark.parametrize(
    ("obj", "uses"),
    [
        (deployment(**container(env=[VARIABLE])), [("env KEY of container main", False)]),
        (deployment(**container(envFrom=[{"secretRef": {"name": "app"}}])), [("envFrom of container main", False)]),
        (deployment(initContainers=[{"name": "first", "env": [VARIABLE]}]), [("env KEY of container first", False)]),
        (deployment(volumes=[VOLUME]), [("volume v", True)]),
        (deployment(volumes=[PROJECTED]), [("projected volume p", True)]),
        (deployment(volumes=[VOLUME], **container(**SUB_PATH)), [("volume v (subPath in main)", False)]),
        (deployment(volumes=[VOLUME], **container(**SUB_PATH_OF_NAME)), [("volume v (subPath in main)", False)]),
        (deployment(imagePullSecrets=[{"name": "app"}]), [("imagePullSecrets", True)]),
        (deployment(**container(env=[{"name": "X", "value": "app"}])), []),
        (decoded(Pod, "p", spec={"volumes": [VOLUME]}), [("volume v", True)]),
        (decoded(ServiceAccount, "sa", imagePullSecrets=[{"name": "app"}]), [("imagePullSecrets", True)]),
        (decoded(Ingress, "i", spec={"tls": [{"secretName": "app"}]}), [("tls", True)]),
        (
            decoded(CronJob, "c", spec={"jobTemplate": {"spec": {"template": {"spec": container(env=[VARIABLE])}}}}),
            [("env KEY of container main of its next Job", True)],
        ),
    ],
)
def test_each_way_to_use_a_secret_is_found(obj: Object, uses: list[tuple[str, bool]]) -> None:
    """With the place, and whether a change arrives there without a restart."""
    assert [(one.where, one.follows) for one in uses_in(obj, "app")] == uses


def test_what_another_workload_made_is_not_named_beside_it() -> None:
    """A Pod of a ReplicaSet stands for its Deployment."""
    owner = {"controller": True, "kind": "ReplicaSet", "name": "web-1"}
    pod = meta.decode(
        meta.encode({"kind": "Pod", "metadata": {"name": "web-1-x", "ownerReferences": [owner]}, "spec": {}}), Pod
    )
    assert users_of("app", [pod], {}).found == ()


@pytest.mark.parametrize(("type_", "kind"), [(Workload, "StatefulSet"), (Pod, "Pod")])
def test_what_a_foreign_resource_made_is_named(type_: type[Any], kind: str) -> None:
    """As that of another operator, which is not looked at: it keeps its old values like others."""
    owner = {"controller": True, "kind": "Keycloak", "name": "sso"}
    pod = container(env=[VARIABLE])
    spec = pod if type_ is Pod else {"template": {"spec": pod}}
    made = {"kind": kind, "metadata": {"name": "sso-0", "ownerReferences": [owner]}, "spec": spec}
    [found] = users_of("app", [meta.decode(meta.encode(made), type_)], {}).found
    assert (found.kind, found.name, found.stale_after_change) == (kind, "sso-0", True)


@pytest.mark.parametrize(
    ("type_", "kind", "status", "named"),
    [
        (Pod, "Pod", {"phase": "Running"}, True),
        (Pod, "Pod", {"phase": "Succeeded"}, False),
        (Pod, "Pod", {"phase": "Failed"}, False),
        (Workload, "Job", {}, True),
        (Workload, "Job", {"conditions": [{"type": "Suspended", "status": "True"}]}, True),
        (Workload, "Job", {"conditions": [{"type": "Complete", "status": "True"}]}, False),
        (Workload, "Job", {"conditions": [{"type": "Failed", "status": "True"}]}, False),
    ],
)
def test_what_has_ended_uses_nothing(type_: type[Any], kind: str, status: Any, *, named: bool) -> None:
    """Nobody has to restart the Job of last week."""
    pod = container(env=[VARIABLE])
    spec = pod if type_ is Pod else {"template": {"spec": pod}}
    one = {"kind": kind, "metadata": {"name": "x"}, "spec": spec, "status": status}
    assert bool(users_of("app", [meta.decode(meta.encode(one), type_)], {}).found) is named


def secret(*targets: tuple[str, str], compares: bool = True) -> VaultStaticSecret:
    """A VaultStaticSecret with these restart targets."""
    restarts = tuple(RolloutRestartTarget(kind=kind, name=name) for kind, name in targets)
    return VaultStaticSecret(spec=VaultStaticSecretSpec(rollout_restart_targets=restarts, hmac_secret_data=compares))


USING = container(env=[VARIABLE])


@pytest.mark.parametrize(
    ("target", "objects", "verdict", "word"),
    [
        (("Deployment", "web"), [deployment(**USING)], Verdict.RESTARTS, "restarts on a change"),
        (("Deployment", "web"), [deployment()], Verdict.RESTARTS, "although it does not use"),
        (("Deployment", "web"), [], Verdict.ABSENT, "does not exist"),
        (("Deployment", "web"), [deployment(paused=True, **USING)], Verdict.PAUSED, "when it is resumed"),
        (("argo.Rollout", "r"), [], Verdict.ABSENT, "does not exist"),
    ],
)
def test_a_target_restarts_unless_something_is_in_the_way(
    target: tuple[str, str], objects: list[Object], verdict: Verdict, word: str
) -> None:
    """Each reason is named."""
    fate, *others = fates_of(secret(target), users_of("app", objects, {}))
    assert (fate.verdict, fate.target, others) == (verdict, True, [])
    assert word in fate.text + fate.problem


def test_without_comparing_nothing_restarts() -> None:
    """With hmacSecretData false the operator does not know what changed."""
    [fate] = fates_of(secret(("Deployment", "web"), compares=False), users_of("app", [deployment(**USING)], {}))
    assert fate.verdict is Verdict.STALE
    assert "hmacSecretData" in fate.problem


def test_what_could_not_be_looked_at_is_not_called_absent() -> None:
    """For lack of rights."""
    [fate] = fates_of(secret(("Deployment", "web")), users_of("app", [], {"Deployment": "forbidden"}))
    assert fate.verdict is Verdict.UNKNOWN
    assert "forbidden" in fate.text


def test_users_that_are_no_targets_are_told_apart() -> None:
    """Variables keep the old values, files follow."""
    users = users_of("app", [deployment("a", **USING), deployment("b", volumes=[VOLUME])], {})
    stale, follows = fates_of(secret(), users)
    assert (stale.name, stale.verdict, "restarted" in stale.problem) == ("a", Verdict.STALE, True)
    assert (follows.name, follows.verdict, follows.problem) == ("b", Verdict.FOLLOWS, "")
