"""A listener that shows one certificate and speaks no further: for what goes wrong before any request is made."""

import contextlib
import socket
import ssl
import threading
from collections.abc import Iterator

from testenv.certificates import Pair


@contextlib.contextmanager
def showing(pair: Pair) -> Iterator[str]:
    """The address of a listener on loopback whose certificate is that of `pair`."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair.certificate, pair.key)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=_serve, args=(listener, context), daemon=True)
        thread.start()
        try:
            yield f"https://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join(10)


def _serve(listener: socket.socket, context: ssl.SSLContext) -> None:
    while True:
        try:
            connection, _ = listener.accept()
        except OSError:
            return
        with connection, contextlib.suppress(OSError), context.wrap_socket(connection, server_side=True) as secure:
            secure.recv(1)
