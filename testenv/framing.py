"""Just enough HTTP/1.1 to see where one request ends and the next begins (RFC 9112); nothing is changed."""

import asyncio
import http
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Request:
    """A request as it came: `head` and `body` are its bytes, `target` is the path with its query."""

    method: str
    target: str
    headers: Mapping[str, str]
    head: bytes
    body: bytes


async def read_request(reader: asyncio.StreamReader) -> Request:
    """Read one request whole; raises EOFError if the connection ends, ValueError if this is no HTTP."""
    head = await reader.readuntil(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    method, target, _version = first.split(" ")
    fields = (line.partition(":") for line in lines if line)
    headers = {name.lower(): value.strip() for name, _, value in fields}
    return Request(method, target, headers, head, await _read_body(reader, headers))


async def _read_body(reader: asyncio.StreamReader, headers: Mapping[str, str]) -> bytes:
    if headers.get("transfer-encoding", "").lower() != "chunked":
        return await reader.readexactly(int(headers.get("content-length", "0")))
    body = b""
    while True:
        line = await reader.readuntil(b"\r\n")
        size = int(line.partition(b";")[0], 16)
        body += line
        if size == 0:
            break
        body += await reader.readexactly(size + 2)
    while True:  # trailers, up to an empty line
        line = await reader.readuntil(b"\r\n")
        body += line
        if line == b"\r\n":
            return body


def encode_response(status: int, headers: Mapping[str, str], body: bytes) -> bytes:
    """A whole response; JSON unless `headers` say otherwise."""
    try:
        phrase = http.HTTPStatus(status).phrase
    except ValueError:
        phrase = "Unknown"
    fields = {"Content-Type": "application/json", **headers, "Content-Length": str(len(body))}
    lines = [f"HTTP/1.1 {status} {phrase}", *(f"{name}: {value}" for name, value in fields.items())]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body
