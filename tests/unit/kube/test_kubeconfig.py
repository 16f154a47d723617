"""Kubeconfig files as people and programs write them."""

import base64
import json
import stat
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import structlog
import yaml

from testenv.certificates import Authority
from tests.support.clock import FakeClock
from vso.kube import ClientConfig, ConfigError, load_config

SERVER = "http://api.example:8080"


def write(
    file: Path,
    *,
    user: dict[str, Any] | None = None,
    cluster: dict[str, Any] | None = None,
    current: str = "here",
    **changes: Any,
) -> Path:
    """A kubeconfig of one context ``here``."""
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "one", "cluster": {"server": SERVER, **(cluster or {})}}],
        "users": [{"name": "me", "user": user or {}}],
        "contexts": [{"name": "here", "context": {"cluster": "one", "user": "me", "namespace": "app"}}],
        "current-context": current,
        **changes,
    }
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(yaml.safe_dump({name: value for name, value in content.items() if value is not None}))
    return file


async def load(file: Path | str, *, clock: FakeClock | None = None, context: str | None = None) -> ClientConfig:
    """The configuration from one file or several."""
    return await load_config(kubeconfig=str(file), context=context, environ={}, clock=clock or FakeClock())


def plugin(folder: Path, *, ends: str = "") -> tuple[Path, Path]:
    """An exec plugin that counts its calls in a file and hands out numbered tokens."""
    script, calls = folder / "plugin", folder / "calls"
    expiry = f', "expirationTimestamp": "{ends}"' if ends else ""
    script.write_text(
        "#!/bin/sh\n"
        f'echo "$KUBERNETES_EXEC_INFO" >> {calls}\n'
        f'echo \'{{"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": '
        f'{{"token": "\'"$PREFIX$1-$(wc -l < {calls} | tr -d " ")"\'"{expiry}}}}}\'\n'
    )
    script.chmod(script.stat().st_mode | stat.S_IXUSR)
    return script, calls


def exec_user(command: str) -> dict[str, Any]:
    """The user of `plugin`."""
    return {
        "exec": {
            "apiVersion": "client.authentication.k8s.io/v1",
            "command": command,
            "args": ["token"],
            "env": [{"name": "PREFIX", "value": "my-"}],
        }
    }


async def test_token_server_and_namespace_come_from_the_current_context(tmp_path: Path) -> None:
    """The simplest file."""
    config = await load(write(tmp_path / "config", user={"token": "secret"}))
    assert (config.server, config.namespace, config.ssl, config.proxy) == (SERVER, "app", None, None)
    assert await config.token() == "secret"
    assert "secret" not in repr(config)


async def test_a_proxy_password_stays_out_of_the_repr(tmp_path: Path) -> None:
    """The configuration may be logged."""
    config = await load(write(tmp_path / "config", cluster={"proxy-url": "http://me:canary@p:1"}))
    assert config.proxy == "http://me:canary@p:1"
    assert "canary" not in repr(config)


async def test_another_context_can_be_chosen(tmp_path: Path) -> None:
    """A named context wins over the current one."""
    contexts = [
        {"name": "here", "context": {"cluster": "nowhere", "user": "me"}},
        {"name": "there", "context": {"cluster": "one", "user": "me"}},
    ]
    config = await load(write(tmp_path / "config", contexts=contexts), context="there")
    assert (config.server, config.namespace) == (SERVER, "default")


async def test_several_files_are_merged_and_the_first_current_context_wins(tmp_path: Path) -> None:
    """As kubectl does it; paths are relative to the file that they stand in."""
    first = write(tmp_path / "a" / "config", clusters=[], users=[], contexts=None)
    second = write(tmp_path / "b" / "config", user={"tokenFile": "token", "token": "old"}, current="other")
    (tmp_path / "b" / "token").write_text("from-file\n")
    config = await load(f"{first}:{tmp_path / 'missing'}:{second}")
    assert config.server == SERVER
    assert await config.token() == "from-file"


