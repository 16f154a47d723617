"""A controller of a kind that writes a Secret, on a cluster and a Vault in memory, under a clock that stands still.

The cluster keeps versions as the API server does. The controller sees of it what `Bench.tell` shows it, as watches
would, and what its own requests are answered.
"""

import asyncio
from base64 import urlsafe_b64encode
from collections.abc import AsyncIterator, Callable, Hashable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from copy import deepcopy
from datetime import timedelta
from random import Random
from typing import Any, Final, Protocol, Self, TypeVar

import msgspec

from tests.support.certificate import issued
from tests.support.clock import FakeClock
from vso.apis import core, kinds, meta
from vso.apis.core import Event
from vso.apis.merge import GlobalOptions
from vso.apis.meta import Key, Kind, Object
from vso.base import Sensitive
from vso.controllers import (
    ControllerSettings,
    KubernetesCluster,
    Tools,
    VaultDynamicSecretReconciler,
    VaultPKISecretReconciler,
    VaultStaticSecretReconciler,
    new_world,
)
from vso.kube import (
    AlreadyExists,
    ApiError,
    Client,
    ClientConfig,
    Conflict,
    ConnectionFailed,
    NotFound,
    Patch,
    PatchType,
)
from vso.runtime import EventRecorder, Next, WorkQueue
from vso.sync import Authenticator, Budget, Clients, Policy, Signer, TemplateEngine, Turn, destination_of
from vso.vault import Auth, Call, Connection, Response, ServerFault, Transport

T = TypeVar("T", bound=Object)
Json = dict[str, Any]

KEY = Key("app", "web")
_CLAIMS = b'{"kubernetes.io":{"serviceaccount":{"uid":"00000000-0000-0000-0000-00000000abcd"}}}'
_TOKEN = f"e30.{urlsafe_b64encode(_CLAIMS).decode().rstrip('=')}.c"


class Cluster(Client):
    """Objects of namespace ``app`` in memory; `asked` has the verb and kind of each request but those for events."""

    def __init__(self) -> None:
        super().__init__(ClientConfig(server="http://127.0.0.1:1"), user_agent="test")
        self.objects: dict[tuple[str, str], Json] = {}
        self.asked: list[str] = []
        self.events: list[Event] = []
        self.version = 100
        self.unknown: tuple[str, ...] = ()
        """Members of status that the schema does not have, and that are dropped."""
        self.meanwhile: Callable[[str], None] = lambda _: None
        """What happens to a request before it is carried out, by its entry in `asked`."""
        self.afterwards: Callable[[str], None] = lambda _: None
        """What happens to the answer of a patch."""

    def put(self, kind: str, name: str, body: Json) -> None:
        """Create an object."""
        uid = f"00000000-0000-0000-0000-{len(self.objects):012}"
        meta_ = {"namespace": "app", "name": name, "uid": uid, "generation": 1, **body.get("metadata", {})}
        self._store(kind, name, {**body, "kind": kind, "metadata": meta_})

    def change(self, kind: str, name: str, **members: Json) -> None:
        """Change members of an object as somebody else does; as a merge patch."""
        self._store(kind, name, _merged(self.objects[kind, name], members))

    def read(self, kind: Kind[T], name: str = "web") -> T:
        """The object as it is now, without a request."""
        found = self.objects.get((kind.resource.kind, name))
        if found is None:
            raise _refusal(NotFound)
        return meta.decode(msgspec.json.encode(found), kind.type)

    async def get(self, kind: Kind[T], key: Key) -> T:
        self.asked.append(f"get {kind.resource.kind}")
        self.meanwhile(self.asked[-1])
        return self.read(kind, key.name)

    async def create(self, kind: Kind[T], obj: T, *, dry_run: bool = False) -> T:
        if isinstance(obj, Event):
            self.events.append(obj)
            return obj
        self.asked.append(f"create {kind.resource.kind}")
        if (kind.resource.kind, obj.metadata.name) in self.objects:
            raise _refusal(AlreadyExists)
        self.put(kind.resource.kind, obj.metadata.name, msgspec.json.decode(meta.encode(obj)))
        return self.read(kind, obj.metadata.name)

    async def patch(self, kind: Kind[T], key: Key, patch: Patch) -> T:
        self.asked.append(f"patch {kind.resource.kind}" + (f"/{patch.subresource}" if patch.subresource else ""))
        self.meanwhile(self.asked[-1])
        now = self.read(kind, key.name).metadata
        old, body = self.objects[kind.resource.kind, key.name], msgspec.json.decode(meta.encode(patch.body))
        new = _replaced(old, body) if patch.type is PatchType.JSON else _merged(old, body)
        asked = new["metadata"]
        if (asked["uid"], asked["resourceVersion"]) != (now.uid, now.resource_version):
            raise _refusal(Conflict)
        self._store(kind.resource.kind, key.name, new)
        self.afterwards(self.asked[-1])
        return self.read(kind, key.name)

    async def create_token(self, service_account: Key, **_: Any) -> core.TokenRequest:
        return core.TokenRequest(status=core.TokenRequestStatus(token=_TOKEN))

    def _store(self, kind: str, name: str, body: Json) -> None:
        self.version += 1
        for member in self.unknown:
            body.get("status", {}).pop(member, None)
        self.objects[kind, name] = {**body, "metadata": {**body["metadata"], "resourceVersion": str(self.version)}}


