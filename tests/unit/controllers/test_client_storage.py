"""The encryption of stored logins, as far as it needs neither a cluster nor a Vault."""

import pytest

from vso.apis.merge import GlobalOptions
from vso.apis.meta import ObjectMeta
from vso.apis.v1beta1 import (
    KubernetesAuth,
    StorageEncryption,
    VaultAuth,
    VaultAuthSpec,
    VaultConnection,
    VaultConnectionSpec,
)
from vso.base import Sensitive
from vso.controllers import TransitCipher, new_world
from vso.kube import ConnectionFailed
from vso.sync import Client, ClientSpec, Policy, StorageFailed


async def test_r14_an_api_server_that_does_not_answer_the_encryption_s_login_is_told_as_a_store_that_fails() -> None:
    """What looks after stored logins expects that and tries again; any other error would end the operator (R14 d)."""
    world = new_world("op")
    world.connections.observe(
        VaultConnection(metadata=_named("vault"), spec=VaultConnectionSpec(address="http://127.0.0.1:1"))
    )
    world.auths.observe(
        VaultAuth(
            metadata=_named("encryption", {"cacheStorageEncryption": "true"}),
            spec=VaultAuthSpec(
                vault_connection_ref="vault",
                method="kubernetes",
                mount="kubernetes",
                kubernetes=KubernetesAuth(role="r", service_account="default"),
                storage_encryption=StorageEncryption(mount="transit", key_name="logins"),
            ),
        )
    )

    async def log_in(_: ClientSpec) -> Client:
        raise ConnectionFailed("the API server does not answer")

    options = GlobalOptions(operator_namespace="op")
    cipher = TransitCipher(world, options=options, policy=Policy(), log_in=log_in)
    with pytest.raises(StorageFailed, match="encrypted: the API server does not answer"):
        await cipher.encrypt(Sensitive(b"login"))
    with pytest.raises(StorageFailed, match="decrypted: the API server does not answer"):
        await cipher.decrypt("vault:v1:abcd")


def _named(name: str, labels: dict[str, str] | None = None) -> ObjectMeta:
    return ObjectMeta(name=name, namespace="op", uid=name, generation=1, resource_version="1", labels=labels or {})
