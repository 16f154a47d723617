"""R24 to R26 under faults: certificates while the operator is killed and Vault answers with nonsense."""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, Final

import msgspec
import pytest
from cryptography import x509

from testenv import Cluster
from testenv.waiting import attempts, seconds
from tests.faults.gateway import Gateway, Reply, Rule, Where
from tests.faults.lab import FLAGS, STEP
from tests.support import operator as harness
from tests.support.tenant import Json, Tenant
from vso.base import SystemClock

ALONE: Final = ("--leader-elect=false", *FLAGS)
KIND: Final = "VaultPKISecret"
ROTATE: Final = {"metadata": {"annotations": {"vault-secrets-operator.github.io/rotate": "1"}}}
Edit = Callable[[Json], bytes]


@pytest.fixture
def pki(team: Tenant) -> Iterator[str]:
    """A PKI engine with a role ``web``; the mount. Nothing is connected yet."""
    mount = f"pki-{team.namespace}"
    team.bao.admin.enable_pki(mount, "Test CA")
    team.bao.admin.pki_role(mount, "web")
    team.bao.admin.policy(team.namespace, f'path "{mount}/*" {{ capabilities = ["read", "update"] }}')
    yield mount
    team.bao.admin.delete(f"sys/mounts/{mount}")


def certificate(team: Tenant, name: str) -> x509.Certificate:
    """The certificate in Secret `name`."""
    data = team.data(name)
    assert data is not None
    return x509.load_pem_x509_certificate(data["certificate"])


def in_secret(team: Tenant, name: str) -> str:
    """The serial number of the certificate in the Secret, as Vault writes it; empty if there is none."""
    return ((team.data(name) or {}).get("serial_number") or b"").decode()


def valid(team: Tenant, mount: str) -> set[str]:
    """The certificates that were issued and not revoked, the CA's own apart."""
    found = set()
    for number in team.bao.admin.list(f"{mount}/certs"):
        data: Any = team.bao.admin.read(f"{mount}/cert/{number}")["data"]
        one = x509.load_pem_x509_certificate(data["certificate"].encode())
        if not data["revocation_time"] and one.subject != one.issuer:
            found.add(number)
    return found


def issued(gate: Gateway) -> int:
    """How many certificates were asked for."""
    return len(gate.seen("PUT", "/issue/web"))


STEPS: Final = {
    "ask": ("PUT", "/issue/web", '"{name}.example.com"'),
    "note": ("PATCH", "/vaultpkisecrets/{name}/status", '"pending":{'),
    "put": ("PATCH", "/secrets/{name}", ""),
    "roll": ("PATCH", "/deployments/{name}", ""),
    "tell": ("PATCH", "/vaultpkisecrets/{name}/status", '"pending":null'),
}


def test_killed_at_each_step_of_a_replacement_every_certificate_on_record_is_kept_or_revoked(
    team: Tenant, pki: str, arena: Cluster, tmp_path: Path
) -> None:
    """Of a kill between Vault's answer and the record one certificate may stay that nobody knows of, no other."""
    names = [f"{word}-{where.name.lower()}" for where in Where for word in STEPS]
    with (
        Gateway(arena.server, authority=arena.authority) as kube,
        Gateway(team.bao.address) as vault,
        harness.running(arena, tmp_path, *ALONE, server=kube.url) as operator,
    ):
        team.connect(address=vault.url)
        for name in names:
            team.deployment(name)
            targets = [{"kind": "Deployment", "name": name}]
            team.certify(name, mount=pki, role="web", revoke=True, rolloutRestartTargets=targets)
        for name in names:
            team.wait_synced(name, kind=KIND)
        before = {name: in_secret(team, name) for name in names}
        rules = []
        for name in names:
            word, _, where = name.partition("-")
            method, target, body = (one.replace("{name}", name) for one in STEPS[word])
            gate = vault if word == "ask" else kube
            rules.append(gate.add(Rule(method, target, body, hold=Where[where.upper()])))
        for name in names:
            team.patch(KIND, name, ROTATE)
        for rule in rules:
            rule.wait()
        operator.kill()
        kube.heal()
        vault.heal()
        operator.start()
        for name in names:
            team.wait_synced(name, kind=KIND)
            team.wait(partial(consistent, team, name, before[name]), f"{name} to hold the new certificate")
        wanted = {in_secret(team, name) for name in names}
        team.wait(lambda: len(valid(team, pki) - wanted) <= 2, "the others to be revoked")
        assert wanted <= valid(team, pki)
        for name in names:
            workload = team.get("Deployment", name)
            assert workload is not None
            assert workload["metadata"]["generation"] == 2, name


def consistent(team: Tenant, name: str, before: str) -> bool:
    """Whether status and Secret agree on a certificate that is not the one before, with nothing left to do."""
    status = team.status(KIND, name)
    left = {"pending", "toRevoke"} & {key for key, value in status.get("extensions", {}).items() if value}
    return not left and before != in_secret(team, name) == status["serialNumber"]


def without(*members: str) -> Edit:
    """The answer without some of its fields."""

    def edit(answer: Json) -> bytes:
        answer["data"] = {name: value for name, value in answer["data"].items() if name not in members}
        return msgspec.json.encode(answer)

    return edit


