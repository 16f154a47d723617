"""`kubectl vso doctor` on faults that are made for real: it names the link that is broken, and the cause.

All faults stand side by side in one namespace, beside a secret that is well, and one run looks at them all.
"""

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import pytest

from testenv import Cluster, OpenBao
from testenv.certificates import Authority
from testenv.port import free_port
from tests.support.operator import NAMESPACE, Operator
from tests.support.plugin import Answer, vso
from tests.support.tenant import GROUP, Json, Tenant, new_tenant, remove
from tests.support.tls_server import showing

WELL: Final = "well"
ELSEWHERE: Final = "--assume-defaults"
"""The operator of these tests is a process: no Deployment tells its settings."""


@dataclass(frozen=True)
class Ward:
    """A tenant whose secret ``well`` is in sync, and the servers that are out of order."""

    tenant: Tenant
    authority: Authority
    sealed: str
    trusted: str
    expired: str


@dataclass(frozen=True)
class Fault:
    """A resource that cannot be synced, the check that must say so first, and words that it must use."""

    make: Callable[[Ward, str], object]
    check: str
    words: tuple[str, ...]


def secret(**spec: Any) -> Callable[[Ward, str], object]:
    """A VaultStaticSecret like the one that is well, but for `spec`."""
    return lambda ward, name: ward.tenant.sync(name, **{"path": WELL, **spec})


def auth(**spec: Any) -> Callable[[Ward, str], object]:
    """A VaultAuth like the one that works, but for `spec`; members of `kubernetes` are added to its own."""

    def make(ward: Ward, name: str) -> None:
        change = {key: _filled(value, ward) for key, value in spec.items()}
        whole = ward.tenant.auth_spec()
        kubernetes = {**whole["kubernetes"], **change.pop("kubernetes", {})}
        whole = {**whole, "kubernetes": kubernetes, **change}
        ward.tenant.create("VaultAuth", name, spec={key: value for key, value in whole.items() if value is not None})
        ward.tenant.sync(name, path=WELL, vaultAuthRef=name)

    return make


def connection(**spec: Any) -> Callable[[Ward, str], object]:
    """A VaultConnection with `spec`; texts may name members of the ward."""

    def make(ward: Ward, name: str) -> None:
        settings = {key: _filled(value, ward) for key, value in {"address": "{bao}", **spec}.items()}
        ward.tenant.create("VaultConnection", name, spec=settings)
        ward.tenant.create("VaultAuth", name, spec={**ward.tenant.auth_spec(), "vaultConnectionRef": name})
        ward.tenant.sync(name, path=WELL, vaultAuthRef=name)

    return make


def _filled(value: Any, ward: Ward) -> Any:
    if isinstance(value, dict):
        return {key: _filled(item, ward) for key, item in value.items()}
    if not isinstance(value, str):
        return value
    tenant = ward.tenant
    return value.format(
        ns=tenant.namespace,
        bao=tenant.bao.address,
        bao_tls=tenant.bao.address.replace("http:", "https:"),
        closed=f"http://127.0.0.1:{free_port()}",
        sealed=ward.sealed,
        trusted=ward.trusted,
        expired=ward.expired,
    )


def foreign_auth(ward: Ward, name: str) -> None:
    """A VaultAuth of another namespace that admits nobody."""
    tenant = ward.tenant
    body = {"metadata": {"name": f"{tenant.namespace}-foreign"}, "spec": tenant.auth_spec()}
    kind = {"apiVersion": "secrets.hashicorp.com/v1beta1", "kind": "VaultAuth"}
    tenant.cluster.request("POST", f"{GROUP}/namespaces/{NAMESPACE}/vaultauths", {**kind, **body})
    tenant.sync(name, path=WELL, vaultAuthRef=f"{NAMESPACE}/{tenant.namespace}-foreign")


def deleted_version(ward: Ward, name: str) -> None:
    """The newest version of the secret is deleted."""
    ward.tenant.put("gone", {"user": "bob-the-builder"})
    ward.tenant.bao.admin.delete(f"{ward.tenant.mount}/data/gone")
    ward.tenant.sync(name, path="gone")


def foreign_secret(ward: Ward, name: str) -> None:
    """Somebody else's Secret is at the destination."""
    ward.tenant.create("Secret", name, stringData={"mine": "not-from-vault-at-all"})
    ward.tenant.sync(name, path=WELL)


def immutable_secret(ward: Ward, name: str) -> None:
    """The destination cannot change."""
    ward.tenant.create("Secret", name, immutable=True, stringData={"mine": "never-to-be-changed"})
    ward.tenant.sync(name, path=WELL, destination={"create": False})


