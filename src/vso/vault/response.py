"""What Vault answers, decoded as far as every caller needs it.

Number literals survive: `data` stays the JSON text that came, rendering decodes it later. How a body becomes one of
these is in `envelope`. Source: behaviour.md 2.3.
"""

from dataclasses import dataclass

from vso.base import Sensitive


@dataclass(frozen=True, slots=True, kw_only=True)
class Auth:
    """The `auth` part of an answer: a token and its life. `lease_duration` is in seconds, 0 never ends."""

    client_token: Sensitive[str]
    accessor: str = ""
    lease_duration: int = 0
    renewable: bool = False
    policies: tuple[str, ...] = ()
    token_type: str = ""
    role: str = ""
    """Name of the role, from the metadata that some methods give; "" if there is none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """An answer. `data` is the JSON text of the member `data`, None if it was absent or null.

    `wrap_info` is the JSON object of that member, with the token that unwraps the answer once, None without.
    `lease_duration` is in seconds. `empty` tells an answer without a body (204) from one whose data is null.
    """

    status: int = 200
    request_id: str = ""
    lease_id: str = ""
    lease_duration: int = 0
    renewable: bool = False
    data: Sensitive[bytes] | None = None
    warnings: tuple[str, ...] = ()
    auth: Auth | None = None
    wrap_info: Sensitive[bytes] | None = None
    empty: bool = False
