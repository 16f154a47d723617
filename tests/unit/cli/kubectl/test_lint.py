"""`lint`: what each rule says, what it leaves in peace, and how findings are told."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import pytest

from tests.support.command_line import invoke
from vso.apis.merge import GlobalOptions
from vso.cli.kubectl.lint import bundle_of
from vso.cli.kubectl.linting import RULES, UNCHECKED, Bundle, Finding, Severity, findings
from vso.cli.kubectl.manifest import parse, to_yaml
from vso.cli.kubectl.subject import subjects_of

ROOT: Final = Path(__file__).parents[4]
Json = dict[str, Any]
OPTIONS: Final = GlobalOptions(operator_namespace="vault-secrets-operator-system")

_SPECS: Final[Mapping[str, Json]] = {
    "VaultConnection": {"address": "https://vault.example.com:8200"},
    "VaultAuth": {
        "vaultConnectionRef": "it",
        "method": "kubernetes",
        "mount": "kubernetes",
        "kubernetes": {"role": "r", "serviceAccount": "s"},
    },
    "VaultAuthGlobal": {"allowedNamespaces": ["*"]},
    "SecretTransformation": {},
    "VaultStaticSecret": {
        "mount": "kv",
        "path": "app",
        "type": "kv-v2",
        "refreshAfter": "60s",
        "destination": {"name": "vss", "create": True},
    },
    "VaultDynamicSecret": {"mount": "db", "path": "creds/app", "destination": {"name": "vds", "create": True}},
    "VaultPKISecret": {"mount": "pki", "role": "web", "destination": {"name": "vps", "create": True}},
    "HCPAuth": {"organizationID": "o", "projectID": "p"},
    "HCPVaultSecretsApp": {"appName": "a", "destination": {"name": "hcp", "create": True}},
    "CSISecrets": {"accessControl": {"serviceAccountPattern": "a"}, "secrets": {}},
}


def an(kind: str, name: str = "it", *, namespace: str = "shop", **spec: Any) -> Json:
    """A sound object of `kind`, with `spec` laid over it; None takes a member away."""
    whole = {key: value for key, value in {**_SPECS.get(kind, {}), **spec}.items() if value is not None}
    return {
        "apiVersion": "secrets.hashicorp.com/v1beta1",
        "kind": kind,
        "metadata": {"name": name, "namespace": namespace},
        "spec": whole,
    }


def test_without_the_engine_all_other_rules_are_applied() -> None:
    """One warning tells that templates are not checked."""
    subjects = subjects_of(parse(to_yaml([an("VaultStaticSecret", mount="/")]), "f"), namespace="default")
    silent = Bundle(subjects, options=OPTIONS, silence="it is missing")
    told = {one.rule: one for one in findings(silent)}
    assert told.keys() - {UNCHECKED} == {one.rule for one in findings(Bundle(subjects, options=OPTIONS))}
    assert len(told) > 1
    assert (told[UNCHECKED].severity, "it is missing" in told[UNCHECKED].problem) == (Severity.WARNING, True)
    assert next(findings(silent, strict=True)).severity is Severity.ERROR
    assert UNCHECKED not in {one.rule for one in findings(silent, skip=("template-syntax",))}


def vss(name: str = "it", **spec: Any) -> Json:
    """A VaultStaticSecret."""
    return an("VaultStaticSecret", name, **spec)


def vds(**spec: Any) -> Json:
    """A VaultDynamicSecret."""
    return an("VaultDynamicSecret", **spec)


def vps(**spec: Any) -> Json:
    """A VaultPKISecret."""
    return an("VaultPKISecret", **spec)


def auth(**spec: Any) -> Json:
    """A VaultAuth."""
    return an("VaultAuth", **spec)


def connection(**spec: Any) -> Json:
    """A VaultConnection."""
    return an("VaultConnection", **spec)


def to(name: str = "vss", **destination: Any) -> Json:
    """A destination."""
    return {"name": name, "create": True, **destination}


def shaped(kind: Callable[..., Json] = vss, **transformation: Any) -> Json:
    """A resource with a transformation."""
    return kind(destination=to(transformation=transformation))


def templated(text: str, key: str = "key") -> Json:
    """A resource with a template."""
    return shaped(templates={key: {"text": text}})


def shared(**spec: Any) -> Json:
    """A SecretTransformation."""
    return an("SecretTransformation", "shared", **spec)


def look(*objects: Json, skip: tuple[str, ...] = (), strict: bool = False) -> list[Finding]:
    """What all rules say."""
    manifests = parse(to_yaml(objects), "f.yaml")
    bundle = bundle_of(subjects_of(manifests, namespace="default"), options=GlobalOptions(operator_namespace="op"))
    return list(findings(bundle, strict=strict, skip=skip))


TLS = "kubernetes.io/tls"
REFS = [{"name": "shared"}]

# Rule, objects, the member that it is about, a part of what is said.
BAD: Final[list[tuple[str, list[Json], str, str]]] = [
    ("unknown-kind", [an("VaultStaticSecrets")], "kind", "did you mean VaultStaticSecret?"),
    ("unknown-kind", [an("Banana")], "kind", "write one of VaultConnection"),
    ("unknown-kind", [vss() | {"apiVersion": "secrets.hashicorp.com/v1"}], "apiVersion", "v1beta1"),
    ("unknown-field", [vss(refreshafter="5s")], "spec.refreshafter", "did you mean refreshAfter?"),
    ("unknown-field", [vss(destination=to(label={}))], "spec.destination.label", "did you mean labels?"),
    ("unknown-field", [vss() | {"sepc": {}}], "sepc", "did you mean spec?"),
    (
        "unknown-field",
        [auth(kubernetes={"role": "r", "serviceAccount": "s", "zzz": 1})],
        "spec.kubernetes.zzz",
        "one of",
    ),
    ("unknown-field", [vss(extensions={"sources": []})], "spec.extensions", "drops it"),
    ("wrong-type", [vss(mount=5)], "spec.mount", "put it in quotes"),
    ("wrong-type", [vss(version="3")], "spec.version", "write an integer"),
    ("wrong-type", [vss(version=True)], "spec.version", "no integer"),
    ("wrong-type", [vss(destination=to(labels={"a": 1}))], "spec.destination.labels.a", "quotes"),
    ("wrong-type", [vss(rolloutRestartTargets={"kind": "Deployment"})], "spec.rolloutRestartTargets", "no array"),
    ("missing-field", [vss(mount=None)], "spec.mount", "set it"),
    ("missing-field", [vss(mount="")], "spec.mount", "is not set"),
    ("missing-field", [vss(destination={"create": True})], "spec.destination.name", "is not set"),
    ("missing-field", [vss(destination=to(""))], "spec.destination.name", "no name"),
    ("missing-field", [vss(destination=None)], "spec.destination", "is not set"),
    ("missing-field", [shaped(templates={"k": {}})], "spec.destination.transformation.templates.k.text", "not set"),
    ("missing-field", [connection(address=None)], "spec.address", "is not set"),
    ("wrong-value", [vss(type="kv2")], "spec.type", "did you mean kv-v2?"),
    ("wrong-value", [auth(method="approle")], "spec.method", "did you mean appRole?"),
    (
        "wrong-value",
        [vss(rolloutRestartTargets=[{"kind": "Job", "name": "x"}])],
        "spec.rolloutRestartTargets[0].kind",
        "one of",
    ),
    ("wrong-duration", [vss(refreshAfter="1h30m")], "spec.refreshAfter", "write 5400s"),
    ("wrong-duration", [vss(refreshAfter="1d")], "spec.refreshAfter", "write 24h"),
    ("wrong-duration", [vss(refreshAfter="60")], "spec.refreshAfter", "one number and one unit (s, m or h)"),
    ("wrong-duration", [vss(refreshAfter="-5s")], "spec.refreshAfter", "one number"),
    ("wrong-duration", [vps(ttl="2w")], "spec.ttl", "(s, m, h or d)"),
    ("wrong-pattern", [auth(vaultAuthGlobalRef={"name": "A_B"})], "spec.vaultAuthGlobalRef.name", "does not match"),
    ("out-of-range", [vds(renewalPercent=95)], "spec.renewalPercent", "at most 90"),
    ("out-of-range", [vds(renewalPercent=-1)], "spec.renewalPercent", "at least 0"),
    ("out-of-range", [vps(extensions={"renewAtPercent": 100})], "spec.extensions.renewAtPercent", "at most 99"),
    ("wrong-name", [vss("Not_A_Name")], "metadata.name", "lower-case"),
    ("wrong-name", [vss("")], "metadata.name", "no name"),
    ("wrong-name", [vss(destination=to("My_Secret"))], "spec.destination.name", "no name for a Secret"),
    ("bad-regex", [shaped(includes=["a", "(?!b)"])], "spec.destination.transformation.includes[1]", "no look-around"),
    ("bad-regex", [shaped(excludes=["("])], "spec.destination.transformation.excludes[0]", "missing )"),
    ("bad-regex", [shared(includes=["["])], "spec.includes[0]", "no regular expression"),
    (
        "template-syntax",
        [templated("a\n{{ nope }}")],
        "spec.destination.transformation.templates.key.text",
        "function that",
    ),
    ("template-syntax", [templated("{{ if }}")], "spec.destination.transformation.templates.key.text", "correct"),
    ("template-syntax", [templated("{{ env `HOME` }}")], "spec.destination.transformation.templates.key.text", "env"),
    ("template-syntax", [shared(templates={"k": {"text": "{{"}})], "spec.templates.k.text", "shop/shared/k:1"),
    (
        "template-syntax",
        [shared(sourceTemplates=[{"text": "{{ end }}"}])],
        "spec.sourceTemplates[0].text",
        "shop/shared/0:1",
    ),
    ("template-key", [templated("x", "a b")], 'spec.destination.transformation.templates["a b"]', "no key"),
    ("template-key", [templated("x", "_raw")], "spec.destination.transformation.templates._raw", "excludeRaw"),
    (
        "template-key",
        [
            shaped(transformationRefs=[{"name": "shared", "templateRefs": [{"name": "k", "keyOverride": "a/b"}]}]),
            shared(templates={"k": {"text": ""}}),
        ],
        "spec.destination.transformation.transformationRefs[0].templateRefs[0].keyOverride",
        "no key",
    ),
    ("template-undefined", [templated('{{ template "gone" . }}')], "spec.destination.transformation", "'gone'"),
    (
        "duplicate-template",
        [shared(templates={"a": {"name": "n", "text": ""}, "b": {"name": "n", "text": ""}})],
        "spec.templates.b.text",
        "rename",
    ),
    (
        "transformation",
        [shaped(transformationRefs=[{"name": "shared", "templateRefs": [{"name": "gone"}]}]), shared()],
        "spec.destination.transformation",
        'template "gone" not found',
    ),
    (
        "transformation",
        [shaped(templates={"a": {"name": "n", "text": "1"}, "b": {"name": "n", "text": "2"}})],
        "spec.destination.transformation",
        "duplicate template name",
    ),
    ("transformation", [shaped(transformationRefs=REFS * 2), shared()], "spec.destination.transformation", "duplicate"),
    (
        "tls-without-keys",
        [vps(destination=to("vps", type=TLS, transformation={"templates": {"tls.crt": {"text": ""}}}))],
        "spec.destination.transformation",
        "tls.key",
    ),
    ("bad-reference", [vss(vaultAuthRef="a/b/c")], "spec.vaultAuthRef", "more than one slash"),
    ("bad-reference", [vss(vaultAuthRef="/c")], "spec.vaultAuthRef", "namespace is empty"),
    ("bad-reference", [auth(vaultConnectionRef="a/")], "spec.vaultConnectionRef", "name is empty"),
    ("bad-reference", [an("VaultAuthGlobal", vaultConnectionRef="a/b/c")], "spec.vaultConnectionRef", "slash"),
    ("missing-object", [vss(vaultAuthRef="gone")], "spec.vaultAuthRef", "VaultAuth shop/gone"),
    ("missing-object", [auth(vaultConnectionRef="op/gone")], "spec.vaultConnectionRef", "VaultConnection op/gone"),
    ("missing-object", [an("VaultAuthGlobal", vaultConnectionRef="op/gone")], "spec.vaultConnectionRef", "op/gone"),
    (
        "missing-object",
        [auth(vaultAuthGlobalRef={"name": "gone"}), connection()],
        "spec.vaultAuthGlobalRef",
        "shop/gone",
    ),
    (
        "missing-object",
        [shaped(transformationRefs=[{"name": "gone", "namespace": "op"}])],
        "spec.destination.transformation.transformationRefs[0]",
        "SecretTransformation op/gone",
    ),
    (
        "not-allowed",
        [vss(vaultAuthRef="op/it"), an("VaultAuth", namespace="op"), an("VaultConnection", namespace="op")],
        "spec.vaultAuthRef",
        "may not use VaultAuth op/it",
    ),
    (
        "not-allowed",
        [
            vss(vaultAuthRef="it"),
            auth(vaultConnectionRef="op/it"),
            an("VaultConnection", namespace="op", extensions={"allowedNamespaces": ["other"]}),
        ],
        "spec.vaultAuthRef",
        "may not use VaultConnection op/it",
    ),
    (
        "not-allowed",
        [
            auth(vaultAuthGlobalRef={"name": "g", "namespace": "op"}),
            connection(),
            an("VaultAuthGlobal", "g", namespace="op", allowedNamespaces=["x"]),
        ],
        "spec.vaultAuthGlobalRef",
        "may not use VaultAuthGlobal op/g",
    ),
    ("incomplete-login", [auth(kubernetes={"role": "r"}), connection()], "spec", "serviceAccount is empty"),
    ("incomplete-login", [auth(kubernetes=None), connection()], "spec", "no spec.kubernetes"),
    ("incomplete-login", [auth(method=None), connection()], "spec", "no auth method"),
    ("incomplete-login", [auth(mount=None), connection()], "spec", "no mount"),
    ("incomplete-login", [auth(method="jwt", jwt={"role": "r"}), connection()], "spec", "serviceAccount or secretRef"),
    (
        "incomplete-login",
        [auth(method="appRole", appRole={"roleId": "r", "secretIDPath": "a/b"}), connection()],
        "spec",
        "not absolute",
    ),
    ("incomplete-login", [auth(extensions={"login": {"method": "token"}}), connection()], "spec", "keep one"),
    ("incomplete-login", [auth(vaultAuthGlobalRef={"namespace": "op"}), connection()], "spec", "empty name"),
    (
        "incomplete-login",
        [auth(method=None, vaultAuthGlobalRef={"name": "it"}), connection(), an("VaultAuthGlobal")],
        "spec",
        "method",
    ),
    ("literal-wildcard", [auth(allowedNamespaces=["team-*"]), connection()], "spec.allowedNamespaces[0]", "single *"),
    ("literal-wildcard", [auth(allowedNamespaces=["a", "*"]), connection()], "spec.allowedNamespaces[1]", "single *"),
    ("unusable-connection", [connection(address="vault:8200")], "spec.address", "URL"),
    ("unusable-connection", [connection(headers={"x-vault-namespace": "a"})], "spec.address", "not permitted"),
    ("unusable-connection", [connection(extensions={"proxyURL": "ftp://x"})], "spec.address", "proxy"),
    (
        "unusable-connection",
        [connection(caCertSecretRef="a", caCertPath="/b")],
        "spec",
        "caCertSecretRef and caCertPath",
    ),
    (
        "unusable-connection",
        [connection(caCertSecretRef="a", extensions={"ca": {"clusterTrustBundle": "b"}})],
        "spec",
        "keep one",
    ),
    ("unusable-connection", [connection(caCertPath="/a/../b")], "spec.caCertPath", "'..'"),
    ("insecure-connection", [connection(address="http://vault:8200")], "spec.address", "unencrypted"),
    ("insecure-connection", [connection(address="HTTP://vault:8200")], "spec.address", "unencrypted"),
    ("insecure-connection", [connection(address="http://localhost.example.com")], "spec.address", "unencrypted"),
    ("insecure-connection", [connection(address="http://127.0.0.1@vault:8200")], "spec.address", "unencrypted"),
    ("insecure-connection", [connection(skipTLSVerify=True)], "spec.skipTLSVerify", "caCertSecretRef"),
    ("bad-path", [vss(path="../other/x")], "spec.path", "out of its mount"),
    ("bad-path", [vss(path="/")], "spec.path", "empty"),
    ("bad-path", [vds(mount="a/./b")], "spec.mount", "out of its mount"),
    ("bad-path", [vps(role="..")], "spec.role", "out of its mount"),
    ("static-role-in-static-secret", [vss(path="static-creds/app")], "spec.path", "use a VaultDynamicSecret"),
    ("static-role-not-allowed", [vds(path="static-creds/app")], "spec.path", "allowStaticCreds: true"),
    ("static-role-not-allowed", [vds(path="/static-cred/app")], "spec.path", "missed"),
    ("leased-as-static", [vds(allowStaticCreds=True)], "spec.allowStaticCreds", "leased"),
    ("kv-in-wrong-place", [vss(path="data/app")], "spec.path", "leave data/ out"),
    ("kv-in-wrong-place", [vds(path="data/app")], "spec.path", "use a VaultStaticSecret"),
    (
        "restart-without-hmac",
        [vss(hmacSecretData=False, rolloutRestartTargets=[{"kind": "Deployment", "name": "a"}])],
        "spec.hmacSecretData",
        "never restarted",
    ),
    ("never-refreshed", [vss(hmacSecretData=False, refreshAfter=None)], "spec.hmacSecretData", "set refreshAfter"),
    ("never-refreshed", [vss(hmacSecretData=False, refreshAfter="0s")], "spec.hmacSecretData", "read once"),
    ("refresh-after-unset", [vss(refreshAfter=None)], "spec.refreshAfter", "every minute"),
    ("refresh-after-unset", [vds(path="config/thing")], "spec.refreshAfter", "read once"),
    ("offset-beyond-ttl", [vps(ttl="1d", expiryOffset="24h")], "spec.expiryOffset", "not shorter"),
    (
        "tls-of-der",
        [vps(format="der", destination={"name": "a", "create": True, "type": "kubernetes.io/tls"})],
        "spec.format",
        "PEM",
    ),
    ("certificate-form", [vps(format="pfx")], "spec.format", "pem_bundle"),
    ("certificate-form", [vps(privateKeyFormat="pem8")], "spec.privateKeyFormat", "pkcs8"),
    ("certificate-form", [vps(notAfter="2030-12-31")], "spec.notAfter", "UTC"),
    (
        "same-destination",
        [vss(), vds(destination=to("vss"))],
        "spec.destination.name",
        "VaultStaticSecret it, too (f.yaml:1)",
    ),
    ("same-object", [vss(), vss()], "metadata.name", "f.yaml:1"),
    ("settings-without-create", [vss(destination={"name": "a", "type": "x"})], "spec.destination.type", "create: true"),
    (
        "settings-without-create",
        [vss(destination={"name": "a", "labels": {"a": "b"}})],
        "spec.destination.labels",
        "create",
    ),
    (
        "settings-without-create",
        [vss(destination={"name": "a", "overwrite": True})],
        "spec.destination.overwrite",
        "create",
    ),
    ("clear-without-effect", [vps(clear=True)], "spec.clear", "goes with the object"),
    ("retired-kind", [an("HCPAuth")], "kind", "has ended"),
    ("retired-kind", [an("HCPVaultSecretsApp")], "kind", "has ended"),
    ("retired-kind", [an("CSISecrets")], "kind", "another driver"),
]

GOOD: Final[list[list[Json]]] = [
    [vss()],
    [vds(), vps(), connection(), auth()],
    [vss(refreshAfter="1.5h", version=3, syncConfig={"instantUpdates": True})],
    [vss(hmacSecretData=None), vss("b", hmacSecretData=False, destination=to("b"))],
    [vss(hmacSecretData=False)],
    [vss(rolloutRestartTargets=[{"kind": "argo.Rollout", "name": "a"}])],
    [vds(path="static-creds/app", allowStaticCreds=True)],
    [vds(path="config/thing", refreshAfter="1h")],
    [vds(renewalPercent=0), vss(destination=to("x"))],
    [vps(ttl="14d", expiryOffset="36h", notAfter="2030-12-31T23:59:59Z", format="der", privateKeyFormat="pkcs8")],
    [vps(clear=True, destination={"name": "vps"})],
    [vps(destination=to("vps", type=TLS, transformation={"excludeRaw": True}))],
    [
        vps(
            destination=to(
                "vps", type=TLS, transformation={"templates": {k: {"text": ""} for k in ("tls.crt", "tls.key")}}
            )
        )
    ],
    [shaped(includes=["^a$", "(?i)b"], excludes=["c|d"])],
    [shaped(excludeRaw=True, templates={"_raw": {"text": "x"}, "a-b_c.d": {"text": "{{ .Secrets.x | upper }}"}})],
    [templated('{{ define "x" }}a{{ end }}{{ template "x" . }}{{ block "y" . }}{{ end }}{{ template "y" }}')],
    [
        shaped(
            templates={"a": {"text": '{{ template "t" . }}'}},
            transformationRefs=[{"name": "shared", "templateRefs": [{"name": "k", "keyOverride": "b"}]}],
        ),
        shared(sourceTemplates=[{"name": "t", "text": "x"}], templates={"k": {"name": "u", "text": ""}}),
    ],
    [vss(vaultAuthRef="it"), auth(), connection()],
    [
        vss(vaultAuthRef="op/it"),
        an("VaultAuth", namespace="op", allowedNamespaces=["*"]),
        an("VaultConnection", namespace="op"),
    ],
    [vss(vaultAuthRef="op/default"), an("VaultAuth", "default", namespace="op"), an("VaultConnection", namespace="op")],
    [
        auth(method=None, mount=None, kubernetes=None, vaultAuthGlobalRef={"name": "g", "namespace": "op"}),
        connection(),
        an(
            "VaultAuthGlobal",
            "g",
            namespace="op",
            defaultAuthMethod="kubernetes",
            defaultMount="k",
            kubernetes={"role": "r", "serviceAccount": "s"},
        ),
    ],
    [
        auth(
            method=None,
            mount=None,
            kubernetes=None,
            extensions={"login": {"method": "token", "token": {"secretRef": "t"}}},
        ),
        connection(),
    ],
    [auth(vaultAuthGlobalRef={"allowDefault": True}), connection()],
    [auth(method="aws", aws={"role": "r", "secretRef": "s"}), connection()],
    [an("VaultAuthGlobal", vaultConnectionRef="it")],
    [connection(address="http://127.0.0.1:8200")],
    [connection(address="https://vault.example.com/prefix")],
    [connection(caCertPath="/etc/ca.pem", timeout="20s", extensions={"proxyURL": "none", "limits": {"burst": 1}})],
    [
        vss("") | {"metadata": {"generateName": "it-"}},
        vss("") | {"metadata": {"generateName": "it-", "namespace": "b"}},
    ],
    [vss(), vss("b", destination=to("b")), an("VaultStaticSecret", namespace="other")],
    [{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "x"}, "data": {"spec": "whatever"}}],
    [{"apiVersion": "v1", "kind": "Secret", "metadata": {}, "spec": 5}],
]


@pytest.mark.parametrize(
    ("rule", "objects", "member", "said"), BAD, ids=[f"{row[0]} {number}" for number, row in enumerate(BAD)]
)
def test_a_rule_tells_what_is_wrong_where_and_what_to_do(
    rule: str, objects: list[Json], member: str, said: str
) -> None:
    """One finding of that rule; others may have their say, too."""
    found = [one for one in look(*objects) if one.rule == rule]
    assert [one.member for one in found] == [member], found
    assert said in f"{found[0].problem}; {found[0].remedy}"
    assert found[0].severity == next(one.severity for one in RULES if one.name == rule)
    assert found[0].problem
    assert found[0].remedy
    assert found[0].line > 0


@pytest.mark.parametrize("objects", GOOD, ids=range(len(GOOD)))
def test_what_is_sound_is_left_in_peace(objects: list[Json]) -> None:
    """Not even a hint, but for references that lead out of the files."""
    allowed = {"missing-object"}
    assert [one for one in look(*objects) if one.rule not in allowed] == []


def test_every_rule_has_a_case() -> None:
    """A rule without one could as well be absent; the file with a repeated field has a test of its own."""
    names = [one.name for one in RULES]
    assert len(set(names)) == len(names)
    assert {rule for rule, *_ in BAD} | {"repeated-field"} == set(names)


def test_one_mistake_is_told_once() -> None:
    """A missing member is no wrong type, a wrong type no missing member."""
    for objects in ([vss(mount=None)], [vss(mount=5)], [vss(type="x")], [vss(refreshAfter="1d")], [vss(typo=1)]):
        assert len(look(*objects)) == 1, look(*objects)


def test_an_object_without_a_spec_lacks_all_that_it_must_have() -> None:
    """Which the API server accepts, as nothing at the root is required (api.md section 1)."""
    whole = vss()
    found = look({key: whole[key] for key in whole if key != "spec"})
    assert {one.member for one in found if one.severity is Severity.ERROR} == {
        "spec.mount",
        "spec.path",
        "spec.type",
        "spec.destination",
    }


def test_lines_are_those_of_the_file() -> None:
    """Also within the text of a template, and for a member that stands twice."""
    text = """\
