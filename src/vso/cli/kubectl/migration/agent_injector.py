"""Workloads with annotations of the Vault agent injector: each file that was injected becomes a key of a Secret.

Names of the annotations: the page "Annotations" of the injector's documentation. The workload itself is not changed;
notes say what to do with it.
"""

import posixpath
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from vso.apis.v1beta1 import Destination
from vso.cli.kubectl.manifest import Manifest, mapping
from vso.cli.kubectl.migration.draft import Converted, Draft, Surroundings, name_of
from vso.cli.kubectl.migration.login import DEFAULT_ACCOUNT, KUBERNETES, KubernetesLogin, add_login
from vso.cli.kubectl.migration.shaping import in_actions, shaping_of
from vso.cli.kubectl.migration.target import Engine, Order, Target, resource_for, target_of

PREFIX: Final = "vault.hashicorp.com/"
_INJECT: Final = f"{PREFIX}agent-inject"
_SECRET: Final = f"{_INJECT}-secret-"
_TEMPLATES: Final = (f"{_INJECT}-template-", f"{_INJECT}-template-file-")
_VOLUME: Final = f"{PREFIX}secret-volume-path"
_TRUE: Final = frozenset({"1", "t", "true"})
"""Texts that Go takes for true, in lower case."""
_POD_TEMPLATES: Final[Mapping[str, tuple[str, ...]]] = {
    "Pod": (),
    "CronJob": ("spec", "jobTemplate", "spec", "template"),
}
_POD_TEMPLATE: Final = ("spec", "template")
_INTERVAL: Final = "5m"
_LIST: Final = '{{ range $key, $value := .Secrets }}{{ $key }}: {{ $value }}{{ "\\n" }}{{ end }}'
_JSON: Final = "{{ .Secrets | toJson }}"
_WITH: Final = re.compile(
    r"""(?P<before>\s*)\{\{(?P<trim_before>-?)\s*with\s+secret\s+["`](?P<path>[^"`]+)["`](?P<args>[^}]*?)\s*(?P<trim_start>-?)\}\}"""
    r"""(?P<body>.*)\{\{(?P<trim_end>-?)\s*end\s*(?P<trim_after>-?)\}\}(?P<after>\s*)""",
    re.DOTALL,
)
_ARGUMENT: Final = re.compile(r"""["`]([^"`=]+)=([^"`]*)["`]""")
_ACTIONS: Final = re.compile(r"\{\{.*?\}\}", re.DOTALL)
_VERSIONED: Final = ((re.compile(r"\.Data\.data\b"), ".Secrets"), (re.compile(r"\.Data\.metadata\b"), ".Metadata"))
_PLAIN: Final = ((re.compile(r"\.Data\b"), ".Secrets"),)
_ELSEWHERE: Final = re.compile(
    r"\b(?:secret|secrets|pkiCert|key|keyOrDefault|ls|tree|service|services|node|nodes|file|env|timestamp)\s+[\"`(.]"
    r"|\.(?:LeaseID|LeaseDuration|Renewable|RequestID|Warnings|Auth|WrapInfo|Data)\b"
)
"""What a template of the agent can see, and one of the operator cannot."""
_FUNCTIONS: Final[Mapping[str, str]] = {
    "toJSON": "toJson",
    "toJSONPretty": "toPrettyJson",
    "base64Decode": "b64dec",
    "base64Encode": "b64enc",
    "toUpper": "upper",
    "toLower": "lower",
    "toTitle": "title",
    "trimSpace": "trim",
    "replaceAll": "replace",
}
_FUNCTION: Final = re.compile(rf"\b({'|'.join(_FUNCTIONS)})\b")
_LOST: Final[Mapping[str, str]] = {
    "agent-inject-token": "the token itself is not passed on",
    "agent-configmap": "the agent's own configuration is not read",
    "agent-cache-enable": "there is no agent to ask: requests of the program itself need another way",
    "client-cert": "client certificates of the connection are not supported; use the login method cert",
    "client-key": "client certificates of the connection are not supported; use the login method cert",
    "ca-cert": "a file in the Pod: put the CA into a Secret and set caCertSecretRef of the VaultConnection",
    "proxy-address": "set spec.extensions.proxyURL of the VaultConnection",
}


