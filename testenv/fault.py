"""What a `FaultProxy` can do to the traffic: one value for each mode."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Pass:
    """Do nothing to it."""


@dataclass(frozen=True)
class Refuse:
    """Stop listening, so that the kernel refuses new connections; break those that exist."""


@dataclass(frozen=True)
class Cut:
    """Close each connection in good order once `after` more bytes of answers have passed.

    With 0, requests still reach the server and their answers are lost; open connections end at once.
    """

    after: int = 0


@dataclass(frozen=True)
class Reset:
    """As `Cut`, but with a TCP reset."""

    after: int = 0


@dataclass(frozen=True)
class Delay:
    """Hand on each piece of data, either way, `seconds` late."""

    seconds: float


@dataclass(frozen=True)
class Silence:
    """Accept connections, swallow all data, answer nothing; they are broken when the mode ends."""


@dataclass(frozen=True)
class Split:
    """Hand on answers in segments of `size` bytes."""

    size: int = 1


@dataclass(frozen=True, kw_only=True)
class Answer:
    """Answer requests in the server's stead, who does not see them; HTTP only (see `FaultProxy`).

    Only those with `path` in their target, without `spare` in it and, if given, with this `method`; only the first
    `times` of them, if given. Everything else passes.
    """

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b"{}"
    path: str = ""
    spare: str = ""
    method: str = ""
    times: int | None = None


Fault = Pass | Refuse | Cut | Reset | Delay | Silence | Split | Answer
