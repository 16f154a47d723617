"""CSISecrets: input of a CSI driver of the original's vendor. Kept so that stored objects stay readable.

No controller serves it; patterns are judged by the driver.
"""

from typing import Annotated

import msgspec

from vso.apis import meta
from vso.apis.field import DURATION, Block, Field
from vso.apis.v1beta1.reading import VaultNamespace
from vso.apis.v1beta1.status import Conditions
from vso.apis.v1beta1.transformation import Transformation
from vso.apis.v1beta1.vault_static_secret import KvType

Shaping = Annotated[Transformation, Field("How the data is shaped.")]


class AccessControl(Block, frozen=True, kw_only=True):
    """Which Pods may mount."""

    service_account_pattern: Annotated[
        str,
        Field("Regular expression for the Pod's ServiceAccount; it must always match.", required=True),
    ] = ""
    namespace_patterns: Annotated[tuple[str, ...], Field("Regular expressions for the Pod's namespace.")] = ()
    pod_name_patterns: Annotated[tuple[str, ...], Field("Regular expressions for the Pod's name.")] = ()
    pod_labels: Annotated[dict[str, str], Field("Labels that the Pod must have.")] = msgspec.field(default_factory=dict)
    match_policy: Annotated[str, Field("Whether any or all rules must match.", default="all", enum=("any", "all"))] = ""


class VaultAppRoleSecretID(Block, frozen=True, kw_only=True):
    """An AppRole secret id to generate."""

    mount: Annotated[str, Field("Mount of the AppRole method.", required=True)] = ""
    role: Annotated[str, Field("Name of the AppRole.", required=True)] = ""
    metadata: Annotated[dict[str, str], Field("Metadata of the secret id, and of tokens made with it.")] = (
        msgspec.field(default_factory=dict)
    )
    cidr_list: Annotated[tuple[str, ...], Field("Networks that may use the secret id.")] = ()
    token_bound_cidrs: Annotated[tuple[str, ...], Field("Networks that may use tokens made with the secret id.")] = (
        msgspec.field(default=(), name="tokenBoundCIDRs")
    )
    ttl: Annotated[str, Field("Lifetime of the secret id.", pattern=DURATION)] = ""
    num_uses: Annotated[int, Field("How often the secret id may be used.")] = 0
    wrap_ttl: Annotated[str, Field("Lifetime of the wrapped response.", pattern=DURATION)] = msgspec.field(
        default="", name="wrapTTL"
    )
    sync_role_id: Annotated[bool, Field("Fetch the role id, too.")] = msgspec.field(default=False, name="syncRoleID")
    transformation: Shaping = Transformation()


class VaultStaticSecretCollectable(Block, frozen=True, kw_only=True):
    """A KV secret to read."""

    mount: Annotated[str, Field("Mount of the KV engine.", required=True)] = ""
    path: Annotated[str, Field("Path of the secret below the mount.", required=True)] = ""
    version: Annotated[int, Field("Version to read from a kv-v2 engine; 0 is the latest.", minimum=0)] = 0
    type: Annotated[str, Field("Version of the engine.", required=True, enum=tuple(KvType))] = ""
    transformation: Shaping = Transformation()


class SecretCollection(Block, frozen=True, kw_only=True):
    """What is mounted."""

    transformation: Shaping = Transformation()
    vault_app_role_secret_ids: Annotated[tuple[VaultAppRoleSecretID, ...], Field("AppRole secret ids to generate.")] = (
        msgspec.field(default=(), name="vaultAppRoleSecretIDs")
    )
    vault_static_secrets: Annotated[tuple[VaultStaticSecretCollectable, ...], Field("KV secrets to read.")] = ()


class ContainerState(Block, frozen=True, kw_only=True):
    """A container of the Pod."""

    name_pattern: Annotated[str, Field("Regular expression for the container's name.")] = ""
    image_pattern: Annotated[str, Field("Regular expression for the container's image.")] = ""


class CSISyncConfig(Block, frozen=True, kw_only=True):
    """What makes the driver sync again."""

    container_state: Annotated[ContainerState, Field("Container whose restart syncs again.", required=True)] = (
        ContainerState()
    )


class CSIVaultAuthRef(Block, frozen=True, kw_only=True):
    """Which VaultAuth to log in with."""

    name: Annotated[str, Field("Name of the VaultAuth.", required=True)] = ""
    namespace: Annotated[str, Field("Namespace of the VaultAuth; unset, this object's.")] = ""
    trust_namespace: Annotated[
        bool, Field("Look up Secrets and ServiceAccounts in that namespace, not in this object's.")
    ] = False


class CSISecretsSpec(Block, frozen=True, kw_only=True):
    """What is mounted, by whom."""

    namespace: VaultNamespace = ""
    access_control: Annotated[AccessControl, Field("Which Pods may mount.", required=True)] = AccessControl()
    secrets: Annotated[SecretCollection, Field("What is mounted.", required=True)] = SecretCollection()
    sync_config: Annotated[CSISyncConfig | None, Field("What makes the driver sync again.")] = None
    vault_auth_ref: Annotated[
        CSIVaultAuthRef | None,
        Field("VaultAuth to log in with; unset, the one called default in the operator's namespace."),
    ] = None


class CSISecretsStatus(Block, frozen=True, kw_only=True):
    """Never written by the operator."""

    conditions: Conditions = ()


class CSISecrets(meta.Object, frozen=True, kw_only=True):
    """Secrets that a CSI driver mounts into Pods."""

    spec: CSISecretsSpec = CSISecretsSpec()
    status: CSISecretsStatus = CSISecretsStatus()
