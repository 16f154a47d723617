"""Audit logs read as they grow: who asked what of the API server and of OpenBao, and when it was answered.

Unlike `testenv.audit` it keeps its place, so following a log costs nobody anything worth mentioning.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, Generic, TypeVar

import msgspec

from testenv.arguments import Files

T = TypeVar("T")

_SUCCESS: Final = range(200, 300)


class Follower(Generic[T]):
    """Reads what was appended to a file of JSON lines since the last look."""

    def __init__(self, file: Path, line: type[T]) -> None:
        self._file = file
        self._decoder = msgspec.json.Decoder(line)
        self._position = 0

    def skip(self) -> None:
        """Begin at the end of the file as it is now."""
        self._take()

    def read(self) -> Iterator[T]:
        """The lines that were completed since."""
        return map(self._decoder.decode, self._take().splitlines())

    def _take(self) -> bytes:
        if not self._file.exists():
            return b""
        with self._file.open("rb") as file:
            file.seek(self._position)
            text = file.read()
        whole = text[: text.rfind(b"\n") + 1]
        self._position += len(whole)
        return whole


class _ObjectRef(msgspec.Struct):
    resource: str = ""
    subresource: str = ""
    name: str = ""


class _User(msgspec.Struct):
    username: str = ""


class _Status(msgspec.Struct):
    code: int = 0


class KubeLine(msgspec.Struct, rename="camel"):
    """A line of the API server's audit log (audit.k8s.io/v1 Event), as far as it is used."""

    verb: str
    user: _User
    stage_timestamp: datetime
    object_ref: _ObjectRef | None = None
    response_status: _Status | None = None

    @property
    def what(self) -> str:
        """Verb and resource in one text, such as ``patch vaultstaticsecrets/status``."""
        ref = self.object_ref or _ObjectRef()
        return f"{self.verb} {ref.resource}{'/' if ref.subresource else ''}{ref.subresource}"

    @property
    def name(self) -> str:
        """The object's name, empty for a collection."""
        return (self.object_ref or _ObjectRef()).name

    @property
    def succeeded(self) -> bool:
        """Whether the answer was a 2xx."""
        return (self.response_status or _Status()).code in _SUCCESS


class KubeLedger:
    """The requests of one user; watches and leases apart, which come with time and not with work."""

    def __init__(self, folder: Path, user: str) -> None:
        self._lines = Follower(Files(folder).audit_log, KubeLine)
        self._user = user
        self.counts: Counter[str] = Counter()
        self.last: dict[str, datetime] = {}

    def open(self) -> None:
        """Forget what was counted, and count what is answered from now on."""
        self._lines.skip()
        self.counts.clear()
        self.last.clear()

    def update(self) -> Counter[str]:
        """Count what was answered since; requests by `KubeLine.what`, refused ones with the word ``refused``."""
        for line in self._lines.read():
            if line.user.username != self._user or line.verb == "watch" or line.what.endswith(" leases"):
                continue
            self.counts[line.what if line.succeeded else f"{line.what} refused"] += 1
            self.last[line.what] = max(line.stage_timestamp, self.last.get(line.what, _EPOCH))
        return self.counts

    def writes(self) -> int:
        """How many of the counted requests were no reads."""
        return sum(count for what, count in self.counts.items() if what.split()[0] not in {"get", "list"})


_EPOCH: Final = datetime.fromtimestamp(0, UTC)


class _VaultRequest(msgspec.Struct):
    operation: str = ""
    path: str = ""


class VaultLine(msgspec.Struct):
    """A line of OpenBao's audit log, as far as it is used; each request has a second one with its answer."""

    type: str
    request: _VaultRequest


class VaultLedger:
    """The requests that reached OpenBao past its routing."""

    def __init__(self, log: Path) -> None:
        self._lines = Follower(log, VaultLine)
        self.counts: Counter[str] = Counter()

    def open(self) -> None:
        """Forget what was counted, and count what arrives from now on."""
        self._lines.skip()
        self.counts.clear()

    def update(self) -> Counter[str]:
        """Count what arrived since, by path."""
        self.counts.update(_paths(self._lines.read()))
        return self.counts

    def below(self, prefix: str) -> Counter[str]:
        """What was counted of paths that begin with `prefix`."""
        return Counter({path: count for path, count in self.counts.items() if path.startswith(prefix)})


def _paths(lines: Iterable[VaultLine]) -> Iterator[str]:
    return (line.request.path for line in lines if line.type == "request")
