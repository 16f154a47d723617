"""Checks of what lies beyond the cluster: the way to the server, the login, and the path in Vault. See `checks`."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Final

from vso.apis.v1beta1 import VaultStaticSecret
from vso.cli.kubectl.facts import Facts, Handshake, Unknown
from vso.cli.kubectl.finding import Finding, Severity
from vso.cli.kubectl.redaction import without_user
from vso.sync import ClientSpec, SyncError
from vso.vault import (
    Auth,
    Claims,
    Connection,
    Deleted,
    Denied,
    LoginRefused,
    Mounted,
    NotFound,
    Refusal,
    SealStatus,
    TokenStatus,
    VaultError,
    WrongEngine,
)

_OTHER_NAME: Final = frozenset({62, 63, 64})
_NOT_YET, _OVER = 9, 10
_SOON: Final = timedelta(days=7)
_USELESS: Final = frozenset({"default"})


def connection(found: Connection | SyncError | VaultError, facts: Facts) -> Iterator[Finding]:
    """Address, headers, CA."""
    if isinstance(found, Connection):
        if found.skip_tls_verify and found.base.startswith("https"):
            yield Finding(
                what=f"{_connection(facts)} does not verify the server's certificate",
                why="skipTLSVerify is set: whoever is on the way can read and change everything",
                todo="put the CA's certificate into a Secret, name it in caCertSecretRef, and remove skipTLSVerify",
                severity=Severity.WARNING,
            )
        return
    yield Finding(what=str(found), todo=f"correct {_connection(facts)}")


def dns(found: tuple[str, ...] | OSError, facts: Facts) -> Iterator[Finding]:
    """The host name."""
    if isinstance(found, OSError):
        yield Finding(
            what=f"the host name of {_address(facts)} is not known",
            why=f"DNS says: {found.strerror or found}",
            todo=f"correct spec.address of {_connection(facts)}, or the DNS",
        )


def port(found: OSError | None, facts: Facts) -> Iterator[Finding]:
    """The TCP port."""
    if found is None:
        return
    refused = isinstance(found, ConnectionRefusedError)
    yield Finding(
        what=f"nothing takes connections at {_address(facts)}",
        why="the connection is refused: nobody listens there" if refused else f"{found.strerror or found}",
        todo=(
            f"check that the server runs, and host and port in spec.address of {_connection(facts)}"
            if refused
            else "check the network between here and there: firewalls, NetworkPolicies"
        ),
    )


def tls(found: Handshake, facts: Facts) -> Iterator[Finding]:
    """The certificate."""
    where = _address(facts)
    if found.code == 0:
        if found.ends is not None and found.ends - facts.now < _SOON:
            yield Finding(
                what=f"the certificate of {where} ends soon, at {found.ends.isoformat()}",
                todo="renew it",
                severity=Severity.WARNING,
            )
        return
    if found.code in _OTHER_NAME:
        names = ", ".join(found.names) or "no name at all"
        yield Finding(
            what=f"the certificate of {where} is for another name",
            why=f"{found.asked_for} is asked for, the certificate is for {names}",
            todo=f"use one of these names in spec.address of {_connection(facts)}, or in its spec.tlsServerName",
        )
    elif found.code in {_NOT_YET, _OVER}:
        told = f"it is valid from {found.begins} until {found.ends}" if found.ends else found.reason
        over = found.code == _OVER
        yield Finding(
            what=f"the certificate of {where} {'has expired' if over else 'is not valid yet'}",
            why=told,
            todo="renew the server's certificate" if over else "check the clocks here and there",
        )
    elif found.code > 0:
        issuer = f"it was issued by {found.issuer!r}" if found.issuer else found.reason
        yield Finding(
            what=f"the certificate of {where} is not trusted: {found.reason}",
            why=f"{issuer}, which {_trusted(facts)}",
            todo=(
                "put the certificate of that CA under ca.crt into a Secret beside the VaultConnection, and name it in "
                f"spec.caCertSecretRef of {_connection(facts)}"
            ),
        )
    else:
        yield Finding(
            what=f"no TLS handshake with {where}: {found.reason}",
            why="the server may speak plain HTTP on this port, or a version of TLS older than 1.2",
            todo=f"check scheme and port of spec.address of {_connection(facts)}, and its spec.tlsServerName",
        )


def seal(found: SealStatus | VaultError, facts: Facts) -> Iterator[Finding]:
    """Whether the server serves."""
    if isinstance(found, VaultError):
        yield Finding(what=str(found), todo=f"check what answers at {_address(facts)}, and proxies on the way")
    elif not found.initialized:
        yield Finding(what=f"the server at {_address(facts)} is not initialized", todo="initialize and unseal it")
    elif found.sealed:
        yield Finding(
            what=f"the server at {_address(facts)} is sealed",
            why="after a restart it needs its unseal keys, or its automatic unsealing does not work",
            todo="unseal it; the operator notices by itself",
        )


def auth_mount(found: bool, facts: Facts) -> Iterator[Finding]:  # noqa: FBT001 - the fact itself
    """The auth method's mount."""
    spec = _spec(facts)
    if found or spec is None:
        return
    merged = spec.merged
    namespace = f" in namespace {merged.namespace}" if merged.namespace else ""
    yield Finding(
        what=f"no auth method takes logins at auth/{merged.mount}{namespace}",
        why="nothing is mounted there",
        todo=f"correct spec.mount, or spec.namespace, of VaultAuth {merged.key}, or enable the method in Vault",
    )


