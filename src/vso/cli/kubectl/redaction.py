"""Takes out of objects and texts what must not leave the cluster. Pure.

Objects of ours hold no secret values by design, but people may have put some into headers and parameters, and kubectl
keeps copies of whole objects in an annotation. What is taken out leaves ``***``, so that one sees that it was there.
"""

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlsplit

from vso.vault import mask_credentials

STARS: Final = "***"
_VALUES: Final = frozenset({"headers", "params"})
"""Members that map names to values of which the names alone are kept."""
_TEXTS: Final = frozenset({"roleId"})
_ADDRESSES: Final = frozenset({"address", "proxyURL", "stsEndpoint", "iamEndpoint"})
_COPIES: Final = "kubectl.kubernetes.io/last-applied-configuration"


def redacted(value: Any, name: str = "") -> Any:
    """`value`, plain JSON that stands under `name`, without what might be secret."""
    if isinstance(value, Mapping):
        if name in _VALUES:
            return dict.fromkeys(value, STARS)
        return {key: redacted(item, key) for key, item in value.items() if key not in {_COPIES, "managedFields"}}
    if isinstance(value, list | tuple):
        return [redacted(item, name) for item in value]
    if isinstance(value, str) and name in _TEXTS:
        return STARS
    if isinstance(value, str):
        return mask_credentials(_without_user(value) if name in _ADDRESSES else value)
    return value


def destination(value: Mapping[str, Any]) -> dict[str, Any]:
    """The metadata of a Secret: of annotations, which may be copies of its data, the names alone."""
    metadata = redacted(value.get("metadata", {}))
    metadata["annotations"] = sorted(value.get("metadata", {}).get("annotations", {}))
    return {"kind": "Secret", "metadata": metadata}


def _without_user(address: str) -> str:
    try:
        parts = urlsplit(address)
    except ValueError:
        return STARS
    if "@" not in parts.netloc:
        return address
    return parts._replace(netloc=f"{STARS}@{parts.netloc.rpartition('@')[2]}").geturl()
