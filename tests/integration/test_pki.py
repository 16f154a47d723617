"""VaultPKISecret on real servers: OpenBao's PKI engine."""

import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import pkcs12

from tests.support.evidence import Watch
from tests.support.operator import Operator
from tests.support.tenant import Json, Tenant

KIND = "VaultPKISecret"


@pytest.fixture
def pki(tenant: Tenant) -> Iterator[str]:
    """A PKI engine with an intermediate CA and a role ``web``; the mount."""
    mount = f"pki-{tenant.namespace}"
    tenant.bao.admin.enable_pki(mount, "Test CA", intermediate=True)
    tenant.bao.admin.pki_role(mount, "web")
    tenant.bao.admin.policy(tenant.namespace, f'path "{mount}/*" {{ capabilities = ["read", "update"] }}')
    tenant.connect()
    yield mount
    for one in (mount, f"{mount}-root"):
        tenant.bao.admin.delete(f"sys/mounts/{one}")


def certificate(tenant: Tenant, name: str) -> x509.Certificate:
    """The certificate in Secret `name`."""
    data = tenant.data(name)
    assert data is not None
    return x509.load_pem_x509_certificate(data["certificate"])


def wait_synced(tenant: Tenant, name: str) -> Json:
    """Wait until VaultPKISecret `name` is in sync."""
    return tenant.wait_synced(name, kind=KIND)


def serial(tenant: Tenant, name: str) -> str:
    """The serial number in the status."""
    return str(tenant.status(KIND, name).get("serialNumber", ""))


def revoked(tenant: Tenant, mount: str, number: str) -> bool:
    """Whether OpenBao says so."""
    answer: Any = tenant.bao.admin.read(f"{mount}/cert/{number}")
    return bool(answer["data"]["revocation_time"])


def serials(tenant: Tenant, mount: str) -> list[str]:
    """The serial numbers of all certificates that OpenBao keeps."""
    return tenant.bao.admin.list(f"{mount}/certs")


def test_a_tls_secret_loads_and_verifies(operator: Operator, tenant: Tenant, pki: str, tmp_path: Path) -> None:
    """tls.crt holds certificate and chain, tls.key its key (behaviour.md section 7.4)."""
    watch = Watch(operator, tenant)
    tenant.certify(
        "web", mount=pki, role="web", altNames=["alt.example.com"], destination={"type": "kubernetes.io/tls"}
    )
    wait_synced(tenant, "web")
    data = tenant.data("web")
    assert data is not None
    (tmp_path / "tls.crt").write_bytes(data["tls.crt"])
    (tmp_path / "tls.key").write_bytes(data["tls.key"])
    ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(tmp_path / "tls.crt", tmp_path / "tls.key")
    status = tenant.status(KIND, "web")
    assert status["valid"] is True
    assert status["serialNumber"].replace(":", "") == f"{certificate(tenant, 'web').serial_number:x}".zfill(
        len(status["serialNumber"].replace(":", ""))
    )
    assert status["expiration"] == int(certificate(tenant, "web").not_valid_after_utc.timestamp())
    assert watch.writes("secrets") == ["create secrets"]


def test_a_certificate_that_cannot_be_rendered_is_revoked(operator: Operator, tenant: Tenant, pki: str) -> None:
    """It would be valid, and nobody would know of it; the next attempt asks for another."""
    issued_by = set(serials(tenant, pki))
    templates = {"web.pem": {"text": '{{ fail "set a user first" }}'}}
    tenant.certify("web", mount=pki, role="web", revoke=True, destination={"transformation": {"templates": templates}})
    tenant.wait_failed("web", "set a user first", kind=KIND)
    made = set(serials(tenant, pki)) - issued_by
    assert made
    tenant.wait(lambda: all(revoked(tenant, pki, one) for one in made), "the certificates to be revoked")
    assert tenant.get("Secret", "web") is None
    tenant.patch(KIND, "web", {"spec": {"destination": {"transformation": {"templates": None}}}})
    wait_synced(tenant, "web")
    assert not revoked(tenant, pki, serial(tenant, "web"))


def test_r25_a_certificate_is_replaced_before_it_ends(operator: Operator, tenant: Tenant, pki: str) -> None:
    """At the offset before its end, and the workload restarts once for it."""
    tenant.deployment("web")
    targets = [{"kind": "Deployment", "name": "web"}]
    tenant.certify(
        "web", mount=pki, role="web", ttl="12s", expiryOffset="6s", revoke=True, rolloutRestartTargets=targets
    )
    wait_synced(tenant, "web")
    first, end = serial(tenant, "web"), certificate(tenant, "web").not_valid_after_utc
    tenant.wait(lambda: serial(tenant, "web") != first, "the next certificate", timeout=20)
    assert certificate(tenant, "web").not_valid_before_utc < end
    tenant.wait(lambda: revoked(tenant, pki, first), "the old certificate to be revoked")
    workload = tenant.get("Deployment", "web")
    assert workload is not None
    assert workload["metadata"]["generation"] >= 2
    last = serial(tenant, "web")
    tenant.delete(KIND, "web")
    tenant.wait_gone(KIND, "web")
    assert revoked(tenant, pki, last)


