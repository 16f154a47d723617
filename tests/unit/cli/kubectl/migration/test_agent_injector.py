"""Annotations of the Vault agent injector: what becomes of each (regressions.md section 4)."""

from typing import Any

import pytest

from tests.support.migration import Json, data_of, lost, made, migrated, to_check

P = "vault.hashicorp.com/"
FIELDS = {"user": "alice", "password": "p@ss"}
KV = "kv/data/web/db"


def workload(kind: str = "Deployment", /, *, account: str = "web", **annotations: str) -> Json:
    """A workload whose Pods the injector changes; `__` in a name stands for a dash."""
    found = {
        f"{P}agent-inject": "true",
        f"{P}role": "web",
        f"{P}service": "https://bao.example.org:8200",
        **{P + key.replace("__", "-"): value for key, value in annotations.items()},
    }
    found = {key: value for key, value in found.items() if value}
    pod: Json = {"metadata": {"annotations": found}, "spec": {"serviceAccountName": account, "containers": []}}
    metadata = {"name": "web", "namespace": "shop"}
    body: Json = {"apiVersion": "v1" if kind == "Pod" else "apps/v1", "kind": kind, "metadata": metadata}
    match kind:
        case "Pod":
            return {**body, "metadata": {**metadata, **pod["metadata"]}, "spec": pod["spec"]}
        case "CronJob":
            return {**body, "spec": {"jobTemplate": {"spec": {"template": pod}}}}
        case _:
            return {**body, "spec": {"template": pod}}


def injected(template: str = "", path: str = KV, /, **annotations: str) -> Json:
    """A Deployment with one injected secret, called db."""
    return workload(agent__inject__secret__db=path, agent__inject__template__db=template, **annotations)


def test_an_injected_secret_becomes_a_key_of_a_secret() -> None:
    """Whole: one role per ServiceAccount is kept."""
    template = '{{- with secret "kv/data/web/db" -}}\nDB={{ .Data.data.user }}\n{{- end }}\n'
    result = migrated(injected(template))
    assert made(result) == {
        "VaultConnection shop/bao.example.org": {
            "apiVersion": "secrets.hashicorp.com/v1beta1",
            "kind": "VaultConnection",
            "metadata": {"name": "bao.example.org", "namespace": "shop"},
            "spec": {"address": "https://bao.example.org:8200"},
        },
        "VaultAuth shop/vault-web": {
            "apiVersion": "secrets.hashicorp.com/v1beta1",
            "kind": "VaultAuth",
            "metadata": {"name": "vault-web", "namespace": "shop"},
            "spec": {
                "vaultConnectionRef": "bao.example.org",
                "method": "kubernetes",
                "mount": "kubernetes",
                "kubernetes": {"role": "web", "serviceAccount": "web"},
            },
        },
        "VaultStaticSecret shop/web-db": {
            "apiVersion": "secrets.hashicorp.com/v1beta1",
            "kind": "VaultStaticSecret",
            "metadata": {"name": "web-db", "namespace": "shop"},
            "spec": {
                "vaultAuthRef": "vault-web",
                "mount": "kv",
                "path": "web/db",
                "type": "kv-v2",
                "refreshAfter": "5m",
                "destination": {
                    "name": "web-db",
                    "create": True,
                    "overwrite": True,
                    "transformation": {
                        "excludeRaw": True,
                        "excludes": [".*"],
                        "templates": {"db": {"text": "DB={{ .Secrets.user }}\n"}},
                    },
                },
            },
        },
    }
    assert lost(result) == []
    assert "mount the Secrets web-db" in to_check(result)[0]
    assert "kept in the cluster" in to_check(result)[0]


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("", b"password: p@ss\nuser: alice\n"),
        ('{{ with secret "kv/data/web/db" }}{{ .Data.data.user }}{{ end }}', b"alice"),
        ("{{ with secret `kv/data/web/db` }} {{ .Data.data.user }} {{ end }}", b" alice "),
        ('{{- with secret "kv/data/web/db" -}}\n a\n{{- end -}}\n', b"a"),
        ('{{ with secret "kv/data/web/db" }}\na={{ .Data.data.user | toUpper }}\n{{ end }}', b"\na=ALICE\n"),
        ('{{ with secret "kv/data/web/db" }}{{ .Data.data | toJSON }}{{ end }}', b'{"password":"p@ss","user":"alice"}'),
        (
            '{{ with secret "kv/data/web/db" }}{{ range $k, $v := .Data.data }}{{ $k }}={{ $v }};{{ end }}{{ end }}',
            b"password=p@ss;user=alice;",
        ),
        ('{{ with secret "kv/data/web/db" }}{{ with .Data.data }}{{ .user }}{{ end }}{{ end }}', b"alice"),
        ('{{ with secret "kv/data/web/db" }}{{ .Data.metadata.version }}{{ end }}', b"<no value>"),
        ('{{ with secret "kv/data/web/db" }}text .Data.data{{ end }}', b"text .Data.data"),
    ],
)
async def test_the_file_has_the_text_that_it_had(template: str, expected: bytes) -> None:
    """With its white space, rendered by the operator's own engine."""
    result = migrated(injected(template))
    assert await data_of(result, FIELDS) == {"db": expected}
    assert lost(result) == []


