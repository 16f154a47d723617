"""Rules about how to get to Vault: references, logins, connections, and who may use them."""

from collections.abc import Iterator
from typing import Final
from urllib.parse import urlsplit

from vso.apis.merge import login_problems
from vso.apis.meta import Key, Ref
from vso.apis.policy import is_allowed, refusal
from vso.apis.reference import InvalidReference, parse_reference
from vso.apis.v1beta1 import VaultAuth, VaultAuthGlobal, VaultConnection
from vso.cli.kubectl.linting.finding import Bundle, Remark, parted, remark
from vso.cli.kubectl.manifest import Member
from vso.cli.kubectl.subject import Subject, claimant_of
from vso.sync import AuthInvalid, NotAllowed, Policy, SyncError, resolve, resolve_auth
from vso.vault import Connection, InvalidConnection

_AUTH_REF: Final[Member] = ("spec", "vaultAuthRef")
_CONNECTION_REF: Final[Member] = ("spec", "vaultConnectionRef")
_GLOBAL_REF: Final[Member] = ("spec", "vaultAuthGlobalRef")
_PERMISSIVE: Final = Policy(own_credentials=True, ambient_namespaces=("*",), credentials_directory="/")
_LOCAL: Final = frozenset({"127.0.0.1", "localhost", "::1"})


def bad_reference(subject: Subject, bundle: Bundle) -> Iterator[Remark]:
    """References that name nothing, such as ``a/b/c``."""
    for member, text in _references(subject):
        try:
            _parse(text, subject, bundle)
        except InvalidReference as exc:
            yield remark(member, *parted(str(exc), "; "))


def missing_object(subject: Subject, bundle: Bundle) -> Iterator[Remark]:
    """References to objects of ours that are not in the files; they may well be in the cluster."""
    for member, kind, key in _targets(subject, bundle):
        if _find(bundle, kind, key) is None:
            yield remark(member, f"{kind} {key} is not in the files", "add it, or make sure that the cluster has it")


def not_allowed(subject: Subject, bundle: Bundle) -> Iterator[Remark]:
    """Uses of a VaultAuth, VaultAuthGlobal or VaultConnection that it does not allow."""
    claimant, auth = claimant_of(subject.obj), subject.has(VaultAuth)
    if claimant is not None:
        try:
            resolve(
                claimant.spec.vault_auth_ref,
                consumer=subject.namespace,
                references=bundle,
                options=bundle.options,
                policy=_PERMISSIVE,
            )
        except NotAllowed as exc:
            yield remark(_AUTH_REF, *parted(str(exc), "; "))
        except SyncError:
            return  # told by other rules
    elif auth is not None and (refused := _refusal_of_global(auth, bundle)):
        yield remark(_GLOBAL_REF, *parted(refused, "; "))


def incomplete_login(subject: Subject, bundle: Bundle) -> Iterator[Remark]:
    """VaultAuths that do not add up to a login, with what they inherit."""
    auth = subject.has(VaultAuth)
    if auth is None or not _knows_global(auth, bundle) or _refusal_of_global(auth, bundle):
        return
    try:
        problems = login_problems(resolve_auth(auth, references=bundle, options=bundle.options).merged)
    except AuthInvalid as exc:
        problems = (str(exc),)
    for problem in problems:
        yield remark(("spec",), *parted(problem, "; "))


def literal_wildcard(subject: Subject, _: Bundle) -> Iterator[Remark]:
    """Patterns in `allowedNamespaces`, which takes names, and ``*`` as its single entry."""
    obj = subject.obj
    if not isinstance(obj, VaultAuth | VaultAuthGlobal):
        return
    listed = obj.spec.allowed_namespaces
    for at, one in enumerate(listed):
        if "*" in one and list(listed) != ["*"]:
            yield remark(
                ("spec", "allowedNamespaces", at),
                f"{one!r} is taken for the name of a namespace",
                "write names, or a single * for all",
            )


def unusable_connection(subject: Subject, _: Bundle) -> Iterator[Remark]:
    """Addresses, headers and proxies of which no connection can be made, and CA sources that exclude each other."""
    connection = subject.has(VaultConnection)
    if connection is None or not connection.spec.address:
        return
    spec = connection.spec
    try:
        Connection(address=spec.address, headers=spec.headers, proxy=spec.extensions.proxy_url)
    except InvalidConnection as exc:
        yield remark(("spec", "address"), str(exc), "correct it")
    authority = spec.extensions.ca
    sources = {
        "caCertSecretRef": spec.ca_cert_secret_ref,
        "caCertPath": spec.ca_cert_path,
        "extensions.ca.configMapRef": "" if authority is None or authority.config_map_ref is None else "set",
        "extensions.ca.clusterTrustBundle": "" if authority is None else authority.cluster_trust_bundle,
    }
    named = [name for name, value in sources.items() if value]
    if len(named) > 1:
        yield remark(("spec",), f"the certificate authorities come from {' and '.join(named)}", "keep one")
    if ".." in spec.ca_cert_path:
        yield remark(("spec", "caCertPath"), "the path contains '..'", "write the path without it")


