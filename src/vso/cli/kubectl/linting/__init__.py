"""What `kubectl vso lint` knows: rules as pure functions, in one table (`rules`). The command itself is `lint`."""

from vso.cli.kubectl.linting.finding import Bundle, Finding, Remark, Rule, Severity, templates_in
from vso.cli.kubectl.linting.rules import RULES, UNCHECKED, findings, unreadable

__all__ = [
    "RULES",
    "UNCHECKED",
    "Bundle",
    "Finding",
    "Remark",
    "Rule",
    "Severity",
    "findings",
    "templates_in",
    "unreadable",
]