_KNOWN: Final = frozenset(
    {
        *("agent-inject", "role", "service", "namespace", "auth-type", "auth-path", "auth-config-role"),
        *("tls-skip-verify", "tls-server-name", "tls-secret", "preserve-secret-case", "agent-inject-default-template"),
        *(
            "secret-volume-path",
            "agent-inject-status",
            "agent-inject-containers",
            "agent-image",
            "log-level",
            "log-format",
        ),
        *("agent-pre-populate", "agent-pre-populate-only", "agent-init-first", "agent-revoke-on-shutdown"),
        *("agent-copy-volume-mounts", "agent-share-process-namespace", "agent-set-security-context"),
        *("agent-service-account-token-volume-name", "agent-enable-quit", "agent-revoke-grace"),
    }
)
"""Read here, or about the agent itself, which is not needed any more."""
_FAMILIES: Final = (
    *("agent-inject-secret-", "agent-inject-template-", "agent-inject-file-", "agent-inject-command-"),
    *("agent-inject-perms-", "preserve-secret-case-", "agent-limits-", "agent-requests-", "agent-run-as-"),
    *("secret-volume-path-", "agent-json-patch", "agent-init-json-patch", "template-"),
)


def annotated(manifest: Manifest) -> bool:
    """Whether the injector would do something."""
    return _is_true(_annotations(manifest).get(_INJECT))


def convert(manifest: Manifest, around: Surroundings) -> Converted:
    """One resource for each injected secret, and a login as the Pod had it."""
    draft, found = Draft(manifest), _annotations(manifest)
    where = _member(manifest)
    names = sorted(key.removeprefix(_SECRET) for key in found if key.startswith(_SECRET))
    _look_for_others(found, names, draft)
    if not names:
        draft.lost(where, f"no {_SECRET}NAME annotation tells what is injected")
        return draft.done()
    namespace = around.namespace_of(manifest)
    auth_ref = _login(manifest, found, draft, namespace)
    if auth_ref is None:
        return draft.done()
    made = [one for one in names if _convert_secret(one, found, _Frame(draft, auth_ref, namespace))]
    folders: dict[str, list[str]] = {}
    for one in made:
        folders.setdefault(_folder(one, found), []).append(_secret_name(manifest, one))
    for folder, secrets in folders.items():
        draft.check(
            where,
            f"mount the Secrets {', '.join(secrets)} at {folder}, and take the annotations away; "
            "the values are kept in the cluster from now on",
        )
    return draft.done()


def _look_for_others(found: Mapping[str, Any], names: Collection[str], draft: Draft) -> None:
    """Note what is not known here, and templates that belong to none of `names`."""
    where = _member(draft.manifest)
    for name in (key.removeprefix(PREFIX) for key in found if key.startswith(PREFIX)):
        if name in _LOST:
            draft.lost(where, f"{PREFIX}{name}: {_LOST[name]}")
        elif name not in _KNOWN and not name.startswith(_FAMILIES):
            draft.lost(where, f"{PREFIX}{name}: the converter does not know it")
    for key in (key for key in found if key.startswith(_TEMPLATES)):
        if {key.removeprefix(one) for one in _TEMPLATES if key.startswith(one)}.isdisjoint(names):
            draft.lost(where, f"{key}: no {_SECRET}NAME annotation goes with it: add that, with the path")


@dataclass(frozen=True, slots=True)
class _Frame:
    """What the secrets of one workload have in common."""

    draft: Draft
    auth_ref: str
    namespace: str

    @property
    def where(self) -> str:
        """The member that notes are about."""
        return _member(self.draft.manifest)


@dataclass(frozen=True, slots=True)
class _Read:
    """What a template reads, and its text for the operator."""

    target: Target
    text: str
    parameters: Mapping[str, str] = field(default_factory=dict)


def _convert_secret(name: str, found: Mapping[str, Any], frame: _Frame) -> bool:
    draft = frame.draft
    if found.get(f"{_INJECT}-template-file-{name}"):
        draft.lost(frame.where, f"the template of {name} is a file in the Pod: write it into templates")
        return False
    text = str(found.get(f"{_INJECT}-template-{name}") or "")
    try:
        read = _rewritten(text) if text else _Read(target_of(str(found[_SECRET + name])), _plain(found))
    except ValueError as exc:
        draft.lost(frame.where, f"{name}: {exc}")
        return False
    if found.get(f"{_INJECT}-command-{name}"):
        draft.check(
            frame.where,
            f"the command that ran when {name} changed has no counterpart: restart with rolloutRestartTargets instead",
        )
    file = _file(name, found)
    secret = _secret_name(draft.manifest, name)
    order = Order(
        auth_ref=frame.auth_ref,
        destination=Destination(
            name=secret,
            create=True,
            overwrite=True,
            transformation=shaping_of(templates={posixpath.basename(file): read.text}),
        ),
        refresh_after=_INTERVAL if read.target.key_value else "",
        parameters=read.parameters,
    )
    draft.add(resource_for(read.target, order, draft, frame.where), name=secret, namespace=frame.namespace)
    return True