apiVersion: secrets.hashicorp.com/v1beta1
kind: VaultStaticSecret
metadata: {name: app}
spec:
  mount: kv
  path: app
  path: app
  type: kv-v2
  refreshAfter: 60s
  destination:
    name: app
    create: true
    transformation:
      templates:
        config:
          text: |
            fine
            {{ nope }}
"""
    bundle = bundle_of(subjects_of(parse(text, "f"), namespace="x"), options=GlobalOptions(operator_namespace="op"))
    found = {one.rule: one for one in findings(bundle)}
    assert {rule: one.line for rule, one in found.items()} == {"repeated-field": 7, "template-syntax": 18}
    assert found["template-syntax"].namespace == "x"


def test_strict_makes_errors_of_warnings_and_rules_can_be_left_out() -> None:
    """Hints stay hints."""
    objects = [vss(vaultAuthRef="gone", refreshAfter=None)]
    assert {one.severity for one in look(*objects)} == {Severity.WARNING, Severity.HINT}
    assert {one.severity for one in look(*objects, strict=True)} == {Severity.ERROR, Severity.HINT}
    assert look(*objects, skip=("missing-object", "refresh-after-unset")) == []


def lint(*args: str, text: str | None = None) -> tuple[int, str]:
    """Exit code and output of the command."""
    result = invoke("lint", *args, text=text)
    return result.exit_code, result.output


def test_examples_and_samples_lint_clean() -> None:
    """Examples without a word; samples show every field, and so have warnings, but no error."""
    code, output = lint("-f", str(ROOT / "deploy/examples"))
    assert (code, output) == (0, "5 objects: 0 errors, 0 warnings, 0 hints\n")
    code, output = lint(str(ROOT / "tests/integration/samples"))
    assert code == 0
    assert " 0 errors, " in output


def test_findings_are_printed_for_people_and_for_programs(tmp_path: Path) -> None:
    """Place first, as compilers do; the JSON has every part."""
    file = tmp_path / "app.yaml"
    file.write_text(to_yaml([vss(refreshAfter="1d")]))
    code, output = lint(str(file))
    assert code == 1
    first, second, last = output.splitlines()
    assert first.startswith(f"{file}:10: error: VaultStaticSecret shop/it: '1d' is no duration")
    assert first.endswith("[wrong-duration]")
    assert second == "    write 24h"
    assert last == "1 object: 1 error, 0 warnings, 0 hints"
    result = invoke("lint", str(file), "-o", "json")
    (found,) = json.loads(result.stdout)["findings"]
    assert found == {
        "severity": "error",
        "rule": "wrong-duration",
        "file": str(file),
        "line": 10,
        "kind": "VaultStaticSecret",
        "namespace": "shop",
        "name": "it",
        "member": "spec.refreshAfter",
        "problem": "'1d' is no duration that the API takes",
        "remedy": "write 24h",
    }


def test_exit_codes_tell_clean_from_wrong_and_from_wrong_usage(tmp_path: Path) -> None:
    """0, 1 and 2; warnings count with --strict."""
    file = tmp_path / "app.yaml"
    file.write_text(to_yaml([vss(vaultAuthRef="gone")]))
    assert lint(str(file))[0] == 0
    assert lint("--strict", str(file))[0] == 1
    assert lint("--strict", "--skip", "missing-object", str(file))[0] == 0
    assert lint()[0] == 2
    assert lint("--skip", "no-such-rule", str(file))[0] == 2
    assert lint(str(tmp_path / "absent"))[0] == 2
    assert lint("-f", "-", text=to_yaml([vss()]))[0] == 0


def test_a_file_that_is_no_yaml_is_a_finding_and_the_others_are_still_looked_at(tmp_path: Path) -> None:
    """A chart's template, say."""
    (tmp_path / "a.yaml").write_text("spec: {{ .Values.spec }}\n")
    (tmp_path / "b.yaml").write_text(to_yaml([vss(type="kv3")]))
    code, output = lint(str(tmp_path))
    assert code == 1
    assert "a.yaml:1: error: this is no YAML" in output
    assert "helm template" in output
    assert "[wrong-value]" in output
