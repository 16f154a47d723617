"""The story, act by act: what happens, the command that a user would type, its output, and a check that it is so."""

import base64
from collections.abc import Callable
from typing import Any, Final

from testenv.demo import engines, operator, signals, vault
from testenv.demo.stage import NAMESPACE, Stage
from testenv.demo.tool import Feed
from testenv.demo.venue import CRDS, GROUP, RULES

_EXAMPLES: Final = "deploy/examples"
_PLACEHOLDER: Final = "https://vault.example.com:8200"
_DECODED: Final = r'go-template={{range $key, $value := .data}}{{$key}}={{$value | base64decode}}{{"\n"}}{{end}}'
_COLLECTION = 75.0
_DIAGNOSIS: Final = ("doctor", "refused", "-n", NAMESPACE, "--assume-defaults")
"""No Deployment tells the settings of the operator that runs here."""


def install(stage: Stage) -> None:
    """CRDs and rules."""
    stage.narrator.step(
        "Install the CRDs and the operator's rules",
        "Custom resource definitions teach the API server what a VaultStaticSecret is. The operator gets a "
        "ServiceAccount, and a ClusterRole that allows what it does and no more.",
    )
    if stage.missing_crds:
        stage.remove_later("crd", *(f"{file.stem}.{GROUP}" for file in stage.missing_crds))
        files = [str(file) for file in stage.missing_crds] if stage.borrowed else [str(CRDS)]
        stage.show(stage.kubectl, "apply", "--server-side", *_files(*files), lines=2)
    if stage.borrowed and not stage.missing_crds:
        stage.narrator.say("(The CRDs are there already, and stay as they are.)")
    stage.show(stage.kubectl, "wait", "--for=condition=Established", *_files(str(CRDS)), "--timeout=30s", lines=2)
    if stage.controllers is not None:
        stage.narrator.say(
            "(The controller manager starts anew now, so that its garbage collector knows the new kinds at once: by "
            "itself it would take up to a minute, which is long for a story.)"
        )
        stage.controllers.terminate(grace=2.0)
        stage.controllers.start()
    stage.remove_later(*_files(str(RULES)))
    stage.show(stage.kubectl, "apply", "--server-side", *_files(str(RULES)))


def run_operator(stage: Stage) -> None:
    """The process that does the work."""
    stage.narrator.step(
        "Start the operator",
        "It runs as a process on this machine, so that no image has to be built, but with nothing except a token of "
        "its ServiceAccount: it has the rights that it would have in a Pod.",
    )
    operator.start(stage)


def connect(stage: Stage) -> None:
    """VaultConnection and VaultAuth."""
    stage.narrator.step(
        "Tell the operator where OpenBao is, and how to log in",
        "A VaultConnection names the server, a VaultAuth the auth method, the role and the ServiceAccount to log in "
        "as. These are the example manifests; only the address is put in.",
    )
    file = f"{_EXAMPLES}/connection.yaml"
    address = stage.server.address
    manifest = stage.manifest(file).replace(_PLACEHOLDER, address)
    stage.kube("apply", *_files("-"), feed=Feed(f"sed 's|{_PLACEHOLDER}|{address}|' {file}", manifest))
    stage.kube("apply", *_files(f"{_EXAMPLES}/auth.yaml"))
    stage.expect(
        lambda: all(_ready(stage.get(kind, "demo")) for kind in ("vaultconnection", "vaultauth")),
        "both are ready: OpenBao answers at that address, and the login is well described",
    )
    stage.kube("get", "vaultconnection,vaultauth")


def sync(stage: Stage) -> None:
    """A VaultStaticSecret, and the Secret that comes of it."""
    stage.narrator.step(
        "Sync a secret",
        "A VaultStaticSecret says which path becomes which Secret. A Deployment uses that Secret; it is an ordinary "
        "one, that knows nothing of OpenBao.",
    )
    stage.kube("apply", *_files(f"{_EXAMPLES}/deployment.yaml", f"{_EXAMPLES}/static-secret.yaml"))
    stage.expect(lambda: _password(stage) == vault.FIRST, "the Secret holds what OpenBao holds")
    stage.expect(lambda: _synced(stage.get("vaultstaticsecret", "demo")) == "True", "the VaultStaticSecret says so too")
    stage.kube("get", "vaultstaticsecret", "demo")
    stage.kube("get", "secret", "demo", "-o", _DECODED)
    if stage.collects:
        stage.expect(lambda: _replica_sets(stage) == 1, "the Deployment has made its first ReplicaSet")
        stage.kube("get", "replicasets", "-l", "app=demo")


def rotate(stage: Stage) -> None:
    """A new value in OpenBao."""
    stage.narrator.step(
        "Rotate the password in OpenBao",
        "Nobody touches Kubernetes now. The operator looks every 5 seconds here (refreshAfter), finds a new version, "
        "updates the Secret, and restarts the Deployment, since programs read their environment only once.",
    )
    vault.put(stage, vault.SECOND)
    stage.expect(lambda: _password(stage) == vault.SECOND, "the Secret has the new password")
    stage.kube("get", "secret", "demo", "-o", _DECODED)
    stage.expect(lambda: bool(_stamps(stage)), "the Deployment's Pod template has a time of restart")
    stage.kube("get", "deployment", "demo", "-o", "jsonpath={.spec.template.metadata.annotations}")
    if stage.collects:
        stage.expect(lambda: _replica_sets(stage) == 2, "so there is a second ReplicaSet, which replaces the Pods")  # noqa: PLR2004 -- before and after
        stage.kube("get", "replicasets", "-l", "app=demo")
    if not stage.borrowed:
        stage.narrator.say("(No Pod gets ready here, since this cluster has no nodes to run it.)")
    _show_events(stage, "demo", about="restart")


