"""What can be written on the command line, and what the operator's Deployment tells of its settings."""

from typing import Any

import click
import pytest
from msgspec import structs

from tests.support.command_line import invoke
from vso.apis import meta, names
from vso.apis.meta import Condition, Key, ObjectMeta
from vso.apis.v1beta1 import (
    PendingLease,
    VaultDynamicSecret,
    VaultDynamicSecretStatus,
    VaultStaticSecret,
    VaultStaticSecretStatus,
)
from vso.cli.kubectl.installation import find_installation, installation_of
from vso.cli.kubectl.main import COMMANDS
from vso.cli.kubectl.refresh import judge
from vso.cli.kubectl.secret_kind import SECRET_KINDS, names_of
from vso.cli.kubectl.workload import Workload
from vso.kube import Client, ClientConfig, Page


@pytest.mark.parametrize("name", COMMANDS)
def test_each_command_explains_itself_with_examples(name: str) -> None:
    """``--help`` works without a cluster."""
    answer = invoke(name, "--help")
    assert answer.exit_code == 0
    assert f"kubectl vso {name} " in answer.output


def test_the_help_lists_all_commands() -> None:
    """Each with one line."""
    answer = invoke("--help")
    assert answer.exit_code == 0
    assert all(f"  {name} " in answer.output for name in COMMANDS)


def test_a_value_may_follow_an_equals_sign() -> None:
    """As kubectl allows: -o=xml is an unknown form, not the unknown form "=xml"."""
    answer = invoke("status", "-o=xml")
    assert answer.exit_code == 2
    assert "'xml'" in answer.output


@pytest.mark.parametrize(
    ("text", "kinds", "name"),
    [
        ("app", [one.resource.kind for one in SECRET_KINDS], "app"),
        ("vds/app", ["VaultDynamicSecret"], "app"),
        ("VaultPKISecret/app", ["VaultPKISecret"], "app"),
        ("vaultstaticsecrets/app", ["VaultStaticSecret"], "app"),
    ],
)
def test_a_secret_is_named_with_or_without_its_kind(text: str, kinds: list[str], name: str) -> None:
    """By name, plural or short form."""
    found, given = names_of(text)
    assert ([one.resource.kind for one in found], given) == (kinds, name)


@pytest.mark.parametrize("text", ["pod/app", "vds/", "vds/a/b"])
def test_another_kind_is_refused(text: str) -> None:
    """With the kinds that there are."""
    with pytest.raises(click.BadParameter, match="VaultStaticSecret"):
        names_of(text)


def operator(**container: Any) -> Workload:
    """The operator's Deployment."""
    body = {
        "metadata": {"name": "vault-secrets-operator-controller-manager", "namespace": "ops"},
        "spec": {
            "template": {
                "spec": {
                    "serviceAccountName": "manager",
                    "containers": [{"name": "proxy"}, {"name": "manager", "image": "x:1", **container}],
                }
            }
        },
    }
    return meta.decode(meta.encode(body), Workload)


def test_the_settings_are_those_of_the_deployment() -> None:
    """Its arguments, and variables over them."""
    found = installation_of(
        [
            operator(
                command=["/vault-secrets-operator", "--leader-elect"],
                args=["--watch-namespaces=a,b", "--credentials-directory=/c"],
                env=[{"name": "VSO_GLOBAL_TRANSFORMATION_OPTIONS", "value": "exclude-raw"}],
            )
        ]
    )
    assert (found.namespace, found.account, found.image) == ("ops", Key("ops", "manager"), "x:1")
    assert found.settings.watch_namespaces == ("a", "b")
    assert found.settings.exclude_raw
    assert found.doubt == ""


def test_arguments_that_are_not_understood_leave_the_defaults_and_a_doubt() -> None:
    """As those of a newer release."""
    found = installation_of([operator(args=["--from-the-future=1"])])
    assert "from-the-future" in found.doubt
    assert found.namespace == "ops"


