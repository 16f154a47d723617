"""The real servers that other tests rely on: they start, tell what they saw, misbehave on demand, leave no trace."""

import contextlib
import http.client
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import aiohttp
import psutil
import pytest

from testenv import (
    Answer,
    Cluster,
    Cut,
    Delay,
    Fault,
    FaultProxy,
    InThread,
    OpenBao,
    Pass,
    Postgres,
    Program,
    Refuse,
    RequestFailed,
    Reset,
    Server,
    ServerDied,
    Silence,
    Site,
    Split,
    wait_for,
    workspace,
)

ROOT = Path(__file__).parents[2]
HEALTH = "/v1/sys/health"


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    """One cluster for this module."""
    with Cluster() as cluster:
        yield cluster


@pytest.fixture(scope="module")
def bao() -> Iterator[OpenBao]:
    """One OpenBao for this module, in memory."""
    with OpenBao() as bao:
        yield bao


@pytest.fixture
def shared() -> Iterator[Path]:
    """A folder that other accounts can enter, unlike pytest's own: PostgreSQL runs as another one for root."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


def test_a_new_namespace_gets_its_default_service_account(cluster: Cluster) -> None:
    """The API server and the controller manager both work."""
    if not cluster.has_controller_manager:
        pytest.skip("KUBEBUILDER_ASSETS has no kube-controller-manager")
    cluster.create_namespace("accounts")
    shown = cluster.kubectl("get", "serviceaccounts", "--namespace=accounts", "--output=name")
    assert shown.stdout.split() == ["serviceaccount/default"]


def test_a_deleted_owner_takes_its_dependents_along(cluster: Cluster) -> None:
    """The garbage collector runs."""
    if not cluster.has_controller_manager:
        pytest.skip("KUBEBUILDER_ASSETS has no kube-controller-manager")
    path = "/api/v1/namespaces/default/configmaps"
    uid = cluster.request("POST", path, {"metadata": {"name": "owner"}})["metadata"]["uid"]
    reference = {"apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "uid": uid}
    cluster.request("POST", path, {"metadata": {"name": "dependent", "ownerReferences": [reference]}})
    cluster.request("DELETE", f"{path}/owner")
    wait_for(lambda: _missing(cluster, f"{path}/dependent"), what="dependent collected")


def test_a_service_account_is_bound_by_its_roles_and_named_in_the_audit_log(cluster: Cluster) -> None:
    """A token kubeconfig works, RBAC holds, and the audit log tells who did what with which result."""
    user = "system:serviceaccount:default:default"
    kubeconfig = cluster.kubeconfig_for("default/default")
    mark = cluster.audit_mark()
    denied = cluster.kubectl(f"--kubeconfig={kubeconfig}", "get", "secrets")
    assert "forbidden" in denied.stderr
    seen = [entry for entry in cluster.audit(user=user, since=mark) if entry.resource == "secrets"]
    assert [(entry.verb, entry.namespace, entry.code) for entry in seen] == [("list", "default", 403)]


def test_a_watch_counts_once_in_the_audit_log(cluster: Cluster) -> None:
    """A watch has two lines in the log, one at its start and one at its end."""
    mark = cluster.audit_mark()
    cluster.kubectl("get", "--raw", "/api/v1/namespaces/default/secrets?watch=true&timeoutSeconds=1")
    entries = cluster.audit(user="system:admin", since=mark)
    assert [entry.verb for entry in entries if entry.resource == "secrets"] == ["watch"]


def test_old_versions_are_gone_after_compaction_and_restart() -> None:
    """A watch from a compacted version ends with 410, as after a long outage."""
    with Cluster() as cluster:
        path = "/api/v1/namespaces/default/configmaps"
        old = cluster.request("POST", path, {"metadata": {"name": "old"}})["metadata"]["resourceVersion"]
        for name in ("newer", "newest"):
            cluster.request("POST", path, {"metadata": {"name": name}})
        cluster.compact_etcd()
        cluster.restart_apiserver()
        watch = f"{path}?watch=true&timeoutSeconds=5&resourceVersion={old}"
        assert '"code":410' in cluster.kubectl("get", "--raw", watch).stdout
        assert "apiserver_request_total" in cluster.metrics()


def test_openbao_tells_each_request_in_its_audit_log(bao: OpenBao) -> None:
    """Operation, path, namespace and error of each request after the mark, in order."""
    team = bao.admin.create_namespace("team-a")
    team.enable_kv("kv")
    mark = bao.mark()
    assert team.put_kv("kv", "web/db", {"password": "one"}) == 1
    with pytest.raises(RequestFailed, match="permission denied"):
        team.with_token("nonsense").read("kv/data/web/db")
    seen = [(entry.operation, entry.path, entry.namespace, bool(entry.error)) for entry in bao.requests(since=mark)]
    assert seen[-2:] == [
        ("create", "kv/data/web/db", "team-a", False),
        ("read", "kv/data/web/db", "team-a", True),
    ]


def test_a_service_account_logs_in_by_kubernetes_auth(cluster: Cluster, bao: OpenBao) -> None:
    """From TokenRequest through token review to a token that may read, and nothing else."""
    bao.admin.enable_kv("apps")
    bao.admin.put_kv("apps", "web", {"password": "one"})
    bao.admin.policy("apps", 'path "apps/data/*" { capabilities = ["read"] }')
    bao.admin.enable_kubernetes_auth("kubernetes", cluster)
    bound = {"namespaces": ["default"], "service_accounts": ["default"], "policies": ["apps"]}
    bao.admin.kubernetes_role("kubernetes", "web", **bound, audience="vault", token_ttl="1h")
    jwt = cluster.token_for("default/default", audiences=("vault",))
    token = bao.admin.login("kubernetes", {"role": "web", "jwt": jwt})["client_token"]
    web = bao.admin.with_token(token)
    assert web.read("apps/data/web")["data"]["data"] == {"password": "one"}
    with pytest.raises(RequestFailed) as refused:
        web.put_kv("apps", "web", {"password": "two"})
    assert refused.value.status == http.client.FORBIDDEN


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
def test_a_durable_openbao_keeps_its_data_through_seal_restart_and_crash(*, tls: bool) -> None:
    """A sealed server answers 503; unsealed, restarted or killed and started, it has what was written."""
    with OpenBao(durable=True, tls=tls) as bao:
        bao.admin.enable_kv("kv")
        bao.admin.put_kv("kv", "web", {"password": "one"})
        bao.seal()
        with pytest.raises(RequestFailed) as sealed:
            bao.admin.read("kv/data/web")
        assert (sealed.value.status, bao.sealed) == (503, True)
        bao.unseal()
        bao.restart()
        bao.kill()
        bao.start()
        assert bao.admin.read("kv/data/web")["data"]["data"] == {"password": "one"}
        assert ("BEGIN CERTIFICATE" in bao.ca_pem) == tls


def test_openbao_hands_out_postgresql_accounts() -> None:
    """They log in as long as their lease lives, and the server tells which accounts and leases there are."""
    with Postgres() as postgres, OpenBao() as bao:
        bao.admin.enable_database("database", postgres)
        bao.admin.database_role("database", "app")
        first, second = (bao.admin.read("database/creds/app") for _ in range(2))
        got = first["data"]
        assert postgres.psql("SELECT current_user", user=got["username"], password=got["password"]) == got["username"]
        assert sorted(bao.admin.leases("database")) == sorted([first["lease_id"], second["lease_id"]])
        assert postgres.roles() == sorted([postgres.user, got["username"], second["data"]["username"]])
        bao.admin.revoke(first["lease_id"])
        assert bao.admin.leases("database/creds/app/") == [second["lease_id"]]
        assert not postgres.can_login(got["username"], got["password"])
        with pytest.raises(subprocess.CalledProcessError, match="exit status 2"):
            postgres.psql("SELECT 1", password="wrong")


def test_a_static_role_changes_the_password_of_its_account() -> None:
    """At once, and whenever it is told to; a database that is away is no refused login."""
    with Postgres() as postgres, OpenBao() as bao:
        postgres.create_role("app", "first")
        assert postgres.can_login("app", "first")
        bao.admin.enable_database("database", postgres)
        bao.admin.database_static_role("database", "app", username="app", rotation_period="1h")
        passwords = ["first", bao.admin.read("database/static-creds/app")["data"]["password"]]
        bao.admin.rotate_static_role("database", "app")
        passwords.append(bao.admin.read("database/static-creds/app")["data"]["password"])
        assert [postgres.can_login("app", password) for password in passwords] == [False, False, True]
        postgres.stop()
        with pytest.raises(subprocess.CalledProcessError):
            postgres.can_login("app", passwords[-1])


def test_openbao_makes_service_account_tokens(cluster: Cluster, bao: OpenBao) -> None:
    """The Kubernetes engine, with a token that the API server knows."""
    bao.admin.enable_kubernetes_engine("service-accounts", cluster, role="any")
    answer = bao.admin.write("service-accounts/creds/any", {"kubernetes_namespace": "default"})
    body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview"}
    spec = {"token": answer["data"]["service_account_token"]}
    review = cluster.request("POST", "/apis/authentication.k8s.io/v1/tokenreviews", {**body, "spec": spec})
    assert review["status"]["user"]["username"] == "system:serviceaccount:default:default"


@pytest.mark.parametrize(
    ("fault", "outcome"),
    [
        (Pass(), 200),
        (Refuse(), aiohttp.ClientConnectorError),
        (Cut(), aiohttp.ServerDisconnectedError),
        (Cut(after=40), aiohttp.ClientError),
        (Reset(), aiohttp.ClientOSError),
        (Delay(0.1), 200),
        (Silence(), TimeoutError),
        (Split(1), 200),
        (Answer(status=503, headers={"Retry-After": "1"}, path="health"), 503),
        (Answer(status=503, path="/elsewhere"), 200),
    ],
    ids=repr,
)
@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
async def test_the_proxy_does_what_it_is_told_and_recovers(
    fault: Fault, outcome: int | type[Exception], *, tls: bool
) -> None:
    """Each fault shows at the client as it should, and passes when the mode is set back."""
    with OpenBao(tls=tls) as bao:
        context = bao.authority.context() if bao.authority else True
        limit = aiohttp.ClientTimeout(total=1)
        async with (
            FaultProxy(bao.address, authority=bao.authority) as proxy,
            aiohttp.ClientSession(proxy.url, timeout=limit, connector=aiohttp.TCPConnector(ssl=context)) as session,
        ):

            async def ask() -> int:
                async with session.get(HEALTH) as answer:
                    await answer.read()
                    return answer.status

            await proxy.set(fault)
            if isinstance(outcome, int):
                assert await ask() == outcome
            else:
                with pytest.raises(outcome):
                    await ask()
            await proxy.set(Pass())
            assert await ask() == 200


def test_postgresql_says_which_folder_its_account_cannot_enter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Root with a private TMPDIR learns what to change."""
    if os.geteuid() != 0:
        pytest.skip("only root runs PostgreSQL under another account")
    private = tmp_path / "private"
    private.mkdir(mode=0o700)
    monkeypatch.setattr(tempfile, "tempdir", str(private))
    with pytest.raises(PermissionError, match="TMPDIR"), Postgres():
        pass
    assert list(private.iterdir()) == []


