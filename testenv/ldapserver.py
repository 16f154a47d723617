"""The process of `directory`: ``python ldapserver.py PORT LDIF`` in the environment that has ldaptor."""

import sys
from pathlib import Path
from typing import Any

from ldaptor.inmemory import fromLDIFFile
from ldaptor.interfaces import IConnectedLDAPEntry
from ldaptor.protocols.ldap.ldapserver import LDAPServer
from twisted.internet import reactor as running
from twisted.internet.protocol import ServerFactory
from twisted.python.components import registerAdapter


class _Factory(ServerFactory):  # type: ignore[misc]  # twisted has no place here
    """Hands the tree to each connection."""

    protocol = LDAPServer

    def __init__(self, root: Any) -> None:
        self.root = root


def main(port: int, ldif: Path) -> None:
    """Serve the tree in the file `ldif` until the process is ended."""
    reactor: Any = running
    registerAdapter(lambda factory: factory.root, _Factory, IConnectedLDAPEntry)

    def serve(root: Any) -> None:
        reactor.listenTCP(port, _Factory(root), interface="127.0.0.1")
        sys.stderr.write("listening\n")
        sys.stderr.flush()

    with ldif.open("rb") as file:
        fromLDIFFile(file).addCallback(serve)
    reactor.run()


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]))
