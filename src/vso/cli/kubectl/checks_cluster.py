"""Checks of what is in the cluster: the resource, its references, its Secret, the operator. See `checks`."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Final

from vso.apis.meta import Key
from vso.apis.required import missing_members
from vso.apis.v1beta1 import VaultDynamicSecret, VaultPKISecret, VaultStaticSecret
from vso.base import parse_duration
from vso.cli.kubectl.facts import Facts, Right
from vso.cli.kubectl.finding import Finding, Severity
from vso.cli.kubectl.summary import State, summarize
from vso.cli.kubectl.vault_path import path_of
from vso.controllers import Claimant
from vso.sync import (
    AuthInvalid,
    AuthNotFound,
    ClientSpec,
    ConnectionNotFound,
    Destination,
    NotAllowed,
    OwnershipError,
    PolicyRefused,
    SyncError,
    Wanted,
    owner_labels,
    owner_reference,
    plan,
)
from vso.vault import VaultError

_DEAD_AFTER: Final = timedelta(minutes=2)


def spec(secret: Claimant, _: Facts) -> Iterator[Finding]:
    """Fields that are missing, or cannot be read."""
    for member in missing_members(secret):
        yield Finding(what=f"{member} is not set", todo=f"set {member}")
    if not secret.spec.destination.name:
        yield Finding(what="spec.destination.name is empty", todo="name the Secret to write")
    for member, text in _durations(secret):
        try:
            negative = bool(text) and parse_duration(text) < timedelta(0)
        except ValueError as exc:
            yield Finding(what=f"{member}: {exc}", todo=f"correct {member}")
            continue
        if negative:
            yield Finding(what=f"{member} is negative: {text}", todo=f"correct {member}")
    try:
        path_of(secret)
    except VaultError as exc:
        yield Finding(what=str(exc), todo="correct spec.mount and spec.path")


def covered(responsible: bool, facts: Facts) -> Iterator[Finding]:  # noqa: FBT001 - the fact itself
    """The operator's jurisdiction."""
    if not responsible:
        yield Finding(
            what=f"the operator in {facts.installation.namespace} is not responsible for this resource",
            why="its --watch-namespaces, --namespace-selector or --operator-class leave it out",
            todo=(
                "have the namespace added to them, or correct the label vault-secrets-operator.github.io/class of the "
                "resource"
            ),
        )


def references(found: ClientSpec | SyncError, facts: Facts) -> Iterator[Finding]:
    """VaultAuth, VaultAuthGlobal, VaultConnection, and who may use them."""
    if isinstance(found, ClientSpec):
        return
    match found:
        case AuthNotFound():
            todo = "create the VaultAuth, or correct spec.vaultAuthRef of the resource"
        case ConnectionNotFound():
            todo = "create the VaultConnection, or correct spec.vaultConnectionRef of the VaultAuth"
        case NotAllowed():
            todo = f"add {facts.secret.metadata.namespace} to allowedNamespaces there, or use an object of your own"
        case PolicyRefused():
            todo = "change it as the text says, or ask whoever administers the operator for that flag"
        case AuthInvalid():
            todo = "complete the VaultAuth, or what it inherits of its VaultAuthGlobal"
        case _:
            todo = "correct the reference"
    yield Finding(what=str(found), todo=todo)


def rendering(problem: str, _: Facts) -> Iterator[Finding]:
    """SecretTransformations and templates."""
    if problem:
        yield Finding(
            what=problem,
            todo="correct spec.destination.transformation, or the SecretTransformation; `kubectl vso render` tries it",
        )


def claims(claimants: tuple[Claimant, ...], facts: Facts) -> Iterator[Finding]:
    """Several resources with one destination: the oldest writes it."""
    secret = facts.secret
    rivals = [one for one in claimants if one.metadata.uid != secret.metadata.uid]
    if not rivals:
        return
    first = claimants[0].metadata.uid == secret.metadata.uid
    winner = "this one" if first else f"{rivals[0].kind} {rivals[0].metadata.name}"
    others = ", ".join(f"{one.kind} {one.metadata.name}" for one in rivals)
    name = secret.spec.destination.name
    yield Finding(
        what=f"the Secret {name} is also the destination of {others}",
        why=f"of several, the oldest writes it: {winner}",
        todo="name another destination in all but one",
        severity=Severity.WARNING if first else Severity.PROBLEM,
    )


