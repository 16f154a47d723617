"""What every controller is given: the clients, the stores, time, chance and the settings that concern them."""

from dataclasses import dataclass, field
from random import Random

from vso.apis.merge import GlobalOptions
from vso.base import BackOff, Clock
from vso.controllers.attempt import SyncObserver, Unwatched
from vso.controllers.world import World
from vso.kube import Client
from vso.runtime import EventRecorder
from vso.sync import Clients, Policy, RefreshBounds, Signer, TemplateEngine


@dataclass(frozen=True, slots=True, kw_only=True)
class ControllerSettings:
    """Operator-wide options that decide how resources are handled; durations are in seconds.

    `max_elapsed` ends the retries of a resource that failed for that long; 0 never does. `max_poll_interval` bounds
    the time between two reads of a credential that Vault rotates (D18); 0 sets no bound. `pod_uid` names the
    operator's Pod in status.
    """

    global_auth: GlobalOptions
    policy: Policy = field(default_factory=Policy)
    exclude_raw: bool = False
    backoff: BackOff = field(default_factory=BackOff)
    max_elapsed: float = 0.0
    max_poll_interval: float = 0.0
    refresh: RefreshBounds = field(default_factory=RefreshBounds)
    pod_uid: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tools:
    """Handed to each controller by `vso.app.wiring`."""

    kube: Client
    world: World
    clients: Clients
    signer: Signer
    templates: TemplateEngine
    recorder: EventRecorder
    clock: Clock
    rng: Random
    settings: ControllerSettings
    observer: SyncObserver = field(default_factory=Unwatched)
    lent: set[tuple[str, str]] = field(default_factory=set)
    """VaultAuths (by UID) that lent their credentials to a namespace, told once in the life of the process."""
