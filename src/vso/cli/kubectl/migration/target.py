"""From a path of Vault's API to the resource of ours that reads it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final, assert_never

from vso.apis.meta import Object
from vso.apis.v1beta1 import (
    Destination,
    KvType,
    VaultDynamicSecret,
    VaultDynamicSecretSpec,
    VaultPKISecret,
    VaultPKISecretSpec,
    VaultStaticSecret,
    VaultStaticSecretSpec,
)
from vso.cli.kubectl.migration.draft import Draft

_KV2: Final = re.compile(r"(.+?)/data/(.+)")
_LEASED: Final = re.compile(r"(.+?)/((?:creds|sts)/.+)")
_STATIC: Final = re.compile(r"(.+?)/(static-creds?/.+)")
_ISSUE: Final = re.compile(r"(.+?)/issue/([^/]+)")

_TEXTS: Final[Mapping[str, str]] = {
    "common_name": "common_name",
    "ttl": "ttl",
    "format": "format",
    "private_key_format": "private_key_format",
    "not_after": "not_after",
}
_LISTS: Final[Mapping[str, str]] = {
    "alt_names": "alt_names",
    "ip_sans": "ip_sans",
    "uri_sans": "uri_sans",
    "other_sans": "other_sans",
    "user_ids": "user_ids",
}


class Engine(Enum):
    """What is behind a path."""

    KV_1 = KvType.V1
    KV_2 = KvType.V2
    LEASED = "leased"
    STATIC = "static"
    PKI = "pki"


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A path, taken apart. `certain` is False where the engine is a guess."""

    engine: Engine
    mount: str
    path: str
    certain: bool = True

    @property
    def key_value(self) -> bool:
        """Whether it is a key-value secret."""
        return self.engine in {Engine.KV_1, Engine.KV_2}


def target_of(path: str) -> Target:
    """What `path`, as in a request to Vault, leads to; raises ValueError if it has no mount."""
    text = path.strip("/").removeprefix("v1/")
    for pattern, engine in (
        (_KV2, Engine.KV_2),
        (_STATIC, Engine.STATIC),
        (_LEASED, Engine.LEASED),
        (_ISSUE, Engine.PKI),
    ):
        if found := pattern.fullmatch(text):
            return Target(engine=engine, mount=found[1], path=found[2])
    mount, slash, rest = text.partition("/")
    if not slash or not rest:
        raise ValueError(f"{path!r} is no mount and path")
    return Target(engine=Engine.KV_1, mount=mount, path=rest, certain=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What the resource shall be, apart from its path. `parameters` are those of the request to Vault."""

    auth_ref: str
    destination: Destination
    namespace: str = ""
    refresh_after: str = ""
    version: int = 0
    parameters: Mapping[str, Any] | None = None


def resource_for(target: Target, order: Order, draft: Draft, member: str) -> Object:
    """The resource that reads `target`; what is assumed is noted at `member`."""
    if not target.certain:
        draft.check(
            member,
            f"{target.mount}/{target.path} is taken for a secret of a KV version 1 engine mounted at {target.mount}",
        )
    common: dict[str, Any] = {
        "vault_auth_ref": order.auth_ref,
        "namespace": order.namespace,
        "mount": target.mount,
        "destination": order.destination,
    }
    match target.engine:
        case Engine.KV_1 | Engine.KV_2:
            if order.parameters:
                draft.lost(member, "a key-value secret is read without parameters")
            return VaultStaticSecret(
                spec=VaultStaticSecretSpec(
                    **common,
                    path=target.path,
                    type=target.engine.value,
                    version=order.version,
                    refresh_after=order.refresh_after,
                )
            )
        case Engine.LEASED | Engine.STATIC:
            parameters = {key: str(value) for key, value in (order.parameters or {}).items()}
            return VaultDynamicSecret(
                spec=VaultDynamicSecretSpec(
                    **common,
                    path=target.path,
                    params=parameters,
                    allow_static_creds=target.engine is Engine.STATIC,
                )
            )
        case Engine.PKI:
            request = _request(order.parameters or {}, draft, member)
            return VaultPKISecret(spec=VaultPKISecretSpec(**common, role=target.path, **request))
        case _:
            assert_never(target.engine)


def _request(parameters: Mapping[str, Any], draft: Draft, member: str) -> dict[str, Any]:
    """Members of a VaultPKISecret for the parameters of a request for a certificate."""
    found: dict[str, Any] = {}
    for name, value in parameters.items():
        if name in _TEXTS:
            found[_TEXTS[name]] = str(value)
        elif name in _LISTS:
            values = value if isinstance(value, list) else str(value).split(",")
            found[_LISTS[name]] = tuple(str(one).strip() for one in values if str(one).strip())
        elif name == "exclude_cn_from_sans":
            found[name] = str(value).lower() == "true"
        else:
            draft.lost(member, f"a VaultPKISecret has no counterpart of the parameter {name}")
    if not found.get("common_name"):
        draft.check(member, "the certificate has no common name: set commonName, unless the role needs none")
    return found
