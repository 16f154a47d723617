"""`kubectl vso tree`: where a secret comes from, and who uses it."""

from collections.abc import Iterable
from typing import Final

import click
import msgspec
from rich.text import Text
from rich.tree import Tree

from vso.apis import core
from vso.apis.conditions import ConditionType, find
from vso.apis.meta import Key, PartialObject
from vso.apis.reference import InvalidReference, parse_reference
from vso.apis.v1beta1 import VaultAuth, VaultConnection
from vso.cli.kubectl.chain import Chain, Unreadable
from vso.cli.kubectl.exit_code import EXIT_CODES, ExitCode, printable
from vso.cli.kubectl.installation import Installation, find_installation, operator_option
from vso.cli.kubectl.output import Format, console, output_option, print_structured, progress
from vso.cli.kubectl.redaction import without_user
from vso.cli.kubectl.restart import Fate, fates_of
from vso.cli.kubectl.secret_kind import complete_name, read_secret
from vso.cli.kubectl.summary import State, reason_in, summarize
from vso.cli.kubectl.target import Cluster, Target, cluster_options, run
from vso.cli.kubectl.workload import read_users
from vso.controllers import Claimant
from vso.kube import Forbidden, NotFound
from vso.sync import Resolved, SyncError, resolve, resolve_auth

_HELP: Final = f"""Where a secret comes from, and who uses it.

Upwards: the VaultAuth it logs in with, what that inherits of a VaultAuthGlobal, the VaultConnection and the server.
Downwards: the Secret it writes, and everything in the namespace that uses this Secret: by env, envFrom, volumes,
projected volumes, imagePullSecrets, or as the certificate of an Ingress. Workloads that keep the old values after a
change, because they are no rolloutRestartTargets, are marked.

\b
Examples:
  kubectl vso tree db                     of the namespace of your context
  kubectl vso tree vds/db -n team-a       of several of that name, the VaultDynamicSecret
  kubectl vso tree db -o json             for a program

{EXIT_CODES}"""


class Node(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, rename="camel"):
    """One object: `note` says what it is for, `problem` what is wrong with it, or with the way to it."""

    kind: str
    name: str
    note: str = ""
    problem: str = ""
    children: tuple["Node", ...] = ()

    @property
    def well(self) -> bool:
        """Whether nothing is wrong here or below."""
        return not self.problem and all(one.well for one in self.children)


@click.command("tree", help=_HELP, short_help="Where a secret comes from, and who uses it.")
@click.argument("name", shell_complete=complete_name)
@output_option
@operator_option
@cluster_options
def command(target: Target, name: str, output: Format, operator_namespace: str | None) -> None:
    """See `_HELP`."""
    with progress("Following the references"):
        root = run(target, lambda cluster: _grow(cluster, name, operator_namespace))
    if output.for_programs:
        print_structured(root, output)
    else:
        console().print(drawn(root))
    if not root.well:
        raise SystemExit(ExitCode.WRONG)


def drawn(node: Node, onto: Tree | None = None) -> Tree:
    """The tree for a terminal."""
    text = Text.assemble((printable(node.kind), "bold"), f" {printable(node.name)}")
    if node.note:
        text.append(f"  {printable(node.note)}", style="dim")
    if node.problem:
        text.append(f"  ✗ {printable(node.problem)}", style="red")
    branch = Tree(text) if onto is None else onto.add(text)
    for one in node.children:
        drawn(one, branch)
    return branch


async def _grow(cluster: Cluster, name: str, operator_namespace: str | None) -> Node:
    secret = await read_secret(cluster, name)
    installation = await find_installation(cluster.client, operator_namespace)
    chain = Chain(cluster.client, installation.settings.jurisdiction)
    summary = summarize(secret)
    return Node(
        kind=secret.kind,
        name=str(secret.key),
        note=summary.state,
        problem="" if summary.state in {State.SYNCED, State.DELETING} else summary.message,
        children=(await _auth(secret, chain, installation), await _destination(cluster, secret)),
    )