class Vault(Transport):
    """A KV engine with one secret, as every role may read it."""

    def __init__(self, clock: FakeClock) -> None:
        self._time = clock
        self.reads = 0
        self.fields: Mapping[str, str] = {"user": "alice"}
        self.error: Exception | None = None
        self.meanwhile: Callable[[], None] = lambda: None
        """What happens while a read is under way."""

    @property
    def connection(self) -> Connection:
        return Connection(address="http://127.0.0.1:1")

    @property
    def clock(self) -> FakeClock:
        return self._time

    async def request(self, method: str, path: str, call: Call = Call()) -> Response:  # noqa: B008 - frozen
        if path.startswith("auth/"):
            return Response(auth=Auth(client_token=Sensitive("token"), lease_duration=3600, renewable=True))
        self.reads += 1
        self.meanwhile()
        if self.error is not None:
            raise self.error
        return self.answer()

    def answer(self) -> Response:
        """What a read is answered."""
        return Response(data=Sensitive(msgspec.json.encode(self.fields)))

    def showing(self, certificate: object) -> AbstractAsyncContextManager[Self]:
        return nullcontext(self)

    async def close(self) -> None:
        """Nothing is open."""


class Database(Vault):
    """An engine that makes an account with a lease for each read; `revoked` and `renewed` are ids of leases."""

    def __init__(self, clock: FakeClock) -> None:
        super().__init__(clock)
        self.revoked: list[str] = []
        self.renewed: list[str] = []
        self.renewed_at = 0.0
        self.refusal: Exception | None = None
        """Of renewals and revocations."""
        self.stuck = ""
        """A lease that cannot be revoked for now."""
        self.duration = 600

    async def request(self, method: str, path: str, call: Call = Call()) -> Response:  # noqa: B008 - frozen
        if not path.startswith("sys/leases/"):
            return await super().request(method, path, call)
        if self.refusal is not None:
            raise self.refusal
        lease = call.body["lease_id"].reveal()  # type: ignore[index]
        if path == "sys/leases/revoke" and lease == self.stuck:
            raise ServerFault("out of order", status=500)
        if path == "sys/leases/revoke":
            self.revoked.append(lease)
            return Response(empty=True)
        self.renewed.append(lease)
        self.renewed_at = self._time.monotonic()
        return Response(lease_id=lease, lease_duration=self.duration, renewable=True)

    def answer(self) -> Response:
        fields = {"username": f"user-{self.reads}", "password": "p"}
        return Response(
            lease_id=f"lease-{self.reads}",
            lease_duration=self.duration,
            renewable=True,
            data=Sensitive(msgspec.json.encode(fields)),
        )


class Rotator(Vault):
    """An engine with one account, whose password is changed once a day; `rotated` is when that was, in Unix seconds."""

    def __init__(self, clock: FakeClock) -> None:
        super().__init__(clock)
        self.rotate()

    def rotate(self) -> None:
        """Change the password now."""
        self.rotated = self._time.now()

    def answer(self) -> Response:
        age = (self._time.now() - self.rotated).total_seconds()
        fields = {
            "username": "app",
            "password": self.rotated.isoformat(),
            "last_vault_rotation": self.rotated.isoformat().replace("+00:00", "Z"),
            "rotation_period": _DAY,
            "ttl": _DAY - round(age),
        }
        return Response(data=Sensitive(msgspec.json.encode(fields)))


