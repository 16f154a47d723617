"""VaultStaticSecret: one secret of a KV engine, copied to one Kubernetes Secret."""

from enum import StrEnum
from typing import Annotated

import msgspec

from vso.apis import meta
from vso.apis.field import DURATION, Block, Field, written
from vso.apis.v1beta1.destination import Destination
from vso.apis.v1beta1.reading import Target, ToRestart, VaultAuthRef, VaultNamespace
from vso.apis.v1beta1.status import (
    ClientMeta,
    Conditions,
    LastGeneration,
    RefreshExtensions,
    SecretMac,
    VaultClientMeta,
)


class KvType(StrEnum):
    """Versions of the KV engine."""

    V1 = "kv-v1"
    V2 = "kv-v2"


class SyncConfig(Block, frozen=True, kw_only=True):
    """What else makes the operator read a secret again."""

    instant_updates: Annotated[
        bool, Field("Read again as soon as Vault announces a change of the secret; without effect in this version.")
    ] = False


class VaultStaticSecretSpec(Block, frozen=True, kw_only=True):
    """What to read, and where to write it."""

    vault_auth_ref: VaultAuthRef = ""
    namespace: VaultNamespace = ""
    mount: Annotated[str, Field("Mount of the KV engine.", required=True)] = ""
    path: Annotated[str, Field("Path of the secret below the mount, without data/.", required=True)] = ""
    version: Annotated[int, Field("Version to read from a kv-v2 engine; 0 or unset is the latest.", minimum=0)] = 0
    type: Annotated[str, Field("Version of the engine.", required=True, enum=tuple(KvType))] = ""
    refresh_after: Annotated[
        str,
        Field(
            "How long to wait before the secret is read again; a fifth less at most. Unset, a minute with "
            "hmacSecretData, and for ever without.",
            pattern=DURATION,
        ),
    ] = ""
    hmac_secret_data: Annotated[
        bool | None,
        Field(
            "Keep an HMAC of the data in the status, to tell changes in Vault and drift of the Secret, and "
            "to write only then.",
            default=True,
        ),
    ] = None  # an absent value counts as false (api.md section 4.4), an explicit one is kept
    rollout_restart_targets: ToRestart = ()
    destination: Target = Destination()
    sync_config: Annotated[SyncConfig, Field("What else makes the operator read the secret again.")] = SyncConfig()


class VaultStaticSecretStatus(Block, frozen=True, kw_only=True):
    """What was synced last."""

    last_generation: LastGeneration = written(0)
    secret_mac: SecretMac = msgspec.field(default="", name="secretMAC")
    vault_client_meta: ClientMeta = VaultClientMeta()
    conditions: Conditions = ()
    extensions: Annotated[RefreshExtensions, Field("What this operator records beyond the original's status.")] = (
        RefreshExtensions()
    )


class VaultStaticSecret(meta.Object, frozen=True, kw_only=True):
    """One secret of a KV engine, copied to one Kubernetes Secret."""

    spec: VaultStaticSecretSpec = VaultStaticSecretSpec()
    status: VaultStaticSecretStatus = VaultStaticSecretStatus()