async def _auth(secret: Claimant, chain: Chain, installation: Installation) -> Node:
    reference, own = secret.spec.vault_auth_ref, secret.metadata.namespace
    try:
        key = parse_reference(reference, namespace=own, operator_namespace=installation.namespace)
    except InvalidReference as exc:
        return Node(kind="VaultAuth", name=reference, problem=f"spec.vaultAuthRef: {exc}")
    try:
        auth = await chain.settle(lambda known: known.auth(key))
        if auth is None:
            return Node(kind="VaultAuth", name=str(key), problem="does not exist: create it, or correct vaultAuthRef")
        problem = await _problem(secret, chain, installation)
        resolved = await chain.settle(
            lambda known: resolve_auth(auth, references=known, options=installation.global_auth)
        )
    except (SyncError, Unreadable) as exc:
        return Node(kind="VaultAuth", name=str(key), problem=str(exc))
    return Node(
        kind="VaultAuth",
        name=str(key),
        note=_login(resolved),
        problem=problem,
        children=(*_shared(auth, resolved), await _connection(resolved, chain)),
    )


async def _problem(secret: Claimant, chain: Chain, installation: Installation) -> str:
    """What keeps `secret` from using the login, apart from what the connection's own line says."""
    try:
        await chain.settle(
            lambda known: resolve(
                secret.spec.vault_auth_ref,
                consumer=secret.metadata.namespace,
                references=known,
                options=installation.global_auth,
                policy=installation.settings.policy,
            )
        )
    except (SyncError, Unreadable) as exc:
        return str(exc)
    return ""


def _login(resolved: Resolved) -> str:
    merged = resolved.merged
    role = getattr(merged.block, "role", "")
    namespace = f" in Vault namespace {merged.namespace}" if merged.namespace else ""
    return f"{merged.method} at auth/{merged.mount}{f', role {role}' if role else ''}{namespace}"


def _shared(auth: VaultAuth, resolved: Resolved) -> Iterable[Node]:
    if resolved.shared is not None:
        yield Node(kind="VaultAuthGlobal", name=str(resolved.shared.key), note=f"inherited by {auth.metadata.name}")


async def _connection(resolved: Resolved, chain: Chain) -> Node:
    key = resolved.connection
    try:
        found = await chain.settle(lambda known: known.connection(key))
    except (SyncError, Unreadable) as exc:
        return Node(kind="VaultConnection", name=str(key), problem=str(exc))
    if found is None:
        return Node(kind="VaultConnection", name=str(key), problem="does not exist")
    return Node(kind="VaultConnection", name=str(key), children=(server_of(found),))


def server_of(connection: VaultConnection) -> Node:
    """The server that a connection leads to, in the words of the operator."""
    looked = find(connection.status.conditions, ConditionType.RESOURCE_VALIDATION)
    address = without_user(connection.spec.address)
    if looked is None:
        return Node(kind="Vault", name=address, note="the operator has not looked at it yet")
    if looked.status == "True":
        return Node(kind="Vault", name=address, note="answers the operator")
    return Node(kind="Vault", name=address, problem=reason_in(looked.message.replace("errs=", "err=")))


async def _destination(cluster: Cluster, secret: Claimant) -> Node:
    key = Key(secret.metadata.namespace, secret.spec.destination.name)
    users = await read_users(cluster.client, key.namespace, key.name)
    unread = tuple(Node(kind=kind, name="?", note=f"not looked at: {why}") for kind, why in users.unread.items())
    children = (*(_user(one) for one in fates_of(secret, users)), *unread)
    note, problem = "", ""
    try:
        note = _ownership(await cluster.client.get(core.SECRET.partial(), key), secret)
    except NotFound:
        problem = "does not exist" + (" yet" if secret.spec.destination.create else ", and create is false")
    except Forbidden as exc:
        note = f"not looked at: {exc}"
    return Node(kind="Secret", name=str(key), note=note, problem=problem, children=children)


def _ownership(found: PartialObject, secret: Claimant) -> str:
    owners = found.metadata.owner_references
    if any(one.uid == secret.metadata.uid for one in owners):
        return "created and owned by this resource"
    if not owners:
        return "not owned by anybody" if secret.spec.destination.create else "made by somebody else, filled by this"
    return f"owned by {', '.join(f'{one.kind} {one.name}' for one in owners)}"


def _user(fate: Fate) -> Node:
    note = "; ".join((*fate.uses, fate.text))
    return Node(kind=fate.kind, name=fate.name, note=note, problem=fate.problem)