class Authority(Vault):
    """A PKI engine; `revoked` has serial numbers, `reads` counts certificates."""

    def __init__(self, clock: FakeClock) -> None:
        super().__init__(clock)
        self.revoked: list[str] = []
        self.behind = timedelta()
        """How far its clock is behind that of the operator."""
        self.ttl = timedelta(days=30)
        self.hangs = False
        """Whether it has no answer to revocations."""
        self.asked_to_revoke = 0

    async def request(self, method: str, path: str, call: Call = Call()) -> Response:  # noqa: B008 - frozen
        if path.endswith("/revoke"):
            self.asked_to_revoke += 1
            if self.hangs:
                await asyncio.Event().wait()
            self.revoked.append(call.body["serial_number"])  # type: ignore[index]
            return Response(data=Sensitive(b"{}"))
        return await super().request(method, path, call)

    def answer(self) -> Response:
        now = self._time.now() - self.behind
        # As an engine does whose roles say nothing else: what is new must be valid on machines that are late as well.
        one = issued(now - _BACKDATED, self.ttl + _BACKDATED)
        fields = {
            "serial_number": f"0{self.reads}",
            "certificate": one.certificate.reveal(),
            "private_key": one.private_key.reveal(),
            "expiration": round((now + self.ttl).timestamp()),
        }
        return Response(data=Sensitive(msgspec.json.encode(fields)))


class Reconciler(Protocol):
    """What the benches need of a controller."""

    async def reconcile(self, key: Key) -> Next:
        """One reconcile."""

    def begin_term(self) -> None:
        """Leadership begins."""

    def wake(self, identity: Hashable, turn: Turn) -> None:
        """A login or a server changed."""


class Bench:
    """The controller of VaultStaticSecrets and all around it; made by `opened`."""

    kind: Kind[Any] = kinds.VAULT_STATIC_SECRET

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.cluster = Cluster()
        self.vault = self.make_vault()
        self.world = new_world("op")
        self.signer = Signer(bytes(16))
        self.clients = Clients(
            Authenticator(
                KubernetesCluster(self.cluster, self.world.connections, Policy(operator_namespace="op")), self.clock
            ),
            connect=lambda _, __: self.vault,
            clock=self.clock,
            rng=Random(1),
            backoff=ControllerSettings(global_auth=GlobalOptions(operator_namespace="op")).backoff,
            size=100,
            observer=self._wake,
        )
        self.recorder = EventRecorder(self.cluster, clock=self.clock, instance="test")
        self.queue = WorkQueue(clock=self.clock)
        self.controller = self.make_controller()

    def make_vault(self) -> Any:
        """The Vault that the bench has."""
        return Vault(self.clock)

    def make_controller(self) -> Reconciler:
        """A controller that remembers nothing, as that of another process."""
        return VaultStaticSecretReconciler(self._tools(), self.queue)

    def _wake(self, identity: Hashable, turn: Turn) -> None:
        self.controller.wake(identity, turn)

    def _tools(self) -> Tools:
        return Tools(
            kube=self.cluster,
            world=self.world,
            clients=self.clients,
            signer=self.signer,
            templates=TemplateEngine(budget=Budget(seconds=1.0, memory=1)),
            recorder=self.recorder,
            clock=self.clock,
            rng=Random(1),
            settings=ControllerSettings(global_auth=GlobalOptions(operator_namespace="op")),
        )

    @classmethod
    @asynccontextmanager
    async def opened(cls, **spec: Any) -> AsyncIterator[Self]:
        """A bench with one VaultStaticSecret ``web`` that was synced, its VaultAuth and VaultConnection."""
        bench = cls()
        connection = {"address": "http://127.0.0.1:1"}
        bench.cluster.put("VaultConnection", "vault", {"spec": connection})
        login = {"role": "r", "serviceAccount": "default"}
        auth = {"vaultConnectionRef": "vault", "method": "kubernetes", "mount": "kubernetes", "kubernetes": login}
        bench.cluster.put("VaultAuth", "vault", {"spec": auth})
        bench.cluster.put(cls.kind.resource.kind, "web", {"spec": {**cls.defaults(), **spec}})
        bench.tell()
        async with bench.clients:
            yield bench

    @staticmethod
    def defaults() -> Json:
        """The spec of ``web`` where a test says nothing."""
        return {"vaultAuthRef": "vault", "mount": "kv", "path": "web", "type": "kv-v1", **_DEFAULTS}

    def make_anew(self) -> None:
        """Delete ``web`` and make it again, in the very moment; watches tell of both at once."""
        kind = self.kind.resource.kind
        old = self.cluster.objects.pop((kind, "web"))
        self.cluster.put(kind, "web", {"metadata": {"uid": "anew"}, "spec": old["spec"]})
        self.tell()

    def tell(self) -> None:
        """Let the watches catch up with the cluster."""
        cluster, world = self.cluster, self.world
        world.connections.apply(cluster.read(kinds.VAULT_CONNECTION, "vault"))
        world.auths.apply(cluster.read(kinds.VAULT_AUTH, "vault"))
        world.kinds[self.kind.resource.kind].apply(cluster.read(self.kind))
        if ("Secret", "web") in cluster.objects:
            world.destinations.apply(destination_of(cluster.read(core.SECRET), self.signer))

    async def settled(self) -> None:
        """The first sync, told by the watches; requests are counted from here on."""
        for _ in range(2):
            await self.reconcile()
            self.tell()
        self.cluster.asked.clear()

    async def reconcile(self) -> Next:
        """One reconcile of ``web``."""
        return await self.controller.reconcile(KEY)

    def web(self) -> Any:
        """The resource as it is in the cluster."""
        return self.cluster.read(self.kind)

    def condition(self, type_: str) -> str:
        """Status and reason of a condition, empty if it is absent."""
        return next((f"{one.status} {one.reason}" for one in self.web().status.conditions if one.type == type_), "")

    async def told(self, reason: str) -> list[str]:
        """The messages of the events with `reason` so far."""
        async with asyncio.TaskGroup() as group:
            posting = group.create_task(self.recorder.run(), name="events")
            await self.recorder.flush()
            posting.cancel()
        return [one.message for one in self.cluster.events if one.reason == reason]