def unreadable(answer: Json) -> bytes:
    """The answer with a certificate that is none."""
    answer["data"]["certificate"] = "-----BEGIN CERTIFICATE-----\nnone\n-----END CERTIFICATE-----"
    return msgspec.json.encode(answer)


NONSENSE: Final[tuple[Edit, ...]] = (
    lambda _: b"",
    lambda answer: msgspec.json.encode({**answer, "data": None}),
    without("serial_number"),
    without("certificate"),
    without("private_key"),
    unreadable,
    lambda _: b"<html>not found</html>",
)


def test_r24_answers_that_are_no_certificate_leave_the_old_one_in_place(
    team: Tenant, pki: str, arena: Cluster, tmp_path: Path
) -> None:
    """Each of them: status says so, others go on, and afterwards exactly one certificate is issued and stored."""
    with Gateway(team.bao.address) as gate, harness.running(arena, tmp_path, *ALONE):
        team.connect(address=gate.url)
        names = [f"web{number}" for number in range(len(NONSENSE))]
        for name in names:
            team.certify(name, mount=pki, role="web")
        for name in names:
            team.wait_synced(name, kind=KIND)
        before = {name: team.data(name) for name in names}
        for name, edit in zip(names, NONSENSE, strict=True):
            gate.add(Rule("PUT", "/issue/web", f'"{name}.example.com"', change=partial(replaced, edit=edit)))
            team.patch(KIND, name, ROTATE)
        for name in names:
            team.wait_failed(name, "", kind=KIND)
            assert team.status(KIND, name)["error"] == "K8sClientError"
            assert team.data(name) == before[name]
        team.certify("healthy", mount=pki, role="web")
        team.wait_synced("healthy", kind=KIND, timeout=5)
        gate.heal()
        mark = len(gate.requests)
        for name in names:
            team.wait_synced(name, kind=KIND, timeout=STEP + 5)
            assert team.data(name) != before[name]
            assert in_secret(team, name) == team.status(KIND, name)["serialNumber"]
        assert sum("/issue/web" in one.target for one in gate.requests[mark:]) == len(names)


def replaced(reply: Reply, edit: Edit) -> Reply:
    """The answer after an edit."""
    return Reply(reply.status, edit(msgspec.json.decode(reply.body)))


def test_r25_a_certificate_never_ends_in_the_secret_whoever_leads(
    team: Tenant, pki: str, arena: Cluster, tmp_path: Path
) -> None:
    """Several lives with three kills, an outage over a whole window, and a change of the ttl in mid-life."""
    ttl, offset = 14, 8
    outage = Rule("PUT", "/issue/", answer=Reply(503, b'{"errors":["away"]}'))
    with Gateway(team.bao.address) as gate, harness.running(arena, tmp_path, *ALONE) as operator:
        team.connect(address=gate.url, timeout="3s")
        team.certify("web", mount=pki, role="web", ttl=f"{ttl}s", expiryOffset=f"{offset}s")
        team.wait_synced("web", kind=KIND)
        begun, kills, away = seconds(), [4.0, 9.0, 13.0], False
        while seconds() - begun < 24:
            assert not ended(team, "web")
            if kills and seconds() - begun > kills[0]:
                kills.pop(0)
                operator.kill()
                operator.start()
            if not away and seconds() - begun > 17:
                away = True
                gate.add(outage)
        asked = issued(gate) - len(outage.caught)
        most = 24 / (ttl - offset) + 1
        assert 24 / (ttl - 0.9 * offset) - 2 <= asked <= most, asked
        gate.heal()
        team.wait(lambda: not ended(team, "web"), "another after the outage", timeout=STEP + 2)
        team.wait_synced("web", kind=KIND)
        team.patch(KIND, "web", {"spec": {"ttl": "12s", "expiryOffset": "4s"}})
        team.wait_synced("web", kind=KIND)
        for _ in attempts(10):
            assert not ended(team, "web")


def ended(team: Tenant, name: str) -> bool:
    """Whether the certificate in the Secret has ended, by the clock that issued it."""
    return certificate(team, name).not_valid_after_utc <= SystemClock().now()


def test_r26_a_refused_change_is_not_forgotten_by_the_next_operator(
    team: Tenant, pki: str, arena: Cluster, tmp_path: Path
) -> None:
    """A name that the role forbids; the operator is killed meanwhile; then the role allows it."""
    strict: dict[str, Any] = {
        "allow_any_name": False,
        "allow_bare_domains": True,
        "allowed_domains": ["ok.example.com"],
    }
    team.bao.admin.pki_role(pki, "strict", **strict)
    with harness.running(arena, tmp_path, *ALONE) as operator:
        team.connect()
        team.certify("web", mount=pki, role="strict", commonName="ok.example.com")
        team.wait_synced("web", kind=KIND)
        data = team.data("web")
        team.patch(KIND, "web", {"spec": {"commonName": "new.example.com"}})
        team.wait_failed("web", "new.example.com", kind=KIND)
        operator.kill()
        operator.start()
        team.wait_failed("web", "new.example.com", kind=KIND)
        assert team.data("web") == data
        strict["allowed_domains"] = ["ok.example.com", "new.example.com"]
        team.bao.admin.pki_role(pki, "strict", **strict)
        team.wait_synced("web", kind=KIND, timeout=2 * STEP)
        assert team.data("web") != data
        assert in_secret(team, "web") == team.status(KIND, "web")["serialNumber"]