async def test_a_token_file_is_read_again_after_a_minute(tmp_path: Path) -> None:
    """Rotation works outside of a cluster as well."""
    (tmp_path / "token").write_text("first")
    clock = FakeClock()
    config = await load(write(tmp_path / "config", user={"tokenFile": "token"}), clock=clock)
    (tmp_path / "token").write_text("second")
    assert await config.token() == "first"
    await clock.advance(60)
    assert await config.token() == "second"


async def test_certificates_names_and_proxies_are_taken_over(tmp_path: Path) -> None:
    """Authority and client certificate as data and as files, tls-server-name, proxy-url."""
    authority = Authority.create(tmp_path / "pki")
    pair = authority.client("me")

    def data(file: Path) -> str:
        return base64.b64encode(file.read_bytes()).decode()

    cluster = {"server": "https://api.example:6443/prefix/", "tls-server-name": "inner", "proxy-url": "http://p:1"}
    for number, (trust, user) in enumerate(
        (
            (
                {"certificate-authority-data": data(authority.ca)},
                {"client-certificate-data": data(pair.certificate), "client-key-data": data(pair.key)},
            ),
            (
                {"certificate-authority": "pki/ca.crt"},
                {"client-certificate": str(pair.certificate), "client-key": str(pair.key)},
            ),
        )
    ):
        config = await load(write(tmp_path / f"config-{number}", user=user, cluster={**cluster, **trust}))
        assert (config.server, config.proxy) == ("https://api.example:6443/prefix", "http://p:1")
        assert config.ssl is not None
        assert config.ssl.check_hostname
        assert len(config.ssl.get_ca_certs()) == 1
        assert await config.token() is None


async def test_switching_verification_off_is_told(tmp_path: Path) -> None:
    """insecure-skip-tls-verify works, with a warning."""
    file = write(tmp_path / "config", cluster={"server": "https://x:1", "insecure-skip-tls-verify": True})
    with structlog.testing.capture_logs() as logs:
        config = await load(file)
    assert config.ssl is not None
    assert not config.ssl.check_hostname
    assert [entry["log_level"] for entry in logs] == ["warning"]


