"""`kubectl vso` against the real servers: what each command says, to people and to programs, and what it asks."""

import io
import json
import os
import pty
import select
import signal
import subprocess
import sys
import tarfile
from collections import Counter
from pathlib import Path
from typing import Any, BinaryIO, Final

import pytest

from testenv import Cluster
from testenv.cluster import find_kubectl
from testenv.waiting import seconds, wait_for
from tests.support import canary
from tests.support.operator import Operator
from tests.support.plugin import Answer, environment, vso
from tests.support.tenant import Tenant

VALUE: Final = "alice-in-wonderland"
MANY: Final = 1000


def ask(tenant: Tenant, *words: str) -> Answer:
    """A command in the tenant's namespace; it must not print what is in Vault."""
    answer = vso(tenant.cluster, *words, f"--namespace={tenant.namespace}")
    assert VALUE not in answer.out + answer.err
    return answer


@pytest.fixture
def ready(operator: Operator, tenant: Tenant) -> Tenant:
    """A tenant with a secret that is in sync, and one that is not."""
    tenant.connect()
    tenant.put("app", {"user": VALUE})
    targets = [{"kind": "Deployment", "name": name} for name in ("web", "gone", "held")]
    tenant.sync("app", rolloutRestartTargets=targets)
    tenant.sync("lost", path="nobody", refreshAfter="1h")
    tenant.wait_synced("app")
    tenant.wait_failed("lost", "nobody")
    tenant.wait(lambda: tenant.condition("VaultConnection", "vault", "Ready"), "a look at the server")
    return tenant


def workload(tenant: Tenant, name: str, *, volumes: Any = (), paused: bool = False, **container: Any) -> None:
    """A Deployment that uses a Secret in some way."""
    labels = {"app": name}
    main = {"name": "main", "image": "registry.invalid/none", **container}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [main], "volumes": list(volumes)}}
    tenant.deployment(name, selector={"matchLabels": labels}, template=template, paused=paused)


def users(tenant: Tenant) -> None:
    """Everything that can use the Secret ``app``, and more."""
    variable = [{"name": "PASSWORD", "valueFrom": {"secretKeyRef": {"name": "app", "key": "user"}}}]
    workload(tenant, "web", env=variable)
    workload(tenant, "held", paused=True, envFrom=[{"secretRef": {"name": "app"}}])
    workload(tenant, "stale", envFrom=[{"secretRef": {"name": "app"}}])
    workload(tenant, "files", volumes=[{"name": "creds", "secret": {"secretName": "app"}}])
    projected = {"name": "all", "projected": {"sources": [{"secret": {"name": "app"}}]}}
    workload(tenant, "mixed", volumes=[projected])
    workload(tenant, "other", envFrom=[{"secretRef": {"name": "unrelated"}}])
    patch = {"imagePullSecrets": [{"name": "app"}]}
    tenant.patch("ServiceAccount", "default", patch)


def test_status_tells_people_and_programs_how_each_secret_is(ready: Tenant) -> None:
    """State, age, interval and the reason of a failure; exit codes for scripts."""
    table = ask(ready, "status")
    assert table.code == 1
    heading, app, lost = table.out.splitlines()
    assert heading.split() == ["KIND", "NAME", "STATE", "SYNCED", "NEXT", "LEFT", "MESSAGE"]
    assert app.split()[:3] == ["VaultStaticSecret", "app", "Synced"]
    assert "every 1s" in app
    assert lost.split()[:3] == ["VaultStaticSecret", "lost", "Failing"]
    assert "data/nobody" in lost
    assert ask(ready, "status", "app").code == 0
    assert "VAULTAUTH" in ask(ready, "status", "vss/app", "-o=wide").out
    items = {one["name"]: one for one in ask(ready, "status", "-o", "json").json["items"]}
    assert items["app"]["state"] == "Synced"
    assert items["app"]["lastSync"].endswith("Z")
    assert items["lost"]["message"].startswith("Failed to read Vault secret")


