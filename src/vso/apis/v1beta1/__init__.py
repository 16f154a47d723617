"""The kinds of the group ``secrets.hashicorp.com``, one module per kind, and the blocks that they share.

Unset strings, numbers, lists and maps read as empty, so a reader tests for emptiness and not for None. Where
an absent block means something else than an empty one, its type says ``| None``.
"""

from vso.apis.v1beta1.auth_method import (
    AppRoleAuth,
    AuthMethod,
    AwsAuth,
    GcpAuth,
    JwtAuth,
    KubernetesAuth,
    MethodBlock,
    SharedAppRoleAuth,
    SharedAwsAuth,
    SharedBlock,
    SharedGcpAuth,
    SharedJwtAuth,
    SharedKubernetesAuth,
)
from vso.apis.v1beta1.csi_secrets import CSISecrets, CSISecretsSpec
from vso.apis.v1beta1.destination import Destination, RolloutRestartTarget
from vso.apis.v1beta1.hcp_auth import HCPAuth, HCPAuthServicePrincipal, HCPAuthSpec, HCPAuthStatus
from vso.apis.v1beta1.hcp_vault_secrets_app import (
    HCPVaultSecretsApp,
    HCPVaultSecretsAppSpec,
    HCPVaultSecretsAppStatus,
    HVSDynamicStatus,
)
from vso.apis.v1beta1.secret_transformation import (
    SecretTransformation,
    SecretTransformationSpec,
    SecretTransformationStatus,
)
from vso.apis.v1beta1.status import (
    SecretExtensions,
    VaultClientMeta,
    VaultSecretLease,
    VaultStaticCredsMetaData,
)
from vso.apis.v1beta1.transformation import (
    SourceTemplate,
    Template,
    TemplateRef,
    Transformation,
    TransformationRef,
)
from vso.apis.v1beta1.vault_auth import (
    MergeMode,
    MergeStrategy,
    StorageEncryption,
    VaultAuth,
    VaultAuthGlobalRef,
    VaultAuthSpec,
    VaultAuthStatus,
)
from vso.apis.v1beta1.vault_auth_global import VaultAuthGlobal, VaultAuthGlobalSpec, VaultAuthGlobalStatus
from vso.apis.v1beta1.vault_connection import VaultConnection, VaultConnectionSpec, VaultConnectionStatus
from vso.apis.v1beta1.vault_dynamic_secret import (
    DynamicExtensions,
    DynamicSettings,
    LeaseToRevoke,
    PendingLease,
    RawResponse,
    VaultDynamicSecret,
    VaultDynamicSecretSpec,
    VaultDynamicSecretStatus,
)
from vso.apis.v1beta1.vault_pki_secret import (
    Keystore,
    PendingCertificate,
    PKIExtensions,
    PKISettings,
    SecretKeyRef,
    VaultPKISecret,
    VaultPKISecretSpec,
    VaultPKISecretStatus,
)
from vso.apis.v1beta1.vault_static_secret import (
    KvType,
    SyncConfig,
    VaultStaticSecret,
    VaultStaticSecretSpec,
    VaultStaticSecretStatus,
)

__all__ = [
    "AppRoleAuth",
    "AuthMethod",
    "AwsAuth",
    "CSISecrets",
    "CSISecretsSpec",
    "Destination",
    "DynamicExtensions",
    "DynamicSettings",
    "GcpAuth",
    "HCPAuth",
    "HCPAuthServicePrincipal",
    "HCPAuthSpec",
    "HCPAuthStatus",
    "HCPVaultSecretsApp",
    "HCPVaultSecretsAppSpec",
    "HCPVaultSecretsAppStatus",
    "HVSDynamicStatus",
    "JwtAuth",
    "Keystore",
    "KubernetesAuth",
    "KvType",
    "LeaseToRevoke",
    "MergeMode",
    "MergeStrategy",
    "MethodBlock",
    "PKIExtensions",
    "PKISettings",
    "PendingCertificate",
    "PendingLease",
    "RawResponse",
    "RolloutRestartTarget",
    "SecretExtensions",
    "SecretKeyRef",
    "SecretTransformation",
    "SecretTransformationSpec",
    "SecretTransformationStatus",
    "SharedAppRoleAuth",
    "SharedAwsAuth",
    "SharedBlock",
    "SharedGcpAuth",
    "SharedJwtAuth",
    "SharedKubernetesAuth",
    "SourceTemplate",
    "StorageEncryption",
    "SyncConfig",
    "Template",
    "TemplateRef",
    "Transformation",
    "TransformationRef",
    "VaultAuth",
    "VaultAuthGlobal",
    "VaultAuthGlobalRef",
    "VaultAuthGlobalSpec",
    "VaultAuthGlobalStatus",
    "VaultAuthSpec",
    "VaultAuthStatus",
    "VaultClientMeta",
    "VaultConnection",
    "VaultConnectionSpec",
    "VaultConnectionStatus",
    "VaultDynamicSecret",
    "VaultDynamicSecretSpec",
    "VaultDynamicSecretStatus",
    "VaultPKISecret",
    "VaultPKISecretSpec",
    "VaultPKISecretStatus",
    "VaultSecretLease",
    "VaultStaticCredsMetaData",
    "VaultStaticSecret",
    "VaultStaticSecretSpec",
    "VaultStaticSecretStatus",
]
