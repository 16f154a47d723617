"""R36: a request that gets no answer is given up after the timeout of its VaultConnection, whatever it is for.

Each sort of request has a VaultConnection and a way to the server of its own, on which the like of it are held; the
stalls run side by side, and the tests look at when the operator let go.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from typing import Any, Final

import pytest

from testenv import Cluster, OpenBao, Postgres
from tests.faults.gateway import Gateway, Rule, Where
from tests.faults.lab import ALONE
from tests.support import operator as harness
from tests.support import stored
from tests.support.database import KIND, Database, new_database, remove_database
from tests.support.logins import approle_auth, secret_id, token
from tests.support.tenant import Tenant, new_tenant, remove

TIMEOUT: Final = 3.0
SLACK: Final = 1.0
"""Seconds by which it may be missed."""
SETTINGS: Final = {"timeout": f"{TIMEOUT:g}s"}
PKI: Final = "VaultPKISecret"
MINUTE: Final = 60.0


@dataclass
class Scene:
    """A team whose requests are held, each sort on the way of its own."""

    team: Tenant
    database: Database
    pki: str
    ways: dict[str, Gateway] = field(default_factory=dict)
    held: dict[str, Rule] = field(default_factory=dict)

    def connect(self, sort: str, **auth: Any) -> None:
        """A VaultConnection and a VaultAuth named after the sort; `auth` are members of its spec."""
        self.team.create("VaultConnection", sort, spec={"address": self.ways[sort].url, **SETTINGS})
        login = auth if "extensions" in auth or "method" in auth else self.team.auth_spec(**auth)
        self.team.create("VaultAuth", sort, spec={**login, "vaultConnectionRef": sort})

    def hold(self, sort: str) -> None:
        """Hold the requests of a sort from now on."""
        method, target = SORTS[sort].request
        self.held[sort] = self.ways[sort].add(Rule(method, target, hold=Where.BEFORE))

    def given_up(self, sort: str) -> bool:
        """Whether one was given up in time; later ones count as well, since the machine may have been held up."""
        return any(abs(one - TIMEOUT) < SLACK for one in self.held[sort].given_up)


def probe(scene: Scene, sort: str) -> None:
    """A connection whose state is asked for."""
    scene.hold(sort)
    scene.connect(sort)


def log_in(scene: Scene, sort: str) -> None:
    """A first secret."""
    scene.hold(sort)
    scene.connect(sort)
    scene.team.sync(sort, path="app", vaultAuthRef=sort)


def log_in_with_token(scene: Scene, sort: str) -> None:
    """With a token that somebody made."""
    scene.hold(sort)
    scene.connect(sort, **token(scene.team))
    scene.team.sync(sort, path="app", vaultAuthRef=sort)


def log_in_with_secret_id(scene: Scene, sort: str) -> None:
    """With an AppRole, whose secret id is looked up."""
    scene.hold(sort)
    mount, role_id = approle_auth(scene.team)
    scene.team.create("Secret", sort, stringData={"id": secret_id(scene.team)})
    scene.connect(sort, method="appRole", mount=mount, appRole={"roleId": role_id, "secretRef": sort})
    scene.team.sync(sort, path="app", vaultAuthRef=sort)


def keep_logged_in(scene: Scene, sort: str) -> None:
    """With a token that must be renewed soon."""
    scene.hold(sort)
    role = f"{scene.team.namespace}-brief"
    scene.team.bao.admin.kubernetes_role(
        "kubernetes",
        role,
        policies=[scene.team.namespace],
        namespaces=[scene.team.namespace],
        audience="vault",
        token_period="8s",
    )
    scene.connect(sort, kubernetes={"role": role, "serviceAccount": "default", "audiences": ["vault"]})
    scene.team.sync(sort, path="app", vaultAuthRef=sort)


def lease(scene: Scene, sort: str) -> None:
    """Credentials that must be renewed soon."""
    scene.hold(sort)
    scene.connect(sort)
    scene.database.role("brief", ttl="9s", max_ttl="1h")
    scene.database.ask(sort, role="brief", vaultAuthRef=sort)


def end_lease(scene: Scene, sort: str) -> None:
    """Credentials that end with the resource."""
    scene.connect(sort)
    scene.database.role("long")
    scene.database.ask(sort, role="long", vaultAuthRef=sort, revoke=True)
    scene.database.wait_synced(sort)
    scene.hold(sort)
    scene.team.delete(KIND, sort)


def issue(scene: Scene, sort: str) -> None:
    """A first certificate."""
    scene.hold(sort)
    scene.connect(sort)
    scene.team.certify(sort, mount=scene.pki, role="web", ttl="1h", vaultAuthRef=sort)


def end_certificate(scene: Scene, sort: str) -> None:
    """A certificate that ends with the resource."""
    scene.connect(sort)
    scene.team.certify(sort, mount=scene.pki, role="web", ttl="1h", vaultAuthRef=sort, revoke=True)
    scene.team.wait_synced(sort, kind=PKI)
    scene.hold(sort)
    scene.team.delete(PKI, sort)


def store_login(scene: Scene, sort: str) -> None:
    """A login to be stored, after one that was."""
    scene.team.wait(lambda: stored.entries_of(scene.team), "a stored login")
    scene.hold(sort)
    scene.team.create("VaultConnection", "late", spec={"address": scene.team.bao.address, **SETTINGS})
    scene.team.create("VaultAuth", "late", spec=scene.team.auth_spec(vaultConnectionRef="late"))
    scene.team.sync("late", path="app", vaultAuthRef="late")


@dataclass(frozen=True)
class Sort:
    """Method and a word of the target, and what leads to such a request."""

    request: tuple[str, str]
    cause: Callable[[Scene, str], None] | None


SORTS: Final[Mapping[str, Sort]] = {
    "seal-status": Sort(("GET", "/sys/seal-status"), probe),
    "login": Sort(("PUT", "/auth/kubernetes/login"), log_in),
    "token-lookup": Sort(("GET", "/auth/token/lookup-self"), log_in_with_token),
    "secret-id-lookup": Sort(("PUT", "/secret-id/lookup"), log_in_with_secret_id),
    "token-renewal": Sort(("PUT", "/auth/token/renew-self"), keep_logged_in),
    "read": Sort(("GET", "/data/app"), log_in),
    "write": Sort(("PUT", "/issue/web"), issue),
    "lease-renewal": Sort(("PUT", "/sys/leases/renew"), lease),
    "lease-revocation": Sort(("PUT", "/sys/leases/revoke"), end_lease),
    "certificate-revocation": Sort(("PUT", "/revoke"), end_certificate),
    "encryption": Sort(("PUT", "/encrypt/logins"), store_login),
    "decryption": Sort(("PUT", "/decrypt/logins"), None),
}


@pytest.fixture(scope="module")
def scene(
    arena: Cluster, arena_bao: OpenBao, postgres: Postgres, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Scene]:
    """All of it: each sort was held until the operator gave up, or for a minute; the last one over a restart."""
    with ExitStack() as stack:
        team = new_tenant(arena, arena_bao)
        stack.callback(remove, team)
        scene = Scene(team, new_database(team, postgres), prepare(team))
        stack.callback(remove_database, scene.database)
        for sort in SORTS:
            scene.ways[sort] = stack.enter_context(Gateway(arena_bao.address))
        scene.ways["decryption"] = scene.ways["encryption"]
        stack.enter_context(stored.encrypting(team, address=scene.ways["encryption"].url, **SETTINGS))
        folder, flags = tmp_path_factory.mktemp("stalls"), (*ALONE, "--client-cache-persistence-model=direct-encrypted")
        with harness.running(arena, folder, *flags) as operator:
            work(scene)
            operator.kill()
            scene.ways["decryption"].heal()
            scene.hold("decryption")
            operator.start()
            give_time(scene, "decryption")
            for way in scene.ways.values():
                way.heal()
            yield scene


def prepare(team: Tenant) -> str:
    """What the requests are for; the mount of certificates."""
    mount = f"pki-{team.namespace}"
    admin = team.bao.admin
    admin.enable_pki(mount, "Test CA")
    admin.pki_role(mount, "web")
    admin.policy(
        team.namespace,
        f'path "{team.mount}/*" {{ capabilities = ["read"] }}\n'
        f'path "db-{team.namespace}/*" {{ capabilities = ["read", "update"] }}\n'
        f'path "{mount}/*" {{ capabilities = ["read", "update"] }}\n'
        'path "sys/leases/revoke" { capabilities = ["update"] }',
    )
    team.put("app", {"user": "alice"})
    return mount


def work(scene: Scene) -> None:
    """Bring about all stalls but those of a start, and wait until each was given up."""
    for sort, kind in SORTS.items():
        if kind.cause is not None:
            kind.cause(scene, sort)
    give_time(scene, *(sort for sort, kind in SORTS.items() if kind.cause is not None))


def give_time(scene: Scene, *sorts: str) -> None:
    """Wait until a request of each sort was given up, but do not judge."""
    with suppress(TimeoutError):
        scene.team.wait(lambda: all(map(scene.given_up, sorts)), "all to be given up", timeout=MINUTE)


@pytest.mark.timeout(240)
@pytest.mark.parametrize("sort", SORTS)
def test_r36_a_stalled_request_is_given_up_after_the_timeout_of_its_connection(scene: Scene, sort: str) -> None:
    """A second more or less."""
    waits = scene.held[sort].given_up
    print(f"{sort}: given up after {', '.join(f'{one:.2f}' for one in waits)} s")
    assert scene.given_up(sort), waits