def insecure_connection(subject: Subject, _: Bundle) -> Iterator[Remark]:
    """Connections over which a token can be stolen."""
    connection = subject.has(VaultConnection)
    if connection is None:
        return
    if _is_open(connection.spec.address):
        yield remark(("spec", "address"), "tokens and secrets travel unencrypted", "use https")
    if connection.spec.skip_tls_verify:
        problem = "whoever answers at this address gets the operator's logins"
        yield remark(("spec", "skipTLSVerify"), problem, "name the CA with caCertSecretRef instead")


def _is_open(address: str) -> bool:
    """Whether what is sent to `address` can be read on the way."""
    try:
        parts = urlsplit(address.strip())
    except ValueError:
        return False  # told by another rule
    return parts.scheme == "http" and parts.hostname not in _LOCAL


def _references(subject: Subject) -> Iterator[tuple[Member, str]]:
    claimant, auth, shared = claimant_of(subject.obj), subject.has(VaultAuth), subject.has(VaultAuthGlobal)
    if claimant is not None and claimant.spec.vault_auth_ref:
        yield _AUTH_REF, claimant.spec.vault_auth_ref
    if auth is not None and auth.spec.vault_connection_ref:
        yield _CONNECTION_REF, auth.spec.vault_connection_ref
    if shared is not None and shared.spec.vault_connection_ref:
        yield _CONNECTION_REF, shared.spec.vault_connection_ref


def _targets(subject: Subject, bundle: Bundle) -> Iterator[tuple[Member, str, Key]]:
    shared = subject.has(VaultAuthGlobal)
    for member, text in _references(subject):
        if shared is not None and "/" not in text:
            continue  # looked up in the namespace of each VaultAuth
        try:
            yield member, "VaultAuth" if member == _AUTH_REF else "VaultConnection", _parse(text, subject, bundle)
        except InvalidReference:
            continue
    auth = subject.has(VaultAuth)
    shared_key = _global_of(auth) if auth is not None else None
    if shared_key is not None:
        yield _GLOBAL_REF, "VaultAuthGlobal", shared_key
    claimant = claimant_of(subject.obj)
    refs = claimant.spec.destination.transformation.transformation_refs if claimant is not None else ()
    for at, one in enumerate(refs):
        where = ("spec", "destination", "transformation", "transformationRefs", at)
        yield where, "SecretTransformation", Key(one.namespace or subject.namespace, one.name)


def _find(bundle: Bundle, kind: str, key: Key) -> object | None:
    match kind:
        case "VaultAuth":
            return bundle.auth(key)
        case "VaultAuthGlobal":
            return bundle.shared(key)
        case "VaultConnection":
            return bundle.connection(key)
        case _:
            return bundle.transformation(key)


def _refusal_of_global(auth: VaultAuth, bundle: Bundle) -> str:
    """Why `auth` may not inherit from the VaultAuthGlobal that it names; empty if it may, or if nothing is known."""
    key = _global_of(auth)
    shared = bundle.shared(key) if key is not None else None
    if shared is None or is_allowed(
        auth.metadata.namespace,
        restricted=shared.key,
        allowed=shared.spec.allowed_namespaces,
        operator_namespace=bundle.options.operator_namespace,
    ):
        return ""
    restricted = Ref("VaultAuthGlobal", shared.key)
    return refusal(auth.metadata.namespace, restricted=restricted, allowed=shared.spec.allowed_namespaces)


def _global_of(auth: VaultAuth) -> Key | None:
    ref = auth.spec.vault_auth_global_ref
    return Key(ref.namespace or auth.metadata.namespace, ref.name) if ref is not None and ref.name else None


def _knows_global(auth: VaultAuth, bundle: Bundle) -> bool:
    """Whether what `auth` inherits is in the files; else nothing can be said."""
    ref = auth.spec.vault_auth_global_ref
    if ref is None or (not ref.name and not ref.allow_default):
        return True
    key = _global_of(auth)
    return key is not None and bundle.shared(key) is not None


def _parse(text: str, subject: Subject, bundle: Bundle) -> Key:
    return parse_reference(text, namespace=subject.namespace, operator_namespace=bundle.options.operator_namespace)
