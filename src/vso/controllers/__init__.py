"""One module per kind, each with its `reconcile`: the only place where Vault meets Kubernetes.

`vault_connection`, `vault_auth`, `secret_transformation`, `vault_static_secret`, `vault_dynamic_secret`,
`vault_pki_secret` and `hcp` are the kinds; the other modules serve them all.
Controllers do not import each other.
"""

from vso.controllers.attempt import Attempt, AttemptResult, SyncObserver
from vso.controllers.client_storage import SecretStorage, TransitCipher
from vso.controllers.cluster import KubernetesCluster
from vso.controllers.dynamic_status import known_leases
from vso.controllers.hcp import HCPReconciler
from vso.controllers.hmac_key import ensure_hmac_key, find_hmac_key
from vso.controllers.jurisdiction import Jurisdiction
from vso.controllers.outcome import EXPECTED
from vso.controllers.outlook import Effect, Outlook, outlook_of
from vso.controllers.permission import PERMISSIONS, SHARED, Permission
from vso.controllers.secret_transformation import SecretTransformationReconciler
from vso.controllers.tools import ControllerSettings, Tools
from vso.controllers.transformation import render_options, template_input, templates_of
from vso.controllers.vault_auth import VaultAuthReconciler
from vso.controllers.vault_connection import VaultConnectionReconciler
from vso.controllers.vault_dynamic_secret import VaultDynamicSecretReconciler
from vso.controllers.vault_pki_secret import VaultPKISecretReconciler
from vso.controllers.vault_static_secret import VaultStaticSecretReconciler
from vso.controllers.world import BY_AUTH, BY_DESTINATION, BY_TRANSFORMATION, Claimant, World, new_world

__all__ = [
    "BY_AUTH",
    "BY_DESTINATION",
    "BY_TRANSFORMATION",
    "EXPECTED",
    "PERMISSIONS",
    "SHARED",
    "Attempt",
    "AttemptResult",
    "Claimant",
    "ControllerSettings",
    "Effect",
    "HCPReconciler",
    "Jurisdiction",
    "KubernetesCluster",
    "Outlook",
    "Permission",
    "SecretStorage",
    "SecretTransformationReconciler",
    "SyncObserver",
    "Tools",
    "TransitCipher",
    "VaultAuthReconciler",
    "VaultConnectionReconciler",
    "VaultDynamicSecretReconciler",
    "VaultPKISecretReconciler",
    "VaultStaticSecretReconciler",
    "World",
    "ensure_hmac_key",
    "find_hmac_key",
    "known_leases",
    "new_world",
    "outlook_of",
    "render_options",
    "template_input",
    "templates_of",
]