@pytest.mark.parametrize(
    "container",
    [
        {"env": [{"name": "VSO_WATCH_NAMESPACES", "valueFrom": {"configMapKeyRef": {"name": "c", "key": "k"}}}]},
        {"env": [{"name": "VSO_WATCH_NAMESPACES", "value": "$(OTHERS)"}]},
        {"envFrom": [{"configMapRef": {"name": "settings"}}]},
        {"args": ["--allowed-vault-addresses=$(ADDRESSES)"]},
        {"command": ["/bin/sh", "-c", "exec vault-secrets-operator $FLAGS"]},
    ],
)
def test_settings_that_stand_elsewhere_are_in_doubt(container: dict[str, Any]) -> None:
    """What they are cannot be told from the Deployment."""
    assert "cannot be read" in installation_of([operator(**container)]).doubt


def test_variables_that_are_no_settings_may_come_from_elsewhere() -> None:
    """As the Pod's name does in every installation."""
    field = {"name": "OPERATOR_POD_NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}
    assert installation_of([operator(env=[field])]).doubt == ""


def test_of_several_deployments_none_is_believed() -> None:
    """Whoever may create a Deployment can make one that looks like the operator's, with settings of their choice."""
    real = operator(args=["--allowed-vault-addresses=https://vault"])
    fake = structs.replace(operator(), metadata=structs.replace(real.metadata, namespace="aaa-tenant"))
    found = installation_of([real, fake])
    assert "aaa-tenant/vault-secrets-operator-controller-manager" in found.doubt
    assert "--operator-namespace" in found.doubt
    assert (found.namespace, found.deployment) == ("vault-secrets-operator-system", "")


class Empty(Client):
    """A cluster without anything in it."""

    def __init__(self) -> None:
        super().__init__(ClientConfig(server="http://127.0.0.1:1"), user_agent="test")

    async def list_page(self, *_: Any, **__: Any) -> Page[Any]:
        return Page(items=(), continue_="", resource_version="1")


async def test_without_a_deployment_the_defaults_count_only_if_the_user_says_so() -> None:
    """As for an operator that runs elsewhere."""
    found = await find_installation(Empty(), None)
    assert "no Deployment of the operator was found in any namespace" in found.doubt
    assert (await find_installation(Empty(), None, assume_defaults=True)).doubt == ""
    named = await find_installation(Empty(), "ops", assume_defaults=True)
    assert (named.doubt, named.namespace) == ("", "ops")


SYNCED = Condition(type="SecretSynced", status="True")
FAILED = Condition(type="SecretSynced", status="False", message="Failed, err=no role")


def static(*conditions: Condition, refreshed: str = "", mac: str = "m") -> VaultStaticSecret:
    """A VaultStaticSecret that is asked to be refreshed."""
    status = VaultStaticSecretStatus(conditions=conditions, secret_mac=mac)
    return VaultStaticSecret(
        metadata=ObjectMeta(name="app", namespace="team", annotations={names.REFRESH: "now"}),
        status=structs.replace(status, extensions=structs.replace(status.extensions, refreshed=refreshed)),
    )


@pytest.mark.parametrize(
    ("before", "now", "expected"),
    [
        (static(SYNCED), static(SYNCED), None),
        (static(SYNCED), static(SYNCED, refreshed="now"), (False, "")),
        (static(SYNCED), static(SYNCED, refreshed="now", mac="n"), (True, "")),
        (static(SYNCED), static(FAILED), (False, "no role")),
        (static(FAILED), static(FAILED), None),
        (static(FAILED), static(SYNCED, refreshed="now"), (False, "")),
        (static(), static(), None),
    ],
)
def test_a_refresh_is_over_when_the_status_answers_it(
    before: VaultStaticSecret, now: VaultStaticSecret, expected: tuple[bool, str] | None
) -> None:
    """By the value of the annotation, or by a failure that is news."""
    outcome = judge(before, now, names.REFRESH)
    assert (outcome and (outcome.changed, outcome.error)) == expected


def test_credentials_on_their_way_are_not_there_yet() -> None:
    """A rotation is recorded before the Secret is written."""
    status = VaultDynamicSecretStatus(conditions=(SYNCED,))
    extensions = structs.replace(status.extensions, rotated="now", pending=PendingLease())
    asked = VaultDynamicSecret(
        metadata=ObjectMeta(name="db", annotations={names.ROTATE: "now"}),
        status=structs.replace(status, extensions=extensions),
    )
    assert judge(asked, asked, names.ROTATE) is None
