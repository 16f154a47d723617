"""`kubectl vso restart-plan`: which workloads would restart if the data of a secret changed."""

from typing import Final

import click
from rich.text import Text

from vso.cli.kubectl.exit_code import EXIT_CODES, ExitCode
from vso.cli.kubectl.output import Format, output_option, print_structured, print_table, progress, tell_of
from vso.cli.kubectl.restart import Fate, Verdict, fates_of
from vso.cli.kubectl.secret_kind import complete_name, read_secret
from vso.cli.kubectl.target import Cluster, Target, cluster_options, run
from vso.cli.kubectl.workload import read_users

_HELP: Final = f"""Which workloads would restart if the data of a secret changed, and why.

Lists the rolloutRestartTargets, those too that do not exist or are paused, and then everything else in the namespace
that uses the Secret: what follows a change by itself (volumes), and what keeps the old values (variables, subPath)
because it is no target. Nothing is changed.

\b
Examples:
  kubectl vso restart-plan db
  kubectl vso restart-plan db -o json | jq '.items[] | select(.problem)'

{EXIT_CODES}"""
_STYLES: Final = {
    Verdict.RESTARTS: "green",
    Verdict.PAUSED: "yellow",
    Verdict.ABSENT: "red",
    Verdict.STALE: "red",
    Verdict.FOLLOWS: "",
    Verdict.UNKNOWN: "yellow",
}


@click.command("restart-plan", help=_HELP, short_help="Which workloads would restart on a change.")
@click.argument("name", shell_complete=complete_name)
@output_option
@cluster_options
def command(target: Target, name: str, output: Format) -> None:
    """See `_HELP`."""
    with progress("Looking for workloads"):
        fates = run(target, lambda cluster: _read(cluster, name))
    if output.for_programs:
        print_structured({"items": fates}, output)
    elif fates:
        columns = ("KIND", "NAME", "TARGET", "ON A CHANGE", "USES", "WHY")
        print_table(columns, (_row(one) for one in fates))
    else:
        click.echo("Nothing in the namespace uses the Secret, and nothing is a restart target.", err=True)
    if any(one.problem for one in fates):
        raise SystemExit(ExitCode.WRONG)


async def _read(cluster: Cluster, name: str) -> list[Fate]:
    secret = await read_secret(cluster, name)
    users = await read_users(cluster.client, secret.metadata.namespace, secret.spec.destination.name)
    for kind, why in users.unread.items():
        tell_of(f"{kind}: not looked at, because {why}")
    return fates_of(secret, users)


def _row(fate: Fate) -> tuple[str | Text, ...]:
    verdict = Text(fate.verdict, style=_STYLES[fate.verdict])
    target = "yes" if fate.target else "no"
    return (fate.kind, fate.name, target, verdict, ", ".join(fate.uses) or "-", fate.problem or fate.text)
