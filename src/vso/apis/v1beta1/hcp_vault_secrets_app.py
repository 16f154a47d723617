"""HCPVaultSecretsApp: an app of HCP Vault Secrets, a service that has ended; kept for stored objects."""

from typing import Annotated

import msgspec

from vso.apis import meta
from vso.apis.field import DURATION, Block, Field, written
from vso.apis.v1beta1.destination import Destination
from vso.apis.v1beta1.reading import Target, ToRestart
from vso.apis.v1beta1.status import Conditions, LastGeneration, SecretMac
from vso.apis.v1beta1.vault_dynamic_secret import RENEWAL_PERCENT


class HVSDynamicSyncConfig(Block, frozen=True, kw_only=True):
    """When dynamic secrets are renewed."""

    renewal_percent: Annotated[
        int,
        Field(
            "Share of the lifetime, in percent, after which a new secret is requested; 0 means 67.",
            default=RENEWAL_PERCENT,
            minimum=0,
            maximum=90,
        ),
    ] = written(RENEWAL_PERCENT)


class HVSSyncConfig(Block, frozen=True, kw_only=True):
    """How secrets are synced."""

    dynamic: Annotated[HVSDynamicSyncConfig | None, Field("When dynamic secrets are renewed.")] = None


class HCPVaultSecretsAppSpec(Block, frozen=True, kw_only=True):
    """What to read, and where to write it."""

    app_name: Annotated[str, Field("Name of the app.", required=True)] = ""
    hcp_auth_ref: Annotated[
        str,
        Field(
            "HCPAuth to log in with, as name or namespace/name; unset, the one called default in the "
            "operator's namespace."
        ),
    ] = ""
    refresh_after: Annotated[
        str, Field("How long to wait before the app is read again.", default="600s", pattern=DURATION)
    ] = ""
    rollout_restart_targets: ToRestart = ()
    destination: Target = Destination()
    sync_config: Annotated[HVSSyncConfig | None, Field("How secrets are synced.")] = None


class HVSDynamicStatus(Block, frozen=True, kw_only=True):
    """A dynamic secret as last seen."""

    name: Annotated[str, Field("Name of the secret.")] = ""
    created_at: Annotated[str, Field("When it was made.")] = ""
    expires_at: Annotated[str, Field("When it ends.")] = ""
    ttl: Annotated[str, Field("How long it lasts.")] = ""


class HCPVaultSecretsAppStatus(Block, frozen=True, kw_only=True):
    """What was synced last."""

    last_generation: LastGeneration = written(0)
    secret_mac: SecretMac = msgspec.field(default="", name="secretMAC")
    dynamic_secrets: Annotated[tuple[HVSDynamicStatus, ...], Field("Dynamic secrets as last seen.")] = ()
    conditions: Conditions = ()


class HCPVaultSecretsApp(meta.Object, frozen=True, kw_only=True):
    """An app of HCP Vault Secrets, a service that has ended, copied to one Kubernetes Secret."""

    spec: HCPVaultSecretsAppSpec = HCPVaultSecretsAppSpec()
    status: HCPVaultSecretsAppStatus = HCPVaultSecretsAppStatus()