def younger(ward: Ward, name: str) -> None:
    """Another resource, and an older one, has the same destination."""
    tenant = ward.tenant
    elder = tenant.get("VaultStaticSecret", WELL)
    assert elder is not None

    def made() -> bool:
        made = tenant.sync(name, path=WELL, destination={"name": WELL})
        if made["metadata"]["creationTimestamp"] > elder["metadata"]["creationTimestamp"]:
            return True
        tenant.delete("VaultStaticSecret", name)
        tenant.wait_gone("VaultStaticSecret", name)
        return False

    tenant.wait(made, "a younger resource")


def without_permission(ward: Ward, name: str) -> None:
    """Dynamic credentials that no policy permits."""
    ward.tenant.lease(name, mount="database", path="creds/reader")


NOWHERE: Final = {"name": "x", "create": True, "transformation": {"transformationRefs": [{"name": "nobody"}]}}
FAULTS: Final = {
    "a VaultAuth that does not exist": Fault(
        secret(vaultAuthRef="nobody"), "references", ("VaultAuth", "nobody does not exist", "vaultAuthRef")
    ),
    "a VaultConnection that does not exist": Fault(
        auth(vaultConnectionRef="nobody"), "references", ("VaultConnection", "nobody", "vaultConnectionRef")
    ),
    "a namespace that is not allowed": Fault(foreign_auth, "references", ("may not use", "allowedNamespaces")),
    "a login that is incomplete": Fault(auth(kubernetes={"role": ""}), "references", ("role is empty",)),
    "a file where none is permitted": Fault(
        connection(caCertPath="/etc/ca.pem"), "references", ("--credentials-directory",)
    ),
    "a CA that does not exist": Fault(
        connection(address="{trusted}", caCertSecretRef="nobody"), "connection", ("nobody", "ca.crt")
    ),
    "an address that is no URL": Fault(connection(address="vault:8200"), "connection", ("must be a URL",)),
    "a name without address": Fault(
        connection(address="http://vault.invalid:8200"), "dns", ("vault.invalid", "not known")
    ),
    "a port that is closed": Fault(connection(address="{closed}"), "port", ("refused", "nobody listens")),
    "a CA that is not known": Fault(
        connection(address="{trusted}"), "tls", ("is not trusted", "ward CA", "caCertSecretRef")
    ),
    "a certificate for another name": Fault(
        connection(address="{trusted}", caCertSecretRef="ca", tlsServerName="vault.example.com"),
        "tls",
        ("another name", "vault.example.com is asked for", "localhost", "tlsServerName"),
    ),
    "a certificate that has expired": Fault(
        connection(address="{expired}", caCertSecretRef="ca"), "tls", ("has expired", "valid from", "renew")
    ),
    "a server without TLS behind https": Fault(connection(address="{bao_tls}"), "tls", ("plain HTTP", "scheme")),
    "a sealed server": Fault(connection(address="{sealed}"), "seal", ("is sealed", "unseal it")),
    "an auth mount that does not exist": Fault(
        auth(mount="elsewhere"), "auth-mount", ("auth/elsewhere", "nothing is mounted", "spec.mount")
    ),
    "a ServiceAccount that does not exist": Fault(
        auth(kubernetes={"serviceAccount": "nobody"}), "login", ("ServiceAccount", "nobody", "create")
    ),
    "a role that does not exist": Fault(
        auth(kubernetes={"role": "nobody"}), "login", ("role", "create the role auth/kubernetes/role/nobody")
    ),
    "an audience that the role does not accept": Fault(
        auth(kubernetes={"audiences": ["elsewhere"]}),
        "login",
        ('audience "elsewhere"', "issuer", "expires", "audiences"),
    ),
    "a role that admits others": Fault(
        auth(kubernetes={"role": "{ns}-other"}), "login", ("refused", "admits this identity")
    ),
    "a policy without the path": Fault(
        auth(kubernetes={"role": "{ns}-poor"}), "permission", ("may not read", "nothing-at-all", "capabilities")
    ),
    "credentials that are not permitted": Fault(without_permission, "permission", ("database/creds/reader",)),
    "a mount that does not exist": Fault(
        secret(mount="nowhere"), "mount", ("no secrets engine is mounted at nowhere", "spec.mount")
    ),
    "an engine of the other version": Fault(secret(type="kv-v1"), "mount", ("kv-v2 engine", "spec.type to kv-v2")),
    "a path that does not exist": Fault(secret(path="nobody"), "secret", ("nobody", "write the secret")),
    "a version that was deleted": Fault(deleted_version, "secret", ("deleted", "undelete")),
    "a path that leaves its mount": Fault(secret(path="x/../../sys/mounts"), "spec", ("..",)),
    "an interval that is none": Fault(secret(refreshAfter="9999999999h"), "spec", ("spec.refreshAfter", "292 years")),
    "a transformation that does not exist": Fault(
        secret(destination=NOWHERE), "transformation", ("SecretTransformation", "nobody does not exist")
    ),
    "a Secret of somebody else": Fault(foreign_secret, "destination", ("not the owner", "overwrite")),
    "a Secret that must exist": Fault(
        secret(destination={"create": False}), "destination", ("does not exist", "destination.create")
    ),
    "a Secret that cannot change": Fault(immutable_secret, "destination", ("immutable", "delete it")),
    "a destination that another has": Fault(younger, "claims", (f"VaultStaticSecret {WELL}", "oldest")),
}
"""Made in this order; resources are called f00, f01, ..."""
NAMES: Final = {f"f{number:02}": fault for number, fault in enumerate(FAULTS.values())}


