"""All kinds of ours in one table: where they are served, and what every object of a kind has in common.

Source: api.md sections 2 (registry), 8.1 (finalizers) and 9.1 (names in condition messages).
"""

from typing import Any, Final

import msgspec

from vso.apis.meta import Kind, Resource
from vso.apis.names import GROUP, VERSION
from vso.apis.v1beta1 import (
    CSISecrets,
    HCPAuth,
    HCPVaultSecretsApp,
    SecretTransformation,
    VaultAuth,
    VaultAuthGlobal,
    VaultConnection,
    VaultDynamicSecret,
    VaultPKISecret,
    VaultStaticSecret,
)


class Column(msgspec.Struct, frozen=True):
    """A column that ``kubectl get`` prints."""

    name: str
    type: str
    path: str
    description: str


def _condition(name: str, type_: str, description: str) -> Column:
    return Column(name, "string", f'.status.conditions[?(@.type == "{type_}")].status', description)


_HEALTH: Final = (
    _condition("Healthy", "Healthy", "Whether the last look at it went well"),
    _condition("Ready", "Ready", "Whether it can be used"),
    Column("Age", "date", ".metadata.creationTimestamp", "Time since it was created"),
)
_SYNC: Final = (_condition("Synced", "SecretSynced", "Whether the Secret holds what Vault holds"), *_HEALTH)


class Definition(msgspec.Struct, frozen=True, kw_only=True):
    """What all objects of one kind share.

    `finalizer` is empty for kinds without work to do before deletion. `condition_prefix` starts the messages
    of the conditions Healthy and Ready; it is the kind's name but for one spelling of the original.
    """

    kind: Kind[Any]
    finalizer: str = ""
    condition_prefix: str = ""
    columns: tuple[Column, ...] = ()

    @property
    def name(self) -> str:
        """The kind's name, such as ``VaultAuth``."""
        return self.kind.resource.kind

    @property
    def crd_name(self) -> str:
        """Name of the CustomResourceDefinition."""
        return f"{self.kind.resource.plural}.{self.kind.resource.group}"


def _resource(plural: str, kind: str) -> Resource:
    return Resource(GROUP, VERSION, plural, kind)


def _finalizer(subject: str) -> str:
    return f"{subject}.{GROUP}/finalizer"


VAULT_CONNECTION: Final = Kind(_resource("vaultconnections", "VaultConnection"), VaultConnection)
VAULT_AUTH: Final = Kind(_resource("vaultauths", "VaultAuth"), VaultAuth)
VAULT_AUTH_GLOBAL: Final = Kind(_resource("vaultauthglobals", "VaultAuthGlobal"), VaultAuthGlobal)
VAULT_STATIC_SECRET: Final = Kind(_resource("vaultstaticsecrets", "VaultStaticSecret"), VaultStaticSecret)
VAULT_DYNAMIC_SECRET: Final = Kind(_resource("vaultdynamicsecrets", "VaultDynamicSecret"), VaultDynamicSecret)
VAULT_PKI_SECRET: Final = Kind(_resource("vaultpkisecrets", "VaultPKISecret"), VaultPKISecret)
SECRET_TRANSFORMATION: Final = Kind(_resource("secrettransformations", "SecretTransformation"), SecretTransformation)
CSI_SECRETS: Final = Kind(_resource("csisecrets", "CSISecrets"), CSISecrets)
HCP_AUTH: Final = Kind(_resource("hcpauths", "HCPAuth"), HCPAuth)
HCP_VAULT_SECRETS_APP: Final = Kind(_resource("hcpvaultsecretsapps", "HCPVaultSecretsApp"), HCPVaultSecretsApp)

KINDS: Final[tuple[Definition, ...]] = (
    Definition(
        kind=VAULT_CONNECTION,
        finalizer=_finalizer("vaultconnection"),
        condition_prefix="VaultConnection",
        columns=_HEALTH,
    ),
    Definition(
        kind=VAULT_AUTH,
        finalizer=_finalizer("vaultauth"),
        condition_prefix="VaultAuth",
        columns=_HEALTH,
    ),
    Definition(kind=VAULT_AUTH_GLOBAL, condition_prefix="VaultAuthGlobal"),
    Definition(
        kind=VAULT_STATIC_SECRET,
        finalizer=_finalizer("vaultstaticsecret"),
        condition_prefix="VaultStaticSecret",
        columns=_SYNC,
    ),
    Definition(
        kind=VAULT_DYNAMIC_SECRET,
        finalizer=_finalizer("vaultdynamicsecret"),
        condition_prefix="VaultDynamicSecret",
        columns=_SYNC,
    ),
    Definition(
        kind=VAULT_PKI_SECRET,
        finalizer=_finalizer("vaultpkisecrets"),  # plural, as the original writes it
        condition_prefix="VaultPKISecret",
        columns=_SYNC,
    ),
    Definition(
        kind=SECRET_TRANSFORMATION,
        condition_prefix="SecretsTransformation",  # so spelt by the original
        columns=_HEALTH,
    ),
    Definition(kind=CSI_SECRETS, condition_prefix="CSISecrets"),
    Definition(kind=HCP_AUTH, condition_prefix="HCPAuth"),
    Definition(
        kind=HCP_VAULT_SECRETS_APP,
        finalizer=_finalizer("hcpvaultsecretsapp"),
        condition_prefix="HCPVaultSecretsApp",
    ),
)

_BY_NAME: Final = {definition.name: definition for definition in KINDS}


def prefix_of(kind: str) -> str:
    """What the messages of Healthy and Ready of `kind` begin with. Raises KeyError if it is none of ours."""
    return _BY_NAME[kind].condition_prefix


def definition_of(kind: Kind[Any]) -> Definition:
    """The row of `kind`. Raises KeyError if it is none of ours."""
    return _BY_NAME[kind.resource.kind]
