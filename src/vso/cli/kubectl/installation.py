"""The operator in this cluster: where it is, and how it is set up, read from its Deployment.

Resolving references and judging policies takes the operator's own settings; without them its defaults count.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import click

from vso.apis.merge import GlobalOptions
from vso.apis.meta import Key
from vso.app import Settings, from_environment
from vso.cli.kubectl.secret_kind import read_pages
from vso.cli.kubectl.workload import DEPLOYMENT, Container, Workload
from vso.cli.manager import UsageError, read_flags, settings_from
from vso.kube import Client, Forbidden

NAMESPACE: Final = "vault-secrets-operator-system"
ACCOUNT: Final = "vault-secrets-operator-controller-manager"
_LABELS: Final = "control-plane=controller-manager"
_CONTAINER: Final = "manager"
_NAME: Final = "vault-secrets-operator"

operator_option: Final = click.option(
    "--operator-namespace",
    default=None,
    metavar="NAME",
    help="Namespace of the operator; unset, it is looked for.",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Installation:
    """The operator: `account` is its ServiceAccount, `deployment` and `image` are empty if it was not found.

    `doubt` says why the settings may be others than those given here; empty if they are known.
    """

    settings: Settings
    account: Key
    deployment: str = ""
    image: str = ""
    doubt: str = ""

    @property
    def namespace(self) -> str:
        """Where it is."""
        return self.settings.operator_namespace

    @property
    def global_auth(self) -> GlobalOptions:
        """How it treats VaultAuthGlobals."""
        return GlobalOptions(
            operator_namespace=self.namespace,
            allow_default=self.settings.allow_default_globals,
            enforce_on_default=self.settings.enforce_default_allowed_namespaces,
        )


async def find_installation(client: Client, namespace: str | None) -> Installation:
    """The operator in `namespace`, or wherever its Deployment is."""
    doubt = f"no Deployment of the operator was found in {namespace or 'any namespace'}; --operator-namespace names it"
    for place in (namespace,) if namespace else (None, NAMESPACE):
        try:
            found = [one async for one in read_pages(client, DEPLOYMENT, namespace=place, labels=_LABELS)]
        except Forbidden as exc:
            doubt = str(exc)
            continue
        if deployments := [one for one in found if _manager(one) is not None]:
            return installation_of(deployments)
    settings = replace(Settings(), operator_namespace=namespace or NAMESPACE)
    return Installation(settings=settings, account=Key(settings.operator_namespace, ACCOUNT), doubt=doubt)


def installation_of(deployments: Sequence[Workload]) -> Installation:
    """What the first of the operator's Deployments says."""
    one = min(deployments, key=lambda each: each.key)
    manager = _manager(one) or Container()
    doubt = "" if len(deployments) == 1 else f"there are {len(deployments)} operators; --operator-namespace names one"
    try:
        flags = settings_from(read_flags(manager.args))
        settings = from_environment(flags, {each.name: each.value for each in manager.env if each.value})
    except (UsageError, ValueError) as exc:
        settings, doubt = Settings(), f"the arguments of Deployment {one.key} cannot be read: {exc}"
    pod = one.spec.template.spec
    return Installation(
        settings=replace(settings, operator_namespace=one.metadata.namespace),
        account=Key(one.metadata.namespace, pod.service_account_name or "default"),
        deployment=one.metadata.name,
        image=manager.image,
        doubt=doubt,
    )


def _manager(deployment: Workload) -> Container | None:
    """The operator's container, None if the Deployment is that of something else."""
    named = deployment.metadata.labels.get("app.kubernetes.io/name", "") + deployment.metadata.name
    for one in deployment.spec.template.spec.containers:
        if one.name == _CONTAINER and (_NAME in named or _NAME in one.image):
            return one
    return None
