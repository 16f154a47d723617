"""Files of the operator's container that resources may name: only below the administrator's directory.

Whoever may name a file could otherwise have the operator send its own token to a server of theirs
(operations.md, threats 13 and 14).
"""

from pathlib import Path
from typing import Final

LARGEST: Final = 1024 * 1024
"""Bytes of a file that is read."""


class FileRefused(ValueError):
    """The file must not be read, or cannot be; the text is for people and has nothing of its content."""


def read_file(path: str, *, below: str) -> str:
    """The text of the regular file `path`, which must lie below the directory `below` once links are followed.

    Blocking. Raises FileRefused.
    """
    if not below:
        raise FileRefused(f"the file {path} is not read: no directory is open for that (--credentials-directory)")
    if ".." in path or not Path(path).is_absolute():
        raise FileRefused(f"the path {path} must be absolute and have no '..'")
    if "\0" in path:
        raise FileRefused(f"the path {path!r} has a NUL, as no file can")
    try:
        found, root = Path(path).resolve(strict=True), Path(below).resolve(strict=True)
        if not found.is_relative_to(root):
            raise FileRefused(f"the file {path} is not below {below} (--credentials-directory)")
        if not found.is_file() or found.stat().st_size > LARGEST:
            raise FileRefused(f"{path} is no regular file of at most 1 MiB")
        return found.read_text(errors="replace")
    except OSError as exc:
        raise FileRefused(f"the file {path} cannot be read: {exc.strerror or type(exc).__name__}") from exc