def test_r26_a_changed_name_gives_one_new_certificate(operator: Operator, tenant: Tenant, pki: str) -> None:
    """And what enters no request issues nothing (regressions R26, R27)."""
    tenant.certify("web", mount=pki, role="web")
    wait_synced(tenant, "web")
    first = serial(tenant, "web")
    watch = Watch(operator, tenant)
    tenant.patch(KIND, "web", {"spec": {"expiryOffset": "1h", "destination": {"labels": {"team": "a"}}}})
    wait_synced(tenant, "web")
    assert serial(tenant, "web") == first
    tenant.patch(KIND, "web", {"spec": {"altNames": ["new.example.com"]}})
    tenant.wait(lambda: serial(tenant, "web") != first, "a new certificate", timeout=5)
    names = certificate(tenant, "web").extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert "new.example.com" in names.get_values_for_type(x509.DNSName)
    issued = [one for one in tenant.bao.requests(since=watch.vault) if one.path == f"{pki}/issue/web"]
    assert len(issued) == 1


def test_a_refused_request_keeps_the_certificate_and_says_why(operator: Operator, tenant: Tenant, pki: str) -> None:
    """A name that the role forbids, until it is allowed (regressions R26)."""
    tenant.bao.admin.pki_role(
        pki, "strict", allow_any_name=False, allowed_domains=["ok.example.com"], allow_bare_domains=True
    )
    tenant.certify("web", mount=pki, role="strict", commonName="ok.example.com")
    wait_synced(tenant, "web")
    first, data = serial(tenant, "web"), tenant.data("web")
    tenant.patch(KIND, "web", {"spec": {"commonName": "other.example.com"}})
    tenant.wait_failed("web", "other.example.com", kind=KIND)
    assert (serial(tenant, "web"), tenant.data("web")) == (first, data)
    assert tenant.status(KIND, "web")["error"] == "K8sClientError"
    tenant.bao.admin.pki_role(pki, "strict")
    wait_synced(tenant, "web")
    assert serial(tenant, "web") != first


def test_d04_keystores_hold_key_and_chain(operator: Operator, tenant: Tenant, pki: str) -> None:
    """PKCS12 opens with the password of the Secret that is named."""
    tenant.create("Secret", "password", stringData={"p": "open sesame"})
    ref = {"name": "password", "key": "p"}
    stores = [{"format": form, "key": f"store.{form}", "passwordSecretRef": ref} for form in ("pkcs12", "jks")]
    tenant.certify("web", mount=pki, role="web", extensions={"keystores": stores})
    wait_synced(tenant, "web")
    data = tenant.data("web")
    assert data is not None
    _, found, chain = pkcs12.load_key_and_certificates(data["store.pkcs12"], b"open sesame")
    assert found == certificate(tenant, "web")
    assert len(chain) == 1
    assert data["store.jks"].startswith(bytes.fromhex("feedfeed"))


def test_a_secret_that_is_not_ours_is_cleared_if_asked_for(operator: Operator, tenant: Tenant, pki: str) -> None:
    """`clear` empties a Secret that users made; nothing is deleted (behaviour.md section 7.5)."""
    tenant.create("Secret", "web")
    tenant.certify("web", mount=pki, role="web", clear=True, destination={"create": False})
    wait_synced(tenant, "web")
    tenant.wait(lambda: "certificate" in (tenant.data("web") or {}), "the certificate")
    tenant.delete(KIND, "web")
    tenant.wait_gone(KIND, "web")
    assert tenant.data("web") == {}


def test_d16_an_annotation_asks_for_another_certificate(operator: Operator, tenant: Tenant, pki: str) -> None:
    """Each new value of the rotate annotation issues one; any other edit of metadata issues nothing (D16)."""
    tenant.certify("web", mount=pki, role="web")
    wait_synced(tenant, "web")
    first = serial(tenant, "web")
    watch = Watch(operator, tenant)
    tenant.patch(KIND, "web", {"metadata": {"annotations": {"note": "1"}, "labels": {"a": "b"}}})
    tenant.patch(KIND, "web", {"metadata": {"annotations": {"vault-secrets-operator.github.io/rotate": "1"}}})
    tenant.wait(lambda: serial(tenant, "web") != first, "another certificate")
    tenant.wait(
        lambda: tenant.status(KIND, "web").get("extensions", {}).get("rotated") == "1", "the status to name the value"
    )
    issued = [one for one in tenant.bao.requests(since=watch.vault) if one.path == f"{pki}/issue/web"]
    assert len(issued) == 1
