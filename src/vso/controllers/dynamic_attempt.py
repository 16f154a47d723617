"""What an attempt to fetch dynamic credentials carries from step to step: values of `vault_dynamic_secret`."""

from dataclasses import dataclass

from vso.apis.conditions import NewCondition
from vso.apis.v1beta1 import VaultDynamicSecretStatus
from vso.controllers.dynamic_plan import SyncReason, View
from vso.controllers.restarter import Restarted
from vso.sync import Client, ClientSpec, Rendered, RenderOptions
from vso.vault import LogicalSecret, StaticCreds


@dataclass(frozen=True, slots=True)
class Order:
    """What credentials are fetched with, and why."""

    spec: ClientSpec
    options: RenderOptions
    view: View
    reason: SyncReason


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What Vault gave, and when it was asked."""

    secret: LogicalSecret
    creds: StaticCreds | None
    rendered: Rendered
    since: float
    client: Client


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What an attempt did: the status but for what every success sets, and what conditions tell."""

    status: VaultDynamicSecretStatus
    wrote: bool = False
    restarts: tuple[Restarted, ...] = ()
    more: tuple[NewCondition, ...] = ()
