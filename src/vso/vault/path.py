"""API paths: from what users write to what stands in the request line.

Source: behaviour.md section 2.3; corrections.md I5: unlike the reference, `.` and `..` are refused, since
they would lead out of the mount.
"""

from collections.abc import Mapping
from urllib.parse import quote

from vso.vault.errors import InvalidPath


def normal_path(*parts: str) -> str:
    """Join `parts` with single slashes, none at either end; the result is as users would write it.

    Raises InvalidPath if any part has no segment at all, or if a segment is ``.`` or ``..``.
    """
    segments: list[str] = []
    for part in parts:
        found = [segment for segment in part.split("/") if segment]
        if not found:
            raise InvalidPath("the mount or path is empty", path="/".join(parts))
        segments += found
    path = "/".join(segments)
    if "." in segments or ".." in segments:
        raise InvalidPath(
            f'the path "{path}" has a "." or ".." between slashes, which could lead out of its mount: '
            "write the mount and the full path below it",
            path=path,
        )
    return path


def encode_target(path: str, query: Mapping[str, str]) -> str:
    """Percent-encode a normal path, segment by segment, and append `query`."""
    target = quote(path, safe="/")
    pairs = "&".join(f"{quote(name, safe='')}={quote(value, safe='')}" for name, value in query.items())
    return f"{target}?{pairs}" if pairs else target
