"""How long to wait after the n-th failure in a row, and random spreading of delays.

Pure: the caller counts failures and brings the source of chance.
"""

from dataclasses import dataclass
from random import Random


def jitter(limit: float, rng: Random) -> float:
    """Draw from [0, `limit`); 0 for a limit of zero or less."""
    return rng.random() * limit if limit > 0 else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class BackOff:
    """Exponential delays, in seconds; the defaults are those of behaviour.md section 11."""

    initial: float = 5.0
    multiplier: float = 1.5
    maximum: float = 60.0
    randomization: float = 0.5

    def delay(self, failures: int, rng: Random) -> float:
        """Seconds to wait after `failures` (>= 1) failures in a row.

        The base grows from `initial` by `multiplier` up to `maximum`; the result is drawn from
        base * [1 - randomization, 1 + randomization).
        """
        base = self.initial
        for _ in range(failures - 1):
            base *= self.multiplier
            if base >= self.maximum:
                break
        base = min(base, self.maximum)
        spread = base * self.randomization
        return base - spread + jitter(2 * spread, rng)

    @property
    def step(self) -> float:
        """The longest single wait, in seconds."""
        return self.maximum * (1 + self.randomization)