@pytest.fixture(scope="module")
def ward(
    operator: Operator, cluster: Cluster, bao: OpenBao, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Ward]:
    """The faults, made."""
    authority = Authority.create(tmp_path_factory.mktemp("ward"), name="ward")
    tenant = new_tenant(cluster, bao)
    with contextlib.ExitStack() as stack:
        stack.callback(remove, tenant)
        sealed = stack.enter_context(OpenBao(durable=True))
        sealed.seal()
        trusted = stack.enter_context(showing(authority.serving("trusted")))
        expired = stack.enter_context(showing(authority.serving("expired", life=-timedelta(minutes=1))))
        _prepare(tenant, authority)
        ward = Ward(tenant, authority, sealed.address, trusted, expired)
        stack.callback(cluster.kubectl, "delete", "vaultauth", f"{tenant.namespace}-foreign", f"-n={NAMESPACE}")
        for name, fault in NAMES.items():
            fault.make(ward, name)
        yield ward


def _prepare(tenant: Tenant, authority: Authority) -> None:
    admin, ns = tenant.bao.admin, tenant.namespace
    rules = "\n".join(f'path "{one}/*" {{ capabilities = ["read"] }}' for one in (tenant.mount, "nowhere"))
    admin.policy(ns, rules)
    accounts = {"service_accounts": ["default"], "audience": "vault"}
    admin.kubernetes_role("kubernetes", f"{ns}-poor", policies=["nothing-at-all"], namespaces=[ns], **accounts)
    admin.kubernetes_role("kubernetes", f"{ns}-other", policies=[ns], namespaces=["elsewhere"], **accounts)
    tenant.create("Secret", "ca", stringData={"ca.crt": authority.pem})
    tenant.connect()
    tenant.put(WELL, {"user": "alice-in-wonderland"})
    tenant.sync(WELL)
    tenant.wait_synced(WELL)


@pytest.fixture(scope="module")
def reports(ward: Ward) -> dict[str, Json]:
    """What one run says of each, by name."""
    answer = vso(ward.tenant.cluster, "doctor", ELSEWHERE, f"--namespace={ward.tenant.namespace}", "--output=json")
    assert answer.code == 1, answer.err
    return {one["name"]: one for one in answer.json["items"]}


def findings(report: Json) -> list[tuple[str, Json]]:
    """The problems of a report, each with its check."""
    return [
        (check["check"], finding)
        for check in report["checks"]
        for finding in check.get("findings", [])
        if finding.get("severity", "problem") == "problem"
    ]


@pytest.mark.parametrize("name", NAMES, ids=list(FAULTS))
def test_the_link_that_is_broken_is_named_with_cause_and_remedy(reports: dict[str, Json], name: str) -> None:
    """The first problem is the one that was made, in words that lead to its remedy."""
    fault, report = NAMES[name], reports[name]
    assert not report["healthy"]
    check, finding = findings(report)[0]
    assert check == fault.check, report
    text = " ".join(finding.get(part, "") for part in ("what", "why", "todo"))
    assert [word for word in fault.words if word not in text] == [], text
    assert finding["todo"]


