"""Whose a Secret is, what it should look like, and which write brings it there. Pure (api.md section 8).

`Destination` is what the operator remembers of a Secret it watches: its metadata and the MAC of its data,
never the data. `plan` compares it with what is `Wanted`.
"""

from collections.abc import Mapping
from enum import Enum
from typing import Final

import msgspec

from vso.apis import core, names
from vso.apis.meta import Key, Object, ObjectMeta, OwnerReference
from vso.sync.certificate import Validity, validity_of
from vso.sync.errors import OwnershipError
from vso.sync.mac import Signer

DEFAULT_TYPE: Final = "Opaque"
_CERTIFIED: Final = "VaultPKISecret"
"""Kind of the owners whose Secrets hold a certificate."""


class Destination(Object, frozen=True, kw_only=True):
    """A Secret reduced to what decisions need; `mac` is that of its data.

    `validity` is that of the certificate in a Secret of a VaultPKISecret.
    """

    type: str = DEFAULT_TYPE
    mac: str = ""
    immutable: bool = False
    validity: Validity | None = None

    @property
    def owner_uid(self) -> str:
        """UID of the resource that claims the Secret by label; empty for a foreign Secret."""
        return self.metadata.labels.get(names.OWNER_UID_LABEL, "")


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """What the destination of one resource should be, apart from its data; `mac` stands for that."""

    key: Key
    create: bool
    overwrite: bool
    type: str
    labels: dict[str, str]
    annotations: dict[str, str]
    owner: OwnerReference
    mac: str


class Step(Enum):
    """The write that is due."""

    NOTHING = "nothing"
    CREATE = "create"
    DATA = "data"
    METADATA = "metadata"
    WHOLE = "whole"
    REPLACE = "replace"
    """Delete and create, because the type of a Secret cannot be changed."""

    @property
    def changes_data(self) -> bool:
        """Whether the step writes the Secret's data."""
        return self not in {Step.NOTHING, Step.METADATA}


def destination_of(secret: core.Secret, signer: Signer) -> Destination:
    """Reduce `secret` to what is remembered of it."""
    data = secret.data or {}
    certified = any(owner.kind == _CERTIFIED for owner in secret.metadata.owner_references)
    return Destination(
        metadata=secret.metadata,
        type=secret.type or DEFAULT_TYPE,
        mac=signer.mac(data),
        immutable=bool(secret.immutable),
        validity=validity_of(data) if certified else None,
    )


def owner_reference(owner: Object) -> OwnerReference:
    """The single entry of `ownerReferences`; the original compares for equality, so nothing may be added."""
    return OwnerReference(
        api_version=names.API_VERSION, kind=owner.kind, name=owner.metadata.name, uid=owner.metadata.uid
    )


def owner_labels(owner: Object) -> dict[str, str]:
    """The four labels of a Secret that belongs to `owner` (api.md section 8.2)."""
    return {**names.OWNER_LABELS, names.OWNER_UID_LABEL: owner.metadata.uid}


def has_owner_labels(labels: Mapping[str, str]) -> bool:
    """Whether `labels` mark a Secret as written by the operator, for whomever."""
    return all(labels.get(name) == value for name, value in names.OWNER_LABELS.items())


def plan(live: Destination | None, wanted: Wanted) -> Step:
    """The one write that turns `live` into `wanted`; NOTHING if they agree.

    Raises OwnershipError if `live` may not be touched, or is missing although `create` is false.
    """
    if live is None:
        if wanted.create:
            return Step.CREATE
        raise OwnershipError(
            f"destination secret {wanted.key} does not exist, and create=false: create the Secret, or set "
            "destination.create"
        )
    if wanted.create:
        check_ownership(live, wanted)
    same_data = live.mac == wanted.mac
    if live.immutable and not (same_data and _same_marks(live, wanted)):
        raise OwnershipError(
            f"the Secret {wanted.key} is immutable, so its data cannot follow Vault: delete it and let the "
            "operator create it anew, or name another destination"
        )
    if not wanted.create:
        return Step.NOTHING if same_data else Step.DATA
    if live.type != wanted.type:
        return Step.REPLACE
    if _same_marks(live, wanted):
        return Step.NOTHING if same_data else Step.DATA
    return Step.METADATA if same_data else Step.WHOLE


def check_ownership(live: Destination, wanted: Wanted) -> None:
    """Raise OwnershipError unless the resource owns `live` or may take it over (api.md section 8.4)."""
    refs = live.metadata.owner_references
    if wanted.owner.uid == live.owner_uid or refs == (wanted.owner,):
        return  # what was tampered with, be it labels or reference, is repaired
    ours = has_owner_labels(live.metadata.labels)
    if ours and len(refs) == 1 and _predecessor(refs[0], wanted.owner):
        return
    if wanted.overwrite and not (ours and refs):
        return  # nobody's, or left behind by a resource that was deleted with its Secret kept
    raise OwnershipError(f"not the owner of the destination Secret {wanted.key}: {_claim(live, ours=ours)}")


def is_orphan(live: Destination, *, owner: OwnerReference, destination: str) -> bool:
    """Whether `live` was written by `owner` under a name that is no longer its destination."""
    meta = live.metadata
    return (
        meta.name != destination
        and has_owner_labels(meta.labels)
        and live.owner_uid == owner.uid
        and meta.owner_references == (owner,)
    )


def _predecessor(former: OwnerReference, owner: OwnerReference) -> bool:
    """Whether `former` was a resource of the same name: it is gone for certain, since names are unique."""
    return (former.api_version, former.kind, former.name) == (owner.api_version, owner.kind, owner.name)


def _same_marks(live: Destination, wanted: Wanted) -> bool:
    if not wanted.create:
        return True
    meta = live.metadata
    return (
        meta.labels == wanted.labels
        and meta.annotations == wanted.annotations
        and meta.owner_references == (wanted.owner,)
    )


def _claim(live: Destination, *, ours: bool) -> str:
    if not ours:
        return (
            "it was not created by this operator; set destination.overwrite to take it over, or name "
            "another destination"
        )
    owners = ", ".join(f"{owner.kind} {owner.name}" for owner in live.metadata.owner_references)
    if not owners:
        return (
            "it was left by a resource that no longer exists; set destination.overwrite to take it over, or name "
            "another destination"
        )
    return f"it belongs to {owners}; name another destination"


def marks(wanted: Wanted) -> ObjectMeta:
    """Metadata of a Secret that is created for `wanted`."""
    return ObjectMeta(
        name=wanted.key.name,
        namespace=wanted.key.namespace,
        labels=wanted.labels,
        annotations=wanted.annotations,
        owner_references=(wanted.owner,),
    )