def refuse(stage: Stage) -> None:
    """A login that OpenBao does not allow."""
    stage.narrator.step(
        "See what a refused login looks like",
        "Somebody mistypes the role: this VaultAuth names one that OpenBao does not have. Nothing is written then, "
        "the operator tells why and keeps trying, ever more slowly; other secrets are not affected.",
    )
    stage.kube("apply", *_files("testenv/demo/refused.yaml"))
    stage.expect(lambda: _synced(stage.get("vaultstaticsecret", "refused")) == "False", "it is not synced")
    stage.kube("get", "vaultstaticsecret")
    stage.kube(
        *("get", "vaultstaticsecret", "refused", "-o"),
        'jsonpath={.status.conditions[?(@.type=="SecretSynced")].message}',
    )
    stage.expect(
        lambda: "no-such-role" in _message(stage.get("vaultstaticsecret", "refused")),
        "the message names the role that is refused",
    )
    _show_events(stage, "refused", about="no-such-role")
    stage.expect(lambda: not stage.get("secret", "refused"), "no Secret was made", timeout=5)
    stage.narrator.say(
        "Who wants to know more asks the plugin: it goes the whole way itself, and tests each step. This "
        "operator has no Deployment that tells its settings, hence the flag."
    )
    stage.narrator.command(stage.plugin.line(*_DIAGNOSIS))
    with stage.narrator.waiting("kubectl vso is at work"):
        diagnosis = stage.plugin.ask(*_DIAGNOSIS, *stage.context)
    stage.narrator.output(diagnosis.stdout + diagnosis.stderr, lines=30)
    stage.expect(lambda: "no-such-role" in diagnosis.stdout, "the diagnosis names the role too", timeout=1)


def delete(stage: Stage) -> None:
    """The VaultStaticSecret goes, and the Secret with it."""
    stage.narrator.step(
        "Delete the VaultStaticSecret",
        "The Secret names it as its owner, so Kubernetes' garbage collector removes the Secret too, with or without "
        "the operator.",
    )
    stage.kube("get", "secret", "demo", "-o", "jsonpath={.metadata.ownerReferences}")
    stage.expect(lambda: _owner(stage.get("secret", "demo")) == ("VaultStaticSecret", "demo"), "the owner is named")
    stage.kube("delete", "vaultstaticsecret", "demo")
    if not stage.collects:
        stage.narrator.say("(This control plane came without its controller manager, so nobody collects the Secret.)")
        return
    if stage.borrowed and any(file.stem == "vaultstaticsecrets" for file in stage.missing_crds):
        stage.narrator.say(
            "(The garbage collector learns of new kinds every 30 seconds only. Ours is that new, so this once it may "
            "take up to a minute.)"
        )
    stage.expect(lambda: not stage.get("secret", "demo"), "the Secret is gone", timeout=_COLLECTION)


ACTS: Final[tuple[Callable[[Stage], None], ...]] = (
    install,
    run_operator,
    vault.prepare,
    connect,
    sync,
    rotate,
    engines.lease,
    engines.certify,
    refuse,
    delete,
    signals.tell,
)
"""The acts in their order; each needs those before it."""


def restore(stage: Stage) -> None:
    """Put back what the last act deleted, for a user who wants to play with it."""
    stage.kube("apply", *_files(f"{_EXAMPLES}/static-secret.yaml"))
    stage.expect(lambda: _password(stage) == vault.SECOND, "the Secret is there again")


def _show_events(stage: Stage, name: str, *, about: str) -> None:
    selector = f"--field-selector=involvedObject.name={name},involvedObject.kind=VaultStaticSecret"

    def told() -> bool:
        found = stage.get("events", selector).get("items", [])
        return any(about in f"{one['reason']} {one['message']}".lower() for one in found)

    stage.expect(told, "events tell of it")
    stage.kube("get", "events", selector)


def _files(*names: str) -> tuple[str, ...]:
    return tuple(part for name in names for part in ("-f", name))


def _condition(resource: Any, type_: str) -> dict[str, str]:
    found = [one for one in resource.get("status", {}).get("conditions", []) if one["type"] == type_]
    return found[0] if found else {}


def _ready(resource: Any) -> bool:
    return _condition(resource, "Ready").get("status") == "True"


def _synced(resource: Any) -> str:
    return _condition(resource, "SecretSynced").get("status", "")


def _message(resource: Any) -> str:
    return _condition(resource, "SecretSynced").get("message", "")


def _password(stage: Stage) -> str:
    data = stage.get("secret", "demo").get("data", {})
    return base64.b64decode(data.get("password", "")).decode()


def _owner(resource: Any) -> tuple[str, str]:
    owners = resource.get("metadata", {}).get("ownerReferences", [])
    return (owners[0]["kind"], owners[0]["name"]) if owners else ("", "")


def _stamps(stage: Stage) -> dict[str, str]:
    template = stage.get("deployment", "demo").get("spec", {}).get("template", {})
    return {
        name: value for name, value in template.get("metadata", {}).get("annotations", {}).items() if "restart" in name
    }


def _replica_sets(stage: Stage) -> int:
    return len(stage.get("replicasets", "-l", "app=demo").get("items", []))