def test_the_proxy_answers_so_many_times_and_counts(bao: OpenBao) -> None:
    """The first two requests are refused in the server's stead, the third one passes; blocking tests can use it."""
    with InThread(bao.address) as proxy:
        proxy.set(Answer(status=429, path="health", times=2))
        site = Site(base=proxy.url)
        assert [site.ask("GET", HEALTH).status for _ in range(3)] == [429, 429, 200]
        assert (proxy.answered, proxy.connections) == (2, 3)
        assert [request.target for request in proxy.requests] == [HEALTH] * 3


def test_the_proxy_spares_what_it_is_told_to(bao: OpenBao) -> None:
    """A server that fails all requests but one kind."""
    with InThread(bao.address) as proxy:
        proxy.set(Answer(status=500, spare="/seal-status"))
        site = Site(base=proxy.url)
        assert [site.ask("GET", one).status for one in (HEALTH, "/v1/sys/seal-status")] == [500, 200]


def test_the_proxy_balances_past_a_server_that_is_away(bao: OpenBao) -> None:
    """Connections go to all in turn; to the others, where one refuses."""
    with OpenBao() as other, InThread(bao.address, other.address) as proxy:
        site = Site(base=proxy.url)
        mark = bao.mark(), other.mark()
        for _ in range(4):
            site.ask("GET", "/v1/sys/mounts")
        assert [len(bao.requests(since=mark[0])), len(other.requests(since=mark[1]))] == [2, 2]
        other.kill()
        assert [site.ask("GET", HEALTH).status for _ in range(4)] == [200] * 4


