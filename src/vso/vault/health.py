"""Whether a server is there and unsealed: the call that needs no token. Source: behaviour.md section 1.1.

Vault API: https://openbao.org/api-docs/system/seal-status/.
"""

import msgspec

from vso.vault.errors import BadAnswer
from vso.vault.transport import Transport


class SealStatus(msgspec.Struct, frozen=True, kw_only=True):
    """What a server says about itself; `version` is Vault's or OpenBao's, the cluster is "" while sealed."""

    initialized: bool = False
    sealed: bool = True
    type: str = ""
    version: str = ""
    cluster_name: str = ""
    cluster_id: str = ""


async def seal_status(transport: Transport) -> SealStatus:
    """Ask the server for its state: ``GET sys/seal-status``. A sealed server answers too.

    Raises BadAnswer if something else answers, and what `Transport.request` raises.
    """
    path = "sys/seal-status"
    response = await transport.request("GET", path)
    try:
        if response.data is not None:
            return msgspec.json.decode(response.data.reveal(), type=_Answer).status()
    except (msgspec.DecodeError, RecursionError) as exc:
        raise BadAnswer("what answers at the address is no Vault server", path=path) from exc
    raise BadAnswer("the seal status was answered without a body", path=path)


class _Answer(msgspec.Struct):
    """The members without which it is no seal status are required here."""

    initialized: bool
    sealed: bool
    type: str | None = None
    version: str | None = None
    cluster_name: str | None = None
    cluster_id: str | None = None

    def status(self) -> SealStatus:
        return SealStatus(
            initialized=self.initialized,
            sealed=self.sealed,
            type=self.type or "",
            version=self.version or "",
            cluster_name=self.cluster_name or "",
            cluster_id=self.cluster_id or "",
        )