def sent_token(found: Claims, facts: Facts) -> Iterator[Finding]:
    """The ServiceAccount's token."""
    if found.expired(facts.now):
        yield Finding(
            what=f"the token that is sent has expired: {found.describe(facts.now)}",
            todo="check the clocks of the API server and of this machine, or renew the token in the Secret",
        )


def login(found: Auth | SyncError | VaultError, facts: Facts) -> Iterator[Finding]:
    """Whether Vault lets this identity in."""
    if isinstance(found, Auth):
        return
    if not isinstance(found, LoginRefused):
        yield Finding(what=str(found), todo=_credential_todo(facts))
        return
    spec = _spec(facts)
    sent = facts.login.sent if not isinstance(facts.login, Unknown) else facts.login
    claims = sent.describe(facts.now) if isinstance(sent, Claims) else ""
    if spec is None:
        return
    merged = spec.merged
    role = getattr(merged.block, "role", "")
    place = f"auth/{merged.mount}/role/{role}"
    todo = {
        Refusal.AUDIENCE: (
            f"set spec.{merged.method}.audiences of VaultAuth {merged.key} to the audience that the role expects "
            f"(bao read {place}: audience, or bound_audiences), or change it there"
        ),
        Refusal.ROLE: f"create the role {place} in Vault, or correct the role in VaultAuth {merged.key}",
        Refusal.EXPIRED: "check the clocks, and the credential in the Secret",
        Refusal.PERMISSION: (
            f"check that {place} admits this identity (its bound names and namespaces), and that the server may review "
            "tokens"
        ),
        Refusal.MOUNT: f"correct spec.mount of VaultAuth {merged.key}, or enable the method in Vault",
        Refusal.OTHER: f"check {place} and auth/{merged.mount}/config in Vault",
    }[found.reason]
    yield Finding(what=str(found).partition("; the token sent has")[0], why=claims, todo=todo)


def policies(found: TokenStatus | VaultError, facts: Facts) -> Iterator[Finding]:
    """What the login is good for."""
    spec = _spec(facts)
    if isinstance(found, VaultError):
        yield Finding(
            what=f"the token of the login cannot be looked up: {found}",
            todo="give it the policy default, which permits auth/token/lookup-self",
            severity=Severity.WARNING,
        )
    elif set(found.policies) <= _USELESS and spec is not None:
        yield Finding(
            what=f"the login has no policy but {', '.join(found.policies) or 'none at all'}",
            todo=f"add a policy that permits the path to the role that VaultAuth {spec.merged.key} names",
            severity=Severity.WARNING,
        )


