"""`kubectl vso doctor`: walks the way from a secret to Vault and back, and says what is wrong, why, and what to do."""

from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from typing import Final

import click
import msgspec
from rich.console import Console
from rich.padding import Padding
from rich.text import Text

from vso.cli.kubectl.checks import Result, Verdict, examine
from vso.cli.kubectl.exit_code import EXIT_CODES, ExitCode, printable
from vso.cli.kubectl.gather import Examiner
from vso.cli.kubectl.installation import assume_option, find_installation, operator_option
from vso.cli.kubectl.output import Format, console, output_option, print_structured, progress, tell_of
from vso.cli.kubectl.secret_kind import complete_name, read_all, read_secret
from vso.cli.kubectl.target import Cluster, Target, listing_options, run
from vso.controllers import Claimant

_HELP: Final = f"""What is wrong with a secret, why, and what to do about it.

Follows its references, resolves the server's name, connects, shakes hands, asks for the seal status, logs in as the
operator would, looks up what the login may do, reads the path once, and looks at the Secret and at the operator. All
of it for real, from where you are, and with your rights; what you may not do, or what cannot be done from here, is said
to be not checked, with the reason. Nothing is changed; the login's token is revoked in the end, and no value is shown.

Nobody logs in for a secret that the operator does not serve, nor while the operator's settings are not known: when no
Deployment of it is found, or several, or one whose settings are elsewhere. --operator-namespace names the right one;
where it does not run in this cluster, and has default settings, --assume-defaults says so. A login by AppRole may use
up one of the uses that its secret id has, so it takes --use-secret-id.

Without NAME all secrets that -n, -A and -l select are looked at, and of those that are well one line is shown.

\b
Examples:
  kubectl vso doctor db                   one secret
  kubectl vso doctor -A -l team=web       many
  kubectl vso doctor db -o json           for a program: items[].checks[].findings[]

\b
A server that only the cluster can reach:
  kubectl port-forward -n vault svc/vault 8200 &
  kubectl vso doctor db --vault-address=https://127.0.0.1:8200

{EXIT_CODES}"""
_MARKS: Final = {
    Result.GOOD: ("✓", "green"),
    Result.WARNING: ("!", "yellow"),
    Result.PROBLEM: ("✗", "bold red"),
    Result.UNKNOWN: ("-", "dim"),
}
_IN_DOUBT: Final = "The operator's settings are taken to be the default ones, and nobody logs in"
_INDENT: Final = 6


class Report(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What was found out about one secret."""

    kind: str
    namespace: str
    name: str
    healthy: bool
    checks: tuple[Verdict, ...]


@click.command("doctor", help=_HELP, short_help="What is wrong with a secret, and what to do.")
@click.argument("name", required=False, shell_complete=complete_name)
@click.option(
    "--vault-address", default="", metavar="URL", help="Where to reach Vault from here, in place of the connection's."
)
@click.option("--use-secret-id", is_flag=True, help="Log in by AppRole, too: that may use up one use of the secret id.")
@output_option
@operator_option
@assume_option
@listing_options
def command(
    target: Target,
    name: str | None,
    output: Format,
    vault_address: str,
    operator_namespace: str | None,
    *,
    assume_defaults: bool,
    use_secret_id: bool,
) -> None:
    """See `_HELP`."""
    with progress("Looking at each link") as tell:

        async def look(cluster: Cluster) -> list[Report]:
            secrets = [await read_secret(cluster, name)] if name else await read_all(cluster)
            installation = await find_installation(cluster.client, operator_namespace, assume_defaults=assume_defaults)
            if installation.doubt:
                tell_of(f"{_IN_DOUBT}: {installation.doubt}.")
            async with AsyncExitStack() as stack:
                examiner = Examiner(
                    cluster.client, installation, stack, vault_address=vault_address, use_secret_id=use_secret_id
                )
                return await _examine(examiner, secrets, tell)

        reports = run(target, look)
    if output.for_programs:
        print_structured({"items": reports}, output)
    else:
        screen = console()
        for one in reports:
            show(screen, one, whole=bool(name) or output is Format.WIDE)
        ill = sum(not one.healthy for one in reports)
        if not name:
            click.echo(f"{len(reports)} looked at, {ill} with problems.")
    if not all(one.healthy for one in reports):
        raise SystemExit(ExitCode.WRONG)


async def _examine(examiner: Examiner, secrets: Sequence[Claimant], tell: Callable[[str], None]) -> list[Report]:
    reports = []
    for number, secret in enumerate(secrets, 1):
        tell(f"Looking at {secret.kind} {secret.key}, {number} of {len(secrets)}")
        verdicts = tuple(examine(await examiner.examine(secret)))
        reports.append(
            Report(
                kind=secret.kind,
                namespace=secret.metadata.namespace,
                name=secret.metadata.name,
                healthy=all(one.result is not Result.PROBLEM for one in verdicts),
                checks=verdicts,
            )
        )
    return reports


def show(screen: Console, report: Report, *, whole: bool) -> None:
    """Print a report; without `whole` only what is not well."""
    shown = [one for one in report.checks if whole or one.result in {Result.WARNING, Result.PROBLEM}]
    title = Text.assemble((printable(f"{report.kind} {report.namespace}/{report.name}"), "bold"))
    screen.print(title if shown else title.append("  is well", style="green"))
    for one in shown:
        mark, style = _MARKS[one.result]
        because = f": not checked, because {printable(one.because)}" if one.because else ""
        screen.print(Padding(Text.assemble((mark, style), f" {one.question}{because}"), (0, 0, 0, 2), expand=False))
        for finding in one.findings:
            for label, text in (("", finding.what), ("why: ", finding.why), ("do:  ", finding.todo)):
                if text:
                    screen.print(
                        Padding(Text.assemble((label, "dim"), printable(text)), (0, 0, 0, _INDENT), expand=False)
                    )