def test_what_does_not_exist_and_what_is_wrong_usage_have_their_own_codes(ready: Tenant, tmp_path: Path) -> None:
    """1 for a name that nobody has, 2 for a kind that is none, 3 for a cluster that is not there."""
    absent = ask(ready, "status", "nobody")
    assert (absent.code, "is called 'nobody'" in absent.err) == (1, True)
    assert ask(ready, "doctor", "Pod/app").code == 2
    assert ask(ready, "status", "-l", "a in b").code == 2
    broken = tmp_path / "kubeconfig"
    broken.write_text(ready.cluster.admin_kubeconfig.read_text().replace(ready.cluster.server, "https://127.0.0.1:1"))
    unreachable = vso(ready.cluster, "status", kubeconfig=broken)
    assert (unreachable.code, "out of reach" in unreachable.err) == (3, True)
    stranger = ready.cluster.kubeconfig_for(f"{ready.namespace}/default")
    forbidden = vso(ready.cluster, "status", kubeconfig=stranger)
    assert (forbidden.code, "ask whoever administers" in forbidden.err) == (4, True)


def test_tree_leads_to_vault_and_to_all_who_use_the_secret(ready: Tenant) -> None:
    """By variables, volumes, projected volumes and pull secrets; who keeps old values is marked."""
    users(ready)
    text = ask(ready, "tree", "app").out
    for line in ("VaultAuth", "VaultConnection", f"Vault {ready.bao.address}  answers the operator"):
        assert line in text
    assert "created and owned by this resource" in text
    root = ask(ready, "tree", "app", "-o", "json").json
    auth, secret = root["children"]
    assert auth["note"].startswith("kubernetes at auth/kubernetes, role")
    below = {(one["kind"], one["name"]): one for one in secret["children"]}
    assert ("Deployment", "other") not in below
    assert "env PASSWORD of container main; restarts on a change" in below["Deployment", "web"]["note"]
    assert "no restart target" in below["Deployment", "stale"]["problem"]
    assert "volume creds" in below["Deployment", "files"]["note"]
    assert "projected volume all" in below["Deployment", "mixed"]["note"]
    assert "imagePullSecrets" in below["ServiceAccount", "default"]["note"]
    assert "does not exist" in below["Deployment", "gone"]["problem"]


def test_the_restart_plan_says_who_restarts_and_why_not(ready: Tenant) -> None:
    """Targets that exist, do not exist, or are paused, and users that are no targets."""
    users(ready)
    answer = ask(ready, "restart-plan", "app", "-o", "json")
    assert answer.code == 1
    fates = {one["name"]: (one["target"], one["verdict"]) for one in answer.json["items"]}
    assert fates == {
        "web": (True, "restarts"),
        "gone": (True, "absent"),
        "held": (True, "paused"),
        "stale": (False, "keeps old values"),
        "files": (False, "follows by itself"),
        "mixed": (False, "follows by itself"),
        "default": (False, "follows by itself"),
    }
    assert "web" in ask(ready, "restart-plan", "app").out


def test_refresh_waits_for_the_new_data_and_tells_a_failure(ready: Tenant) -> None:
    """The operator answers at once, although the next read is an hour away."""
    ready.patch("VaultStaticSecret", "app", {"spec": {"refreshAfter": "1h"}})
    ready.wait_synced("app")
    same = ask(ready, "refresh", "app")
    assert (same.code, "nothing had changed" in same.out) == (0, True)
    ready.put("app", {"user": f"{VALUE}-again"})
    changed = ask(ready, "refresh", "app", "-o", "json").json
    assert (changed["changed"], changed.get("error")) == (True, "")
    ready.wait_data("app", user=f"{VALUE}-again")
    rotated = ask(ready, "refresh", "app", "--rotate")
    assert rotated.code == 0
    failed = ask(ready, "refresh", "lost", "--timeout=2s")
    assert (failed.code, "data/nobody" in failed.err) == (1, True)
    assert "Waiting for the operator" in failed.err
    ready.create("VaultStaticSecret", "alien", metadata={"labels": ALIEN}, spec=_spec(ready))
    late = ask(ready, "refresh", "alien", "--timeout=1s")
    assert (late.code, "has not answered" in late.err) == (5, True)


