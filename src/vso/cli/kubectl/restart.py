"""What becomes of each workload when the data of a Secret changes. Pure."""

from collections.abc import Iterator
from enum import StrEnum

import msgspec

from vso.cli.kubectl.workload import User, Users
from vso.controllers import Claimant


class Verdict(StrEnum):
    """What happens to a workload."""

    RESTARTS = "restarts"
    PAUSED = "paused"
    ABSENT = "absent"
    STALE = "keeps old values"
    FOLLOWS = "follows by itself"
    UNKNOWN = "unknown"


class Fate(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, rename="camel"):
    """One workload: how it uses the Secret, whether it is a restart target, what happens, and why.

    `problem` is set where somebody should do something about it.
    """

    kind: str
    name: str
    target: bool
    verdict: Verdict
    uses: tuple[str, ...] = ()
    text: str = ""
    problem: str = ""


def fates_of(secret: Claimant, users: Users) -> list[Fate]:
    """The restart targets of `secret`, then who else uses its Secret."""
    return [*_targets(secret, users), *_others(secret, users)]


def _targets(secret: Claimant, users: Users) -> Iterator[Fate]:
    using = {(one.kind, one.name): one for one in users.found}
    for target in secret.spec.rollout_restart_targets:
        identity = (target.kind, target.name)
        user = using.get(identity)
        verdict, text, problem = _judge(secret, identity, users, user)
        yield Fate(
            kind=target.kind,
            name=target.name,
            target=True,
            verdict=verdict,
            uses=_places(user),
            text=text,
            problem=problem,
        )


def _judge(secret: Claimant, identity: tuple[str, str], users: Users, user: User | None) -> tuple[Verdict, str, str]:
    kind, name = identity
    if kind.removeprefix("argo.") in users.unread:
        return Verdict.UNKNOWN, f"restart target, not looked at: {users.unread[kind.removeprefix('argo.')]}", ""
    if identity not in users.existing:
        return Verdict.ABSENT, "", "restart target, but it does not exist: create it, or remove the target"
    if kind == "Deployment" and name in users.paused:
        return Verdict.PAUSED, "", "restart target, but it is paused: it restarts when it is resumed"
    if not _restarts_at_all(secret):
        problem = "restart target, but hmacSecretData is false, so no change is noticed and nothing is restarted"
        return Verdict.STALE, "", problem
    if user is None:
        return Verdict.RESTARTS, "restarts on a change, although it does not use the Secret itself", ""
    return Verdict.RESTARTS, "restarts on a change", ""


def _others(secret: Claimant, users: Users) -> Iterator[Fate]:
    targets = {(one.kind, one.name) for one in secret.spec.rollout_restart_targets}
    for user in users.found:
        if (user.kind, user.name) in targets:
            continue
        stale = user.stale_after_change
        text = "sees a change by itself, within about a minute" if _has_files(user) else "sees a change by itself"
        problem = "no restart target: it keeps the old values until it is restarted" if stale else ""
        yield Fate(
            kind=user.kind,
            name=user.name,
            target=False,
            verdict=Verdict.STALE if stale else Verdict.FOLLOWS,
            uses=_places(user),
            text="" if stale else text,
            problem=problem,
        )


def _places(user: User | None) -> tuple[str, ...]:
    return () if user is None else tuple(use.where for use in user.uses)


def _has_files(user: User) -> bool:
    return any("volume" in use.where for use in user.uses)


def _restarts_at_all(secret: Claimant) -> bool:
    compares = getattr(secret.spec, "hmac_secret_data", True)
    return compares is not False and compares is not None
