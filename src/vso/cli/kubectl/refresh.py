"""`kubectl vso refresh`: have one secret synced now, and tell what came of it.

Asks by annotation, which the operator answers in the status; waits by one watch.
"""

import asyncio
from collections.abc import Callable
from contextlib import aclosing
from typing import Any, Final

import click
import msgspec

from vso.apis import names
from vso.apis.conditions import ConditionType, find
from vso.apis.meta import Key, Kind
from vso.apis.v1beta1 import VaultDynamicSecret, VaultPKISecret, VaultStaticSecret
from vso.base import SystemClock, parse_duration
from vso.cli.kubectl.exit_code import EXIT_CODES, Failed, TookTooLong
from vso.cli.kubectl.output import Format, output_option, print_structured, progress, tell_of
from vso.cli.kubectl.secret_kind import complete_name, kind_called, read_secret
from vso.cli.kubectl.summary import reason_in
from vso.cli.kubectl.target import Cluster, Target, cluster_options, run
from vso.controllers import Claimant
from vso.kube import Client, Gone, KubeError, Modified, Patch

_HELP: Final = f"""Have one secret synced now, and wait for what comes of it.

Without --rotate: a VaultStaticSecret is read again, the lease of a VaultDynamicSecret is renewed, or its credentials
are read again. With --rotate: a VaultDynamicSecret gets new credentials, a VaultPKISecret a new certificate.
Workloads restart only if data changed.

\b
Examples:
  kubectl vso refresh db                      read it again, wait for up to 30 s
  kubectl vso refresh vds/db --rotate         new credentials
  kubectl vso refresh db --timeout=0          ask, and do not wait

{EXIT_CODES}"""
_TIMEOUT: Final = "30s"
_PAUSE: Final = 1.0
"""Seconds before a watch that was cut is made anew."""


class Outcome(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What came of it: `error` is empty after a success, `changed` tells of other data, lease or certificate."""

    kind: str
    namespace: str
    name: str
    changed: bool
    error: str = ""
    message: str = ""


def _duration(_ctx: click.Context, _param: click.Parameter, value: str) -> float:
    try:
        return parse_duration(value).total_seconds()
    except ValueError as exc:
        raise click.BadParameter(str(exc)) from exc


@click.command("refresh", help=_HELP, short_help="Have one secret synced now.")
@click.argument("name", shell_complete=complete_name)
@click.option("--rotate", is_flag=True, help="Fetch new credentials, or a new certificate.")
@click.option(
    "--timeout", default=_TIMEOUT, show_default=True, callback=_duration, help="How long to wait; 0 does not wait."
)
@output_option
@cluster_options
def command(target: Target, name: str, output: Format, timeout: float, *, rotate: bool) -> None:
    """See `_HELP`."""
    with progress(f"Waiting for the operator to sync {name}"):
        outcome = run(target, lambda cluster: _refresh(cluster, name, seconds=timeout, rotate=rotate))
    if output.for_programs:
        print_structured(outcome, output)
    elif not outcome.error:
        tell_of(outcome.message, err=False)
    if outcome.error:
        raise Failed(outcome.message)


def judge(before: Claimant, now: Claimant, annotation: str) -> Outcome | None:
    """What came of the request that `now` carries as `annotation`; None if that does not show yet."""
    wanted = now.metadata.annotations.get(annotation, "")
    recorded = now.status.extensions.rotated if annotation == names.ROTATE else now.status.extensions.refreshed
    synced = find(now.status.conditions, ConditionType.SECRET_SYNCED)
    if synced is None:
        return None
    if synced.status == "True":
        done = recorded == wanted and getattr(now.status.extensions, "pending", None) is None
        return _outcome(now, changed=_identity(now) != _identity(before)) if done else None
    known = find(before.status.conditions, ConditionType.SECRET_SYNCED)
    # An operator that fails as before has nothing new to write.
    if known is not None and (known.status, known.message) == (synced.status, synced.message):
        return None
    return _outcome(now, changed=False, error=reason_in(synced.message))


async def _refresh(cluster: Cluster, name: str, *, seconds: float, rotate: bool) -> Outcome:
    before = await read_secret(cluster, name)
    kind = kind_called(before.kind)
    if kind is None:
        raise Failed(f"{before.kind} cannot be refreshed")
    annotation = names.ROTATE if rotate else names.REFRESH
    patch = Patch(body={"metadata": {"annotations": {annotation: SystemClock().now().isoformat()}}})
    asked: Claimant = await cluster.client.patch(kind, before.key, patch)
    if not seconds:
        return Outcome(
            kind=asked.kind,
            namespace=asked.metadata.namespace,
            name=asked.metadata.name,
            changed=False,
            message=f"{asked.kind} {asked.key}: asked for; `kubectl vso status {name}` shows what comes of it",
        )
    seen = [asked]
    try:
        async with asyncio.timeout(seconds):
            return await _first(cluster.client, kind, seen, lambda now: judge(before, now, annotation))
    except TimeoutError:
        return _late(seen[-1], seconds)


async def _first(
    client: Client, kind: Kind[Any], seen: list[Claimant], judged: Callable[[Claimant], Outcome | None]
) -> Outcome:
    """The first outcome that shows in the resource, whose states are added to `seen`."""
    key: Key = seen[-1].key
    while True:
        if outcome := judged(seen[-1]):
            return outcome
        version = seen[-1].metadata.resource_version
        watch = client.watch(kind, resource_version=version, timeout_seconds=300, namespace=key.namespace)
        try:
            async with aclosing(watch) as events:
                async for event in events:
                    if isinstance(event, Modified) and event.object.key == key:
                        seen.append(event.object)
                        if outcome := judged(event.object):
                            return outcome
        except Gone:
            pass
        except KubeError as exc:
            if not exc.transient:
                raise
            await asyncio.sleep(_PAUSE)
        seen.append(await client.get(kind, key))


def _late(last: Claimant, seconds: float) -> Outcome:
    synced = find(last.status.conditions, ConditionType.SECRET_SYNCED)
    if synced is not None and synced.status == "False":
        return _outcome(last, changed=False, error=reason_in(synced.message))
    raise TookTooLong(
        f"{last.kind} {last.key}: the operator has not answered within {seconds:g} s; is it running, and responsible "
        "for this resource? `kubectl vso doctor` looks at both"
    )


def _outcome(now: Claimant, *, changed: bool, error: str = "") -> Outcome:
    if error:
        message = f"{now.kind} {now.key} is not in sync: {error}"
    else:
        message = f"{now.kind} {now.key} is in sync: {_what_changed(now) if changed else 'nothing had changed'}"
    meta = now.metadata
    return Outcome(
        kind=now.kind, namespace=meta.namespace, name=meta.name, changed=changed, error=error, message=message
    )


def _identity(secret: Claimant) -> tuple[object, ...]:
    """What is another one after a change, as far as the status tells."""
    match secret:
        case VaultStaticSecret():
            return (secret.status.secret_mac,)
        case VaultDynamicSecret():
            rotation = secret.status.static_creds_meta_data
            lease = secret.status.secret_lease.id
            return (lease, secret.status.secret_mac, rotation.last_vault_rotation if rotation else 0)
        case VaultPKISecret():
            return (secret.status.serial_number,)


def _what_changed(secret: Claimant) -> str:
    match secret:
        case VaultStaticSecret():
            return "the data was changed"
        case VaultDynamicSecret():
            return "it has new credentials"
        case VaultPKISecret():
            return f"it has a new certificate, serial number {secret.status.serial_number}"
