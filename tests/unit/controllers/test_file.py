"""Files that resources name: what lies below the administrator's directory, and nothing else."""

import os
from pathlib import Path

import pytest

from vso.controllers.file import LARGEST, FileRefused, read_file


@pytest.fixture
def opened(tmp_path: Path) -> Path:
    """The administrator's directory, with files of each sort in it and one beside it."""
    folder = tmp_path / "open"
    (folder / "deep").mkdir(parents=True)
    (folder / "id").write_text("secret-id")
    (folder / "deep" / "id").write_text("deeper")
    (folder / "link").symlink_to("deep/id")
    (folder / "out").symlink_to("../outside")
    (folder / "way").symlink_to("..")
    (folder / "full").write_bytes(b"x" * LARGEST)
    (folder / "large").write_bytes(b"x" * (LARGEST + 1))
    os.mkfifo(folder / "pipe")
    (tmp_path / "outside").write_text("the operator's own token")
    (tmp_path / "open-too").mkdir()
    (tmp_path / "open-too" / "id").write_text("of a neighbour with a longer name")
    return folder


@pytest.mark.parametrize(
    ("name", "text"), [("id", "secret-id"), ("deep/id", "deeper"), ("link", "deeper"), ("full", "x" * LARGEST)]
)
def test_a_file_below_the_directory_is_read(opened: Path, name: str, text: str) -> None:
    """Also through a link that stays there, as Kubernetes mounts Secrets."""
    assert read_file(f"{opened}/{name}", below=str(opened)) == text


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("{open}/out", "is not below"),
        ("{open}/way/outside", "is not below"),
        ("{open}-too/id", "is not below"),
        ("/etc/hostname", "is not below"),
        ("{open}/../outside", "must be absolute and have no '..'"),
        ("id", "must be absolute and have no '..'"),
        ("", "must be absolute and have no '..'"),
        ("{open}/large", "no regular file of at most 1 MiB"),
        ("{open}/deep", "no regular file of at most 1 MiB"),
        ("{open}/pipe", "no regular file of at most 1 MiB"),
        ("{open}/nothing", "cannot be read: No such file or directory"),
        ("{open}/\0id", "has a NUL"),
    ],
)
def test_any_other_file_is_refused(opened: Path, path: str, reason: str) -> None:
    """Links are followed before the look; the message has nothing of the content."""
    with pytest.raises(FileRefused, match=reason) as caught:
        read_file(path.format(open=opened), below=str(opened))
    assert "own token" not in str(caught.value)


def test_without_a_directory_no_file_is_read(opened: Path) -> None:
    """That is the default; the message names the flag."""
    with pytest.raises(FileRefused, match="--credentials-directory"):
        read_file(f"{opened}/id", below="")