async def test_a_plugin_runs_again_before_its_token_ends(tmp_path: Path) -> None:
    """Not before that; and five minutes early, so that no request meets the end."""
    clock = FakeClock()
    ends = (clock.now() + timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
    script, calls = plugin(tmp_path, ends=ends)
    config = await load(write(tmp_path / "config", user=exec_user(str(script))), clock=clock)
    assert await config.token() == "my-token-1"
    await clock.advance(54 * 60)
    assert await config.token() == "my-token-1"
    await clock.advance(2 * 60)
    assert await config.token() == "my-token-2"
    info = json.loads(calls.read_text().splitlines()[0])
    assert (info["kind"], info["apiVersion"]) == ("ExecCredential", "client.authentication.k8s.io/v1")


async def test_a_plugin_without_an_end_runs_again_only_when_its_token_is_refused(tmp_path: Path) -> None:
    """As kubectl keeps such a token; a relative command is one beside the kubeconfig."""
    plugin(tmp_path)
    clock = FakeClock()
    config = await load(write(tmp_path / "config", user=exec_user("./plugin")), clock=clock)
    await clock.advance(10**6)
    assert await config.token() == "my-token-1"
    config.forget_token("my-token-1")
    assert await config.token() == "my-token-2"


async def test_a_plugin_that_fails_later_leaves_the_last_token(tmp_path: Path) -> None:
    """The cluster may still take it; the log says what is wrong."""
    script, _ = plugin(tmp_path)
    config = await load(write(tmp_path / "config", user=exec_user(str(script))))
    script.write_text("#!/bin/sh\necho no network >&2\nexit 3\n")
    config.forget_token("my-token-1")
    with structlog.testing.capture_logs() as logs:
        assert await config.token() == "my-token-1"
    assert "exec: process returned 3. no network" in logs[-1]["error"]


def jwt(ends: float) -> str:
    """A token with an end; nobody here checks its signature."""
    claims = base64.urlsafe_b64encode(json.dumps({"exp": ends}).encode()).rstrip(b"=").decode()
    return f"e30.{claims}.canary"


def oidc_user(**settings: str) -> dict[str, Any]:
    """A user who logged in at an OIDC issuer."""
    return {"auth-provider": {"name": "oidc", "config": settings}}


async def test_an_id_token_is_used_while_it_lasts(tmp_path: Path) -> None:
    """No issuer is asked before the end is near."""
    clock = FakeClock()
    token = jwt(clock.now().timestamp() + 3600)
    config = await load(write(tmp_path / "config", user=oidc_user(**{"id-token": token})), clock=clock)
    assert await config.token() == token


BROKEN_CERTIFICATE = {"client-certificate-data": "Y2FuYXJ5", "client-key-data": "Y2FuYXJ5"}


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"current-context": None}, "no current-context is set"),
        ({"current-context": "gone"}, r"there is no context 'gone' \(known: here\)"),
        ({"clusters": []}, r"there is no cluster 'one' \(known: none\)"),
        ({"users": []}, r"there is no user 'me' \(known: none\)"),
        ({"users": [{"name": "me"}]}, "there is no user 'me'"),
        ({"users": "canary"}, "cannot be read"),
        ({"cluster": {"server": ""}}, "cluster one has no server"),
        ({"cluster": {"server": "https://x", "certificate-authority": "ca"}}, "File does not exists: .*ca"),
        (
            {"cluster": {"server": "https://x", "insecure-skip-tls-verify": True}, "user": BROKEN_CERTIFICATE},
            "the client certificate or its key",
        ),
        ({"cluster": {"proxy-url": "socks5://u:canary@p:1"}}, "only HTTP proxies are supported, not socks5"),
        ({"user": {"username": "me", "password": "canary"}}, "no longer takes username and password"),
        ({"user": {"exec": {"command": "/no/such"}}}, "exec: malformed request. missing key 'apiVersion'"),
        ({"user": {"exec": {"command": "/no/such", "apiVersion": "v1"}}}, "/no/such: No such file"),
        ({"user": {"tokenFile": "/no/such"}}, "/no/such: No such file"),
        ({"user": oidc_user(**{"id-token": "canary"})}, "no JSON web token"),
        ({"user": oidc_user(**{"id-token": jwt(1)})}, "idp-issuer-url, client-id, refresh-token is not set"),
    ],
)
async def test_a_broken_file_is_explained_without_its_secrets(
    tmp_path: Path, changes: dict[str, Any], text: str
) -> None:
    """What is wrong, where, and never what else stands in the entry."""
    file = write(tmp_path / "config", **{"user": {"token": "canary"}, **changes})
    with pytest.raises(ConfigError, match=text) as raised:
        await load(file)
    assert "canary" not in repr(raised.value)
    assert raised.value.__cause__ is None or "canary" not in repr(raised.value.__cause__)


@pytest.mark.parametrize("text", ["", "[]", "canary: [", "\x00", "clusters: {a: canary}\nusers: canary"])
async def test_a_file_that_is_no_kubeconfig_is_explained(tmp_path: Path, text: str) -> None:
    """YAML of another shape, or no YAML at all."""
    (tmp_path / "config").write_text(text)
    with pytest.raises(ConfigError, match=r"kubeconfig .*config: ") as raised:
        await load(tmp_path / "config")
    assert "canary" not in str(raised.value)


async def test_a_missing_file_is_named(tmp_path: Path) -> None:
    """The path as it was given."""
    with pytest.raises(ConfigError, match="nowhere: no such file"):
        await load(tmp_path / "nowhere")
