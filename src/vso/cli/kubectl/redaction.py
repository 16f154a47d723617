"""Takes out of objects and texts what must not leave the cluster. Pure.

Objects of ours hold no secret values by design, but people may have put some into headers and parameters, and programs
such as kubectl keep copies of whole objects in annotations: of those that are not ours the names alone are kept. What
is taken out leaves ``***``, so that one sees that it was there.
"""

import re
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlsplit

from vso.apis import names
from vso.vault import mask_credentials

STARS: Final = "***"
_VALUES: Final = frozenset({"headers", "params"})
"""Members that map names to values of which the names alone are kept."""
_TEXTS: Final = frozenset({"roleId"})
_OURS: Final = frozenset(
    {
        names.PREFIX,
        names.EXTENSIONS_GROUP,
        names.GROUP,
        *(one.partition("/")[0] for one in (names.RESTARTED_AT, names.RESYNC)),
    }
)
"""What the names of our annotations begin with, before the slash."""
_KEY: Final = re.compile(r"-----BEGIN [A-Z0-9\s\\]+-----[A-Za-z0-9+/=\s\\]*(?:-----END [A-Z0-9\s\\]+-----)?")
"""Its lines may be folded, and their ends written as ``\\n``: texts are looked at as JSON and YAML, too."""
_USER: Final = re.compile(r"(?<=://)[^\s/@\"']+@")
"""Name and password in a URL."""
_ADDRESSES: Final = frozenset({"address", "proxyURL", "stsEndpoint", "iamEndpoint"})
_MANAGED: Final = "managedFields"
_ANNOTATIONS: Final = "annotations"


def redacted(value: Any, name: str = "") -> Any:
    """`value`, plain JSON that stands under `name`, without what might be secret."""
    if isinstance(value, Mapping):
        if name in _VALUES:
            return dict.fromkeys(value, STARS)
        if name == _ANNOTATIONS:
            return {key: redacted(item) if _is_ours(key) else STARS for key, item in value.items()}
        return {key: redacted(item, key) for key, item in value.items() if key != _MANAGED}
    if isinstance(value, list | tuple):
        return [redacted(item, name) for item in value]
    if isinstance(value, str) and name in _TEXTS:
        return STARS
    if isinstance(value, str):
        return mask_credentials(without_user(value) if name in _ADDRESSES else value)
    return value


def destination(value: Mapping[str, Any]) -> dict[str, Any]:
    """The metadata of a Secret: of annotations, which may be copies of its data, the names alone."""
    metadata = redacted(value.get("metadata", {}))
    metadata[_ANNOTATIONS] = sorted(value.get("metadata", {}).get(_ANNOTATIONS, {}))
    return {"kind": "Secret", "metadata": metadata}


def masked(text: str) -> str:
    """`text`, which may be long, without credentials; what is half written on one line spoils no other."""
    lines = _USER.sub(f"{STARS}@", _KEY.sub(STARS, text)).splitlines(keepends=True)
    return "".join(map(mask_credentials, lines))


def _is_ours(annotation: str) -> bool:
    prefix, slash, _ = annotation.partition("/")
    return bool(slash) and prefix in _OURS


def without_user(address: str) -> str:
    """`address` without the name and password that it may have."""
    try:
        parts = urlsplit(address)
    except ValueError:
        return STARS
    if "@" not in parts.netloc:
        return address
    return parts._replace(netloc=f"{STARS}@{parts.netloc.rpartition('@')[2]}").geturl()
