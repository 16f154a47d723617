"""VaultDynamicSecret: credentials that Vault makes or rotates, or any other endpoint, copied to a Secret."""

from typing import Annotated, Final

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
    VaultSecretLease,
    VaultStaticCredsMetaData,
)

RENEWAL_PERCENT: Final = 67


class RawResponse(Block, frozen=True, kw_only=True):
    """How an answer that is no JSON, such as a CA chain, gets into the Secret."""

    key: Annotated[str, Field("Key of the Secret that gets the text of the answer; unset, data.")] = ""


class DynamicSettings(Block, frozen=True, kw_only=True):
    """What can be asked for beyond the original's fields."""

    max_poll_interval: Annotated[
        str,
        Field(
            "Longest time between two reads of a credential that Vault rotates, so that a rotation by hand is "
            "noticed; unset, it is read when the next rotation is due.",
            pattern=DURATION,
        ),
    ] = ""
    revoke_superseded_after: Annotated[
        str,
        Field(
            "How long after new credentials were written the lease of the old ones is revoked; unset, it runs out "
            "by itself.",
            pattern=DURATION,
        ),
    ] = ""
    raw_response: Annotated[
        RawResponse | None, Field("Take an answer that is no JSON as it is; unset, such an answer is an error.")
    ] = None


class VaultDynamicSecretSpec(Block, frozen=True, kw_only=True):
    """What to request, and where to write it."""

    vault_auth_ref: VaultAuthRef = ""
    namespace: VaultNamespace = ""
    mount: Annotated[str, Field("Mount of the engine.", required=True)] = ""
    request_http_method: Annotated[
        str,
        Field(
            "GET reads, POST and PUT write; unset, it is GET, and with params always PUT.",
            enum=("GET", "POST", "PUT"),
        ),
    ] = msgspec.field(default="", name="requestHTTPMethod")
    path: Annotated[str, Field("Path below the mount, such as creds/reader.", required=True)] = ""
    params: Annotated[dict[str, str], Field("Body of the request; with any, the request is a write.")] = msgspec.field(
        default_factory=dict
    )
    renewal_percent: Annotated[
        int,
        Field(
            "Share of the lease, in percent, after which it is renewed; up to a tenth of the lease is added.",
            default=RENEWAL_PERCENT,
            minimum=0,
            maximum=90,
        ),
    ] = written(RENEWAL_PERCENT)
    revoke: Annotated[bool, Field("Revoke the lease when this object is deleted.")] = False
    allow_static_creds: Annotated[
        bool, Field("The path returns a credential that Vault rotates on its own schedule.")
    ] = False
    rollout_restart_targets: ToRestart = ()
    destination: Target = Destination()
    refresh_after: Annotated[
        str, Field("How long data without a lease is good for; unset, it is read once.", pattern=DURATION)
    ] = ""
    extensions: Annotated[DynamicSettings, Field("What can be asked for beyond the original's fields.")] = (
        DynamicSettings()
    )


class PendingLease(Block, frozen=True, kw_only=True):
    """A lease whose credentials are on their way into the Secret."""

    lease: Annotated[VaultSecretLease, Field("The lease.")] = VaultSecretLease()
    since: Annotated[int, Field("When Vault made it, in Unix seconds.", format="int64")] = 0
    mac: Annotated[str, Field("HMAC of the data to be written; tells whether the Secret has it.")] = ""
    parent_expires: Annotated[
        int, Field("End of the token that it hangs on, as parentExpires beside it.", format="int64")
    ] = 0


class LeaseToRevoke(Block, frozen=True, kw_only=True):
    """A lease that no Secret holds any more."""

    id: Annotated[str, Field("Id of the lease.")] = ""
    after: Annotated[int, Field("When to revoke it, in Unix seconds.", format="int64")] = 0
    expires: Annotated[int, Field("When it runs out by itself, in Unix seconds.", format="int64")] = 0


class DynamicExtensions(RefreshExtensions, frozen=True, kw_only=True):
    """What this operator records of leases beyond the original's status."""

    inputs: Annotated[str, Field("HMAC of what the credentials were requested and rendered with.")] = ""
    written: Annotated[str, Field("HMAC of the data last written to the Secret; tells drift.")] = ""
    parent_expires: Annotated[
        int,
        Field(
            "End, in Unix seconds, of the Vault token that the lease hangs on, as last known; -1 for a token that "
            "never ends, 0 if unknown.",
            format="int64",
        ),
    ] = 0
    pending: Annotated[PendingLease | None, Field("A lease whose credentials may not be in the Secret yet.")] = None
    to_revoke: Annotated[tuple[LeaseToRevoke, ...], Field("Leases that no Secret holds any more.")] = ()


class VaultDynamicSecretStatus(Block, frozen=True, kw_only=True):
    """What was synced last, and its lease."""

    last_renewal_time: Annotated[
        int, Field("When the lease was last made or renewed, in Unix seconds.", required=True, format="int64")
    ] = written(0)
    last_generation: LastGeneration = written(0)
    secret_lease: Annotated[
        VaultSecretLease, Field("The lease that is held; zeros if there is none.", required=True)
    ] = written(VaultSecretLease())
    static_creds_meta_data: Annotated[VaultStaticCredsMetaData | None, Field("When Vault rotates the credential.")] = (
        None
    )
    last_runtime_pod_uid: Annotated[str, Field("UID of the operator's Pod that wrote this status.")] = msgspec.field(
        default="", name="lastRuntimePodUID"
    )
    secret_mac: SecretMac = msgspec.field(default="", name="secretMAC")
    vault_client_meta: ClientMeta = VaultClientMeta()
    conditions: Conditions = ()
    extensions: Annotated[DynamicExtensions, Field("What this operator records beyond the original's status.")] = (
        DynamicExtensions()
    )


class VaultDynamicSecret(meta.Object, frozen=True, kw_only=True):
    """Credentials that Vault makes or rotates, or any other endpoint, copied to one Kubernetes Secret."""

    spec: VaultDynamicSecretSpec = VaultDynamicSecretSpec()
    status: VaultDynamicSecretStatus = VaultDynamicSecretStatus()
