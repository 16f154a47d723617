"""VaultPKISecret: one certificate that Vault issues, copied to one Kubernetes Secret."""

from typing import Annotated

import msgspec

from vso.apis import meta
from vso.apis.field import DURATION, DURATION_WITH_DAYS, Block, Field, written
from vso.apis.v1beta1.destination import Destination
from vso.apis.v1beta1.reading import Target, ToRestart, VaultAuthRef, VaultNamespace
from vso.apis.v1beta1.status import Conditions, LastGeneration, SecretExtensions, SecretMac, Valid


class SecretKeyRef(Block, frozen=True, kw_only=True):
    """One key of a Secret in the namespace of the object."""

    name: Annotated[str, Field("Name of the Secret.")] = ""
    key: Annotated[str, Field("Key in its data.")] = ""


class Keystore(Block, frozen=True, kw_only=True):
    """A file that holds certificate, chain and private key together, as Java programs want it."""

    format: Annotated[str, Field("Form of the file.", enum=("pkcs12", "jks"))] = ""
    key: Annotated[str, Field("Key of the Secret that gets the file.")] = ""
    password_secret_ref: Annotated[SecretKeyRef, Field("The password that protects the file.")] = SecretKeyRef()


class PKISettings(Block, frozen=True, kw_only=True):
    """What can be asked for beyond the original's fields."""

    renew_at_percent: Annotated[
        int | None,
        Field(
            "Share of its lifetime, in percent, after which a certificate is replaced; expiryOffset goes first.",
            minimum=1,
            maximum=99,
        ),
    ] = None
    keystores: Annotated[tuple[Keystore, ...], Field("Keystores to add to the Secret.")] = ()


class VaultPKISecretSpec(Block, frozen=True, kw_only=True):
    """What to have issued, and where to write it."""

    vault_auth_ref: VaultAuthRef = ""
    namespace: VaultNamespace = ""
    mount: Annotated[str, Field("Mount of the PKI engine.", required=True)] = ""
    role: Annotated[str, Field("Role of the PKI engine to issue with.", required=True)] = ""
    revoke: Annotated[bool, Field("Revoke a certificate when it was replaced, and when this object is deleted.")] = (
        False
    )
    clear: Annotated[bool, Field("Empty the Secret when this object is deleted; only without destination.create.")] = (
        False
    )
    expiry_offset: Annotated[
        str,
        Field("How long before its end a certificate is replaced; unset, a tenth of its lifetime.", pattern=DURATION),
    ] = ""
    issuer_ref: Annotated[str, Field("Id or name of the issuer; unset, the default one.")] = ""
    rollout_restart_targets: ToRestart = ()
    destination: Target = Destination()
    common_name: Annotated[str, Field("Common name of the certificate.")] = ""
    alt_names: Annotated[tuple[str, ...], Field("DNS names and e-mail addresses of the certificate.")] = ()
    ip_sans: Annotated[tuple[str, ...], Field("IP addresses of the certificate.")] = ()
    uri_sans: Annotated[tuple[str, ...], Field("URIs of the certificate.")] = ()
    other_sans: Annotated[tuple[str, ...], Field("Other names of the certificate, each as oid;type:value.")] = ()
    user_ids: Annotated[tuple[str, ...], Field("User ids of the certificate's subject.")] = msgspec.field(
        default=(), name="userIDs"
    )
    ttl: Annotated[str, Field("Lifetime to ask for; unset, the role's.", pattern=DURATION_WITH_DAYS)] = ""
    format: Annotated[str, Field("Form of the certificate: pem, der or pem_bundle; unset, Vault's default.")] = ""
    private_key_format: Annotated[str, Field("Form of the private key: der or pkcs8; unset, Vault's default.")] = ""
    not_after: Annotated[str, Field("End of the certificate in UTC, such as 2030-12-31T23:59:59Z; wins over ttl.")] = ""
    exclude_cn_from_sans: Annotated[
        bool, Field("Do not list the common name among the DNS names and e-mail addresses.")
    ] = msgspec.field(default=False, name="excludeCNFromSans")
    extensions: Annotated[PKISettings, Field("What can be asked for beyond the original's fields.")] = PKISettings()


class PendingCertificate(Block, frozen=True, kw_only=True):
    """A certificate on its way into the Secret."""

    serial_number: Annotated[str, Field("Its serial number.")] = ""
    expiration: Annotated[int, Field("Its end, in Unix seconds.", format="int64")] = 0
    since: Annotated[int, Field("When it was issued, in Unix seconds.", format="int64")] = 0
    mac: Annotated[str, Field("HMAC of the data to be written; tells whether the Secret has it.")] = ""


class PKIExtensions(SecretExtensions, frozen=True, kw_only=True):
    """What this operator records of certificates beyond the original's status."""

    inputs: Annotated[str, Field("HMAC of what the certificate was requested and rendered with.")] = ""
    pending: Annotated[PendingCertificate | None, Field("A certificate that may not be in the Secret yet.")] = None
    to_revoke: Annotated[tuple[str, ...], Field("Serial numbers of certificates still to be revoked.")] = ()


class VaultPKISecretStatus(Block, frozen=True, kw_only=True):
    """The certificate that was issued last."""

    serial_number: Annotated[str, Field("Serial number of the certificate; empty before the first.")] = ""
    expiration: Annotated[int, Field("End of the certificate, in Unix seconds.", format="int64")] = 0
    last_generation: LastGeneration = written(0)
    last_rotation: Annotated[
        int, Field("When the certificate was issued, in Unix seconds.", required=True, format="int64")
    ] = written(0)
    secret_mac: SecretMac = msgspec.field(default="", name="secretMAC")
    valid: Valid = written(False)  # noqa: FBT003 - the value of the field
    error: Annotated[str, Field("Reason of the last failure in one word; empty if there is none.", required=True)] = (
        written("")
    )
    conditions: Conditions = ()
    extensions: Annotated[PKIExtensions, Field("What this operator records beyond the original's status.")] = (
        PKIExtensions()
    )


class VaultPKISecret(meta.Object, frozen=True, kw_only=True):
    """One certificate that Vault issues, copied to one Kubernetes Secret."""

    spec: VaultPKISecretSpec = VaultPKISecretSpec()
    status: VaultPKISecretStatus = VaultPKISecretStatus()
