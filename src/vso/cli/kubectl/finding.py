"""What a check of `kubectl vso doctor` has to say."""

from enum import StrEnum

import msgspec


class Severity(StrEnum):
    """How grave it is."""

    PROBLEM = "problem"
    WARNING = "warning"


class Finding(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, rename="camel"):
    """What is wrong, why that is so as far as can be told, and what to do about it."""

    what: str
    why: str = ""
    todo: str
    severity: Severity = Severity.PROBLEM
