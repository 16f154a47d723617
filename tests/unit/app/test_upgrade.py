"""Which CRDs an upgrade finds; that it applies them is shown on a real server in tests/integration/test_upgrade.py."""

from pathlib import Path

import pytest

from vso.app import UpgradeFailed, read_folder
from vso.app.upgrade import read_manifests
from vso.cli.upgrade_crds import folder_beside, time_allowed


def crd(name: str, *, api: str = "apiextensions.k8s.io/v1") -> str:
    """A document."""
    return f"apiVersion: {api}\nkind: CustomResourceDefinition\nmetadata:\n  name: {name}\nspec: {{}}\n"


def test_crds_are_found_in_all_documents_of_all_files_and_nothing_else_is() -> None:
    """Older versions of the API and other kinds are passed over."""
    texts = {
        "b.yaml": "---\n" + crd("c") + "---\n---\nkind: ConfigMap\napiVersion: v1\n---\n- a list\n",
        "a.yaml": crd("a") + "---\n" + crd("b") + "---\n" + crd("old", api="apiextensions.k8s.io/v1beta1"),
    }
    assert [one["metadata"]["name"] for one in read_manifests(texts)] == ["a", "b", "c"]


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        ({}, "no CustomResourceDefinition"),
        ({"a.yaml": "kind: ConfigMap"}, "no CustomResourceDefinition of apiextensions.k8s.io/v1 in a.yaml"),
        ({"a.yaml": crd("a") + "---\n" + crd("a")}, "a.yaml: a is defined twice"),
        ({"a.yaml": crd("a"), "b.yaml": crd("a")}, "b.yaml: a is defined twice"),
        ({"a.yaml": crd("''")}, "a.yaml: a CRD without a name"),
        ({"a.yaml": "{", "b.yaml": crd("''")}, "a.yaml: no YAML.*; b.yaml: a CRD without a name"),
    ],
)
def test_what_cannot_be_meant_is_refused_with_every_reason(texts: dict[str, str], expected: str) -> None:
    """On one line, before anything is applied."""
    with pytest.raises(UpgradeFailed, match=expected) as caught:
        read_manifests(texts)
    assert "\n" not in str(caught.value)


def test_a_folder_is_read_without_its_folders_and_other_files(tmp_path: Path) -> None:
    """And one that is not there is an error that names it."""
    (tmp_path / "a.yaml").write_text(crd("a"))
    (tmp_path / "b.yml").write_text(crd("b"))
    (tmp_path / "deeper").mkdir()
    (tmp_path / "deeper" / "c.yaml").write_text(crd("c"))
    assert [one["metadata"]["name"] for one in read_folder(tmp_path)] == ["a"]
    with pytest.raises(UpgradeFailed, match="nowhere"):
        read_folder(tmp_path / "nowhere")


def test_the_folder_stands_beside_the_program_that_was_called(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beside the symlink, not beside what it leads to; and beside what the PATH leads to."""
    (tmp_path / "real").mkdir()
    (tmp_path / "scripts").mkdir()
    program = tmp_path / "real" / "program"
    program.touch(mode=0o755)
    link = tmp_path / "scripts" / "upgrade-crds"
    link.symlink_to(program)
    assert folder_beside(str(link)) == tmp_path / "scripts" / "crds"
    monkeypatch.setenv("PATH", str(tmp_path / "scripts"))
    assert folder_beside("upgrade-crds") == tmp_path / "scripts" / "crds"


@pytest.mark.parametrize(
    ("environ", "seconds"),
    [({}, 30.0), ({"VSO_UPGRADE_CRDS_TIMEOUT": ""}, 30.0), ({"VSO_UPGRADE_CRDS_TIMEOUT": "1m"}, 60.0)],
)
def test_the_time_is_half_a_minute_or_what_the_variable_says(environ: dict[str, str], seconds: float) -> None:
    """In Go's form."""
    assert time_allowed(environ) == seconds


@pytest.mark.parametrize("text", ["30", "soon", "0s", "-1s"])
def test_a_time_that_cannot_be_meant_is_refused(text: str) -> None:
    """The original ignores it."""
    with pytest.raises(ValueError, match="VSO_UPGRADE_CRDS_TIMEOUT"):
        time_allowed({"VSO_UPGRADE_CRDS_TIMEOUT": text})