def mount(found: Mounted | None, facts: Facts) -> Iterator[Finding]:
    """The secrets engine."""
    wanted = facts.secret.spec.mount
    if isinstance(facts.path, Unknown):
        return
    may = facts.path.capabilities
    if found is None:
        # The server hides what a token has no right to; one that has a right would be shown the mount.
        known = not isinstance(may, Unknown) and tuple(may) != ("deny",)
        yield Finding(
            what=f"no secrets engine is mounted at {wanted}"
            if known
            else f"the login sees no secrets engine at {wanted}",
            why="the policies of the login permit the path, but nothing is there"
            if known
            else "there is none, or no policy of the login permits anything in it",
            todo=f"correct spec.mount{_or_namespace(facts)}, or enable the engine in Vault",
            severity=Severity.PROBLEM if known else Severity.WARNING,
        )
        return
    if isinstance(facts.secret, VaultStaticSecret):
        actual = "kv-v2" if found.version == "2" else "kv-v1"
        if found.type not in {"kv", "generic"}:
            yield Finding(
                what=f"{found.path} is an engine of the type {found.type}, not a KV engine",
                todo="use a VaultDynamicSecret or VaultPKISecret, or correct spec.mount",
            )
        elif facts.secret.spec.type != actual:
            yield Finding(
                what=f"{found.path} is a {actual} engine, and spec.type is {facts.secret.spec.type}",
                todo=f"set spec.type to {actual}",
            )


def permission(found: tuple[str, ...], facts: Facts) -> Iterator[Finding]:
    """The policies."""
    path = facts.path
    if isinstance(path, Unknown) or {"root", *path.needed} & set(found):
        return
    listed = ", ".join(path.policies) or "none"
    yield Finding(
        what=f"the login may not {path.needed[0]} {path.path}: its capabilities there are {', '.join(found) or 'none'}",
        why=f"its policies are {listed}, and none grants {' or '.join(path.needed)} there",
        todo=f'add to one of them: path "{path.path}" {{ capabilities = ["{path.needed[0]}"] }}',
    )


def secret(found: VaultError | None, facts: Facts) -> Iterator[Finding]:
    """Reading it for once."""
    match found:
        case None:
            return
        case Deleted():
            todo = "undelete the version, or write a new one"
            what = str(found)
        case WrongEngine():
            todo, what = "correct spec.type", str(found)
        case NotFound():
            what = f"nothing is at {found.path or facts.secret.spec.mount}: {found.detail or found.message}"
            todo = f"write the secret, or correct spec.path{_or_namespace(facts)}"
        case Denied():
            todo, what = "see the permission above", str(found)
        case _:
            todo, what = "see what the server says; its audit log has the request", str(found)
    yield Finding(what=what, todo=todo)


def _spec(facts: Facts) -> ClientSpec | None:
    return facts.login_spec if isinstance(facts.login_spec, ClientSpec) else None


def _connection(facts: Facts) -> str:
    spec = _spec(facts)
    return f"VaultConnection {spec.connection.key}" if spec else "the VaultConnection"


def _address(facts: Facts) -> str:
    return "the server" if isinstance(facts.server, Unknown) else without_user(facts.server.address)


def _trusted(facts: Facts) -> str:
    spec = _spec(facts)
    named = spec is not None and bool(spec.connection.spec.ca_cert_secret_ref)
    return "is not the CA that the connection names" if named else "is none of the system's CAs, and no other is named"


def _or_namespace(facts: Facts) -> str:
    return ", or spec.namespace" if facts.secret.spec.namespace else ""


def _credential_todo(facts: Facts) -> str:
    spec = _spec(facts)
    where = f" in namespace {spec.holder}" if spec else ""
    return f"create what it logs in with{where}, or correct the VaultAuth"
