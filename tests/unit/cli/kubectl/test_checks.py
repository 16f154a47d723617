"""The doctor's judgements: from facts to findings, without any I/O. What it finds for real is tested with servers."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from msgspec import structs

from vso.apis.meta import Key, ObjectMeta
from vso.apis.v1beta1 import (
    Destination,
    VaultDynamicSecret,
    VaultDynamicSecretSpec,
    VaultPKISecret,
    VaultPKISecretSpec,
    VaultStaticSecret,
    VaultStaticSecretSpec,
)
from vso.app import Settings
from vso.cli.kubectl import checks_cluster, checks_vault
from vso.cli.kubectl.checks import CHECKS, Check, Result, examine
from vso.cli.kubectl.facts import Facts, Handshake, LoginFacts, PathFacts, Right, ServerFacts, Unknown
from vso.cli.kubectl.finding import Finding, Severity
from vso.cli.kubectl.installation import Installation
from vso.cli.kubectl.probe import is_inside_name
from vso.cli.kubectl.vault_path import path_of
from vso.sync import Destination as Live
from vso.vault import Claims, Mounted, RateLimited, SealStatus, TokenStatus

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
WHY = Unknown("nobody asked")
META = ObjectMeta(name="app", namespace="team", uid="u1", creation_timestamp=NOW)
SECRET = VaultStaticSecret(
    kind="VaultStaticSecret",
    metadata=META,
    spec=VaultStaticSecretSpec(mount="kv", path="app", type="kv-v2", destination=Destination(name="app", create=True)),
)
SERVER = ServerFacts(address="https://vault:8200", names=("10.0.0.1",), port=None, tls=WHY, seal=WHY, connection=WHY)
LOGIN = LoginFacts(sent=WHY, mounted=WHY, auth=WHY, itself=WHY)
PATH = PathFacts(path="kv/data/app", needed=("read",), policies=("web",), mount=WHY, capabilities=WHY, read=WHY)
FACTS = Facts(
    secret=SECRET,
    now=NOW,
    installation=Installation(settings=Settings(operator_namespace="ops"), account=Key("ops", "manager")),
    covered=True,
    rendering="",
    login_spec=WHY,
    server=SERVER,
    login=LOGIN,
    path=PATH,
    claimants=(SECRET,),
    destination=None,
    missing=(),
    renewed=NOW,
)


def test_a_fact_that_is_not_known_leaves_its_check_unmade() -> None:
    """The reason is told, and the judge is not called."""

    def judge(*_: Any) -> list[Finding]:
        raise AssertionError("called without a fact")

    [verdict] = examine(FACTS, [Check("x", "Whether", lambda facts: facts.login_spec, judge)])
    assert (verdict.result, verdict.because) == (Result.UNKNOWN, "nobody asked")


def test_no_finding_shows_the_password_in_an_address() -> None:
    """As no message of the operator does: findings are pasted into reports."""
    server = replace(SERVER, address="https://web:p4ss@vault:8200", port=ConnectionRefusedError())
    facts = replace(FACTS, server=server)
    told = [finding for verdict in examine(facts) for finding in verdict.findings]
    assert any("https://***@vault:8200" in one.what for one in told)
    assert "p4ss" not in repr(told)


def test_the_worst_finding_counts() -> None:
    """A warning is no problem, a problem beside it is."""
    mild = Finding(what="a", todo="b", severity=Severity.WARNING)
    cases = {(): Result.GOOD, (mild,): Result.WARNING, (mild, Finding(what="c", todo="d")): Result.PROBLEM}
    for findings, result in cases.items():
        [verdict] = examine(FACTS, [Check("x", "?", lambda facts: facts.now, lambda *_, found=findings: found)])
        assert verdict.result is result


def test_each_check_has_a_name_of_its_own_and_judges_what_is_known() -> None:
    """The whole table runs on facts of which most are unknown."""
    verdicts = {one.check: one for one in examine(FACTS)}
    assert len(verdicts) == len(CHECKS)
    assert verdicts["port"].result is Result.GOOD
    assert verdicts["mount"].because == "nobody asked"


@pytest.mark.parametrize(
    ("handshake", "what", "todo"),
    [
        (Handshake(code=62, asked_for="vault", names=("a", "b")), "another name", "tlsServerName"),
        (Handshake(code=10, reason="expired", begins=NOW, ends=NOW), "has expired", "renew"),
        (Handshake(code=9, reason="not yet valid"), "not valid yet", "clocks"),
        (Handshake(code=20, reason="unable to get issuer", issuer="CN=x"), "not trusted", "caCertSecretRef"),
        (Handshake(code=-1, reason="wrong version number"), "no TLS handshake", "scheme"),
        (Handshake(ends=NOW + timedelta(days=2)), "ends soon", "renew"),
    ],
)
def test_each_trouble_with_a_certificate_has_its_own_remedy(handshake: Handshake, what: str, todo: str) -> None:
    """By the code that OpenSSL gives."""
    [finding] = checks_vault.tls(handshake, FACTS)
    assert what in finding.what
    assert todo in finding.todo


@pytest.mark.parametrize(
    ("judge", "fact", "word"),
    [
        (checks_vault.port, TimeoutError("no connection within 10 s"), "firewalls"),
        (checks_vault.port, ConnectionRefusedError(111, "refused"), "the server runs"),
        (checks_vault.dns, OSError(-2, "Name or service not known"), "DNS"),
        (checks_vault.seal, SealStatus(initialized=False), "initialize"),
        (checks_vault.seal, SealStatus(initialized=True, sealed=True), "unseal"),
        (checks_vault.seal, RateLimited("too many requests"), "proxies"),
        (checks_vault.sent_token, Claims(audience=("x",), expires=NOW - timedelta(1)), "clocks"),
        (checks_vault.permission, ("deny",), 'path "kv/data/app" { capabilities = ["read"] }'),
        (checks_vault.mount, Mounted("kv/", "kv", "1"), "set spec.type to kv-v1"),
        (checks_vault.mount, Mounted("kv/", "pki"), "VaultPKISecret"),
        (checks_vault.mount, None, "spec.mount"),
        (checks_cluster.covered, False, "label"),
        (checks_cluster.rendering, "template x does not parse", "kubectl vso render"),
        (checks_cluster.rights, (Right("create", "", "secrets", "write"),), "RBAC"),
        (checks_cluster.leader, NOW - timedelta(minutes=5), "get pods -n ops"),
        (checks_cluster.destination, Live(metadata=META, immutable=False), "overwrite"),
        (checks_cluster.report, SECRET, "kubectl vso refresh"),
    ],
)
def test_each_finding_says_what_to_do(judge: Any, fact: Any, word: str) -> None:
    """In words that lead to the remedy."""
    [finding] = judge(fact, FACTS)
    assert finding.what
    assert word in finding.todo


@pytest.mark.parametrize(
    ("judge", "fact"),
    [
        (checks_vault.dns, ("10.0.0.1",)),
        (checks_vault.port, None),
        (checks_vault.tls, Handshake(ends=NOW + timedelta(days=90))),
        (checks_vault.seal, SealStatus(initialized=True, sealed=False)),
        (checks_vault.permission, ("read", "list")),
        (checks_vault.permission, ("root",)),
        (checks_vault.mount, Mounted("kv/", "kv", "2")),
        (checks_vault.secret, None),
        (checks_vault.policies, TokenStatus(policies=("default", "web"))),
        (checks_cluster.covered, True),
        (checks_cluster.claims, (SECRET,)),
        (checks_cluster.destination, None),
        (checks_cluster.leader, NOW - timedelta(seconds=10)),
        (checks_cluster.spec, SECRET),
    ],
)
def test_what_is_well_gives_no_finding(judge: Any, fact: Any) -> None:
    """Silence is good."""
    assert list(judge(fact, FACTS)) == []


def test_of_two_claimants_the_younger_has_the_problem() -> None:
    """The older one is only warned."""
    elder = structs.replace(SECRET, metadata=structs.replace(META, name="elder", uid="u0"))
    [finding] = checks_cluster.claims((elder, SECRET), FACTS)
    assert (finding.severity, "elder" in finding.why) == (Severity.PROBLEM, True)
    [finding] = checks_cluster.claims((SECRET, elder), FACTS)
    assert (finding.severity, "this one" in finding.why) == (Severity.WARNING, True)


@pytest.mark.parametrize(
    ("spec", "word"),
    [
        ({"mount": ""}, "spec.mount"),
        ({"refresh_after": "soon"}, "spec.refreshAfter"),
        ({"path": "../sys/mounts"}, '".."'),
        ({"destination": Destination()}, "destination"),
    ],
)
def test_a_spec_that_cannot_be_carried_out_is_told(spec: dict[str, Any], word: str) -> None:
    """Field by field."""
    secret = structs.replace(SECRET, spec=structs.replace(SECRET.spec, **spec))
    assert any(word in finding.what for finding in checks_cluster.spec(secret, FACTS))


@pytest.mark.parametrize(
    ("secret", "path", "needed"),
    [
        (SECRET, "kv/data/app", "read"),
        (VaultDynamicSecret(spec=VaultDynamicSecretSpec(mount="db", path="creds/x")), "db/creds/x", "read"),
        (
            VaultDynamicSecret(spec=VaultDynamicSecretSpec(mount="t", path="x", params={"a": "b"})),
            "t/x",
            "update",
        ),
        (VaultPKISecret(spec=VaultPKISecretSpec(mount="pki", role="web")), "pki/issue/web", "update"),
    ],
)
def test_the_path_is_the_one_that_the_operator_asks_for(secret: Any, path: str, needed: str) -> None:
    """With the capability that this takes."""
    found, capabilities = path_of(secret)
    assert (found, capabilities[0]) == (path, needed)


@pytest.mark.parametrize(
    ("host", "inside"),
    [
        ("vault", True),
        ("vault.vault.svc", True),
        ("vault.vault.svc.cluster.local", True),
        ("vault.example.com", False),
        ("10.0.0.1", False),
    ],
)
def test_names_of_the_cluster_are_known_from_others(host: str, inside: bool) -> None:
    """What only the cluster can resolve is not called broken."""
    assert is_inside_name(host) is inside
