"""What `kubectl vso doctor` checks: a table of small functions from facts to findings. Pure.

To add a check, write one function and one row. A row names the fact that it `needs`; where that is not known, the check
is reported as not made, with the reason, and its function is not called. The order is that of the way: the resource,
what it refers to, the server, the login, the path, the Secret, the operator.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

import msgspec

from vso.cli.kubectl import checks_cluster, checks_vault
from vso.cli.kubectl.facts import Facts, Unknown
from vso.cli.kubectl.finding import Finding, Severity


class Result(StrEnum):
    """What a check came to."""

    GOOD = "ok"
    WARNING = "warning"
    PROBLEM = "problem"
    UNKNOWN = "not checked"


@dataclass(frozen=True, slots=True)
class Check:
    """One row: what is asked, which fact that needs, and who judges it."""

    name: str
    question: str
    needs: Callable[[Facts], Any]
    judge: Callable[[Any, Facts], Iterable[Finding]]


class Verdict(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, rename="camel"):
    """What one check found; `because` tells why it was not made."""

    check: str
    question: str
    result: Result
    findings: tuple[Finding, ...] = ()
    because: str = ""


def _of(part: str, member: str) -> Callable[[Facts], Any]:
    """The fact `member` of the facts `part`; what makes these unknown makes it unknown."""

    def needs(facts: Facts) -> Any:
        found = getattr(facts, part)
        return getattr(found, member, found)

    return needs


CHECKS: Final = (
    Check("spec", "The resource is complete", lambda facts: facts.secret, checks_cluster.spec),
    Check("covered", "The operator is responsible for it", lambda facts: facts.covered, checks_cluster.covered),
    Check("references", "Its references lead to a login", lambda facts: facts.login_spec, checks_cluster.references),
    Check("transformation", "Its transformations", lambda facts: facts.rendering, checks_cluster.rendering),
    Check("connection", "The connection's settings", _of("server", "connection"), checks_vault.connection),
    Check("dns", "The server's name has an address", _of("server", "names"), checks_vault.dns),
    Check("port", "The server's port takes connections", _of("server", "port"), checks_vault.port),
    Check("tls", "The server's certificate is trusted", _of("server", "tls"), checks_vault.tls),
    Check("seal", "The server is unsealed", _of("server", "seal"), checks_vault.seal),
    Check("auth-mount", "The auth method is mounted", _of("login", "mounted"), checks_vault.auth_mount),
    Check("token", "The token that is sent", _of("login", "sent"), checks_vault.sent_token),
    Check("login", "The login succeeds", _of("login", "auth"), checks_vault.login),
    Check("policies", "The login's token is good", _of("login", "itself"), checks_vault.policies),
    Check("mount", "The secrets engine is mounted", _of("path", "mount"), checks_vault.mount),
    Check("permission", "The policies permit the path", _of("path", "capabilities"), checks_vault.permission),
    Check("secret", "The secret can be read", _of("path", "read"), checks_vault.secret),
    Check("claims", "No other resource goes first", lambda facts: facts.claimants, checks_cluster.claims),
    Check("destination", "The Secret may be written", lambda facts: facts.destination, checks_cluster.destination),
    Check("rights", "The operator has its rights", lambda facts: facts.missing, checks_cluster.rights),
    Check("leader", "The operator is alive", lambda facts: facts.renewed, checks_cluster.leader),
    Check("operator", "The operator reports no problem", lambda facts: facts.secret, checks_cluster.report),
)


def examine(facts: Facts, checks: Iterable[Check] = CHECKS) -> Iterator[Verdict]:
    """What each check comes to."""
    for check in checks:
        fact = check.needs(facts)
        if isinstance(fact, Unknown):
            yield Verdict(check=check.name, question=check.question, result=Result.UNKNOWN, because=fact.why)
            continue
        findings = tuple(check.judge(fact, facts))
        yield Verdict(check=check.name, question=check.question, result=_worst(findings), findings=findings)


def _worst(findings: tuple[Finding, ...]) -> Result:
    if not findings:
        return Result.GOOD
    grave = any(one.severity is Severity.PROBLEM for one in findings)
    return Result.PROBLEM if grave else Result.WARNING
