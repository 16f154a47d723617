"""What a request comes to before anything is sent."""

import pytest

from tests.support.clock import FakeClock
from vso.vault import Connection, Transport, Unreachable


@pytest.mark.parametrize(
    ("address", "proxy"),
    [
        ("http://vault..svc:8200", "none"),
        (f"https://{'v' * 64}.svc:8200", "none"),
        ("http://.:8200", "none"),
        ("http://vault:8200", "http://proxy..example:3128"),
    ],
)
async def test_a_host_name_that_cannot_be_one_is_not_reached(address: str, proxy: str) -> None:
    """It is told as the user's mistake, not as one of ours."""
    connection = Connection(address=address, proxy=proxy)
    async with Transport(connection, user_agent="test", clock=FakeClock(), environ={}) as transport:
        with pytest.raises(Unreachable, match=r"host name .* between its dots; check address"):
            await transport.request("GET", "sys/seal-status")
