"""Reading audit logs of JSON lines: what reached the API server, and what reached OpenBao or Vault.

A mark is a position in a log; give it as `since` to see only what came later.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Generic, TypeVar

import msgspec

_T = TypeVar("_T")
_CREDENTIAL = "authentication.kubernetes.io/credential-id"


class AuditLog(Generic[_T]):
    """A growing file with one JSON object a line, read as values of one type."""

    def __init__(self, file: Path, line: type[_T]) -> None:
        self.file = file
        self._decoder = msgspec.json.Decoder(line)

    def mark(self) -> int:
        """The end of the log as it is now, in bytes."""
        return self.file.stat().st_size if self.file.exists() else 0

    def lines(self, since: int = 0) -> Iterator[_T]:
        """The complete lines after the mark."""
        if not self.file.exists():
            return
        with self.file.open("rb") as log:
            log.seek(since)
            for line in log:
                if line.endswith(b"\n"):  # else it is being written
                    yield self._decoder.decode(line)


class AuditEntry(msgspec.Struct, frozen=True):
    """One request that the API server answered; a watch counts when it starts.

    `code` is the HTTP status, 0 if unknown; `user` the user name; core resources have an empty `group`. `credential`
    tells tokens of one user apart, "" if it was no token; `received` and `answered` are times that sort as texts.
    """

    verb: str
    group: str
    resource: str
    subresource: str
    namespace: str
    name: str
    user: str
    user_agent: str
    code: int
    request_uri: str
    credential: str = ""
    received: str = ""
    answered: str = ""


class _ObjectRef(msgspec.Struct, rename="camel"):
    resource: str = ""
    api_group: str = ""
    namespace: str = ""
    name: str = ""
    subresource: str = ""


class _User(msgspec.Struct):
    username: str = ""
    extra: dict[str, list[str]] = {}


class _Status(msgspec.Struct):
    code: int = 0


class ApiServerLine(msgspec.Struct, rename="camel"):
    """A line of the API server's log (audit.k8s.io/v1 Event), as far as it is used."""

    stage: str
    verb: str
    user: _User
    request_uri: str = msgspec.field(default="", name="requestURI")
    user_agent: str = ""
    request_received_timestamp: str = ""
    stage_timestamp: str = ""
    object_ref: _ObjectRef | None = None
    response_status: _Status | None = None

    @property
    def repeated(self) -> bool:
        """Whether an earlier line told the same request: a watch that ends was seen when it started."""
        code = self.response_status.code if self.response_status else 0
        return self.verb == "watch" and self.stage == "ResponseComplete" and code == 200  # noqa: PLR2004

    def entry(self) -> AuditEntry:
        """The same in our words."""
        ref = self.object_ref or _ObjectRef()
        return AuditEntry(
            verb=self.verb,
            group=ref.api_group,
            resource=ref.resource,
            subresource=ref.subresource,
            namespace=ref.namespace,
            name=ref.name,
            user=self.user.username,
            user_agent=self.user_agent,
            code=self.response_status.code if self.response_status else 0,
            request_uri=self.request_uri,
            credential=",".join(self.user.extra.get(_CREDENTIAL, [])),
            received=self.request_received_timestamp,
            answered=self.stage_timestamp,
        )


class VaultRequest(msgspec.Struct, frozen=True):
    """One request that reached OpenBao or Vault past its routing (so not health or seal status).

    `path` is without "v1/" and without the namespace; `namespace` is without slashes, "" is the root;
    `operation` is create, read, update, patch, delete, list, ...; `error` is "" for a success;
    `user` is the token's display name.
    """

    id: str
    time: str
    operation: str
    path: str
    namespace: str
    mount_type: str
    user: str
    error: str


class _Namespace(msgspec.Struct):
    path: str = ""


class _Request(msgspec.Struct):
    id: str = ""
    operation: str = ""
    path: str = ""
    mount_type: str = ""
    namespace: _Namespace | None = None


class _Auth(msgspec.Struct):
    display_name: str = ""


class VaultLine(msgspec.Struct):
    """A line of the audit log of OpenBao or Vault, as far as it is used."""

    type: str
    request: _Request
    time: str = ""
    auth: _Auth | None = None
    error: str = ""

    def entry(self, error: str) -> VaultRequest:
        """The same in our words, with the error of the whole exchange."""
        return VaultRequest(
            id=self.request.id,
            time=self.time,
            operation=self.request.operation,
            path=self.request.path,
            namespace=self.request.namespace.path.strip("/") if self.request.namespace else "",
            mount_type=self.request.mount_type,
            user=self.auth.display_name if self.auth else "",
            error=error,
        )


def vault_requests(log: AuditLog[VaultLine], since: int = 0) -> list[VaultRequest]:
    """The requests after a mark, in the order of their arrival, each with what became of it.

    A refused request has a line of its own and no answer's line.
    """
    arrived: list[VaultLine] = []
    errors: dict[str, str] = {}
    for line in log.lines(since):
        if line.type == "request":
            arrived.append(line)
        if line.error:
            errors[line.request.id] = line.error
    return [line.entry(errors.get(line.request.id, "")) for line in arrived]
