"""The container image, run without a container engine: see `tests.support.image`."""

import json
import os
import re
import shutil
import subprocess
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import pytest
from cyclonedx.schema import OutputFormat, SchemaVersion
from cyclonedx.validation import make_schemabased_validator

from testenv import Cluster
from tests.support import operator as harness
from tests.support.image import ACCOUNT, PYTHON, ROOT, Image, build_wheel, lay_out
from tests.support.tenant import Tenant
from tools import bill
from tools.image import NONROOT, PINS
from vso.apis.names import CLASS

_CENSUS: Final = """
import importlib, json, os, pkgutil, ssl, sys
import vso, azure.identity, botocore.session, google.auth.transport.requests
names = [one.name for one in pkgutil.walk_packages(vso.__path__, "vso.")]
# The plugin of kubectl runs on people's own machines.
names = [one for one in names if not one.endswith("__main__") and not one.startswith("vso.cli.kubectl.")]
missing = {}
for name in names:
    try:
        importlib.import_module(name)
    except ImportError as exc:
        missing[name] = str(exc)
try:
    os.mkdir("/tmp/x")
    writable = True
except OSError:
    writable = False
try:
    os.mkdir("/x")
    root_writable = True
except OSError:
    root_writable = False
print(json.dumps({
    "modules": len(names), "missing": missing, "ids": [os.getuid(), os.getgid(), os.getgroups()],
    "authorities": ssl.create_default_context().cert_store_stats()["x509_ca"],
    "writable": writable, "root_writable": root_writable,
}))
"""
_RENDER: Final = """
import asyncio, datetime, pathlib
from vso.base import Sensitive
from vso.sync import Budget, Template, TemplateEngine, TemplateInput
async def main():
    async with TemplateEngine(budget=Budget(), cache=pathlib.Path("/nowhere")) as engine:
        templates = [Template(name="t", text='{{ upper (get .Secrets "a") }}', key="k")]
        data = TemplateInput(secrets=Sensitive(b'{"a": "rendered"}'))
        now = datetime.datetime(2030, 1, 1, tzinfo=datetime.UTC)
        rendered = await engine.render(templates, data, seed=b"1", now=now)
        print(rendered.reveal()["k"].decode())
asyncio.run(main())
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The operator's wheel."""
    return build_wheel(ROOT, tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def image(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Image:
    """The files of the image, made by the script that the Dockerfile calls."""
    return lay_out(wheel, tmp_path_factory.mktemp("image"))


def test_a_wheel_is_the_same_bytes_wherever_and_whenever_it_is_built(wheel: Path, tmp_path: Path) -> None:
    """Anyone can check that a release is made of its source."""
    copy = tmp_path / "elsewhere"
    copy.mkdir(mode=0o700)
    ours = shutil.ignore_patterns("__pycache__", "*.cwasm*")
    shutil.copytree(ROOT / "src", copy / "src", ignore=ours, copy_function=shutil.copyfile)
    for name in ("pyproject.toml", "README.md", "LICENSE", ".gitignore"):
        shutil.copyfile(ROOT / name, copy / name)
    again = build_wheel(copy, tmp_path / "wheel")
    assert again.name == wheel.name
    assert again.read_bytes() == wheel.read_bytes()


def test_the_wheel_has_the_template_engine_but_no_code_for_one_processor(wheel: Path) -> None:
    """One wheel serves all platforms, and templates work after `pip install`."""
    names = zipfile.ZipFile(wheel).namelist()
    assert "vso/sync/template.wasm" in names
    assert wheel.name.endswith("-py3-none-any.whl")
    assert not [name for name in names if "cwasm" in name or name.endswith(".so")]


def test_the_image_keeps_the_contract_that_charts_rely_on(image: Image) -> None:
    """operations.md section 1.1: entry points, CRDs, copies of the licence."""
    assert os.access(image.tree / "vault-secrets-operator", os.X_OK)
    link = image.tree / "scripts" / "upgrade-crds"
    assert link.readlink() == Path("/vault-secrets-operator")
    shipped = {path.name: path.read_bytes() for path in (image.tree / "scripts" / "crds").iterdir()}
    assert shipped == {path.name: path.read_bytes() for path in (ROOT / "deploy" / "crds").iterdir()}
    assert len(shipped) == 10
    documents = image.tree / "usr/share/doc/vault-secrets-operator"
    assert (documents / "LICENSE.txt").read_text() == (ROOT / "LICENSE").read_text()
    assert "Apache License" in (image.tree / "licenses/copyright.txt").read_text()


def test_the_image_has_no_shell_and_nothing_that_its_user_could_change(image: Image) -> None:
    """What an intruder finds is the operator alone; only /tmp is writable, and only if the container allows it."""
    programs = {path.name for path in image.tree.rglob("*") if path.is_file() and path.parent.name in {"bin", "sbin"}}
    assert programs == {PYTHON.name}
    modes = {path: path.lstat().st_mode for path in image.tree.rglob("*") if not path.is_symlink()}
    assert not [path for path, mode in modes.items() if mode & 0o6000]
    assert [path for path, mode in modes.items() if mode & 0o022] == [image.tree / "tmp"]
    assert not [path for path, mode in modes.items() if not mode & 0o004]


def test_both_entry_points_start_without_a_writable_file_system(image: Image) -> None:
    """As uid 65532; the program sees by which of its names it was called."""
    version = image.run("/vault-secrets-operator", "--version", "--output=json")
    assert version.returncode == 0, version.stderr
    assert json.loads(version.stdout)["gitVersion"]
    usage = image.run("/vault-secrets-operator", "--help")
    assert (usage.returncode, "Usage:" in usage.stdout) == (0, True), usage.stderr
    upgrade = image.run("/scripts/upgrade-crds")
    assert (upgrade.returncode, upgrade.stderr.startswith("failed to upgrade CRDs: ")) == (1, True), upgrade.stderr


def test_everything_that_the_operator_may_import_is_there(image: Image) -> None:
    """Every module of ours and the login libraries of the clouds, for a user who can write nothing."""
    done = image.python(_CENSUS)
    assert done.returncode == 0, done.stderr
    census = json.loads(done.stdout)
    assert census["missing"] == {}
    assert census["modules"] > 100
    assert census["ids"] == [NONROOT, NONROOT, census["ids"][2]]
    assert census["authorities"] > 50
    assert not census["root_writable"]
    if image.namespaces:
        assert not census["writable"]


def test_templates_work_at_once_from_the_compiled_form(image: Image) -> None:
    """Compiling takes more memory than the operator is given, and would say so in its log."""
    done = image.python(_RENDER)
    assert (done.returncode, done.stdout) == (0, "RENDERED\n"), done.stderr
    assert "compiling" not in done.stdout + done.stderr


def test_the_image_upgrades_crds_and_syncs_a_secret(
    image: Image, cluster: Cluster, tenant: Tenant, tmp_path: Path
) -> None:
    """Both entry points at their work in a Pod's place: a mounted token, uid 65532, nothing to write to."""
    if not image.namespaces:
        pytest.skip("without mount namespaces there is no place for a token")
    for part in (image.tree / ACCOUNT, tmp_path):
        part.mkdir(parents=True, exist_ok=True)
    address = {"KUBERNETES_SERVICE_HOST": "127.0.0.1", "KUBERNETES_SERVICE_PORT": cluster.server.rpartition(":")[2]}
    pod = replace(image, account=tmp_path / "account", environ=address)
    mount_token(pod, cluster, administrator(cluster))
    crd = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/vaultauths.secrets.hashicorp.com"
    done = pod.run("/scripts/upgrade-crds")
    assert done.returncode == 0, done.stderr
    managers = {one["manager"] for one in cluster.request("GET", crd)["metadata"]["managedFields"]}
    assert "vault-secrets-operator-upgrade-crds" in managers

    mount_token(pod, cluster, harness.ACCOUNT)
    flags = ("--leader-elect=false", "--metrics-bind-address=0", "--health-probe-bind-address=0")
    process = pod.start("/vault-secrets-operator", *flags, "--operator-class=image", log=tmp_path / "log")
    try:
        ours: dict[str, Any] = {"labels": {CLASS: "image"}}
        auth = {"spec": tenant.auth_spec(), "metadata": ours}
        tenant.create("VaultConnection", "vault", spec={"address": tenant.bao.address}, metadata=ours)
        tenant.create("VaultAuth", "vault", **auth)
        tenant.put("app", {"user": "alice"})
        template = {"greeting": {"text": '{{ upper (get .Secrets "user") }}'}}
        spec = {"vaultAuthRef": "vault", "mount": tenant.mount, "path": "app", "type": "kv-v2"}
        destination = {"name": "app", "create": True, "transformation": {"templates": template}}
        tenant.create("VaultStaticSecret", "app", spec={**spec, "destination": destination}, metadata=ours)
        tenant.wait_data("app", user="alice", greeting="ALICE")
    finally:
        process.terminate()
        code = process.wait(40)
    log = (tmp_path / "log").read_text()
    assert code == 0, log
    assert '"level":"error"' not in log
    assert "compiling" not in log


def test_the_bill_of_materials_names_every_package_that_is_installed(image: Image) -> None:
    """A valid CycloneDX document, from the pins; what is in the image is on it."""
    document = bill.bill()
    validator = make_schemabased_validator(OutputFormat.JSON, SchemaVersion.from_version(document["specVersion"]))
    assert validator.validate_str(json.dumps(document)) is None
    stated = {(one["name"], one["version"]) for one in document["components"]}
    [metadata] = {path.parent for path in image.tree.rglob("vso") if path.is_dir()}
    installed = {found(path) for path in metadata.glob("*.dist-info/METADATA")}
    installed = {one for one in installed if one[0] != "vault-secrets-operator"}
    assert len(installed) > 30
    assert installed <= stated
    assert {"github.com/Masterminds/sprig/v3", "golang.org/x/crypto"} <= {name for name, _ in stated}


def test_no_licence_asks_for_more_than_a_notice() -> None:
    """No copyleft in what we pass on, but for one list of CAs that is under the MPL and unchanged."""
    parts = bill.parts()
    assert [part for part in parts if not part.allowed] == []
    assert {part.name for part in parts if part.licence not in bill.ALLOWED} >= set(bill.EXCEPTIONS)
    assert not bill.Part("x", "1", "GPL-3.0-only", "").allowed
    assert not bill.Part("x", "1", "MIT AND GPL-3.0-only", "").allowed
    assert bill.Part("x", "1", "GPL-3.0-only OR MIT", "").allowed


def test_every_go_package_in_the_template_engine_brings_its_licence() -> None:
    """The texts are kept by hand, one for each module and version in go.mod."""
    assert len(bill.go_parts()) == 11
    assert [part for part in bill.go_parts() if part.licence == "unknown"] == []


def test_the_dockerfile_starts_from_nothing_that_is_not_pinned() -> None:
    """The builder is named by its digest, the image itself starts empty, and its user is not root."""
    lines = (ROOT / "Dockerfile").read_text().splitlines()
    assert [line for line in lines if line.startswith("FROM")] == ["FROM ${BUILDER} AS build", "FROM scratch"]
    assert "USER 65532:65532" in lines
    for given, said in (
        (["BUILDER=python:3"], "digest"),
        (["BUILDER=python@sha256:0", "ENGINE=no-such-engine"], "there is no no-such-engine here"),
    ):
        command = ["make", "image", *given]
        refused = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=30)
        assert (refused.returncode, said in refused.stderr) == (2, True), refused.stderr
    copied = {word for line in lines if line.startswith("COPY ") for word in line.split()[1:-1]} - {"--from=build"}
    allowed = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    assert copied - {"/image"} == allowed


def administrator(cluster: Cluster) -> str:
    """An account that may change definitions, as that of the chart's upgrade Job."""
    cluster.kubectl("create", "serviceaccount", "image-upgrade", "--namespace=default")
    role, account = "--clusterrole=cluster-admin", "--serviceaccount=default:image-upgrade"
    cluster.kubectl("create", "clusterrolebinding", "image-upgrade", role, account)
    return "default/image-upgrade"


def mount_token(pod: Image, cluster: Cluster, account: str) -> None:
    """Write what a kubelet writes for a Pod of the ServiceAccount."""
    assert pod.account is not None
    pod.account.mkdir(exist_ok=True)
    (pod.account / "token").write_text(cluster.token_for(account))
    (pod.account / "ca.crt").write_text(cluster.ca_pem)
    (pod.account / "namespace").write_text(account.partition("/")[0])


def found(metadata: Path) -> tuple[str, str]:
    """Name, as pins have it, and version of an installed package."""
    text = metadata.read_text()
    name, version = (re.search(rf"^{field}: (\S+)", text, re.MULTILINE) for field in ("Name", "Version"))
    assert name is not None
    assert version is not None
    return re.sub(r"[-_.]+", "-", name[1]).lower(), version[1]


def test_the_pins_of_the_image_are_those_of_all_logins() -> None:
    """What the clouds' methods import is part of the image."""
    assert PINS.name == "cloud.txt"
    assert {"botocore", "google-auth", "azure-identity"} <= {part.name for part in bill.parts()}