def test_a_bundle_has_what_helps_and_nothing_secret(ready: Tenant, tmp_path: Path) -> None:
    """Resources, events and metadata are there; neither values nor tokens, headers or copies of objects are."""
    header = "header-value-that-nobody-may-see"
    ready.patch("VaultConnection", "vault", {"spec": {"headers": {"X-Proxy-Key": header}}})
    copy = {"metadata": {"annotations": {"kubectl.kubernetes.io/last-applied-configuration": f"data: {VALUE}"}}}
    ready.patch("VaultStaticSecret", "lost", copy)
    ready.patch("Secret", "app", copy)
    ready.wait(lambda: ready.events("lost", "VaultClientError"), "the event of the failure")
    file = tmp_path / "bundle.tar.gz"
    answer = ask(ready, "bundle", f"--file={file}")
    assert answer.code == 0, answer.err
    assert file.stat().st_mode & 0o077 == 0
    with tarfile.open(fileobj=io.BytesIO(file.read_bytes())) as tar:
        files = {one.name: (tar.extractfile(one) or io.BytesIO()).read().decode() for one in tar.getmembers()}
    text = "\n".join(files.values())
    assert {"vso-bundle/status.yaml", "vso-bundle/events.yaml", "vso-bundle/versions.yaml"} <= files.keys()
    assert "name: app" in files["vso-bundle/secrets-metadata.yaml"]
    assert "vaultstaticsecrets.secrets.hashicorp.com" in files["vso-bundle/versions.yaml"]
    assert "X-Proxy-Key: '***'" in files["vso-bundle/resources/vaultconnections.yaml"]
    assert "VaultClientError" in files["vso-bundle/events.yaml"]
    ready.patch("VaultStaticSecret", "lost", {"metadata": {"annotations": None}})
    ready.patch("Secret", "app", {"metadata": {"annotations": None}})
    for secret in (VALUE, header):
        assert secret not in text
    assert canary.token_in(text) == ""


def test_kubectl_runs_it_as_a_plugin_and_completes_its_words(ready: Tenant, tmp_path: Path) -> None:
    """Found on the PATH by the names that the package installs."""
    for name, module in (("kubectl-vso", "main"), ("kubectl_complete-vso", "complete")):
        script = tmp_path / name
        start = "plugin" if module == "main" else "main"
        script.write_text(f"#!{sys.executable}\nfrom vso.cli.kubectl.{module} import {start}\n{start}()\n")
        script.chmod(0o755)
    environ = {**environment(ready.cluster), "PATH": f"{tmp_path}:{os.environ['PATH']}"}

    def kubectl(*words: str) -> str:
        command = [find_kubectl(), *words]
        return subprocess.run(command, env=environ, capture_output=True, text=True, check=True, timeout=60).stdout

    assert "Synced" in kubectl("vso", "status", "app", f"-n={ready.namespace}")
    proposed = kubectl("__complete", "vso", "st").splitlines()
    assert proposed[0].startswith("status")
    names = kubectl("__complete", "vso", "doctor", f"-n={ready.namespace}", "ap").splitlines()
    assert names[0] == "app"
    assert "Usage: kubectl vso doctor" in kubectl("vso", "doctor", "--help")


ALIEN: Final = {"vault-secrets-operator.github.io/class": "nobody-in-particular"}


def _spec(tenant: Tenant) -> dict[str, Any]:
    destination = {"name": "alien", "create": True}
    return {"vaultAuthRef": "vault", "mount": tenant.mount, "path": "app", "type": "kv-v2", "destination": destination}


