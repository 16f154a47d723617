"""What the status of several kinds has in common. Every field is optional when read (regressions R28)."""

from typing import Annotated

import msgspec

from vso.apis import meta
from vso.apis.field import Block, Field, written

Conditions = Annotated[
    tuple[meta.Condition, ...], Field("What the last look at this object found, one entry per aspect.")
]
Valid = Annotated[bool, Field("Whether the last look at this object found no error.", required=True)]
Error = Annotated[str, Field("What is wrong; empty if nothing is.", required=True)]
LastGeneration = Annotated[
    int,
    Field(
        "Generation of the object when this status was written; 0 means never.",
        required=True,
        format="int64",
    ),
]
SecretMac = Annotated[str, Field("HMAC-SHA256 of the data written to the Secret, in base64; tells changes and drift.")]


class VaultClientMeta(Block, frozen=True, kw_only=True):
    """The login that was used last."""

    cache_key: Annotated[str, Field("Identity of the login: a hash over connection, VaultAuth and credential.")] = ""
    id: Annotated[str, Field("BLAKE2b-256 of the accessor of the Vault token, in hexadecimal.")] = ""


ClientMeta = Annotated[VaultClientMeta, Field("The Vault login that was used last.")]


class VaultSecretLease(Block, frozen=True, kw_only=True):
    """A lease in Vault; always written whole, with zeros when there is none."""

    id: Annotated[str, Field("Id of the lease; empty if there is none.", required=True)] = written("")
    duration: Annotated[int, Field("Seconds that the lease lasts.", required=True)] = written(0)
    renewable: Annotated[bool, Field("Whether the lease can be renewed.", required=True)] = written(
        False  # noqa: FBT003 - the value of the field
    )
    request_id: Annotated[str, Field("Id of the request to Vault that made the lease.", required=True)] = msgspec.field(
        default_factory=str, name="requestID"
    )


class VaultStaticCredsMetaData(Block, frozen=True, kw_only=True):
    """When Vault rotates a credential; always written whole."""

    last_vault_rotation: Annotated[
        int, Field("When Vault rotated last, in Unix seconds.", required=True, format="int64")
    ] = written(0)
    rotation_period: Annotated[int, Field("Seconds between two rotations.", required=True, format="int64")] = written(0)
    rotation_schedule: Annotated[str, Field("When Vault rotates, in the notation of cron.")] = ""
    ttl: Annotated[int, Field("Seconds until the next rotation.", required=True, format="int64")] = written(0)


class SecretExtensions(Block, frozen=True, kw_only=True):
    """What this operator records of every secret beyond the original's status."""

    restarted_payload: Annotated[
        str,
        Field("HMAC of the data that workloads were last restarted for, or that was first synced."),
    ] = ""
    refreshed: Annotated[str, Field("Value of the refresh annotation that was handled last.")] = ""
    rotated: Annotated[str, Field("Value of the rotate annotation that was handled last.")] = ""


class RefreshExtensions(SecretExtensions, frozen=True, kw_only=True):
    """What is recorded of secrets that are read again and again."""

    refresh_interval: Annotated[
        str, Field("The refreshAfter in force, where the operator's settings overrule the resource.")
    ] = ""
