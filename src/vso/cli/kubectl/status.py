"""`kubectl vso status`: how all secrets are, in one line each; see `summary` for what the lines say."""

from contextlib import suppress
from typing import Final

import click

from vso.apis.kinds import HCP_VAULT_SECRETS_APP
from vso.base import SystemClock
from vso.cli.kubectl import live
from vso.cli.kubectl.exit_code import EXIT_CODES, ExitCode
from vso.cli.kubectl.output import Format, output_option, print_structured, print_table, progress
from vso.cli.kubectl.secret_kind import complete_name, read_all, read_pages, read_secret
from vso.cli.kubectl.summary import State, Summary, in_order, summarize, summarize_ended
from vso.cli.kubectl.summary_table import View
from vso.cli.kubectl.target import Cluster, Target, listing_options, run
from vso.kube import Forbidden, NotFound

_HELP: Final = f"""How the secrets are that the operator keeps.

One line per VaultStaticSecret, VaultDynamicSecret and VaultPKISecret: its state, how long ago it was synced, when the
next look at Vault is due, how long its lease or certificate lasts, and, where something is wrong, the reason.

A status records what changed: for a VaultStaticSecret SYNCED is the time since which it has been in sync, without
each look that found nothing new.

An HCPVaultSecretsApp is listed as Ended, as its service is: not by NAME, and not with --watch.

\b
Examples:
  kubectl vso status                      the secrets of the namespace
  kubectl vso status -A --watch           all of the cluster, kept up to date
  kubectl vso status db                   one of them
  kubectl vso status vds/db -o json       one of several of that name, for a program
  kubectl vso status -A -l team=web       by label

{EXIT_CODES}"""


@click.command("status", help=_HELP, short_help="How the secrets are.")
@click.argument("name", required=False, shell_complete=complete_name)
@click.option("-w", "--watch", is_flag=True, help="Stay, and show changes as they happen.")
@output_option
@listing_options
def command(target: Target, name: str | None, output: Format, *, watch: bool) -> None:
    """See `_HELP`."""
    view = View(namespaces=target.namespace is None, wide=output is Format.WIDE)
    if watch:
        if output.for_programs or name:
            raise click.UsageError("--watch is a table of all that -n, -A and -l select: leave out -o and NAME")
        run(target, lambda cluster: live.show(cluster, view, clock=SystemClock()))
        return
    with progress("Reading the secrets"):
        rows = run(target, lambda cluster: _read(cluster, name))
    if output.for_programs:
        print_structured({"items": rows}, output)
    elif rows:
        print_table(view.columns, view.rows(rows, SystemClock().now()))
    else:
        click.echo("There is no VaultStaticSecret, VaultDynamicSecret or VaultPKISecret here.", err=True)
    if not all(one.well or one.state is State.DELETING for one in rows):
        raise SystemExit(ExitCode.WRONG)


async def _read(cluster: Cluster, name: str | None) -> list[Summary]:
    if name:
        return [summarize(await read_secret(cluster, name))]
    return in_order([*map(summarize, await read_all(cluster)), *await _read_ended(cluster)])


async def _read_ended(cluster: Cluster) -> list[Summary]:
    found = read_pages(cluster.client, HCP_VAULT_SECRETS_APP, namespace=cluster.namespace, labels=cluster.labels)
    with suppress(NotFound, Forbidden):  # most clusters have none, and many people no right to look
        return [summarize_ended(one) async for one in found]
    return []
