"""The certificate that metrics are served with: one from a folder, read again when it changes, or a self-signed one."""

import asyncio
import os
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NoReturn

import structlog

from vso.base import Clock

_CHECK: Final = 60.0
"""Seconds between two looks at the folder."""
log = structlog.get_logger("metrics")


class ServingCertificate:
    """A TLS context for a server, and what keeps it current.

    `folder` holds ``tls.crt`` and ``tls.key``; "" makes a self-signed certificate. Raises OSError (ssl.SSLError among
    them) if the files cannot be used.
    """

    def __init__(self, folder: str, *, clock: Clock) -> None:
        self._clock = clock
        self._files = (Path(folder) / "tls.crt", Path(folder) / "tls.key") if folder else None
        self.context: Final = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.minimum_version = ssl.TLSVersion.TLSv1_2
        self._stamp: tuple[int, ...] = ()
        if self._files is None:
            from vso.app.self_signed import self_signed  # takes 8 MB, which a folder saves

            with _in_memory(self_signed(clock.now())) as file:
                self.context.load_cert_chain(file)
        else:
            self.refresh()

    async def run(self) -> NoReturn:
        """Look for new files, for ever; ones that cannot be used leave the old certificate in use."""
        while True:
            await self._clock.sleep(_CHECK)
            if self._files is not None:
                try:
                    await asyncio.to_thread(self.refresh)
                except OSError as exc:
                    log.warning(
                        "certificate for metrics cannot be read", folder=str(self._files[0].parent), error=str(exc)
                    )

    def refresh(self) -> None:
        """Take the files if they are new. Raises OSError if they cannot be used; the old pair stays in use then."""
        if self._files is None:
            return
        stamp = tuple(file.stat().st_mtime_ns for file in self._files)
        if stamp != self._stamp:
            # Read once, since the files may be replaced meanwhile; tried elsewhere first, since a context that refuses
            # a pair has lost the one it had.
            with _in_memory(b"\n".join(file.read_bytes() for file in self._files)) as pair:
                # An encrypted key must not make OpenSSL ask for its password at the terminal.
                ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(pair, password="")
                self.context.load_cert_chain(pair, password="")
            self._stamp = stamp


@contextmanager
def _in_memory(content: bytes) -> Iterator[str]:
    """A file name for `content`, which is on no disk: the root of the image cannot be written to."""
    descriptor = os.memfd_create("certificate", os.MFD_CLOEXEC)
    try:
        os.write(descriptor, content)
        yield f"/proc/self/fd/{descriptor}"
    finally:
        os.close(descriptor)