def _file(name: str, found: Mapping[str, Any]) -> str:
    """The file that the agent writes, below its folder."""
    kept = any(_is_true(found.get(f"{PREFIX}preserve-secret-case{suffix}")) for suffix in ("", f"-{name}"))
    return str(found.get(f"{_INJECT}-file-{name}") or (name if kept else name.lower()))


def _folder(name: str, found: Mapping[str, Any]) -> str:
    """Where the Pod has that file."""
    folder = str(found.get(f"{_VOLUME}-{name}") or found.get(_VOLUME) or "/vault/secrets")
    return posixpath.normpath(posixpath.join(folder, posixpath.dirname(_file(name, found))))


def _is_true(value: Any) -> bool:
    return str(value).lower() in _TRUE


def _plain(found: Mapping[str, Any]) -> str:
    """The template of a secret that has none of its own."""
    return _JSON if found.get(f"{_INJECT}-default-template") == "json" else _LIST


def _rewritten(text: str) -> _Read:
    """What the template `text` reads, and itself for the operator. Raises ValueError if it is none of one path."""
    whole = _WITH.fullmatch(text)
    if whole is None:
        raise ValueError("the template is not `with secret` of one path: write it by hand")
    target = target_of(whole["path"])
    body = whole["body"]
    body = body.lstrip() if whole["trim_start"] else body
    body = body.rstrip() if whole["trim_end"] else body
    before = "" if whole["trim_before"] else whole["before"]
    after = "" if whole["trim_after"] else whole["after"]
    seen = _VERSIONED if target.engine is Engine.KV_2 else _PLAIN

    def change(action: str) -> str:
        for pattern, new in seen:
            action = pattern.sub(new, action)
        return _FUNCTION.sub(lambda found: _FUNCTIONS[found[1]], action)

    made = in_actions(body, change)
    if missing := _ELSEWHERE.search("".join(_ACTIONS.findall(made))):
        raise ValueError(
            f"the template uses {missing[0].rstrip('.(` ').strip()}, which has no counterpart: write it by hand"
        )
    return _Read(target, before + made + after, dict(_ARGUMENT.findall(whole["args"])))


def _login(manifest: Manifest, found: Mapping[str, Any], draft: Draft, namespace: str) -> str | None:
    where = _member(manifest)
    method = str(found.get(f"{PREFIX}auth-type") or KUBERNETES)
    if method != KUBERNETES:
        draft.lost(where, f"the Pod logs in with {method}: write a VaultAuth by hand")
        return None
    pod = mapping(manifest.body, *_template(manifest), "spec")
    login = KubernetesLogin(
        address=str(found.get(f"{PREFIX}service") or ""),
        role=str(found.get(f"{PREFIX}role") or found.get(f"{PREFIX}auth-config-role") or ""),
        service_account=str(pod.get("serviceAccountName") or pod.get("serviceAccount") or DEFAULT_ACCOUNT),
        mount=str(found.get(f"{PREFIX}auth-path") or KUBERNETES).strip("/").removeprefix("auth/"),
        namespace=str(found.get(f"{PREFIX}namespace") or ""),
        skip_tls_verify=_is_true(found.get(f"{PREFIX}tls-skip-verify")),
        tls_server_name=str(found.get(f"{PREFIX}tls-server-name") or ""),
        ca_cert_secret_ref=str(found.get(f"{PREFIX}tls-secret") or ""),
    )
    return add_login(draft, login, namespace=namespace, member=where)


def _secret_name(manifest: Manifest, name: str) -> str:
    return name_of(manifest.name, name)


def _template(manifest: Manifest) -> tuple[str, ...]:
    return _POD_TEMPLATES.get(manifest.kind, _POD_TEMPLATE)


def _member(manifest: Manifest) -> str:
    return ".".join((*_template(manifest), "metadata", "annotations"))


def _annotations(manifest: Manifest) -> Mapping[str, Any]:
    return mapping(manifest.body, *_template(manifest), "metadata", "annotations")
