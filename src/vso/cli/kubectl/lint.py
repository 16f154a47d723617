"""`kubectl vso lint`: what the server or the operator would refuse later, found in files."""

import asyncio
from collections.abc import Iterable, Sequence
from typing import Final

import click
from rich.text import Text

from vso.apis.merge import GlobalOptions
from vso.cli.kubectl.exit_code import ExitCode, printable
from vso.cli.kubectl.linting import RULES, Bundle, Finding, Severity, findings, templates_in, unreadable
from vso.cli.kubectl.manifest import Manifest, Unreadable, find_texts, parse
from vso.cli.kubectl.output import Format, console, print_structured
from vso.cli.kubectl.subject import Subject, subjects_of
from vso.sync import Budget, RenderError, Template, TemplateEngine, TemplateError

_COLOURS: Final = {Severity.ERROR: "red", Severity.WARNING: "yellow", Severity.HINT: "cyan"}

HELP: Final = """Find in files what the API server or the operator would refuse later.

Needs no cluster. Each finding has the file and line, what is wrong and what to do. References are looked up in the
files alone: what is not there is a warning, as the cluster may have it. Objects of other groups are passed over.

\b
  kubectl vso lint -f manifests/
  kubectl vso lint --strict apps/*.yaml
  helm template my-chart | kubectl vso lint -f - -o json

\b
Exit codes:
  0  nothing that is an error
  1  an error, or with --strict a warning
  2  the command line is wrong
"""


@click.command(name="lint", help=HELP, short_help="Find mistakes in manifests before they are applied.")
@click.argument("more", nargs=-1, metavar="[FILE]...")
@click.option("-f", "--filename", "files", multiple=True, metavar="FILE", help="File or folder; - is stdin.")
@click.option("-R", "--recursive", is_flag=True, help="Look into the folders of a folder, too.")
@click.option("-n", "--namespace", default="default", metavar="NAME", help="Where objects go that do not say.")
@click.option(
    "--operator-namespace",
    default="vault-secrets-operator-system",
    show_default=True,
    metavar="NAME",
    help="Where the operator is, and the objects called default.",
)
@click.option("--strict", is_flag=True, help="Take warnings for errors.")
@click.option(
    "--skip",
    multiple=True,
    type=click.Choice([one.name for one in RULES]),
    metavar="RULE",
    help="Leave a rule out, by its name in the findings.",
)
@click.option("-o", "--output", "output", type=click.Choice(["json", "yaml"]), help="A form for programs.")
def command(  # noqa: PLR0913 - one parameter per option
    *,
    more: tuple[str, ...],
    files: tuple[str, ...],
    recursive: bool,
    namespace: str,
    operator_namespace: str,
    strict: bool,
    skip: tuple[str, ...],
    output: str | None,
) -> None:
    """See `HELP`."""
    names = (*files, *more)
    if not names:
        raise click.UsageError("name files or folders")
    manifests, found = _read(names, recursive=recursive)
    options = GlobalOptions(operator_namespace=operator_namespace)
    bundle = bundle_of(subjects_of(manifests, namespace=namespace), options=options)
    found += findings(bundle, strict=strict, skip=skip)
    if output:
        print_structured({"findings": found}, Format(output))
    else:
        print_findings(found, objects=len(bundle.subjects))
    if any(one.severity is Severity.ERROR for one in found):
        raise click.exceptions.Exit(int(ExitCode.WRONG))


def bundle_of(subjects: Sequence[Subject], *, options: GlobalOptions) -> Bundle:
    """`subjects`, and what the engine says of their templates, or why it says nothing."""
    templates = [template for one in subjects for _, template in templates_in(one)]
    complaints, silence = asyncio.run(_complaints(templates))
    return Bundle(subjects, options=options, complaints=complaints, silence=silence)


async def _complaints(templates: Iterable[Template]) -> tuple[dict[Template, str], str]:
    """What the engine says of `templates`; and why not of all of them, empty if it does."""
    found: dict[Template, str] = {}
    async with TemplateEngine(budget=Budget()) as engine:
        for template in templates:
            try:
                await engine.parse([template])
            except TemplateError as exc:
                found[template] = str(exc)
            except RenderError as exc:
                return found, str(exc)
    return found, ""


def _read(names: Sequence[str], *, recursive: bool) -> tuple[list[Manifest], list[Finding]]:
    """The objects, and a finding for each file that has none."""
    manifests: list[Manifest] = []
    found: list[Finding] = []
    try:
        texts = list(find_texts(names, recursive=recursive))
    except Unreadable as exc:
        raise click.UsageError(f"{exc.file}: {exc}") from exc
    for file, text in texts:
        try:
            manifests += parse(text, file)
        except Unreadable as exc:
            found.append(unreadable(exc))
    return manifests, found


def print_findings(found: Sequence[Finding], *, objects: int) -> None:
    """For people: each finding with its remedy, and how many there are."""
    screen = console()
    for one in found:
        place = ":".join(str(part) for part in (one.file, one.line) if part)
        what = f"{one.kind} {one.namespace}/{one.name}: " if one.kind else ""
        head = Text.assemble(
            printable(f"{place}: ") if place else "",
            (one.severity.value, _COLOURS[one.severity]),
            printable(f": {what}{one.problem} "),
            (f"[{one.rule}]", "dim"),
        )
        screen.print(head, soft_wrap=True)
        screen.print(Text(printable(f"    {one.remedy}")), soft_wrap=True)
    counts = {severity: sum(one.severity is severity for one in found) for severity in Severity}
    told = ", ".join(f"{count} {severity.value}{'s' if count != 1 else ''}" for severity, count in counts.items())
    click.echo(f"{objects} object{'s' if objects != 1 else ''}: {told}", err=True)
