"""Finding the API server, and tokens in files that change."""

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import structlog

from testenv.certificates import Authority
from tests.support.clock import FakeClock, settle
from vso.kube import ConfigError, in_cluster_config, load_config
from vso.kube.token import Fresh, TokenCache, token_file


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The files of a ServiceAccount as a pod sees them."""
    Authority.create(tmp_path)
    (tmp_path / "token").write_text("first\n")
    (tmp_path / "namespace").write_text("operators\n")
    return tmp_path


POD = {"KUBERNETES_SERVICE_HOST": "10.96.0.1", "KUBERNETES_SERVICE_PORT": "6443"}


async def test_a_pod_reads_server_namespace_and_token(folder: Path) -> None:
    """Environment and files of the ServiceAccount are enough."""
    config = in_cluster_config(POD, folder=folder, clock=FakeClock())
    assert (config.server, config.namespace, config.proxy) == ("https://10.96.0.1:6443", "operators", None)
    assert config.ssl is not None
    assert config.ssl.check_hostname
    assert await config.token() == "first"


def test_an_ipv6_service_is_put_in_brackets_and_a_proxy_is_honoured(folder: Path) -> None:
    """The server is a URL in any cluster; HTTPS_PROXY counts."""
    environ = {"KUBERNETES_SERVICE_HOST": "fd00::1", "HTTPS_PROXY": "http://p:1"}
    config = in_cluster_config(environ, folder=folder, clock=FakeClock())
    assert (config.server, config.proxy) == ("https://[fd00::1]:443", "http://p:1")


@pytest.mark.parametrize("missing", ["ca.crt", "token"])
def test_a_missing_file_is_named(folder: Path, missing: str) -> None:
    """The error says which file and what to look for."""
    (folder / missing).unlink()
    with pytest.raises(ConfigError, match=f"{missing} of the ServiceAccount.*automountServiceAccountToken"):
        in_cluster_config(POD, folder=folder, clock=FakeClock())


def test_a_broken_authority_is_named(folder: Path) -> None:
    """A file that holds no certificate is no reason for a traceback."""
    (folder / "ca.crt").write_text("no certificate")
    with pytest.raises(ConfigError, match=r"cannot read .*ca\.crt"):
        in_cluster_config(POD, folder=folder, clock=FakeClock())


async def test_without_any_hint_the_error_says_what_was_tried(tmp_path: Path) -> None:
    """Flag, variable, pod and home directory are all named."""
    with pytest.raises(ConfigError) as raised:
        await load_config(environ={"HOME": str(tmp_path)})
    for word in ("--kubeconfig", "KUBECONFIG", "KUBERNETES_SERVICE_HOST", str(tmp_path / ".kube" / "config")):
        assert word in str(raised.value)


@pytest.mark.parametrize(
    ("flag", "environ", "expected"),
    [
        ("flag", {"KUBECONFIG": "variable", **POD}, "http://flag:1"),
        (None, {"KUBECONFIG": "variable", **POD}, "http://variable:1"),
        (None, {}, "http://home:1"),
    ],
)
async def test_the_flag_wins_over_the_variable_and_both_over_the_pod(
    tmp_path: Path, flag: str | None, environ: dict[str, str], expected: str
) -> None:
    """The precedence of operations.md section 1.4."""
    (tmp_path / ".kube").mkdir()
    for name, file in (("flag", "flag"), ("variable", "variable"), ("home", ".kube/config")):
        (tmp_path / file).write_text(
            f"{{clusters: [{{name: c, cluster: {{server: 'http://{name}:1'}}}}], users: [{{name: u, user: {{}}}}], "
            "contexts: [{name: x, context: {cluster: c, user: u}}], current-context: x}"
        )
    environ = {name: str(tmp_path / value) if name == "KUBECONFIG" else value for name, value in environ.items()}
    config = await load_config(
        kubeconfig=str(tmp_path / flag) if flag else None, environ={**environ, "HOME": str(tmp_path)}
    )
    assert config.server == expected


async def test_in_a_pod_the_pod_wins_over_the_home_directory(tmp_path: Path) -> None:
    """A kubeconfig in the image is not looked at; the files of the ServiceAccount are missing here."""
    (tmp_path / ".kube").mkdir()
    (tmp_path / ".kube" / "config").write_text("never read")
    with pytest.raises(ConfigError, match="ServiceAccount"):
        await load_config(environ={"HOME": str(tmp_path), **POD})


async def test_a_rotated_token_is_seen_within_a_minute(tmp_path: Path) -> None:
    """Read at most once a minute, whatever the file's times say."""
    file, clock = tmp_path / "token", FakeClock()
    file.write_text("first\n")
    tokens = token_file(file, clock=clock)
    assert await tokens.read() == "first"
    file.write_text("second")
    await clock.advance(59)
    assert await tokens.read() == "first"
    await clock.advance(1)
    assert await tokens.read() == "second"