def test_a_live_table_of_a_thousand_costs_one_list_and_one_watch_per_kind(
    cluster: Cluster, tenant: Tenant, tmp_path: Path
) -> None:
    """Changes arrive without polling, and the screen is drawn a few times a second at most, however many there are."""
    # Of another class, so that the shared operator leaves them alone.
    lines = [_manifest(tenant, number) for number in range(MANY)]
    made = cluster.kubectl("create", f"-n={tenant.namespace}", "-f=-", input="\n---\n".join(lines))
    assert made.returncode == 0, made.stderr
    mark, begun = cluster.audit_mark(), seconds()
    screen = tmp_path / "screen"
    leader, follower = pty.openpty()
    command = [sys.executable, "-m", "vso.cli.kubectl.main", "status", "--watch", f"--namespace={tenant.namespace}"]
    environ = {**environment(cluster), "TERM": "xterm", "LINES": "40", "COLUMNS": "160"}
    with (
        screen.open("wb") as seen,
        subprocess.Popen(command, env=environ, stdin=follower, stdout=follower, stderr=subprocess.PIPE) as shown,
    ):
        os.close(follower)
        try:
            _read_until(leader, seen, screen, f"{MANY} secrets: {MANY} pending")
            for number in range(100):
                tenant.patch_status("VaultStaticSecret", f"s{number}", _failing(number))
            _read_until(leader, seen, screen, "100 failing")
            elapsed = seconds() - begun
        finally:
            shown.send_signal(signal.SIGINT)
            wait_for(lambda: _has_ended(shown, leader, seen), what="the end")
            errors = shown.stderr.read() if shown.stderr is not None else b""
            os.close(leader)
    assert (shown.returncode, errors) == (0, b"")
    asked = Counter(
        (one.resource, one.verb) for one in cluster.audit(since=mark) if one.user_agent.startswith("kubectl-vso")
    )
    assert asked == {
        ("vaultstaticsecrets", "list"): MANY / 500,
        ("vaultdynamicsecrets", "list"): 1,
        ("vaultpkisecrets", "list"): 1,
        ("vaultstaticsecrets", "watch"): 1,
        ("vaultdynamicsecrets", "watch"): 1,
        ("vaultpkisecrets", "watch"): 1,
    }
    frames = screen.read_bytes().count(b"(Ctrl-C ends)")
    assert frames <= elapsed / 0.3 + 2


def _read_until(leader: int, seen: BinaryIO, screen: Path, text: str) -> None:
    """Take what the terminal gets until it has shown `text`."""

    def shown() -> bool:
        _drain(leader, seen)
        return text.encode() in screen.read_bytes()

    wait_for(shown, what=f"{text!r} on the screen", timeout=60)


def _has_ended(shown: subprocess.Popen[bytes], leader: int, seen: BinaryIO) -> bool:
    _drain(leader, seen)
    return shown.poll() is not None


def _drain(leader: int, seen: BinaryIO) -> None:
    while select.select([leader], [], [], 0)[0]:
        try:
            seen.write(os.read(leader, 65536))
        except OSError:
            break  # the other end is closed
    seen.flush()


def _manifest(tenant: Tenant, number: int) -> str:
    name = f"s{number}"
    spec = {**_spec(tenant), "destination": {"name": name, "create": True}}
    return json.dumps(
        {
            "apiVersion": "secrets.hashicorp.com/v1beta1",
            "kind": "VaultStaticSecret",
            "metadata": {"name": name, "labels": ALIEN},
            "spec": spec,
        }
    )


def _failing(number: int) -> dict[str, Any]:
    now = "2030-01-01T00:00:00Z"
    condition = {"type": "SecretSynced", "status": "False", "reason": "Synced", "lastTransitionTime": now}
    return {"lastGeneration": 1, "conditions": [{**condition, "message": f"err=broken {number}"}]}
