"""API paths as users write them and as they are sent."""

import pytest

from vso.vault import InvalidPath, KvRequest, KvType, read_path
from vso.vault.path import encode_target, normal_path


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        (["secret", "data", "app"], "secret/data/app"),
        (["/team//kv/", "data", "//a///b/"], "team/kv/data/a/b"),
        (["secret", "a..b/...", ".hidden"], "secret/a..b/.../.hidden"),
    ],
)
def test_slashes_are_folded_and_dots_within_names_are_kept(parts: list[str], expected: str) -> None:
    """The normal form has single slashes and none at its ends."""
    assert normal_path(*parts) == expected


@pytest.mark.parametrize("path", ["..", "../other/x", "a/../b", "a/./b", ".", "a/.."])
def test_a_path_that_could_leave_its_mount_is_refused(path: str) -> None:
    """`.` and `..` as segments raise, and the message says what to write instead."""
    with pytest.raises(InvalidPath, match="full path below it"):
        read_path(KvRequest(mount="secret", path=path, type=KvType.V2))


@pytest.mark.parametrize(("mount", "path"), [("", "a"), ("kv", ""), ("/", "a"), ("kv", "//"), ("../x", "a")])
def test_an_empty_or_leaving_mount_or_path_is_refused(mount: str, path: str) -> None:
    """Neither mount nor path may be empty once slashes are gone."""
    with pytest.raises(InvalidPath):
        read_path(KvRequest(mount=mount, path=path, type=KvType.V1))


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("kv/a b", "kv/a%20b"),
        ("kv/a?b#c", "kv/a%3Fb%23c"),
        ("kv/100%", "kv/100%25"),
        ("kv/%2e%2e/x", "kv/%252e%252e/x"),
        ("kv/grün", "kv/gr%C3%BCn"),
        ("kv/a~b-c_d.e", "kv/a~b-c_d.e"),
    ],
)
def test_each_segment_is_percent_encoded(path: str, expected: str) -> None:
    """What users write is what the server sees as the name, also where it looks encoded already."""
    assert encode_target(path, {}) == expected


def test_a_query_is_encoded_too() -> None:
    """Names and values cannot add parameters of their own."""
    assert encode_target("kv/a", {"version": "2", "x&y": "1=2"}) == "kv/a?version=2&x%26y=1%3D2"


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        (KvRequest(mount="kv", path="a/b", type=KvType.V1), ("kv/a/b", {})),
        (KvRequest(mount="kv", path="a/b", type=KvType.V1, version=3), ("kv/a/b", {})),
        (KvRequest(mount="kv", path="a/b", type=KvType.V2), ("kv/data/a/b", {})),
        (KvRequest(mount="kv/x", path="a", type=KvType.V2, version=3), ("kv/x/data/a", {"version": "3"})),
        (KvRequest(mount="kv", path="a", type=KvType("kv-v2"), version=-1), ("kv/data/a", {})),
    ],
)
def test_reads_go_where_the_engine_version_says(request_: KvRequest, expected: tuple[str, dict[str, str]]) -> None:
    """behaviour.md section 5.2: `data/` and `?version=` are for kv-v2 only."""
    assert read_path(request_) == expected
