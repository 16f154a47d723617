"""Templates and SecretTransformations on real servers (behaviour.md section 9)."""

from base64 import b64encode
from datetime import datetime

from testenv import AuditEntry
from tests.support.evidence import Watch
from tests.support.operator import Operator
from tests.support.tenant import Tenant

KIND = "SecretTransformation"


def test_templates_shape_a_secret(operator: Operator, tenant: Tenant) -> None:
    """Inline ones: rendered keys beside the source fields."""
    tenant.put("app", {"user": "alice", "password": "p@ss", "blob": b64encode(bytes(range(256))).decode()})
    tenant.connect()
    templates = {
        "url": {"text": "postgresql://{{ .Secrets.user }}:{{ .Secrets.password | urlquery }}@db/{{ .Labels.app }}"},
        "bin": {"text": "{{ .Secrets.blob | b64dec }}"},
        "hash": {"text": "{{ htpasswd .Secrets.user .Secrets.password }}"},
    }
    transformation = {"templates": templates, "excludeRaw": True, "excludes": ["blob"]}
    tenant.sync("app", destination={"transformation": transformation})
    tenant.patch("VaultStaticSecret", "app", {"metadata": {"labels": {"app": "web"}}})
    tenant.wait_data("app", url="postgresql://alice:p%40ss@db/web", user="alice")
    data = tenant.data("app")
    assert data is not None
    assert data["bin"] == bytes(range(256))
    assert set(data) == {"url", "bin", "hash", "user", "password"}
    tenant.wait_synced("app")
    watch = Watch(operator, tenant)
    watch.wait_reads("app", 4)
    assert watch.writes() == []  # a salted hash does not change by itself


def test_a_changed_secrettransformation_renders_its_users_anew_within_a_second(
    operator: Operator, tenant: Tenant
) -> None:
    """From the API server's answer to the change until the last of five Secrets is written, by its own log.

    Five changes, of which the fastest counts: what a busy machine adds is no property of the operator.
    """
    tenant.put("app", {"user": "alice"})
    tenant.connect()
    tenant.create(KIND, "shared", spec={"templates": {"greeting": {"text": "hello {{ .Secrets.user }}"}}})
    refs = [{"name": "shared"}]
    users = [f"s{number}" for number in range(5)]
    for name in users:
        tenant.sync(name, path="app", refreshAfter="1h", destination={"transformation": {"transformationRefs": refs}})
    for name in users:
        tenant.wait_data(name, greeting="hello alice")
        tenant.wait_synced(name)
    spans = []
    for word in ("bye", "ciao", "salut", "hej", "ahoj"):
        mark = tenant.cluster.audit_mark()
        tenant.patch(KIND, "shared", {"spec": {"templates": {"greeting": {"text": word + " {{ .Secrets.user }}"}}}})
        for name in users:
            tenant.wait_data(name, greeting=f"{word} alice")
        spans.append(span(tenant, mark, len(users)))
    print(f"from the change to the last of {len(users)} Secrets: {', '.join(f'{one:.3f} s' for one in spans)}")
    assert min(spans) < 1


def span(tenant: Tenant, mark: int, count: int) -> float:
    """Seconds from the answer to the change of the SecretTransformation to the last of `count` writes of Secrets."""

    def found(resource: str) -> list[AuditEntry]:
        writes = (one for one in tenant.cluster.audit(since=mark) if one.verb == "patch" and not one.subresource)
        return [one for one in writes if one.namespace == tenant.namespace and one.resource == resource]

    tenant.wait(lambda: len(found("secrets")) >= count, f"{count} writes in the log")
    begun = datetime.fromisoformat(found("secrettransformations")[0].answered)
    return max((datetime.fromisoformat(one.answered) - begun).total_seconds() for one in found("secrets"))


def test_an_invalid_secrettransformation_says_why_and_its_users_keep_their_data(
    operator: Operator, tenant: Tenant
) -> None:
    """Template and line are named; once it is mended its users are in sync again."""
    tenant.put("app", {"user": "alice"})
    tenant.connect()
    tenant.create(KIND, "shared", spec={"templates": {"greeting": {"text": "hello {{ .Secrets.user }}"}}})
    tenant.sync("app", destination={"transformation": {"transformationRefs": [{"name": "shared"}]}})
    tenant.wait_data("app", greeting="hello alice")
    tenant.patch(KIND, "shared", {"spec": {"templates": {"greeting": {"text": "hello\n{{ nope }}"}}}})
    tenant.wait(lambda: tenant.status(KIND, "shared").get("valid") is False, "the status")
    assert 'function "nope" not defined' in tenant.status(KIND, "shared")["error"]
    assert tenant.events("shared", "InvalidConfiguration")
    tenant.wait_failed("app", "is in an invalid state")
    assert (tenant.data("app") or {})["greeting"] == b"hello alice"
    tenant.patch(KIND, "shared", {"spec": {"templates": {"greeting": {"text": "hello {{ .Secrets.user }}"}}}})
    tenant.wait_synced("app")


def test_a_template_without_end_is_stopped_and_others_go_on(operator: Operator, tenant: Tenant) -> None:
    """The condition says so; another resource syncs meanwhile."""
    tenant.put("bad", {"user": "alice"})
    tenant.put("good", {"user": "bob"})
    tenant.connect()
    templates = {"k": {"text": "{{ range 1000000000000 }}{{ end }}"}}
    tenant.sync("bad", destination={"transformation": {"templates": templates}})
    tenant.sync("good")
    tenant.wait_synced("good", timeout=5)
    tenant.wait_failed("bad", "template budget exceeded")
    tenant.put("good", {"user": "carol"})
    tenant.wait_data("good", user="carol")
