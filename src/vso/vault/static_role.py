"""Static roles: credentials that Vault rotates, and what such an answer tells about the rotation. Pure.

Not for waiting for a rotation: that is decided above this layer. Source: behaviour.md section 6.5, steps 1 and 2.
"""

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import msgspec

from vso.vault.errors import BadAnswer

_ROTATED: Final = "last_vault_rotation"
_RFC3339: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class StaticCreds:
    """The rotation of a static role: `last_vault_rotation` in Unix seconds, and what is to come.

    `rotation_period` is in seconds, 0 if `rotation_schedule` (cron) decides. `ttl` is the seconds until the next
    rotation as the server reckons them, which may start anew before the password changes.
    """

    last_vault_rotation: int
    rotation_period: int = 0
    rotation_schedule: str = ""
    ttl: int = 0


class _Rotation(msgspec.Struct):
    last_vault_rotation: Any = None
    rotation_period: Any = None
    rotation_schedule: Any = None
    ttl: Any = None


def parse_static(data: bytes) -> StaticCreds | None:
    """Return the rotation that the JSON object `data` tells of; None if it is no answer of a static role.

    A static role has been rotated, and has a period of at least a second or a schedule. Raises BadAnswer, which
    shows no value, if `data` is no JSON object or such a field cannot be read.
    """
    try:
        found = msgspec.json.decode(data, type=_Rotation)
    except (msgspec.DecodeError, RecursionError) as exc:
        raise BadAnswer("the credentials are no JSON object") from exc
    if found.last_vault_rotation is None or found.last_vault_rotation == "":
        return None
    creds = StaticCreds(
        last_vault_rotation=_seconds(found.last_vault_rotation),
        rotation_period=_whole(found.rotation_period, "rotation_period"),
        rotation_schedule=_text(found.rotation_schedule, "rotation_schedule"),
        ttl=_whole(found.ttl, "ttl"),
    )
    scheduled = creds.rotation_period >= 1 or creds.rotation_schedule != ""
    return creds if creds.last_vault_rotation > 0 and scheduled else None


def _seconds(value: object) -> int:
    # The standard library alone would take dates without a time, and times without a zone.
    if isinstance(value, str) and _RFC3339.fullmatch(value):
        try:
            return int(datetime.fromisoformat(value).timestamp() // 1)
        except ValueError:
            pass
    raise BadAnswer(f"invalid {_ROTATED}: it must be a time such as 2030-01-02T03:04:05Z")


def _whole(value: object, name: str) -> int:
    if value is None:
        return 0
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, float) and value.is_integer():
        return int(value)
    raise BadAnswer(f"invalid {name}: it must be a whole number of seconds")


def _text(value: object, name: str) -> str:
    if value is None or isinstance(value, str):
        return value or ""
    raise BadAnswer(f"invalid {name}: it must be text")