async def test_a_file_without_a_template_may_be_json() -> None:
    """As the annotation for all of them says."""
    result = migrated(injected(agent__inject__default__template="json", agent__limits__cpu="1"))
    assert await data_of(result, FIELDS) == {"db": b'{"password":"p@ss","user":"alice"}'}
    assert lost(result) == []


def test_the_place_of_the_files_is_told() -> None:
    """If it is not the usual one."""
    assert "at /etc/app, and" in to_check(migrated(injected(secret__volume__path="/etc/app")))[0]


@pytest.mark.parametrize(
    "annotations", [{"secret__volume__path__db": "/etc/db"}, {"agent__inject__file__db": "../../etc/db/pw"}]
)
def test_a_place_of_one_file_is_told(annotations: Any) -> None:
    """Each may be in a folder of its own, also by its name."""
    [said] = to_check(migrated(injected(**annotations)))
    assert "at /etc/db, and" in said


def test_a_template_without_its_secret_is_listed() -> None:
    """It would be lost beside those that are converted."""
    given = injected(agent__inject__template__other="{{ 2 }}")
    [*_, said] = [one for one in lost(migrated(given)) if "goes with it" in one]
    assert f"{P}agent-inject-template-other: no" in said
    assert not [one for one in lost(migrated(injected('{{ with secret "kv/data/a" }}{{ end }}'))) if "goes with" in one]


@pytest.mark.parametrize("text", ["1", "t", "T", "TRUE", "True"])
def test_whatever_the_injector_takes_for_true_is_true(text: str) -> None:
    """Else the workload would be passed over without a word."""
    result = migrated(injected(agent__inject=text, tls__skip__verify=text))
    assert made(result)["VaultConnection shop/bao.example.org"]["spec"]["skipTLSVerify"] is True


@pytest.mark.parametrize(
    ("path", "template", "kind", "spec"),
    [
        ("database/creds/web", "", "VaultDynamicSecret", {"mount": "database", "path": "creds/web"}),
        (
            "pki/issue/web",
            '{{ with secret "pki/issue/web" "common_name=a.b" "ttl=1h" }}{{ .Data.certificate }}{{ end }}',
            "VaultPKISecret",
            {"mount": "pki", "role": "web", "commonName": "a.b", "ttl": "1h"},
        ),
        ("old/web", '{{ with secret "old/web" }}{{ .Data.data }}{{ end }}', "VaultStaticSecret", {"type": "kv-v1"}),
        (KV, '{{ with secret "kv/data/other" }}{{ .Data.data.a }}{{ end }}', "VaultStaticSecret", {"path": "other"}),
    ],
)
def test_the_path_tells_the_kind(path: str, template: str, kind: str, spec: Json) -> None:
    """That of the template, if there is one."""
    result = migrated(injected(template, path))
    assert spec.items() <= made(result)[f"{kind} shop/web-db"]["spec"].items()
    assert lost(result) == []


@pytest.mark.parametrize(
    ("annotations", "kind", "expected"),
    [
        ({"namespace": "team"}, "VaultAuth shop/vault-web", {"namespace": "team"}),
        ({"auth__path": "auth/green"}, "VaultAuth shop/vault-web-green", {"mount": "green"}),
        ({"tls__skip__verify": "true"}, "VaultConnection shop/bao.example.org", {"skipTLSVerify": True}),
        ({"tls__server__name": "bao"}, "VaultConnection shop/bao.example.org", {"tlsServerName": "bao"}),
        ({"tls__secret": "ca"}, "VaultConnection shop/bao.example.org", {"caCertSecretRef": "ca"}),
        ({"role": "other"}, "VaultAuth shop/vault-other-web", {"mount": "kubernetes"}),
    ],
)
def test_annotations_of_the_login_are_kept(annotations: Any, kind: str, expected: Json) -> None:
    """In the connection and the login."""
    assert expected.items() <= made(migrated(injected(**annotations)))[kind]["spec"].items()


