"""Names that stand on objects in users' clusters: group, labels, annotations, finalizers.

Those of the original are fixed by compatibility (behaviour.md section 15); this project's own sit below
`PREFIX` and `EXTENSIONS_GROUP`.
"""

from typing import Final

GROUP: Final = "secrets.hashicorp.com"
VERSION: Final = "v1beta1"
API_VERSION: Final = f"{GROUP}/{VERSION}"

PREFIX: Final = "vault-secrets-operator.github.io"
"""Prefix P of this project's own labels and annotations."""
EXTENSIONS_GROUP: Final = "extensions.vault-secrets-operator.github.io"
"""API group G of kinds that the original does not have."""

OWNER_LABELS: Final = {
    "app.kubernetes.io/managed-by": "hashicorp-vso",
    "app.kubernetes.io/name": "vault-secrets-operator",
    "app.kubernetes.io/component": "secret-sync",
}
"""Mark a Secret as written by the operator (api.md section 8.2)."""
OWNER_UID_LABEL: Final = f"{GROUP}/vso-ownerRefUID"

RESTARTED_AT: Final = "vso.secrets.hashicorp.com/restartedAt"
"""Annotation on a pod template, RFC 3339 with whole seconds (api.md section 8.6)."""
RESTART_RECORD: Final = f"restart.{PREFIX}"
"""Prefix of the annotation that tells for which payload of which resource a workload was restarted."""

LEADER_LEASE: Final = "b0d477c0.hashicorp.com"
HMAC_KEY_SECRET: Final = "vso-cc-storage-hmac-key"  # noqa: S105 - a name
HMAC_KEY_LABELS: Final = {
    "app.kubernetes.io/name": "vault-secrets-operator",
    "app.kubernetes.io/managed-by": "hashicorp-vso",
    "app.kubernetes.io/component": "client-cache-storage-verification",
}

CLASS: Final = f"{PREFIX}/class"
"""Label of a resource; names the installation that handles it (D33)."""
REFRESH: Final = f"{PREFIX}/refresh"
"""Annotation; each new value reads once more (D16)."""
ROTATE: Final = f"{PREFIX}/rotate"
"""Annotation; each new value fetches new credentials or a new certificate once (D16)."""
RESYNC: Final = "vso.hashicorp.com/resync"
"""Annotation that users of the original change for the same purpose (api.md section 8.5)."""
