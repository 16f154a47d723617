"""What the doctor's probe makes of names that no server can have: a finding, not an end."""

import asyncio

import pytest

from vso.cli.kubectl.facts import Handshake
from vso.cli.kubectl.probe import look_at_server
from vso.vault import Connection

LONG = "a" * 64


@pytest.mark.parametrize("host", ["vault..example.com", f"{LONG}.example.com"])
async def test_a_host_that_no_name_server_can_be_asked_for_is_told(host: str) -> None:
    """A dot too many is a typing mistake like others."""
    address = f"https://{host}:8200"
    found = await look_at_server(address, Connection(address=address), None)
    assert isinstance(found.names, OSError)
    assert f"{host} is no name that there can be" in str(found.names)


@pytest.mark.parametrize("name", [".example.com", "vault..example.com", LONG])
async def test_a_server_name_that_no_certificate_can_have_is_told(name: str) -> None:
    """The mistake is in tlsServerName; the server may be well."""
    server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0)
    async with server:
        address = f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        found = await look_at_server(address, Connection(address=address, tls_server_name=name), None)
    assert found.tls == Handshake(code=-1, reason=f"{name!r} is no name of a server", asked_for=name)