@pytest.mark.parametrize(
    ("annotations", "key"),
    [
        ({"agent__inject__secret__DB.env": KV}, "db.env"),
        ({"agent__inject__secret__DB.env": KV, "preserve__secret__case": "true"}, "DB.env"),
        ({"agent__inject__secret__DB.env": KV, "preserve__secret__case__DB.env": "true"}, "DB.env"),
        ({"agent__inject__secret__db": KV, "agent__inject__file__db": "conf/app.ini"}, "app.ini"),
    ],
)
def test_the_key_is_the_name_of_the_file(annotations: Any, key: str) -> None:
    """As the agent names it."""
    found = made(migrated(workload(**annotations)))
    (spec,) = [body["spec"] for name, body in found.items() if name.startswith("VaultStaticSecret")]
    assert list(spec["destination"]["transformation"]["templates"]) == [key]


@pytest.mark.parametrize("kind", ["Deployment", "StatefulSet", "DaemonSet", "Job", "Pod", "CronJob"])
def test_all_workloads_are_looked_into(kind: str) -> None:
    """Wherever their template of Pods is."""
    result = migrated(workload(kind, agent__inject__secret__db=KV))
    assert "VaultStaticSecret shop/web-db" in made(result)
    assert made(result)["VaultAuth shop/vault-web"]["spec"]["kubernetes"]["serviceAccount"] == "web"


def test_workloads_without_injection_are_passed_over() -> None:
    """Also with other annotations of that prefix."""
    off = injected(agent__inject="false")
    plain = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "a"}, "spec": {"template": {}}}
    assert migrated(off, plain).sources == 0


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (injected('{{ with secret "kv/data/a" }}a{{ end }}{{ with secret "kv/data/b" }}b{{ end }}'), "by hand"),
        (injected('{{ with secret "kv/data/a" }}{{ with secret "kv/data/b" }}{{ end }}{{ end }}'), "secret"),
        (injected('{{ with secret "kv/data/a" }}{{ .LeaseID }}{{ end }}'), ".LeaseID"),
        (injected('{{ with secret "kv/data/a" }}{{ .Data.other }}{{ end }}'), ".Data"),
        (injected('{{ with secret "kv/data/a" }}{{ env "HOME" }}{{ end }}'), "env"),
        (injected('{{ with pkiCert "pki/issue/web" }}{{ .Cert }}{{ end }}'), "`with secret`"),
        (injected("static text"), "`with secret`"),
        (injected("", "alone"), "no mount and path"),
        (injected(agent__inject__template__file__db="/a.tpl"), "a file in the Pod"),
        (injected(auth__type="approle"), "logs in with approle"),
        (injected(agent__inject__token="true"), "not passed on"),
        (injected(agent__configmap="c"), "not read"),
        (injected(agent__cache__enable="true"), "no agent"),
        (injected(ca__cert="/ca"), "caCertSecretRef"),
        (injected(client__cert="/c"), "client certificates"),
        (injected(proxy__address="http://p"), "proxyURL"),
        (injected(brand__new="x"), "vault.hashicorp.com/brand-new: the converter does not know it"),
        (workload(), "no vault.hashicorp.com/agent-inject-secret-NAME"),
    ],
)
def test_what_has_no_counterpart_is_listed(given: Json, said: str) -> None:
    """With the reason, and the line of the annotations."""
    result = migrated(given)
    (note,) = lost(result)
    assert said in note
    assert note.startswith("spec.template.metadata.annotations:")
    assert all(one.line for one in result.notes)


def test_what_is_not_told_is_pointed_out() -> None:
    """The address, the role, a command."""
    result = migrated(injected(service="", role="", agent__inject__command__db="reload"))
    notes = " ".join(to_check(result))
    assert "the address of Vault is not told: set it in VaultConnection vault" in notes
    assert "the role is not told" in notes
    assert made(result)["VaultConnection shop/vault"]["spec"] == {"address": "https://vault.example.com:8200"}
    assert "rolloutRestartTargets" in notes