class DynamicBench(Bench):
    """The controller of VaultDynamicSecrets and all around it."""

    kind: Kind[Any] = kinds.VAULT_DYNAMIC_SECRET

    def make_vault(self) -> Any:
        return Database(self.clock)

    def make_controller(self) -> Reconciler:
        return VaultDynamicSecretReconciler(self._tools(), self.queue)

    @staticmethod
    def defaults() -> Json:
        return {
            "vaultAuthRef": "vault",
            "mount": "database",
            "path": "creds/web",
            "renewalPercent": 67,
            "destination": _DEFAULTS["destination"],
        }


class RotatedBench(DynamicBench):
    """A VaultDynamicSecret of an account that Vault rotates, and a Deployment that uses it."""

    def make_vault(self) -> Any:
        return Rotator(self.clock)

    @staticmethod
    def defaults() -> Json:
        return {
            **DynamicBench.defaults(),
            "path": "static-creds/web",
            "allowStaticCreds": True,
            "rolloutRestartTargets": [{"kind": "Deployment", "name": "web"}],
        }


class PKIBench(Bench):
    """The controller of VaultPKISecrets and all around it."""

    kind: Kind[Any] = kinds.VAULT_PKI_SECRET

    def make_vault(self) -> Any:
        return Authority(self.clock)

    def make_controller(self) -> Reconciler:
        return VaultPKISecretReconciler(self._tools(), self.queue)

    @staticmethod
    def defaults() -> Json:
        return {
            "vaultAuthRef": "vault",
            "mount": "pki",
            "role": "web",
            "commonName": "web.example.com",
            "destination": {"name": "web", "create": True},
        }


_DAY: Final = 86_400
_BACKDATED: Final = timedelta(seconds=30)
_DEFAULTS: Json = {
    "refreshAfter": "1h",
    "hmacSecretData": True,
    "destination": {"name": "web", "create": True, "transformation": {"excludeRaw": True}},
}


def fail_once(of: str) -> Callable[[str], None]:
    """Something that breaks the connection at the first request `of` that sort."""
    left = [of]

    def fail(what: str) -> None:
        if what in left:
            left.remove(what)
            raise ConnectionFailed("the connection was cut")

    return fail


def _merged(old: Any, new: Any) -> Any:
    """RFC 7386."""
    if not isinstance(new, dict):
        return deepcopy(new)
    result = dict(old) if isinstance(old, dict) else {}
    for name, value in new.items():
        if value is None:
            result.pop(name, None)
        else:
            result[name] = _merged(result.get(name), value)
    return result


def _replaced(old: Json, operations: list[Json]) -> Json:
    """RFC 6902, as far as the operator uses it: members are replaced whole."""
    result = deepcopy(old)
    for one in operations:
        *path, last = one["path"].lstrip("/").split("/")
        target = result
        for member in path:
            target = target[member]
        target[last] = one["value"]
    return result


def _refusal(kind: type[ApiError]) -> ApiError:
    return kind("no", status=409)
