"""`kubectl vso render` and `migrate` against real servers: what they say is what the operator and the API server do."""

import json
from base64 import b64decode
from pathlib import Path

import yaml
from click.testing import Result

from tests.support.command_line import invoke
from tests.support.operator import Operator
from tests.support.tenant import Json, Tenant
from vso.cli.kubectl.manifest import to_yaml

VERSION = "secrets.hashicorp.com/v1beta1"


def call(tenant: Tenant, *args: str) -> Result:
    """Run a command as a user of the tenant's cluster."""
    where = ("--kubeconfig", str(tenant.cluster.admin_kubeconfig), "-n", tenant.namespace)
    return invoke(args[0], *where, *args[1:])


def rendered(result: Result) -> Json:
    """The Secret that `render` prints, its data decoded."""
    assert result.exit_code == 0, result.output
    secret: Json = json.loads(result.stdout)
    return {**secret, "data": {key: b64decode(value) for key, value in secret["data"].items()}}


def vault_answer(tenant: Tenant, name: str, folder: Path) -> str:
    """A file with what Vault answers for `name`, as its command line prints it."""
    file = folder / f"{name}.json"
    answer = tenant.bao.admin.read(f"{tenant.mount}/data/{name}")
    file.write_text(json.dumps(answer))
    return str(file)


def test_render_shows_the_secret_that_the_operator_writes(operator: Operator, tenant: Tenant, tmp_path: Path) -> None:
    """For a live resource byte for byte, marks included; from a file without a cluster, the same data."""
    tenant.put("app", {"user": "alice", "password": "p@ss<&>", "nested": {"b": 1, "a": [True, None]}, "hidden": "x"})
    tenant.connect()
    shared = {
        "templates": {"upper": {"text": '{{ template "who" . }}'}},
        "sourceTemplates": [{"name": "parts", "text": '{{ define "who" }}{{ .Secrets.user | upper }}{{ end }}'}],
        "excludes": ["^hidden$"],
    }
    tenant.create("SecretTransformation", "shared", spec=shared)
    destination = {
        "type": "example.com/app",
        "labels": {"team": "web"},
        "annotations": {"note": "kept"},
        "transformation": {
            "templates": {
                "url": {"text": "pg://{{ .Secrets.user }}:{{ .Secrets.password | urlquery }}@{{ .Labels.site }}"}
            },
            "transformationRefs": [{"name": "shared", "templateRefs": [{"name": "upper", "keyOverride": "WHO"}]}],
        },
    }
    spec = {
        "vaultAuthRef": "vault",
        "mount": tenant.mount,
        "path": "app",
        "type": "kv-v2",
        "destination": {"name": "app", "create": True, **destination},
    }
    tenant.create("VaultStaticSecret", "app", metadata={"labels": {"site": "north"}}, spec=spec)
    tenant.wait_synced("app")
    written = tenant.get("Secret", "app")
    assert written is not None

    answer = vault_answer(tenant, "app", tmp_path)
    live = rendered(call(tenant, "render", "app", "--data", answer, "-o", "json", "--reveal"))
    assert live["data"] == tenant.data("app")
    assert live["type"] == written["type"]
    for mark in ("labels", "annotations", "ownerReferences"):
        assert live["metadata"][mark] == written["metadata"][mark]

    file = tmp_path / "app.yaml"
    objects = [
        {
            "apiVersion": VERSION,
            "kind": "VaultStaticSecret",
            "metadata": {"name": "app", "namespace": tenant.namespace, "labels": {"site": "north"}},
            "spec": spec,
        },
        {
            "apiVersion": VERSION,
            "kind": "SecretTransformation",
            "metadata": {"name": "shared", "namespace": tenant.namespace},
            "spec": shared,
        },
    ]
    file.write_text(to_yaml(objects))
    # No cluster is asked: there is none of that name.
    args = ["render", "-f", str(file), "--data", answer, "--kubeconfig", "/nonexistent", "-o", "json", "--reveal"]
    assert rendered(invoke(*args))["data"] == tenant.data("app")