def destination(live: Destination | None, facts: Facts) -> Iterator[Finding]:
    """Whose the Secret is, and whether its data can change."""
    secret = facts.secret
    key = Key(secret.metadata.namespace, secret.spec.destination.name)
    try:
        plan(live, _wanted(secret, key))
    except OwnershipError as exc:
        yield Finding(what=str(exc), todo=_ownership_todo(live, secret))
        return
    if live is not None and live.immutable:
        yield Finding(
            what=f"the Secret {key} is immutable, so its data cannot follow Vault",
            why="immutable: true is set in it; Kubernetes refuses each change of its data",
            todo="delete it and let the operator create it anew, or name another destination",
        )


def rights(missing: tuple[Right, ...], facts: Facts) -> Iterator[Finding]:
    """RBAC of the operator."""
    if missing:
        account = facts.installation.account
        needs = "; ".join(f"{one} (to {one.why})" for one in missing)
        yield Finding(
            what=f"ServiceAccount {account} lacks rights in {facts.secret.metadata.namespace}: {needs}",
            why="its Roles or ClusterRoles, or their bindings, are missing or were changed",
            todo="apply the operator's RBAC manifests again; --operator-namespace names another operator",
        )


def leader(renewed: datetime, facts: Facts) -> Iterator[Finding]:
    """Whether a leader is at work."""
    silent = facts.now - renewed
    if silent > _DEAD_AFTER:
        yield Finding(
            what=f"the operator has not renewed its lease for {int(silent.total_seconds())} s",
            why="no replica of it runs, or none reaches the API server",
            todo=f"look at its Pods: kubectl get pods -n {facts.installation.namespace}",
        )


def report(secret: Claimant, _: Facts) -> Iterator[Finding]:
    """What the operator itself says in the status."""
    summary = summarize(secret)
    if summary.state is State.SYNCED:
        return
    grave = summary.state is State.FAILING
    yield Finding(
        what=f"{summary.state}: {summary.message}" if summary.message else summary.state,
        why="so says the status of the resource",
        todo=(
            "see the findings above; if there are none, the operator sees something else than you from where it runs"
            if grave
            else "wait for it; `kubectl vso refresh` asks for it at once"
        ),
        severity=Severity.PROBLEM if grave else Severity.WARNING,
    )


def _durations(secret: Claimant) -> tuple[tuple[str, str], ...]:
    match secret:
        case VaultStaticSecret():
            return (("spec.refreshAfter", secret.spec.refresh_after),)
        case VaultDynamicSecret():
            more = secret.spec.extensions
            return (
                ("spec.refreshAfter", secret.spec.refresh_after),
                ("spec.extensions.maxPollInterval", more.max_poll_interval),
                ("spec.extensions.revokeSupersededAfter", more.revoke_superseded_after),
            )
        case VaultPKISecret():
            return (("spec.expiryOffset", secret.spec.expiry_offset),)


def _wanted(secret: Claimant, key: Key) -> Wanted:
    """What the Secret should be, its data apart, which is not looked at."""
    wanted = secret.spec.destination
    return Wanted(
        key=key,
        create=wanted.create,
        overwrite=wanted.overwrite,
        type=wanted.type or "Opaque",
        labels={**wanted.labels, **owner_labels(secret)},
        annotations=wanted.annotations,
        owner=owner_reference(secret),
        mac="",
    )


def _ownership_todo(live: Destination | None, secret: Claimant) -> str:
    if live is None:
        return "create the Secret, or set spec.destination.create"
    if live.immutable:
        return "delete it and let the operator create it anew, or name another destination"
    if secret.spec.destination.overwrite or live.metadata.owner_references:
        return "name another destination"
    return "set spec.destination.overwrite to take it over, or name another destination"