def test_the_token_is_read_while_all_threads_are_busy(tmp_path: Path) -> None:
    """Names of Vault servers that do not resolve hold up threads, and must not hold up the renewal of the lease."""
    (tmp_path / "token").write_text("first")
    release = threading.Event()

    async def read_beside_a_stalled_thread() -> str | None:
        asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(1))
        async with asyncio.TaskGroup() as group:
            group.create_task(asyncio.to_thread(release.wait))
            try:
                await settle()
                async with asyncio.timeout(5):
                    return await token_file(tmp_path / "token", clock=FakeClock()).read()
            finally:
                release.set()

    with asyncio.Runner() as runner:  # a loop of its own, since it spoils the threads
        assert runner.run(read_beside_a_stalled_thread()) == "first"


async def test_rotated_authorities_are_trusted_within_a_minute(
    folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """The operator outlives a rotation of the cluster's CA; what was trusted before stays so until a restart."""
    clock = FakeClock()
    config = in_cluster_config(POD, folder=folder, clock=clock)
    assert config.ssl is not None
    before = config.ssl.get_ca_certs(binary_form=True)
    (folder / "ca.crt").write_text(Authority.create(tmp_path_factory.mktemp("next")).pem)
    await config.token()
    trusted = config.ssl.get_ca_certs(binary_form=True)
    assert (len(trusted), set(trusted) > set(before)) == (2, True)


async def test_authorities_that_cannot_be_read_anew_leave_the_old_ones(folder: Path) -> None:
    """A moment of rotation is survived, and told; the token is read all the same."""
    clock = FakeClock()
    config = in_cluster_config(POD, folder=folder, clock=clock)
    assert config.ssl is not None
    before = config.ssl.get_ca_certs()
    for content in (b"no certificate", b"\xff"):
        (folder / "ca.crt").write_bytes(content)
        with structlog.testing.capture_logs() as logs:
            assert await config.token() == "first"
        assert [entry["log_level"] for entry in logs] == ["warning"]
        assert config.ssl.get_ca_certs() == before
        await clock.advance(60)


async def test_a_refused_token_is_read_again_at_once(tmp_path: Path) -> None:
    """Only if it is the one in use: a late refusal of an older one changes nothing."""
    file, clock = tmp_path / "token", FakeClock()
    file.write_text("first")
    tokens = token_file(file, clock=clock)
    await tokens.read()
    file.write_text("second")
    tokens.forget("first")
    assert await tokens.read() == "second"
    file.write_text("third")
    tokens.forget("first")
    assert await tokens.read() == "second"


async def test_an_unreadable_file_keeps_the_last_token(tmp_path: Path) -> None:
    """A moment of rotation is survived, and told; without a last token it is an error."""
    file, clock = tmp_path / "token", FakeClock()
    tokens = token_file(file, clock=clock)
    with pytest.raises(ConfigError, match=r"cannot read the token file .*: No such file"):
        await tokens.read()
    file.write_text("first")
    assert await tokens.read() == "first"
    for content in (b"", b"canary\xff"):
        file.write_bytes(content)
        await clock.advance(60)
        with structlog.testing.capture_logs() as logs:
            assert await tokens.read() == "first"
        assert [entry["log_level"] for entry in logs] == ["warning"]
        assert "canary" not in str(logs)


async def test_many_readers_load_once() -> None:
    """However many ask meanwhile; and one that is cancelled does not take the token from the others."""
    loads, gate = 0, asyncio.Event()

    async def load() -> Fresh:
        nonlocal loads
        loads += 1
        await gate.wait()
        return Fresh(f"token-{loads}", 60.0)

    tokens = TokenCache(load, clock=FakeClock())
    async with asyncio.TaskGroup() as group:
        readers = [group.create_task(tokens.read()) for _ in range(10)]
        await asyncio.sleep(0)
        readers[0].cancel()
        await asyncio.sleep(0)
        gate.set()
    assert {reader.result() for reader in readers[1:]} == {"token-2"}
    assert loads == 2
    assert "token" not in repr(Fresh("token-2", 1.0)).replace("token=***", "")
