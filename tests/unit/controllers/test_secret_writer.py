"""How a Secret of another type is tried before the one there is deleted."""

import re
from typing import TypeVar

import pytest

from vso.apis.meta import Key, Kind, Object, ObjectMeta, OwnerReference
from vso.base import Sensitive
from vso.controllers import new_world
from vso.controllers.secret_writer import SecretWriter
from vso.kube import Client, ClientConfig, Invalid
from vso.sync import Destination, OwnershipError, Signer, Wanted

T = TypeVar("T", bound=Object)
OWNER = OwnerReference(api_version="secrets.hashicorp.com/v1beta1", kind="VaultStaticSecret", name="web", uid="1")


class Refusing(Client):
    """Takes note of the names that it is asked to make up, and refuses."""

    def __init__(self) -> None:
        super().__init__(ClientConfig(server="http://127.0.0.1:1"), user_agent="test")
        self.prefixes: list[str] = []

    async def create(self, kind: Kind[T], obj: T, *, dry_run: bool = False) -> T:
        assert dry_run
        self.prefixes.append(obj.metadata.generate_name)
        raise Invalid(status=422, reason="Invalid", message="refused")


@pytest.mark.parametrize("name", ["web", f"{'a' * 49}.example.com", "a." * 120 + "b"])
async def test_the_trial_has_a_name_that_kubernetes_takes(name: str) -> None:
    """However long the Secret's own is, and wherever it has its dots: a refused name would pass for refused data."""
    cluster = Refusing()
    key = Key("app", name)
    live = Destination(metadata=ObjectMeta(name=name, namespace="app", owner_references=(OWNER,)), type="Opaque")
    world = new_world("vso")
    world.destinations.observe(live)
    wanted = Wanted(
        key=key, create=True, overwrite=False, type="kubernetes.io/tls", labels={}, annotations={}, owner=OWNER, mac=""
    )
    with pytest.raises(OwnershipError, match="refuses this data"):
        await SecretWriter(cluster, world, Signer(bytes(16))).ensure(wanted, Sensitive({}))
    (prefix,) = cluster.prefixes
    label = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
    assert re.fullmatch(rf"{label}(\.{label})*", f"{prefix}x7k2p")