def test_the_proxy_throttles_the_api_server_for_a_service_account(cluster: Cluster) -> None:
    """Before an https:// server it ends TLS with a certificate that the cluster's clients trust."""
    with InThread(cluster.server, authority=cluster.authority) as proxy:
        kubeconfig = cluster.kubeconfig_for("default/default", server=proxy.url)
        proxy.set(Answer(status=429, headers={"Retry-After": "0"}, path="/version", times=1))
        shown = cluster.kubectl(f"--kubeconfig={kubeconfig}", "get", "--raw", "/version")
        assert "gitVersion" in shown.stdout
        assert [request.target.partition("?")[0] for request in proxy.requests].count("/version") == 2


def test_a_server_that_dies_at_its_start_shows_its_log() -> None:
    """Nobody has to look for a file that is gone already."""
    program = Program(name="broken", command=[sys.executable, "-c", "raise SystemExit('no such flag')"])
    with workspace() as folder, Server(program, folder) as server, pytest.raises(ServerDied, match="no such flag"):
        server.wait_until(lambda: False)


def test_a_paused_server_is_silent_until_it_is_resumed() -> None:
    """SIGSTOP leaves connections open and unanswered."""
    with OpenBao() as bao:
        site = Site(base=bao.address, timeout=0.3)
        bao.server.pause()
        with pytest.raises(TimeoutError):
            site.ask("GET", HEALTH)
        bao.server.resume()
        assert site.ask("GET", HEALTH).status == 200


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL], ids=lambda number: number.name)
def test_nothing_is_left_when_the_command_is_ended(number: signal.Signals, shared: Path) -> None:
    """However `python -m testenv up` ends, its servers end too and its folders go, at the latest at the next start."""
    environ = {**os.environ, "TMPDIR": str(shared)}
    command = [sys.executable, "-m", "testenv", "up", "--with", "openbao,postgres"]
    with (
        subprocess.Popen(command, cwd=ROOT, env=environ, stdout=subprocess.PIPE, text=True) as process,
        _killed_in_the_end(process),
    ):
        assert process.stdout is not None
        exports = process.stdout.readline()
        servers = psutil.Process(process.pid).children(recursive=True)
        process.send_signal(number)
        process.wait(30)
    assert "KUBECONFIG=" in exports
    assert "PGPORT=" in exports
    assert len(servers) >= 5
    assert psutil.wait_procs(servers, timeout=10)[1] == []
    if number is signal.SIGKILL:
        assert list(shared.iterdir()) != []
        sweep = "from testenv.workspace import sweep; sweep()"
        subprocess.run([sys.executable, "-c", sweep], cwd=ROOT, env=environ, check=True)
    assert list(shared.iterdir()) == []


def test_the_folder_of_a_living_process_is_not_swept() -> None:
    """Another test run on the same machine keeps its files."""
    with workspace() as ours:
        sweep = "from testenv.workspace import sweep; sweep()"
        subprocess.run([sys.executable, "-c", sweep], cwd=ROOT, check=True)
        assert ours.is_dir()
        assert ours.parent == Path(tempfile.gettempdir())
    assert not ours.exists()


@contextlib.contextmanager
def _killed_in_the_end(process: subprocess.Popen[str]) -> Iterator[None]:
    try:
        yield
    finally:
        process.kill()


def _missing(cluster: Cluster, path: str) -> bool:
    try:
        cluster.request("GET", path)
    except RequestFailed as error:
        return error.status == http.client.NOT_FOUND
    return False
