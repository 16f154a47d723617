"""Free ports on loopback."""

import secrets
import socket
from collections.abc import Sequence

LOOPBACK = "127.0.0.1"
# Below the range from which the kernel takes ports for outgoing connections: a server that restarts finds
# its port free, and a client that tries a closed port cannot meet itself.
_RANGE = range(20000, 32000, 2)


def free_port() -> int:
    """A port that nobody listens on now, nor on the next higher one (some servers take that one too).

    Another process can take it before its use; see `lost_race`.
    """
    for _ in range(200):
        port = secrets.choice(_RANGE)
        if _is_free(port) and _is_free(port + 1):
            return port
    raise OSError("no free port on loopback")


def lost_race(log: str) -> bool:
    """Whether a server's log says that somebody was faster to take its port."""
    return "address already in use" in log.lower()


def host_port(port: int) -> str:
    """Loopback's address with a port."""
    return f"{LOOPBACK}:{port}"


def urls(ports: Sequence[int]) -> list[str]:
    """Plain-HTTP addresses of ports on loopback."""
    return [f"http://{host_port(port)}" for port in ports]


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
        return True
