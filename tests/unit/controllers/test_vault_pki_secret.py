"""What the controller of VaultPKISecrets does when others interfere: on a cluster and a Vault in memory."""

import asyncio
from base64 import b64encode
from datetime import timedelta
from typing import Any

import pytest

from tests.unit.controllers.bench import PKIBench, fail_once
from vso.apis import core, names
from vso.controllers import vault_pki_secret

TARGETS = [{"kind": "Deployment", "name": "web"}]


@pytest.mark.parametrize(
    "edit",
    [
        {"metadata": {"annotations": {names.ROTATE: "1"}}},
        {"metadata": {"generation": 2}, "spec": {"commonName": "other.example.com"}},
    ],
    ids=str,
)
async def test_a_certificate_that_arrived_unseen_is_the_one_in_use(edit: Any) -> None:
    """The answer to the write of the Secret was lost, and its watch lags: no second one, and one restart."""
    async with PKIBench.opened(rolloutRestartTargets=TARGETS, revoke=True) as bench:
        bench.cluster.put("Deployment", "web", {"spec": {"template": {"metadata": {}}}})
        await bench.settled()
        bench.cluster.change("VaultPKISecret", "web", **edit)
        bench.tell()
        bench.cluster.afterwards = fail_once("patch Secret")
        await bench.reconcile()
        await bench.clock.advance(60)
        await bench.reconcile()
        assert (bench.cluster.read(core.SECRET).data or {})["serial_number"] == b"02"
        assert bench.web().status.serial_number == "02"
        assert (bench.vault.reads, bench.vault.revoked) == (2, ["01"])
        assert bench.cluster.asked.count("patch Deployment") == 1


@pytest.mark.parametrize(
    ("behind", "ttl", "offset", "most"),
    [
        (timedelta(days=31), timedelta(days=30), "", 1),
        (timedelta(), timedelta(seconds=60), "1h", 70),
        (timedelta(hours=2), timedelta(hours=1), "", 2),
    ],
    ids=["clock of the operator is ahead", "offset beyond the lifetime", "short lives"],
)
async def test_a_certificate_that_is_due_as_soon_as_it_is_made_is_used_for_a_while(
    behind: timedelta, ttl: timedelta, offset: str, most: int
) -> None:
    """Neither a wrong clock nor an impossible offset makes certificates, and restarts, at the speed of the server."""
    async with PKIBench.opened(expiryOffset=offset) as bench:
        bench.vault.behind, bench.vault.ttl = behind, ttl
        for _ in range(100):
            if bench.clock.monotonic() >= 600:
                break
            answer = await bench.reconcile()
            bench.tell()
            assert answer.delay is not None
            await bench.clock.advance(answer.delay)
        assert bench.clock.monotonic() >= 600
        assert bench.vault.reads <= most
        assert bench.condition("Ready") == "True Ready"


async def test_a_resource_that_is_made_anew_takes_nothing_over_from_the_one_before() -> None:
    """Its certificate is on no record, so nobody could revoke it: another is made."""
    async with PKIBench.opened() as bench:
        await bench.settled()
        bench.make_anew()
        await bench.reconcile()
        bench.tell()
        assert bench.web().status.serial_number == "02"
        assert bench.condition("Ready") == "True Ready"


async def test_many_certificates_that_cannot_be_revoked_hold_a_deletion_no_longer_than_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A Vault that hangs costs an attempt its patience once, and not for each certificate."""
    monkeypatch.setattr(vault_pki_secret, "_PATIENCE", 0.05)
    async with PKIBench.opened(revoke=True) as bench:
        await bench.settled()
        bench.vault.hangs = True
        serials = [f"1{number}" for number in range(20)]
        bench.cluster.change("VaultPKISecret", "web", status={"extensions": {"toRevoke": serials}})
        bench.cluster.change("VaultPKISecret", "web", metadata={"deletionTimestamp": "2026-01-01T00:00:00Z"})
        bench.tell()
        async with asyncio.timeout(0.5):
            await bench.reconcile()
        assert bench.vault.asked_to_revoke == 1
        assert bench.web().metadata.finalizers


@pytest.mark.parametrize("form", ["jks", "pkcs12"])
async def test_no_certificate_is_made_for_a_keystore_whose_password_is_no_text(form: str) -> None:
    """Random bytes make a good password and no keystore; found out later, each attempt would cost a certificate."""
    store = {"key": "store", "format": form, "passwordSecretRef": {"name": "password", "key": "password"}}
    async with PKIBench.opened(extensions={"keystores": [store]}) as bench:
        bench.cluster.put("Secret", "password", {"data": {"password": b64encode(b"\xff\xfe").decode()}})
        await bench.reconcile()
        bench.tell()
        assert bench.condition("Ready").startswith("False")
        assert bench.vault.reads == 0
        bench.cluster.change("Secret", "password", data={"password": b64encode(b"changeit").decode()})
        await bench.clock.advance(60)
        await bench.reconcile()
        assert (bench.cluster.read(core.SECRET).data or {})["store"]
