"""A login as it is stored to outlive the process: names, labels, content and MAC. Pure.

All of it is the original's (behaviour.md section 4.2, api.md section 8.7), so that either operator reads what the
other stored.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, TypeAlias

import msgspec

from vso.base import Sensitive
from vso.sync.mac import Signer
from vso.sync.resolve import ClientSpec
from vso.vault import Auth, BadAnswer, Ciphertext, decode_response

LABELS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "app.kubernetes.io/name": "vault-secrets-operator",
        "app.kubernetes.io/managed-by": "vso",
        "app.kubernetes.io/component": "client-cache-storage",
    }
)
"""Mark all entries."""
SELECTOR: Final = ",".join(f"{name}={value}" for name, value in LABELS.items())
TRANSIT_LABEL: Final = "vaultTransitRef"
_PREFIX: Final = "vso-cc-"
_ORIGINS: Final = ("auth", "connection")
Version: TypeAlias = tuple[str, str]
"""UID and generation of an object."""


class EntryInvalid(ValueError):
    """A stored login that must not be used: it was changed, or is not what it says."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One stored login: `content` is Vault's answer or its encrypted form, `mac` covers name, key and content."""

    key: str
    labels: Mapping[str, str]
    content: Sensitive[bytes]
    mac: bytes

    @property
    def name(self) -> str:
        """Name of the Secret."""
        return name_of(self.key)


def name_of(key: str) -> str:
    """Name of the Secret that has the login with the cache key `key`."""
    return _PREFIX + key


def origin_of(labels: Mapping[str, str]) -> frozenset[Version]:
    """The objects that the labels of an entry say it was made from: its VaultAuth and its VaultConnection."""
    return frozenset((labels.get(f"{one}/UID", ""), labels.get(f"{one}/generation", "")) for one in _ORIGINS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """A login to be stored under its cache key `key`; `provider_uid` names what vouched for it."""

    key: str
    spec: ClientSpec
    provider_uid: str
    auth: Auth

    @property
    def origin(self) -> frozenset[Version]:
        """The objects that it was made from, as `origin_of` has them of its entry."""
        made_from = (self.spec.auth.metadata, self.spec.connection.metadata)
        return frozenset((one.uid, str(one.generation)) for one in made_from)


def seal(login: Login, content: Sensitive[bytes], *, signer: Signer, transit: str) -> Entry:
    """The entry of `login`; `transit` names the VaultAuth whose key encrypted `content`, "" for plain content."""
    key, auth, connection = login.key, login.spec.auth.metadata, login.spec.connection.metadata
    labels = {
        **LABELS,
        "cacheKey": key,
        "auth/namespace": auth.namespace,
        "auth/UID": auth.uid,
        "auth/generation": str(auth.generation),
        "connection/namespace": connection.namespace,
        "connection/UID": connection.uid,
        "connection/generation": str(connection.generation),
        "provider/UID": login.provider_uid,
        "provider/namespace": login.spec.holder,
    }
    if transit:
        labels |= {"encrypted": "true", TRANSIT_LABEL: transit}
    mac = signer.sign(name_of(key).encode(), key.encode(), content.reveal())
    return Entry(key=key, labels=labels, content=content, mac=mac)


def check(entry: Entry, *, signer: Signer, transit: str) -> None:
    """Raise EntryInvalid unless the entry is what was stored under its name, encrypted as is called for.

    `transit` is the name of the VaultAuth for encryption, "" if entries are plain: one that is plain where all must
    be encrypted was put there by somebody else, or before encryption was switched on.
    """
    signed = signer.sign(entry.name.encode(), entry.key.encode(), entry.content.reveal())
    if not same(signed, entry.mac):
        raise EntryInvalid("its MAC does not fit")
    found = entry.labels.get(TRANSIT_LABEL, "")
    if found != transit:
        raise EntryInvalid(f"invalid {TRANSIT_LABEL}, need {transit or 'none'}, have {found or 'none'}")


def same(one: bytes, other: bytes) -> bool:
    """Whether two MACs are equal, in a time that tells nothing."""
    return Sensitive(one) == Sensitive(other)


def to_json(auth: Auth) -> Sensitive[bytes]:
    """Vault's answer to the login that gave `auth`."""
    body = {
        "request_id": "",
        "lease_id": "",
        "lease_duration": 0,
        "renewable": False,
        "data": None,
        "warnings": None,
        "auth": {
            "client_token": auth.client_token.reveal(),
            "accessor": auth.accessor,
            "policies": auth.policies,
            "token_policies": auth.policies,
            "identity_policies": None,
            "metadata": None,
            "orphan": True,
            "entity_id": "",
            "lease_duration": auth.lease_duration,
            "renewable": auth.renewable,
        },
        "wrap_info": None,
    }
    return Sensitive(msgspec.json.encode(body))


def from_json(content: Sensitive[bytes]) -> Auth:
    """The login in Vault's answer `content`. Raises EntryInvalid."""
    try:
        auth = decode_response(content.reveal()).auth
    except BadAnswer as exc:
        raise EntryInvalid("its content is no answer of Vault") from exc
    if auth is None or not auth.client_token.reveal():
        raise EntryInvalid("its content has no token")
    return auth


def ciphertext_of(content: Sensitive[bytes]) -> str:
    """The ciphertext in encrypted content. Raises EntryInvalid."""
    try:
        return msgspec.json.decode(content.reveal(), type=Ciphertext).ciphertext
    except msgspec.DecodeError as exc:
        raise EntryInvalid("its content is no ciphertext") from exc
