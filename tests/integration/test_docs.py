"""The tutorials and how-to guides, followed word by word on real servers."""

import shutil
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

import pytest

from testenv import Cluster, OpenBao, Postgres
from testenv.cluster import find_kubectl
from tests.support.operator import ROOT, Operator
from tests.support.page import Reader, blocks, namespaces, programs

DOCS: Final = ROOT / "docs"
FOLDERS: Final = ("tutorials", "how-to")
_CA_FILE: Final = "vault-ca.pem"
PAGES: Final = sorted(
    str(page.relative_to(DOCS))
    for folder in FOLDERS
    for page in (DOCS / folder).glob("*.md")
    if any(block.runs for block in blocks(page.read_text()))
)

README: Final = "../README.md"
"""As a page of the documentation; it speaks of the namespace default, and of programs of the checkout."""
PROGRAMS: Final[Mapping[str, str | Path]] = {
    "kubectl": find_kubectl(),
    "kubectl-vso": Path(sys.executable).with_name("kubectl-vso"),
}
"""What the pages call, beside a server of their own."""


@pytest.fixture
def server(cluster: Cluster, page: str) -> Iterator[OpenBao]:
    """An OpenBao for one page, as the pages take it for granted: this cluster's ServiceAccounts can log in.

    For a page that speaks of the file `vault-ca.pem` it has TLS and a CA of its own.
    """
    with OpenBao(tls=_CA_FILE in (DOCS / page).read_text()) as server:
        server.admin.enable_kubernetes_auth("kubernetes", cluster)
        yield server


@pytest.fixture
def reader(server: OpenBao, cluster: Cluster, postgres: Postgres, tmp_path: Path) -> Reader:
    """Somebody with all rights in Kubernetes and OpenBao, and a kubeconfig of their own."""
    kubeconfig = tmp_path / "kubeconfig"
    shutil.copyfile(cluster.admin_kubeconfig, kubeconfig)
    kubeconfig.chmod(0o600)
    authority = tmp_path / _CA_FILE
    authority.write_text(server.ca_pem)
    return Reader(
        tmp_path,
        environ={
            "PATH": programs(tmp_path / "bin", {**PROGRAMS, "bao": server.binary}),
            "KUBECONFIG": str(kubeconfig),
            "KUBECACHEDIR": str(tmp_path / "cache"),
            **({"BAO_CACERT": str(authority)} if server.ca_pem else {}),
            **{f"{prefix}_{name}": value for prefix in ("BAO", "VAULT") for name, value in _reached(server).items()},
        },
        replaced={
            "https://vault.example.com:8200": server.address,
            "postgresql://{{username}}:{{password}}@db.example.com:5432/postgres": postgres.connection_url,
            "password=superuser": f"password={postgres.password}",
            "db.example.com:5432": f"{postgres.host}:{postgres.port}",
            # The operator of these tests is a process, and no Deployment tells its settings.
            "kubectl vso doctor db ": "kubectl vso doctor db --assume-defaults ",
            ".venv/bin/vso": str(Path(sys.executable).with_name("vso")),
        },
    )


@pytest.mark.parametrize("page", PAGES)
def test_a_page_holds_what_it_promises(page: str, reader: Reader, operator: Operator, cluster: Cluster) -> None:
    """Each command succeeds, and prints what the page shows."""
    text = (DOCS / page).read_text()
    try:
        reader.follow(text)
    except AssertionError as exc:
        for namespace in namespaces(text):
            exc.add_note(cluster.kubectl("get", "events", "--namespace", namespace).stdout)
        raise
    finally:
        for namespace in namespaces(text):
            cluster.kubectl("delete", "namespace", namespace, "--wait=false", "--ignore-not-found")


@pytest.fixture
def promised(server: OpenBao, cluster: Cluster, tmp_path: Path) -> Iterator[None]:
    """What the README's quick start takes for granted: a checkout, a role, a policy and something to read."""
    (tmp_path / "deploy").symlink_to(ROOT / "deploy")
    server.admin.put_kv("secret", "hello", {"greeting": "good morning"})
    server.admin.policy("hello", 'path "secret/data/hello" { capabilities = ["read"] }')
    server.admin.kubernetes_role(
        "kubernetes", "demo", policies=["hello"], namespaces=["default"], service_accounts=["default"]
    )
    yield
    for made in ("vaultstaticsecret/hello", "vaultauth/demo", "vaultconnection/default", "secret/hello"):
        cluster.kubectl("delete", made, "--namespace", "default", "--ignore-not-found")


@pytest.mark.usefixtures("promised", "operator")
@pytest.mark.parametrize("page", [README])
def test_the_quick_start_of_the_readme_ends_with_a_secret_and_a_diagnosis(page: str, reader: Reader) -> None:
    """Each command succeeds, and prints what the README shows."""
    text = (DOCS / page).read_text()
    assert [block.mark for block in blocks(text)].count("run") == 3
    reader.follow(text)


def test_no_two_pages_share_a_namespace() -> None:
    """A page must not find what another one left."""
    found = Counter(name for page in PAGES for name in namespaces((DOCS / page).read_text()))
    assert found
    assert not [name for name, count in found.items() if count > 1]


def test_each_block_of_commands_is_run_or_says_why_not() -> None:
    """So that nothing is left out by mistake, such as a comment with a typing error."""
    run_elsewhere = "run without a cluster"  # by the tests of the plugin
    left = [
        f"{page}:{block.line}"
        for page in (DOCS / README, *(page for folder in FOLDERS for page in (DOCS / folder).glob("*.md")))
        for block in blocks(page.read_text())
        if block.language == "sh"
        if not block.runs and block.mark != run_elsewhere and not block.mark.startswith("not run: ")
    ]
    assert not left


def _reached(server: OpenBao) -> dict[str, str]:
    return {"ADDR": server.address, "TOKEN": server.token}
