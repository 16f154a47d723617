"""The acts about what Vault makes itself: an account of a database, and a certificate."""

import base64
import contextlib
import socket
import ssl
import threading
from typing import Final

from testenv.demo.stage import Stage
from testenv.demo.tool import Feed

_EXAMPLES: Final = "deploy/examples"
_CREATE: Final = "CREATE ROLE \"{{name}}\" LOGIN PASSWORD '{{password}}' VALID UNTIL '{{expiration}}'"
_ROLES: Final = "SELECT rolname, rolvaliduntil::time(0) AS valid_until FROM pg_roles WHERE rolname LIKE 'v-%'"
_POLICY: Final = """path "secret/data/demo"     { capabilities = ["read"] }
path "database/creds/reader" { capabilities = ["read"] }
path "sys/leases/revoke"     { capabilities = ["update"] }
path "pki/issue/web"         { capabilities = ["update"] }
"""
_NAME: Final = "demo.example.com"


def lease(stage: Stage) -> None:
    """An account of a database: made, renewed, replaced, revoked."""
    stage.narrator.step(
        "Get an account of a database that lives for seconds",
        "OpenBao's database engine makes an account of PostgreSQL for whoever asks, and drops it when its lease ends. "
        "A lease lasts 10 seconds here and 20 at most, so that we see all of its life.",
    )
    _prepare_database(stage)
    stage.kube("apply", "-f", f"{_EXAMPLES}/dynamic-secret.yaml")
    stage.expect(lambda: _logs_in(stage), "PostgreSQL lets in who has the credentials of the Secret")
    first = _secret(stage, "demo-db")["username"]
    _show_roles(stage)
    renewed = _renewal(stage)
    stage.expect(lambda: _renewal(stage) > renewed, "the lease was renewed, with the Secret as it was", timeout=30)
    stage.expect(lambda: _secret(stage, "demo-db")["username"] != first, "new credentials replaced the old", timeout=60)
    stage.expect(lambda: _logs_in(stage), "they let in as well")
    _show_roles(stage)
    stage.kube("delete", "vaultdynamicsecret", "demo-db")
    last = _secret(stage, "demo-db").get("username", first)
    stage.expect(
        lambda: last not in _roles(stage), "with the VaultDynamicSecret its account is gone, revoked by OpenBao"
    )
    stage.expect(lambda: not _roles(stage), "and those before it ran out", timeout=40)


def certify(stage: Stage) -> None:
    """A certificate: issued, used, replaced."""
    stage.narrator.step(
        "Get a certificate that a TLS server uses",
        "OpenBao's PKI engine issues a certificate of 20 seconds. The operator replaces it when half of that is over "
        "(expiryOffset), and reads from the certificate itself when that is.",
    )
    stage.show(stage.bao, "secrets", "enable", "pki")
    root = ("write", "-field=certificate", "pki/root/generate/internal", "common_name=Demo CA", "ttl=24h")
    stage.keep("root.pem", stage.bao, *root)
    role = ("allow_any_name=true", "enforce_hostnames=false", "key_type=ec", "key_bits=256", "max_ttl=1h")
    stage.show(stage.bao, "write", "pki/roles/web", *role, lines=2)
    stage.kube("apply", "-f", f"{_EXAMPLES}/pki-secret.yaml")
    stage.expect(lambda: bool(_secret(stage, "demo-tls")), "the Secret has a certificate and its key")
    stage.kube("get", "secret", "demo-tls")
    serial = _handshake(stage)
    stage.narrator.verified("A TLS server loads them, and a client that trusts the CA accepts its name")
    stage.expect(lambda: _handshake(stage) != serial, "the next certificate is there before the first one ends")
    stage.kube("get", "vaultpkisecret", "demo-tls")
    stage.kube("delete", "vaultpkisecret", "demo-tls")


def _prepare_database(stage: Stage) -> None:
    database = stage.postgres
    stage.show(stage.bao, "policy", "write", "demo", "-", feed=Feed("cat demo.hcl", _POLICY))
    stage.show(stage.bao, "secrets", "enable", "database")
    (stage.folder / "superuser.txt").write_text(database.password)
    settings = ("plugin_name=postgresql-database-plugin", "allowed_roles=reader")
    account = (f"username={database.user}", "password=@superuser.txt")
    url = f"connection_url={database.connection_url}"
    stage.show(stage.bao, "write", "database/config/main", *settings, url, *account)
    statements = f"creation_statements={_CREATE}"
    times = ("default_ttl=10s", "max_ttl=20s")
    stage.show(stage.bao, "write", "database/roles/reader", "db_name=main", statements, *times)


def _secret(stage: Stage, name: str) -> dict[str, str]:
    data = stage.get("secret", name).get("data", {})
    return {key: base64.b64decode(value).decode() for key, value in data.items()}


def _logs_in(stage: Stage) -> bool:
    data = _secret(stage, "demo-db")
    return bool(data) and stage.postgres.can_login(data["username"], data["password"])


def _renewal(stage: Stage) -> int:
    status = stage.get("vaultdynamicsecret", "demo-db").get("status", {})
    return int(status.get("lastRenewalTime", 0))


def _roles(stage: Stage) -> list[str]:
    return [one for one in stage.postgres.roles() if one.startswith("v-")]


def _show_roles(stage: Stage) -> None:
    stage.narrator.command(f'psql -c "{_ROLES}"')
    stage.narrator.output(stage.postgres.psql(_ROLES))


def _handshake(stage: Stage) -> int:
    """The serial number of the certificate that a server with the Secret shows to a client that trusts the CA."""
    data = _secret(stage, "demo-tls")
    for name in ("tls.crt", "tls.key"):
        file = stage.folder / name
        file.touch(mode=0o600)
        file.write_text(data[name])
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(stage.folder / "tls.crt", stage.folder / "tls.key")
    client = ssl.create_default_context(cafile=str(stage.folder / "root.pem"))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=_serve_one, args=(listener, server), name="TLS server")
        thread.start()
        try:
            with (
                socket.create_connection(listener.getsockname(), timeout=10) as plain,
                client.wrap_socket(plain, server_hostname=_NAME) as secure,
            ):
                shown = secure.getpeercert() or {}
        finally:
            thread.join()
    return int(str(shown["serialNumber"]), 16)


def _serve_one(listener: socket.socket, context: ssl.SSLContext) -> None:
    plain, _ = listener.accept()
    with plain, contextlib.suppress(OSError), context.wrap_socket(plain, server_side=True):
        pass