def test_what_is_well_passes_every_check(reports: dict[str, Json]) -> None:
    """No finding but that its destination is wanted by a younger one; what was not checked says why."""
    report = reports[WELL]
    assert report["healthy"]
    assert findings(report) == []
    results = {check["check"]: check["result"] for check in report["checks"]}
    unknown = {check["check"]: check["because"] for check in report["checks"] if check["result"] == "not checked"}
    assert unknown.keys() == {"tls", "leader"}
    assert "http://" in unknown["tls"]
    assert {results[one] for one in ("dns", "port", "seal", "login", "mount", "permission", "secret")} == {"ok"}


def text_of(ward: Ward, *words: str, kubeconfig: Path | None = None) -> Answer:
    """What the doctor says to people."""
    place = f"--namespace={ward.tenant.namespace}"
    return vso(ward.tenant.cluster, "doctor", ELSEWHERE, *words, place, kubeconfig=kubeconfig)


def test_people_read_marks_reasons_and_remedies(ward: Ward) -> None:
    """One secret is shown link by link; the value that was read does not show."""
    well = text_of(ward, WELL)
    assert well.code == 0
    assert "✓ The login succeeds" in well.out
    assert "alice" not in well.out
    number = list(FAULTS).index("an audience that the role does not accept")
    ill = text_of(ward, f"vss/f{number:02}")
    assert ill.code == 1
    assert "✗ The login succeeds" in ill.out
    assert "why: the token sent has audience" in ill.out
    assert "do:  set spec.kubernetes.audiences" in ill.out


def test_the_tokens_of_its_logins_are_revoked(ward: Ward) -> None:
    """A look leaves no token behind."""
    mark = ward.tenant.bao.mark()
    assert text_of(ward, WELL).code == 0
    paths = [one.path for one in ward.tenant.bao.requests(since=mark) if one.user.endswith("default")]
    assert "auth/token/revoke-self" in paths


def test_what_one_may_not_do_is_said_to_be_not_checked(ward: Ward) -> None:
    """Somebody who may read our kinds alone gets the rest named, with the right that is missing, and no error."""
    tenant = ward.tenant
    cluster, ns = tenant.cluster, tenant.namespace
    cluster.kubectl("create", "serviceaccount", "reader", f"-n={ns}")
    resources = "vaultauths,vaultconnections,vaultauthglobals,vaultstaticsecrets,vaultdynamicsecrets,vaultpkisecrets"
    cluster.kubectl("create", "role", "reader", f"-n={ns}", "--verb=get,list", f"--resource={resources}")
    cluster.kubectl("create", "rolebinding", "reader", f"-n={ns}", "--role=reader", f"--serviceaccount={ns}:reader")
    reader = cluster.kubeconfig_for(f"{ns}/reader")
    answer = vso(cluster, "doctor", WELL, ELSEWHERE, "-o", "json", f"-n={ns}", kubeconfig=reader)
    assert answer.code == 0, answer.err
    checks = {one["check"]: one for one in answer.json["items"][0]["checks"]}
    assert {name for name, one in checks.items() if one["result"] == "not checked"} >= {
        *("login", "policies", "secret", "destination", "rights"),
    }
    assert "serviceaccounts/token" in checks["login"]["because"]
    assert "secrets" in checks["destination"]["because"]
    assert checks["seal"]["result"] == "ok"


def test_while_the_settings_are_not_known_nobody_logs_in(ward: Ward) -> None:
    """Without the word that the operator runs elsewhere; what needs no login is looked at."""
    tenant = ward.tenant
    answer = vso(tenant.cluster, "doctor", WELL, f"--namespace={tenant.namespace}")
    assert answer.code == 0
    assert "no Deployment of the operator was found" in answer.err
    assert "The login succeeds: not checked, because the operator's settings are not known" in answer.out
    assert "✓ The server is unsealed" in answer.out


def test_an_operator_without_rights_is_told(ward: Ward) -> None:
    """The rights of another installation's ServiceAccount, which has none."""
    answer = text_of(ward, WELL, "--operator-namespace=elsewhere")
    assert answer.code == 1
    assert "ServiceAccount elsewhere/vault-secrets-operator-controller-manager lacks rights" in answer.out
    assert "create serviceaccounts/token" in answer.out


def test_another_address_replaces_that_of_the_connection(ward: Ward) -> None:
    """As for a port that is forwarded: the fault of the address is gone."""
    number = list(FAULTS).index("a name without address")
    answer = text_of(ward, f"f{number:02}", f"--vault-address={ward.tenant.bao.address}", "-o", "json")
    checks = {one["check"]: one["result"] for one in answer.json["items"][0]["checks"]}
    assert checks["dns"] == checks["login"] == checks["secret"] == "ok"