def test_render_shows_certificates_and_other_answers_as_the_operator_writes_them(
    operator: Operator, tenant: Tenant, tmp_path: Path
) -> None:
    """From the copy of Vault's answer that both Secrets hold."""
    mount = f"pki-{tenant.namespace}"
    tenant.bao.admin.enable_pki(mount, "Test CA", intermediate=True)
    tenant.bao.admin.pki_role(mount, "web")
    rules = "".join(f'path "{one}/*" {{ capabilities = ["read", "update"] }}\n' for one in (mount, tenant.mount))
    tenant.bao.admin.policy(tenant.namespace, rules)
    tenant.put("app", {"user": "alice", "port": 5432})
    tenant.connect()
    tenant.certify("web", mount=mount, role="web", destination={"type": "kubernetes.io/tls"})
    template = {"text": "{{ .Secrets.data.user }}:{{ .Secrets.data.port }}"}
    tenant.lease("any", path="data/app", destination={"transformation": {"templates": {"line": template}}})
    for kind, name in (("VaultPKISecret", "web"), ("VaultDynamicSecret", "any")):
        tenant.wait_synced(name, kind=kind)
        written = tenant.data(name)
        assert written is not None
        answer = tmp_path / f"{name}.json"
        answer.write_bytes(written["_raw"])
        shown = call(tenant, "render", f"{kind}/{name}", "--data", str(answer), "-o", "json", "--reveal")
        assert rendered(shown)["data"] == written
    assert {"tls.crt", "tls.key"} <= (tenant.data("web") or {}).keys()
    for one in (mount, f"{mount}-root"):
        tenant.bao.admin.delete(f"sys/mounts/{one}")


def test_render_tells_what_the_cluster_does_not_have(tenant: Tenant) -> None:
    """A resource that is not there, and a SecretTransformation that is referred to."""
    assert f"is called 'app' in namespace {tenant.namespace}" in call(tenant, "render", "app").stderr
    tenant.sync("app", destination={"transformation": {"transformationRefs": [{"name": "gone"}]}})
    result = call(tenant, "render", "VaultStaticSecret/app")
    assert result.exit_code == 1
    assert f"SecretTransformation {tenant.namespace}/gone does not exist" in result.stderr


def sources(namespace: str) -> list[Json]:
    """One object of each source."""
    where = {"namespace": namespace}
    login = {"kubernetes": {"role": "r", "serviceAccountRef": {"name": "default"}}}
    store = {"server": "https://bao.example.org:8200", "path": "kv", "auth": login, "caBundle": "UEVN"}
    objects = yaml.safe_dump([{"objectName": "pw", "secretPath": "kv/data/a", "secretKey": "pw"}])
    return [
        {
            "apiVersion": "external-secrets.io/v1",
            "kind": "SecretStore",
            "metadata": {"name": "bao", **where},
            "spec": {"provider": {"vault": store}},
        },
        {
            "apiVersion": "external-secrets.io/v1",
            "kind": "ExternalSecret",
            "metadata": {"name": "eso", **where},
            "spec": {"secretStoreRef": {"name": "bao"}, "dataFrom": [{"extract": {"key": "a"}}]},
        },
        {
            "apiVersion": "secrets-store.csi.x-k8s.io/v1",
            "kind": "SecretProviderClass",
            "metadata": {"name": "csi", **where},
            "spec": {
                "provider": "vault",
                "parameters": {"roleName": "r", "objects": objects},
                "secretObjects": [{"secretName": "csi", "data": [{"objectName": "pw", "key": "pw"}]}],
            },
        },
        {
            "apiVersion": "ricoberger.de/v1alpha1",
            "kind": "VaultSecret",
            "metadata": {"name": "rico", **where},
            "spec": {"path": "pki", "secretEngine": "pki", "role": "web", "engineOptions": {"common_name": "a.b"}},
        },
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {
                "name": "web",
                **where,
                "annotations": {
                    "vault.hashicorp.com/agent-inject": "true",
                    "vault.hashicorp.com/role": "web",
                    "vault.hashicorp.com/agent-inject-secret-db": "database/creds/web",
                },
            },
            "spec": {},
        },
    ]


def test_migrate_has_the_api_server_check_its_result(tenant: Tenant, tmp_path: Path) -> None:
    """All kinds that it makes are taken, nothing is stored; what is refused fails the command and is named."""
    file = tmp_path / "old.yaml"
    file.write_text(to_yaml(sources(tenant.namespace)))
    result = call(tenant, "migrate", "-f", str(file), "--strict", "--dry-run=server")
    assert result.exit_code == 0, result.output
    kinds = [one["kind"] for one in yaml.safe_load_all(result.stdout)]
    assert set(kinds) == {
        "ConfigMap",
        "VaultConnection",
        "VaultAuth",
        "VaultStaticSecret",
        "VaultDynamicSecret",
        "VaultPKISecret",
    }
    assert f"the API server takes all {len(kinds)} objects" in result.stderr
    assert tenant.get("VaultStaticSecret", "eso") is None

    file.write_text(to_yaml(sources("not-a-namespace")[:1]))
    result = call(tenant, "migrate", "-f", str(file), "--dry-run=server")
    assert result.exit_code == 1
    assert "the API server refuses the result" in result.stderr
    assert "VaultAuth not-a-namespace/bao" in result.stderr
