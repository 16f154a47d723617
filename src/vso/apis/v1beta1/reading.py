"""What the kinds that read a secret from Vault have in common."""

from typing import Annotated

from vso.apis.field import Field
from vso.apis.v1beta1.destination import Destination, RolloutRestartTarget

VaultAuthRef = Annotated[
    str,
    Field(
        "VaultAuth to log in with, as name or namespace/name; unset, the one called default in the "
        "operator's namespace."
    ),
]
VaultNamespace = Annotated[str, Field("Vault namespace of the mount; unset, the one that the VaultAuth logs in to.")]
ToRestart = Annotated[
    tuple[RolloutRestartTarget, ...], Field("Workloads to restart when the data of the Secret changed.")
]
Target = Annotated[Destination, Field("The Secret to write.", required=True)]
