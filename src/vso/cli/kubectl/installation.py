"""The operator in this cluster: where it is, and how it is set up, read from its Deployment.

Resolving references and judging policies takes the operator's own settings; without them its defaults count, and the
installation is in doubt: whoever may create a Deployment can make one that looks like the operator's, so what several
of them say, or what cannot be read, permits nothing. See `Installation.doubt`.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

import click

from vso.apis.merge import GlobalOptions
from vso.apis.meta import Key
from vso.app import OPTIONS, Settings, from_environment
from vso.cli.kubectl.secret_kind import read_pages
from vso.cli.kubectl.workload import DEPLOYMENT, Container, Workload
from vso.cli.manager import UsageError, read_flags, settings_from
from vso.kube import Client, Forbidden

NAMESPACE: Final = "vault-secrets-operator-system"
ACCOUNT: Final = "vault-secrets-operator-controller-manager"
_LABELS: Final = "control-plane=controller-manager"
_CONTAINER: Final = "manager"
_NAME: Final = "vault-secrets-operator"
_VARIABLES: Final = frozenset(one.variable for one in OPTIONS if one.variable)
_NAME_IT: Final = "--operator-namespace names it"

operator_option: Final = click.option(
    "--operator-namespace",
    default=None,
    metavar="NAME",
    help="Namespace of the operator; unset, it is looked for, and must be the only one found.",
)
assume_option: Final = click.option(
    "--assume-defaults",
    is_flag=True,
    help="The operator runs elsewhere, with default settings: go on if no Deployment of it is found.",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Installation:
    """The operator: `account` is its ServiceAccount; `deployment` and `image` are empty if it was not found.

    `selector` are labels that its Pods have.

    `doubt` says why the settings may be others than those given here, which then permit nothing; empty if they are
    known.
    """

    settings: Settings
    account: Key
    deployment: str = ""
    image: str = ""
    selector: Mapping[str, str] = field(default_factory=dict)
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


async def find_installation(client: Client, namespace: str | None, *, assume_defaults: bool = False) -> Installation:
    """The operator in `namespace`, or wherever its only Deployment is.

    With `assume_defaults` it is no doubt that there is none: it runs elsewhere, with default settings.
    """
    doubt = f"no Deployment of the operator was found in {namespace or 'any namespace'}; {_NAME_IT}"
    for place in (namespace,) if namespace else (None, NAMESPACE):
        try:
            found = [one async for one in read_pages(client, DEPLOYMENT, namespace=place, labels=_LABELS)]
        except Forbidden as exc:
            doubt = str(exc)
            continue
        if deployments := [one for one in found if _manager(one) is not None]:
            return installation_of(deployments)
    return _unknown(namespace or NAMESPACE, "" if assume_defaults else doubt)


def installation_of(deployments: Sequence[Workload]) -> Installation:
    """What the operator's Deployment says; of several none is believed."""
    if len(deployments) != 1:
        keys = ", ".join(sorted(str(each.key) for each in deployments))
        return _unknown(NAMESPACE, f"there are several Deployments like the operator's: {keys}; {_NAME_IT}")
    [one] = deployments
    manager = _manager(one) or Container()
    doubt = "; ".join(_unreadable(manager))
    try:
        given = read_flags(_arguments(manager))
        variables = {each.name: each.value for each in manager.env if each.value}
        settings = from_environment(settings_from(given), variables, given=given)
    except (UsageError, ValueError) as exc:
        settings, doubt = Settings(), str(exc)
    pod = one.spec.template.spec
    return Installation(
        settings=replace(settings, operator_namespace=one.metadata.namespace),
        account=Key(one.metadata.namespace, pod.service_account_name or "default"),
        deployment=one.metadata.name,
        image=manager.image,
        selector=one.spec.template.metadata.labels,
        doubt=f"the settings in Deployment {one.key} cannot be read: {doubt}" if doubt else "",
    )


def _unknown(namespace: str, doubt: str) -> Installation:
    settings = replace(Settings(), operator_namespace=namespace)
    return Installation(settings=settings, account=Key(namespace, ACCOUNT), doubt=doubt)


def _arguments(manager: Container) -> tuple[str, ...]:
    return (*manager.command[1:], *manager.args)


def _unreadable(manager: Container) -> Iterator[str]:
    """What of its settings is not in the Deployment itself."""
    if manager.env_from:
        yield "envFrom may hold some of them"
    for one in manager.env:
        if one.name in _VARIABLES and (one.value_from is not None or "$(" in one.value):
            yield f"{one.name} has its value from elsewhere"
    for argument in _arguments(manager):
        if "$(" in argument:
            yield f"the argument {argument} refers to a variable"


def _manager(deployment: Workload) -> Container | None:
    """The operator's container, None if the Deployment is that of something else."""
    named = deployment.metadata.labels.get("app.kubernetes.io/name", "") + deployment.metadata.name
    for one in deployment.spec.template.spec.containers:
        if one.name == _CONTAINER and (_NAME in named or _NAME in one.image):
            return one
    return None
