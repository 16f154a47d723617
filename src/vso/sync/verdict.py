"""Whether the failure of one request is that of the whole server. Pure (regressions R11).

To hold everybody back for what ails one path would be as bad as to let hundreds of resources ask a server that
answers nobody. Where what is known does not tell, a *witness* does: a request that depends on no mount.
"""

from dataclasses import dataclass
from enum import Enum
from math import inf
from typing import Final

from vso.vault import RateLimited, ServerFault, TimedOut, VaultError

VOUCHED: Final = 5.0
"""Seconds for which the good word of a witness counts: it is not asked more often than that."""
_LATELY: Final = 1.0
"""Seconds for which an answer shows that the server is not as a whole over its quota."""


class Verdict(Enum):
    """What a failure is a sign of."""

    OUTAGE = "the server serves nobody"
    OWN = "the request's own failure"
    OPEN = "a witness must tell"


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What else is known of a server: whether it is out of order, and when it gave its last proper answers.

    `answered` is the instant of the last one to anybody, `vouched` that of the last one to a witness.
    """

    down: bool = False
    answered: float = -inf
    vouched: float = -inf


def judge(error: VaultError, begun: float, known: Known) -> Verdict:
    """What `error`, the outcome of a request that was sent at `begun`, is a sign of.

    A status of 5xx may be the word of one engine, such as one whose database is down, of the whole server, such as
    one whose storage is, or of a load balancer.
    """
    match error:
        case ServerFault() if known.down:
            return Verdict.OUTAGE
        case ServerFault():
            others = known.answered >= begun or known.vouched >= begun - VOUCHED
            return Verdict.OWN if others else Verdict.OPEN
        case TimedOut():
            return Verdict.OWN if known.answered >= begun else Verdict.OUTAGE
        case RateLimited():
            return Verdict.OWN if known.answered >= begun - _LATELY else Verdict.OUTAGE
        case _:
            return Verdict.OUTAGE if error.outage else Verdict.OWN


def is_proper(error: VaultError | None) -> bool:
    """Whether a request with this outcome was answered as only a server in order answers."""
    return error is None or (bool(error.status) and not error.outage and not isinstance(error, ServerFault))
