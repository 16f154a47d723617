"""The key of all MACs, kept in a Secret of its own (behaviour.md section 4.1).

Name, labels and length are the original's, so that either operator goes on with the other's key.
"""

from collections.abc import Callable
from typing import Final

from vso.apis import core, names
from vso.apis.meta import Key, ObjectMeta
from vso.kube import AlreadyExists, Client, NotFound
from vso.sync import Signer

_FIELD: Final = "key"


async def ensure_hmac_key(client: Client, namespace: str, *, make_key: Callable[[], bytes]) -> Signer:
    """Read the key, creating its Secret if there is none; `make_key` returns 16 random bytes.

    Raises ValueError if the Secret holds no usable key, and the cluster's errors.
    """
    key = Key(namespace, names.HMAC_KEY_SECRET)
    try:
        secret = await client.get(core.SECRET, key)
    except NotFound:
        secret = await _create(client, key, make_key())
    return _signer(secret)


async def find_hmac_key(client: Client, namespace: str) -> Signer | None:
    """Read the key; None if there is none. Raises as `ensure_hmac_key` does."""
    try:
        return _signer(await client.get(core.SECRET, Key(namespace, names.HMAC_KEY_SECRET)))
    except NotFound:
        return None


def _signer(secret: core.Secret) -> Signer:
    try:
        return Signer((secret.data or {}).get(_FIELD, b""))
    except ValueError as exc:
        raise ValueError(
            f"Secret {secret.key}: {exc}; delete the Secret to have a new key made, which costs one comparison of "
            "every synced Secret with Vault"
        ) from exc


async def _create(client: Client, key: Key, value: bytes) -> core.Secret:
    secret = core.Secret(
        metadata=ObjectMeta(name=key.name, namespace=key.namespace, labels=names.HMAC_KEY_LABELS),
        data={_FIELD: value},
        immutable=True,
    )
    try:
        return await client.create(core.SECRET, secret)
    except AlreadyExists:
        return await client.get(core.SECRET, key)  # another replica was faster
