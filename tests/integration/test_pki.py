"""VaultPKISecret on real servers: OpenBao's PKI engine."""

import socket
import ssl
from base64 import b64decode
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_der_private_key, pkcs12

from testenv.certificates import Pair
from tests.support.evidence import Watch
from tests.support.operator import Operator
from tests.support.tenant import Json, Tenant
from tests.support.tls_server import showing

KIND = "VaultPKISecret"
TLS = "kubernetes.io/tls"


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
    """tls.crt holds certificate and chain, tls.key its key (behaviour.md section 7.4).

    Clients that trust only the root, or only the issuing CA of the answer, shake hands with a server that shows them.
    """
    watch = Watch(operator, tenant)
    tenant.certify("web", mount=pki, role="web", altNames=["alt.example.com"], destination={"type": TLS})
    wait_synced(tenant, "web")
    data = tenant.data("web")
    assert data is not None
    (tmp_path / "tls.crt").write_bytes(data["tls.crt"])
    (tmp_path / "tls.key").write_bytes(data["tls.key"])
    root = tenant.bao.admin.read(f"{pki}-root/cert/ca")["data"]["certificate"]
    with showing(Pair(tmp_path / "tls.crt", tmp_path / "tls.key")) as address:
        for name in ("web.example.com", "alt.example.com"):
            for authority in (root, data["ca.crt"].decode()):
                shake_hands(address, name, authority)
        with pytest.raises(ssl.SSLCertVerificationError):
            shake_hands(address, "other.example.com", root)
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


def shake_hands(address: str, name: str, authority: str) -> None:
    """As a client that trusts `authority` alone, be it an intermediate one, and asks for `name`."""
    context = ssl.create_default_context(cadata=authority)
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    host, _, port = address.removeprefix("https://").partition(":")
    with (
        socket.create_connection((host, int(port)), timeout=30) as connection,
        context.wrap_socket(connection, server_hostname=name) as secure,
    ):
        secure.sendall(b".")


def test_each_format_gives_a_pair(operator: Operator, tenant: Tenant, pki: str, tmp_path: Path) -> None:
    """PEM and bundles load as TLS Secrets; DER comes as base64 text, key and certificate belong together (api 4.6)."""
    for form in ("pem", "pem_bundle", "der"):
        tenant.certify(form.replace("_", "-"), mount=pki, role="web", format=form, destination={"type": TLS})
    for name in ("pem", "pem-bundle"):
        wait_synced(tenant, name)
        data = tenant.data(name)
        assert data is not None
        assert (b"PRIVATE KEY" in data["certificate"]) is (name == "pem-bundle")
        assert b"PRIVATE KEY" not in data["tls.crt"]
        for key in ("tls.crt", "tls.key"):
            (tmp_path / f"{name}-{key}").write_bytes(data[key])
        pair = [tmp_path / f"{name}-{key}" for key in ("tls.crt", "tls.key")]
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(pair[0], pair[1])
        shown = x509.load_pem_x509_certificates(data["tls.crt"])
        assert shown[0].issuer == shown[1].subject
        assert len(set(shown)) == len(shown)
    wait_synced(tenant, "der")
    data = tenant.data("der")
    assert data is not None
    found = x509.load_der_x509_certificate(b64decode(data["certificate"]))
    private = load_der_private_key(b64decode(data["private_key"]), None)
    assert private.public_key() == found.public_key()
    assert tenant.status(KIND, "der")["expiration"] == int(found.not_valid_after_utc.timestamp())


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
    """And one restart; so does a name that goes. What enters no request issues nothing (regressions R26, R27)."""
    tenant.deployment("web")
    targets = [{"kind": "Deployment", "name": "web"}]
    tenant.certify("web", mount=pki, role="web", rolloutRestartTargets=targets)
    wait_synced(tenant, "web")
    first = serial(tenant, "web")
    watch = Watch(operator, tenant)
    tenant.patch(KIND, "web", {"spec": {"expiryOffset": "1h", "destination": {"labels": {"team": "a"}}}})
    wait_synced(tenant, "web")
    assert serial(tenant, "web") == first
    assert generation(tenant) == 1
    for number, names in enumerate((["new.example.com"], None), start=1):
        before = serial(tenant, "web")
        tenant.patch(KIND, "web", {"spec": {"altNames": names}})
        tenant.wait(partial(replaced, tenant, before), "a new certificate", timeout=5)
        wait_synced(tenant, "web")
        assert alternatives(certificate(tenant, "web")) == {"web.example.com", *(names or [])}
        issued = [one for one in tenant.bao.requests(since=watch.vault) if one.path == f"{pki}/issue/web"]
        assert len(issued) == number
        assert generation(tenant) == 1 + number


def replaced(tenant: Tenant, before: str) -> bool:
    """Whether the Secret and the status have another certificate than `before`."""
    data = tenant.data("web") or {}
    return data.get("serial_number", b"").decode() == serial(tenant, "web") != before


def alternatives(one: x509.Certificate) -> set[str]:
    """The DNS names that it is for."""
    names = one.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return set(names.get_values_for_type(x509.DNSName))


def generation(tenant: Tenant) -> int:
    """How often the Deployment ``web`` was changed, its creation included."""
    found = tenant.get("Deployment", "web")
    assert found is not None
    return int(found["metadata"]["generation"])


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
