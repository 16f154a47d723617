"""Metrics over TLS: for whom the cluster admits, and for nobody else."""

import json
import ssl
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from testenv import Cluster, wait_for
from testenv.audit import AuditEntry
from testenv.certificates import Authority
from testenv.port import free_port
from testenv.web import Reply, Site
from tests.support import operator as harness
from tests.support.operator import Operator

READER = "metrics-reader-of-tests"
RULE = {"nonResourceURLs": ["/metrics"], "verbs": ["get"]}
RBAC = "/apis/rbac.authorization.k8s.io/v1"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the certificate of the operator, signed by a CA that the scraper knows."""
    folder: Path = tmp_path_factory.mktemp("certificates")
    return folder


@pytest.fixture(scope="module")
def site(cluster: Cluster, folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """The metrics of a replica that serves them over TLS, as a scraper without a token reaches them."""
    authority = Authority.create(folder, name="scrapers")
    pair = authority.serving("operator")
    pair.certificate.rename(folder / "tls.crt")
    pair.key.rename(folder / "tls.key")
    port = free_port()
    flags = (f"--metrics-secure-bind-address=127.0.0.1:{port}", f"--metrics-cert-directory={folder}")
    with harness.running(cluster, tmp_path_factory.mktemp("operator"), "--leader-elect=false", *flags):
        yield Site(base=f"https://localhost:{port}", context=authority.context())


@pytest.fixture(scope="module")
def reader(cluster: Cluster) -> Iterator[str]:
    """A token of an account that may get /metrics."""
    account = cluster.kubectl("create", "serviceaccount", READER)
    assert account.returncode == 0, account.stderr
    role = {"metadata": {"name": READER}, "rules": [RULE]}
    cluster.request("POST", f"{RBAC}/clusterroles", role)
    subject = {"kind": "ServiceAccount", "name": READER, "namespace": "default"}
    ref = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": READER}
    binding = {"metadata": {"name": READER}, "roleRef": ref, "subjects": [subject]}
    cluster.request("POST", f"{RBAC}/clusterrolebindings", binding)
    yield cluster.token_for(f"default/{READER}")
    for path in (f"{RBAC}/clusterrolebindings/{READER}", f"{RBAC}/clusterroles/{READER}"):
        cluster.request("DELETE", path)
    cluster.request("DELETE", f"/api/v1/namespaces/default/serviceaccounts/{READER}")


def scrape(site: Site, token: str) -> Reply:
    """What a scraper with `token` gets."""
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    return replace(site, headers=headers).ask("GET", "/metrics")


def test_who_may_get_the_path_reads_metrics_and_is_asked_about_once(site: Site, reader: str, cluster: Cluster) -> None:
    """The verdict is remembered: scrapes cost the API server nothing. The token is one that nobody has shown yet."""
    del reader
    token = cluster.token_for(f"default/{READER}")
    mark = cluster.audit_mark()
    for _ in range(5):
        answer = scrape(site, token)
        assert answer.status == 200
        assert "vso_build_info{" in answer.text
    reviews = [one.resource for one in cluster.audit(user=harness.USER, since=mark) if "review" in one.resource]
    assert sorted(reviews) == ["subjectaccessreviews", "tokenreviews"]


def test_who_may_not_get_the_path_is_told_what_is_missing(site: Site, cluster: Cluster) -> None:
    """A good token of an account without the right."""
    answer = scrape(site, cluster.token_for("default/default"))
    assert answer.status == 403
    assert "nonResourceURL" in answer.text
    assert "vso_" not in answer.text


@pytest.mark.parametrize("token", ["", "made-up"], ids=["no token", "a bad token"])
def test_strangers_get_nothing(site: Site, token: str) -> None:
    """Neither without a token nor with one that the cluster does not know."""
    answer = scrape(site, token)
    assert answer.status == 401
    assert "vso_" not in answer.text


def test_the_certificate_is_that_of_the_folder(site: Site, reader: str) -> None:
    """The scraper verifies it; another CA would have broken the handshake."""
    stranger = ssl.create_default_context()
    with pytest.raises(ssl.SSLCertVerificationError):
        scrape(replace(site, context=stranger), reader)
    assert scrape(site, reader).status == 200


def test_a_certificate_of_its_own_is_there_without_a_folder(cluster: Cluster, reader: str, tmp_path: Path) -> None:
    """For scrapers that do not verify, as those of the original."""
    port = free_port()
    with harness.running(cluster, tmp_path, f"--metrics-secure-bind-address=127.0.0.1:{port}", "--leader-elect=false"):
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        assert scrape(Site(base=f"https://127.0.0.1:{port}", context=context), reader).status == 200


@pytest.fixture(scope="module")
def idle(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Operator, Site]]:
    """A replica that leads and has nothing to do, since no resource is of its class; and its plain metrics."""
    port = free_port()
    flags = (f"--metrics-bind-address=127.0.0.1:{port}", "--leader-elect=false", "--operator-class=nobody")
    with harness.running(cluster, tmp_path_factory.mktemp("idle"), *flags) as replica:
        yield replica, Site(base=f"http://127.0.0.1:{port}")


def test_scrapes_ask_the_api_server_nothing(idle: tuple[Operator, Site]) -> None:
    """What is told of objects comes from memory; what the start asks for may still be under way at first."""
    replica, site = idle

    def asked() -> list[AuditEntry]:
        mark = replica.cluster.audit_mark()
        texts = [site.ask("GET", "/metrics").text for _ in range(20)]
        assert all("vso_serviced_namespaces 0.0" in text for text in texts)
        return replica.requests(mark)

    wait_for(lambda: not asked(), what="20 scrapes without a request to the API server")


def test_plain_metrics_are_for_whoever_reaches_the_address(idle: tuple[Operator, Site]) -> None:
    """As the original's: the manifests bind them to loopback. The text is what Prometheus reads."""
    answer = idle[1].ask("GET", "/metrics")
    assert answer.status == 200
    assert 'controller_runtime_reconcile_total{controller="vaultpkisecret",result="requeue_after"} ' in answer.text
    assert "_created" not in answer.text
    assert json.dumps("b0d477c0.hashicorp.com") in answer.text
